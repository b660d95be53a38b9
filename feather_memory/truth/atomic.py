"""Files that are there whole, or not at all: a new one, or one in the place of an older."""

from __future__ import annotations

import errno
import glob
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from feather_memory.config import ABANDONED_SECONDS
from feather_memory.model.names import SUFFIX

_UNLINKED: Final = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""What file systems say that have no hard links: FAT, and some over a network."""

_UNBORN: Final = re.compile(r"(.+)\.[0-9a-f]{8}\.new(-wal|-shm|-journal)?")
_swept: set[Path] = set()


@contextmanager
def newborn(path: Path, *, is_durable: bool = False) -> Iterator[Path]:
    """A name beside `path` to build a file under, which is `path` once the block has ended.

    It is linked into its place, so that nobody ever sees half a file, not even after a kill.

    Args:
        path: Where the file is to be.
        is_durable: Whether it is to be there after a power cut, too.

    Raises:
        FileExistsError: Something is at `path` by then. It stays as it is.
    """
    with unnamed(path) as beside:
        yield beside
        if is_durable:
            _sync(beside)
        try:
            os.link(beside, path)
        except OSError as error:
            if error.errno not in _UNLINKED:
                raise
            _move(beside, path)
        if is_durable:
            sync_directory(path.parent)


def _move(beside: Path, path: Path) -> None:
    """Bring a file to where nothing is, without a link: of those who do, one after the other.

    A lock on the directory goes with its holder. Where the system has none, renaming itself
    refuses to replace a file.
    """
    handle = os.open(path.parent, os.O_RDONLY) if os.name == "posix" else None
    try:
        if handle is not None:
            import fcntl  # not everywhere

            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        beside.rename(path)
    finally:
        if handle is not None:
            os.close(handle)


@contextmanager
def unnamed(path: Path) -> Iterator[Path]:
    """A name beside `path` to build a file under. What is there when the block ends is removed."""
    beside = path.with_name(f"{path.name}.{os.urandom(4).hex()}.new")
    try:
        yield beside
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            beside.with_name(beside.name + suffix).unlink(missing_ok=True)


def begin(path: Path, mode: int) -> None:
    """Make an empty file that just those may read and write whom the permissions name."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    path.chmod(mode)  # what the umask took away


def unborn(path: Path) -> list[Path]:
    """What those who were killed while they made `path` left beside it: each before its logs.

    Whoever is making it at this moment has theirs among these: without it they fail, cleanly.
    """
    return sorted(path.parent.glob(f"{glob.escape(path.name)}.{'[0-9a-f]' * 8}.new*"))


def sweep(path: Path) -> None:
    """Remove what those who were killed left in the directory of `path`, once in a process.

    Of files that were to be `path` or a store, what nobody had written to for an hour when
    anything last changed there.
    """
    directory = path.parent
    if directory in _swept:
        return
    _swept.add(directory)
    with suppress(OSError), os.scandir(directory) as entries:
        # By the file system's own clock: when anything last came into the directory, or went.
        oldest = directory.stat().st_mtime - ABANDONED_SECONDS
        for entry in entries:
            found = _UNBORN.fullmatch(entry.name)
            if found and (found[1] == path.name or found[1].endswith(SUFFIX)):
                with suppress(OSError):  # somebody else has removed it, or may
                    if entry.stat(follow_symlinks=False).st_mtime < oldest:
                        Path(entry.path).unlink()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new empty file beside `path` that takes its place at the end, durably and in one step.

    On any failure it is removed, and what was at `path` is as it was. It has the permissions of
    the store's own file (`path` without its last suffix), or the owner's alone if there is none.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        mode = path.with_suffix("").stat().st_mode & 0o666
    except OSError:
        mode = 0o600
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        yield temporary
        _sync(temporary)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


def discard(path: Path) -> None:
    """Remove the file, and what writers that were killed left of theirs."""
    for each in (path, *leftovers(path)):
        each.unlink(missing_ok=True)


def leftovers(path: Path) -> list[Path]:
    """What writers that were killed left beside the file they were replacing."""
    prefix = f".{path.name}."
    with os.scandir(path.parent) as entries:
        return [
            Path(entry.path)
            for entry in entries
            if entry.name.startswith(prefix) and entry.name.endswith(".tmp")
        ]


def _sync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Make the renaming durable, where the system can do that."""
    with suppress(OSError):  # Windows cannot open a directory; some file systems cannot sync one
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
