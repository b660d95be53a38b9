"""What a truth is asked of each noun, within a transaction: the other half of its contract.

What is read stands in the noun's own protocol, what is written in a `Writable` one beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from feather_memory.filters.language import Filter
from feather_memory.model.fields import Record
from feather_memory.model.hits import Shown
from feather_memory.model.memory import Edge, Memory, Signal, SignalKind
from feather_memory.model.records import (
    EdgeRecord,
    ShownRecord,
    SignalRecord,
    SupersessionRecord,
    TurnNameRecord,
    TurnRecord,
)
from feather_memory.model.spoken import Anew
from feather_memory.truth.state import Changes, EdgeChanges, EdgeRow, Fallen
from feather_memory.types import Rows, Seconds, Vector


class Memories(Protocol):
    """Memories, past and current. The words that they are found by are kept with them."""

    def find(self, memory_id: str) -> Record | None:
        """The one with that id."""

    def by_ids(self, ids: Iterable[str]) -> dict[str, Record]:
        """Those that exist, by id."""

    def by_rows(self, rows: Sequence[int]) -> list[Record]:
        """Those in these rows, which exist, in the order asked for."""

    def rows_of(self, ids: Iterable[str]) -> dict[str, int]:
        """The rows of those that exist, by id."""

    def ids_of(self, rows: Sequence[int]) -> dict[int, str]:
        """The ids of those in these rows, which exist, by row."""

    def known(self, ids: Iterable[str]) -> dict[str, bool]:
        """Whether something has replaced it, by id, for those that exist."""

    def rows_of_keys(self, keys: Iterable[str]) -> dict[int, str]:
        """The slots of those, past ones too, that have one of these, by row."""

    def rows_holding(self, text: str) -> list[int]:
        """Rows of all with this text, and of others that differ in case or punctuation."""

    def alike(self, records: Sequence[Record]) -> dict[int, list[Record]]:
        """What is held and says what one of these says, equal but for case and punctuation.

        By the likeness of the text, each in the order of rows, the last `config.ALIKE` of them;
        nothing for what nobody says. The records have their `words` from then on.
        """

    def page(self, *, after: int, where: Filter | None) -> list[Record]:
        """Some hundreds that a filter lets through, from the row after `after` on."""

    def stream(self, where: Filter | None = None) -> Iterator[Record]:
        """All that a filter lets through, oldest row first, as they are needed."""

    def latest(self, count: int, where: Filter | None, *, offset: int = 0) -> list[Record]:
        """The `count` written last that a filter lets through, after the first `offset` of them."""

    def count(self) -> int:
        """How many there are."""

    def has_vectors(self) -> bool:
        """Whether any has a vector."""

    def holders(self, record: Record) -> list[tuple[str, Seconds]]:
        """(id, valid_from) of the others that hold the record's key while it is valid."""

    def last_turns(
        self, session: str, *, since: Seconds, until: Seconds, without: Collection[int] = ()
    ) -> list[Record]:
        """A session's last turn that is valid from `since` or before, and those until `until`.

        In order of time, then of writing, without those in some rows.
        """

    def turns_before(
        self, rows: Collection[int], *, without: Collection[int] = ()
    ) -> dict[int, Record]:
        """The turn before each of those in these rows that is a turn and has one, by row."""

    def made_with(self, digests: Collection[int]) -> list[Record]:
        """Those whose vectors were made with the text of a turn with one of these digests, too."""

    def shown(self, records: Collection[Record]) -> list[Memory]:
        """The records as callers see them, with what they replaced and what replaced them."""

    def changes(self, *, since: int, next_row: int) -> Changes:
        """What a reader must learn that has all rows below `next_row` as of generation `since`."""

    def buried(self, *, since: int) -> list[int]:
        """Rows that nothing has any more since a generation."""

    def values_of(self, *names: str, from_row: int) -> list[tuple[Any, ...]]:
        """(row, value of each field), `metadata` as JSON, of all from a row on."""


class WritableMemories(Memories, Protocol):
    """Memories, within a write transaction."""

    def insert(self, records: Sequence[Record]) -> None:
        """Add records whose ids are new, giving each its row.

        Raises:
            DimensionError: A vector is of another length than the first that was ever written.
        """

    def replace(self, old: Record, new: Record) -> None:
        """Put `new` in the place of `old`, of the same id: in a new row if its content differs."""

    def made_by(self, model: str) -> None:
        """See that vectors are by the model of that name, from the first that is named on.

        Raises:
            WrongEmbedderError: They are by another.
        """

    def without_successor(self, model: str, count: int) -> list[int]:
        """Rows of some that have no vector by the model yet that is to make all anew.

        What another model had begun to make is dropped.
        """

    def keep_successors(self, model: str, made: Iterable[Anew]) -> bool:
        """Keep vectors by the model that is to make all anew; of what is gone since, none.

        False, and nothing, where another run of the same model has made them all by now.

        Raises:
            ParameterError: Another model has begun since.
            DimensionError: They are not all of one length.
        """

    def drop_successors(self, digests: Collection[int]) -> None:
        """Drop those that were made with the text of a turn with one of these digests, too."""

    def succeed(self, model: str) -> None:
        """Put the model's vectors in the place of all there were. None may lack one."""

    def speak(self, language: str) -> None:
        """Stem the words of what is written from now on in a language. None may be there yet."""

    def set_importance(self, importance: Mapping[str, float]) -> None:
        """Write folded importances, by id."""

    def affirm(self, memory_id: str, by: str | None, at: Seconds | None, times: int = 1) -> None:
        """Count that the same was said again, by whom and when last; −1 takes one time back."""

    def count_recall(self, ids: Iterable[str]) -> None:
        """Count one more turn in which each was shown."""

    def delete(self, records: Sequence[Record]) -> None:
        """Remove them, and all that hangs on them. That it be erased is owed from then on."""


class Comparing(Protocol):
    """Vectors that are compared where they are kept, for whoever does not bring them all."""

    def products(self, query: Vector, rows: Sequence[int] | None) -> tuple[Rows, Vector]:
        """The rows that have a vector, in any order, and its cosine with a query of unit length.

        In single precision, summed in whatever order.

        Args:
            query: Shape (dim,).
            rows: Only of these; None for all.
        """

    def vectors(self, rows: Sequence[int]) -> dict[int, bytes]:
        """The vectors of those of some rows that have one, as they were given."""

    def changes(self, *, since: int, next_row: int) -> Changes:
        """As `Memories.changes`, where nothing that is appended comes with its vector."""


class Edges(Protocol):
    """Edges, and the supersessions that stand behind the edges of that type."""

    def find(self, source: str, target: str, type_: str) -> Edge | None:
        """The edge, if it is there."""

    def touching(self, ids: Collection[str]) -> list[Edge]:
        """Every edge that starts or ends at one of the memories, ordered by its ends."""

    def every(self) -> list[EdgeRow]:
        """All there are, by rows, in any order."""

    def changes(self, *, since: int) -> EdgeChanges:
        """What a reader must learn that has all edges as of generation `since`."""

    def count(self, ids: Collection[str]) -> int:
        """How many those are."""

    def chain(self, memory_id: str) -> list[str]:
        """Ids of all that it replaced or was replaced by, through any number of steps."""

    def standing(self, memory_id: str, now: Seconds) -> list[str]:
        """Ids of what stands in its place at a moment: itself, or what has replaced it.

        Where all that replaced it was forgotten, it is the memory itself, though it does not hold.
        """

    def successors(self, ids: Collection[str], now: Seconds) -> list[str]:
        """Ids of what will replace the memories, but does not yet."""

    def replaces(self, memory_id: str, sought: str) -> bool:
        """Whether it is, or through any number of steps replaced, the one sought."""

    def is_superseded(self, memory_id: str) -> bool:
        """Whether anything has replaced it, be that forgotten since."""

    def end_of(self, memory_id: str) -> Seconds | None:
        """The earliest of its stated end and its supersessions."""

    def closings(self, memory_id: str) -> list[tuple[Seconds, Seconds]]:
        """(recorded_at, holds_from) of every supersession of it."""

    def stream(self) -> Iterator[EdgeRecord]:
        """All but those of supersessions, by their ends, as they are needed."""

    def supersessions(self) -> Iterator[SupersessionRecord]:
        """All there are, in the order in which they were recorded, as they are needed.

        Of several that are alike, by what is forgotten, one.
        """

    def fallen(self, now: Seconds, count: int) -> list[Fallen]:
        """What was replaced last by a moment and what replaced it, in the order of that."""


class WritableEdges(Edges, Protocol):
    """Edges, within a write transaction."""

    def put(self, source: str, target: str, type_: str, weight: float, now: Seconds) -> Edge:
        """Add an edge, or give the one that is there a new weight."""

    def remove(self, source: str, target: str, type_: str) -> bool:
        """Remove an edge. False if there was none."""

    def supersede(self, new: str, old: str, *, holds_from: Seconds, recorded_at: Seconds) -> None:
        """Record that `new` replaces `old` from a moment on, and close `old`."""

    def unsupersede(self, old: str, new: str | None) -> bool:
        """Undo supersessions of `old`, by `new` or all, as if they had never been. False: none."""

    def withhold(self, memory_id: str, *, holds_from: Seconds, recorded_at: Seconds) -> None:
        """Record that it does not hold from a moment on, though nothing has replaced it."""

    def release(self, memory_id: str, *, holds_from: Seconds, recorded_at: Seconds) -> bool:
        """Undo one such record of an end from a moment on, made at another. False: none."""

    def move_supersessions(self, new: str, holds_from: Seconds) -> None:
        """What replaced others is true from another moment: so is their end."""

    def refresh_end(self, memory_id: str) -> None:
        """Write until when it was true, from what is recorded."""

    def restore(self, edges: Sequence[EdgeRecord]) -> None:
        """Add edges that are not there, as they were."""

    def restore_supersessions(self, supersessions: Sequence[SupersessionRecord]) -> None:
        """Add supersessions that are not there, as they were. No end is written."""


class Engagement(Protocol):
    """The recall log, and the signals that answer it."""

    def turn(self, name: str) -> str | None:
        """The first name of the turn that has this name; None if there is no such turn."""

    def recalled(self, turn: str) -> tuple[str, list[str]] | None:
        """The turn's first name, and ids of what it was shown, best first; None for no turn."""

    def latest(self, k: int, offset: int, until: Seconds) -> tuple[int, list[Shown]]:
        """How many turns there were by a moment, and a page of them, latest first."""

    def uses(self, memory_id: str, k: int, until: Seconds) -> list[tuple[str, Seconds, float]]:
        """Turns by a moment that a memory was shown in, latest first: first name, when, score."""

    def signal(self, event_id: str) -> Signal | None:
        """The signal of that event."""

    def liked(self, *, since: int = 0) -> list[tuple[int, float, bytes]]:
        """(row of the memory, strength, vector of its turn's question) of every like that holds.

        Those whose question is not known, or is by another model than the memories, are left out.
        After a generation only those of memories which are new or touched since: whatever changes
        which likes hold, or of what question, touches their memories. What is forgotten may take
        the questions of others along, and does not.
        """

    def signals_of(self, ids: Collection[str]) -> dict[str, list[Signal]]:
        """Every signal about the memories, by id, oldest first."""

    def signals_of_event(self, event: str) -> list[Signal]:
        """The signals that one event left about several memories, as `event:memory`."""

    def signals_of_turn(self, turn: str, kind: SignalKind) -> list[Signal]:
        """Every signal of a kind that answers a turn, by its first name."""

    def count(self, ids: Collection[str]) -> tuple[int, int]:
        """How many signals, and how many entries of the recall log, are about the memories."""

    def stream(self) -> Iterator[SignalRecord]:
        """All signals, by their events, as they are needed."""

    def turns(self) -> Iterator[TurnRecord]:
        """All turns, oldest first."""

    def turn_names(self) -> Iterator[TurnNameRecord]:
        """Their further names, oldest turn first."""

    def shown(self) -> Iterator[ShownRecord]:
        """What they were shown, oldest turn first, of each the best first."""


class WritableEngagement(Engagement, Protocol):
    """Recall log and signals, within a write transaction."""

    def log(
        self,
        turn: str,
        at: Seconds,
        shown: Iterable[tuple[str, float]],
        question: bytes | None = None,
    ) -> list[str]:
        """Record what a turn was shown, (id, score) best first; the ids new to that turn.

        The log is bounded: the oldest turns are dropped. The vector of the question is kept until
        any of the memories is forgotten.
        """

    def rename(self, turn: str, also: str) -> bool:
        """Give a turn a further name. False, and nothing, if it is another turn's."""

    def append(self, signals: Iterable[Signal]) -> list[Signal]:
        """Log signals; those that are new. One whose event is in the log already is left out."""

    def retract(self, event_id: str, at: Seconds) -> bool:
        """Log that an event is taken back. False if it was already."""

    def restore(self, signals: Sequence[SignalRecord]) -> None:
        """Log signals whose events are not in the log, as they were."""

    def restore_turns(self, turns: Sequence[TurnRecord]) -> None:
        """Log turns that are not in the log, oldest first, before all that are."""

    def restore_shown(self, shown: Sequence[ShownRecord]) -> None:
        """Log what turns were shown, behind what they are said to have been shown already."""


class Audit(Protocol):
    """Questions to the whole truth."""

    def structure(self) -> list[str]:
        """What is wrong with how it is stored. Where anything is, nothing else can be asked."""

    def rows(self) -> list[str]:
        """What is not what was written. Where anything is, what is read of it may fail."""

    def records(self) -> Iterator[Record]:
        """Every memory."""

    def relations(self) -> list[str]:
        """What contradicts each other: edges and supersessions, memories and their words."""

    def counts(self, now: Seconds) -> dict[str, int]:
        """Memories, current, superseded, edges, signals, recalls, sessions."""


class WritableAudit(Audit, Protocol):
    """The same, within a write transaction."""

    def date_back(self, now: Seconds) -> None:
        """Have been recorded now what was recorded later, with what it is valid from by itself."""

    def rebuild_words(self) -> None:
        """Derive anew what memories are found by."""
