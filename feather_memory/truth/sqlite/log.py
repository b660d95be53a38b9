"""SQLite's write-ahead log, read as a file: how many commits, and which pages, are in it.

SQLite keeps its locks on the database and on the log's index, none on the log itself; so this
process may open it and close it.

Source: https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Final

_MOST_BYTES: Final = 1 << 22  # a longer log is not looked through
_HEADER: Final = Struct(">8xI4x8s8x")  # page size; salts
_FRAME: Final = Struct(
    ">II8s8x"
)  # number of the page that follows; not 0 if it ends a commit; salts


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
            with path.with_name(f"{path.name}-wal").open("rb") as file:
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
