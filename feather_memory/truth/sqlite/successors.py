"""Vectors by another model that is to make all anew, beside the old ones until all are there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable

from feather_memory.errors import DimensionError, ParameterError
from feather_memory.model.spoken import Anew
from feather_memory.truth.sqlite import sums
from feather_memory.truth.state import DamagedRowError

_KEEP = """
    insert or replace into successor (row, vector, context, checksum)
    select :row, :vector, :context, :checksum
    where exists (select 1 from memory where row = :row)
        and (:before is null or exists (select 1 from memory where row = :before))
"""
_DROP = "delete from successor where context in (select value from json_each(?))"
REMOVE = "delete from successor where row = ?"
_BEGIN = "update state set successor = ?"
_MISSING = """
    select row from memory where row not in (select row from successor) order by row limit ?
"""
_PAGE = """
    select vector, context, row, checksum from successor where row > ? order by row limit 500
"""
_REPLACE = "update memory set vector = ?, context = ? where row = ?"
_DIMENSION = "select length(vector) / 4 from successor limit 1"
_LENGTHS = "select distinct length(vector) / 4 from successor"
_END = """
    update state set embedder = ?, successor = null, dimension = coalesce(?, dimension),
        remade = remade + 1, snapshot = null
"""


def missing(connection: sqlite3.Connection, model: str, count: int) -> list[int]:
    """Rows of some that the model has made no vector of; another's are dropped."""
    (begun,) = connection.execute("select successor from state").fetchone()
    if begun != model:
        connection.execute("delete from successor")
        connection.execute(_BEGIN, (model,))
        sums.seal_state(connection)
    return [row for (row,) in connection.execute(_MISSING, (count,))]


def keep(connection: sqlite3.Connection, model: str, made: Iterable[Anew]) -> bool:
    """Keep the model's vectors; of what is gone since, none. False: another run is done.

    What is gone is the memory, or the turn before it, whose text is in the vector.

    Raises:
        ParameterError: It is another model's turn by now.
        DimensionError: They are not all of one length.
    """
    begun, now = connection.execute("select successor, embedder from state").fetchone()
    if begun is None and now == model:
        return False
    if begun != model:
        raise ParameterError(
            f"{model!r} makes no vectors of this store any more: {begun or now!r} has begun since"
        )
    connection.executemany(_KEEP, (_kept(each) for each in made))
    lengths = [length for (length,) in connection.execute(_LENGTHS)]
    if len(lengths) > 1:
        raise DimensionError(lengths[0], lengths[1])
    return True


def drop(connection: sqlite3.Connection, digests: Collection[int]) -> None:
    """Drop those that were made with the text of one of these turns; they are made once more."""
    connection.execute(_DROP, (json.dumps(list(digests)),))


def succeed(connection: sqlite3.Connection, model: str) -> int | None:
    """Put the vectors in the place of the old ones, with the model's name; their length.

    Raises:
        DamagedRowError: One is not what was made. `drop_damaged` has it made once more.
    """
    row = -1
    while page := connection.execute(_PAGE, (row,)).fetchall():
        for vector, context, at, checksum in page:
            if sums.row_sum((at, vector, context)) != checksum:
                raise DamagedRowError(f"the new vector of row {at} is not what was made")
        connection.executemany(_REPLACE, [each[:3] for each in page])
        after, row = row, page[-1][2]
        sums.seal(connection, "memory", "row > ? and row <= ?", (after, row))
    (dimension,) = connection.execute(_DIMENSION).fetchone() or (None,)
    connection.execute("delete from successor")
    connection.execute("update turn set vector = null")  # questions are by the model before
    sums.seal(connection, "turn")
    connection.execute(_END, (model, dimension))
    sums.seal_state(connection)
    return dimension


def drop_damaged(connection: sqlite3.Connection) -> None:
    """Drop those that are not what was made; they are made once more."""
    rows = connection.execute("select row, vector, context, checksum from successor")
    damaged = [
        (row,)
        for row, vector, context, checksum in rows
        if sums.row_sum((row, vector, context)) != checksum
    ]
    connection.executemany(REMOVE, damaged)


def _kept(made: Anew) -> dict[str, object]:
    kept = {"row": made.row, "vector": made.vector, "context": made.context}
    return {**kept, "before": made.follows, "checksum": sums.row_sum(tuple(kept.values()))}
