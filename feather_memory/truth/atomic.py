"""A file that is there whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def newborn(path: Path) -> Iterator[Path]:
    """A name beside `path` to build a file under, which is `path` once the block has ended.

    It is linked into its place, so that nobody ever sees half a file, not even after a kill.

    Raises:
        FileExistsError: Something is at `path` by then. It stays as it is.
    """
    beside = path.with_name(f"{path.name}.{os.urandom(4).hex()}.new")
    try:
        yield beside
        os.link(beside, path)
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            beside.with_name(beside.name + suffix).unlink(missing_ok=True)
