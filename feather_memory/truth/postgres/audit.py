"""Questions to all that a tenant has on the server: is it sound, and how much is it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from feather_memory.model.fields import Record
from feather_memory.truth.postgres import directions, words
from feather_memory.truth.postgres.memories import NAMES, record_of
from feather_memory.truth.postgres.moment import Moment
from feather_memory.truth.postgres.rows import checksum
from feather_memory.types import Seconds

_RECORDS = f"""
    select checksum, {", ".join(NAMES)} from feather.memory where tenant = %(tenant)s order by row
"""
_EDGES_ALONE = """
    select source, target from feather.edge where tenant = %(tenant)s and type = 'supersedes'
    except
    select new_id, old_id from feather.supersession where tenant = %(tenant)s
"""
_SUPERSESSIONS_ALONE = """
    select new_id, old_id from feather.supersession
    where tenant = %(tenant)s and new_id is not null
    except
    select source, target from feather.edge where tenant = %(tenant)s and type = 'supersedes'
"""
_WORDS_ALONE = """
    select row from feather.words where tenant = %(tenant)s
        and row not in (select row from feather.memory where tenant = %(tenant)s)
"""
_DATE_BACK = (
    """
    update feather.memory set
        valid_from = case valid_from when created_at then %(now)s else valid_from end,
        created_at = %(now)s, changed = %(generation)s
    where tenant = %(tenant)s and created_at > %(now)s
    """,
    """
    update feather.memory set updated_at = %(now)s, changed = %(generation)s
    where tenant = %(tenant)s and updated_at > %(now)s
    """,
    """
    update feather.memory set affirmed_at = %(now)s, changed = %(generation)s
    where tenant = %(tenant)s and affirmed_at > %(now)s
    """,
    """
    update feather.supersession set recorded_at = least(recorded_at, %(now)s),
        holds_from = coalesce((
            select valid_from from feather.memory
            where tenant = %(tenant)s and id = new_id), holds_from)
    where tenant = %(tenant)s and (recorded_at > %(now)s or new_id in (
        select id from feather.memory where tenant = %(tenant)s and changed = %(generation)s))
    """,
    *(
        f"update feather.{table} set {column} = %(now)s "
        f"where tenant = %(tenant)s and {column} > %(now)s"
        for table, column in (
            ("edge", "created_at"),
            ("signal", "at"),
            ("retraction", "at"),
            ("turn", "at"),
        )
    ),
    # all arrays begin anew
    "update feather.state set remade = remade + 1, snapshot = null where tenant = %(tenant)s",
)
_COUNTED = {
    "memories": "count(*) from feather.memory",
    "current": """count(*) filter (where valid_from <= %(now)s
        and (valid_to is null or valid_to > %(now)s)
        and (expires_at is null or expires_at > %(now)s)) from feather.memory""",
    "superseded": "count(distinct old_id) from feather.supersession",
    "edges": "count(*) from feather.edge",
    "signals": "count(*) from feather.signal",
    "recalls": "count(*) from feather.turn",
    "sessions": "count(distinct session) from feather.memory",
}
_COUNTS = "select " + ", ".join(
    f"(select {each} where tenant = %(tenant)s) as {name}" for name, each in _COUNTED.items()
)


@dataclass(frozen=True, slots=True)
class PostgresAudit:
    """A tenant's rows as a whole."""

    moment: Moment

    def structure(self) -> list[str]:
        """Nothing: its pages and references are the server's own to look after."""
        return []

    def rows(self) -> list[str]:
        """Memories that are not what was written; other rows are the server's own to look after."""
        return [
            f"memory {record.id!r}: it is not what was written"
            for written, *row in self.moment.stream(_RECORDS)
            if checksum((record := record_of(tuple(row))).text, record.metadata, record.vector)
            != written
        ]

    def records(self) -> Iterator[Record]:
        """Every memory."""
        for _, *row in self.moment.stream(_RECORDS):
            yield record_of(tuple(row))

    def relations(self) -> list[str]:
        """What contradicts each other: edges and supersessions, memories and their words."""
        asked = self.moment.asked
        found = [
            f"edge {new!r} supersedes {old!r}: nothing was recorded of it"
            for new, old in asked(_EDGES_ALONE)
        ]
        found += [
            f"supersession of {old!r} by {new!r}: it has no edge"
            for new, old in asked(_SUPERSESSIONS_ALONE)
        ]
        unlike = words.faults(self.moment)
        found += [f"row {row}: its words are not those of its text" for row in unlike]
        found += [f"words: row {row} has no memory" for (row,) in asked(_WORDS_ALONE)]
        if self.moment.compares:
            unlike = directions.faults(self.moment)
            found += [f"row {row}: what the server compares is not its vector" for row in unlike]
        return found

    def counts(self, now: Seconds) -> dict[str, int]:
        """How much of everything there is."""
        told = self.moment.one(_COUNTS, now=float(now))
        return dict(zip(_COUNTED, told, strict=True))

    def date_back(self, now: Seconds) -> None:
        """Have been recorded now what was recorded later, with what it is valid from by itself."""
        for statement in _DATE_BACK:
            self.moment.done(statement, now=float(now), generation=self.moment.generation)
        self.moment.state.remade += 1

    def rebuild_words(self) -> None:
        """Derive anew what memories are found by."""
        words.rebuild(self.moment)
        if self.moment.compares:
            directions.rebuild(self.moment)
