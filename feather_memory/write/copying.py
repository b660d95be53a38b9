"""Everything that a truth keeps, read at one moment; and what is put into another, as it was.

An import adds, and changes nothing that is there: what is known is left as it stands, and what
contradicts it is refused, and everything with it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import Any, Final, TypeAlias

from feather_memory.checks import when
from feather_memory.errors import DimensionError, FeatherError, ParameterError, quoted
from feather_memory.model.fields import FIELDS, Record
from feather_memory.model.importance import fold
from feather_memory.model.memory import EdgeType
from feather_memory.model.records import (
    NAMES,
    EdgeRecord,
    Kept,
    ShelfRecord,
    ShownRecord,
    SignalRecord,
    StoreRecord,
    SupersessionRecord,
    TieRecord,
    TurnNameRecord,
    TurnRecord,
)
from feather_memory.truth.contract import ReadTransaction, WriteTransaction
from feather_memory.types import Seconds
from feather_memory.write.shelving import shelve, tie
from feather_memory.write.supersession import settle_slot

Numbered: TypeAlias = tuple[int, Any]
"""Which line, from 1, and the record that it holds."""

_AT_ONCE: Final = 500  # records that are looked up and written together
_EPSILON: Final = 1e-9

_SAID: Final = {
    name: field_.given
    for name, field_ in FIELDS.items()
    if field_.given is not None and name != "created_at"
}
"""What a caller says of a memory: what may not be another where its id is known."""


def everything(moment: ReadTransaction) -> Iterator[Kept]:
    """All records, in the order of `RECORDS`, as they are needed. Their transaction stays open."""
    state = moment.state
    yield StoreRecord(language=state.language, embedder=state.embedder, latest=state.latest)
    yield from chain(
        moment.memories.stream(),
        moment.edges.supersessions(),
        moment.edges.stream(),
        moment.engagement.turns(),
        moment.engagement.turn_names(),
        moment.engagement.shown(),
        moment.engagement.stream(),
        moment.shelves.stream(),
        moment.shelves.ties(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What an import did, by the names of `RECORDS`."""

    added: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    """What was there already, and stays as it is."""


def restore(transaction: WriteTransaction, records: Iterable[Numbered]) -> Restored:
    """Put the records into the truth, the first of which is a StoreRecord, in their order.

    Raises:
        ParameterError: A record that contradicts another, or what is there. It names the line.
        WrongEmbedderError: The vectors there are by another model.
    """
    left = map(_numbered, records)
    line, head = next(left, (0, None))
    if not isinstance(head, StoreRecord):
        raise ParameterError("records begin with that of their store")
    restoring = _Restoring(transaction, head)
    _about(line, restoring.begin)
    for kind, same in groupby(left, key=lambda numbered: type(numbered[1])):
        for batch in _batches(same, None if kind is TurnRecord else _AT_ONCE):
            restoring.take(kind, batch)
    restoring.finish()
    return restoring.restored


def _numbered(given: object) -> Numbered:
    if isinstance(given, tuple) and len(given) == 2 and type(given[1]) in NAMES:
        return given
    raise ParameterError(f"records must be pairs of a number and a record, got {quoted(given)}")


def fill(moment: ReadTransaction, transaction: WriteTransaction) -> Restored:
    """Put everything that is read at one moment into another truth."""
    return restore(transaction, enumerate(everything(moment), 1))


def _batches(records: Iterable[Numbered], size: int | None) -> Iterator[list[Numbered]]:
    batch: list[Numbered] = []
    for record in records:
        batch.append(record)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _about(line: int, do: Callable[..., None], *said: object) -> None:
    """Do it; what is refused names the line."""
    try:
        do(*said)
    except FeatherError as error:
        error.about(f"line {line}")
        raise


class _Restoring:
    """What is known while records are restored."""

    def __init__(self, transaction: WriteTransaction, head: StoreRecord) -> None:
        self.restored = Restored()
        self._transaction = transaction
        self._head = head
        self._is_empty = transaction.memories.count() == 0
        self._first_row = transaction.state.next_row
        self._backwards: list[tuple[int, str, str]] = []
        self._fresh_turns: set[str] = set()

    def begin(self) -> None:
        """An empty truth becomes one of the same language and model."""
        if self._is_empty:
            self._transaction.memories.speak(self._head.language)
            if self._head.embedder is not None:
                self._transaction.memories.made_by(self._head.embedder)

    def take(self, kind: type[Kept], batch: list[Numbered]) -> None:
        """Add those of a kind that are not known yet."""
        write: dict[type[Kept], Callable[[list[Numbered]], None]] = {
            Record: self._memories,
            SupersessionRecord: self._supersessions,
            EdgeRecord: self._edges,
            TurnRecord: self._turns,
            TurnNameRecord: self._turn_names,
            ShownRecord: self._shown,
            SignalRecord: self._signals,
            ShelfRecord: self._shelved,
            TieRecord: self._tied,
        }
        write[kind](batch)

    def _memories(self, batch: list[Numbered]) -> None:
        memories = self._transaction.memories
        known = memories.by_ids([record.id for _, record in batch])
        fresh: dict[str, Numbered] = {}
        for line, record in batch:
            held = known.get(record.id)
            if record.id in fresh or (held is not None and held.row >= self._first_row):
                raise _refusal(line, f"the id {record.id!r} is that of an earlier line")
            if held is not None:
                _about(line, self._see_that_it_says_the_same, record, held)
                continue
            for name in ("created_at", "updated_at", "affirmed_at"):
                _about(line, self._see_that_it_was, getattr(record, name), name)
            fresh[record.id] = line, record
        has_vectors = any(record.vector is not None for _, record in fresh.values())
        if self._head.embedder is not None and has_vectors:
            memories.made_by(self._head.embedder)
        try:
            memories.insert([record for _, record in fresh.values()])
        except DimensionError as error:
            lengths = {line: len(record.vector or b"") // 4 for line, record in fresh.values()}
            culprit = next(line for line, length in lengths.items() if length == error.got)
            error.about(f"line {culprit}")
            raise
        self._count(Record, len(fresh), len(batch))

    def _see_that_it_says_the_same(self, record: Record, held: Record) -> None:
        for name, given in _SAID.items():
            said, stands = getattr(record, name), getattr(held, name)
            if name == "vector" and not self._head.vectors:
                continue
            if name == "metadata":
                said, stands = json.loads(said), json.loads(stands)
            if said != stands:
                raise ParameterError(
                    f"{given!r} of memory {record.id!r} is another in this store, and an import "
                    "changes nothing"
                )

    def _see_that_it_was(self, moment: Seconds | None, name: str) -> None:
        """See that it is no later than all that its store had recorded."""
        if moment is not None and moment > self._head.latest:
            raise ParameterError(
                f"{name!r} must not be later than the store's 'latest', "
                f"{when(self._head.latest).isoformat()}, got {when(moment).isoformat()}"
            )

    def _supersessions(self, batch: list[Numbered]) -> None:
        edges, fresh = self._transaction.edges, dict[tuple[Any, ...], SupersessionRecord]()
        rows = self._rows(batch, "new", "old")
        for line, each in batch:
            _about(line, _see_that_it_is_one, each)
            _about(line, self._see_that_it_was, each.recorded_at, "recorded_at")
            times = each.recorded_at, each.holds_from
            name = (each.new, each.old) if each.new is not None else (None, each.old, *times)
            if name in fresh:
                raise _refusal(line, f"the supersession of {each.old!r} is that of an earlier line")
            is_there = times in edges.closings(each.old)
            if each.new is not None and edges.find(each.new, each.old, EdgeType.SUPERSEDES):
                if not is_there:
                    pair = f"{each.old!r} by {each.new!r}"
                    raise _refusal(line, f"the supersession of {pair} is another in this store")
            elif each.new is not None or not is_there:
                fresh[name] = each
                if each.new is not None and rows[each.new] < rows[each.old]:
                    self._backwards.append((line, each.new, each.old))
        edges.restore_supersessions(list(fresh.values()))
        for old in {each.old for each in fresh.values() if rows[each.old] < self._first_row}:
            edges.refresh_end(old)
        self._count(SupersessionRecord, len(fresh), len(batch))

    def _edges(self, batch: list[Numbered]) -> None:
        self._rows(batch, "source", "target")
        fresh: dict[tuple[str, str, str], EdgeRecord] = {}
        for line, each in batch:
            name = each.source, each.target, each.type
            if each.type == EdgeType.SUPERSEDES:
                raise _refusal(line, "'type' 'supersedes' is that of a supersession, no edge's")
            if each.source == each.target:
                raise _refusal(line, f"an edge joins two memories, got {each.source!r} twice")
            if name in fresh:
                raise _refusal(line, f"the edge {name} is that of an earlier line")
            held = self._transaction.edges.find(*name)
            if held is None:
                fresh[name] = each
            elif held.weight != each.weight:
                raise _refusal(line, f"'weight' of the edge {name} is another in this store")
        self._transaction.edges.restore(list(fresh.values()))
        self._count(EdgeRecord, len(fresh), len(batch))

    def _turns(self, batch: list[Numbered]) -> None:
        engagement, fresh = self._transaction.engagement, {}
        for line, each in batch:
            if each.name in fresh:
                raise _refusal(line, f"the turn {each.name!r} is that of an earlier line")
            if engagement.turn(each.name) is None:
                fresh[each.name] = each
        engagement.restore_turns(list(fresh.values()))
        self._fresh_turns.update(fresh)
        self._count(TurnRecord, len(fresh), len(batch))

    def _turn_names(self, batch: list[Numbered]) -> None:
        engagement, added = self._transaction.engagement, 0
        for line, each in batch:
            is_known = engagement.turn(each.name) is not None
            if not engagement.rename(each.turn, each.name):
                raise _refusal(line, f"'name' {each.name!r} is another turn's than {each.turn!r}")
            added += not is_known
        self._count(TurnNameRecord, added, len(batch))

    def _shown(self, batch: list[Numbered]) -> None:
        """What turns were shown that are new here; of the others the store's own log stays."""
        engagement = self._transaction.engagement
        self._rows(batch, "memory_id")
        for line, each in batch:
            if each.turn not in self._fresh_turns and engagement.turn(each.turn) is None:
                raise _refusal(line, f"'turn' {each.turn!r} is none of the log")
        fresh = [each for _, each in batch if each.turn in self._fresh_turns]
        if len({(each.turn, each.memory_id) for each in fresh}) < len(fresh):
            raise _refusal(batch[0][0], "here or after it, a turn is shown a memory twice")
        engagement.restore_shown(fresh)
        self._count(ShownRecord, len(fresh), len(batch))

    def _signals(self, batch: list[Numbered]) -> None:
        engagement, fresh = self._transaction.engagement, {}
        rows = self._rows(batch, "memory_id")
        for line, each in batch:
            if each.event_id in fresh:
                raise _refusal(line, f"the event {each.event_id!r} is that of an earlier line")
            held = engagement.signal(each.event_id)
            if held is None:
                fresh[each.event_id] = each
                continue
            for name in ("memory_id", "kind", "strength", "turn"):
                if getattr(held, name) != getattr(each, name):
                    raise _refusal(
                        line, f"{name!r} of the event {each.event_id!r} is another in this store"
                    )
        engagement.restore(list(fresh.values()))
        ids = {each.memory_id for each in fresh.values() if rows[each.memory_id] < self._first_row}
        self._fold(ids)
        self._count(SignalRecord, len(fresh), len(batch))

    def _fold(self, ids: Iterable[str]) -> None:
        """Bring memories that were there up to date with their signals."""
        records = self._transaction.memories.by_ids(ids)
        signals = self._transaction.engagement.signals_of(records)
        self._transaction.memories.set_importance(
            {id_: fold(record.prior, signals[id_]) for id_, record in records.items()}
        )

    def _shelved(self, batch: list[Numbered]) -> None:
        self._count(ShelfRecord, shelve(self._transaction, batch), len(batch))

    def _tied(self, batch: list[Numbered]) -> None:
        self._count(TieRecord, tie(self._transaction, batch), len(batch))

    def _rows(self, batch: Sequence[Numbered], *names: str) -> dict[str, int]:
        """The rows of the memories that are named in these fields, by id."""
        asked = {getattr(each, name) for _, each in batch for name in names} - {None}
        rows = self._transaction.memories.rows_of(asked)
        if len(rows) < len(asked):
            for line, each in batch:
                for name in names:
                    id_ = getattr(each, name)
                    if id_ is not None and id_ not in rows:
                        raise _refusal(line, f"{name!r}: there is no memory {id_!r}")
        return rows

    def _count(self, kind: type[Kept], added: int, taken: int) -> None:
        self.restored.added[NAMES[kind]] += added
        self.restored.known[NAMES[kind]] += taken - added

    def finish(self) -> None:
        """See that what is derived follows from what it is derived of; settle slots; date it."""
        for line, new, old in self._backwards:
            if self._transaction.edges.replaces(old, new):
                raise _refusal(line, f"{new!r} and {old!r} would supersede each other")
        unsettled = [id_ for page in self._fresh_pages() for id_ in self._verified(page)]
        if not self._is_empty and not self.restored.added.total():
            return
        latest = max(self._transaction.state.latest, self._head.latest)
        if unsettled:
            latest = max(self._transaction.now, latest)
        self._transaction.now = latest
        for id_ in unsettled:
            record = self._transaction.memories.find(id_)
            if record is not None:
                settle_slot(self._transaction, record, latest)

    def _fresh_pages(self) -> Iterator[list[Record]]:
        row = self._first_row - 1
        while page := self._transaction.memories.page(after=row, where=None):
            yield page
            row = page[-1].row

    def _verified(self, page: list[Record]) -> Iterator[str]:
        """Ids of those whose slot was held by others before. All of them are seen to be sound."""
        signals = self._transaction.engagement.signals_of([record.id for record in page])
        for record in page:
            for name, derived in (
                ("importance", fold(record.prior, signals[record.id])),
                ("valid_to", self._transaction.edges.end_of(record.id)),
            ):
                if not _is_alike(getattr(record, name), derived):
                    raise ParameterError(
                        f"{name!r} of memory {record.id!r} is {getattr(record, name)}, and the "
                        f"other lines say {derived}"
                    )
            if record.key is not None and not self._is_empty and self._is_contested(record):
                yield record.id

    def _is_contested(self, record: Record) -> bool:
        holders = [id_ for id_, _ in self._transaction.memories.holders(record)]
        rows = self._transaction.memories.rows_of(holders).values()
        return any(row < self._first_row for row in rows)


def _see_that_it_is_one(each: SupersessionRecord) -> None:
    """See that what replaces is another memory, and has its edge; what was forgotten has none."""
    if each.new == each.old:
        raise ParameterError(f"{each.new!r} cannot supersede itself")
    for name in ("weight", "created_at"):
        if (getattr(each, name) is None) != (each.new is None):
            raise ParameterError(f"{name!r} and 'new' are both there, or neither is")


def _is_alike(stated: float | None, derived: float | None) -> bool:
    if stated is None or derived is None:
        return stated is derived
    return abs(stated - derived) <= _EPSILON


def _refusal(line: int, reason: str) -> ParameterError:
    return ParameterError(f"line {line}: {reason}")
