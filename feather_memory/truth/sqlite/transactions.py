"""Connections to one file, and the only places where transactions begin and end.

`fork` and SQLite are kept apart here, too: a child gets only the thread that forked. Were another
thread inside SQLite at that moment, the child would inherit its locks, held for ever; were it
between two halves of a change, the halves. So a fork waits until no thread is inside, and nobody
enters while it happens.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from feather_memory.checks import DECIMALS, seconds
from feather_memory.config import BUSY_SECONDS, CHECKPOINT_PAGES, IDLE_READERS
from feather_memory.errors import ClosedStoreError, CorruptStoreError
from feather_memory.filters.values import SQL_FUNCTIONS
from feather_memory.truth.sqlite.audit import SqliteAudit
from feather_memory.truth.sqlite.edges import SqliteEdges
from feather_memory.truth.sqlite.engagement import SqliteEngagement
from feather_memory.truth.sqlite.faults import translated
from feather_memory.truth.sqlite.memories import SqliteMemories
from feather_memory.truth.sqlite.moment import Moment
from feather_memory.truth.sqlite.shelves import SqliteShelves
from feather_memory.truth.state import DamagedRowError, State
from feather_memory.types import Clock, Seconds

Lease = Callable[[], AbstractContextManager[object]]
_UNREAD = State("", None, None, -1, 0, None, "", None, 0.0, 0, 0)
_TICK = 1e-6  # seconds: times are kept to the microsecond
_SAID = f"select {', '.join(State.__slots__)} from state"
_ADVANCE = "update state set generation = ?, next_row = ?, latest = ?, owed = ?"


def read_state(connection: sqlite3.Connection) -> State:
    """What the file says of itself, as this connection's transaction sees it.

    Raises:
        DamagedRowError: It says nothing.
    """
    row = connection.execute(_SAID).fetchone()
    if row is None:
        raise DamagedRowError("the file says nothing of itself")
    return State(*row)


def _after(last: Seconds, clock: Seconds) -> Seconds:
    """The time by the clock; where it does not move on, or goes back, the next there is."""
    return clock if clock > last else round(last + _TICK, DECIMALS)


class SqliteTransaction:
    """One moment of the file; as a write, what is committed whole or not at all."""

    __slots__ = "_clock", "_moment", "_now", "audit", "edges", "engagement", "memories", "shelves"

    def __init__(self, connection: sqlite3.Connection, write_at: Seconds | None = None) -> None:
        self._clock = write_at or 0.0
        self._now: Seconds | None = None
        self._moment = moment = Moment(connection, _UNREAD, 0)
        if write_at is not None:
            moment.generation = self.state.generation + 1
        self.memories = SqliteMemories(moment)
        self.edges = SqliteEdges(moment)
        self.engagement = SqliteEngagement(moment)
        self.shelves = SqliteShelves(moment)
        self.audit = SqliteAudit(moment)

    @property
    def state(self) -> State:
        """What the file says of itself; read when it is first asked for."""
        moment = self._moment
        if moment.state is _UNREAD:
            moment.state = read_state(moment.connection)
        return moment.state

    @property
    def now(self) -> Seconds:
        """When what it writes is recorded: after all that is, whatever the clock says."""
        if self._now is None:
            self._now = _after(self.state.latest, self._clock)
        return self._now

    @now.setter
    def now(self, moment: Seconds) -> None:
        self._now = moment

    def go_on(self, clock: Seconds) -> None:
        """Have it be as late as the clock says, if that is later."""
        self._clock = max(self._clock, clock)
        self._now = None if self._now is None else max(self._now, clock)

    def refresh(self) -> None:
        """Move to the present. A write transaction is there already."""
        moment = self._moment
        if not moment.generation:
            moment.connection.rollback()
            moment.connection.execute("begin")
            moment.state = _UNREAD

    def own_snapshot(self, mark: str | None) -> None:
        """Say which mapped file belongs to this history; None for none."""
        self._moment.connection.execute("update state set snapshot = ?", (mark,))

    def commit(self) -> None:
        """Count the write, and commit it."""
        moment, state = self._moment, self.state
        latest = state.latest if self._now is None else self._now  # None: it recorded nothing
        advanced = (moment.generation, state.next_row, latest, state.owed)
        moment.connection.execute(_ADVANCE, advanced)
        moment.connection.execute("commit")

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of a write: all of it or nothing, whatever becomes of the whole."""
        connection, state = self._moment.connection, replace(self.state)
        connection.execute("savepoint part")
        try:
            yield
        except BaseException:
            state.next_row = self.state.next_row  # none is given back: a gap harms nobody
            self._moment.state = state
            connection.execute("rollback to part")
            raise
        finally:
            connection.execute("release part")


class Releasable(Protocol):
    """What must not be carried into a child."""

    def release(self) -> None:
        """Let go of it; it is taken again when it is needed."""


class _Connection(sqlite3.Connection):
    def __del__(self) -> None:  # of a store that nobody holds; Python 3.13 warns of an open one
        self.close()


class ForkGate:
    """Counts the threads inside; a fork closes it for a moment."""

    def __init__(self) -> None:
        self._watched: weakref.WeakSet[Releasable] = weakref.WeakSet()
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._close, after_in_parent=self._open, after_in_child=self._reset
            )

    def watch(self, held: Releasable) -> None:
        """Have it released before a fork."""
        self._watched.add(held)

    def _reset(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._inside = 0
        self._is_closed = False
        self._mine = threading.local()

    def __enter__(self) -> None:
        depth = getattr(self._mine, "depth", 0)
        if not depth:  # else it is counted already
            with self._changed:
                while self._is_closed:
                    self._changed.wait()
                self._inside += 1
        self._mine.depth = depth + 1

    def __exit__(self, *_: object) -> None:
        self._mine.depth -= 1
        if self._mine.depth:
            return
        with self._changed:
            self._inside -= 1
            if self._is_closed:
                self._changed.notify_all()

    def _close(self) -> None:
        own = 1 if getattr(self._mine, "depth", 0) else 0
        with self._changed:
            while self._is_closed:  # another thread is about to fork, too
                self._changed.wait()
            self._is_closed = True
            # Whoever is inside for longer waits for another process; the fork goes on.
            is_empty = self._changed.wait_for(lambda: self._inside <= own, timeout=BUSY_SECONDS)
        if is_empty:
            for held in list(self._watched):
                held.release()

    def _open(self) -> None:
        with self._changed:
            self._is_closed = False
            self._changed.notify_all()


_gates: list[ForkGate] = []


def gate() -> ForkGate:
    """The process's one gate, made when the first file is opened."""
    if not _gates:
        _gates.append(ForkGate())
    return _gates[0]


class Connections:
    """A writer's connection, and a few readers' that are taken and put back.

    Every use of them runs within a `lease`, so that whoever owns the file knows when it is in use.
    """

    def __init__(self, path: Path, *, synchronous: str, clock: Clock, lease: Lease) -> None:
        self.path = path.absolute()  # whoever changes the working directory later
        self._synchronous = synchronous
        self._clock = clock
        self._lease = lease
        self._gate = gate()
        self._gate.watch(self)
        self._forget_connections()

    def _wake(self) -> None:
        """See that the file is whole and ours; called before its first use, and after a rest."""

    def _settle(self) -> None:
        """Erase what is owed; called after a commit that has left anything so."""

    def now(self) -> Seconds:
        """What time it is, by the clock it was opened with."""
        return seconds(self._clock(), "clock()")

    def _forget_connections(self) -> None:
        self._readers: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._current: SqliteTransaction | None = None
        self._insists = self._is_owing = False
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
            f"{self.path.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None,
            check_same_thread=False, cached_statements=256, factory=_Connection,
        )  # fmt: skip
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
                    self._wake()  # the file may be another than before the rest
                    self.is_resting = False

    @contextmanager
    def reading(self) -> Iterator[SqliteTransaction]:
        """One moment of the file, until the block ends."""
        with self._lease():
            self._require_open()
            with self._moment() as connection:
                yield SqliteTransaction(connection)

    def generation(self) -> int:
        """Writes committed so far, in one statement; −1 where a transaction will say why not."""
        generation = -1
        with self._lease():
            self._require_open()
            with suppress(sqlite3.Error, ValueError), self._gate:
                connection = self._take()
                try:
                    ((generation,),) = connection.execute("select generation from state")
                finally:
                    self._put_back(connection)
        return generation

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
        except (UnicodeDecodeError, json.JSONDecodeError, DamagedRowError) as error:
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

    @contextmanager
    def writing(self) -> Iterator[SqliteTransaction]:
        """A transaction that commits if its body succeeds, and rolls back on anything else."""
        with self._lease():
            self._require_open()
            with self._lock, self._gate:
                self._require_open()
                try:
                    outer = self._current  # this very thread's: no other has the lock
                    if outer is None:
                        with self._whole() as transaction:
                            yield transaction
                    else:
                        outer.go_on(self.now())
                        with outer.part():
                            yield outer
                except sqlite3.Error as error:
                    if (known := translated(error, self.path)) is None:
                        raise
                    raise known from error
                if self._current is None and self._is_owing:
                    self._settle()

    @contextmanager
    def _whole(self) -> Iterator[SqliteTransaction]:
        connection, self._insists = self._write_connection(), False
        connection.execute("begin immediate")
        try:
            self._current = SqliteTransaction(connection, self.now())
            yield self._current
            self._current.commit()
            self._is_owing = bool(self._current.state.owed)
        except BaseException:
            connection.rollback()
            raise
        finally:
            self._current = None

    def _write_connection(self) -> sqlite3.Connection:
        if self._writer is None:
            self._writer = self._connect()
        return self._writer
