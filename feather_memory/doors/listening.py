"""Listening on a port, by uvicorn: quiet, bounded, and stopped with what is under way done."""

from __future__ import annotations

from typing import Any

import uvicorn

from feather_memory.config import DOOR_STOP_SECONDS


def listen(app: Any, host: str, port: int) -> None:
    """Serve an ASGI application until the process is told to stop.

    Nothing is logged of requests but what the application logs itself: their paths are the
    callers'.
    """
    uvicorn.run(
        app,
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DOOR_STOP_SECONDS,
        ws="none",
    )
