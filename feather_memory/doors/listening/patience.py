"""How long a client may take to say what it wants: who does not keeps a connection from others.

A process has a thousand files or so. uvicorn closes a connection that is idle between requests; one
that sends a part of a request's head, or nothing at all, it would keep.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from feather_memory.config import DOOR_HEAD_SECONDS

_Protocol: Any = AutoHTTPProtocol  # by httptools where it is installed, else by h11


class Patient(_Protocol):  # type: ignore[misc]
    """A connection that is closed if no request's head has come whole after a while."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._waited_for: object = None
        self._check = self.loop.call_later(DOOR_HEAD_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._check.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """Close it if there is nothing under way, and was nothing new since the last look."""
        now = self.cycle
        is_idle = now is None or now.response_complete
        if is_idle and now is self._waited_for:
            self.transport.close()
            return
        self._waited_for = now if is_idle else object()
        self._check = self.loop.call_later(DOOR_HEAD_SECONDS, self._look)
