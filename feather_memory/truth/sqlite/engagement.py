"""The recall log, which memories each turn was shown, and the signals that answer it.

The log is bounded; of a question it keeps the vector, for likes, and no word. A turn has the name
it was first logged under, and may be given others. Signals are only ever added; what was taken back
is noted beside them.
"""

from __future__ import annotations

import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from feather_memory import config
from feather_memory.checks import when
from feather_memory.model.hits import Shown
from feather_memory.model.memory import Signal, SignalKind
from feather_memory.model.records import ShownRecord, SignalRecord, TurnNameRecord, TurnRecord
from feather_memory.truth.sqlite import sums
from feather_memory.truth.sqlite.moment import Moment
from feather_memory.truth.state import DamagedRowError
from feather_memory.types import Seconds

_NAMED = """
    select row, name from turn where name = :name
    union all
    select turn.row, turn.name from turn join turn_name on turn.row = turn_name.turn
    where turn_name.name = :name
"""
_LOG_TURN = "insert into turn (name, at, vector, checksum) values (?, ?, ?, ?)"
_LOG_AGAIN = """
    update turn set at = ?, vector = coalesce(?, vector) where row = ? returning name, at, vector
"""
_ANY_SIGNAL = "select 1 from signal limit 1"
_LIKED = """
    select memory.row, strength, turn.vector
    from {} join turn on turn.name = signal.turn
    where {} kind = 'liked' and length(turn.vector) = 4 * (select dimension from state)
      and not exists (select 1 from retraction where retraction.event_id = signal.event_id)
    order by memory.row, signal.event_id
"""
_ALL_LIKED = _LIKED.format("signal join memory on memory.id = memory_id", "")
_LIKED_SINCE = _LIKED.format(
    "memory indexed by memory_changed cross join signal on memory_id = memory.id", "changed > ? and"
)
# Where a turn loses its question, or gets another, a like of its changes without its memory.
_TOUCH_LIKED = """
    update memory set changed = ? where id in (
        select memory_id from signal where kind = 'liked' and turn in ({}))
"""
_TOUCH_OF_TURNS = _TOUCH_LIKED.format("select value from json_each(?)")
_TOUCH_OF_OLD = _TOUCH_LIKED.format("select name from turn where row <= ?")
_APPEND = """
    insert or ignore into signal (event_id, memory_id, kind, at, strength, turn, checksum)
    values (?, ?, ?, ?, ?, ?, ?)
"""
_SIGNALS = """
    select signal.event_id, memory_id, kind, signal.at, strength, turn,
           retraction.event_id is not null
    from signal left join retraction using (event_id)
"""
# Above `event:` and below `event;`, for the index; an event `a:b` is none of `a`.
_OF_EVENT = f"""
    {_SIGNALS} where signal.event_id > :head and signal.event_id < :beyond
    and signal.event_id = :head || memory_id order by signal.event_id
"""
_ABOUT = "memory_id in (select value from json_each(:ids))"
_OF_MEMORIES = f"{_SIGNALS} where {_ABOUT} order by signal.at, signal.event_id"
_COUNTS = f"""
    select (select count(*) from signal where {_ABOUT}), (select count(*) from shown where {_ABOUT})
"""
_STREAM = """
    select signal.event_id, memory_id, kind, signal.at, strength, turn, retraction.at
    from signal left join retraction using (event_id) order by signal.event_id
"""
_TURNS = "select name, at, vector from turn order by row"
_TURN_NAMES = """
    select turn.name, turn_name.name from turn join turn_name on turn_name.turn = turn.row
    order by turn.row, turn_name.name
"""
_SHOWN = """
    select name, memory_id, score from turn join shown on shown.turn = turn.row
    order by turn.row, rank, memory_id
"""
_ENDS = "select (select min(row) from turn), (select max(row) from turn) - ?"
_TURNS_BY = "select count(*) from turn where at <= ?"
_LATEST = """
    select row, name, at from turn where at <= ? order by at desc, row desc limit ? offset ?
"""
_IN_ROWS = "turn in (select value from json_each(?))"
_NAMES_IN = f"select turn, name from turn_name where {_IN_ROWS} order by name"
_SHOWN_TO = f"""
    select turn, memory_id, score from shown where {_IN_ROWS} order by turn, rank, memory_id
"""
_USES = """
    select name, at, score from shown join turn on turn.row = shown.turn
    where memory_id = ? and at <= ? order by at desc, turn.row desc limit ?
"""
_SEAL_TURN = "update turn set checksum = ? where row = ?"
_RESTORE_TURN = "insert into turn (row, name, at, vector, checksum) values (?, ?, ?, ?, ?)"
_SHOWN_IN = "select memory_id from shown where turn = ? order by rank, memory_id"
_SHOW = """
    insert into shown (turn, memory_id, rank, score, checksum) values (?, ?, ?, ?, ?)
"""
_RESTORE_SHOWN = """
    insert into shown (turn, memory_id, rank, score)
    select row, ?, (select count(*) from shown where turn = row), ? from turn where name = ?
"""
_RETRACT = "insert or ignore into retraction (event_id, at, checksum) values (?, ?, ?)"
_NAME = "insert into turn_name (name, turn, checksum) values (?, ?, ?)"
_OF_TURNS = "turn in (select row from turn where name in (select value from json_each(?)))"
_OF_ITS_QUESTIONS = """
    name = :id or row in (select turn from shown where memory_id = :id)
    or row in (select turn from turn_name where name = :id)
"""
_FORGET_QUESTIONS = f"""
    update turn set vector = null where vector is not null and ({_OF_ITS_QUESTIONS})
"""


def signal_in(row: tuple[str, str, str, float, float, str | None, int]) -> Signal:
    """The signal of a row: event, memory, kind, at, strength, turn, whether it was taken back."""
    event_id, memory_id, kind, at, strength, turn, retracted = row
    try:
        known, moment = SignalKind(kind), when(at)
    except (OSError, OverflowError, TypeError, ValueError) as error:
        raise DamagedRowError(f"the signal {event_id!r} is of no kind, or of no time") from error
    return Signal(
        event_id=event_id,
        memory_id=memory_id,
        kind=known,
        at=moment,
        strength=strength,
        turn=turn,
        retracted=bool(retracted),
    )


def forget_questions(connection: sqlite3.Connection, memory_id: str) -> None:
    """Drop the vectors of the questions that a memory was shown for, or that it asked itself."""
    asked = {"id": memory_id}
    connection.execute(_FORGET_QUESTIONS, asked)
    sums.seal(connection, "turn", _OF_ITS_QUESTIONS, asked)


class NamedTurns(ABC):
    """The turns of any truth, by whichever of their names."""

    __slots__ = ()

    def turn(self, name: str) -> str | None:
        """The first name of the turn that has this name; None if there is no such turn."""
        found = self._named(name)
        return None if found is None else found[1]

    def recalled(self, turn: str) -> tuple[str, list[str]] | None:
        """The turn's first name, and ids of what it was shown, best first; None for no turn."""
        known = self._named(turn)
        return None if known is None else (known[1], self._shown_in(known[0]))

    def rename(self, turn: str, also: str) -> bool:
        """Give a turn a further name. False, and nothing, if it is another turn's."""
        known, other = self._named(turn), self._named(also)
        if known is None or other is not None:
            return known is not None and known == other
        self._name(known[0], also)
        return True

    def latest(self, k: int, offset: int, until: Seconds) -> tuple[int, list[Shown]]:
        """How many turns there were by a moment, and a page of them, latest first."""
        count, found = self._turns_by(until, k, offset)
        rows = [row for row, _, _ in found]
        names: dict[int, list[str]] = {row: [] for row in rows}
        shown: dict[int, list[tuple[str, float]]] = {row: [] for row in rows}
        for row, name in self._names_of(rows):
            names[row].append(name)
        for row, memory_id, score in self._shown_to(rows):
            shown[row].append((memory_id, score))
        return count, [
            Shown(turn=name, names=tuple(names[row]), at=when(at), memories=tuple(shown[row]))
            for row, name, at in found
        ]

    @abstractmethod
    def uses(self, memory_id: str, k: int, until: Seconds) -> list[tuple[str, Seconds, float]]:
        """Turns by a moment that a memory was shown in, latest first: first name, when, score."""

    @abstractmethod
    def _turns_by(
        self, until: Seconds, k: int, offset: int
    ) -> tuple[int, list[tuple[int, str, Seconds]]]:
        """How many turns there were, and of a page the row, the first name and when."""

    @abstractmethod
    def _names_of(self, rows: Sequence[int]) -> Iterable[tuple[int, str]]:
        """Further names of the turns of rows."""

    @abstractmethod
    def _shown_to(self, rows: Sequence[int]) -> Iterable[tuple[int, str, float]]:
        """What the turns of rows were shown, of each the best first."""

    @abstractmethod
    def _named(self, name: str) -> tuple[int, str] | None:
        """Row and first name of the turn that has this name."""

    @abstractmethod
    def _shown_in(self, row: int) -> list[str]:
        """Ids of what the turn of a row was shown, best first."""

    @abstractmethod
    def _name(self, row: int, also: str) -> None:
        """Give the turn of a row a further name, which is nobody's."""


@dataclass(frozen=True, slots=True)
class SqliteEngagement(NamedTurns):
    """The tables of turns, of what they were shown, and of signals."""

    moment: Moment

    def signal(self, event_id: str) -> Signal | None:
        """The signal of that event."""
        row = self.moment.connection.execute(
            f"{_SIGNALS} where signal.event_id = ?", (event_id,)
        ).fetchone()
        return None if row is None else signal_in(row)

    def liked(self, *, since: int = 0) -> list[tuple[int, float, bytes]]:
        """(row of the memory, strength, vector of its turn's question) of every like that holds."""
        asked = self.moment.connection.execute
        if asked(_ANY_SIGNAL).fetchone() is None:  # nine tenths cheaper than all of it
            return []
        return asked(*((_LIKED_SINCE, (since,)) if since else (_ALL_LIKED,))).fetchall()

    def signals_of(self, ids: Collection[str]) -> dict[str, list[Signal]]:
        """Every signal about the memories, by id, oldest first."""
        found: dict[str, list[Signal]] = {id_: [] for id_ in ids}
        for row in self.moment.connection.execute(_OF_MEMORIES, {"ids": json.dumps(list(ids))}):
            signal = signal_in(row)
            found[signal.memory_id].append(signal)
        return found

    def signals_of_event(self, event: str) -> list[Signal]:
        """The signals that one event left about several memories, as `event:memory`."""
        asked = {"head": f"{event}:", "beyond": f"{event};"}
        return [signal_in(row) for row in self.moment.connection.execute(_OF_EVENT, asked)]

    def signals_of_turn(self, turn: str, kind: SignalKind) -> list[Signal]:
        """Every signal of a kind that answers a turn, by its first name."""
        rows = self.moment.connection.execute(
            f"{_SIGNALS} where turn = ? and kind = ? order by signal.event_id", (turn, kind)
        )
        return [signal_in(row) for row in rows]

    def count(self, ids: Collection[str]) -> tuple[int, int]:
        """How many signals, and how many entries of the recall log, are about the memories."""
        asked = {"ids": json.dumps(list(ids))}
        signals, entries = self.moment.connection.execute(_COUNTS, asked).fetchone()
        return signals, entries

    def stream(self) -> Iterator[SignalRecord]:
        """All signals, by their events, as they are needed."""
        for event, about, kind, at, strength, turn, back in self.moment.connection.execute(_STREAM):
            yield SignalRecord(
                event_id=event, memory_id=about, kind=kind, at=at, strength=strength, turn=turn,
                retracted_at=back,
            )  # fmt: skip

    def turns(self) -> Iterator[TurnRecord]:
        """All turns, oldest first."""
        for name, at, vector in self.moment.connection.execute(_TURNS):
            yield TurnRecord(name=name, at=at, vector=vector)

    def turn_names(self) -> Iterator[TurnNameRecord]:
        """Their further names, oldest turn first."""
        for turn, name in self.moment.connection.execute(_TURN_NAMES):
            yield TurnNameRecord(turn=turn, name=name)

    def shown(self) -> Iterator[ShownRecord]:
        """What they were shown, oldest turn first, of each the best first."""
        for turn, memory_id, score in self.moment.connection.execute(_SHOWN):
            yield ShownRecord(turn=turn, memory_id=memory_id, score=score)

    def uses(self, memory_id: str, k: int, until: Seconds) -> list[tuple[str, Seconds, float]]:
        """Turns by a moment that a memory was shown in, latest first: first name, when, score."""
        return self.moment.connection.execute(_USES, (memory_id, until, k)).fetchall()

    # Writing

    def log(
        self,
        turn: str,
        at: Seconds,
        shown: Iterable[tuple[str, float]],
        question: bytes | None = None,
    ) -> list[str]:
        """Record what a turn was shown, (id, score) best first; the ids new to that turn."""
        connection, known = self.moment.connection, self._named(turn)
        if question is not None:  # one that fell out of the log, too, may have been liked
            names = json.dumps([turn if known is None else known[1]])
            self._touch_liked(_TOUCH_OF_TURNS, names)
        if known is None:
            said = sums.summed([(turn, at, question)])
            row, there = connection.execute(_LOG_TURN, *said).lastrowid, []
        else:
            row, there = known[0], self._shown_in(known[0])
            told = connection.execute(_LOG_AGAIN, (at, question, row)).fetchone()
            connection.execute(_SEAL_TURN, (sums.row_sum(told), row))
        scores: dict[str, float] = {}
        for memory_id, score in shown:
            if memory_id not in there:
                scores.setdefault(memory_id, score)
        fresh, first_rank = list(scores), len(there)
        rows = [(row, id_, first_rank + n, scores[id_]) for n, id_ in enumerate(fresh)]
        connection.executemany(_SHOW, sums.summed(rows))
        oldest, until = connection.execute(_ENDS, (config.RECALL_TURNS,)).fetchone()
        if oldest <= until:
            self._touch_liked(_TOUCH_OF_OLD, until)
            connection.execute("delete from turn where row <= ?", (until,))
        return fresh

    def append(self, signals: Iterable[Signal]) -> list[Signal]:
        """Log signals; those that are new. One whose event is in the log already is left out."""
        connection, given = self.moment.connection, list(signals)
        rows = sums.summed(
            [(s.event_id, s.memory_id, s.kind, s.at.timestamp(), s.strength, s.turn) for s in given]
        )
        return [
            signal
            for signal, row in zip(given, rows, strict=True)
            if connection.execute(_APPEND, row).rowcount
        ]

    def retract(self, event_id: str, at: Seconds) -> bool:
        """Log that an event is taken back. False if it was already."""
        (row,) = sums.summed([(event_id, at)])
        return self.moment.connection.execute(_RETRACT, row).rowcount > 0

    def restore(self, signals: Sequence[SignalRecord]) -> None:
        """Log signals whose events are not in the log, as they were."""
        connection = self.moment.connection
        said = sums.summed(
            [(s.event_id, s.memory_id, s.kind, s.at, s.strength, s.turn) for s in signals]
        )
        connection.executemany(_APPEND, said)
        back = sums.summed(
            [(s.event_id, s.retracted_at) for s in signals if s.retracted_at is not None]
        )
        connection.executemany(_RETRACT, back)

    def restore_turns(self, turns: Sequence[TurnRecord]) -> None:
        """Log turns that are not in the log, oldest first, before all that are.

        The log drops its lowest rows first.
        """
        connection = self.moment.connection
        (oldest,) = connection.execute("select min(row) from turn").fetchone()
        first = 1 if oldest is None else oldest - len(turns)
        told = sums.summed([(each.name, each.at, each.vector) for each in turns])
        rows = [(row, *each) for row, each in enumerate(told, first)]
        connection.executemany(_RESTORE_TURN, rows)
        self._touch_liked(_TOUCH_OF_TURNS, json.dumps([each.name for each in turns]))

    def restore_shown(self, shown: Sequence[ShownRecord]) -> None:
        """Log what turns were shown, behind what they are said to have been shown already."""
        rows = [(each.memory_id, each.score, each.turn) for each in shown]
        self.moment.connection.executemany(_RESTORE_SHOWN, rows)
        turns = json.dumps(list({each.turn for each in shown}))
        sums.seal(self.moment.connection, "shown", _OF_TURNS, (turns,))

    def _named(self, name: str) -> tuple[int, str] | None:
        found: tuple[int, str] | None = self.moment.connection.execute(
            _NAMED, {"name": name}
        ).fetchone()
        return found

    def _touch_liked(self, statement: str, which: object) -> None:
        self.moment.connection.execute(statement, (self.moment.generation, which))

    def _turns_by(
        self, until: Seconds, k: int, offset: int
    ) -> tuple[int, list[tuple[int, str, Seconds]]]:
        connection = self.moment.connection
        (count,) = connection.execute(_TURNS_BY, (until,)).fetchone()
        return count, connection.execute(_LATEST, (until, k, offset)).fetchall()

    def _names_of(self, rows: Sequence[int]) -> Iterable[tuple[int, str]]:
        return self.moment.connection.execute(_NAMES_IN, (json.dumps(rows),))

    def _shown_to(self, rows: Sequence[int]) -> Iterable[tuple[int, str, float]]:
        return self.moment.connection.execute(_SHOWN_TO, (json.dumps(rows),))

    def _shown_in(self, row: int) -> list[str]:
        return [id_ for (id_,) in self.moment.connection.execute(_SHOWN_IN, (row,))]

    def _name(self, row: int, also: str) -> None:
        self.moment.connection.executemany(_NAME, sums.summed([(also, row)]))
