"""Connections to one file: how they are made, kept for the next use, and let go of."""

from __future__ import annotations

import ctypes
import json
import os
import sqlite3
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from feather_memory.config import (
    BUSY_SECONDS,
    CACHE_KIB,
    CHECKPOINT_PAGES,
    LOG_BYTES,
    LOG_KEPT_BYTES,
    LOG_SECONDS,
    LOG_STEP_BYTES,
)
from feather_memory.errors import (
    BusyStoreError,
    CorruptStoreError,
    FeatherError,
    GoneStoreError,
    StoreAccessError,
)
from feather_memory.filters.values import SQL_FUNCTIONS
from feather_memory.truth.atomic import sweep
from feather_memory.truth.sqlite import folding, sums, words
from feather_memory.truth.sqlite.access import Access, Stamps, stamps
from feather_memory.truth.sqlite.faults import is_unreadable, translated
from feather_memory.truth.sqlite.forks import gate
from feather_memory.truth.sqlite.log import log_of
from feather_memory.truth.state import DamagedRowError

_TURN = 0.025  # seconds that SQLite waits by itself: it looks again after 1, 3, 8 and 18 ms
_AT_END = 1.0  # seconds to wait for a thread that is writing while the process ends


class Connection(sqlite3.Connection):
    """One to a file that may be removed or replaced meanwhile."""

    path: Path
    access: Access
    birth: os.stat_result | None = None

    def __del__(self) -> None:  # of a store that nobody holds; Python 3.13 warns of an open one
        with suppress(sqlite3.ProgrammingError):  # it was cut short before it was opened
            self.close()

    def close(self) -> None:
        """Let go of the file.

        The last to close it would remove the log by its name, and fold what is in it. Where another
        file has come into its place, that is the other's. Where there is none, it was moved or
        removed, and what is in the log goes with it.
        """
        birth, self.birth = self.birth, None  # it may be closed once more
        if birth is not None and not is_the_same(self.path, birth):
            if not self.path.exists():
                with suppress(sqlite3.Error, UnicodeDecodeError):  # damaged, its name may be told
                    self.rollback()
                    self.execute("pragma wal_checkpoint(truncate)")
            if sys.version_info >= (3, 12):
                self.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
            else:
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))  # it is never closed
                return
        super().close()


def is_the_same(path: Path, birth: os.stat_result) -> bool:
    """Whether the file at the path is that one."""
    try:
        return os.path.samestat(path.stat(), birth)
    except OSError:
        return False


class Handles:
    """A writer's connection, and readers' that are idle; none where the store rests."""

    def __init__(self, path: Path, *, synchronous: str, is_read_only: bool) -> None:
        self.path = path.absolute()  # whoever changes the working directory later
        self.place = self.address = self._name = str(self.path)
        self._log_name = str(log_of(self.path))
        self._synchronous = synchronous
        self.is_read_only = is_read_only
        """Whether nothing can be written to it."""
        self.is_alone = False
        """Whether it is read as it stands, without a lock."""
        self._gate = gate()
        self._gate.watch(self)
        self.access = Access.to_write(self.path)
        self._stamps: Stamps = ()
        self.birth: os.stat_result | None = None
        self._forget_connections()

    def _forget_connections(self) -> None:
        self.readers: list[Connection] = []
        self.writer: Connection | None = None
        self.lock = threading.RLock()
        self._pid = os.getpid()
        self._is_noted = False
        self._grown_to = 0
        self.busy_at = 0.0
        self.current: Any = None  # the write that is under way
        self.insists = False
        self.is_open = True
        self.is_resting = False

    def _wake(self) -> None:
        """See that the file is whole and ours; called before its first use, and after a rest."""

    def _settle(self) -> None:
        """Erase what is owed; called after a commit that has left anything so."""

    def is_in_place(self) -> bool:
        """Whether the file at the path is still the one that was opened."""
        return self.birth is not None and is_the_same(self.path, self.birth)

    def look_again(self) -> None:
        """Open the file otherwise, if it was written to since it was read as it stood."""
        if stamps(self.path) != self._stamps:
            self._look_around()

    def require_unwritten(self) -> None:
        """See that nobody has written to it while it was read as it stands.

        Raises:
            BusyStoreError: Somebody has.
        """
        if stamps(self.path) != self._stamps:
            raise BusyStoreError(f"{str(self.path)!r} was written from elsewhere: read it again")

    def meaning(self, error: BaseException) -> FeatherError | None:
        """What an error within a use means to a caller; None if it is the caller's, or ours."""
        if isinstance(error, sqlite3.ProgrammingError) and "closed database" in str(error):
            what = f"what was begun with {str(self.path)!r}"
            return StoreAccessError(f"{what} was closed amid it, as by a fork")  # see `release`
        if isinstance(error, sqlite3.Error):
            known = translated(error, self.path)
            if isinstance(known, CorruptStoreError) and self._is_refused(error):
                known = StoreAccessError(f"cannot read {str(self.path)!r}: its disk refuses it")
            is_taken = isinstance(known, StoreAccessError | CorruptStoreError)
            if is_taken and self.birth is not None and not self.is_in_place():
                return GoneStoreError(str(self.path))  # since it was looked for
            return known
        if isinstance(error, UnicodeDecodeError | json.JSONDecodeError | DamagedRowError):
            return CorruptStoreError(str(self.path), f"damaged content: {error}")
        if isinstance(error, FeatherError) or not self._is_damaged():
            return None
        return CorruptStoreError(str(self.path), f"damaged content: {error!r}")

    def _is_refused(self, error: sqlite3.Error) -> bool:
        """Whether what SQLite took for damage is a disk that cannot be read, or could not be."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code != sqlite3.SQLITE_CORRUPT:
            return False
        return is_unreadable(self.path) or not self._is_damaged()

    def _is_damaged(self) -> bool:
        """Whether the file holds what was never written: asked where reading it has gone wrong."""
        try:
            with self._gate.entered(), closing(self.connect()) as connection:
                if connection.execute("pragma integrity_check(1)").fetchone() != ("ok",):
                    return True
                if next(words.faults(connection), None) is not None:
                    return True
                connection.text_factory = bytes
                return next(sums.faults(connection), None) is not None
        except sqlite3.OperationalError as fault:  # of the disk, perhaps, and not of what is on it
            return getattr(fault, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_IOERR
        except (sqlite3.Error, ArithmeticError, LookupError, TypeError, ValueError):
            return True

    def roll_back(self, connection: Connection, *, is_done: bool) -> None:
        """Undo what the writer has written; close it unless it is done with all its queries."""
        try:
            connection.rollback()
        except sqlite3.Error:  # whoever opens the file next does it
            is_done = False
        if not is_done:
            self.writer = None
            connection.close()

    def write_connection(self) -> Connection:
        """The one to write by."""
        if self.writer is None:
            self.writer = connection = self.connect()
            connection.execute(f"pragma busy_timeout = {_TURN * 1_000:.0f}")
        return self.writer

    def _look_around(self) -> None:
        """Find out how the file can be opened."""
        self._close_readers()
        if not self.is_read_only:
            sweep(self.path)
        self._stamps = stamps(self.path)
        way = Access.to_read if self.is_read_only else Access.to_write
        self.access = way(self.path)
        self.is_alone = self.access.is_alone

    def release(self) -> None:
        """Close the connections, which are opened again when they are needed.

        Called before a fork, when no thread is inside: SQLite's state must not be inherited, for
        a child would believe that it holds its parent's locks.
        """
        self._close_readers()
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def _after_fork(self) -> None:
        # Empty, unless a thread stayed inside too long. Then they are dropped without closing
        # them: to close one here could delete the log that the parent still writes.
        self._abandoned = (self.readers, self.writer)
        was = self.is_open, self.is_resting
        self._forget_connections()
        self.is_open, self.is_resting = was

    def connect(self) -> Connection:
        """Another connection, outside a transaction."""
        if not self.is_read_only:
            self._idle = folding.folder().watch(self)
        while True:
            access = self.access
            try:
                return self._connected(access)
            except sqlite3.OperationalError:
                if access.stands(self.path):
                    raise
                self._look_around()  # whoever wrote is done, and has taken the log's index along

    def _connected(self, access: Access) -> Connection:
        connection = sqlite3.connect(
            access.uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None,
            check_same_thread=False, cached_statements=256, factory=Connection,
        )  # fmt: skip
        connection.path, connection.birth, connection.access = self.path, self.birth, access
        for pragma in (
            *access.pragmas,
            "foreign_keys = on",
            f"synchronous = {self._synchronous}",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            f"journal_size_limit = {LOG_KEPT_BYTES}",
            f"cache_size = {-CACHE_KIB}",
            "secure_delete = on",  # what is replaced or forgotten is overwritten with zeros
            "temp_store = memory",  # nothing is written outside the store's own files
        ):
            connection.execute(f"pragma {pragma}")
        for name, function in SQL_FUNCTIONS.items():
            connection.create_function(name, 2, function, deterministic=True)
        return connection

    def _close_readers(self) -> None:
        with suppress(IndexError):  # another thread may have taken the last
            while True:
                self.readers.pop().close()

    # The log

    def fold(self) -> bool:
        """Bring the log into the file, and cut it to nothing; False if somebody is in the way."""
        lock = self.lock
        if not lock.acquire(blocking=False):
            return False
        try:
            if self.writer is None or not self.is_in_place():
                self._is_noted = False  # who closed it has folded it; or the log is another's
                return True
            with self._gate.entered():
                is_folded = self._truncated(0.0)
                if self.writer is not None:
                    self.writer.execute(f"pragma cache_size = {-CACHE_KIB}")  # `words.add`
            self._is_noted = not is_folded
        except sqlite3.Error:  # a full disk, say: it stays a log
            return False
        else:
            return is_folded
        finally:
            lock.release()

    def _shorten(self, size: int) -> None:
        """Fold the log, which has grown long because somebody always reads: wait for them a little.

        Once they are done with what is in it, the next writer begins it anew. Where one reads for
        long, it is tried again each time that the log has grown some more.
        """
        if size < LOG_BYTES:
            self._grown_to = 0
        elif size >= self._grown_to:
            self._grown_to = size + LOG_STEP_BYTES
            with suppress(sqlite3.Error):  # a full disk, say: what was written is in the log
                if self._truncated(LOG_SECONDS):
                    self._grown_to = 0

    def _truncated(self, patience: float) -> bool:
        writer = self.writer
        if writer is None or writer.in_transaction:
            return writer is None
        (waits,) = writer.execute("pragma busy_timeout").fetchone()
        writer.execute(f"pragma busy_timeout = {patience * 1_000:.0f}")
        try:
            is_busy, _, _ = writer.execute("pragma wal_checkpoint(truncate)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                raise
            return False
        finally:
            writer.execute(f"pragma busy_timeout = {waits}")
        return not is_busy

    def leave(self) -> None:
        """Let go of the file: the process ends."""
        if os.getpid() == self._pid and self.lock.acquire(timeout=_AT_END):
            try:
                with suppress(sqlite3.Error):
                    self.release()
            finally:
                self.lock.release()
