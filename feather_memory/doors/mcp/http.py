"""The server over streamable HTTP: without sessions, so that another process may go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import INTERNAL_ERROR

from feather_memory.config import DOOR_BODY_BYTES, SERVICE_RATE
from feather_memory.doors.guard import Guard
from feather_memory.doors.keys import Grant
from feather_memory.doors.limits import Rates

PATH = "/mcp"
"""Where the server is asked."""


def http_app(
    server: MCPServer[Any],
    opened_by: Callable[[str], Grant | None],
    *,
    hosts: Iterable[str] = (),
    origins: Iterable[str] = (),
    rate: float = SERVICE_RATE,
) -> Guard:
    """The server as an ASGI application, which answers at `PATH` whoever has a token.

    Each request stands for itself and is answered by one body of JSON: no client loses a session
    when a server is killed, and none is another's.

    Args:
        server: What answers.
        opened_by: As in `Guard`, as are the rest.
        hosts: Names beside the loopback's under which it may be asked for.
        origins: Pages whose scripts may ask.
        rate: Messages a second of one key, and twice as many at once; 0 is any number.
    """
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=DOOR_BODY_BYTES,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    return Guard(  # it checks Host and Origin itself
        app, opened_by, hosts=hosts, origins=origins, rates=Rates(rate), told=_refusal
    )


def _refusal(reason: str) -> dict[str, Any]:
    """As the protocol says it, so that a client shows why."""
    return {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": INTERNAL_ERROR, "message": reason},
    }
