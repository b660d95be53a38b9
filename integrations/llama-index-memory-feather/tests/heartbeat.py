"""Whether somebody holds up the event loop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LONGEST_GAP = 0.02
"""Seconds that a call may keep everybody else waiting."""


async def longest_gap(call: Callable[[], Awaitable[Any]], *, attempts: int = 3) -> float:
    """The longest time between two ticks of a task beside the call; the best of some attempts.

    The best, because another process may take the processor away, and that is not the call's.
    """
    return min([await _gap(call) for _ in range(attempts)])


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
