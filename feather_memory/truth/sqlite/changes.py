"""The statements by which a reader learns what became of the memories since a generation."""

from __future__ import annotations

from feather_memory.model.fields import COLUMNS

# What the arrays of a View are made of; the rest only where it is new to the reader.
APPENDED = f"""
    select memory.row, {", ".join(COLUMNS)}, session, actor, key is null,
        coalesce(origin in ('assistant', 'tool'), 0), coalesce(manner in ('question', 'asking'), 0),
        likeness, vector, compact
    from memory left join words on memory.row = words.row
    where changed > ? and memory.row >= ? order by memory.row
"""
TOUCHED = f"""
    select row, {", ".join(COLUMNS)}
    from memory indexed by memory_changed     -- left to itself it reads the whole table
    where changed > ? and row < ?
"""
GONE = "select row from tombstone where generation > ?"
SUPERSEDED = """
    select old.row, new.row, holds_from, recorded_at from supersession
    join memory as old on old.id = old_id left join memory as new on new.id = new_id
"""
SUPERSEDED_SINCE = f"""
    with fresh (id) as materialized (
        select id from memory indexed by memory_changed where changed > :since
    )
    {SUPERSEDED} where supersession.rowid in (
        select rowid from supersession where old_id in fresh
        union
        select rowid from supersession where new_id in fresh)
"""
TOUCH_REPLACED = """
    update memory set changed = ?
    where id in (select old_id from supersession where new_id = ?)
"""
BURY = "insert into tombstone (row, generation) values (?, ?)"
SUPERSEDES = """
    with asked (id) as (select value from json_each(:ids))
    select source, target from edge where type = 'supersedes' and source in asked
    union select source, target from edge where type = 'supersedes' and target in asked
"""
