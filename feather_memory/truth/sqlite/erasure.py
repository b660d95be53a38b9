"""What was deleted leaves the file, too: a debt that is marked with the delete, and paid after it.

The log is folded into the file and cut to nothing. Then, while nobody else can write, what SQLite
left behind in the file's pages is overwritten by `gaps`, in a process of its own, and meanwhile
what is derived lets go of what is gone. Where that cannot be, or most of the file is free, the
file is rewritten instead. Only then is the mark cleared, which is a commit: so every other
connection drops the pages that it has kept, with what was left behind in them.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from feather_memory.errors import (
    BusyStoreError,
    CorruptStoreError,
    FeatherError,
    StoreAccessError,
    StoreFullError,
)
from feather_memory.truth.sqlite.faults import translated
from feather_memory.truth.sqlite.log import Log, log_of
from feather_memory.types import Seconds

_WRITER: Final = "another writer is at work in it"
_PAUSE: Final = 0.002  # seconds between two tries: those who write look as often
_PATIENT: Final = 1.0  # seconds of tries between those who read and write
_LONGEST_WAIT: Final = 1.0
"""Seconds that each later try waits for those who read older moments. Nobody writes meanwhile, and
who comes to read then is not in the way: so it gets done beside readers who are always there."""
_ROOMY: Final = 256  # pages: a smaller file is not worth rewriting for the room that is free in it
_WIPE: Final = "import sys; sys.path.append(sys.argv[1]); import gaps; gaps.main(*sys.argv[2:])"


class _NotYetError(Exception):
    """Why it cannot be paid at this moment."""


def pay(
    connection: sqlite3.Connection,
    path: Path,
    let_go: Callable[[sqlite3.Connection], None],
    *,
    patience: Seconds,
) -> None:
    """Erase what is owed, if anything is.

    Args:
        connection: The payer's own, outside a transaction. It keeps pages with what was left
            behind in them, so it must write nothing else.
        path: Of the file.
        let_go: Called within a write transaction: has what is derived let go of what is gone.
        patience: How long to wait for those who read or write.

    Raises:
        BusyStoreError: Somebody still does. It stays owed.
        StoreFullError: The disk is full. It stays owed, as after any other fault.
        StoreAccessError: The file cannot be read or written.
        CorruptStoreError: It is damaged.
    """
    until, wait = time.monotonic() + patience, 0.0
    try:
        while _said(connection, "owed"):
            connection.execute(f"pragma busy_timeout = {wait * 1_000:.0f}")
            try:
                _erase(connection, path, let_go)
            except (_NotYetError, sqlite3.OperationalError) as error:
                if (reason := _passing(error)) is None:
                    raise
                if (left := until - time.monotonic()) <= 0:
                    raise BusyStoreError(_owed(path, reason)) from error
                time.sleep(_PAUSE)
                wait = min(_LONGEST_WAIT, left) if patience - left > _PATIENT else 0.0
    except (sqlite3.Error, OSError) as error:
        raise _still_owed(path, error) or error from error


def _erase(
    connection: sqlite3.Connection, path: Path, let_go: Callable[[sqlite3.Connection], None]
) -> None:
    is_paid: bool | None = False
    is_rewritten = _is_mostly_free(connection)
    while not is_paid:
        if is_rewritten:
            connection.execute("vacuum")
        generation, suspects = _said(connection, "generation"), _suspects(connection, path)
        _fold(connection)
        with _alone(connection):
            if _log_size(path) or _said(connection, "generation") != generation:
                raise _NotYetError(_WRITER)
            if is_rewritten:
                let_go(connection)
            is_paid = is_rewritten or _is_wiped(path, suspects, lambda: let_go(connection))
            if is_paid:
                connection.execute("update state set owed = 0, tidy = generation")
        if is_paid is None:  # what is derived has let go, which was to be committed
            raise _NotYetError("somebody folds its log")
        is_rewritten = True


def _suspects(connection: sqlite3.Connection, path: Path) -> Collection[int]:
    """Pages in which anything may be left, once the log is folded; none: in any of the file.

    The file was tidy as of a generation. If all that was committed since is in the log, which is
    so if it has as many commits, no other page of the file has changed.
    """
    generation, tidy = connection.execute("select generation, tidy from state").fetchone()
    _, frames, _ = connection.execute("pragma wal_checkpoint(passive)").fetchone()
    log = Log.read(path, frames)
    if tidy is None or log is None or log.commits < generation - tidy:
        return ()
    return log.pages


def _said(connection: sqlite3.Connection, name: str) -> int:
    """A number that the file says of itself."""
    number: int = connection.execute(f"select {name} from state").fetchone()[0]
    return number


@contextmanager
def _alone(connection: sqlite3.Connection) -> Iterator[None]:
    """A write transaction."""
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        with suppress(sqlite3.ProgrammingError):  # it was cut short, and is closed by now
            connection.rollback()
        raise


def _is_mostly_free(connection: sqlite3.Connection) -> bool:
    """Whether rewriting costs less than what was deleted has cost."""
    ((free,), (pages,)) = (
        connection.execute(f"pragma {name}").fetchone() for name in ("freelist_count", "page_count")
    )
    return bool(pages > _ROOMY and 2 * free > pages)


def _fold(connection: sqlite3.Connection) -> None:
    """Bring the log into the file, and cut it to nothing."""
    is_busy, _, _ = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
    if is_busy:
        connection.execute("begin immediate")  # fails if it is a writer who is in the way
        connection.rollback()
        raise _NotYetError("somebody still reads an older moment of it")


def _log_size(path: Path) -> int:
    try:
        return log_of(path).stat().st_size
    except FileNotFoundError:
        return 0


def _is_wiped(path: Path, numbers: Collection[int], meanwhile: Callable[[], None]) -> bool | None:
    """Whether nothing is left in these pages, or in all; else the file cannot be wiped here.

    None: not yet, for somebody folds its log.

    Args:
        path: Of the file.
        numbers: The pages; none for all.
        meanwhile: Called once in any case, while that is done: to start a process takes as long.
    """
    is_python = Path(sys.executable or "").name.lower().startswith(("python", "pypy"))
    if not is_python or getattr(sys, "frozen", False) or not hasattr(os, "posix_spawn"):
        meanwhile()
        return False  # to start it would start a program that has Python in it once more
    unwritten = ["-B"] * sys.dont_write_bytecode
    place = os.path.realpath(path)  # beside which its shared memory is, too
    asked = [str(Path(__file__).parent), place, ",".join(map(str, numbers))]
    with _Program([sys.executable, "-I", "-S", *unwritten, "-c", _WIPE, *asked]) as program:
        meanwhile()
    return None if program.said == "busy" else program.said.startswith("wiped ")


class _Program:
    """A program that runs beside a block; what it `said` is there at the end of it.

    `subprocess` does the same, but to import it takes as long as half of the wiping.
    """

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._child = 0
        self.said = ""

    def __enter__(self) -> Self:
        reading, writing = os.pipe()
        self._saying = os.fdopen(reading, encoding="ascii", errors="replace")
        silent = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
        spoken = (os.POSIX_SPAWN_DUP2, writing, 1)
        try:
            with suppress(OSError):  # it says nothing, then
                self._child = os.posix_spawn(
                    self._command[0], self._command, {}, file_actions=[silent, spoken]
                )
        finally:
            os.close(writing)
        return self

    def __exit__(self, *_: object) -> None:
        with self._saying:
            try:
                self.said = self._saying.read().strip()
            finally:
                if self._child:
                    with suppress(ChildProcessError):  # who ignores the ends is told of none
                        os.waitpid(self._child, 0)


def _passing(error: Exception) -> str | None:
    """Why it cannot be paid now, but perhaps in a moment; None if it is another fault."""
    if isinstance(error, _NotYetError):
        return str(error)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _WRITER if code == sqlite3.SQLITE_BUSY else None


def _owed(path: Path, reason: str) -> str:
    return (
        f"what was deleted is gone from {str(path)!r}, but its bytes are still owed: {reason}. "
        "Whoever writes, closes or opens it next erases them"
    )


def _still_owed(path: Path, error: Exception) -> FeatherError | None:
    """What an error means after the delete was committed; None if it is a mistake of ours."""
    if isinstance(error, FeatherError):
        return error
    if isinstance(error, OSError):
        return StoreAccessError(_owed(path, str(error)))
    known = translated(error, path) if isinstance(error, sqlite3.Error) else None
    if isinstance(known, StoreFullError):
        return StoreFullError(_owed(path, "no room is left on its disk"))
    if isinstance(known, StoreAccessError):
        return StoreAccessError(_owed(path, str(error)))
    if isinstance(known, CorruptStoreError):
        return CorruptStoreError(str(path), _owed(path, str(error)))
    return known
