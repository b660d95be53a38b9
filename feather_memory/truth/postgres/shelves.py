"""What adapters keep beside the memories: JSON by shelf and key, in the order of insertion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from feather_memory.model.records import ShelfRecord
from feather_memory.truth.postgres.moment import Moment

_MINE = "from feather.shelf where tenant = %(tenant)s"
_PUT = """
    insert into feather.shelf (tenant, row, name, key, value)
    select %(tenant)s, coalesce(max(row), 0) + 1, %(name)s, %(key)s, %(value)s
    from feather.shelf where tenant = %(tenant)s
    on conflict (tenant, name, key) do update set value = excluded.value
"""
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

    # Writing

    def put(self, name: str, values: Iterable[tuple[str, str]]) -> None:
        """Write values. One that replaces another keeps its place in the order."""
        self.moment.each(
            _PUT, ({"name": name, "key": key, "value": value} for key, value in values)
        )

    def discard(self, name: str, keys: Iterable[str]) -> int:
        """Delete what is under these keys; how many there were. To erase them is owed then."""
        asked = f"delete {_MINE} and name = %(name)s and key = any(%(keys)s)"
        gone = self.moment.done(asked, name=name, keys=list(keys))
        self.moment.state.owed += gone
        return gone
