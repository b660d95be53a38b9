"""Which threads open files: what a loop runs in should open none.

Python tells of every file that it opens, and of every database, in the thread that does.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple


class _Opening(NamedTuple):
    what: str
    thread: int


_listeners: list[list[_Opening]] = []


def _hear(event: str, about: tuple[Any, ...]) -> None:
    if event in {"open", "sqlite3.connect"}:
        for heard in _listeners:
            heard.append(_Opening(str(about[0]), threading.get_ident()))


@cache
def _have_ears() -> None:
    sys.addaudithook(_hear)  # for the life of the process: Python takes none off


@contextmanager
def listening(folder: Path) -> Iterator[Callable[[], set[int]]]:
    """In which threads, by their idents, anything below a folder was opened since the block began.

    >>> import pathlib, tempfile, threading
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with listening(folder) as threads:
    ...     _ = (folder / "a.txt").write_text("a")
    ...     threads() == {threading.get_ident()}
    True
    """
    _have_ears()
    heard: list[_Opening] = []
    _listeners.append(heard)
    try:
        yield lambda: {each.thread for each in heard if str(folder) in each.what}
    finally:
        _listeners.remove(heard)
