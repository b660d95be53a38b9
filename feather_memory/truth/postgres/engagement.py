"""The recall log on the server, which memories each turn was shown, and the signals that answer it.

The log is bounded; of a question it keeps the vector, for likes, and no word. A turn has the name
it was first logged under, and may be given others. Signals are only ever added; what was taken back
is noted beside them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from feather_memory import config
from feather_memory.model.memory import Signal, SignalKind
from feather_memory.model.records import ShownRecord, SignalRecord, TurnNameRecord, TurnRecord
from feather_memory.truth.postgres.moment import Moment
from feather_memory.truth.sqlite.engagement import NamedTurns, signal_in
from feather_memory.types import Seconds

_NAMED = """
    select row, name from feather.turn where tenant = %(tenant)s and name = %(name)s
    union all
    select turn.row, turn.name from feather.turn
    join feather.turn_name on turn_name.tenant = turn.tenant and turn_name.turn = turn.row
    where turn.tenant = %(tenant)s and turn_name.name = %(name)s
"""
_LOG_TURN = """
    insert into feather.turn (tenant, row, name, at, vector)
    select %(tenant)s, coalesce(max(row), 0) + 1, %(name)s, %(at)s, %(vector)s::bytea
    from feather.turn where tenant = %(tenant)s
    on conflict (tenant, name) do update set
        at = excluded.at, vector = coalesce(excluded.vector, turn.vector)
    returning row
"""
_LOG_SHOWN = """
    insert into feather.shown (tenant, turn, memory_id, rank, score)
    select %(tenant)s, %(turn)s, id, %(rank)s + place - 1, score
    from unnest(%(ids)s::text[], %(scores)s::float8[]) with ordinality as told (id, score, place)
"""
_SHOWN_IN = """
    select memory_id from feather.shown
    where tenant = %(tenant)s and turn = %(turn)s order by rank, memory_id
"""
_DROP_OLD = """
    delete from feather.turn
    where tenant = %(tenant)s and row <= (
        select max(row) from feather.turn where tenant = %(tenant)s) - %(kept)s
"""
_LIKED = """
    select memory.row, strength, turn.vector from feather.signal
    join feather.turn on turn.tenant = signal.tenant and turn.name = signal.turn
    join feather.memory on memory.tenant = signal.tenant and memory.id = memory_id
    where signal.tenant = %(tenant)s and kind = 'liked'
        and length(turn.vector) = 4 * (
            select dimension from feather.state where tenant = %(tenant)s)
        and not exists (
            select 1 from feather.retraction
            where retraction.tenant = %(tenant)s and retraction.event_id = signal.event_id)
        and memory.changed > %(since)s
    order by memory.row, signal.event_id
"""
# Where a turn loses its question, or gets another, a like of its changes without its memory.
_TOUCH_LIKED = """
    update feather.memory set changed = %(changed)s where tenant = %(tenant)s and id in (
        select memory_id from feather.signal
        where signal.tenant = %(tenant)s and kind = 'liked' and signal.turn in (
            select name from feather.turn where turn.tenant = %(tenant)s and {}))
"""
_TOUCH_OF_TURNS = _TOUCH_LIKED.format("name = any(%(names)s)")
_TOUCH_OF_OLD = _TOUCH_LIKED.format(
    "row <= (select max(row) from feather.turn where tenant = %(tenant)s) - %(kept)s"
)
_APPEND = """
    insert into feather.signal (tenant, event_id, memory_id, kind, at, strength, turn)
    values (%(tenant)s, %(event)s, %(memory)s, %(kind)s, %(at)s, %(strength)s, %(turn)s)
    on conflict (tenant, event_id) do nothing
"""
_RETRACT = """
    insert into feather.retraction (tenant, event_id, at) values (%(tenant)s, %(event)s, %(at)s)
    on conflict (tenant, event_id) do nothing
"""
_BESIDE = """
    from feather.signal left join feather.retraction
        on retraction.tenant = signal.tenant and retraction.event_id = signal.event_id
    where signal.tenant = %(tenant)s
"""
_SIGNALS = f"""
    select signal.event_id, memory_id, kind, signal.at, strength, turn,
        retraction.event_id is not null
    {_BESIDE}
"""
_OF_ONE = f"{_SIGNALS} and signal.event_id = %(event)s"
# Above `event:` and below `event;`, for the index; an event `a:b` is none of `a`.
_OF_EVENT = f"""
    {_SIGNALS} and signal.event_id > %(head)s and signal.event_id < %(beyond)s
    and signal.event_id = %(head)s || memory_id order by signal.event_id
"""
_OF_MEMORIES = f"{_SIGNALS} and memory_id = any(%(ids)s) order by signal.at, signal.event_id"
_OF_TURN = f"{_SIGNALS} and turn = %(turn)s and kind = %(kind)s order by signal.event_id"
_COUNTS = """
    select (
        select count(*) from feather.signal
        where tenant = %(tenant)s and memory_id = any(%(ids)s)
    ), (
        select count(*) from feather.shown
        where tenant = %(tenant)s and memory_id = any(%(ids)s))
"""
_STREAM = f"""
    select signal.event_id, memory_id, kind, signal.at, strength, turn, retraction.at
    {_BESIDE} order by signal.event_id
"""
_TURNS = "select name, at, vector from feather.turn where tenant = %(tenant)s order by row"
_TURN_NAMES = """
    select turn.name, turn_name.name from feather.turn
    join feather.turn_name on turn_name.tenant = turn.tenant and turn_name.turn = turn.row
    where turn.tenant = %(tenant)s order by turn.row, turn_name.name
"""
_SHOWN = """
    select name, memory_id, score from feather.turn
    join feather.shown on shown.tenant = turn.tenant and shown.turn = turn.row
    where turn.tenant = %(tenant)s order by turn.row, rank, memory_id
"""
_TURNS_BY = "select count(*) from feather.turn where tenant = %(tenant)s and at <= %(until)s"
_LATEST = """
    select row, name, at from feather.turn where tenant = %(tenant)s and at <= %(until)s
    order by at desc, row desc limit %(k)s offset %(offset)s
"""
_IN_ROWS = "tenant = %(tenant)s and turn = any(%(rows)s)"
_NAMES_IN = f"select turn, name from feather.turn_name where {_IN_ROWS} order by name"
_SHOWN_TO = f"""
    select turn, memory_id, score from feather.shown where {_IN_ROWS}
    order by turn, rank, memory_id
"""
_USES = """
    select name, at, score from feather.shown
    join feather.turn on turn.tenant = shown.tenant and turn.row = shown.turn
    where shown.tenant = %(tenant)s and memory_id = %(memory)s and at <= %(until)s
    order by at desc, turn.row desc limit %(k)s
"""
_OLDEST = "select min(row) from feather.turn where tenant = %(tenant)s"
_RESTORE_TURN = """
    insert into feather.turn (tenant, row, name, at, vector)
    values (%(tenant)s, %(row)s, %(name)s, %(at)s, %(vector)s)
"""
_RESTORE_SHOWN = """
    insert into feather.shown (tenant, turn, memory_id, rank, score)
    select %(tenant)s, row, %(memory)s, (
        select count(*) from feather.shown where tenant = %(tenant)s and turn = turn.row
    ), %(score)s
    from feather.turn where tenant = %(tenant)s and name = %(turn)s
"""
_RENAME = """
    insert into feather.turn_name (tenant, name, turn) values (%(tenant)s, %(also)s, %(turn)s)
"""


@dataclass(frozen=True, slots=True)
class PostgresEngagement(NamedTurns):
    """The tables of turns, of what they were shown, and of signals."""

    moment: Moment

    def signal(self, event_id: str) -> Signal | None:
        """The signal of that event."""
        row = self.moment.one(_OF_ONE, event=event_id)
        return None if row is None else signal_in(row)

    def liked(self, *, since: int = 0) -> list[tuple[int, float, bytes]]:
        """(row of the memory, strength, vector of its turn's question) of every like that holds.

        Only of memories that are new or touched since a generation.
        """
        return self.moment.asked(_LIKED, since=since or -1)

    def signals_of(self, ids: Collection[str]) -> dict[str, list[Signal]]:
        """Every signal about the memories, by id, oldest first."""
        found: dict[str, list[Signal]] = {id_: [] for id_ in ids}
        for signal in map(signal_in, self.moment.asked(_OF_MEMORIES, ids=list(ids))):
            found[signal.memory_id].append(signal)
        return found

    def signals_of_event(self, event: str) -> list[Signal]:
        """The signals that one event left about several memories, as `event:memory`."""
        rows = self.moment.asked(_OF_EVENT, head=f"{event}:", beyond=f"{event};")
        return [signal_in(row) for row in rows]

    def signals_of_turn(self, turn: str, kind: SignalKind) -> list[Signal]:
        """Every signal of a kind that answers a turn, by its first name."""
        return [signal_in(row) for row in self.moment.asked(_OF_TURN, turn=turn, kind=str(kind))]

    def count(self, ids: Collection[str]) -> tuple[int, int]:
        """How many signals, and how many entries of the recall log, are about the memories."""
        signals, entries = self.moment.one(_COUNTS, ids=list(ids))
        return signals, entries

    def stream(self) -> Iterator[SignalRecord]:
        """All signals, by their events, as they are needed."""
        for event, about, kind, at, strength, turn, back in self.moment.stream(_STREAM):
            yield SignalRecord(
                event_id=event, memory_id=about, kind=kind, at=at, strength=strength, turn=turn,
                retracted_at=back,
            )  # fmt: skip

    def turns(self) -> Iterator[TurnRecord]:
        """All turns, oldest first."""
        for name, at, vector in self.moment.stream(_TURNS):
            yield TurnRecord(name=name, at=at, vector=vector)

    def turn_names(self) -> Iterator[TurnNameRecord]:
        """Their further names, oldest turn first."""
        for turn, name in self.moment.stream(_TURN_NAMES):
            yield TurnNameRecord(turn=turn, name=name)

    def shown(self) -> Iterator[ShownRecord]:
        """What they were shown, oldest turn first, of each the best first."""
        for turn, memory_id, score in self.moment.stream(_SHOWN):
            yield ShownRecord(turn=turn, memory_id=memory_id, score=score)

    def uses(self, memory_id: str, k: int, until: Seconds) -> list[tuple[str, Seconds, float]]:
        """Turns by a moment that a memory was shown in, latest first: first name, when, score."""
        return self.moment.asked(_USES, memory=memory_id, k=k, until=float(until))

    # Writing

    def log(
        self,
        turn: str,
        at: Seconds,
        shown: Iterable[tuple[str, float]],
        question: bytes | None = None,
    ) -> list[str]:
        """Record what a turn was shown, (id, score) best first; the ids new to that turn."""
        moment, known = self.moment, self._named(turn)
        first = turn if known is None else known[1]
        (row,) = moment.one(_LOG_TURN, name=first, at=float(at), vector=question)
        if question is not None:  # one that fell out of the log, too, may have been liked
            moment.done(_TOUCH_OF_TURNS, names=[first], changed=moment.generation)
        before = self._shown_in(row)
        fresh: dict[str, float] = {}
        for id_, score in shown:
            if id_ not in before:
                fresh.setdefault(id_, float(score))
        told = {"ids": list(fresh), "scores": list(fresh.values())}
        moment.done(_LOG_SHOWN, turn=row, rank=len(before), **told)
        moment.done(_TOUCH_OF_OLD, kept=config.RECALL_TURNS, changed=moment.generation)
        moment.done(_DROP_OLD, kept=config.RECALL_TURNS)
        return list(fresh)

    def append(self, signals: Iterable[Signal]) -> list[Signal]:
        """Log signals; those that are new. One whose event is in the log already is left out."""
        fresh = []
        for signal in signals:
            said = _told(signal, signal.at.timestamp())
            if self.moment.done(_APPEND, **said):
                fresh.append(signal)
        return fresh

    def retract(self, event_id: str, at: Seconds) -> bool:
        """Log that an event is taken back. False if it was already."""
        return self.moment.done(_RETRACT, event=event_id, at=float(at)) > 0

    def restore(self, signals: Sequence[SignalRecord]) -> None:
        """Log signals whose events are not in the log, as they were."""
        self.moment.each(_APPEND, (_told(each, each.at) for each in signals))
        back = [each for each in signals if each.retracted_at is not None]
        self.moment.each(_RETRACT, ({"event": s.event_id, "at": s.retracted_at} for s in back))

    def restore_turns(self, turns: Sequence[TurnRecord]) -> None:
        """Log turns that are not in the log, oldest first, before all that are.

        The log drops its lowest rows first.
        """
        (oldest,) = self.moment.one(_OLDEST)
        first = 1 if oldest is None else oldest - len(turns)
        self.moment.each(
            _RESTORE_TURN,
            (
                {"row": row, "name": each.name, "at": each.at, "vector": each.vector}
                for row, each in enumerate(turns, first)
            ),
        )
        names = [each.name for each in turns]
        self.moment.done(_TOUCH_OF_TURNS, names=names, changed=self.moment.generation)

    def restore_shown(self, shown: Sequence[ShownRecord]) -> None:
        """Log what turns were shown, behind what they are said to have been shown already."""
        self.moment.each(
            _RESTORE_SHOWN,
            ({"memory": s.memory_id, "score": s.score, "turn": s.turn} for s in shown),
        )

    def _named(self, name: str) -> tuple[int, str] | None:
        found: tuple[int, str] | None = self.moment.one(_NAMED, name=name)
        return found

    def _turns_by(
        self, until: Seconds, k: int, offset: int
    ) -> tuple[int, list[tuple[int, str, Seconds]]]:
        (count,) = self.moment.one(_TURNS_BY, until=float(until))
        return count, self.moment.asked(_LATEST, until=float(until), k=k, offset=offset)

    def _names_of(self, rows: Sequence[int]) -> Iterable[tuple[int, str]]:
        return self.moment.asked(_NAMES_IN, rows=list(rows))

    def _shown_to(self, rows: Sequence[int]) -> Iterable[tuple[int, str, float]]:
        return self.moment.asked(_SHOWN_TO, rows=list(rows))

    def _shown_in(self, row: int) -> list[str]:
        return [id_ for (id_,) in self.moment.asked(_SHOWN_IN, turn=row)]

    def _name(self, row: int, also: str) -> None:
        self.moment.done(_RENAME, also=also, turn=row)


def _told(signal: Signal | SignalRecord, at: Seconds) -> dict[str, object]:
    return {
        "event": signal.event_id,
        "memory": signal.memory_id,
        "kind": str(signal.kind),
        "at": float(at),
        "strength": float(signal.strength),
        "turn": signal.turn,
    }
