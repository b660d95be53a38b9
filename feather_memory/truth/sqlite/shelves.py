"""What adapters keep beside the memories: JSON by shelf and key, in the order of insertion."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from feather_memory.model.records import ShelfRecord, TieRecord
from feather_memory.truth.sqlite import sums
from feather_memory.truth.sqlite.moment import Moment
from feather_memory.truth.state import DamagedRowError

_PUT = """
    insert into shelf (name, key, value, checksum) values (?, ?, ?, ?)
    on conflict (name, key) do update set value = excluded.value, checksum = excluded.checksum
"""
_TIE = """
    insert into tie (memory_id, shelf, key, is_whole, checksum) values (?, ?, ?, ?, ?)
    on conflict (memory_id, shelf, key)
    do update set is_whole = excluded.is_whole, checksum = excluded.checksum
"""
_TIES = "select memory_id, shelf, key, is_whole from tie"
_UNTIE = "delete from tie where shelf = ? and key in (select value from json_each(?))"
UNTIE_MEMORY = "delete from tie where memory_id = :id or (key = :id and shelf = '')"
"""Ends all ties of the memory with an id."""

_OF_KEYS = "name = ? and key in (select value from json_each(?))"
_KEYS = """
    select key, row is (
        select row from shelf as found where found.name = shelf.name and found.key = shelf.key
    ) from shelf where name = ? order by row
"""
_LAST = """
    select key, value from shelf
    where row in (                          -- the index has the rows; else all values are sorted
        select row from shelf where name = ? order by row desc limit ?
    ) order by row desc
"""


@dataclass(frozen=True, slots=True)
class SqliteShelves:
    """The table of shelves."""

    moment: Moment

    def names(self) -> list[str]:
        """The shelves that hold anything, sorted."""
        rows = self.moment.connection.execute("select distinct name from shelf order by name")
        return [name for (name,) in rows]

    def find(self, name: str, key: str) -> str | None:
        """The JSON under a key."""
        row = self.moment.connection.execute(
            "select value from shelf where name = ? and key = ?", (name, key)
        ).fetchone()
        return None if row is None else row[0]

    def every(self, name: str) -> list[tuple[str, str]]:
        """Key and JSON of all."""
        return self.moment.connection.execute(
            "select key, value from shelf where name = ? order by row", (name,)
        ).fetchall()

    def last(self, name: str, count: int) -> list[tuple[str, str]]:
        """Key and JSON of the `count` that were inserted last, the last first."""
        return self.moment.connection.execute(
            _LAST,
            (name, min(count, 1 << 62)),  # SQLite counts to 2^63
        ).fetchall()

    def keys(self, name: str) -> list[str]:
        """The keys of all.

        Raises:
            DamagedRowError: A value cannot be found by its key: who goes on to ask for what is
                under each, as `dict` does, would be told that there is none.
        """
        rows = self.moment.connection.execute(_KEYS, (name,)).fetchall()
        if not all(is_found for _, is_found in rows):
            raise DamagedRowError(f"the index of the shelf {name!r} does not lead to its values")
        return [key for key, _ in rows]

    def count(self, name: str) -> int:
        """How many values there are."""
        number: int = self.moment.connection.execute(
            "select count(*) from shelf where name = ?", (name,)
        ).fetchone()[0]
        return number

    def stream(self) -> Iterator[ShelfRecord]:
        """What all shelves hold, in the order of insertion, as it is needed."""
        rows = self.moment.connection.execute("select name, key, value from shelf order by row")
        for name, key, value in rows:
            yield ShelfRecord(shelf=name, key=key, value=value)

    def tied(self, memory_ids: Collection[str]) -> list[TieRecord]:
        """What is tied to these memories, by their ids, then by shelves and keys."""
        asked = f"{_TIES} where memory_id in (select value from json_each(?)) order by 1, 2, 3"
        ids = json.dumps(list(memory_ids))
        return [_tie(*row) for row in self.moment.connection.execute(asked, (ids,))]

    def ties(self) -> Iterator[TieRecord]:
        """All ties, in the same order, as they are needed."""
        for row in self.moment.connection.execute(f"{_TIES} order by 1, 2, 3"):
            yield _tie(*row)

    # Writing

    def put(self, name: str, values: Iterable[tuple[str, str]]) -> None:
        """Write values. One that replaces another keeps its place in the order."""
        rows = [(name, key, value, sums.row_sum((name, key, value))) for key, value in values]
        self.moment.connection.executemany(_PUT, rows)

    def discard(self, name: str, keys: Iterable[str]) -> int:
        """Delete what is under these keys; how many there were. To erase them is owed then."""
        named = (name, json.dumps(list(keys)))
        self.moment.connection.execute(_UNTIE, named)
        gone = self.moment.connection.execute(f"delete from shelf where {_OF_KEYS}", named).rowcount
        self.moment.state.owed += gone
        return gone

    def tie(self, ties: Iterable[TieRecord]) -> None:
        """Note what is tied to memories, be they there or not, and how, if it was otherwise."""
        rows = [(each.memory_id, each.shelf or "", each.key, int(each.is_whole)) for each in ties]
        self.moment.connection.executemany(_TIE, [(*row, sums.row_sum(row)) for row in rows])


def _tie(memory_id: str, shelf: str, key: str, is_whole: int) -> TieRecord:
    return TieRecord(memory_id=memory_id, shelf=shelf or None, key=key, is_whole=bool(is_whole))
