"""Which ids an import has had, and how often what has none: on disk, for there may be millions."""

from __future__ import annotations

import sqlite3

_TABLES = """
    create table place(id blob primary key, line integer not null) without rowid;
    create table count(id blob primary key, n integer not null) without rowid;
"""
_FIRST = "insert into place values (?, ?) on conflict do nothing"
_LINE = "select line from place where id = ?"
_AGAIN = """
    insert into count values (?, 1) on conflict do update set n = n + 1 returning n
"""
_CACHE = "pragma cache_size = -16384"  # KiB; what is over is in a file that nobody else sees


class Said:
    """What was said so far, by digests. The file goes when this does."""

    def __init__(self) -> None:
        self._kept = sqlite3.connect("", isolation_level=None)
        for line in (_CACHE, "pragma journal_mode = off", "pragma synchronous = off"):
            self._kept.execute(line)
        self._kept.executescript(_TABLES)
        self._kept.execute("begin")

    def close(self) -> None:
        """Give it up."""
        self._kept.close()

    def before(self, digest: bytes, line: int) -> int | None:
        """The line at which this was said before; None where this one is the first."""
        if self._kept.execute(_FIRST, (digest, line)).rowcount:
            return None
        return int(self._kept.execute(_LINE, (digest,)).fetchone()[0])

    def again(self, digest: bytes) -> int:
        """How often this was said, with this time."""
        return int(self._kept.execute(_AGAIN, (digest,)).fetchone()[0])
