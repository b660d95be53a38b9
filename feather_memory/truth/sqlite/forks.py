"""`fork` and SQLite are kept apart.

A child gets only the thread that forked. Were another thread inside SQLite at that moment, the
child would inherit its locks, held for ever; were it between two halves of a change, the halves. So
a fork waits until no thread is inside, and nobody enters while it happens.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from feather_memory.config import BUSY_SECONDS


class Releasable(Protocol):
    """What must not be carried into a child."""

    def release(self) -> None:
        """Let go of it; it is taken again when it is needed."""


class ForkGate:
    """Knows what is inside; a fork closes it for a moment.

    Who enters puts itself into `inside`, and then calls `wait` if the gate is closed; who leaves
    takes itself out, and calls `tell` if it is. Both are single steps, and taking out twice is
    harmless: so an exception that comes between any two leaves nobody inside for ever.
    """

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
        self.inside: dict[object, int] = {}
        """What is inside, and in which thread."""
        self.is_closed = False

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Is inside until the block ends."""
        token = object()
        try:
            self.inside[token] = threading.get_ident()
            if self.is_closed:
                self.wait(token)
            yield
        finally:
            self.inside.pop(token, None)
            if self.is_closed:
                self.tell()

    def wait(self, token: object) -> None:
        """Stay outside until the gate opens, unless something of this thread is inside already."""
        mine = threading.get_ident()
        with self._changed:
            while self.is_closed and not self._is_within(token, mine):
                self.inside.pop(token, None)
                self._changed.notify_all()
                self._changed.wait()
                self.inside[token] = mine

    def _is_within(self, token: object, mine: int) -> bool:
        return any(thread == mine and it is not token for it, thread in list(self.inside.items()))

    def tell(self) -> None:
        """Somebody has left, and a fork waits for it."""
        with self._changed:
            self._changed.notify_all()

    def _close(self) -> None:
        mine = threading.get_ident()
        with self._changed:
            while self.is_closed:  # another thread is about to fork, too
                self._changed.wait()
            self.is_closed = True
            # Whoever is inside for longer waits for another process; the fork goes on.
            is_empty = self._changed.wait_for(
                lambda: set(self.inside.copy().values()) <= {mine}, timeout=BUSY_SECONDS
            )
        if is_empty:
            for held in list(self._watched):
                held.release()

    def _open(self) -> None:
        with self._changed:
            self.is_closed = False
            self._changed.notify_all()


_gates: list[ForkGate] = []


def gate() -> ForkGate:
    """The process's one gate, made when the first file is opened."""
    if not _gates:
        _gates.append(ForkGate())
    return _gates[0]
