"""The checksum that each row keeps of itself: so an audit sees what a damaged disk has changed.

It is over all that cannot be derived: importance and the end of validity follow from signals and
supersessions, words from texts, and what a commit counts is compared with what it counted. Every
write of a row writes it anew. Nothing compares it but an audit.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from feather_memory.model.fields import FIELDS

_DERIVED: Final = {"importance", "valid_to"}

MEMORY: Final = ("row", *(name for name in FIELDS if name not in _DERIVED))
"""The columns of a memory that its checksum is over, in their order."""

SUCCESSOR: Final = ("row", "vector", "context")
"""Likewise of a vector that is to be a memory's."""

_COLUMNS: Final = {
    "memory": MEMORY,
    "edge": ("source", "target", "type", "weight", "created_at"),
    "supersession": ("old_id", "new_id", "holds_from", "recorded_at"),
    "signal": ("event_id", "memory_id", "kind", "at", "strength", "turn"),
    "retraction": ("event_id", "at"),
    "turn": ("name", "at", "vector"),
    "turn_name": ("name", "turn"),
    "shown": ("turn", "memory_id", "rank", "score"),
    "shelf": ("name", "key", "value"),
    "tie": ("memory_id", "shelf", "key", "is_whole"),
    "successor": SUCCESSOR,
    "state": (
        *("store_id", "tenant", "dimension", "language", "tokenizer"),
        *("embedder", "remade", "successor"),
    ),
}
_KEYS: Final = {
    "memory": ("row",),
    "edge": ("source", "target", "type"),
    "supersession": ("rowid",),
    "signal": ("event_id",),
    "retraction": ("event_id",),
    "turn": ("row",),
    "turn_name": ("name",),
    "shown": ("turn", "memory_id"),
    "shelf": ("row",),
    "tie": ("memory_id", "shelf", "key"),
    "successor": ("row",),
    "state": ("only",),
}
_SHOWN_BY: Final = {"memory": "id", "supersession": "old_id", "turn": "name", "shelf": "key"}


class _Floats(dict[float, bytes]):
    """Floats as their checksum has them. Rows that are written together have the same times."""

    def __missing__(self, value: float) -> bytes:
        if len(self) > _FLOATS_HELD:
            self.clear()
        self[value] = written = str(value).removesuffix(".0").encode()
        return written


_FLOATS_HELD: Final = 1_000
_floats = _Floats()


def row_sum(values: Iterable[Any]) -> int:
    """crc32 over the values of a row, be texts decoded or not. 1 and 1.0 are the same."""
    return zlib.crc32(
        b"\0".join(
            [
                b"\1"
                if each is None
                else each.encode()
                if (kind := type(each)) is str
                else each
                if kind is bytes
                else _floats[each]
                if kind is float and each  # of the zeros, one has a sign
                else str(each).removesuffix(".0").encode()
                for each in values
            ]
        )
    )


def summed(rows: Iterable[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """The rows, each with its checksum behind."""
    return [(*row, row_sum(row)) for row in rows]


def seal(
    connection: sqlite3.Connection,
    table: str,
    where: str = "1",
    asked: Sequence[object] | Mapping[str, object] = (),
) -> None:
    """Write the checksums of the rows of a table that a condition holds for."""
    keys = _KEYS[table]
    told = connection.execute(
        f"select {', '.join((*keys, *_COLUMNS[table]))} from {table} where {where}", asked
    ).fetchall()
    connection.executemany(
        f"update {table} set checksum = ? where {' and '.join(f'{key} = ?' for key in keys)}",
        [(row_sum(row[len(keys) :]), *row[: len(keys)]) for row in told],
    )


def seal_state(connection: sqlite3.Connection) -> None:
    """Write the checksum of what the file says of itself, once all others are there."""
    seal(connection, "state", "checksum is not null")


def is_sealed(connection: sqlite3.Connection) -> bool:
    """Whether each row has its checksum: not so in a file of an earlier release."""
    (checksum,) = connection.execute("select checksum from state").fetchone()
    return checksum is not None


def seal_all(connection: sqlite3.Connection) -> None:
    """Write all checksums."""
    for table in _COLUMNS:
        seal(connection, table)


def faults(connection: sqlite3.Connection) -> Iterator[str]:
    """The rows that are not what was written, a sentence each.

    Args:
        connection: Whose texts come as bytes: a damaged one need be none.
    """
    if not is_sealed(connection):
        return
    for table, columns in _COLUMNS.items():
        name = _SHOWN_BY.get(table, _KEYS[table][0])
        rows = connection.execute(f"select checksum, {name}, {', '.join(columns)} from {table}")
        for checksum, shown, *values in rows:
            if row_sum(values) != checksum:
                said = shown.decode(errors="replace") if isinstance(shown, bytes) else shown
                yield f"{table} {said!r}: it is not what was written"
