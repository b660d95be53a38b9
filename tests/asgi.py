"""An ASGI application alive in this process, and who waits in it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager


@asynccontextmanager
async def living(app):
    """Begun before the block, and ended after it."""
    begun, end, is_up = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def receive():
        if not begun.is_set():
            begun.set()
            return {"type": "lifespan.startup"}
        await end.wait()
        return {"type": "lifespan.shutdown"}

    async def send(message):
        assert "failed" not in message["type"], message
        is_up.set()

    running = asyncio.create_task(app({"type": "lifespan", "asgi": {}, "state": {}}, receive, send))
    await is_up.wait()
    try:
        yield
    finally:
        end.set()
        await running


async def all_wait(lanes, tenant, count):
    """Until so many calls wait for a tenant, or are under way."""
    while (lane := lanes._lanes.get(tenant)) is None or lane.users < count:  # noqa: ASYNC110
        await asyncio.sleep(0)
