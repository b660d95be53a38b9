"""The recall log: which memories each turn was shown. Bounded; it keeps no query."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from feather_memory.config import RECALL_TURNS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable

    from feather_memory.db.database import Writing
    from feather_memory.types import Seconds


def log(writing: Writing, turn: str, at: Seconds, shown: Iterable[tuple[str, float]]) -> list[str]:
    """Record what a turn was shown, (id, score) best first; the ids new to that turn."""
    connection = writing.connection
    connection.execute(
        "insert into turn (name, at) values (?, ?) on conflict do update set at = excluded.at",
        (turn, at),
    )
    (row,) = connection.execute("select row from turn where name = ?", (turn,)).fetchone()
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
    row = connection.execute("select row from turn where name = ?", (turn,)).fetchone()
    if row is None:
        return None
    rows = connection.execute("select memory_id from shown where turn = ? order by rank", row)
    return [memory_id for (memory_id,) in rows]


def count(connection: sqlite3.Connection, ids: Collection[str]) -> int:
    """How many entries of the log name the memories."""
    entries: int = connection.execute(
        "select count(*) from shown where memory_id in (select value from json_each(?))",
        (json.dumps(list(ids)),),
    ).fetchone()[0]
    return entries
