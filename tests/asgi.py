"""An ASGI application alive in this process: begun before the block, and ended after it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager


@asynccontextmanager
async def living(app):
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
