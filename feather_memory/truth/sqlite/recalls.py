"""The recall log: which memories each turn was shown. Bounded; it keeps no query.

A turn has the name it was first logged under, and may be given others.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from feather_memory.config import RECALL_TURNS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable

    from feather_memory.truth.sqlite.database import Writing
    from feather_memory.types import Seconds

_NAMED = """
    select row, name from turn where name = :name
    union all
    select turn.row, turn.name from turn join turn_name on turn.row = turn_name.turn
    where turn_name.name = :name
"""


def _named(connection: sqlite3.Connection, name: str) -> tuple[int, str] | None:
    found: tuple[int, str] | None = connection.execute(_NAMED, {"name": name}).fetchone()
    return found


def find(connection: sqlite3.Connection, name: str) -> str | None:
    """The first name of the turn that has this name; None if there is no such turn."""
    found = _named(connection, name)
    return None if found is None else found[1]


def rename(writing: Writing, turn: str, also: str) -> bool:
    """Give a turn a further name. False, and nothing, if it is another turn's."""
    known, other = _named(writing.connection, turn), _named(writing.connection, also)
    if known is None or other is not None:
        return known == other
    writing.connection.execute("insert into turn_name (name, turn) values (?, ?)", (also, known[0]))
    return True


def log(writing: Writing, turn: str, at: Seconds, shown: Iterable[tuple[str, float]]) -> list[str]:
    """Record what a turn was shown, (id, score) best first; the ids new to that turn."""
    connection = writing.connection
    known = _named(connection, turn)
    first = turn if known is None else known[1]
    (row,) = connection.execute(
        "insert into turn (name, at) values (?, ?) "
        "on conflict (name) do update set at = excluded.at returning row",
        (first, at),
    ).fetchone()
    (rank,) = connection.execute("select count(*) from shown where turn = ?", (row,)).fetchone()
    fresh: list[str] = []
    for memory_id, score in shown:
        cursor = connection.execute(
            "insert or ignore into shown (turn, memory_id, rank, score) values (?, ?, ?, ?)",
            (row, memory_id, rank + len(fresh), score),
        )
        if cursor.rowcount:
            fresh.append(memory_id)
    connection.execute(
        "delete from turn where row <= (select max(row) from turn) - ?", (RECALL_TURNS,)
    )
    return fresh


def shown(connection: sqlite3.Connection, turn: str) -> list[str] | None:
    """Ids of what the turn was shown, best first; None if there is no such turn."""
    known = _named(connection, turn)
    if known is None:
        return None
    rows = connection.execute(
        "select memory_id from shown where turn = ? order by rank", (known[0],)
    )
    return [memory_id for (memory_id,) in rows]


def count(connection: sqlite3.Connection, ids: Collection[str]) -> int:
    """How many entries of the log name the memories."""
    entries: int = connection.execute(
        "select count(*) from shown where memory_id in (select value from json_each(?))",
        (json.dumps(list(ids)),),
    ).fetchone()[0]
    return entries
