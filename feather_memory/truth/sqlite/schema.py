"""The file itself: its birth, and how one that is not ours is recognised."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from feather_memory.errors import (
    CorruptStoreError,
    ForeignLogError,
    NewerFormatError,
    StoreAccessError,
)
from feather_memory.model import words
from feather_memory.truth.atomic import begin, newborn
from feather_memory.truth.sqlite import sums
from feather_memory.truth.sqlite.access import without_log
from feather_memory.truth.sqlite.log import Said, is_foreign, log_of
from feather_memory.truth.sqlite.tables import TABLES
from feather_memory.truth.state import DamagedRowError
from feather_memory.types import Seconds

FORMAT = 3
"""Counts changes of the tables that older releases could not read. Kept as `user_version`."""

APPLICATION_ID = 0x46544852
"""`FTHR`, SQLite's mark of whose file it is."""

_BIRTH = """
    insert into state (only, store_id, tenant, generation, next_row, language, tokenizer)
    values (1, ?, ?, 0, 1, ?, ?)
"""
_HISTORY = "update state set store_id = ?, snapshot = null"
_OWNERS_ALONE = 0o600  # SQLite gives the log the same permissions
_PAGE_OF_STATE = "select rootpage from sqlite_schema where type = 'table' and name = 'state'"
_HEADER_BYTES = 100
_TRIES = 3


def format_within(connection: sqlite3.Connection, path: Path) -> int:
    """The file's format, asked of SQLite: the header may still be in the log.

    Raises:
        NewerFormatError: A later release wrote it.
    """
    version: int = connection.execute("pragma user_version").fetchone()[0]
    if version > FORMAT:
        raise NewerFormatError(str(path), found=version, known=FORMAT)
    return version


def said_in(connection: sqlite3.Connection, path: Path) -> tuple[str | None, Seconds]:
    """Which model made the vectors, if anybody said, and the last recorded moment, of this format.

    Raises:
        DamagedRowError: It says nothing of itself.
        NewerFormatError: A later release made its words: this one would find few of them.
    """
    row = connection.execute("select embedder, latest, tokenizer from state").fetchone()
    if row is None:
        raise DamagedRowError("the file says nothing of itself")
    if row[2] > words.VERSION:
        raise NewerFormatError(
            str(path), found=row[2], known=words.VERSION, what="words of version"
        )
    return row[0], row[1]


def owner_in(connection: sqlite3.Connection) -> str | None:
    """Whose file it is; also of one in an older format.

    Raises:
        DamagedRowError: It says nothing of itself.
    """
    row: tuple[str | None] | None = connection.execute("select tenant from state").fetchone()
    if row is None:
        raise DamagedRowError("the file says nothing of itself")
    return row[0]


def is_gone(connection: sqlite3.Connection) -> bool:
    """Whether the file is being removed; one in an older format cannot say so."""
    try:
        row: tuple[int] | None = connection.execute("select is_gone from state").fetchone()
    except sqlite3.OperationalError as error:
        if "no such column" in str(error):
            return False
        raise
    return row == (1,)


def create(path: Path, tenant: str | None, language: str) -> None:
    """Make an empty store at `path`, or leave the one that another process just made."""
    with suppress(FileExistsError), newborn(path) as beside:
        _build(beside, tenant, language)


def _build(path: Path, tenant: str | None, language: str) -> None:
    begin(path, _OWNERS_ALONE)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("pragma page_size = 4096")
        connection.execute(f"pragma application_id = {APPLICATION_ID}")
        connection.execute(f"pragma user_version = {FORMAT}")
        connection.executescript(f"begin; {TABLES} commit;")
        connection.execute(_BIRTH, (os.urandom(16).hex(), tenant, language, words.VERSION))
        sums.seal(connection, "state")
        connection.execute("pragma journal_mode = wal")
    finally:
        connection.close()


def inspect(path: Path) -> None:
    """Refuse what is not a whole file of ours, changing nothing and making no file beside it.

    SQLite itself reads the header: whoever else opens the file in this process and closes it lets
    go of the locks that this process's other connections hold, for that is how POSIX locks are.
    Then another process that closes the store would delete the log from under them.

    Raises:
        StoreAccessError: `path` is a directory, or cannot be read.
        CorruptStoreError: It is empty, truncated, or somebody else's.
        ForeignLogError: The log beside it is another file's, which was there before.
        NewerFormatError: A later release wrote it.
    """
    name = str(path)
    size = _size(path)
    if size == 0:
        raise CorruptStoreError(name, "it is empty (0 bytes)")
    if size < _HEADER_BYTES:
        raise CorruptStoreError(name, f"it is only {size} bytes long")
    for _ in range(_TRIES):  # the log that was being folded into it may be gone a moment later
        is_whole, application, version = _marks(path)
        # While a log lies beside it, SQLite itself decides what is whole: it may be mid-checkpoint.
        if is_whole or _has_log(path):
            break
    else:
        raise CorruptStoreError(
            name,
            f"it is truncated or damaged ({size} bytes), or was copied while somebody wrote to it, "
            "without its log",
        )
    if application != APPLICATION_ID:
        raise CorruptStoreError(name, "it is a SQLite database of another application")
    if version > FORMAT:
        raise NewerFormatError(name, found=version, known=FORMAT)
    if _has_log(path) and is_foreign(path, partial(_said_without_log, path)):
        raise ForeignLogError(name, str(log_of(path)))


def refuse_orphan(path: Path) -> None:
    """See that no log lies where a store is to be made: SQLite would take it for the new one's.

    Raises:
        StoreAccessError: There is one.
    """
    if _has_log(path) and not path.exists():  # in this order: somebody may just have made it
        raise StoreAccessError(
            f"{str(log_of(path))!r} is the log of a store that is gone: put its file back, or "
            "remove the log, and nothing was made"
        )


def begin_history(connection: sqlite3.Connection) -> None:
    """Have a copy be a file of its own: the log of what it was copied from is not its log.

    No mapped file is its own yet, either.
    """
    connection.execute(_HISTORY, (os.urandom(16).hex(),))
    if connection.execute("pragma user_version").fetchone() == (FORMAT,):
        sums.seal_state(connection)


def _said_without_log(path: Path) -> tuple[int, Said] | None:
    """On which page the file says whose it is, and what; None if it cannot be read by itself."""
    try:
        with closing(sqlite3.connect(without_log(path), uri=True)) as connection:
            (page,) = connection.execute(_PAGE_OF_STATE).fetchone()
            said = connection.execute("select store_id, generation from state").fetchone()
        return page, Said(*said)
    except (sqlite3.Error, TypeError):  # it needs its log; or there is no such table, or row
        return None


def _marks(path: Path) -> tuple[bool, int, int]:
    """Whether it is whole, `application_id` and `user_version`, as the file says without its log.

    Raises:
        CorruptStoreError: It is no database.
        StoreAccessError: It cannot be read.
    """
    try:
        application, version, page_size = _header(path)
    except sqlite3.DatabaseError as error:
        code = error.sqlite_errorcode & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            raise CorruptStoreError(str(path), "it is not a SQLite database") from error
        if code != sqlite3.SQLITE_CORRUPT:
            raise StoreAccessError(f"cannot open {str(path)!r}: {error}") from error
        return False, APPLICATION_ID, FORMAT
    return _size(path) % page_size == 0, application, version


def _header(path: Path, tries: int = _TRIES) -> tuple[int, int, int]:
    """`application_id`, `user_version` and the size of a page, as the file says without its log."""
    try:
        with closing(sqlite3.connect(without_log(path), uri=True)) as connection:
            application, version, page_size = (
                connection.execute(f"pragma {name}").fetchone()[0]
                for name in ("application_id", "user_version", "page_size")
            )
    except sqlite3.DatabaseError:
        if tries > 1:  # its length may have been that of a moment later
            return _header(path, tries - 1)
        raise
    return application, version, page_size


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise StoreAccessError(f"cannot open {str(path)!r}: {error.strerror}") from error


def _has_log(path: Path) -> bool:
    try:
        return log_of(path).stat().st_size > 0
    except FileNotFoundError:  # asking first would race with the last who closes the store
        return False
