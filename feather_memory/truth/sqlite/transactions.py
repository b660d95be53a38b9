"""The only places where transactions begin and end.

They end wherever an exception comes, as Ctrl-C does: between any two steps of this code, too, and
when a block has just ended. A `with` would not notice that its own end was cut short. So what it
calls at its end is an object that only the `with` holds, and that clears up when it is let go of.
"""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from threading import get_ident
from time import monotonic
from types import SimpleNamespace
from typing import Any, ClassVar, Final, cast
from weakref import ReferenceType, ref

from feather_memory.checks import DECIMALS, seconds
from feather_memory.config import BUSY_SECONDS, IDLE_READERS, LOG_BYTES
from feather_memory.errors import (
    ClosedStoreError,
    FeatherError,
    GoneStoreError,
    ReadOnlyStoreError,
    StoreAccessError,
)
from feather_memory.truth.sqlite.audit import SqliteAudit
from feather_memory.truth.sqlite.edges import SqliteEdges
from feather_memory.truth.sqlite.engagement import SqliteEngagement
from feather_memory.truth.sqlite.faults import OF_SQLITE, OURS
from feather_memory.truth.sqlite.handles import Connection, Handles
from feather_memory.truth.sqlite.memories import SqliteMemories
from feather_memory.truth.sqlite.moment import ADVANCE, GENERATION, SAID, UNREAD, Moment
from feather_memory.truth.sqlite.recording import Recording
from feather_memory.truth.sqlite.shelves import SqliteShelves
from feather_memory.truth.state import DamagedRowError, Lease, State
from feather_memory.types import Clock, Seconds

_FAR = 1e10  # seconds: a clock that is not so far ahead needs no second look
_NOUNS: Final[Mapping[str, Callable[[Moment], Any]]] = {
    "edges": SqliteEdges,
    "engagement": SqliteEngagement,
    "shelves": SqliteShelves,
    "audit": SqliteAudit,
}
"""Spoken of less often than memories."""


def read_state(connection: sqlite3.Connection) -> State:
    """What the file says of itself, as this connection's transaction sees it.

    Raises:
        DamagedRowError: It says nothing.
    """
    row = connection.execute(SAID).fetchone()
    if row is None:
        raise DamagedRowError("the file says nothing of itself")
    return State(*row)


class SqliteTransaction(Recording):
    """One moment of the file; as a write, what is committed whole or not at all."""

    __slots__ = "audit", "edges", "engagement", "memories", "shelves"
    _moment: Moment
    edges: SqliteEdges
    engagement: SqliteEngagement
    shelves: SqliteShelves
    audit: SqliteAudit

    def __init__(self, connection: sqlite3.Connection, write_at: Seconds | None = None) -> None:
        moment = Moment(connection, UNREAD, 0)
        super().__init__(moment, write_at)
        if write_at is not None:
            moment.generation = self.state.generation + 1
        self.memories = SqliteMemories(moment)

    def __getattr__(self, noun: str) -> Any:
        """A noun that is spoken of for the first time; most transactions speak of one alone."""
        if (kind := _NOUNS.get(noun)) is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {noun!r}")
        setattr(self, noun, spoken := kind(self._moment))
        return spoken

    @property
    def state(self) -> State:
        """What the file says of itself; read when it is first asked for."""
        moment = self._moment
        if moment.state is UNREAD:
            moment.state = state = read_state(moment.connection)
            if state.is_gone:
                raise GoneStoreError(str(cast("Connection", moment.connection).path))
        return moment.state

    def refresh(self) -> None:
        """Move to the present. A write transaction is there already."""
        moment = self._moment
        if not moment.generation:
            moment.connection.rollback()
            moment.connection.execute("begin")
            moment.state = UNREAD

    def own_snapshot(self, mark: str | None) -> None:
        """Say which mapped file belongs to this history; None for none."""
        self._moment.connection.execute("update state set snapshot = ?", (mark,))

    def commit(self) -> None:
        """Count the write, and commit it."""
        self._moment.connection.execute(ADVANCE, self.advanced())
        self._moment.connection.execute("commit")


class _Ending(partial[None]):
    """What a `with` calls at its end; let go of without that, it clears up all the same."""

    __del__ = property(attrgetter("func.undo"))  # nothing, once it is done


class _AtEnd(property):
    """Makes the `__exit__` of a use when a `with` begins. Nothing else holds it, no frame."""

    def __call__(self, use: Use, *said: BaseException | None) -> None:  # by an ExitStack
        use(*said)


class Use(SimpleNamespace):
    """A block in which a file is used: here, with a connection for one statement."""

    me: ReferenceType[Connections]
    of: Connections
    lease: AbstractContextManager[object] = nullcontext()
    connection: Any = None
    held: Any = ()
    undo: Callable[[], object] = bool
    is_call, is_writer, is_done = True, False, False
    __hash__ = object.__hash__  # type: ignore[assignment]
    __exit__ = _AtEnd(_Ending)
    ours: ClassVar[tuple[type[Exception], ...]] = OURS

    def __enter__(self) -> Any:
        try:
            return self.begun(self.arrive())
        except OURS as error:
            raise self.of.meaning(error) or error from error

    def arrive(self) -> Connections:
        """Take what it has to hold; in this order it is let go of, too."""
        self.of = of = cast("Connections", self.me())
        self.undo = self.clear
        if self.is_call:
            self.lease = of.lease()
            self.lease.__enter__()
            of.require_open()
        if self.is_writer:  # in one step: what is held, and not known to be, is held for ever
            self.lock, self.held = of.lock, [None]
            self.held.extend(map(self.lock.acquire, (True,)))
        of.enter(self)
        return of

    def begun(self, of: Connections) -> Any:
        """What the block is given."""
        self.connection = of.take()
        return self.connection

    def __call__(self, _: object, error: BaseException | None, *__: object) -> None:
        """End it, as far as it got."""
        of, self.is_done = self.of, error is None or isinstance(error, FeatherError)
        try:
            self.end(error)
        except sqlite3.Error as fault:
            raise of.meaning(fault) or fault from fault
        finally:
            self.clear()
        if isinstance(error, self.ours) and (known := of.meaning(error)) is not None:
            raise known from error

    def end(self, error: BaseException | None) -> None:
        """Do what is to be done before it is cleared up."""
        if error is None and self.of.is_alone:
            self.of.require_unwritten()

    def clear(self) -> None:
        """Let go of all that it holds. Safe to call again, where it was cut short, too."""
        if self.connection is not None:
            self.let_go(self.connection)
        self.of.go_out(self)
        if self.is_writer and len(self.held) > 1:  # in one step, and once
            release: Callable[..., None] = self.lock.__exit__
            deque(map(release, iter(self.held.pop, None)), 0)
        self.lease.__exit__(None, None, None)
        self.undo = bool

    def let_go(self, connection: Connection) -> None:
        """Give it back; but close it if the frames of an error may be amid a query by it."""
        self.connection = None  # if it goes no further, nobody holds the connection
        if self.is_done:
            connection.rollback()
            self.of.put_back(connection)
        else:
            connection.close()


class _Read(Use):
    """A block in which a file is read, at one moment of it."""

    def begun(self, of: Connections) -> SqliteTransaction:
        self.connection = connection = of.take()
        connection.execute("begin")
        return SqliteTransaction(connection)


def _begin(connection: Connection) -> None:
    """Begin a transaction that writes, once nobody else does.

    By itself SQLite looks again after ever longer pauses, of 0.1 s in the end: who has waited for
    long hardly ever comes before those who have just come. Here all look as often as one another.

    Raises:
        sqlite3.OperationalError: Others wrote for `BUSY_SECONDS`.
    """
    until = monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("begin immediate")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or monotonic() >= until:
                raise
        else:
            return


class _Write(Use):
    """A block whose writes are committed at its end, or undone; or a part of another one."""

    is_writer = True
    depth = 0
    outer: _Write | None = None
    transaction: SqliteTransaction
    ours = (*OF_SQLITE, DamagedRowError)  # the block is the caller's

    def begun(self, of: Connections) -> SqliteTransaction:
        of.require_open()
        if of.is_read_only:
            raise ReadOnlyStoreError(str(of.path))
        self.outer = of.current  # this very thread's: no other has the lock
        self.transaction = self._whole() if self.outer is None else self._part(self.outer)
        return self.transaction

    def _whole(self) -> SqliteTransaction:
        of = self.of
        self.connection = connection = of.writer or of.write_connection()
        _begin(connection)
        of.require_in_place()
        of.current, of.insists = self, False
        return SqliteTransaction(connection, of.now())

    def _part(self, outer: _Write) -> SqliteTransaction:
        self.transaction = transaction = outer.transaction
        transaction.go_on(self.of.now())
        self.depth, self.kept = outer.depth + 1, replace(transaction.state)
        self.connection = connection = self.of.writer or self.of.write_connection()
        connection.execute(f"savepoint part{self.depth}")
        self.of.current = self
        return transaction

    def end(self, error: BaseException | None) -> None:
        """Commit it."""
        of, connection = self.of, self.connection
        if error is not None or connection is None:
            return
        if not connection.in_transaction:  # by a fault that somebody has caught
            raise StoreAccessError(f"what was written to {str(of.path)!r} was rolled back")
        if self.outer is None:
            self.transaction.commit()
        else:
            connection.execute(f"release part{self.depth}")
        of.current, self.connection = self.outer, None
        if self.outer is None:
            of.wrote(self.transaction.state)

    def let_go(self, connection: Connection) -> None:
        """Undo what it has written."""
        if self.outer is None:
            self.of.roll_back(connection, is_done=self.is_done)
        else:
            with suppress(sqlite3.Error):  # it was rolled back with the whole
                self.transaction.take_back(self.kept)
                connection.execute(f"rollback to part{self.depth}")
                connection.execute(f"release part{self.depth}")
        self.of.current, self.connection = self.outer, None


_Maker = Callable[[], AbstractContextManager[SqliteTransaction]]


class Connections(Handles):
    """The uses of a file. Each runs within a `lease`: so whoever owns it knows when it is used."""

    def __init__(
        self, path: Path, *, synchronous: str, clock: Clock, lease: Lease, is_read_only: bool
    ) -> None:
        super().__init__(path, synchronous=synchronous, is_read_only=is_read_only)
        self._clock = clock
        self.lease = lease
        self.me: ReferenceType[Any] = ref(self)  # a use keeps no store open that nobody holds
        self.reading: _Maker = partial(_Read, me=self.me)
        """One moment of the file, until the block ends."""
        self.writing: _Maker = partial(_Write, me=self.me)
        """A transaction that commits if its body succeeds, and rolls back on anything else."""

    def now(self) -> Seconds:
        """What time it is, by the clock it was opened with."""
        clock = self._clock()
        is_plain = type(clock) is float and 0 <= clock < _FAR
        return round(clock, DECIMALS) if is_plain else seconds(clock, "clock()")

    def generation(self) -> int:
        """Writes committed so far, in one statement; −1 where a transaction will say why not."""
        self.require_open()
        generation, is_gone = -1, 0
        with suppress(*OF_SQLITE, ValueError, FeatherError), Use(me=self.me) as connection:
            ((generation, is_gone),) = connection.execute(GENERATION)
        return -1 if is_gone else generation

    def require_open(self) -> None:
        """See that it is open, and wake it if it rests."""
        if os.getpid() != self._pid:
            self._after_fork()
        if not self.is_open:
            raise ClosedStoreError(str(self.path))
        if self.is_resting:
            with self.lock:
                if self.is_resting and self.is_open:
                    self._wake()  # the file may be another than before the rest
                    self.is_resting = False

    def enter(self, token: object) -> None:
        """Tell those who fork that somebody is inside."""
        self._gate.inside[token] = get_ident()
        if self._gate.is_closed:
            self._gate.wait(token)

    def go_out(self, token: object) -> None:
        """Tell them that nobody is any more. Safe to call again."""
        self._gate.inside.pop(token, None)
        if self._gate.is_closed:
            self._gate.tell()

    def take(self) -> Connection:
        """One to read by, of the file that was opened."""
        self.require_in_place()
        if self.is_alone:
            self.look_again()
        try:
            return self.readers.pop()
        except IndexError:  # asking first would race with another thread
            return self.connect()

    def put_back(self, connection: Connection) -> None:
        """Keep it for the next who reads, unless there are enough."""
        if len(self.readers) >= IDLE_READERS or connection.access is not self.access:
            connection.close()
        else:
            self.readers.append(connection)
        if not self.is_open or self.is_resting:  # perhaps since a moment ago
            self._close_readers()

    def wrote(self, state: State) -> None:
        """See to what a commit has left to do: to the log, and to what is owed."""
        self.busy_at = monotonic()
        if not self._is_noted:
            self._is_noted = True
            self._idle.put(self.me)
        with suppress(OSError):  # who has removed the log may have it so
            if (size := os.stat(self._log_name).st_size) >= LOG_BYTES:  # noqa: PTH116
                self._shorten(size)
        if state.owed:
            self._settle()

    def require_in_place(self) -> None:
        """See that the file at the path is the one that was opened, or raise GoneStoreError."""
        try:
            found = os.stat(self._name)  # noqa: PTH116  in every use
            is_there = self.birth is None or os.path.samestat(found, self.birth)
        except OSError:
            is_there = False
        if not is_there:
            raise GoneStoreError(str(self.path))
