"""All tenants that are in a database: who they are, and how one is removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import sql

from feather_memory.config import BUSY_SECONDS
from feather_memory.truth.postgres import directions
from feather_memory.truth.postgres.faults import translated
from feather_memory.truth.postgres.schema import KEPT, PARTS
from feather_memory.truth.postgres.server import Server

_LISTING: Final = "set local feather.listing = 'on'"
_NAMES: Final = "select tenant from feather.state order by latest desc, tenant"
_COUNT: Final = "select count(*) from feather.state"
_MINE: Final = sql.SQL("set local feather.tenant = {}")
_IS_THERE: Final = "select 1 from feather.state where tenant = %s"
_BYTES: Final = """
    select coalesce(sum(pg_column_size(memory.*)), 0)::bigint from feather.memory where tenant = %s
"""
_HOLD: Final = "select 1 from feather.state where tenant = %s for update"
_PART: Final = """
    select to_regclass('feather.direction') is not null, (
        select substring(bound from 'remainder (\\d+)')
        from pg_inherits join pg_class on pg_class.oid = inhrelid
        cross join pg_get_expr(relpartbound, inhrelid) as bound
        where inhparent = 'feather.state'::regclass and has_schema_privilege(relnamespace, 'usage')
        and satisfies_hash_partition(
            inhparent,
            substring(bound from 'modulus (\\d+)')::integer,
            substring(bound from 'remainder (\\d+)')::integer,
            %s::text
        )
    )
"""
_REMOVE: Final = "delete from feather.state where tenant = %s"


class Tenants:
    """The tenants of a database. Each call is a transaction of its own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.place = server.place

    def recent(self) -> list[str]:
        """All there are, by what they last recorded, the latest first."""
        with self._transaction() as connection:
            connection.execute(_LISTING)
            return [name for (name,) in connection.execute(_NAMES)]

    def count(self) -> int:
        """How many there are."""
        with self._transaction() as connection:
            connection.execute(_LISTING)
            (count,) = connection.execute(_COUNT).fetchone() or (0,)
            return int(count)

    def size(self, tenant: str) -> int | None:
        """Bytes of a tenant's memories as the server keeps them; None if they have none there."""
        with self._transaction() as connection:
            connection.execute(_MINE.format(sql.Literal(tenant)))
            if connection.execute(_IS_THERE, (tenant,)).fetchone() is None:
                return None
            (size,) = connection.execute(_BYTES, (tenant,)).fetchone() or (0,)
            return int(size)

    def remove(self, tenant: str) -> None:
        """Delete all that is a tenant's. Whoever has their store open is told so.

        Raises:
            BusyStoreError: Somebody wrote for them for too long. Nothing was removed.
        """
        with self._transaction() as connection:
            wait = sql.Literal(round(BUSY_SECONDS * 1_000))
            connection.execute(sql.SQL("set local lock_timeout = {}").format(wait))
            connection.execute(_MINE.format(sql.Literal(tenant)))
            connection.execute(_HOLD, (tenant,))
            connection.execute(_REMOVE, (tenant,))
        clear(self._server, tenant)

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection]:
        try:
            connection, _ = self._server.begun("begin")
            try:
                yield connection
                connection.execute("commit")
            finally:
                self._server.put_back(connection)
        except psycopg.Error as error:
            raise translated(error, self.place) or error from error


def clear(server: Server, tenant: str) -> None:
    """Have the server clear the room of what a tenant deleted, unless it is just about it.

    Of tables in partitions only the tenant's own are cleared, or all, by a user who may not name
    them. The server may keep it a while, where somebody still reads an older moment.
    """
    connection = server.take()
    try:
        compares, number = connection.execute(_PART, (tenant,)).fetchone() or (False, None)
        kept = (*KEPT, directions.TABLE) if compares else KEPT
        named = "feather.{}" if number is None else f"{PARTS}.{{}}_{number}"
        connection.execute(f"vacuum (skip_locked) {', '.join(map(named.format, kept))}")
    finally:
        server.put_back(connection)
