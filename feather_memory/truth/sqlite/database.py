"""Connections to one file, and the only places where transactions begin and end."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from feather_memory.config import BUSY_SECONDS, CHECKPOINT_PAGES, IDLE_READERS
from feather_memory.errors import (
    BusyStoreError,
    ClosedStoreError,
    CorruptStoreError,
    FeatherError,
    StoreAccessError,
    StoreFullError,
    WrongTenantError,
)
from feather_memory.filters.values import SQL_FUNCTIONS
from feather_memory.truth.atomic import newborn
from feather_memory.truth.sqlite import forking, schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Lease = Callable[[], AbstractContextManager[object]]

Durability = Literal["process", "full"]

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_AMISS = ("no such ", "error in tokenizer", "parse error in tokenize")  # of a table not as made
_PRIMARY = 0xFF  # SQLite's extended error codes carry the primary code in their low byte


def translated(error: sqlite3.Error, path: Path) -> FeatherError | None:
    """What the error means to a caller; None if it is a mistake of ours."""
    name, code = str(path), getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    if "decode to UTF-8" in str(error):  # raised by Python, so it has no code
        return CorruptStoreError(name, f"damaged text: {error}")
    if code in _BUSY:
        return BusyStoreError(f"another process kept {name!r} locked for over {BUSY_SECONDS:g} s")
    if code in _DAMAGED or (code == sqlite3.SQLITE_ERROR and str(error).startswith(_AMISS)):
        return CorruptStoreError(name, str(error))
    if code == sqlite3.SQLITE_FULL:
        return StoreFullError(f"no room left on the disk of {name!r}; the write was rolled back")
    if code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
        return StoreAccessError(f"cannot read or write {name!r}: {error}")
    return None


class Writing:
    """One write transaction: everything in it is committed, or nothing is."""

    __slots__ = ("connection", "generation", "next_row", "state")

    def __init__(self, connection: sqlite3.Connection, state: schema.State) -> None:
        self.connection = connection
        self.state = state
        self.generation = state.generation + 1
        self.next_row = state.next_row

    def take_row(self) -> int:
        """The next row number. None is ever given out twice."""
        self.next_row += 1
        return self.next_row - 1

    def fix_dimension(self, dimension: int) -> int:
        """The length of this store's vectors: `dimension`, if it is the first to say so."""
        if self.state.dimension is None:
            self.connection.execute("update state set dimension = ?", (dimension,))
            self.state = replace(self.state, dimension=dimension)
        return self.state.dimension or dimension

    def own_snapshot(self, mark: str) -> None:
        """Say which mapped file belongs to this history."""
        self.connection.execute("update state set snapshot = ?", (mark,))

    def disown_snapshot(self) -> None:
        """Say that no mapped file belongs to this history."""
        self.connection.execute("update state set snapshot = null")


class Database:
    """One open file: a writer's connection, and a few readers' that are taken and put back.

    Every use of it runs within a `lease`, so that whoever owns it knows when it is in use.
    """

    def __init__(
        self,
        path: Path,
        *,
        durability: Durability,
        tenant: str | None,
        lease: Lease = nullcontext,
    ) -> None:
        self.path = path.absolute()  # whoever changes the working directory later
        self._gate = forking.gate()
        self._gate.watch(self)
        self._synchronous = "full" if durability == "full" else "normal"
        self._tenant = tenant
        self._lease = lease
        self._forget_connections()
        self._begin()

    def _begin(self) -> None:
        """Make the file if there is none, and see that it is whole, ours, and the tenant's."""
        path, tenant = self.path, self._tenant
        try:
            if path.is_dir():
                raise StoreAccessError(f"{str(path)!r} is a directory, not a file")
            if not path.parent.is_dir():
                raise StoreAccessError(f"cannot open {str(path)!r}: no such folder")
            if not path.exists():
                schema.create(path, tenant)
            schema.inspect(path)
            with self._moment() as connection:
                is_current = schema.format_within(connection, path) == schema.FORMAT
                self.state = schema.read_state(connection)
            if not is_current and tenant in {None, self.state.tenant}:
                self._upgrade()
            self._birth = path.stat()
        except sqlite3.Error as error:
            raise translated(error, path) or CorruptStoreError(str(path), str(error)) from error
        except OSError as error:
            if isinstance(error, FeatherError):
                raise
            raise StoreAccessError(f"cannot create {str(path)!r}: {error}") from error
        if tenant is not None and self.state.tenant != tenant:
            self.release()
            raise WrongTenantError(str(path), expected=tenant, found=self.state.tenant or "nobody")

    def is_in_place(self) -> bool:
        """Whether the file at the path is still the one that was opened."""
        try:
            return os.path.samestat(self.path.stat(), self._birth)
        except FileNotFoundError:
            return False

    def _upgrade(self) -> None:
        with self._gate:
            connection = self._connect()
            try:
                schema.upgrade(connection)
            finally:
                connection.close()

    def _forget_connections(self) -> None:
        self._readers: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._current: Writing | None = None
        self._owes_erasure = False
        self.is_open = True
        self.is_resting = False

    def release(self) -> None:
        """Close the connections, which are opened again when they are needed.

        Called before a fork, when no thread is inside: SQLite's state must not be inherited, for
        a child would believe that it holds its parent's locks.
        """
        self._close_readers()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _after_fork(self) -> None:
        # Empty, unless a thread stayed inside too long. Then they are dropped without closing
        # them: to close one here could delete the log that the parent still writes.
        self._abandoned = (self._readers, self._writer)
        was = self.is_open, self.is_resting
        self._forget_connections()
        self.is_open, self.is_resting = was

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        for pragma in (
            "foreign_keys = on",
            f"synchronous = {self._synchronous}",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            "secure_delete = on",  # what is replaced or forgotten is overwritten with zeros
            "temp_store = memory",  # nothing is written outside the store's own files
        ):
            connection.execute(f"pragma {pragma}")
        for name, function in SQL_FUNCTIONS.items():
            connection.create_function(name, 2, function, deterministic=True)
        return connection

    def _require_open(self) -> None:
        if os.getpid() != self._pid:
            self._after_fork()
        if not self.is_open:
            raise ClosedStoreError(str(self.path))
        if self.is_resting:
            with self._lock:
                if self.is_resting and self.is_open:
                    self._begin()  # the file may be another than before the rest
                    self.is_resting = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one moment of the file until it is put back."""
        with self._lease():
            self._require_open()
            with self._moment() as connection:
                yield connection

    @contextmanager
    def _moment(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._gate:
                connection = self._take()
                try:
                    connection.execute("begin")
                    yield connection
                finally:
                    connection.rollback()
                    self._put_back(connection)
        except sqlite3.Error as error:
            if (known := translated(error, self.path)) is None:
                raise
            raise known from error
        except (UnicodeDecodeError, json.JSONDecodeError, schema.DamagedRowError) as error:
            raise CorruptStoreError(str(self.path), f"damaged content: {error}") from error

    def _take(self) -> sqlite3.Connection:
        try:
            return self._readers.pop()
        except IndexError:  # asking first would race with another thread
            return self._connect()

    def _put_back(self, connection: sqlite3.Connection) -> None:
        if self._keeps_readers() and len(self._readers) < IDLE_READERS:
            self._readers.append(connection)
            if not self._keeps_readers():  # closed since a moment ago
                self._close_readers()
        else:
            connection.close()

    def _keeps_readers(self) -> bool:
        return self.is_open and not self.is_resting

    def _close_readers(self) -> None:
        with suppress(IndexError):  # another thread may have taken the last
            while True:
                self._readers.pop().close()

    @staticmethod
    def refresh(connection: sqlite3.Connection) -> None:
        """Move a reading transaction to the present."""
        connection.rollback()
        connection.execute("begin")

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """A transaction that commits if its body succeeds, and rolls back on anything else."""
        with self._lease(), self._writing() as transaction:
            yield transaction

    @contextmanager
    def _writing(self) -> Iterator[Writing]:
        self._require_open()
        with self._lock, self._gate:
            self._require_open()
            try:
                outer = self._current  # this very thread's: no other has the lock
                with self._whole() if outer is None else self._part(outer) as writing:
                    yield writing
            except sqlite3.Error as error:
                if (known := translated(error, self.path)) is None:
                    raise
                raise known from error
            if self._current is None and self._owes_erasure:
                self.erase()

    @contextmanager
    def _whole(self) -> Iterator[Writing]:
        if self._writer is None:
            self._writer = self._connect()
        connection = self._writer
        connection.execute("begin immediate")
        try:
            writing = self._current = Writing(connection, schema.read_state(connection))
            yield writing
            connection.execute(
                "update state set generation = ?, next_row = ?",
                (writing.generation, writing.next_row),
            )
            connection.execute("commit")
        except BaseException:
            self._owes_erasure = False
            connection.rollback()
            raise
        finally:
            self._current = None

    @staticmethod
    @contextmanager
    def _part(writing: Writing) -> Iterator[Writing]:
        """A part of a transaction: all of it or nothing, whatever becomes of the whole."""
        state = writing.state
        writing.connection.execute("savepoint part")
        try:
            yield writing
        except BaseException:
            writing.state = state  # row numbers are not given back: a gap harms nobody
            writing.connection.execute("rollback to part")
            raise
        finally:
            writing.connection.execute("release part")

    def dimension(self) -> int | None:
        """The length of this store's vectors; None while it has none."""
        if self.state.dimension is None:  # once fixed it never changes
            with self.reading() as connection:
                self.state = schema.read_state(connection)
        return self.state.dimension

    def erase(self) -> None:
        """Rewrite the file without what was deleted, and cut its log to nothing.

        Deleted entries are overwritten at once, but SQLite also leaves copies in the gaps of
        pages it has split or merged; only a rewrite is sure to leave them behind.

        Within a transaction it waits for the commit.

        Raises:
            BusyStoreError: Somebody still reads an older moment of the file.
        """
        try:
            with self._lease(), self._lock, self._gate:
                self._require_open()
                self._owes_erasure = self._current is not None
                if self._owes_erasure:
                    return
                if self._writer is None:
                    self._writer = self._connect()
                self._writer.execute("vacuum")
                busy, _, _ = self._writer.execute("pragma wal_checkpoint(truncate)").fetchone()
        except sqlite3.Error as error:
            raise translated(error, self.path) or error from error
        if busy:
            raise BusyStoreError(
                f"a reader of {str(self.path)!r} keeps its log alive: what was forgotten is "
                "gone from the store, and from the log when that reader finishes"
            )

    def backup(self, target: Path) -> None:
        """Copy the file as it is at one moment, whole or not at all, while others use it."""
        with self.reading() as connection:
            try:
                with newborn(target) as beside:
                    copy = sqlite3.connect(beside, isolation_level=None)
                    try:
                        connection.backup(copy)
                        copy.execute("pragma journal_mode = wal")
                    finally:
                        copy.close()
            except sqlite3.Error as error:
                raise translated(error, target) or error from error
            except OSError as error:
                raise StoreAccessError(f"cannot write {str(target)!r}: {error}") from error

    def rest(self) -> None:
        """Close every connection that is not in use; the next use opens the file again."""
        if os.getpid() != self._pid:
            self._after_fork()
        with self._lock:
            self._refuse_amid_transaction()
            self.is_resting = True
            self.release()

    def close(self) -> None:
        """Close every connection. Safe to call twice."""
        if os.getpid() != self._pid:
            self._after_fork()
        with self._lock, self._gate:
            self._refuse_amid_transaction()
            self.is_open = False
            self.release()

    def _refuse_amid_transaction(self) -> None:
        if self._current is not None:  # this very thread's
            raise BusyStoreError(f"{str(self.path)!r} is amid a transaction of this thread")
