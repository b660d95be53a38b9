"""Edges in the file, and the supersessions that stand behind the edges of that type."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from feather_memory.checks import when
from feather_memory.model.memory import Edge, EdgeType
from feather_memory.model.records import EdgeRecord, SupersessionRecord
from feather_memory.truth.sqlite import sums
from feather_memory.truth.sqlite.moment import Moment
from feather_memory.truth.state import DamagedRowError, EdgeChanges, EdgeRow, Fallen
from feather_memory.types import Seconds

_PUT = """
    insert into edge (source, target, type, weight, created_at) values (?, ?, ?, ?, ?)
    on conflict do update set weight = excluded.weight
    returning source, target, type, weight, created_at
"""
_SEAL = "update edge set checksum = ? where source = ? and target = ? and type = ?"
_COLUMNS = "source, target, type, weight, created_at"
_TOUCHING = f"""
    select {_COLUMNS} from edge where source in (select value from json_each(:ids))
    union
    select {_COLUMNS} from edge where target in (select value from json_each(:ids))
"""
_EVERY = f"select {_COLUMNS} from edge"
_ROWS = "select id, row from memory"
_STALE = """
    select row from memory indexed by memory_changed where changed > :since
    union all
    select row from tombstone where generation > :since
"""
_FRESH = """
    with fresh (id) as materialized (
        select id from memory indexed by memory_changed where changed > :since
    ), told (source, target, type, weight, created_at) as (
        select source, target, type, weight, created_at from edge where source in fresh
        union
        select source, target, type, weight, created_at from edge where target in fresh
    )
    select here.row, there.row, type, weight, told.created_at from told
    join memory as here on here.id = source join memory as there on there.id = target
"""
_TOUCH = "update memory set changed = ? where id = ?"
_CHAIN = """
    with recursive
        newer (id) as (
            select :id
            union                              -- not `union all`: it stops where it has been
            select source from edge join newer on target = newer.id where type = 'supersedes'
        ),
        older (id) as (
            select id from newer
            union
            select target from edge join older on source = older.id where type = 'supersedes'
        )
    select id from older
"""
# From the one sought up: what has just been written is replaced by nothing, whatever it replaces.
_REPLACES = """
    with recursive newer (id) as (
        select :sought where :id = :sought or exists (
            select 1 from edge where source = :id and type = 'supersedes'
        )
        union
        select source from edge join newer on target = newer.id where type = 'supersedes'
    )
    select 1 from newer where id = :id
"""
_SET_END = "update memory set valid_to = ?, changed = ? where id = ?"
_STANDING = """
    with recursive newer (id) as (
        select :id
        union
        select new_id from supersession join newer on old_id = newer.id
        where holds_from <= :now and new_id is not null  -- null: it was forgotten
    )
    select id from newer
    where id not in (select old_id from supersession where holds_from <= :now)
    order by id
"""
_SUCCESSORS = """
    select distinct new_id from supersession
    where old_id in (select value from json_each(:ids)) and holds_from > :now
        and new_id is not null
    order by new_id
"""
_FALLEN = """
    select old.id, new.id, old.actor, new.actor, before.compact, after.compact from supersession
    join memory as old on old.id = old_id join words as before on before.row = old.row
    join memory as new on new.id = new_id join words as after on after.row = new.row
    where holds_from <= ? order by supersession.rowid desc limit ?
"""
_RELEASE = """
    delete from supersession where rowid = (
        select rowid from supersession
        where old_id = ? and new_id is null and holds_from >= ? and recorded_at = ?
        order by holds_from limit 1)
"""
_END = """
    select min(moment) from (
        select stated_to as moment from memory where id = :id
        union all
        select holds_from from supersession where old_id = :id
    )
"""
_STREAM = f"select {_COLUMNS} from edge where type <> 'supersedes' order by source, target, type"
_SUPERSESSIONS = """
    select new_id, old_id, holds_from, recorded_at, weight, created_at
    from supersession
    left join edge on source = new_id and target = old_id and type = 'supersedes'
    where new_id is not null or not exists (  -- of those by what is forgotten, one of a kind
        select 1 from supersession as other
        where other.old_id = supersession.old_id and other.new_id is null
            and other.holds_from = supersession.holds_from
            and other.recorded_at = supersession.recorded_at
            and other.rowid < supersession.rowid)
    order by supersession.rowid
"""
_RESTORE = f"insert into edge ({_COLUMNS}, checksum) values (?, ?, ?, ?, ?, ?)"
_RECORD = """
    insert into supersession (old_id, new_id, holds_from, recorded_at, checksum)
    values (?, ?, ?, ?, ?)
"""


def edge_in(row: tuple[str, str, str, float, float]) -> Edge:
    """The edge of a row: source, target, type, weight, created_at."""
    source, target, type_, weight, created_at = row
    try:
        at = when(created_at)
    except (OSError, OverflowError, TypeError, ValueError) as error:
        raise DamagedRowError(f"an edge of {source!r} has no time") from error
    return Edge(source=source, target=target, type=type_, weight=weight, created_at=at)


@dataclass(frozen=True, slots=True)
class SqliteEdges:
    """The tables of edges and of supersessions."""

    moment: Moment

    def find(self, source: str, target: str, type_: str) -> Edge | None:
        """The edge, if it is there."""
        row = self.moment.connection.execute(
            f"select {_COLUMNS} from edge where source = ? and target = ? and type = ?",
            (source, target, type_),
        ).fetchone()
        return None if row is None else edge_in(row)

    def touching(self, ids: Collection[str]) -> list[Edge]:
        """Every edge that starts or ends at one of the memories, ordered by its ends."""
        rows = self.moment.connection.execute(_TOUCHING, {"ids": json.dumps(list(ids))}).fetchall()
        return [edge_in(row) for row in sorted(rows)]

    def every(self) -> list[EdgeRow]:
        """All there are, by rows, in any order."""
        asked = self.moment.connection.execute
        row_of = dict(asked(_ROWS).fetchall()).__getitem__  # half the time of two joins
        if not (edges := asked(_EVERY).fetchall()):
            return []
        source, target, *rest = zip(*edges, strict=True)
        try:
            return list(zip(map(row_of, source), map(row_of, target), *rest, strict=True))
        except KeyError as error:
            raise DamagedRowError(f"an edge of {error} has no memory") from error

    def changes(self, *, since: int) -> EdgeChanges:
        """What a reader must learn that has all edges as of generation `since`."""
        asked = self.moment.connection.execute
        stale = [row for (row,) in asked(_STALE, {"since": since})]
        return EdgeChanges(stale, asked(_FRESH, {"since": since}).fetchall())

    def count(self, ids: Collection[str]) -> int:
        """How many those are."""
        return len(self.touching(ids))

    def chain(self, memory_id: str) -> list[str]:
        """Ids of all that it replaced or was replaced by, through any number of steps."""
        return [id_ for (id_,) in self.moment.connection.execute(_CHAIN, {"id": memory_id})]

    def standing(self, memory_id: str, now: Seconds) -> list[str]:
        """Ids of what stands in its place at a moment: itself, or what has replaced it.

        Where all that replaced it was forgotten, it is the memory itself, though it does not hold.
        """
        rows = self.moment.connection.execute(_STANDING, {"id": memory_id, "now": now})
        return [id_ for (id_,) in rows] or [memory_id]

    def successors(self, ids: Collection[str], now: Seconds) -> list[str]:
        """Ids of what will replace the memories, but does not yet."""
        asked = {"ids": json.dumps(list(ids)), "now": now}
        return [id_ for (id_,) in self.moment.connection.execute(_SUCCESSORS, asked)]

    def replaces(self, memory_id: str, sought: str) -> bool:
        """Whether it is, or through any number of steps replaced, the one sought."""
        asked = {"id": memory_id, "sought": sought}
        return self.moment.connection.execute(_REPLACES, asked).fetchone() is not None

    def is_superseded(self, memory_id: str) -> bool:
        """Whether anything has replaced it, be that forgotten since."""
        row = self.moment.connection.execute(
            "select 1 from supersession where old_id = ? limit 1", (memory_id,)
        ).fetchone()
        return row is not None

    def end_of(self, memory_id: str) -> Seconds | None:
        """The earliest of its stated end and its supersessions."""
        asked = self.moment.connection.execute(_END, {"id": memory_id})
        moment: Seconds | None = asked.fetchone()[0]
        return moment

    def closings(self, memory_id: str) -> list[tuple[Seconds, Seconds]]:
        """(recorded_at, holds_from) of every supersession of it."""
        return self.moment.connection.execute(
            "select recorded_at, holds_from from supersession where old_id = ?", (memory_id,)
        ).fetchall()

    def stream(self) -> Iterator[EdgeRecord]:
        """All but those of supersessions, by their ends, as they are needed."""
        for source, target, type_, weight, at in self.moment.connection.execute(_STREAM):
            yield EdgeRecord(source=source, target=target, type=type_, weight=weight, created_at=at)

    def supersessions(self) -> Iterator[SupersessionRecord]:
        """All there are, in the order in which they were recorded, as they are needed."""
        for new, old, holds, recorded, weight, at in self.moment.connection.execute(_SUPERSESSIONS):
            yield SupersessionRecord(
                new=new, old=old, holds_from=holds, recorded_at=recorded, weight=weight,
                created_at=at,
            )  # fmt: skip

    def fallen(self, now: Seconds, count: int) -> list[Fallen]:
        """What was replaced last by a moment and what replaced it, in the order of that."""
        rows = self.moment.connection.execute(_FALLEN, (now, count)).fetchall()
        return [Fallen(*row) for row in reversed(rows)]

    # Writing

    def put(self, source: str, target: str, type_: str, weight: float, now: Seconds) -> Edge:
        """Add an edge, or give the one that is there a new weight."""
        said = (source, target, type_, weight, now)
        self._touch(source)
        written = self.moment.connection.execute(_PUT, said).fetchone()
        self.moment.connection.execute(_SEAL, (sums.row_sum(written), *written[:3]))
        return edge_in(written)

    def remove(self, source: str, target: str, type_: str) -> bool:
        """Remove an edge. False if there was none."""
        cursor = self.moment.connection.execute(
            "delete from edge where source = ? and target = ? and type = ?", (source, target, type_)
        )
        if cursor.rowcount:
            self._touch(source)
        return cursor.rowcount > 0

    def _touch(self, memory_id: str) -> None:
        """Have readers ask for the edges of a memory anew; its arrays of numbers stay alike."""
        self.moment.connection.execute(_TOUCH, (self.moment.generation, memory_id))

    def supersede(self, new: str, old: str, *, holds_from: Seconds, recorded_at: Seconds) -> None:
        """Record that `new` replaces `old` from a moment on, and close `old`."""
        self.put(new, old, EdgeType.SUPERSEDES, 1.0, recorded_at)
        self._record([(old, new, holds_from, recorded_at)])
        self.refresh_end(old)

    def unsupersede(self, old: str, new: str | None) -> bool:
        """Undo supersessions of `old`, by `new` or all, as if they had never been."""
        connection, asked = self.moment.connection, {"old": old, "new": new}
        cursor = connection.execute(
            "delete from supersession where old_id = :old and (:new is null or new_id = :new)",
            asked,
        )
        if cursor.rowcount == 0:
            return False
        connection.execute(
            "delete from edge where type = 'supersedes' and target = :old "
            "and (:new is null or source = :new)",
            asked,
        )
        self.refresh_end(old)
        return True

    def withhold(self, memory_id: str, *, holds_from: Seconds, recorded_at: Seconds) -> None:
        """Record that it does not hold from a moment on, though nothing has replaced it."""
        self._record([(memory_id, None, holds_from, recorded_at)])
        self.refresh_end(memory_id)

    def release(self, memory_id: str, *, holds_from: Seconds, recorded_at: Seconds) -> bool:
        """Undo one such record of an end from a moment on, made at another. False: none."""
        asked = (memory_id, holds_from, recorded_at)
        if not self.moment.connection.execute(_RELEASE, asked).rowcount:
            return False
        self.refresh_end(memory_id)
        return True

    def move_supersessions(self, new: str, holds_from: Seconds) -> None:
        """What replaced others is true from another moment: so is their end."""
        connection = self.moment.connection
        connection.execute(
            "update supersession set holds_from = ? where new_id = ?", (holds_from, new)
        )
        sums.seal(connection, "supersession", "new_id = ?", (new,))
        for (old,) in connection.execute(
            "select old_id from supersession where new_id = ?", (new,)
        ).fetchall():
            self.refresh_end(old)

    def refresh_end(self, memory_id: str) -> None:
        """Write until when it was true, from what is recorded."""
        moment = self.moment
        moment.connection.execute(_SET_END, (self.end_of(memory_id), moment.generation, memory_id))

    def restore(self, edges: Sequence[EdgeRecord]) -> None:
        """Add edges that are not there, as they were."""
        self._restore([(e.source, e.target, e.type, e.weight, e.created_at) for e in edges])

    def restore_supersessions(self, supersessions: Sequence[SupersessionRecord]) -> None:
        """Add supersessions that are not there, as they were. No end is written."""
        self._restore(
            [
                (each.new, each.old, EdgeType.SUPERSEDES, each.weight, each.created_at)
                for each in supersessions
                if each.new is not None
            ]
        )
        rows = [(each.old, each.new, each.holds_from, each.recorded_at) for each in supersessions]
        self._record(rows)
        for old in {each.old for each in supersessions}:
            self._touch(old)

    def _record(self, rows: Sequence[tuple[object, ...]]) -> None:
        sealed = [(*row, sums.row_sum(row)) for row in rows]
        self.moment.connection.executemany(_RECORD, sealed)

    def _restore(self, rows: Sequence[tuple[object, ...]]) -> None:
        sealed = [(*row, sums.row_sum(row)) for row in rows]
        self.moment.connection.executemany(_RESTORE, sealed)
        for source in {row[0] for row in rows}:
            self._touch(str(source))
