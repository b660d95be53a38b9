"""Which turn of a conversation was before which, and whose vectors hold the text of one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from feather_memory.types import Seconds

_TURN = "key is null and coalesce(actor, role) is not null"  # `Spoken` says the same of fields
_EXCEPT = "row not in (select value from json_each(:without))"
_LAST = f"""
    select row from (
        select row from memory
        where session = :session and valid_from <= :since and {_TURN} and {_EXCEPT}
        order by valid_from desc, row desc limit 1
    )
    union all
    select row from memory
    where session = :session and valid_from > :since and valid_from <= :until
      and {_TURN} and {_EXCEPT}
"""
_BEFORE = f"""
    select row, (
        select row from memory
        where session = later.session and (valid_from, row) < (later.valid_from, later.row)
          and {_TURN} and {_EXCEPT}
        order by valid_from desc, row desc limit 1
    )
    from memory as later
    where row in (select value from json_each(:rows)) and {_TURN}
"""
_MADE_WITH = "select row from memory where context in (select value from json_each(?)) order by row"


def last(
    connection: sqlite3.Connection,
    session: str,
    *,
    since: Seconds,
    until: Seconds,
    without: Collection[int],
) -> list[int]:
    """Rows of a session's last turn at a moment, and of those after it until another."""
    asked = {"session": session, "since": since, "until": until, "without": _json(without)}
    return [row for (row,) in connection.execute(_LAST, asked)]


def before(
    connection: sqlite3.Connection, rows: Collection[int], *, without: Collection[int]
) -> dict[int, int]:
    """The row of the turn before each of these that is one and has one, by row."""
    asked = connection.execute(_BEFORE, {"rows": _json(rows), "without": _json(without)})
    return {row: earlier for row, earlier in asked if earlier is not None}


def made_with(connection: sqlite3.Connection, digests: Collection[int]) -> list[int]:
    """Rows of the memories whose vectors were made with the text of one of these turns, too."""
    return [row for (row,) in connection.execute(_MADE_WITH, (_json(digests),))]


def _json(numbers: Collection[int]) -> str:
    return json.dumps(list(numbers))
