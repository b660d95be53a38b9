"""The log is folded into the file when a store has been idle for a moment, and when Python ends.

So the file alone is the memory nearly always, and may be copied. One daemon thread in a process
does it, from the first file on that is opened to be written; while nobody writes, it waits.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Protocol
from weakref import WeakSet

from feather_memory.config import FOLD_SECONDS


class Foldable(Protocol):
    """What has a log."""

    busy_at: float
    """When it was last written to, or found in use, by `time.monotonic`."""

    def fold(self) -> bool:
        """Bring the log into the file, and cut it to nothing; False if that must wait."""

    def leave(self) -> None:
        """Let go of the file: the process ends."""


Written = SimpleQueue[Callable[[], Foldable | None]]
"""What has been written to since it was folded."""


class Folder:
    """Folds what has been written to, once it is idle."""

    def __init__(self) -> None:
        self._begin_anew()
        atexit.register(self._end)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._pause, after_in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        # Taken by whoever starts the thread, and given back by nobody: a call that is cut short
        # anywhere leaves nothing locked for the next.
        self._is_to_start = threading.Lock()
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._open: WeakSet[Foldable] = WeakSet()
        self.written: Written = SimpleQueue()

    def watch(self, opened: Foldable) -> Written:
        """Where it tells that it was written to. At the end of Python it lets go of its file."""
        self._open.add(opened)
        if self._is_to_start.acquire(blocking=False):
            self._is_over = threading.Event()
            self._thread = threading.Thread(
                target=self._run,
                args=(self.written, self._is_over),
                name="feather-memory-fold",
                daemon=True,
            )
            self._thread.start()
        return self.written

    @staticmethod
    def _run(written: Written, is_over: threading.Event) -> None:
        while not is_over.wait(fold_when_idle(written.get(), written)):
            pass

    def _pause(self) -> None:
        """End the thread before a fork, for Python warns of one; who connects next starts it."""
        thread, self._thread = self._thread, None
        self._is_over.set()
        self.written.put(_nobody)
        if thread is not None and thread.ident is not None:
            thread.join()
        self._is_to_start = threading.Lock()

    def _end(self) -> None:
        for each in list(self._open):
            each.leave()


def _nobody() -> None:
    """What wakes the thread, that it may end."""


def fold_when_idle(told: Callable[[], Foldable | None], written: Written) -> float:
    """Fold it if it has been idle for a moment, or else put it back; how long to wait then."""
    each = told()
    if each is None:
        return 0.0
    left = each.busy_at + FOLD_SECONDS - time.monotonic()
    if left <= 0:
        if each.fold():
            return 0.0
        each.busy_at = time.monotonic() - FOLD_SECONDS / 2  # and is looked at after the others
    written.put(told)
    return min(max(left, _PAUSE), _LONGEST)


_PAUSE = 0.05  # seconds before the next is looked at
_LONGEST = 1.0  # likewise, though nothing is idle for long
_folders: list[Folder] = []


def folder() -> Folder:
    """The process's one, made when anything is first opened to be written."""
    if not _folders:
        _folders.append(Folder())
    return _folders[0]
