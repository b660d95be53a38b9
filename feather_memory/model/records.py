"""All that a store remembers, as it is kept: the records beside that of a memory, and their order.

Times are seconds, JSON is text, vectors are bytes. Each field stands with what it may be, so that
whoever writes them down or reads them back takes the list from here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from feather_memory.checks import (
    Check,
    exact_json,
    label,
    number,
    one_of,
    or_none,
    passage,
    seconds,
    share,
    vector_bytes,
)
from feather_memory.errors import ParameterError, quoted
from feather_memory.model.fields import Field, Kind, Record
from feather_memory.model.memory import SignalKind
from feather_memory.types import Seconds


def _kept(kind: Kind, check: Check, default: Any = dataclasses.MISSING) -> Any:
    declared = Field(kind=kind, check=check)
    return dataclasses.field(default=default, metadata={"field": declared})


def _text(default: Any = dataclasses.MISSING) -> Any:
    return _kept("text", label if default is dataclasses.MISSING else or_none(label), default)


def _time(default: Any = dataclasses.MISSING) -> Any:
    return _kept("time", seconds if default is dataclasses.MISSING else or_none(seconds), default)


def _signal_kind(value: object, name: str) -> str:
    one_of(value, name, tuple(SignalKind))
    return str(value)


def _flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise ParameterError(f"{name} must be true or false, got {quoted(value)}")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRecord:
    """What a store says of itself. Whose it is is said by the file that takes it."""

    language: str = _text()
    embedder: str | None = _text(None)
    latest: Seconds = _time()
    """The last moment that was recorded."""
    vectors: bool = _kept("integer", _flag, True)
    """Whether the memories come with theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupersessionRecord:
    """That one memory replaced another, and the edge that says so."""

    new: str | None = _text(None)
    """None: it was forgotten since, and its edge with it."""
    old: str = _text()
    holds_from: Seconds = _time()
    recorded_at: Seconds = _time()
    weight: float | None = _kept("real", or_none(share), None)
    created_at: Seconds | None = _time(None)
    """Of the edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeRecord:
    """An edge of any other type."""

    source: str = _text()
    target: str = _text()
    type: str = _text()
    weight: float = _kept("real", share)
    created_at: Seconds = _time()


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRecord:
    """A turn of the recall log."""

    name: str = _text()
    at: Seconds = _time()
    vector: bytes | None = _kept("vector", or_none(vector_bytes), None)
    """Of its question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnNameRecord:
    """A further name of a turn."""

    turn: str = _text()
    name: str = _text()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRecord:
    """A memory that a turn was shown, the best first."""

    turn: str = _text()
    memory_id: str = _text()
    score: float = _kept("real", lambda value, name: number(value, name, -_MOST, _MOST))


_MOST: Final = 1.7976931348623157e308  # no infinity


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRecord:
    """A signal, and when it was taken back."""

    event_id: str = _kept("text", passage)
    memory_id: str = _text()
    kind: str = _kept("text", _signal_kind)
    at: Seconds = _time()
    strength: float = _kept("real", share)
    turn: str | None = _text(None)
    retracted_at: Seconds | None = _time(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfRecord:
    """A value that an adapter keeps."""

    shelf: str = _text()
    key: str = _text()
    value: str = _kept("json", exact_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class TieRecord:
    """That something says what a memory says, and goes with it: a value, or another memory."""

    memory_id: str = _text()
    """The memory need not be there."""
    shelf: str | None = _text(None)
    """Of the value; None for a memory."""
    key: str = _text()
    """Of the value; the id of that memory."""
    is_whole: bool = _kept("integer", _flag, True)
    """False: the value loses what the memory says, and what else it holds stays."""


Kept: TypeAlias = (
    StoreRecord
    | Record
    | SupersessionRecord
    | EdgeRecord
    | TurnRecord
    | TurnNameRecord
    | ShownRecord
    | SignalRecord
    | ShelfRecord
    | TieRecord
)

RECORDS: Final[Mapping[str, type[Kept]]] = {
    "store": StoreRecord,
    "memory": Record,
    "supersession": SupersessionRecord,
    "edge": EdgeRecord,
    "turn": TurnRecord,
    "turn_name": TurnNameRecord,
    "shown": ShownRecord,
    "signal": SignalRecord,
    "shelf": ShelfRecord,
    "tie": TieRecord,
}
"""Every kind of record by its name, in an order in which each names only what came before it."""

NAMES: Final[Mapping[type[Kept], str]] = {kind: name for name, kind in RECORDS.items()}
