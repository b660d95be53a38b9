"""What a truth is: where a store's memories really are, and all that it is asked to do.

A Truth is opened, rested, woken by its next use, and closed. `reading()` gives one moment of it,
`writing()` a transaction that is committed whole or not at all. Both speak in verbs, grouped by
noun (`nouns`); what a connection is, only the truth knows. Whatever is derived stands outside and
asks for `changes` since its own generation. `feather_memory.testing.TruthContract` is this page
as tests.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from feather_memory.truth.nouns import (
    Audit,
    Comparing,
    Edges,
    Engagement,
    Memories,
    WritableAudit,
    WritableEdges,
    WritableEngagement,
    WritableMemories,
)
from feather_memory.truth.shelving import Shelves, WritableShelves
from feather_memory.truth.state import State
from feather_memory.types import Seconds


class ReadTransaction(Protocol):
    """One moment of a truth, whatever others write meanwhile."""

    @property
    def state(self) -> State:
        """What it says of itself. To be read only."""

    @property
    def memories(self) -> Memories:
        """Its memories."""

    @property
    def edges(self) -> Edges:
        """Its edges."""

    @property
    def engagement(self) -> Engagement:
        """Its recall log and signals."""

    @property
    def shelves(self) -> Shelves:
        """Its shelves."""

    @property
    def audit(self) -> Audit:
        """What an audit asks."""

    @property
    def comparing(self) -> Comparing | None:
        """Its vectors, compared by itself; None where it cannot."""

    def refresh(self) -> None:
        """Move to the present. A write transaction is there already."""


class WriteTransaction(ReadTransaction, Protocol):
    """Everything in it is committed, or nothing is. Others wait for it."""

    now: Seconds
    """When what it writes is recorded."""

    @property
    def memories(self) -> WritableMemories:
        """Its memories."""

    @property
    def edges(self) -> WritableEdges:
        """Its edges."""

    @property
    def engagement(self) -> WritableEngagement:
        """Its recall log and signals."""

    @property
    def shelves(self) -> WritableShelves:
        """Its shelves."""

    @property
    def audit(self) -> WritableAudit:
        """What an audit asks, and mends."""

    def own_snapshot(self, mark: str | None) -> None:
        """Say which mapped file belongs to this history; None for none."""


class Truth(Protocol):
    """Where one store's memories really are. Safe to share between threads, and after a fork."""

    @property
    def path(self) -> Path | None:
        """The file, beside which what is derived may lie; None where there is none."""

    @property
    def place(self) -> str:
        """Where it is, as errors and logs call it: no secret is in it."""

    @property
    def address(self) -> str:
        """What `Store.open` opens it by, in another process as well."""

    @property
    def tenant(self) -> str | None:
        """Whose it is."""

    @property
    def embedder(self) -> str | None:
        """The name of the model that its vectors were by when it was opened, if anybody said."""

    @property
    def latest(self) -> Seconds:
        """The last moment that was recorded when it was opened."""

    @property
    def is_open(self) -> bool:
        """Whether nobody has closed it. One that rests is open."""

    @property
    def is_resting(self) -> bool:
        """Whether its next use will have to wake it."""

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be written to it."""

    def now(self) -> Seconds:
        """What time it is, by the clock it was opened with."""

    def size(self) -> int:
        """How many bytes it takes."""

    def is_in_place(self) -> bool:
        """Whether it is still there, and the one that was opened."""

    def generation(self) -> int:
        """Writes committed so far: what a transaction that begins now would see, or later."""

    def reading(self) -> AbstractContextManager[ReadTransaction]:
        """One moment of it, to be read."""

    def writing(self) -> AbstractContextManager[WriteTransaction]:
        """A transaction, committed if its block succeeds and rolled back on anything else.

        Within another of the same thread it is a part of that one: all of it or nothing. No
        exception leaves it open, wherever one comes.

        Raises:
            BusyStoreError: Another writer held it too long.
            ReadOnlyStoreError: It can only be read.
            GoneStoreError: It was removed or replaced since it was opened.
        """

    def erase(self) -> None:
        """See that what was deleted is nowhere any more. Within a transaction, after its commit.

        Else it stays owed, and is tried again whenever somebody writes, closes or opens the truth.

        Raises:
            BusyStoreError: Others read an older moment, or write, for longer than a write waits.
        """

    def backup(self, target: Path) -> None:
        """Copy it as it is at one moment, whole or not at all, while others use it."""

    def rest(self) -> None:
        """Give back what it holds open; its next use takes that again."""

    def close(self) -> None:
        """Close it for good. Safe to call twice."""
