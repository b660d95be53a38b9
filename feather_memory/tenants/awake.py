"""Which stores of a pool are awake, and which are let rest next."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict

from feather_memory.tenants.seats import Seat
from feather_memory.truth.forked import watch
from feather_memory.types import Clock, Seconds


class Awake:
    """The seats of a pool, and those of them whose stores hold memory and handles."""

    def __init__(
        self, *, clock: Clock, max_open: int, max_bytes: int, idle_seconds: Seconds
    ) -> None:
        """None so far.

        Args:
            clock: Tells Unix seconds.
            max_open: How many may be awake at once; of more the least recently used rest.
            max_bytes: How much memory their arrays may take, likewise. The one that was used last
                may take more by itself.
            idle_seconds: Whoever was unused for so long may rest.
        """
        self.max_open, self.max_bytes, self.idle_seconds = max_open, max_bytes, idle_seconds
        self.rests = 0
        self.is_open = True
        self._clock = clock
        self._known: weakref.WeakValueDictionary[str, Seat] = weakref.WeakValueDictionary()
        self._seats: OrderedDict[str, Seat] = OrderedDict()  # least recently used first
        self._sizes: dict[str, int] = {}
        self._bytes = 0
        self._lock = threading.Lock()
        watch(self)

    def __len__(self) -> int:
        return len(self._seats)

    def start_over(self) -> None:
        """Begin anew in a fork: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        for seat in list(self._known.values()):
            seat.start_over()

    def seats(self) -> list[Seat]:
        """Those that are awake, the least recently used first."""
        with self._lock:
            return list(self._seats.values())

    def seat(self, tenant: str) -> Seat:
        """The tenant's, the same for all who ask as long as anybody holds it."""
        with self._lock:
            found = self._known.get(tenant)
            if found is None:
                found = self._known[tenant] = Seat(tenant, touch=self._touch, settle=self._ended)
        return found

    def leave(self, seat: Seat) -> None:
        """Note that the store of a seat rests, unless somebody has begun to use it."""
        with self._lock:
            if not seat.is_in_use:
                self._let_go(seat)

    def close(self) -> None:
        """Close every store, for good. Waits for calls under way."""
        with self._lock:
            self.is_open = False
            seats = list(self._known.values())
            self._seats.clear()
            self._sizes.clear()
            self._bytes = 0
        for seat in seats:
            seat.close()

    def _touch(self, seat: Seat) -> None:
        """Note that a store is being used."""
        now = self._clock()
        with self._lock:
            seat.used = now
            if self.is_open:
                self._seats[seat.tenant] = seat
                self._seats.move_to_end(seat.tenant)
            oldest = next(iter(self._seats.values()), seat)
        if now - oldest.used >= self.idle_seconds:
            self.settle(look_for_idle=True)

    def _ended(self, seat: Seat) -> None:
        """Note that a call is over: its store may have grown."""
        size = seat.bytes
        with self._lock:
            if seat.tenant in self._seats:
                self._bytes += size - self._sizes.get(seat.tenant, 0)
                self._sizes[seat.tenant] = size
        if len(self._seats) > self.max_open or self._bytes > self.max_bytes:
            self.settle()

    def settle(self, *, look_for_idle: bool = False) -> int:
        """Let stores rest: those beyond the bounds, and the idle; how many there were."""
        now, leaving = self._clock(), []
        with self._lock:
            surplus, seats = len(self._seats) - self.max_open, list(self._seats.values())
            for seat in seats:
                is_idle = look_for_idle and now - seat.used >= self.idle_seconds
                is_heavy = self._bytes > self.max_bytes and seat is not seats[-1]
                if surplus <= 0 and not is_heavy and not is_idle:
                    break
                if not seat.is_in_use:  # who is about to use it puts it back
                    self._let_go(seat)
                    leaving.append(seat)
                    surplus -= 1
        rested = sum(seat.rest() for seat in leaving)
        with self._lock:
            self.rests += rested
        return rested

    def _let_go(self, seat: Seat) -> None:
        if self._seats.pop(seat.tenant, None) is not None:
            self._bytes -= self._sizes.pop(seat.tenant, 0)
