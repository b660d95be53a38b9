"""Keeps `fork` and SQLite apart.

A child gets only the thread that forked. Were another thread inside SQLite at that moment, the
child would inherit its locks, held for ever; were it between two halves of a change, the halves.
So a fork waits until no thread is inside, and nobody enters while it happens.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

from feather_memory.config import BUSY_SECONDS


class Releasable(Protocol):
    """What must not be carried into a child."""

    def release(self) -> None:
        """Let go of it; it is taken again when it is needed."""


class ForkGate:
    """Counts the threads inside; a fork closes it for a moment."""

    def __init__(self) -> None:
        self._watched: weakref.WeakSet[Releasable] = weakref.WeakSet()
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._close, after_in_parent=self._open, after_in_child=self._reset
            )

    def watch(self, held: Releasable) -> None:
        """Have it released before a fork."""
        self._watched.add(held)

    def _reset(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._inside = 0
        self._is_closed = False
        self._mine = threading.local()

    def __enter__(self) -> None:
        depth = getattr(self._mine, "depth", 0)
        if not depth:  # else it is counted already
            with self._changed:
                while self._is_closed:
                    self._changed.wait()
                self._inside += 1
        self._mine.depth = depth + 1

    def __exit__(self, *_: object) -> None:
        self._mine.depth -= 1
        if self._mine.depth:
            return
        with self._changed:
            self._inside -= 1
            if self._is_closed:
                self._changed.notify_all()

    def _close(self) -> None:
        own = 1 if getattr(self._mine, "depth", 0) else 0
        with self._changed:
            while self._is_closed:  # another thread is about to fork, too
                self._changed.wait()
            self._is_closed = True
            # Whoever is inside for longer waits for another process; the fork goes on.
            is_empty = self._changed.wait_for(lambda: self._inside <= own, timeout=BUSY_SECONDS)
        if is_empty:
            for held in list(self._watched):
                held.release()

    def _open(self) -> None:
        with self._changed:
            self._is_closed = False
            self._changed.notify_all()


_gates: list[ForkGate] = []


def gate() -> ForkGate:
    """The process's one gate, made when the first file is opened."""
    if not _gates:
        _gates.append(ForkGate())
    return _gates[0]
