"""What a truth says of itself, and of what has happened to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from feather_memory.model.fields import COLUMNS
from feather_memory.types import Seconds

Durability = Literal["process", "full"]
"""What a returned write survives: the death of the process, or the loss of power, too."""

Lease = Callable[[], AbstractContextManager[object]]
"""Makes what is held while a truth is in use, so that whoever owns it knows."""


class DamagedRowError(ValueError):
    """A row holds what was never written; whoever knows the file's name says so to the caller."""


@dataclass(slots=True)
class State:
    """What a truth says of itself, as of one moment."""

    store_id: str
    """Drawn at birth, and anew for a copy."""
    tenant: str | None
    dimension: int | None
    """Of every vector; None until the first."""
    generation: int
    """Writes committed so far."""
    next_row: int
    """Rows are numbered upwards, none twice."""
    snapshot: str | None
    """The mark of the mapped file that belongs to this history."""
    language: str
    """In which the words of its texts are stemmed."""
    embedder: str | None
    """The name of the model that made the vectors, if anybody said."""
    latest: Seconds
    """The last moment that was recorded. Nothing is recorded before it, whatever the clock says."""
    remade: int
    """How often all words or all vectors were made anew: what was derived of them is void."""
    owed: int
    """Deletes whose bytes may still be somewhere; 0 once they are erased."""
    is_gone: int
    """1 once it is being removed: its tenant was forgotten, or another file takes its place."""


EdgeRow: TypeAlias = tuple[int, int, str, float, Seconds]
"""Rows of source and target, type, weight, created_at."""


class EdgeChanges(NamedTuple):
    """What happened to the edges since a generation."""

    stale: list[int]
    """Rows, of memories that are there or gone: no edge of theirs is as it was, if it is at all."""
    edges: list[EdgeRow]
    """All that start or end at one of them. There are no others that are new."""


class Fallen(NamedTuple):
    """A memory and what replaced it: their ids, who said them, their words in compact form."""

    old: str
    new: str
    old_actor: str | None
    new_actor: str | None
    old_words: bytes
    new_words: bytes


def may_be_superseded(
    appended: Iterable[tuple[Any, ...]], touched: Sequence[object], gone: Sequence[object]
) -> bool:
    """Whether there can be a supersession that a reader does not know, by what else is new to it.

    Each write of one touches what is replaced, and gives it an end; of what has a new row, the old
    one is gone.
    """
    return bool(touched or gone) or any(each[_ENDS] is not None for each in appended)


_ENDS = 1 + COLUMNS.index("valid_to")


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to the memories since a generation."""

    appended: list[tuple[Any, ...]]
    """(row, the numbers of `fields.COLUMNS`, session, actor, whether it has no key, an assistant or
    a tool said it, it is a question; likeness, the vector's bytes, the words in compact form), by
    row."""
    touched: list[tuple[Any, ...]]
    """Known rows with new numbers: those alone."""
    gone: list[int]
    """Rows that nothing has any more."""
    superseded: list[tuple[int, int | None, Seconds, Seconds]]
    """(row of what was replaced, row of what replaced it or None if that is forgotten, holds_from,
    recorded_at) of every supersession between what is appended or touched and anything. There are
    no others that are new, and those of a row that is gone are gone with it."""
