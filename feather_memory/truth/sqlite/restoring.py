"""A file takes the place of another: a backup is copied, and its copy put where the store was.

The copy is built beside its place, checked, and then renamed into it, which is one step. Until then
the old file is locked and whole by itself, with no log beside it; from then on the new one is. So a
kill leaves either. Whoever had just opened the old file finds it marked as gone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from feather_memory.errors import (
    BusyStoreError,
    CorruptStoreError,
    FeatherError,
    ForeignLogError,
    StoreAccessError,
    WrongTenantError,
)
from feather_memory.truth.atomic import begin, sync_directory, unborn, unnamed
from feather_memory.truth.sqlite import schema, shape
from feather_memory.truth.sqlite.access import Access, without_log
from feather_memory.truth.sqlite.faults import translated
from feather_memory.truth.sqlite.log import logs_of
from feather_memory.truth.state import DamagedRowError

_WAIT: Final = 1.0
"""Seconds for whoever is just closing the file. Who has it open does not let go of it."""

_GONE: Final = "update state set is_gone = 1"


def restore(source: Path, target: Path, let_go: Callable[[], None]) -> None:
    """Put a copy of the file at `source` in the place `target`, whatever is there.

    Args:
        source: A store; also one that somebody has open. It is only read. The same as `target`
            where a foreign log lies beside that: then the log goes.
        target: Where it is to be. Its folder must exist.
        let_go: Removes what is derived of what was at `target`.

    Raises:
        BusyStoreError: Somebody has what is at `target` open. As with every error, nothing changed.
        WrongTenantError: What is at `target` belongs to another tenant.
        StoreAccessError: There is no backup, or it cannot be read, or the place not written.
        CorruptStoreError: The backup is not one of ours, truncated or damaged.
        NewerFormatError: A later release wrote the backup, or what is at `target`.
    """
    target = target.resolve()  # a link goes on leading there
    if not target.parent.is_dir():
        raise StoreAccessError(f"cannot write {str(target)!r}: no such folder")
    for left in unborn(target):  # by those who were killed
        left.unlink(missing_ok=True)
    try:
        with _opened(source, target) as backup, unnamed(target) as beside:
            owner = _copy(backup, source, beside, _mode(target) or _mode(source))
            backup.close()  # before another connection may let go of its lock
            with _cleared(target, owner):
                let_go()
                for log in logs_of(target):
                    log.unlink(missing_ok=True)
                beside.replace(target)
        sync_directory(target.parent)
    except sqlite3.Error as error:
        raise translated(error, target) or error from error
    except OSError as error:
        if isinstance(error, FeatherError):
            raise
        raise StoreAccessError(f"cannot restore {str(target)!r}: {error}") from error


def _mode(path: Path) -> int:
    """Who may read and write it; 0 if there is none."""
    with suppress(FileNotFoundError):
        return path.stat().st_mode & 0o777
    return 0


@contextmanager
def _opened(source: Path, target: Path) -> Iterator[sqlite3.Connection]:
    """The backup, to be read."""
    is_same = target.exists() and source.samefile(target)
    try:
        schema.inspect(source)
    except ForeignLogError:
        access = Access(without_log(source))
    else:
        if is_same:
            raise StoreAccessError(f"{str(source)!r} cannot be restored from itself")
        access = Access.to_read(source)
    with closing(access.connect()) as connection:
        yield connection


def _copy(backup: sqlite3.Connection, source: Path, beside: Path, mode: int) -> str | None:
    """Copy the backup to an empty file, whole and sound; whose it is."""
    begin(beside, mode)
    try:
        with closing(sqlite3.connect(beside, isolation_level=None)) as copy:
            backup.backup(copy)
            schema.format_within(copy, source)
            shape.refuse_triggers(copy, source)
            owner = schema.owner_in(copy)
            if copy.execute("pragma quick_check(1)").fetchone() != ("ok",):
                raise CorruptStoreError(str(source), "its pages are damaged")
            schema.begin_history(copy)
            copy.execute("pragma journal_mode = wal")
    except (sqlite3.DatabaseError, UnicodeDecodeError, DamagedRowError) as error:
        known = translated(error, beside) if isinstance(error, sqlite3.Error) else None
        if known is not None and not isinstance(known, CorruptStoreError):
            raise known from error
        raise CorruptStoreError(str(source), str(error)) from error
    return owner


@contextmanager
def _cleared(target: Path, owner: str | None) -> Iterator[None]:
    """The place, with nobody in it, and without a log: what is there can be replaced."""
    try:
        is_store = target.exists()
        if is_store:
            schema.inspect(target)
    except CorruptStoreError:  # nobody can have that open
        is_store = False
    if not is_store:
        yield
        return
    uri = f"{target.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_WAIT)) as connection:
        if _is_taken(connection, target):
            with suppress(sqlite3.DatabaseError, DamagedRowError):  # nobody can tell whose it was
                found = schema.owner_in(connection)
                if found not in {None, owner}:
                    raise WrongTenantError(str(target), expected=str(owner), found=found)
        yield
        with suppress(sqlite3.Error):  # of an older format, or damaged
            connection.execute("pragma journal_mode = memory")  # its own would be the new file's
            connection.execute(_GONE)


def _is_taken(connection: sqlite3.Connection, target: Path) -> bool:
    """Lock the file, and bring all of it into the one; False if it is too damaged for that."""
    try:
        connection.execute("pragma locking_mode = exclusive")
        # It fails where any connection is open, even an idle one.
        connection.execute("begin exclusive")
        connection.execute("commit")
        connection.execute("pragma journal_mode = delete")  # which folds the log, and removes it
    except sqlite3.DatabaseError as error:
        known = translated(error, target)
        if isinstance(known, BusyStoreError):
            raise BusyStoreError(
                f"somebody has {str(target)!r} open: close it everywhere, then restore it"
            ) from error
        if known is None or isinstance(known, CorruptStoreError):
            return False
        raise known from error
    return True
