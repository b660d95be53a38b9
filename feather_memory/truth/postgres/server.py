"""The connections of a process to one database, shared by all stores that it has open there.

They are opened by whoever needs one, in its own thread: so a server that is away says so at once,
no thread waits in the background, and a forked process can begin with none.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from feather_memory.checks import server_place
from feather_memory.config import BUSY_SECONDS, SERVER_CONNECTIONS, SERVER_WRITERS
from feather_memory.errors import BusyStoreError, ParameterError
from feather_memory.truth.forked import watch
from feather_memory.truth.postgres.places import Places


class Server:
    """A database, and the connections to it that this process keeps. Safe for threads and forks."""

    def __init__(self, url: str) -> None:
        """That at a URL as libpq takes it. Nothing is connected yet.

        Raises:
            ParameterError: It is no such URL.
        """
        try:
            psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            raise ParameterError(
                f"{server_place(url)!r} is no URL of a database: {error}"
            ) from error
        self.url = url
        self.place = server_place(url)
        self._users = 0
        self._inherited: list[object] = []
        self._begin()
        watch(self)

    @classmethod
    def at(cls, url: str) -> Server:
        """The one that all stores of this process at that URL share."""
        watch(_SERVERS)
        with _SERVERS.lock:
            found = _SERVERS.all.get(url)
            if found is None:
                found = _SERVERS.all[url] = cls(url)
            return found

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._idle: deque[psycopg.Connection] = deque()
        self._taken: dict[int, psycopg.Connection] = {}
        self._room = Places(SERVER_CONNECTIONS)
        self._writers = Places(min(SERVER_WRITERS, max(1, SERVER_CONNECTIONS - 1)))
        # Of stores that nobody closed. Not `__del__`: in a circle the connections' may come first.
        self._unclosed = weakref.finalize(self, _close, self._idle, self._taken)

    def start_over(self) -> None:
        """Begin without a connection, in a fork: those there are the parent's."""
        self._unclosed.detach()
        self._inherited += [self._idle, self._taken]  # to close one would be told the server
        self._begin()

    def enter(self) -> None:
        """Count one more who uses it."""
        with self._lock:
            self._users += 1

    def leave(self) -> None:
        """Count one less. After the last nothing stays open."""
        with self._lock:
            self._users = max(self._users - 1, 0)
            idle = [] if self._users else [self._idle.pop() for _ in range(len(self._idle))]
        for connection in idle:
            connection.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A block in which the thread may hold a connection to write by.

        Raises:
            BusyStoreError: As many as may do so were at it for too long.
        """
        writers = self._writers  # a fork has others
        if not writers.acquire(timeout=BUSY_SECONDS):
            raise self._crowded(f"{SERVER_WRITERS} writes")
        try:
            yield
        finally:
            writers.release()

    def _crowded(self, what: str) -> BusyStoreError:
        return BusyStoreError(
            f"all {what} to {self.place!r} were in use for over {BUSY_SECONDS:g} s"
        )

    def take(self) -> psycopg.Connection:
        """A connection outside a transaction, nobody else's until it is put back.

        Raises:
            BusyStoreError: All that this process may have were in use for too long.
            psycopg.OperationalError: The server cannot be reached.
        """
        room = self._room
        if not room.acquire(timeout=BUSY_SECONDS):
            raise self._crowded(f"{SERVER_CONNECTIONS} connections")
        try:
            connection = self._idle.pop() if self._idle else None
        except IndexError:  # another thread was faster
            connection = None
        try:
            if connection is None:
                connection = connected(self.url)
            self._taken[id(connection)] = connection
        except BaseException:
            room.release()
            raise
        return connection

    def put_back(self, connection: psycopg.Connection) -> None:
        """Let others have it. What it was amid is rolled back; one that was cut is dropped."""
        if self._taken.pop(id(connection), None) is None:  # taken before a fork
            return
        try:
            with suppress(psycopg.Error):
                if not connection.closed and connection.info.transaction_status is not _IDLE:
                    connection.rollback()
            if connection.closed or connection.info.transaction_status is not _IDLE:
                connection.close()
            elif self._users:
                self._idle.append(connection)
            else:
                connection.close()
        finally:
            self._room.release()

    def begun(self, statements: str) -> tuple[psycopg.Connection, Any]:
        """A connection by which first statements were sent, and the row that the last of them told.

        One that was cut while it was idle, as by a server that was restarted, tells so only now.
        Nothing has happened then, so another is tried.
        """
        for tries_left in range(SERVER_CONNECTIONS, -1, -1):
            is_old, is_begun = bool(self._idle), False
            connection = self.take()
            try:
                said = last_row(connection.execute(statements))
                is_begun = True
            except psycopg.OperationalError:
                if not (connection.closed and is_old and tries_left):
                    raise
            else:
                return connection, said
            finally:
                if not is_begun:
                    self.put_back(connection)
        raise AssertionError


def _close(idle: deque[psycopg.Connection], taken: dict[int, psycopg.Connection]) -> None:
    for connection in (*idle, *taken.values()):
        connection.close()


def connected(url: str) -> psycopg.Connection:
    """A new connection. Through a pooler it prepares no statement.

    What is prepared is of one connection to the server, and a pooler in transaction mode gives the
    next transaction another.
    """
    connection = psycopg.connect(url, autocommit=True)
    try:
        if _is_pooled(connection):
            connection.prepare_threshold = None
    except BaseException:
        connection.close()
        raise
    return connection


def _is_pooled(connection: psycopg.Connection) -> bool:
    """Whether something between pretends to be the server: it tells a process id of its own."""
    row = connection.execute("select pg_backend_pid()", binary=True).fetchone()
    return row is None or row[0] != connection.info.backend_pid


def last_row(cursor: psycopg.Cursor[Any]) -> Any:
    """The row that the last of several statements in one message told; None for none."""
    while cursor.nextset():
        pass
    return cursor.fetchone() if cursor.description else None


class _Servers:
    """The servers of this process, by URL."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.all: weakref.WeakValueDictionary[str, Server] = weakref.WeakValueDictionary()

    def start_over(self) -> None:
        """Begin anew, in a fork: a thread of the parent may have held the lock."""
        self.lock = threading.Lock()


_IDLE = TransactionStatus.IDLE
_SERVERS = _Servers()
