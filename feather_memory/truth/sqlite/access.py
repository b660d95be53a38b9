"""What a place allows: to write, or to read beside those who write, or to read what stands there.

SQLite reads a file in WAL mode with the help of an index of its log, which it makes beside the
file. Where none can be made, and nobody has made one, nobody writes just now: then the file is read
as it stands, without a lock. Should somebody write to it from elsewhere, its stamps tell.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from feather_memory.truth.sqlite.log import logs_of

Stamps = tuple[tuple[int, int, int] | None, ...]
"""Of the file, its log and the log's index: which file it is, its size, and when it was written."""

_EFFECTIVE = os.access in os.supports_effective_ids


@dataclass(frozen=True, slots=True)
class Access:
    """How SQLite is to open a file."""

    uri: str
    is_read_only: bool = False
    is_alone: bool = False
    """Without locks: nobody else may be writing."""
    is_beside: bool = False
    """By the log's index of who writes: there is none once they have closed the file."""
    pragmas: tuple[str, ...] = ()
    """To be said before anything is read."""

    @classmethod
    def to_write(cls, path: Path) -> Self:
        """To read and write it."""
        return cls(f"{path.absolute().as_uri()}?mode=rw")

    @classmethod
    def to_read(cls, path: Path) -> Self:
        """To read it only, as well as the place allows."""
        uri = path.absolute().as_uri()
        log, index, _ = logs_of(path)
        if is_writable(path):  # the last to close it tidies up beside it
            return cls(f"{uri}?mode=rw", is_read_only=True, pragmas=("query_only = on",))
        if index.exists() and log.exists():
            return cls(f"{uri}?mode=ro", is_read_only=True, is_beside=True)
        if _size(log):  # its index is made in memory
            vfs = "win32-none" if os.name == "nt" else "unix-none"
            pragmas = ("locking_mode = exclusive",)
            return cls(f"{uri}?mode=ro&vfs={vfs}", True, True, pragmas=pragmas)
        return cls(without_log(path), is_read_only=True, is_alone=True)

    def stands(self, path: Path) -> bool:
        """Whether what it needs beside the file is there."""
        return not self.is_beside or all(each.exists() for each in logs_of(path)[:2])

    def connect(self) -> sqlite3.Connection:
        """A connection, outside a transaction."""
        connection = sqlite3.connect(self.uri, uri=True, isolation_level=None)
        for pragma in self.pragmas:
            connection.execute(f"pragma {pragma}")
        return connection


def without_log(path: Path) -> str:
    """What SQLite opens the file by as it is on disk, without its log, and without any lock."""
    return f"{path.absolute().as_uri()}?mode=ro&immutable=1"


def is_writable(path: Path) -> bool:
    """Whether this process may write the file, and its log: there is one, or one can be made.

    The last to close the file removes its log; what goes as it is looked at refuses nobody.
    """
    beside = logs_of(path)[:2]
    if any(map(_is_refused, (path, *beside))):
        return False
    return all(each.exists() for each in beside) or _may_write(path.parent)


def _is_refused(path: Path) -> bool:
    """Whether a file is there that may not be written. The system says the same of none."""
    while (there := _birth(path)) is not None:
        if _may_write(path):
            return False
        if _birth(path) == there:
            return True
    return False


def stamps(path: Path) -> Stamps:
    """What changes when somebody writes the file."""
    return tuple(map(_stamp, (path, *logs_of(path)[:2])))


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=_EFFECTIVE)


def _birth(path: Path) -> tuple[int, int] | None:
    """Which file is there, and since when it is as it is; None for none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns


def _size(path: Path) -> int:
    found = _stamp(path)
    return 0 if found is None else found[1]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
