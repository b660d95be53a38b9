"""What SQLite's errors mean to a caller."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from feather_memory.config import BUSY_SECONDS
from feather_memory.errors import (
    BusyStoreError,
    CorruptStoreError,
    FeatherError,
    StoreAccessError,
    StoreFullError,
)
from feather_memory.truth.sqlite.log import log_of

OF_SQLITE = (sqlite3.Error,)
OURS = (*OF_SQLITE, ArithmeticError, LookupError, TypeError, ValueError)
"""What reading odd rows raises, too."""

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_AMISS = ("no such ", "error in tokenizer", "parse error in tokenize")  # of a table not as made
_FAILED = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
_READS = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ}
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_PROBE_BYTES: Final = 64 * 1024
_READ_BYTES: Final = 1024 * 1024
_PRIMARY = 0xFF  # SQLite's extended error codes carry the primary code in their low byte


def translated(error: sqlite3.Error, path: Path) -> FeatherError | None:
    """What the error means to a caller; None if it is a mistake of ours."""
    name, extended = str(path), getattr(error, "sqlite_errorcode", 0)
    code = extended & _PRIMARY
    if "decode to UTF-8" in str(error):  # raised by Python, so it has no code
        return CorruptStoreError(name, f"damaged text: {error}")
    if code in _BUSY:
        return BusyStoreError(f"another process kept {name!r} locked for over {BUSY_SECONDS:g} s")
    if code in _DAMAGED or (code == sqlite3.SQLITE_ERROR and str(error).startswith(_AMISS)):
        return CorruptStoreError(name, str(error))
    if code == sqlite3.SQLITE_FULL or (
        code in _FAILED and extended not in _READS and not _has_room(path)
    ):
        return StoreFullError(f"no room left on the disk of {name!r}; the write was rolled back")
    if code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
        return StoreAccessError(f"cannot read or write {name!r}: {error}")
    return None


def is_unreadable(path: Path) -> bool:
    """Whether the disk refuses to read anything of the file or its log, which SQLite has open.

    SQLite tells `EIO` as damage. The file is read by SQLite's own handles: whoever closes one of
    their own lets go of the locks of this process. Where no system tells which those are: False.
    """
    with suppress(OSError):
        births = [each.stat() for each in (path, log_of(path)) if each.exists()]
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  names are all that is wanted
            with suppress(ValueError, FileNotFoundError):
                if _is_refused(int(name), births):
                    return True
    return False


def _is_refused(handle: int, births: list[os.stat_result]) -> bool:
    try:
        own = os.fstat(handle)
        if any(os.path.samestat(own, birth) for birth in births):
            for start in range(0, own.st_size, _READ_BYTES):
                os.pread(handle, _READ_BYTES, start)
    except OSError as error:
        return error.errno == errno.EIO
    return False


def _has_room(path: Path) -> bool:
    """Whether more can be written beside the file, and to as great a length as it and its log have.

    SQLite tells a full disk, but neither a quota that is used up nor a limit to the length of files
    from a disk that is broken.
    """
    import tempfile  # with what compresses files, and only where something failed

    longest = 0
    for each in (path, log_of(path)):
        with suppress(OSError):
            longest = max(longest, each.stat().st_size)
    try:
        with tempfile.TemporaryFile(dir=path.parent, buffering=0) as probe:
            probe.seek(longest)
            return probe.write(bytes(_PROBE_BYTES)) == _PROBE_BYTES
    except OSError as error:
        return error.errno not in _NO_ROOM
