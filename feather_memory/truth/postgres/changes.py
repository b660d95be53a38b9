"""The statements by which a reader learns what became of the memories since a generation."""

from __future__ import annotations

from feather_memory.model.fields import COLUMNS

_COLUMNS = ", ".join(f"memory.{name}" for name in COLUMNS)

# What the arrays of a View are made of; the rest only where it is new to the reader.
APPENDED = f"""
    select memory.row, {_COLUMNS}, session, actor, key is null,
        (origin in ('assistant', 'tool'))::int, (manner in ('question', 'asking'))::int,
        likeness, vector, compact
    from feather.memory
    left join feather.words on words.tenant = memory.tenant and words.row = memory.row
    where memory.tenant = %(tenant)s and changed > %(since)s and memory.row >= %(next_row)s
    order by memory.row
"""
TOUCHED = f"""
    select memory.row, {_COLUMNS} from feather.memory
    where tenant = %(tenant)s and changed > %(since)s and row < %(next_row)s
"""
GONE = "select row from feather.tombstone where tenant = %(tenant)s and generation > %(since)s"
SUPERSEDED = """
    select old.row, new.row, holds_from, recorded_at from feather.supersession
    join feather.memory as old on old.tenant = supersession.tenant and old.id = old_id
    left join feather.memory as new on new.tenant = supersession.tenant and new.id = new_id
    where supersession.tenant = %(tenant)s
"""
SUPERSEDED_SINCE = f"""
    with fresh (id) as materialized (
        select id from feather.memory where tenant = %(tenant)s and changed > %(since)s
    )
    {SUPERSEDED} and supersession.row in (
        select row from feather.supersession
        where tenant = %(tenant)s and old_id in (select id from fresh)
        union
        select row from feather.supersession
        where tenant = %(tenant)s and new_id in (select id from fresh))
"""
