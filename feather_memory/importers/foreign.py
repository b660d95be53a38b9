"""SQLite files of other programs: read, and never written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from feather_memory.errors import ParameterError
from feather_memory.importers.source import Source

_MAGIC = b"SQLite format 3\0"


def has_table(source: Source, table: str, *columns: str) -> bool:
    """Whether this is a SQLite file with a table of such columns."""
    if source.is_folder or not source.raw_head.startswith(_MAGIC):
        return False
    try:
        with opened(source.path) as connection:
            known = {row["name"] for row in connection.execute(f"pragma table_info({table})")}
    except ParameterError:
        return False
    return set(columns) <= known


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, whose program may have it open meanwhile.

    Raises:
        ParameterError: It is damaged.
    """
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection:
            connection.row_factory = sqlite3.Row
            yield connection
    except (sqlite3.Error, UnicodeError) as error:  # the latter of a message about what is damaged
        raise ParameterError(f"{str(path)!r} cannot be read: {error}") from None


def rows(source: Source, query: str) -> Iterator[dict[str, Any]]:
    """What a query finds, a row at a time."""
    with opened(source.path) as connection:
        for row in connection.execute(query):
            yield dict(row)
