"""What SQLite's errors mean to a caller."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from feather_memory.config import BUSY_SECONDS
from feather_memory.errors import (
    BusyStoreError,
    CorruptStoreError,
    FeatherError,
    StoreAccessError,
    StoreFullError,
)

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
