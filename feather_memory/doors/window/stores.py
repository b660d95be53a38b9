"""Whose memories a window shows: those of a directory, of a database, or of one file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Self

from feather_memory.errors import NotAllowedError
from feather_memory.store.store import Store


class Stores:
    """The stores of a place, each opened when it is first looked at, and none made.

    Safe for threads. Close it, or use it as a context manager.
    """

    def __init__(
        self, place: str, names: Callable[[], Sequence[str]], opened: Callable[[str], Store]
    ) -> None:
        """Those of a place.

        Args:
            place: What it is called.
            names: Whose there are now, those written last first.
            opened: Opens one of them.
        """
        self.place = place
        self._names = names
        self._opened = opened
        self._open: dict[str, Store] = {}
        self._lock = threading.Lock()
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def names(self) -> list[str]:
        """Whose there are, those written last first."""
        return list(self._names())

    def get(self, name: str) -> Store:
        """Somebody's.

        Raises:
            NotAllowedError: Nobody here is called so.
        """
        with self._lock:
            if name not in self._open:
                if name not in self._names():
                    raise NotAllowedError("nobody of that name is shown here")
                self._open[name] = self._closing.enter_context(self._opened(name))
            return self._open[name]
