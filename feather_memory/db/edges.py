"""Edges in the file, and the supersessions that stand behind the edges of that type."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from feather_memory.db import memories
from feather_memory.model import Edge, EdgeType, when

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable

    from feather_memory.db.database import Writing
    from feather_memory.types import Seconds

_PUT = """
    insert into edge (source, target, type, weight, created_at) values (?, ?, ?, ?, ?)
    on conflict do update set weight = excluded.weight
    returning source, target, type, weight, created_at
"""
_COLUMNS = "source, target, type, weight, created_at"
_TOUCHING = f"""
    select {_COLUMNS} from edge where source in (select value from json_each(:ids))
    union
    select {_COLUMNS} from edge where target in (select value from json_each(:ids))
"""
_SUPERSEDES = """
    select source, target from edge
    where type = 'supersedes' and source in (select value from json_each(:ids))
    union
    select source, target from edge
    where type = 'supersedes' and target in (select value from json_each(:ids))
"""
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
_DESCENDANTS = """
    with recursive older (id) as (
        select :id
        union
        select target from edge join older on source = older.id where type = 'supersedes'
    )
    select 1 from older where id = :sought
"""
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
_END = """
    select min(moment) from (
        select stated_to as moment from memory where id = :id
        union all
        select holds_from from supersession where old_id = :id
    )
"""


def _edge(row: tuple[str, str, str, float, float]) -> Edge:
    source, target, type_, weight, created_at = row
    return Edge(
        source=source, target=target, type=type_, weight=weight, created_at=when(created_at)
    )


def put(
    writing: Writing, source: str, target: str, type_: str, weight: float, now: Seconds
) -> Edge:
    """Add an edge, or give the one that is there a new weight."""
    row = writing.connection.execute(_PUT, (source, target, type_, weight, now)).fetchone()
    return _edge(row)


def remove(writing: Writing, source: str, target: str, type_: str) -> bool:
    """Remove an edge. False if there was none."""
    cursor = writing.connection.execute(
        "delete from edge where source = ? and target = ? and type = ?", (source, target, type_)
    )
    return cursor.rowcount > 0


def get(connection: sqlite3.Connection, source: str, target: str, type_: str) -> Edge | None:
    """The edge, if it is there."""
    row = connection.execute(
        f"select {_COLUMNS} from edge where source = ? and target = ? and type = ?",
        (source, target, type_),
    ).fetchone()
    return None if row is None else _edge(row)


def touching(connection: sqlite3.Connection, ids: Collection[str]) -> list[Edge]:
    """Every edge that starts or ends at one of the memories, ordered by its ends."""
    rows = connection.execute(_TOUCHING, {"ids": json.dumps(list(ids))}).fetchall()
    return [_edge(row) for row in sorted(rows)]


def replacements(
    connection: sqlite3.Connection, ids: Iterable[str]
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """What each memory replaced, and what replaced it."""
    replaces: dict[str, tuple[str, ...]] = {}
    replaced_by: dict[str, tuple[str, ...]] = {}
    rows = connection.execute(_SUPERSEDES, {"ids": json.dumps(list(ids))}).fetchall()
    for new, old in sorted(rows):
        replaces[new] = (*replaces.get(new, ()), old)
        replaced_by[old] = (*replaced_by.get(old, ()), new)
    return replaces, replaced_by


def chain(connection: sqlite3.Connection, memory_id: str) -> list[str]:
    """Ids of all that the memory replaced or was replaced by, through any number of steps."""
    return [id_ for (id_,) in connection.execute(_CHAIN, {"id": memory_id})]


def standing(connection: sqlite3.Connection, memory_id: str, now: Seconds) -> list[str]:
    """Ids of what stands in the memory's place at a moment: itself, or what has replaced it.

    Where all that replaced it was forgotten, it is the memory itself, though it does not hold.
    """
    rows = connection.execute(_STANDING, {"id": memory_id, "now": now})
    return [id_ for (id_,) in rows] or [memory_id]


def successors(connection: sqlite3.Connection, ids: Iterable[str], now: Seconds) -> list[str]:
    """Ids of what will replace the memories, but does not yet."""
    rows = connection.execute(_SUCCESSORS, {"ids": json.dumps(list(ids)), "now": now})
    return [id_ for (id_,) in rows]


def replaces(connection: sqlite3.Connection, memory_id: str, sought: str) -> bool:
    """Whether the memory is, or through any number of steps replaced, the one sought."""
    row = connection.execute(_DESCENDANTS, {"id": memory_id, "sought": sought}).fetchone()
    return row is not None


def supersede(
    writing: Writing, new: str, old: str, *, holds_from: Seconds, recorded_at: Seconds
) -> None:
    """Record that `new` replaces `old` from a moment on."""
    put(writing, new, old, EdgeType.SUPERSEDES, 1.0, recorded_at)
    writing.connection.execute(
        "insert into supersession (old_id, new_id, holds_from, recorded_at) values (?, ?, ?, ?)",
        (old, new, holds_from, recorded_at),
    )
    refresh_end(writing, old)


def unsupersede(writing: Writing, old: str, new: str | None) -> bool:
    """Undo supersessions of `old`, by `new` or all, as if they had never been. False if none."""
    connection = writing.connection
    values = {"old": old, "new": new}
    cursor = connection.execute(
        "delete from supersession where old_id = :old and (:new is null or new_id = :new)", values
    )
    if cursor.rowcount == 0:
        return False
    connection.execute(
        "delete from edge where type = 'supersedes' and target = :old "
        "and (:new is null or source = :new)",
        values,
    )
    refresh_end(writing, old)
    return True


def is_superseded(connection: sqlite3.Connection, memory_id: str) -> bool:
    """Whether anything has replaced it, be that forgotten since."""
    row = connection.execute(
        "select 1 from supersession where old_id = ? limit 1", (memory_id,)
    ).fetchone()
    return row is not None


def move_supersessions(writing: Writing, new: str, holds_from: Seconds) -> None:
    """A memory that replaced others is now true from another moment: so is their end."""
    connection = writing.connection
    connection.execute("update supersession set holds_from = ? where new_id = ?", (holds_from, new))
    for (old,) in connection.execute(
        "select old_id from supersession where new_id = ?", (new,)
    ).fetchall():
        refresh_end(writing, old)


def end_of(connection: sqlite3.Connection, memory_id: str) -> Seconds | None:
    """The earliest of the stated end and the supersessions."""
    moment: Seconds | None = connection.execute(_END, {"id": memory_id}).fetchone()[0]
    return moment


def refresh_end(writing: Writing, memory_id: str) -> None:
    """Write until when the memory was true, from what is recorded."""
    memories.set_end(writing, memory_id, end_of(writing.connection, memory_id))


def count(connection: sqlite3.Connection, ids: Collection[str]) -> int:
    """How many edges touch the memories."""
    return len(touching(connection, ids))


def closings(connection: sqlite3.Connection, memory_id: str) -> list[tuple[Seconds, Seconds]]:
    """(recorded_at, holds_from) of every supersession of the memory."""
    return connection.execute(
        "select recorded_at, holds_from from supersession where old_id = ?", (memory_id,)
    ).fetchall()
