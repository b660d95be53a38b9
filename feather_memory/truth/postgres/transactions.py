"""One moment of what a tenant has on a server; as a write, what is committed wholly or not."""

from __future__ import annotations

from typing import Any, Final

from psycopg import Connection, sql

from feather_memory.errors import GoneStoreError
from feather_memory.truth.postgres import directions
from feather_memory.truth.postgres.audit import PostgresAudit
from feather_memory.truth.postgres.directions import PostgresComparing
from feather_memory.truth.postgres.edges import PostgresEdges
from feather_memory.truth.postgres.engagement import PostgresEngagement
from feather_memory.truth.postgres.memories import PostgresMemories
from feather_memory.truth.postgres.moment import Moment
from feather_memory.truth.postgres.schema import COMPARING
from feather_memory.truth.postgres.shelves import PostgresShelves
from feather_memory.truth.sqlite.recording import Recording
from feather_memory.truth.state import State
from feather_memory.types import Seconds

_SAID: Final = ", ".join(State.__slots__)
_FORMAT: Final = "(select format from feather.release)"
_STATE: Final = f"select {_SAID}, {_FORMAT} from feather.state where tenant = "
_ADVANCE: Final = """
    update feather.state set generation = {}, next_row = {}, latest = {}, owed = {}
    where tenant = {}; commit
"""
_SNAPSHOT: Final = "update feather.state set snapshot = %(mark)s where tenant = %(tenant)s"


class Statements:
    """What a tenant's transactions begin with: each is one message, and tells the state."""

    def __init__(self, tenant: str, *, busy_seconds: float, is_durable: bool) -> None:
        self.tenant = name = sql.Literal(tenant).as_string()
        mine = f"set local feather.tenant = {name}"  # no function: Citus tells its workers this
        wait = f"set local lock_timeout = {round(busy_seconds * 1_000)}"
        if is_durable:
            wait += "; set local synchronous_commit = on"
        self.asking = f"{mine}; select generation, is_gone from feather.state where tenant = {name}"
        """By itself; nothing stays open."""
        self.reading = f"begin isolation level repeatable read, read only; {mine}; {_STATE}{name}"
        """All it reads is of one moment."""
        self.again = f"commit; {self.reading}"
        """The same, later."""
        self.writing = f"begin; {wait}; {mine}; {_STATE}{name} for update"
        """Whoever else would write for the tenant waits at the last of these."""


class PostgresTransaction(Recording):
    """One moment of a tenant's rows, by a connection that has begun it."""

    __slots__ = "_place", "_statements", "audit", "edges", "engagement", "memories", "shelves"
    _moment: Moment

    def __init__(
        self,
        connection: Connection,
        statements: Statements,
        said: Any,
        *,
        tenant: str,
        place: str,
        write_at: Seconds | None = None,
    ) -> None:
        state = state_in(said, place)
        generation = 0 if write_at is None else state.generation + 1
        moment = Moment(connection, tenant, state, generation, compares=said[-1] == COMPARING)
        super().__init__(moment, write_at)
        self._place, self._statements = place, statements
        self.memories = PostgresMemories(moment)
        self.edges = PostgresEdges(moment)
        self.engagement = PostgresEngagement(moment)
        self.shelves = PostgresShelves(moment)
        self.audit = PostgresAudit(moment)

    @property
    def comparing(self) -> PostgresComparing | None:
        """Its vectors, compared by the server; None where it cannot, or not such long ones."""
        moment = self._moment
        is_able = moment.compares and (moment.state.dimension or 0) <= directions.MOST
        return PostgresComparing(moment) if is_able else None

    @property
    def state(self) -> State:
        """What is said of the tenant's store."""
        return self._moment.state

    def refresh(self) -> None:
        """Move to the present. A write transaction is there already."""
        moment = self._moment
        if not moment.generation:
            cursor = moment.connection.execute(self._statements.again)
            while cursor.nextset():
                pass
            moment.state = state_in(cursor.fetchone(), self._place)

    def own_snapshot(self, mark: str | None) -> None:
        """Say which mapped file belongs to this history; None for none."""
        self._moment.done(_SNAPSHOT, mark=mark)

    def commit(self) -> None:
        """Count the write, and commit it."""
        told = _ADVANCE.format(*self.advanced(), self._statements.tenant)
        self._moment.connection.execute(told)


def state_in(row: Any, place: str) -> State:
    """The state of a tenant.

    Raises:
        GoneStoreError: It has none any more, or is being removed.
    """
    if row is None or row[State.__slots__.index("is_gone")]:
        raise GoneStoreError(place)
    return State(*row[:-1])  # the last is the format of the tables
