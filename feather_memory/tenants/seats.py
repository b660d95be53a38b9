"""One tenant's place in a pool, which knows when its store may be let rest."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from feather_memory.config import BUSY_SECONDS, HANDLE_SHARE, STORE_HANDLES
from feather_memory.errors import FeatherError
from feather_memory.index.columns import Columns
from feather_memory.index.weight import bytes_of
from feather_memory.store.store import Store
from feather_memory.types import Seconds

_log = logging.getLogger("feather_memory")
_GROWN = 1.125  # to count takes 0.1 ms: not after every write
_PAUSE = 0.002  # seconds between two looks at whether a store is still in use


def room() -> int:
    """How many stores the file handles that this process may have suffice for, at least 1."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return sys.maxsize
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(1, int(limit * HANDLE_SHARE / STORE_HANDLES))


def _is_usable(store: Store) -> bool:
    """Whether it is open, and its file was neither removed nor replaced since."""
    return store.plumbing.is_open and store.plumbing.is_in_place


class Lease:
    """One call in a seat's store. To end it twice, or before it began, does no harm."""

    __slots__ = ("_seat",)

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def __enter__(self) -> None:
        self._seat.begin(self)

    def __exit__(self, *_: object) -> None:
        self._seat.end(self)


class Seat:
    """One tenant's place in the pool: its store, and the calls that are under way in it."""

    def __init__(
        self, tenant: str, *, touch: Callable[[Seat], None], settle: Callable[[Seat], object]
    ) -> None:
        """A tenant's place, without a store yet.

        Args:
            tenant: Whose.
            touch: Told when a call begins.
            settle: Told when one has ended: there may be more stores open than there should be.
        """
        self.tenant = tenant
        self.used: Seconds = 0.0
        self.store: Store | None = None
        self.columns: Columns | None = None
        """The arrays of the store."""
        self._weighed = 0, 0, 0  # of which lineage of arrays, at how many rows, how much
        self._touch = touch
        self._settle = settle
        self.start_over()

    def start_over(self) -> None:
        """Forget the calls of other threads: after a fork they are not here any more."""
        self._lock = threading.RLock()
        self._leases: set[object] = set()
        self._is_changing = False

    @property
    def bytes(self) -> int:
        """What the arrays of the store take in memory, as of when they grew by an eighth."""
        columns = self.columns
        if columns is None or (view := columns.view) is None:
            return 0
        lineage, rows, size = self._weighed
        if lineage != id(view.lineage) or not rows <= len(view) <= rows * _GROWN:
            size = bytes_of(columns)
            self._weighed = id(view.lineage), len(view), size
        return size

    @property
    def is_in_use(self) -> bool:
        """Whether a call is under way."""
        return bool(self._leases)

    def lease(self) -> Lease:
        """While it is held, the pool leaves the store open. Waits while the store goes to rest."""
        return Lease(self)

    def begin(self, lease: Lease) -> None:
        """Note that a call is under way."""
        with self._lock:
            if self._is_changing:  # it is this very thread that opens it, or lets it rest
                return
            self._leases.add(lease)
        self._touch(self)

    def end(self, lease: Lease) -> None:
        """Note that it is over."""
        if lease in self._leases:
            self._leases.discard(lease)
            self._settle(self)

    def opened(self, make: Callable[[Seat], Store]) -> Store:
        """The store; made by the first who asks, while the others wait.

        Anew if it was closed, or its file is gone.
        """
        store = self.store
        if store is None or not _is_usable(store):
            with self.lease(), self._changing():
                store = self.store
                if store is None or not _is_usable(store):
                    if store is not None:
                        store.close()
                    store = self.store = make(self)
        return store

    @contextmanager
    def _changing(self) -> Iterator[None]:
        # Whoever is in here waits for no other seat: their uses of this one's file settle nothing.
        with self._lock:
            self._is_changing = True
            try:
                yield
            finally:
                self._is_changing = False

    def rest(self, then: Callable[[], None] | None = None) -> bool:
        """Let the store rest unless it is in use, and do something before it can wake."""
        with self._changing():
            if self.is_in_use:
                return False
            try:
                if self.store is not None:
                    self.store.plumbing.rest()
            except FeatherError as error:  # its mapped file was not written; the truth is complete
                _log.warning("while the store of tenant %r went to rest: %s", self.tenant, error)
            if then is not None:
                then()
            return True

    def wait_to_rest(self, then: Callable[[], None]) -> bool:
        """As `rest`, after waiting a while for the calls under way."""
        deadline = time.monotonic() + BUSY_SECONDS
        while not self.rest(then):
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE)
        return True

    def close(self) -> None:
        """Close the store for good, after waiting a while for the calls under way."""
        if not self.wait_to_rest(self._close):
            self._close()

    def _close(self) -> None:
        if self.store is not None:
            self.store.close()
