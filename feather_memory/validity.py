"""When a memory holds, who replaced it, and whether a search may return it.

Two times are kept apart: `known_at` looks at when things were recorded, `as_of` at when they
hold. A memory may be returned if ::

    created_at <= known_at   and   valid_from <= as_of < end

where `end` is the first of `valid_to`, `expires_at`, and the moments from which supersessions
recorded by `known_at` hold. Intervals are half-open: [from, to).
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

from feather_memory.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from feather_memory.types import Seconds, When

DECIMALS = 6
"""Times are kept to the microsecond, as datetimes are."""

FIRST: Seconds = -62_135_596_800.0
"""0001-01-01 UTC, the first moment a datetime can name."""

LAST: Seconds = math.nextafter(253_402_300_800.0, 0.0)
"""The last float before the year 10000."""


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


def seconds(moment: When, name: str) -> Seconds:
    """The moment as Unix seconds, to the microsecond.

    Args:
        moment: A timezone-aware datetime, or Unix seconds.
        name: Of the argument, for the message.

    Raises:
        ParameterError: a naive datetime, NaN, infinity, a moment outside the years 1 to 9999,
            or something else.

    >>> from datetime import UTC
    >>> seconds(datetime(2026, 1, 1, tzinfo=UTC), "as_of")
    1767225600.0
    """
    value: Any = moment
    if isinstance(moment, datetime):
        if moment.utcoffset() is None:
            raise ParameterError(f"{name} must say its timezone, got the naive {moment!r}")
        value = min(moment.timestamp(), LAST)  # datetime.max has no float of its own
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number:
        raise ParameterError(f"{name} must be an aware datetime or Unix seconds, got {moment!r}")
    # NaN fails every comparison. Compared before float(), which whole numbers may overflow.
    if not FIRST <= value <= LAST:
        raise ParameterError(f"{name} must lie in the years 1 to 9999, got {moment!r}")
    return min(round(float(value), DECIMALS), LAST)


def overlaps(
    a_from: Seconds | None, a_to: Seconds | None, b_from: Seconds | None, b_to: Seconds | None
) -> bool:
    """Whether two half-open intervals share a moment. None is open; an empty one shares none."""
    start = max(-math.inf if a_from is None else a_from, -math.inf if b_from is None else b_from)
    stop = min(math.inf if a_to is None else a_to, math.inf if b_to is None else b_to)
    return start < stop


def end(
    valid_to: Seconds | None, expires_at: Seconds | None, closings: Iterable[Seconds] = ()
) -> Seconds | None:
    """From when a memory is no longer current: the first of all that end it, or None."""
    given = [moment for moment in (valid_to, expires_at, *closings) if moment is not None]
    return min(given, default=None)


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


def is_eligible(lifetime: Lifetime, *, as_of: Seconds, known_at: Seconds | None = None) -> bool:
    """Whether time lets a search return the memory: no `gate` keeps it out."""
    return gate(lifetime, as_of=as_of, known_at=known_at) is None


def heads(memory_id: str, supersedes: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """What a memory has become: the ends of every chain of replacements, sorted by id.

    Args:
        memory_id: Where to start. One that nothing replaced is its own head.
        supersedes: Pairs (new, old), in any order.

    >>> heads("a", [("b", "a"), ("c", "b"), ("d", "a")])
    ('c', 'd')
    """
    replaced_by = _replaced_by(supersedes)
    return tuple(sorted(each for each in _above(memory_id, replaced_by) if each not in replaced_by))


def would_cycle(new_id: str, old_id: str, supersedes: Iterable[tuple[str, str]]) -> bool:
    """Whether `new_id` supersedes `old_id` would make a memory replace itself.

    >>> would_cycle("a", "c", [("b", "a"), ("c", "b")])
    True
    """
    return old_id in _above(new_id, _replaced_by(supersedes))


def _replaced_by(supersedes: Iterable[tuple[str, str]]) -> Mapping[str, set[str]]:
    replaced_by: defaultdict[str, set[str]] = defaultdict(set)
    for new_id, old_id in supersedes:
        replaced_by[old_id].add(new_id)
    return dict(replaced_by)


def _above(memory_id: str, replaced_by: Mapping[str, set[str]]) -> set[str]:
    """The memory and all that replaced it, directly or not. Ends on a cycle, too."""
    seen, waiting = {memory_id}, [memory_id]
    while waiting:
        fresh = replaced_by.get(waiting.pop(), set()) - seen
        seen |= fresh
        waiting.extend(fresh)
    return seen
