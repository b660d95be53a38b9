"""How long the event loop stands still while something is awaited."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Work = Callable[[int], Awaitable[object]]
    """One call of an adapter; the number is a new one each time."""

STALL_SECONDS = 0.02
RUNS = 10


async def least_stall(work: Work, clock: Callable[[], float] = time.perf_counter) -> float:
    """The longest stall of the best run, of as many as it takes to find one without, up to ten.

    What stalls the loop does so in each of them, and a busy machine only in some.
    """
    best = float("inf")
    for number in range(RUNS):
        if best > STALL_SECONDS:
            best = min(best, await longest_stall(work(number), clock))
    return best


async def longest_stall(
    work: Awaitable[object], clock: Callable[[], float] = time.perf_counter
) -> float:
    """The longest time between two ticks of a task that ticks every millisecond meanwhile."""
    longest, is_over = 0.0, False

    async def tick() -> None:
        nonlocal longest
        last = clock()
        while not is_over:
            await asyncio.sleep(0.001)
            now = clock()
            longest, last = max(longest, now - last), now

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    await work
    is_over = True
    await ticking
    return longest
