"""What became of the memories since a generation, and the statements that tell it."""

from __future__ import annotations

from typing import Final

from feather_memory.model.fields import COLUMNS
from feather_memory.truth.postgres.moment import Moment
from feather_memory.truth.state import Changes, may_be_superseded

_COLUMNS = ", ".join(f"memory.{name}" for name in COLUMNS)

# What the arrays of a View are made of; the rest only where it is new to the reader.
_APPENDED: Final = f"""
    select memory.row, {_COLUMNS}, session, actor, key is null,
        (origin in ('assistant', 'tool'))::int, (manner in ('question', 'asking'))::int,
        likeness, {{vector}}, compact
    from feather.memory
    left join feather.words on words.tenant = memory.tenant and words.row = memory.row
    where memory.tenant = %(tenant)s and changed > %(since)s and memory.row >= %(next_row)s
    order by memory.row
"""
_TOUCHED: Final = f"""
    select memory.row, {_COLUMNS} from feather.memory
    where tenant = %(tenant)s and changed > %(since)s and row < %(next_row)s
"""
_GONE: Final = (
    "select row from feather.tombstone where tenant = %(tenant)s and generation > %(since)s"
)
_SUPERSEDED: Final = """
    select old.row, new.row, holds_from, recorded_at from feather.supersession
    join feather.memory as old on old.tenant = supersession.tenant and old.id = old_id
    left join feather.memory as new on new.tenant = supersession.tenant and new.id = new_id
    where supersession.tenant = %(tenant)s
"""
_SUPERSEDED_SINCE: Final = f"""
    with fresh (id) as materialized (
        select id from feather.memory where tenant = %(tenant)s and changed > %(since)s
    )
    {_SUPERSEDED} and supersession.row in (
        select row from feather.supersession
        where tenant = %(tenant)s and old_id in (select id from fresh)
        union
        select row from feather.supersession
        where tenant = %(tenant)s and new_id in (select id from fresh))
"""


def told(moment: Moment, *, since: int, next_row: int, vector: str = "vector") -> Changes:
    """What a reader must learn that has all rows below `next_row` as of generation `since`.

    Args:
        moment: Of the tenant.
        since: A generation; 0 for a reader that has nothing.
        next_row: The first row that is new to the reader.
        vector: What is told of each vector, in SQL.
    """
    asked, known = moment.asked, {"since": since, "next_row": next_row}
    appended = asked(_APPENDED.format(vector=vector), **known)
    touched = asked(_TOUCHED, **known) if since else []
    left = gone(moment, since) if since else []
    if not may_be_superseded(appended, touched, left):
        return Changes(appended, touched, left, [])
    superseded = asked(_SUPERSEDED_SINCE, since=since) if since else asked(_SUPERSEDED)
    return Changes(appended, touched, left, superseded)


def gone(moment: Moment, since: int) -> list[int]:
    """Rows that nothing has any more since a generation."""
    return [row for (row,) in moment.asked(_GONE, since=since)]
