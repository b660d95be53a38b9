"""Edges on the server, and the supersessions that stand behind the edges of that type."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from feather_memory.model.memory import Edge, EdgeType
from feather_memory.model.records import EdgeRecord, SupersessionRecord
from feather_memory.truth.postgres.moment import Moment
from feather_memory.truth.sqlite.edges import edge_in
from feather_memory.truth.state import EdgeChanges, EdgeRow, Fallen
from feather_memory.types import Seconds

_PUT = """
    insert into feather.edge (tenant, source, target, type, weight, created_at)
    values (%(tenant)s, %(source)s, %(target)s, %(type)s, %(weight)s, %(at)s)
    on conflict (tenant, source, target, type) do update set weight = excluded.weight
    returning source, target, type, weight, created_at
"""
_COLUMNS = "source, target, type, weight, created_at"
_MINE = "from feather.edge where tenant = %(tenant)s"
_FIND = (
    f"select {_COLUMNS} {_MINE} and source = %(source)s and target = %(target)s and type = %(type)s"
)
_TOUCHING = f"""
    select {_COLUMNS} {_MINE} and source = any(%(ids)s)
    union
    select {_COLUMNS} {_MINE} and target = any(%(ids)s)
"""
_BY_ROWS = """
    join feather.memory as here on here.tenant = %(tenant)s and here.id = source
    join feather.memory as there on there.tenant = %(tenant)s and there.id = target
"""
_EVERY = f"""
    select here.row, there.row, type, weight, edge.created_at from feather.edge {_BY_ROWS}
    where edge.tenant = %(tenant)s
"""
_STALE = """
    select row from feather.memory where tenant = %(tenant)s and changed > %(since)s
    union all
    select row from feather.tombstone where tenant = %(tenant)s and generation > %(since)s
"""
_FRESH = f"""
    with fresh (id) as materialized (
        select id from feather.memory where tenant = %(tenant)s and changed > %(since)s
    ), told as (
        select {_COLUMNS} {_MINE} and source in (select id from fresh)
        union
        select {_COLUMNS} {_MINE} and target in (select id from fresh)
    )
    select here.row, there.row, type, weight, told.created_at from told {_BY_ROWS}
"""
_TOUCH = """
    update feather.memory set changed = %(changed)s
    where tenant = %(tenant)s and id = any(%(ids)s)
"""
_CHAIN = """
    with recursive
        newer (id) as (
            select %(id)s::text collate "C"
            union                              -- not `union all`: it stops where it has been
            select source from feather.edge join newer on target = newer.id
            where tenant = %(tenant)s and type = 'supersedes'
        ),
        older (id) as (
            select id from newer
            union
            select target from feather.edge join older on source = older.id
            where tenant = %(tenant)s and type = 'supersedes'
        )
    select id from older
"""
# From the one sought up: what has just been written is replaced by nothing, whatever it replaces.
_REPLACES = """
    with recursive newer (id) as (
        select %(sought)s::text collate "C"
        where %(id)s = %(sought)s or exists (
            select from feather.edge
            where tenant = %(tenant)s and source = %(id)s and type = 'supersedes')
        union
        select source from feather.edge join newer on target = newer.id
        where tenant = %(tenant)s and type = 'supersedes'
    )
    select 1 from newer where id = %(id)s
"""
_SET_END = """
    update feather.memory set changed = %(changed)s, valid_to = (
        select min(moment) from (
            select stated_to as moment
            union all
            select holds_from from feather.supersession
            where supersession.tenant = %(tenant)s and old_id = memory.id
        ) as ends)
    where tenant = %(tenant)s and id = any(%(ids)s)
"""
_END = """
    select min(moment) from (
        select stated_to as moment from feather.memory where tenant = %(tenant)s and id = %(id)s
        union all
        select holds_from from feather.supersession where tenant = %(tenant)s and old_id = %(id)s
    ) as ends
"""
_STANDING = """
    with recursive newer (id) as (
        select %(id)s::text collate "C"
        union
        select new_id from feather.supersession join newer on old_id = newer.id
        where tenant = %(tenant)s
            and holds_from <= %(now)s and new_id is not null  -- null: it was forgotten
    )
    select id from newer
    where id not in (
        select old_id from feather.supersession
        where tenant = %(tenant)s and holds_from <= %(now)s)
    order by id
"""
_SUCCESSORS = """
    select distinct new_id from feather.supersession
    where tenant = %(tenant)s and old_id = any(%(ids)s) and holds_from > %(now)s
        and new_id is not null
    order by new_id
"""
_IS_SUPERSEDED = """
    select 1 from feather.supersession where tenant = %(tenant)s and old_id = %(id)s limit 1
"""
_CLOSINGS = """
    select recorded_at, holds_from from feather.supersession
    where tenant = %(tenant)s and old_id = %(id)s order by row
"""
_FALLEN = """
    select old.id, new.id, old.actor, new.actor, before.compact, later.compact
    from feather.supersession
    join feather.memory as old on old.tenant = %(tenant)s and old.id = old_id
    join feather.words as before on before.tenant = %(tenant)s and before.row = old.row
    join feather.memory as new on new.tenant = %(tenant)s and new.id = new_id
    join feather.words as later on later.tenant = %(tenant)s and later.row = new.row
    where supersession.tenant = %(tenant)s and holds_from <= %(now)s
    order by supersession.row desc limit %(count)s
"""
_RELEASE = """
    delete from feather.supersession where tenant = %(tenant)s and row = (
        select row from feather.supersession
        where tenant = %(tenant)s and old_id = %(old)s and new_id is null
            and holds_from >= %(holds)s and recorded_at = %(recorded)s
        order by holds_from, row limit 1)
"""
_STREAM = f"select {_COLUMNS} {_MINE} and type <> 'supersedes' order by source, target, type"
_SUPERSESSIONS = """
    select new_id, old_id, holds_from, recorded_at, weight, created_at
    from feather.supersession
    left join feather.edge on edge.tenant = supersession.tenant
        and source = new_id and target = old_id and type = 'supersedes'
    where supersession.tenant = %(tenant)s
        and (new_id is not null or not exists (  -- of those by what is forgotten, one of a kind
            select 1 from feather.supersession as other
            where other.tenant = supersession.tenant
                and other.old_id = supersession.old_id and other.new_id is null
                and other.holds_from = supersession.holds_from
                and other.recorded_at = supersession.recorded_at
                and other.row < supersession.row))
    order by supersession.row
"""
_RESTORE = """
    insert into feather.edge (tenant, source, target, type, weight, created_at)
    values (%(tenant)s, %(source)s, %(target)s, %(type)s, %(weight)s, %(at)s)
"""
_RECORD = """
    insert into feather.supersession (tenant, row, old_id, new_id, holds_from, recorded_at)
    select %(tenant)s, coalesce(max(row), 0) + 1, %(old)s, %(new)s, %(holds)s, %(recorded)s
    from feather.supersession where tenant = %(tenant)s
"""
_REMOVE = f"delete {_MINE} and source = %(source)s and target = %(target)s and type = %(type)s"
_UNDO = """
    delete from feather.supersession
    where tenant = %(tenant)s and old_id = %(old)s
        and (%(new)s::text is null or new_id = %(new)s)
"""
_UNDO_EDGES = f"""
    delete {_MINE} and type = 'supersedes' and target = %(old)s
        and (%(new)s::text is null or source = %(new)s)
"""
_MOVE = """
    update feather.supersession set holds_from = %(holds)s
    where tenant = %(tenant)s and new_id = %(new)s returning old_id
"""


@dataclass(frozen=True, slots=True)
class PostgresEdges:
    """The tables of edges and of supersessions."""

    moment: Moment

    def find(self, source: str, target: str, type_: str) -> Edge | None:
        """The edge, if it is there."""
        row = self.moment.one(_FIND, source=source, target=target, type=str(type_))
        return None if row is None else edge_in(row)

    def touching(self, ids: Collection[str]) -> list[Edge]:
        """Every edge that starts or ends at one of the memories, ordered by its ends."""
        return [edge_in(row) for row in sorted(self.moment.asked(_TOUCHING, ids=list(ids)))]

    def every(self) -> list[EdgeRow]:
        """All there are, by rows, in any order."""
        return self.moment.asked(_EVERY)

    def changes(self, *, since: int) -> EdgeChanges:
        """What a reader must learn that has all edges as of generation `since`."""
        stale = [row for (row,) in self.moment.asked(_STALE, since=since)]
        return EdgeChanges(stale, self.moment.asked(_FRESH, since=since))

    def count(self, ids: Collection[str]) -> int:
        """How many those are."""
        return len(self.moment.asked(_TOUCHING, ids=list(ids)))

    def chain(self, memory_id: str) -> list[str]:
        """Ids of all that it replaced or was replaced by, through any number of steps."""
        return [id_ for (id_,) in self.moment.asked(_CHAIN, id=memory_id)]

    def standing(self, memory_id: str, now: Seconds) -> list[str]:
        """Ids of what stands in its place at a moment: itself, or what has replaced it.

        Where all that replaced it was forgotten, it is the memory itself, though it does not hold.
        """
        rows = self.moment.asked(_STANDING, id=memory_id, now=float(now))
        return [id_ for (id_,) in rows] or [memory_id]

    def successors(self, ids: Collection[str], now: Seconds) -> list[str]:
        """Ids of what will replace the memories, but does not yet."""
        rows = self.moment.asked(_SUCCESSORS, ids=list(ids), now=float(now))
        return [id_ for (id_,) in rows]

    def replaces(self, memory_id: str, sought: str) -> bool:
        """Whether it is, or through any number of steps replaced, the one sought."""
        return self.moment.one(_REPLACES, id=memory_id, sought=sought) is not None

    def is_superseded(self, memory_id: str) -> bool:
        """Whether anything has replaced it, be that forgotten since."""
        return self.moment.one(_IS_SUPERSEDED, id=memory_id) is not None

    def end_of(self, memory_id: str) -> Seconds | None:
        """The earliest of its stated end and its supersessions."""
        moment: Seconds | None = self.moment.one(_END, id=memory_id)[0]
        return moment

    def closings(self, memory_id: str) -> list[tuple[Seconds, Seconds]]:
        """(recorded_at, holds_from) of every supersession of it."""
        return self.moment.asked(_CLOSINGS, id=memory_id)

    def stream(self) -> Iterator[EdgeRecord]:
        """All but those of supersessions, by their ends, as they are needed."""
        for source, target, type_, weight, at in self.moment.stream(_STREAM):
            yield EdgeRecord(source=source, target=target, type=type_, weight=weight, created_at=at)

    def supersessions(self) -> Iterator[SupersessionRecord]:
        """All there are, in the order in which they were recorded, as they are needed."""
        for new, old, holds, recorded, weight, at in self.moment.stream(_SUPERSESSIONS):
            yield SupersessionRecord(
                new=new, old=old, holds_from=holds, recorded_at=recorded, weight=weight,
                created_at=at,
            )  # fmt: skip

    def fallen(self, now: Seconds, count: int) -> list[Fallen]:
        """What was replaced last by a moment and what replaced it, in the order of that."""
        rows = self.moment.asked(_FALLEN, now=float(now), count=count)
        return [Fallen(*row) for row in reversed(rows)]

    # Writing

    def put(self, source: str, target: str, type_: str, weight: float, now: Seconds) -> Edge:
        """Add an edge, or give the one that is there a new weight."""
        self._touch([source])
        said = {"source": source, "target": target, "type": str(type_)}
        return edge_in(self.moment.one(_PUT, **said, weight=float(weight), at=float(now)))

    def remove(self, source: str, target: str, type_: str) -> bool:
        """Remove an edge. False if there was none."""
        removed = self.moment.done(_REMOVE, source=source, target=target, type=str(type_))
        if removed:
            self._touch([source])
        return removed > 0

    def _touch(self, ids: Collection[str]) -> None:
        """Have readers ask for the edges of memories anew; their arrays of numbers stay alike."""
        self.moment.done(_TOUCH, ids=list(ids), changed=self.moment.generation)

    def supersede(self, new: str, old: str, *, holds_from: Seconds, recorded_at: Seconds) -> None:
        """Record that `new` replaces `old` from a moment on, and close `old`."""
        self.put(new, old, EdgeType.SUPERSEDES, 1.0, recorded_at)
        self._record(old, new, holds_from, recorded_at)
        self.refresh_end(old)

    def unsupersede(self, old: str, new: str | None) -> bool:
        """Undo supersessions of `old`, by `new` or all, as if they had never been."""
        if not self.moment.done(_UNDO, old=old, new=new):
            return False
        self.moment.done(_UNDO_EDGES, old=old, new=new)
        self.refresh_end(old)
        return True

    def withhold(self, memory_id: str, *, holds_from: Seconds, recorded_at: Seconds) -> None:
        """Record that it does not hold from a moment on, though nothing has replaced it."""
        self._record(memory_id, None, holds_from, recorded_at)
        self.refresh_end(memory_id)

    def release(self, memory_id: str, *, holds_from: Seconds, recorded_at: Seconds) -> bool:
        """Undo one such record of an end from a moment on, made at another. False: none."""
        asked = {"old": memory_id, "holds": float(holds_from), "recorded": float(recorded_at)}
        if not self.moment.done(_RELEASE, **asked):
            return False
        self.refresh_end(memory_id)
        return True

    def move_supersessions(self, new: str, holds_from: Seconds) -> None:
        """What replaced others is true from another moment: so is their end."""
        moved = self.moment.asked(_MOVE, new=new, holds=float(holds_from))
        self._refresh_ends([old for (old,) in moved])

    def refresh_end(self, memory_id: str) -> None:
        """Write until when it was true, from what is recorded."""
        self._refresh_ends([memory_id])

    def _refresh_ends(self, ids: Collection[str]) -> None:
        self.moment.done(_SET_END, ids=list(ids), changed=self.moment.generation)

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
        for each in supersessions:
            self._record(each.old, each.new, each.holds_from, each.recorded_at)
        self._touch({each.old for each in supersessions})

    def _record(self, old: str, new: str | None, holds: Seconds, recorded: Seconds) -> None:
        said = {"old": old, "new": new, "holds": float(holds), "recorded": float(recorded)}
        self.moment.done(_RECORD, **said)

    def _restore(self, rows: Sequence[tuple[object, ...]]) -> None:
        names = ("source", "target", "type", "weight", "at")
        told = [dict(zip(names, row, strict=True)) for row in rows]
        self.moment.each(_RESTORE, ({**one, "type": str(one["type"])} for one in told))
        self._touch({str(one["source"]) for one in told})
