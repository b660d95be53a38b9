"""The truth in one SQLite file: opened, rested, woken by its next use, closed."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from pathlib import Path
from typing import cast

from feather_memory.config import BUSY_SECONDS
from feather_memory.errors import (
    BusyStoreError,
    CorruptStoreError,
    FeatherError,
    GoneStoreError,
    OlderFormatError,
    ReadOnlyStoreError,
    StoreAccessError,
    WrongTenantError,
)
from feather_memory.model import words
from feather_memory.truth.atomic import begin, newborn
from feather_memory.truth.contract import WriteTransaction
from feather_memory.truth.sqlite import erasure, schema, shape, sums, upgrades
from feather_memory.truth.sqlite.access import Access, is_writable
from feather_memory.truth.sqlite.faults import translated
from feather_memory.truth.sqlite.log import logs_of
from feather_memory.truth.sqlite.transactions import (
    Connections,
    SqliteTransaction,
    Use,
    read_state,
)
from feather_memory.truth.state import DamagedRowError, Durability, Lease
from feather_memory.types import Clock, Seconds

Mend = Callable[[Path, WriteTransaction], None]
"""Has what is derived of the truth at a path let go of what is gone from it."""

_PAYS_EVERY = 1.0  # seconds from one try after a write to the next: what is owed is paid together


def disown(_: Path, transaction: WriteTransaction) -> None:
    """Say that no mapped file belongs to this history: of a truth with nothing beside it."""
    transaction.own_snapshot(None)


class SqliteTruth(Connections):
    """One open file. Safe to share between threads, and after a fork."""

    def __init__(
        self,
        path: Path,
        *,
        durability: Durability = "process",
        tenant: str | None = None,
        language: str | None = None,
        clock: Clock,
        lease: Lease = nullcontext,
        mend: Mend = disown,
        read_only: bool = False,
    ) -> None:
        """The file at `path`, which is made if there is none.

        Args:
            path: Its folder must exist.
            durability: What a returned write survives.
            tenant: Whose it must be; a new one is marked as theirs.
            language: Of the stems of its words; its own unless given, English for a new file.
            clock: Tells Unix seconds.
            lease: Held while the file is in use.
            mend: Called within a write transaction when what was deleted is erased.
            read_only: Write nothing; so it is, too, where nothing can be written.

        Raises:
            StoreAccessError: A directory, a place that cannot be read, or nothing where nothing
                can be made; `GoneStoreError` for a file whose tenant was forgotten.
            OlderFormatError: An earlier release wrote it, and it cannot be written.
            CorruptStoreError: Not one of ours, truncated or damaged. It is left as it is.
            NewerFormatError: Written by a later release. It is left as it is.
            WrongTenantError: It belongs to another tenant.
        """
        synchronous = "full" if durability == "full" else "normal"
        super().__init__(
            path, synchronous=synchronous, clock=clock, lease=lease, is_read_only=read_only
        )
        self._mend = mend
        self._pays_from = 0.0
        self._expected = tenant
        self._owner: str | None
        self._embedder: str | None = None
        self._latest: Seconds = 0.0
        self._language = language
        self._is_asked_to_read = read_only
        self._wake()

    @property
    def tenant(self) -> str | None:
        """Whose file it is."""
        return self._owner

    @property
    def embedder(self) -> str | None:
        """The name of the model that its vectors were by when it was opened, if anybody said."""
        return self._embedder

    @property
    def latest(self) -> Seconds:
        """The last moment that was recorded when it was opened."""
        return self._latest

    def _wake(self) -> None:
        """Make the file if there is none, and see that it is whole, ours, and the tenant's."""
        path, tenant = self.path, self._expected
        try:
            self._find()
            with self._moment() as connection:
                is_current = schema.format_within(connection, path) == schema.FORMAT
                shape.refuse_triggers(connection, path)
                if is_current:
                    self._embedder, self._latest = schema.said_in(connection, path)
                    is_current = upgrades.speaks(connection, self._language) and (
                        self.is_read_only or sums.is_sealed(connection)
                    )
                self._owner = schema.owner_in(connection)
                is_wal = connection.execute("pragma journal_mode").fetchone() == ("wal",)
            if tenant in {None, self._owner}:
                self._bring_up(is_wal=is_wal, is_current=is_current)
        except CorruptStoreError:
            self.release()
            raise
        except sqlite3.Error as error:
            raise self.meaning(error) or CorruptStoreError(str(path), str(error)) from error
        except OSError as error:
            if self.birth is not None and not self.is_in_place():
                raise GoneStoreError(str(path)) from error
            if isinstance(error, FeatherError):
                raise
            raise StoreAccessError(f"cannot create {str(path)!r}: {error}") from error
        if tenant is not None and self._owner != tenant:
            self.release()
            raise WrongTenantError(str(path), expected=tenant, found=self._owner)
        self._paid_what_is_owed()

    def _find(self) -> None:
        """See that there is a file of ours, and how it can be opened."""
        path, is_first = self.path, self.birth is None
        if odd := [at for at in (path, *logs_of(path)) if at.exists() and not at.is_file()]:
            raise StoreAccessError(f"{str(odd[0])!r} is not a file")  # to read a pipe never ends
        if not path.parent.is_dir():
            raise StoreAccessError(f"cannot open {str(path)!r}: no such folder")
        if not path.exists():
            if not is_first:  # it was removed while it rested
                raise GoneStoreError(str(path))
            if self._is_asked_to_read:
                raise StoreAccessError(f"there is no store at {str(path)!r} to be read")
            schema.refuse_orphan(path)
            schema.create(path, self._expected, self._language or words.ENGLISH)
        self.birth = path.stat()  # before it is opened: so no later file is taken for it
        self.is_read_only = self._is_asked_to_read or not is_writable(path)
        self._look_around()
        schema.inspect(path)

    def _moment(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection at one moment, also of a file that nobody knows to be sound yet."""
        return cast("AbstractContextManager[sqlite3.Connection]", _Look(me=self.me))

    def _own(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection that nobody else uses, outside a transaction, and closed at the end."""
        return cast("AbstractContextManager[sqlite3.Connection]", _Own(me=self.me))

    def _bring_up(self, *, is_wal: bool, is_current: bool) -> None:
        if self.is_read_only:
            if not is_current:
                self._refuse_older()
            return
        if not is_wal:  # somebody made it by `vacuum into`, say
            self._keep_a_log()
            self._close_readers()  # they hold no lock of the new mode before they read again
            with self._moment() as connection:
                schema.owner_in(connection)
        if not is_current:
            with self._own() as connection:
                upgrades.upgrade(connection, self._language)

    def _refuse_older(self) -> None:
        with self._moment() as connection:
            found = schema.format_within(connection, self.path)
            if found == schema.FORMAT and upgrades.speaks(connection, None):
                raise ReadOnlyStoreError(str(self.path))  # another language was asked for
        raise OlderFormatError(str(self.path), found=found, known=schema.FORMAT)

    def _keep_a_log(self) -> None:
        """Bring the file into WAL mode, in which others can tell that it is open."""
        with self._own() as connection:
            connection.execute("pragma journal_mode = wal")

    def size(self) -> int:
        """Bytes of the file, with its log."""
        return size_of(self.path)

    def backup(self, target: Path) -> None:
        """Copy the file as it is at one moment, whole or not at all, while others use it."""
        with _Backup(me=self.me) as connection:
            _copy(connection, target, self.path.stat().st_mode & 0o777)

    def erase(self) -> None:
        """See that what was deleted is nowhere any more; see `erasure`.

        Within a transaction it waits for the commit.

        Raises:
            BusyStoreError: Somebody still reads an older moment of the file, or writes.
            StoreAccessError: It cannot be read or written; `StoreFullError` for want of room.
        """
        with _Hold(me=self.me):
            self.insists = self.current is not None
            if not self.insists and self._is_owed():
                self._pay(BUSY_SECONDS)

    def _settle(self) -> None:
        if self.insists:
            self._pay(BUSY_SECONDS)
        else:
            self._pay_in_passing()

    def _pay(self, patience: Seconds) -> None:
        if not self.is_in_place():  # whatever is there now is somebody else's
            raise StoreAccessError(
                f"{str(self.path)!r} is not the file any more that was opened: what was forgotten "
                "of that one could not be erased"
            )
        with self._own() as payer:
            erasure.pay(payer, self.path, self._let_go, patience=patience)

    def _let_go(self, connection: sqlite3.Connection) -> None:
        self._mend(self.path, SqliteTransaction(connection, self.now()))

    def _pay_in_passing(self) -> None:
        """Erase what is owed if that can be done at once, and was not a moment ago.

        Deletes soon after one another are erased together: by a write a second later, or a fold.
        """
        if time.monotonic() >= self._pays_from:
            self._pays_from = time.monotonic() + _PAYS_EVERY
            with suppress(FeatherError):
                self._pay(0.0)

    def fold(self) -> bool:
        """As everybody's, after what is owed was erased; False while that has to wait."""
        if not self.lock.acquire(blocking=False):
            return False
        try:
            is_paid = self._paid_what_is_owed()
            return super().fold() and is_paid
        finally:
            self.lock.release()

    def _paid_what_is_owed(self) -> bool:
        """Erase what anybody owes; not in a file that is not in use, or gone. False if it waits."""
        is_used = self.writer is not None or self.readers
        if not is_used or self.is_read_only or not self.is_in_place():
            return True
        with suppress(FeatherError):  # what is damaged is folded and closed all the same
            if self._is_owed():
                self._pay(0.0)
            return True
        return False

    def _is_owed(self) -> bool:
        with self._moment() as connection:
            return read_state(connection).owed > 0

    def rest(self) -> None:
        """Close every connection that is not in use; the next use opens the file again."""
        if os.getpid() != self._pid:
            self._after_fork()
        with _Stop(me=self.me):
            self._refuse_amid_transaction()
            self.fold()  # also where others have it open
            self.is_resting = True
            self.release()

    def close(self) -> None:
        """Close every connection. Safe to call twice."""
        if os.getpid() != self._pid:
            self._after_fork()
        with _Stop(me=self.me):
            self._refuse_amid_transaction()
            self.fold()
            self.is_open = False
            self.release()

    def _refuse_amid_transaction(self) -> None:
        if self.current is not None:  # this very thread's
            raise BusyStoreError(f"{str(self.path)!r} is amid a transaction of this thread")


class _Look(Use):
    """A block with a connection at one moment; part of another call."""

    is_call = False

    def begun(self, of: Connections) -> sqlite3.Connection:
        self.connection = connection = of.take()
        connection.execute("begin")
        if schema.is_gone(connection):
            raise GoneStoreError(str(of.path))
        return connection


class _Backup(_Look):
    """The same, as a call."""

    is_call = True


class _Own(Use):
    """A block with a connection of its own."""

    is_call = False

    def begun(self, of: Connections) -> sqlite3.Connection:
        self.connection = connection = of.connect()
        return connection

    def let_go(self, connection: sqlite3.Connection) -> None:
        connection.close()
        self.connection = None


class _Hold(Use):
    """A block in which nobody else of this process writes."""

    is_writer = True

    def begun(self, of: Connections) -> None:
        of.require_open()


class _Stop(_Hold):
    """The same where the file may be closed already, or is about to be."""

    is_call = False

    def begun(self, of: Connections) -> None:
        pass


def size_of(path: Path) -> int:
    """Bytes of the truth's file, with its log."""
    found = map(_stat, (path, *logs_of(path)[:1]))
    return sum(each.st_size for each in found if each is not None)


def written_at(path: Path) -> Seconds:
    """When the truth was last written, by its file or its log; 0 if it is gone."""
    found = map(_stat, (path, *logs_of(path)[:1]))
    return max((each.st_mtime for each in found if each is not None), default=0.0)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:  # asking first would race: the last to close a store drops its log
        return None


def tenant_in(path: Path) -> str | None:
    """Whose file it says it is; None for one without a tenant.

    Raises:
        StoreAccessError: It cannot be read.
        CorruptStoreError: It is damaged, or not one of ours.
        NewerFormatError: A later release wrote it.
    """
    schema.inspect(path)
    try:
        with closing(Access.to_read(path).connect()) as connection:
            return schema.owner_in(connection)
    except (sqlite3.Error, UnicodeDecodeError, DamagedRowError) as error:
        raise CorruptStoreError(str(path), str(error)) from error


def _copy(connection: sqlite3.Connection, target: Path, mode: int) -> None:
    try:
        with newborn(target, is_durable=True) as beside:
            begin(beside, mode)
            with closing(sqlite3.connect(beside, isolation_level=None)) as copy:
                connection.backup(copy)
                schema.begin_history(copy)
                copy.execute("pragma journal_mode = wal")
    except sqlite3.Error as error:
        raise translated(error, target) or error from error
    except OSError as error:
        raise StoreAccessError(f"cannot write {str(target)!r}: {error}") from error
