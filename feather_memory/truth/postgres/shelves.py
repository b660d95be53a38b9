"""What adapters keep beside the memories: JSON by shelf and key, in the order of insertion."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from feather_memory.model.records import ShelfRecord, TieRecord
from feather_memory.truth.postgres.moment import Moment

_MINE = "from feather.shelf where tenant = %(tenant)s"
_PUT = """
    insert into feather.shelf (tenant, row, name, key, value)
    select %(tenant)s, coalesce(max(row), 0) + 1, %(name)s, %(key)s, %(value)s
    from feather.shelf where tenant = %(tenant)s
    on conflict (tenant, name, key) do update set value = excluded.value
"""
_TIE = """
    insert into feather.tie (tenant, memory_id, shelf, key, is_whole)
    values (%(tenant)s, %(memory_id)s, %(shelf)s, %(key)s, %(is_whole)s)
    on conflict (tenant, memory_id, shelf, key) do update set is_whole = excluded.is_whole
"""
_TIES = "select memory_id, shelf, key, is_whole from feather.tie where tenant = %(tenant)s"
_UNTIE = """
    delete from feather.tie
    where tenant = %(tenant)s and shelf = %(name)s and key = any(%(keys)s)
"""
UNTIE_MEMORIES = """
    delete from feather.tie where tenant = %(tenant)s
        and (memory_id = any(%(ids)s) or (key = any(%(ids)s) and shelf = ''))
"""
"""Ends all ties of the memories with these ids."""
_MOST = 1 << 62


@dataclass(frozen=True, slots=True)
class PostgresShelves:
    """The table of shelves."""

    moment: Moment

    def names(self) -> list[str]:
        """The shelves that hold anything, sorted."""
        return [
            name for (name,) in self.moment.asked(f"select distinct name {_MINE} order by name")
        ]

    def find(self, name: str, key: str) -> str | None:
        """The JSON under a key."""
        asked = f"select value {_MINE} and name = %(name)s and key = %(key)s"
        row = self.moment.one(asked, name=name, key=key)
        return None if row is None else row[0]

    def every(self, name: str) -> list[tuple[str, str]]:
        """Key and JSON of all."""
        return self.moment.asked(
            f"select key, value {_MINE} and name = %(name)s order by row", name=name
        )

    def last(self, name: str, count: int) -> list[tuple[str, str]]:
        """Key and JSON of the `count` that were inserted last, the last first."""
        return self.moment.asked(
            f"select key, value {_MINE} and name = %(name)s order by row desc limit %(count)s",
            name=name,
            count=min(count, _MOST),
        )

    def keys(self, name: str) -> list[str]:
        """The keys of all."""
        rows = self.moment.asked(f"select key {_MINE} and name = %(name)s order by row", name=name)
        return [key for (key,) in rows]

    def count(self, name: str) -> int:
        """How many values there are."""
        number: int = self.moment.one(f"select count(*) {_MINE} and name = %(name)s", name=name)[0]
        return number

    def stream(self) -> Iterator[ShelfRecord]:
        """What all shelves hold, in the order of insertion, as it is needed."""
        for name, key, value in self.moment.stream(f"select name, key, value {_MINE} order by row"):
            yield ShelfRecord(shelf=name, key=key, value=value)

    def tied(self, memory_ids: Collection[str]) -> list[TieRecord]:
        """What is tied to these memories, by their ids, then by shelves and keys."""
        asked = f"{_TIES} and memory_id = any(%(ids)s) order by memory_id, shelf, key"
        return [_tie(*row) for row in self.moment.asked(asked, ids=list(memory_ids))]

    def ties(self) -> Iterator[TieRecord]:
        """All ties, in the same order, as they are needed."""
        for row in self.moment.stream(f"{_TIES} order by memory_id, shelf, key"):
            yield _tie(*row)

    # Writing

    def put(self, name: str, values: Iterable[tuple[str, str]]) -> None:
        """Write values. One that replaces another keeps its place in the order."""
        self.moment.each(
            _PUT, ({"name": name, "key": key, "value": value} for key, value in values)
        )

    def discard(self, name: str, keys: Iterable[str]) -> int:
        """Delete what is under these keys; how many there were. To erase them is owed then."""
        asked, named = f"delete {_MINE} and name = %(name)s and key = any(%(keys)s)", list(keys)
        self.moment.done(_UNTIE, name=name, keys=named)
        gone = self.moment.done(asked, name=name, keys=named)
        self.moment.state.owed += gone
        return gone

    def tie(self, ties: Iterable[TieRecord]) -> None:
        """Note what is tied to memories, be they there or not, and how, if it was otherwise."""
        self.moment.each(
            _TIE,
            (
                {
                    "memory_id": each.memory_id, "shelf": each.shelf or "", "key": each.key,
                    "is_whole": each.is_whole,
                }
                for each in ties
            ),
        )  # fmt: skip


def _tie(memory_id: str, shelf: str, key: str, is_whole: bool) -> TieRecord:  # noqa: FBT001  a row
    return TieRecord(memory_id=memory_id, shelf=shelf or None, key=key, is_whole=is_whole)
