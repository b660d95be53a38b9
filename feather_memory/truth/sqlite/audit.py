"""Questions to the whole file: is it sound, how large is it, what does it hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feather_memory.truth.sqlite import memories

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from feather_memory.truth.sqlite.memories import Record
    from feather_memory.types import Seconds


def structure(connection: sqlite3.Connection) -> list[str]:
    """What SQLite finds wrong with its own pages and with references between rows."""
    found = [
        f"file: {line}"
        for (line,) in connection.execute("pragma integrity_check(20)")
        if line != "ok"
    ]
    for table, _, parent, _ in connection.execute("pragma foreign_key_check"):
        found.append(f"file: a row of {table} refers to a missing row of {parent}")
    return found


def undecodable(connection: sqlite3.Connection) -> list[str]:
    """Memories whose text is no longer text."""
    found = []
    connection.text_factory = bytes
    try:
        rows = connection.execute(
            "select id, text, metadata, key, session, actor, role from memory"
        ).fetchall()
    finally:
        connection.text_factory = str
    for row in rows:
        try:
            for value in row:
                (value or b"").decode()
        except UnicodeDecodeError:
            found.append(f"memory {row[0].decode(errors='replace')!r}: it is not valid UTF-8")
    return found


def checked(connection: sqlite3.Connection) -> Iterator[tuple[Record, int]]:
    """Every record with the checksum stored beside it."""
    sums = dict(connection.execute("select row, checksum from memory").fetchall())
    for record in memories.stream(connection):
        yield record, sums[record.row]


def edge_faults(connection: sqlite3.Connection) -> list[str]:
    """Edges that disagree with the supersessions behind them."""
    rows = connection.execute(
        """
        select source, target from edge where type = 'supersedes'
        except select new_id, old_id from supersession
        """
    ).fetchall()
    found = [f"edge {new!r} supersedes {old!r}: nothing was recorded of it" for new, old in rows]
    rows = connection.execute(
        """
        select new_id, old_id from supersession where new_id is not null
        except select source, target from edge where type = 'supersedes'
        """
    ).fetchall()
    found += [f"supersession of {old!r} by {new!r}: it has no edge" for new, old in rows]
    return found


def lexical_faults(connection: sqlite3.Connection) -> list[str]:
    """Rows in the lexical index that no memory has."""
    rows = connection.execute(
        "select id from lexical_docsize where id not in (select row from memory)"
    )
    return [f"lexical index: row {row} has no memory" for (row,) in rows]


def counts(connection: sqlite3.Connection, now: Seconds) -> dict[str, int]:
    """How much of everything there is."""
    names = ("memories", "current", "superseded", "edges", "signals", "recalls", "sessions")
    row = connection.execute(
        """
        select
            (select count(*) from memory),
            (select count(*) from memory where valid_from <= :now
                and (valid_to is null or valid_to > :now)
                and (expires_at is null or expires_at > :now)),
            (select count(distinct old_id) from supersession),
            (select count(*) from edge),
            (select count(*) from signal),
            (select count(*) from turn),
            (select count(distinct session) from memory)
        """,
        {"now": now},
    ).fetchone()
    return dict(zip(names, row, strict=True))
