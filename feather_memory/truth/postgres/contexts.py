"""Which turn of a conversation was before which, and whose vectors hold the text of one."""

from __future__ import annotations

from collections.abc import Collection

from feather_memory.truth.postgres.moment import Moment
from feather_memory.types import Seconds

_TURN = "key is null and coalesce(actor, role) is not null"  # `Spoken` says the same of fields
_LAST = f"""
    (
        select row from feather.memory
        where tenant = %(tenant)s and session = %(session)s and valid_from <= %(since)s
            and {_TURN} and row <> all(%(without)s)
        order by valid_from desc, row desc limit 1
    )
    union all
    select row from feather.memory
    where tenant = %(tenant)s and session = %(session)s
        and valid_from > %(since)s and valid_from <= %(until)s
        and {_TURN} and row <> all(%(without)s)
"""
_BEFORE = f"""
    select later.row, earlier.row from feather.memory as later, lateral (
        select row from feather.memory
        where tenant = %(tenant)s and session = later.session
            and (valid_from, row) < (later.valid_from, later.row)
            and {_TURN} and row <> all(%(without)s)
        order by valid_from desc, row desc limit 1
    ) as earlier
    where later.tenant = %(tenant)s and later.row = any(%(rows)s)
        and later.key is null and coalesce(later.actor, later.role) is not null
"""
_MADE_WITH = """
    select row from feather.memory
    where tenant = %(tenant)s and context = any(%(digests)s) order by row
"""


def last(
    moment: Moment, session: str, *, since: Seconds, until: Seconds, without: Collection[int]
) -> list[int]:
    """Rows of a session's last turn at a moment, and of those after it until another."""
    asked = moment.asked(
        _LAST, session=session, since=float(since), until=float(until), without=list(without)
    )
    return [row for (row,) in asked]


def before(moment: Moment, rows: Collection[int], *, without: Collection[int]) -> dict[int, int]:
    """The row of the turn before each of these that is one and has one, by row."""
    return dict(moment.asked(_BEFORE, rows=list(rows), without=list(without)))


def made_with(moment: Moment, digests: Collection[int]) -> list[int]:
    """Rows of the memories whose vectors were made with the text of one of these turns, too."""
    return [row for (row,) in moment.asked(_MADE_WITH, digests=list(digests))]
