"""SQLite's write-ahead log, read as a file: which commits and pages are in it, and whose they are.

SQLite keeps its locks on the database and on the log's index, none on the log itself; so this
process may open it and close it.

Source: https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import SEEK_END, FileIO
from itertools import accumulate
from pathlib import Path
from struct import Struct
from struct import error as StructError  # noqa: N812  it is a class
from typing import Final, NamedTuple, Self

_MOST_BYTES: Final = 1 << 22  # a longer log is not looked through
_LOOKS: Final = 8  # at a log that others begin anew meanwhile
_HEADER: Final = Struct(">8xI4x8s8x")  # page size; salts
_FRAME: Final = Struct(
    ">II8s8x"
)  # number of the page that follows; not 0 if it ends a commit; salts
_LEAF: Final = 13  # the first byte of a leaf of a table
_LEAF_HEADER: Final = Struct(">B2xH3xH")  # that byte; entries; where the first one stands
_STORE_ID, _GENERATION = 1, 4  # of the columns of `state`, in every format
_SIZES: Final = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)  # bytes of a value, by its kind; text has its own


@dataclass(frozen=True, slots=True)
class Log:
    """A log as it was at one moment."""

    commits: int
    pages: frozenset[int]
    """Numbers, from 1, of all pages that were written to it."""

    @classmethod
    def read(cls, path: Path, frames: int) -> Log | None:
        """That of the database at `path`; None if there is none, or it is very long.

        Args:
            path: Of the database.
            frames: How many pages SQLite says are in it. What follows them is of older days.
        """
        try:
            with log_of(path).open("rb") as file:
                content = file.read(_MOST_BYTES)
        except FileNotFoundError:
            return None
        if len(content) < _HEADER.size:
            return None
        page_size, its_own = _HEADER.unpack_from(content)
        step = _FRAME.size + page_size
        if len(content) < _HEADER.size + frames * step:
            return None
        starts = range(_HEADER.size, _HEADER.size + frames * step, step)
        found = [_FRAME.unpack_from(content, at) for at in starts]
        if any(salts != its_own for _, _, salts in found):
            return None  # it has been begun anew since SQLite was asked
        return cls(sum(end > 0 for _, end, _ in found), frozenset(page for page, _, _ in found))


class Said(NamedTuple):
    """What a page of `state` says of the file that it is of."""

    store_id: str
    generation: int


def log_of(path: Path) -> Path:
    """Where SQLite keeps the log of the database at `path`: beside what a link there leads to."""
    return Path(f"{os.path.realpath(path)}-wal")


def logs_of(path: Path) -> list[Path]:
    """What SQLite may keep beside the file: the write-ahead log first. It belongs to the truth."""
    place = os.path.realpath(path)
    return [log_of(path), *(Path(place + each) for each in ("-shm", "-journal"))]


def is_foreign(path: Path, own: Callable[[], tuple[int, Said] | None]) -> bool:
    """Whether the log beside a database is certainly that of another.

    SQLite would not notice: its log carries salts, but nothing of the file that they belong to.
    Ours does. Each commit writes the page of `state`, which says whose it is and how many commits
    there were. So a file is at one of the generations of its log, or at the one before the first.

    A file that equals the log's own in every byte, as it was before the first commit in the log,
    cannot be told from it.

    Args:
        path: Of the database.
        own: Reads, from the file without its log, the number of the page of `state`, and what is
            said on it; None if it cannot be read so. Called between two looks at the log.
    """
    for _ in range(_LOOKS):
        with _Frames.of(path) as log:
            found = own()
            if log is None or found is None:
                return False
            page, said = found
            frames = log.counted()  # not before, for what was folded since is in the file
            first, last = frames.first(page), frames.last(page)
            if not frames.are_still_there():
                continue  # somebody uses it: it was folded into the file, and begun anew
        if first is None and last is None:
            return False  # nothing was committed to it
        return not _fit(said, first, last)
    return False


def _fit(said: Said, first: Said | None, last: Said | None) -> bool:
    ids = {each.store_id for each in (first, last) if each is not None}
    is_late_enough = first is None or said.generation >= first.generation - 1
    is_early_enough = last is None or said.generation <= last.generation
    return ids == {said.store_id} and is_late_enough and is_early_enough


@dataclass(frozen=True, slots=True)
class _Frames:
    """The frames of a log that are of its present round: each a page, and whether it ends a commit.

    What follows them in the file is of older days.
    """

    file: FileIO
    salts: bytes
    page_size: int
    count: int

    @classmethod
    @contextmanager
    def of(cls, path: Path) -> Iterator[Self | None]:
        """Those of the log of the database at `path`, uncounted; None if it has none, or a bare."""
        try:
            with log_of(path).open("rb", buffering=0) as file:
                header = file.read(_HEADER.size)
                if len(header) < _HEADER.size:
                    yield None
                else:
                    page_size, salts = _HEADER.unpack(header)
                    yield cls(file, salts, page_size, 0)
        except FileNotFoundError:
            yield None

    def counted(self) -> Self:
        """As many as there are by now."""
        size = self.file.seek(0, SEEK_END) - _HEADER.size
        here, beyond = 0, max(0, size // (_FRAME.size + self.page_size))
        while here < beyond:
            middle = (here + beyond) // 2
            is_ours = self._frame(middle)[2] == self.salts
            here, beyond = (middle + 1, beyond) if is_ours else (here, middle)
        return replace(self, count=here)

    def first(self, page: int) -> Said | None:
        """What the first commit says on a page of `state`; None if it says nothing."""
        found = None
        for at in range(self.count):
            number, end, _ = self._frame(at)
            if number == page:
                found = at
            if end:
                return None if found is None else self._said(found)
        return None

    def last(self, page: int) -> Said | None:
        """What the last commit that wrote a page of `state` says on it."""
        is_committed = False
        for at in reversed(range(self.count)):
            number, end, _ = self._frame(at)
            is_committed = is_committed or end > 0
            if is_committed and number == page:
                return self._said(at)
        return None

    def are_still_there(self) -> bool:
        """Whether the log has not been begun anew."""
        self.file.seek(0)
        header = self.file.read(_HEADER.size)
        return len(header) == _HEADER.size and _HEADER.unpack(header)[1] == self.salts

    def _frame(self, at: int) -> tuple[int, int, bytes]:
        content = self._read(at, 0, _FRAME.size)
        number, end, salts = _FRAME.unpack(content) if len(content) == _FRAME.size else (0, 0, b"")
        return number, end, salts

    def _said(self, at: int) -> Said | None:
        return said_on(self._read(at, _FRAME.size, self.page_size))

    def _read(self, at: int, offset: int, size: int) -> bytes:
        self.file.seek(_HEADER.size + at * (_FRAME.size + self.page_size) + offset)
        return self.file.read(size)


def said_on(page: bytes) -> Said | None:
    """What a page of `state` says, which is a leaf with one row; None if it is another page."""
    try:
        kind, entries, at = _LEAF_HEADER.unpack_from(page)
        if (kind, entries) != (_LEAF, 1):
            return None
        _, at = _number(page, at)  # bytes of the row
        _, at = _number(page, at)  # its rowid
        size, types_at = _number(page, at)
        values_at, kinds = at + size, []
        while types_at < at + size:
            kind, types_at = _number(page, types_at)
            kinds.append(kind)
        offsets = list(accumulate(map(_size_of, kinds), initial=values_at))
        store_id, generation = (page[offsets[i] : offsets[i + 1]] for i in (_STORE_ID, _GENERATION))
        known = {8: 0, 9: 1}.get(kinds[_GENERATION], int.from_bytes(generation, signed=True))
        return Said(store_id.decode(), known)
    except (IndexError, StructError, UnicodeDecodeError):
        return None


def _number(page: bytes, at: int) -> tuple[int, int]:
    """A number of SQLite's, seven bits a byte, and where it ends. Ours never take nine bytes."""
    number = 0
    while (byte := page[at]) & 0x80:
        number, at = (number | byte & 0x7F) << 7, at + 1
    return number | byte, at + 1


def _size_of(kind: int) -> int:
    return _SIZES[kind] if kind < len(_SIZES) else (kind - 12) // 2
