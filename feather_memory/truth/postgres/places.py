"""Places for so many threads at once, in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque


class Places:
    """A semaphore that starves nobody: a place that is given up is given to whoever waits longest.

    With `threading.Semaphore` a thread that writes again and again takes its own place back before
    another has woken.
    """

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._free = count
        self._waiting: deque[threading.Event] = deque()

    def acquire(self, timeout: float) -> bool:
        """Take a place, or wait for one, so many seconds at most. Whether it was got."""
        with self._lock:
            if self._free and not self._waiting:
                self._free -= 1
                return True
            given = threading.Event()
            self._waiting.append(given)
        try:
            return given.wait(timeout) or self._leave(given)
        except BaseException:  # Ctrl-C: nobody will give up what it may have been given
            if self._leave(given):
                self.release()
            raise

    def release(self) -> None:
        """Give a place up."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1

    def _leave(self, given: threading.Event) -> bool:
        """Wait no more; whether there is a place at the last moment."""
        with self._lock:
            if given.is_set():
                return True
            self._waiting.remove(given)
            return False
