"""Which ids an import has had, and how often what has none: on disk, for there may be millions."""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Mapping, Sequence
from typing import Final

_TABLE = "create table said(id blob primary key, number integer not null) without rowid"
_KEEP = """
    insert into said values (?, ?) on conflict do update set number = excluded.number
"""
_ASKED: Final = 500
"""How many are looked for at once; with that many values a statement is prepared once."""
_FIND = f"select id, number from said where id in ({', '.join('?' * _ASKED)})"
_CACHE = "pragma cache_size = -65536"  # KiB; what is over is in a file that nobody else sees


class Said:
    """A number of each thing that was said, by digests of it. The file goes when this does."""

    def __init__(self) -> None:
        self._kept = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self.close = weakref.finalize(self, self._kept.close)
        """Give it up, in any thread; so it is of an import that ends early, too."""
        for line in (_CACHE, "pragma journal_mode = off", "pragma synchronous = off", _TABLE):
            self._kept.execute(line)
        self._kept.execute("begin")

    def known(self, digests: Sequence[bytes]) -> dict[bytes, int]:
        """The numbers of those that have one."""
        found: dict[bytes, int] = {}
        for start in range(0, len(digests), _ASKED):
            asked = digests[start : start + _ASKED]
            found.update(self._kept.execute(_FIND, (*asked, *[None] * (_ASKED - len(asked)))))
        return found

    def keep(self, numbers: Mapping[bytes, int]) -> None:
        """Keep the number of each, in the place of the one that it had."""
        self._kept.executemany(_KEEP, sorted(numbers.items()))
