"""Memories in the file."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from feather_memory.model.memory import Memory, when

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from feather_memory.truth.sqlite.database import Writing
    from feather_memory.types import Seconds

_RECORD = """id, text, metadata, key, session, actor, role, prior, importance, recalls,
    created_at, updated_at, valid_from, stated_to, valid_to, expires_at, vector"""

_INSERT = """
    insert into memory (row, id, text, metadata, key, session, actor, role, prior, importance,
        recalls, created_at, updated_at, valid_from, stated_to, valid_to, expires_at, vector,
        checksum, changed)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_REPLACE = """
    update memory set row = ?, id = ?, text = ?, metadata = ?, key = ?, session = ?, actor = ?,
        role = ?, prior = ?, importance = ?, recalls = ?, created_at = ?, updated_at = ?,
        valid_from = ?, stated_to = ?, valid_to = ?, expires_at = ?, vector = ?, checksum = ?,
        changed = ?
    where id = ?
"""
_BY_ID = f"select row, {_RECORD} from memory where id = ?"
_BY_ROWS = f"select row, {_RECORD} from memory where row in (select value from json_each(?))"
_BY_IDS = f"select row, {_RECORD} from memory where id in (select value from json_each(?))"
_ALL = f"select row, {_RECORD} from memory"
_ROWS_OF = "select id, row from memory where id in (select value from json_each(?))"
_ROWS_OF_KEYS = "select row, key from memory where key in (select value from json_each(?))"
_SET_IMPORTANCE = "update memory set importance = ?, changed = ? where id = ?"
_SET_END = "update memory set valid_to = ?, changed = ? where id = ?"
_COUNT_RECALL = "update memory set recalls = recalls + 1, changed = ? where id = ?"
_HOLDERS = """
    select id, valid_from from memory
    where key = :key and id <> :id
      and (valid_to is null or valid_to > :valid_from)
      and (:valid_to is null or valid_from < :valid_to)
      and (valid_to is null or valid_from < valid_to)
    order by valid_from, row
"""
_BURY = "insert into tombstone (row, generation) values (?, ?)"

# What the arrays of a replica are made of; the vector only where it is new to the reader.
_CHANGES = """
    select row, created_at, updated_at, valid_from, valid_to, expires_at, importance, recalls,
        vector
    from memory where changed > ? and row >= ? order by row
"""
_TOUCHED = """
    select row, created_at, updated_at, valid_from, valid_to, expires_at, importance, recalls
    from memory indexed by memory_changed     -- left to itself it reads the whole table
    where changed > ? and row < ?
"""
_PAGE = 500
_GONE = "select row from tombstone where generation > ?"


@dataclass(slots=True, kw_only=True)
class Record:
    """A row of the memory table: a Memory in the making, with times in seconds."""

    id: str
    text: str
    metadata: str = "{}"
    key: str | None = None
    session: str | None = None
    actor: str | None = None
    role: str | None = None
    prior: float
    importance: float
    recalls: int = 0
    created_at: Seconds
    updated_at: Seconds
    valid_from: Seconds
    stated_to: Seconds | None = None
    valid_to: Seconds | None = None
    expires_at: Seconds | None = None
    vector: bytes | None = None
    row: int = field(default=0, compare=False)

    def words(self) -> str:
        """What the lexical index holds of it: who said it, and the text.

        With the speaker's name recall@10 on LoCoMo's turns rises by 2.9 points.
        """
        return self.text if self.actor is None else f"{self.actor} {self.text}"

    def content(self) -> tuple[object, ...]:
        """What a search reads of it: whatever changes here gives it a new row."""
        return (
            self.text, self.metadata, self.key, self.session, self.actor, self.role, self.vector,
        )  # fmt: skip

    def fields(self) -> dict[str, Any]:
        """As filters read it."""
        return {
            "id": self.id,
            "text": self.text,
            "key": self.key,
            "session": self.session,
            "actor": self.actor,
            "role": self.role,
            "importance": self.importance,
            "recalls": self.recalls,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "valid_from": self.valid_from,
            "valid_to": self.valid_to,
            "expires_at": self.expires_at,
            "metadata": json.loads(self.metadata),
        }


def checksum(text: str, metadata: str, vector: bytes | None) -> int:
    """crc32 over what a damaged disk could silently change."""
    return zlib.crc32(vector or b"", zlib.crc32(metadata.encode(), zlib.crc32(text.encode())))


def _row(record: Record, generation: int) -> tuple[object, ...]:
    return (
        record.row, record.id, record.text, record.metadata, record.key, record.session,
        record.actor, record.role, record.prior, record.importance, record.recalls,
        record.created_at, record.updated_at, record.valid_from, record.stated_to,
        record.valid_to, record.expires_at, record.vector,
        checksum(record.text, record.metadata, record.vector), generation,
    )  # fmt: skip


def _record(row: tuple[Any, ...]) -> Record:
    (number, id_, text, metadata, key, session, actor, role, prior, importance, recalls,
     created_at, updated_at, valid_from, stated_to, valid_to, expires_at, vector) = row  # fmt: skip
    return Record(
        row=number, id=id_, text=text, metadata=metadata, key=key, session=session, actor=actor,
        role=role, prior=prior, importance=importance, recalls=recalls, created_at=created_at,
        updated_at=updated_at, valid_from=valid_from, stated_to=stated_to, valid_to=valid_to,
        expires_at=expires_at, vector=vector,
    )  # fmt: skip


def memory(
    record: Record, replaces: tuple[str, ...] = (), replaced_by: tuple[str, ...] = ()
) -> Memory:
    """The record as callers see it."""
    return Memory(
        id=record.id,
        text=record.text,
        metadata={} if record.metadata == "{}" else json.loads(record.metadata),
        key=record.key,
        session=record.session,
        actor=record.actor,
        role=record.role,
        importance=record.importance,
        recalls=record.recalls,
        created_at=when(record.created_at),
        updated_at=when(record.updated_at),
        valid_from=when(record.valid_from),
        valid_to=None if record.valid_to is None else when(record.valid_to),
        expires_at=None if record.expires_at is None else when(record.expires_at),
        supersedes=replaces,
        superseded_by=replaced_by,
        vector=None if record.vector is None else np.frombuffer(record.vector, np.dtype("<f4")),
    )


def insert(writing: Writing, records: Iterable[Record]) -> None:
    """Add records whose ids are new, giving each its row."""

    def rows() -> Iterator[tuple[object, ...]]:
        for record in records:
            record.row = writing.take_row()
            yield _row(record, writing.generation)

    writing.connection.executemany(_INSERT, rows())


def replace(writing: Writing, old: Record, new: Record) -> None:
    """Put `new` in the place of `old`, which has the same id."""
    if new.content() == old.content():
        new.row = old.row
    else:
        new.row = writing.take_row()
        writing.connection.execute(_BURY, (old.row, writing.generation))
    writing.connection.execute(_REPLACE, (*_row(new, writing.generation), new.id))


def find(connection: sqlite3.Connection, memory_id: str) -> Record | None:
    """The record with that id."""
    row = connection.execute(_BY_ID, (memory_id,)).fetchone()
    return None if row is None else _record(row)


def by_ids(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, Record]:
    """The records with those ids that exist."""
    rows = connection.execute(_BY_IDS, (json.dumps(list(ids)),))
    return {record.id: record for record in map(_record, rows)}


def by_rows(connection: sqlite3.Connection, rows: Sequence[int]) -> list[Record]:
    """The records in those rows, in the order asked for."""
    found = {row[0]: row for row in connection.execute(_BY_ROWS, (json.dumps(rows),))}
    return [_record(found[row]) for row in rows]


def rows_of(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, int]:
    """The rows of those ids that exist."""
    return dict(connection.execute(_ROWS_OF, (json.dumps(list(ids)),)).fetchall())


def rows_of_keys(connection: sqlite3.Connection, keys: Iterable[str]) -> dict[int, str]:
    """The slots of those memories, past ones too, that have one of these; by row."""
    return dict(connection.execute(_ROWS_OF_KEYS, (json.dumps(list(keys)),)).fetchall())


def stream(
    connection: sqlite3.Connection, condition: str = "1", values: Sequence[object] = ()
) -> Iterator[Record]:
    """Every record that meets an SQL condition, oldest row first."""
    return map(_record, connection.execute(f"{_ALL} where {condition} order by row", values))


def page(
    connection: sqlite3.Connection, *, after: int, condition: str, values: Sequence[object]
) -> list[Record]:
    """Up to some hundreds of records that meet an SQL condition, from the row after `after`."""
    rows = connection.execute(
        f"{_ALL} where row > ? and {condition} order by row limit {_PAGE}", (after, *values)
    )
    return [_record(row) for row in rows]


def latest(
    connection: sqlite3.Connection, count: int, condition: str, values: Sequence[object]
) -> list[Record]:
    """The `count` records written last that meet an SQL condition, latest first."""
    rows = connection.execute(
        f"{_ALL} where {condition} order by row desc limit ?", (*values, count)
    )
    return [_record(row) for row in rows]


def count(connection: sqlite3.Connection) -> int:
    """How many there are, current or not."""
    counted: int = connection.execute("select count(*) from memory").fetchone()[0]
    return counted


def holders(connection: sqlite3.Connection, record: Record) -> list[tuple[str, Seconds]]:
    """(id, valid_from) of the memories that hold the record's key while it is valid."""
    rows = connection.execute(
        _HOLDERS,
        {
            "key": record.key,
            "id": record.id,
            "valid_from": record.valid_from,
            "valid_to": record.valid_to,
        },
    )
    return rows.fetchall()


def set_importance(writing: Writing, memory_id: str, importance: float) -> None:
    """Write the folded importance."""
    writing.connection.execute(_SET_IMPORTANCE, (importance, writing.generation, memory_id))


def set_end(writing: Writing, memory_id: str, valid_to: Seconds | None) -> None:
    """Write until when the memory was true."""
    writing.connection.execute(_SET_END, (valid_to, writing.generation, memory_id))


def count_recall(writing: Writing, ids: Iterable[str]) -> None:
    """Count one more turn in which each memory was shown."""
    writing.connection.executemany(_COUNT_RECALL, ((writing.generation, id_) for id_ in ids))


def delete(writing: Writing, records: Iterable[Record]) -> None:
    """Remove records, and by foreign key all that hangs on them."""
    for record in records:
        writing.connection.execute(_BURY, (record.row, writing.generation))
        writing.connection.execute("delete from memory where row = ?", (record.row,))


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to the table since a generation."""

    appended: list[tuple[Any, ...]]
    """(row, *the columns of a View in their order, vector)."""
    touched: list[tuple[Any, ...]]
    """Known rows with new numbers: as `appended`, without the vector."""
    gone: list[int]


def changes(connection: sqlite3.Connection, *, since: int, next_row: int) -> Changes:
    """What a reader who has all rows below `next_row` as of generation `since` must learn."""
    return Changes(
        appended=connection.execute(_CHANGES, (since, next_row)).fetchall(),
        touched=connection.execute(_TOUCHED, (since, next_row)).fetchall() if since else [],
        gone=[row for (row,) in connection.execute(_GONE, (since,))] if since else [],
    )


def known_rows(connection: sqlite3.Connection, *, as_of: Seconds, known_at: Seconds) -> list[int]:
    """Rows of the memories that we knew at `known_at` to hold at `as_of`."""
    rows = connection.execute(
        """
        select row from memory
        where created_at <= :known_at and valid_from <= :as_of
          and (stated_to is null or stated_to > :as_of)
          and (expires_at is null or expires_at > :as_of)
          and not exists (
              select 1 from supersession
              where old_id = memory.id and recorded_at <= :known_at and holds_from <= :as_of)
        order by row
        """,
        {"as_of": as_of, "known_at": known_at},
    )
    return [row for (row,) in rows]


def metadata_of(connection: sqlite3.Connection, *, from_row: int) -> list[tuple[int, str]]:
    """(row, metadata as JSON) of every memory from a row on."""
    return connection.execute(
        "select row, metadata from memory where row >= ? order by row", (from_row,)
    ).fetchall()


def column_of(
    connection: sqlite3.Connection, name: str, *, from_row: int
) -> list[tuple[int, object]]:
    """(row, value) of one text column of every memory from a row on."""
    if name not in {"id", "text", "key", "session", "actor", "role"}:
        raise KeyError(name)
    return connection.execute(
        f"select row, {name} from memory where row >= ? order by row", (from_row,)
    ).fetchall()


def dump(value: object) -> str:
    """Metadata, or any other value, as the JSON that is stored."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
