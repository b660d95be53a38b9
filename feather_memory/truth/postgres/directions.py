"""Vectors once more as pgvector has them, of unit length, so that the server can compare them.

Derived of the memories' own vectors, in a table that is there where `migrate` was asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

from feather_memory.model.fields import Record
from feather_memory.truth.postgres import changes
from feather_memory.truth.postgres.moment import Moment
from feather_memory.truth.state import Changes
from feather_memory.types import Rows, Vector

MOST: Final = 16_000
"""Numbers that a vector of pgvector can have."""

TABLE: Final = "direction"

MADE: Final = """
create table feather.direction (
    tenant text collate "C" not null,
    "row"  bigint not null,
    unit   {schema}.vector not null,    -- of length 1, or 0
    primary key (tenant, "row"),
    foreign key (tenant, "row") references feather.memory (tenant, "row")
        on delete cascade
);
alter table feather.direction alter column unit set storage main;  -- a scan that leads nowhere else
create function feather.product(one {schema}.vector, other {schema}.vector) returns real
    language sql immutable strict parallel safe
    return (-(one operator({schema}.<#>) other))::real
"""
ADD: Final = """
    insert into feather.direction (tenant, row, unit) values (%(tenant)s, %(row)s, %(unit)s)
"""
REMOVE: Final = "delete from feather.direction where tenant = %(tenant)s and row = any(%(rows)s)"
_CLEAR: Final = "delete from feather.direction where tenant = %(tenant)s"
_VECTORS: Final = """
    select memory.row, vector from unnest(%(rows)s::bigint[]) as asked (row)
    join feather.memory on tenant = %(tenant)s and memory.row = asked.row
    where vector is not null
"""
_EVERY: Final = """
    select row, vector from feather.memory
    where tenant = %(tenant)s and vector is not null order by row
"""
_BESIDE: Final = f"""
    select row, vector, unit from feather.memory
    left join feather.direction using (tenant, row)
    where tenant = %(tenant)s and length(vector) <= {4 * MOST} order by row
"""
_PRODUCTS: Final = """
    select string_agg(int8send(direction.row) || float4send(feather.product(unit, %(query)s)),
        ''::bytea)
    from feather.direction {only} where tenant = %(tenant)s
"""
_PRODUCTS_OF_ALL: Final = _PRODUCTS.format(only="")
_PRODUCTS_OF: Final = _PRODUCTS.format(
    only="join unnest(%(rows)s::bigint[]) as asked (row) on direction.row = asked.row"
)
_PAGE: Final = 1_000  # vectors that are in memory at once
_ANSWER: Final = np.dtype([("row", ">i8"), ("product", ">f4")])


class Direction(bytes):
    """A vector as pgvector sends and receives it."""


class _DirectionDumper(Dumper):
    """Of a type that has another number in each database: the statement says which it is."""

    format = Format.BINARY
    oid = 0

    def dump(self, obj: Direction) -> bytes:
        return bytes(obj)


psycopg.adapters.register_dumper(Direction, _DirectionDumper)  # of a class that nobody else has


def direction(vector: bytes) -> Direction:
    """Of a vector as it is kept, divided by its length; zeros stay zeros."""
    wide = np.frombuffer(vector, "<f4").astype(np.float64)
    length = np.sqrt(np.vecdot(wide, wide))
    return _sent(wide / length if length else wide)


def _sent(vector: Any) -> Direction:
    return Direction(np.array([len(vector), 0], ">u2").tobytes() + vector.astype(">f4").tobytes())


def add(moment: Moment, records: Sequence[Record]) -> None:
    """Keep those of memories that are new."""
    told = ((each.row, each.vector) for each in records if each.vector is not None)
    moment.each(ADD, values_of(told))


def values_of(kept: Any) -> Iterator[dict[str, object]]:
    """Of rows and their vectors what `ADD` takes; of too long ones nothing."""
    for row, vector in kept:
        if len(vector) <= 4 * MOST:
            yield {"row": row, "unit": direction(vector)}


def rebuild(moment: Moment) -> None:
    """Derive them all anew."""
    moment.done(_CLEAR)
    kept = values_of(moment.stream(_EVERY))
    while page := list(islice(kept, _PAGE)):
        moment.each(ADD, page)


def faults(moment: Moment) -> Iterator[int]:
    """Rows of memories whose direction is not that of their vector."""
    for row, vector, unit in moment.stream(_BESIDE):
        if unit is None or bytes(unit) != bytes(direction(vector)):
            yield row


@dataclass(frozen=True, slots=True)
class PostgresComparing:
    """A tenant's vectors, compared by the server."""

    moment: Moment

    def products(self, query: Vector, rows: Sequence[int] | None) -> tuple[Rows, Vector]:
        """The rows that have a vector, in any order, and its cosine with a query."""
        asked: dict[str, object] = {"query": _sent(query)}
        if rows is None:
            (said,) = self.moment.one(_PRODUCTS_OF_ALL, **asked)
        else:
            (said,) = self.moment.one(_PRODUCTS_OF, rows=list(map(int, rows)), **asked)
        told = np.frombuffer(said or b"", _ANSWER)
        return told["row"].astype(np.int64), told["product"].astype(np.float32)

    def vectors(self, rows: Sequence[int]) -> dict[int, bytes]:
        """The vectors of those of some rows that have one."""
        return dict(self.moment.asked(_VECTORS, rows=list(map(int, rows))))

    def changes(self, *, since: int, next_row: int) -> Changes:
        """What a reader must learn, without the vectors of what is appended."""
        return changes.told(self.moment, since=since, next_row=next_row, vector="null::bytea")
