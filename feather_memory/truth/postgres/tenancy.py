"""What one tenant has on a server: opened, rested, woken by its next use, closed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from json import JSONDecodeError
from os import urandom
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from feather_memory.checks import DECIMALS, seconds
from feather_memory.config import BUSY_SECONDS
from feather_memory.errors import (
    BusyStoreError,
    ClosedStoreError,
    CorruptStoreError,
    FeatherError,
    GoneStoreError,
    NewerFormatError,
    ReadOnlyStoreError,
    StoreAccessError,
)
from feather_memory.model import words
from feather_memory.truth.atomic import newborn
from feather_memory.truth.contract import ReadTransaction, WriteTransaction
from feather_memory.truth.forked import watch
from feather_memory.truth.postgres.faults import translated
from feather_memory.truth.postgres.schema import FORMATS, migrate
from feather_memory.truth.postgres.server import Server, last_row
from feather_memory.truth.postgres.tenants import Tenants, clear
from feather_memory.truth.postgres.transactions import PostgresTransaction, Statements
from feather_memory.truth.sqlite.file import SqliteTruth
from feather_memory.truth.state import DamagedRowError, Durability, Lease
from feather_memory.types import Clock, Seconds

Fill = Callable[[ReadTransaction, WriteTransaction], object]
"""Puts everything that is read in the one into the other, of an empty truth."""

__all__ = ["FORMATS", "PostgresTruth", "Server", "Tenants", "migrate"]

_OURS: Final = (psycopg.Error, JSONDecodeError, DamagedRowError)
_MINE: Final = "set local feather.tenant = {tenant}"
_OPENING: Final = f"""
    {_MINE};
    select (select format from feather.release), store_id, embedder, latest, language, tokenizer,
        generation
    from (select 1) as always left join feather.state on tenant = {{tenant}}
"""
_BIRTH: Final = f"""
    {_MINE};
    insert into feather.state (tenant, store_id, generation, next_row, language, tokenizer)
    values ({{tenant}}, {{store_id}}, 0, 1, {{language}}, {{tokenizer}})
    on conflict (tenant) do nothing;
    {_OPENING}
"""
_SPEAK: Final = """
    update feather.state set language = %(language)s, tokenizer = %(tokenizer)s
    where tenant = %(tenant)s
"""
_SIZE: Final = """
    select sum(pg_column_size(memory.*)) from feather.memory where tenant = %(tenant)s
"""


class PostgresTruth:
    """One tenant's rows on a server. Safe to share between threads, and after a fork."""

    path = None
    """Nothing derived may lie beside it."""

    def __init__(
        self,
        server: Server,
        tenant: str,
        *,
        durability: Durability = "process",
        language: str | None = None,
        clock: Clock,
        fill: Fill,
        lease: Lease = nullcontext,
        read_only: bool = False,
    ) -> None:
        """The tenant's, begun if they have none.

        Args:
            server: Where the tables are.
            tenant: Whose rows.
            durability: `full` has every write wait until the server has it on disk, whatever it
                was set to; `process` leaves that to how it is set, which by default is the same.
            language: Of the stems of words; their own unless given, English for a new tenant.
            clock: Tells Unix seconds.
            fill: Makes a backup's content.
            lease: Held while it is in use.
            read_only: Write nothing.

        Raises:
            StoreAccessError: The server cannot be reached, its tables are not made, or there is
                nothing of the tenant's and nothing may be written.
            NewerFormatError: A later release made its tables.
            BusyStoreError: It has no connection to spare.
        """
        self.server, self.tenant = server, tenant
        self.place, self.address = f"{server.place}#{tenant}", server.url
        self.embedder: str | None = None
        self.latest: Seconds = 0.0
        self.is_open, self.is_resting, self.is_read_only = True, True, read_only
        self._statements = Statements(
            tenant, busy_seconds=BUSY_SECONDS, is_durable=durability == "full"
        )
        self._language, self._clock, self._lease, self._fill = language, clock, lease, fill
        self._store_id: str | None = None
        self.start_over()
        watch(self)
        self._require_open()

    def start_over(self) -> None:
        """Begin anew, in a fork: what another thread was amid is the parent's."""
        self._lock = threading.RLock()
        self._current: PostgresTransaction | None = None
        self._depth = 0
        self._insists = self._owes = False

    def now(self) -> Seconds:
        """What time it is, by the clock it was opened with."""
        clock = self._clock()
        is_plain = type(clock) is float and 0 <= clock < 1e10  # so far ahead needs a second look
        return round(clock, DECIMALS) if is_plain else seconds(clock, "clock()")

    def size(self) -> int:
        """Bytes of the tenant's memories, as the server keeps them, without its indexes."""
        with self.reading() as moment:
            return int(moment._moment.one(_SIZE)[0] or 0)  # noqa: SLF001  our own

    def is_in_place(self) -> bool:
        """Whether the tenant is still there, and the one that was opened."""
        with suppress(FeatherError):
            return self.generation() >= 0
        return False

    def generation(self) -> int:
        """Writes committed so far, in one message; −1 where a transaction will say why not."""
        with self._lease():
            self._require_open()
            try:
                with self._translating():
                    connection, said = self.server.begun(self._statements.asking)
                    self.server.put_back(connection)
            except FeatherError:
                return -1
        return -1 if said is None or said[1] else int(said[0])

    # Transactions

    @contextmanager
    def reading(self) -> Iterator[PostgresTransaction]:
        """One moment of it, until the block ends."""
        with self._lease(), self._translating():
            self._require_open()
            connection, said = self.server.begun(self._statements.reading)
            try:
                yield self._transaction(connection, said)
            finally:
                self.server.put_back(connection)

    @contextmanager
    def writing(self) -> Iterator[PostgresTransaction]:
        """A transaction that commits if its body succeeds, and rolls back on anything else.

        Within another of the same thread it is a part of that one.

        Raises:
            BusyStoreError: Others wrote for the tenant for too long.
            ReadOnlyStoreError: It was opened to be read.
            GoneStoreError: The tenant was forgotten.
        """
        with self._lease(), self._lock:
            self._require_open()
            if self.is_read_only:
                raise ReadOnlyStoreError(self.place)
            with self._whole() if self._current is None else self._part(self._current) as writing:
                yield writing
            if self._current is None:
                self._owes = writing.state.owed > 0
                if self._insists:
                    self.erase()

    @contextmanager
    def _whole(self) -> Iterator[PostgresTransaction]:
        with self.server.writing():
            with self._translating():
                connection, said = self.server.begun(self._statements.writing)
            try:
                self._insists = False
                with self._translating():
                    self._current = self._transaction(connection, said, write_at=self.now())
                yield self._current
                with self._translating():
                    self._commit(connection, self._current)
            except psycopg.Error as error:  # of a noun, in the block
                raise translated(error, self.place) or error from error
            finally:
                self._current = None
                self.server.put_back(connection)

    def _commit(self, connection: psycopg.Connection, writing: PostgresTransaction) -> None:
        if connection.info.transaction_status is not TransactionStatus.INTRANS:
            raise StoreAccessError(f"what was written to {self.place!r} was rolled back")
        writing.commit()

    @contextmanager
    def _part(self, outer: PostgresTransaction) -> Iterator[PostgresTransaction]:
        outer.go_on(self.now())
        kept, connection = replace(outer.state), outer._moment.connection  # noqa: SLF001
        self._depth += 1
        name = f"part{self._depth}"
        try:
            connection.execute(f"savepoint {name}")
            yield outer
            connection.execute(f"release {name}")
        except BaseException as error:
            with suppress(psycopg.Error):  # the connection is lost, and all with it
                connection.execute(f"rollback to {name}; release {name}")
            outer.take_back(kept)
            if isinstance(error, psycopg.Error):
                raise translated(error, self.place) or error from error
            raise
        finally:
            self._depth -= 1

    def _transaction(
        self, connection: psycopg.Connection, said: Any, write_at: Seconds | None = None
    ) -> PostgresTransaction:
        begun = PostgresTransaction(
            connection,
            self._statements,
            said,
            tenant=self.tenant,
            place=self.place,
            write_at=write_at,
        )
        if begun.state.store_id != self._store_id:
            raise GoneStoreError(self.place)  # forgotten, and begun anew
        return begun

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except _OURS as error:
            if isinstance(error, psycopg.Error):
                raise translated(error, self.place) or error from error
            raise CorruptStoreError(self.place, str(error)) from error

    # Opened and closed

    def _require_open(self) -> None:
        if not self.is_open:
            raise ClosedStoreError(self.place)
        if self.is_resting:
            with self._lock:
                if self.is_resting and self.is_open:
                    self.server.enter()
                    try:
                        self._wake()
                    except BaseException:
                        self.server.leave()
                        raise
                    self.is_resting = False

    def _wake(self) -> None:
        """See that the tables are there, and the tenant, in the language that was asked for."""
        with self._translating():
            connection, said = self.server.begun(_OPENING.format(tenant=self._statements.tenant))
            try:
                format_, store_id, *_ = said
                if format_ not in FORMATS:
                    self._refuse(format_)
                if store_id is None:
                    said = self._made(connection)
            finally:
                self.server.put_back(connection)
        _, store_id, self.embedder, self.latest, language, tokenizer, _ = said
        if self._store_id not in {None, store_id}:
            raise GoneStoreError(self.place)
        self._store_id = store_id
        if tokenizer > words.VERSION:
            raise NewerFormatError(
                self.place, found=tokenizer, known=words.VERSION, what="words of version"
            )
        is_current = tokenizer == words.VERSION and self._language in {None, language}
        if not is_current:
            self._speak(self._language or language)

    def _refuse(self, found: int | None) -> None:
        if found is not None and found > max(FORMATS):
            raise NewerFormatError(self.server.place, found=found, known=max(FORMATS))
        raise StoreAccessError(
            f"the tables of {self.server.place!r} are an earlier release's: feather-memory migrate "
            "brings them up to date"
        )

    def _made(self, connection: psycopg.Connection) -> Any:
        """Begin the tenant's, unless somebody else just has; what `_OPENING` tells then."""
        if self._store_id is not None:  # it was forgotten while it rested
            raise GoneStoreError(self.place)
        if self.is_read_only:
            raise StoreAccessError(f"there is no store at {self.place!r} to be read")
        birth = _BIRTH.format(
            tenant=self._statements.tenant,
            store_id=sql.Literal(urandom(16).hex()).as_string(),
            language=sql.Literal(self._language or words.ENGLISH).as_string(),
            tokenizer=words.VERSION,
        )
        return last_row(connection.execute(birth))

    def _speak(self, language: str) -> None:
        if self.is_read_only:
            raise ReadOnlyStoreError(self.place)
        self.is_resting = False
        with self.writing() as transaction:
            moment = transaction._moment  # noqa: SLF001  our own
            moment.done(_SPEAK, language=language, tokenizer=words.VERSION)
            moment.state.language = language
            transaction.audit.rebuild_words()

    def erase(self) -> None:
        """Have the server clear the room of what was deleted. Within a transaction, after it.

        What the server itself keeps elsewhere is beyond it: its log, replicas, backups.

        Raises:
            BusyStoreError: Others wrote for too long.
        """
        with self._lease(), self._lock:
            self._require_open()
            if self._current is not None:
                self._insists = True
                return
            self._insists = False
            with self.reading() as moment:
                if not moment.state.owed:
                    return
            with self._translating():
                clear(self.server, self.tenant)
            with self.writing() as transaction:
                transaction.state.owed = 0
                self._owes = False

    def backup(self, target: Path) -> None:
        """Write it as it is at one moment into a file of its own, while others use it."""
        try:
            with self.reading() as moment, newborn(target, is_durable=True) as beside:
                copy = SqliteTruth(
                    beside,
                    tenant=self.tenant,
                    language=moment.state.language,
                    clock=lambda: moment.state.latest,
                )
                with copy.writing() as transaction:
                    self._fill(moment, transaction)
                copy.close()
        except OSError as error:
            if isinstance(error, FeatherError):
                raise
            raise StoreAccessError(f"cannot write {str(target)!r}: {error}") from error

    def rest(self) -> None:
        """Give back what it holds open; its next use takes that again."""
        with self._lock:
            self._refuse_amid_transaction()
            if self.is_open and not self.is_resting:
                if self._owes:
                    with suppress(FeatherError):
                        self.erase()
                self.is_resting = True
                self.server.leave()

    def close(self) -> None:
        """Close it for good. Safe to call twice."""
        with self._lock:
            self._refuse_amid_transaction()
            self.rest()
            self.is_open = False

    def _refuse_amid_transaction(self) -> None:
        if self._current is not None:  # this very thread's
            raise BusyStoreError(f"{self.place!r} is amid a transaction of this thread")
