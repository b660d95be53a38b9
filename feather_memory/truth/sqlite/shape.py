"""Whether a file has the tables of this release, and nothing in it that acts by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from feather_memory.errors import CorruptStoreError
from feather_memory.truth.sqlite.tables import TABLES

_TRIGGER: Final = "select name, tbl_name from sqlite_schema where type = 'trigger' limit 1"
_NAMES: Final = """
    select type, name from sqlite_schema where name not like 'sqlite\\_%' escape '\\'
"""
_COLUMNS: Final = {
    "table": 'select name, type, "notnull", pk, hidden from pragma_table_xinfo(?)',
    "index": "select name from pragma_index_info(?) order by seqno",
}
_NOTHING: Final = "select 1 where ? is null"


def refuse_triggers(connection: sqlite3.Connection, path: Path) -> None:
    """See that no statement of somebody else's runs when the file is written. We have none.

    Raises:
        CorruptStoreError: One would.
    """
    found = connection.execute(_TRIGGER).fetchone()
    if found is not None:
        raise CorruptStoreError(
            str(path), f"it has the trigger {found[0]!r} on {found[1]!r}, which is none of ours"
        )


def faults(connection: sqlite3.Connection) -> Iterator[str]:
    """What differs from the tables and indexes of this release, a sentence each."""
    with closing(sqlite3.connect(":memory:")) as pattern:
        pattern.executescript(TABLES)
        right, found = _shape(pattern), _shape(connection)
    for name in sorted(right.keys() - found.keys()):
        yield f"file: {name} is missing"
    for name in sorted(found.keys() - right.keys()):
        yield f"file: {name} is none of ours"
    for name in sorted(right.keys() & found.keys()):
        if right[name] != found[name]:
            yield f"file: {name} is not as it was made"


def _shape(connection: sqlite3.Connection) -> dict[str, object]:
    """What each thing in the file looks like, by its type and name."""
    found: dict[str, object] = {}
    for kind, name in connection.execute(_NAMES).fetchall():
        rows = connection.execute(_COLUMNS.get(kind, _NOTHING), (name,)).fetchall()
        found[f"{kind} {name!r}"] = sorted(rows) if kind == "table" else rows
    return found
