"""Questions to the whole file: is it sound, and what does it hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from feather_memory.model.fields import Record
from feather_memory.truth.sqlite import shape, successors, sums, words
from feather_memory.truth.sqlite.memories import listed, record_in
from feather_memory.truth.sqlite.moment import Moment
from feather_memory.types import Seconds

_RECORDS = f"select {listed()} from memory order by row"
_COUNTED = """
    select generation < (select coalesce(max(changed), 0) from memory),
        next_row <= (select coalesce(max(row), 0) from memory)
    from state
"""
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
        return [*found, *shape.faults(connection)] or self._undecodable()

    def _undecodable(self) -> list[str]:
        """Memories whose text is no longer text."""
        found = []
        with self._as_bytes() as connection:
            rows = connection.execute(_TEXTS).fetchall()
        for row in rows:
            try:
                for value in row:
                    (value or b"").decode()
            except UnicodeDecodeError:
                found.append(f"memory {row[0].decode(errors='replace')!r}: it is not valid UTF-8")
        return found

    def rows(self) -> list[str]:
        """The rows that are not what was written, and what they count beyond what was counted."""
        with self._as_bytes() as connection:
            found = list(sums.faults(connection))
        counted = self.moment.connection.execute(_COUNTED).fetchone()
        return found + [
            f"state: its {name} is behind what is there"
            for name, is_behind in zip(("generation", "next_row"), counted, strict=True)
            if is_behind
        ]

    @contextmanager
    def _as_bytes(self) -> Iterator[sqlite3.Connection]:
        """The connection, by which texts come as they are in the file."""
        connection = self.moment.connection
        connection.text_factory = bytes
        try:
            yield connection
        finally:
            connection.text_factory = str

    def records(self) -> Iterator[Record]:
        """Every memory."""
        return map(record_in, self.moment.connection.execute(_RECORDS))

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
        sums.seal_all(self.moment.connection)

    def rebuild_words(self) -> None:
        """Derive anew what memories are found by; what is damaged of new vectors is made anew."""
        words.rebuild(self.moment.connection)
        successors.drop_damaged(self.moment.connection)
