"""Whether somebody holds up the event loop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LONGEST_GAP = 0.02
"""Seconds that a call may keep everybody else waiting."""


async def longest_gap(call: Callable[[], Awaitable[Any]], *, attempts: int = 10) -> float:
    """The longest time between two ticks of a task beside the call, in the best attempt.

    The best, of as many as it takes to find one that is good enough: a call that holds up the
    loop does so each time, and another process that takes the processor away only sometimes.
    """
    best = float("inf")
    for _ in range(attempts):
        if best > LONGEST_GAP:
            best = min(best, await _gap(call))
    return best


async def _gap(call: Callable[[], Awaitable[Any]]) -> float:
    gaps: list[float] = []

    async def tick() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.005)
    await call()
    await asyncio.sleep(0.005)
    ticking.cancel()
    return max(gaps)
