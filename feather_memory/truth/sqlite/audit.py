"""Questions to the whole file: is it sound, and what does it hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from feather_memory.model.fields import Record
from feather_memory.truth.sqlite import words
from feather_memory.truth.sqlite.memories import checksum, listed, record_in
from feather_memory.truth.sqlite.moment import Moment
from feather_memory.types import Seconds

_RECORDS = f"select checksum, {listed()} from memory order by row"
_TEXTS = "select id, text, metadata, key, session, actor, role from memory"
_EDGES_ALONE = """
    select source, target from edge where type = 'supersedes'
    except select new_id, old_id from supersession
"""
_SUPERSESSIONS_ALONE = """
    select new_id, old_id from supersession where new_id is not null
    except select source, target from edge where type = 'supersedes'
"""
_WORDS_ALONE = "select row from words where row not in (select row from memory)"
_DATE_BACK = (
    """
    update memory set valid_from = case valid_from when created_at then :now else valid_from end,
        created_at = :now, changed = :generation
    where created_at > :now
    """,
    "update memory set updated_at = :now, changed = :generation where updated_at > :now",
    "update memory set affirmed_at = :now, changed = :generation where affirmed_at > :now",
    """
    update supersession set recorded_at = min(recorded_at, :now),
        holds_from = coalesce((select valid_from from memory where id = new_id), holds_from)
    where recorded_at > :now or new_id in (select id from memory where changed = :generation)
    """,
    "update edge set created_at = :now where created_at > :now",
    "update signal set at = :now where at > :now",
    "update retraction set at = :now where at > :now",
    "update turn set at = :now where at > :now",
    "update state set remade = remade + 1, snapshot = null",  # all arrays begin anew
)
_COUNTS = """
    select
        (select count(*) from memory) as memories,
        (select count(*) from memory where valid_from <= :now
            and (valid_to is null or valid_to > :now)
            and (expires_at is null or expires_at > :now)) as current,
        (select count(distinct old_id) from supersession) as superseded,
        (select count(*) from edge) as edges,
        (select count(*) from signal) as signals,
        (select count(*) from turn) as recalls,
        (select count(distinct session) from memory) as sessions
"""


@dataclass(frozen=True, slots=True)
class SqliteAudit:
    """The file as a whole."""

    moment: Moment

    def structure(self) -> list[str]:
        """What is wrong with its pages, with references between rows, and with its texts."""
        connection = self.moment.connection
        rows = connection.execute("pragma integrity_check(20)")
        found = [f"file: {line}" for (line,) in rows if line != "ok"]
        for table, _, parent, _ in connection.execute("pragma foreign_key_check"):
            found.append(f"file: a row of {table} refers to a missing row of {parent}")
        return found or self._undecodable()

    def _undecodable(self) -> list[str]:
        """Memories whose text is no longer text."""
        connection, found = self.moment.connection, []
        connection.text_factory = bytes
        try:
            rows = connection.execute(_TEXTS).fetchall()
        finally:
            connection.text_factory = str
        for row in rows:
            try:
                for value in row:
                    (value or b"").decode()
            except UnicodeDecodeError:
                found.append(f"memory {row[0].decode(errors='replace')!r}: it is not valid UTF-8")
        return found

    def records(self) -> Iterator[tuple[Record, bool]]:
        """Every memory, and whether it is what was written."""
        for written, *row in self.moment.connection.execute(_RECORDS):
            record = record_in(tuple(row))
            yield record, checksum(record.text, record.metadata, record.vector) == written

    def relations(self) -> list[str]:
        """What contradicts each other: edges and supersessions, memories and their words."""
        connection = self.moment.connection
        rows = connection.execute(_EDGES_ALONE)
        found = [
            f"edge {new!r} supersedes {old!r}: nothing was recorded of it" for new, old in rows
        ]
        rows = connection.execute(_SUPERSESSIONS_ALONE)
        found += [f"supersession of {old!r} by {new!r}: it has no edge" for new, old in rows]
        unlike = words.faults(connection)
        found += [f"row {row}: its words are not those of its text" for row in unlike]
        rows = connection.execute(_WORDS_ALONE)
        found += [f"words: row {row} has no memory" for (row,) in rows]
        return found

    def counts(self, now: Seconds) -> dict[str, int]:
        """How much of everything there is."""
        cursor = self.moment.connection.execute(_COUNTS, {"now": now})
        names = [name for name, *_ in cursor.description]
        return dict(zip(names, cursor.fetchone(), strict=True))

    def date_back(self, now: Seconds) -> None:
        """Have been recorded now what was recorded later, with what it is valid from by itself."""
        asked = {"now": now, "generation": self.moment.generation}
        for statement in _DATE_BACK:
            self.moment.connection.execute(statement, asked)

    def rebuild_words(self) -> None:
        """Derive anew what memories are found by."""
        words.rebuild(self.moment.connection)
