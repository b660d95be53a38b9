"""When a memory holds, and what keeps a search from returning it.

Two times are kept apart: `known_at` looks at when things were recorded, `as_of` at when they
hold. A memory may be returned if ::

    created_at <= known_at   and   valid_from <= as_of < end

where `end` is the first of `valid_to`, `expires_at`, and the moments from which supersessions
recorded by `known_at` hold. Intervals are half-open: [from, to).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from feather_memory.types import Seconds


class Gate(StrEnum):
    """Why time keeps a memory out of an answer, in the order the reasons are looked for."""

    NOT_YET_RECORDED = "not_yet_recorded"
    SUPERSEDED = "superseded"
    ENDED = "ended"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"


class Closing(NamedTuple):
    """One supersession of a memory."""

    recorded_at: Seconds
    holds_from: Seconds
    """`valid_from` of the memory that replaced it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """The times of one memory. None is open."""

    created_at: Seconds
    valid_from: Seconds
    valid_to: Seconds | None = None
    expires_at: Seconds | None = None
    closings: tuple[Closing, ...] = ()


def gate(lifetime: Lifetime, *, as_of: Seconds, known_at: Seconds | None = None) -> Gate | None:
    """The first reason why a memory may not be returned, or None if it may.

    Args:
        lifetime: The memory's times.
        as_of: What was true then?
        known_at: As far as was recorded then; None for all that is recorded.
    """
    known = math.inf if known_at is None else known_at
    if lifetime.created_at > known:
        return Gate.NOT_YET_RECORDED
    if any(c.recorded_at <= known and c.holds_from <= as_of for c in lifetime.closings):
        return Gate.SUPERSEDED
    if lifetime.valid_to is not None and lifetime.valid_to <= as_of:
        return Gate.ENDED
    if lifetime.expires_at is not None and lifetime.expires_at <= as_of:
        return Gate.EXPIRED
    if lifetime.valid_from > as_of:
        return Gate.NOT_YET_VALID
    return None
