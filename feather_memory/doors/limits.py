"""Who has to wait, and who is turned away: a tenant's lanes, and how fast a key may call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from feather_memory.config import (
    BUSY_SECONDS,
    SERVICE_AT_ONCE,
    SERVICE_PATIENCE,
    SERVICE_THREADS,
)
from feather_memory.errors import BusyStoreError, FeatherError

Made = TypeVar("Made")

_CALLERS = 10_000


class CrowdedError(FeatherError, RuntimeError):
    """More calls than may wait, or than a key may make."""


@dataclass(slots=True)
class _Lane:
    free: anyio.Semaphore
    users: int = 0


@dataclass(slots=True)
class Room:
    """For a few calls that run at once: they are short, and so each one's turn comes soon.

    Who takes long waits for something, and makes room for another meanwhile. Used by one event
    loop.
    """

    many: int = SERVICE_AT_ONCE
    patience: float = SERVICE_PATIENCE
    """Seconds after which a call takes long."""
    _limit: anyio.CapacityLimiter = field(init=False)

    def __post_init__(self) -> None:
        self._limit = anyio.CapacityLimiter(self.many)

    @property
    def limit(self) -> int:
        """How many may run now."""
        return int(self._limit.total_tokens)

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """A block that is one of those few."""
        async with self._limit:
            made = 0

            def make() -> None:
                nonlocal made
                made = 1
                self._limit.total_tokens += 1

            late = asyncio.get_running_loop().call_later(self.patience, make)
            try:
                yield
            finally:
                late.cancel()
                self._limit.total_tokens -= made


@dataclass(slots=True)
class Lanes:
    """Calls run in threads, of which those for one tenant take a few and no more.

    Used by one event loop.
    """

    each: int
    waiting: int
    room: Room = field(default_factory=Room)
    _lanes: dict[str, _Lane] = field(default_factory=dict)
    _threads: anyio.CapacityLimiter = field(
        default_factory=lambda: anyio.CapacityLimiter(SERVICE_THREADS)
    )

    async def run(self, tenants: Iterable[str], call: Callable[..., Made], *given: Any) -> Made:
        """What the call returns, in a thread, once it is the tenants' turn.

        Args:
            tenants: Whose stores it uses.
            call: Runs in a thread.
            given: Its arguments.

        Raises:
            CrowdedError: As in `turn`, as is BusyStoreError.
        """
        async with self.turn(tenants), self.room.taken():
            return await anyio.to_thread.run_sync(call, *given, limiter=self._threads)

    @asynccontextmanager
    async def turn(self, tenants: Iterable[str]) -> AsyncIterator[None]:
        """A block that is one of the few that use these tenants' stores.

        Raises:
            CrowdedError: As many wait for one of them as may.
            BusyStoreError: Its turn did not come in the time that a store may be locked.
        """
        async with AsyncExitStack() as held:
            with anyio.move_on_after(BUSY_SECONDS) as waited:
                for tenant in sorted(set(tenants)):  # in one order, so that nobody waits in a ring
                    await held.enter_async_context(self._lane(tenant))
            if waited.cancelled_caught:
                raise BusyStoreError("others use this memory all the time")
            yield

    @asynccontextmanager
    async def _lane(self, tenant: str) -> AsyncIterator[None]:
        lane = self._lanes.get(tenant)
        if lane is None:
            lane = self._lanes[tenant] = _Lane(anyio.Semaphore(self.each))
        if lane.users >= self.each + self.waiting:
            raise CrowdedError("too many calls wait for this memory")
        lane.users += 1
        try:
            async with lane.free:
                yield
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[tenant]


@dataclass(slots=True)
class Rates:
    """How fast each key may call for each tenant: a bucket fills by the rate, and holds twice it.

    It holds one call in any case. A backend, whose one key is for many, is not held up by what one
    of them does.
    """

    rate: float
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, caller: str) -> None:
        """Count one call of a key for a tenant.

        Raises:
            CrowdedError: They are more than the rate.
        """
        if not self.rate:
            return
        now, most = time.monotonic(), max(1.0, 2 * self.rate)
        left, at = self._left.get(caller, (most, now))
        left = min(most, left + (now - at) * self.rate)
        if left < 1:
            raise CrowdedError(f"for this memory a key may call {self.rate:g} times a second")
        if len(self._left) >= _CALLERS:
            self._left.clear()  # the buckets of all are full again: that is a call or two too many
        self._left[caller] = (left - 1, now)
