"""What adapters keep beside the memories: JSON by shelf and key, in the order of insertion."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from feather_memory.truth.sqlite.database import Writing

_PUT = """
    insert into shelf (name, key, value) values (?, ?, ?)
    on conflict (name, key) do update set value = excluded.value
"""


def names(connection: sqlite3.Connection) -> list[str]:
    """The shelves that hold anything, sorted."""
    return [name for (name,) in connection.execute("select distinct name from shelf order by name")]


def find(connection: sqlite3.Connection, name: str, key: str) -> str | None:
    """The JSON under a key."""
    row = connection.execute(
        "select value from shelf where name = ? and key = ?", (name, key)
    ).fetchone()
    return None if row is None else row[0]


def every(connection: sqlite3.Connection, name: str) -> list[tuple[str, str]]:
    """Key and JSON of all, in the order of insertion."""
    return connection.execute(
        "select key, value from shelf where name = ? order by row", (name,)
    ).fetchall()


def keys(connection: sqlite3.Connection, name: str) -> list[str]:
    """The keys of all, in the order of insertion."""
    rows = connection.execute("select key from shelf where name = ? order by row", (name,))
    return [key for (key,) in rows]


def count(connection: sqlite3.Connection, name: str) -> int:
    """How many values there are."""
    number: int = connection.execute(
        "select count(*) from shelf where name = ?", (name,)
    ).fetchone()[0]
    return number


def put(writing: Writing, name: str, values: Iterable[tuple[str, str]]) -> None:
    """Write values. One that replaces another keeps its place in the order."""
    writing.connection.executemany(_PUT, [(name, key, value) for key, value in values])


def discard(writing: Writing, name: str, keys: Iterable[str]) -> int:
    """Delete what is under these keys; how many there were."""
    return writing.connection.execute(
        "delete from shelf where name = ? and key in (select value from json_each(?))",
        (name, json.dumps(list(keys))),
    ).rowcount
