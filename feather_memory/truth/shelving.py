"""What a truth is asked of what adapters keep, and of what is tied to memories.

A tie says what else in a tenant's truth says what a memory says: a value on a shelf, or another
memory. The truth keeps ties; what follows of them is for `write/forgetting` to say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

from feather_memory.model.records import ShelfRecord, TieRecord


class Shelves(Protocol):
    """What adapters keep beside the memories: JSON by shelf and key, in the order of insertion."""

    def names(self) -> list[str]:
        """The shelves that hold anything, sorted."""

    def find(self, name: str, key: str) -> str | None:
        """The JSON under a key."""

    def every(self, name: str) -> list[tuple[str, str]]:
        """Key and JSON of all."""

    def last(self, name: str, count: int) -> list[tuple[str, str]]:
        """Key and JSON of the `count` that were inserted last, the last first."""

    def keys(self, name: str) -> list[str]:
        """The keys of all."""

    def count(self, name: str) -> int:
        """How many values there are."""

    def stream(self) -> Iterator[ShelfRecord]:
        """What all shelves hold, in the order of insertion, as it is needed."""

    def tied(self, memory_ids: Collection[str]) -> list[TieRecord]:
        """What is tied to these memories, by their ids, then by shelves and keys."""

    def ties(self) -> Iterator[TieRecord]:
        """All ties, in the same order, as they are needed."""


class WritableShelves(Shelves, Protocol):
    """Shelves, within a write transaction."""

    def put(self, name: str, values: Iterable[tuple[str, str]]) -> None:
        """Write values. One that replaces another keeps its place in the order."""

    def discard(self, name: str, keys: Iterable[str]) -> int:
        """Delete what is under these keys; how many there were. They are owed to be erased."""

    def tie(self, ties: Iterable[TieRecord]) -> None:
        """Note what is tied to memories, be they there or not, and how, if it was otherwise.

        A tie ends with what is tied, and with the memory.
        """
