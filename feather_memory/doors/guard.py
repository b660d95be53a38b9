"""What stands before an HTTP door: who is asked for, from which page, by which key, and how much.

All of it is answered before anything of a request is read, or believed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, Final

import anyio

from feather_memory.config import DOOR_BODY_BYTES, DOOR_BODY_SECONDS
from feather_memory.doors.keys import Grant
from feather_memory.doors.limits import CrowdedError, Rates

GRANT: Final = "feather_memory.grant"
"""Under which key of a request's scope stands what its key allows."""

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""The names under which a machine speaks to itself."""

_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(?::[0-9]{1,5})?")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class OneToken:
    """A door with one token, which opens all that is behind it."""

    token: str

    def opened_by(self, key: str) -> Grant | None:
        """Everything for the token; None for any other."""
        if compare_digest(key.encode(), self.token.encode()):
            return Grant(name="token", prefix="")
        return None


class Guard:
    """An ASGI application before another: it lets in what has a key, a name and a fit size."""

    def __init__(
        self,
        app: App,
        opened_by: Callable[[str], Grant | None],
        *,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        open_paths: Iterable[str] = (),
        rates: Rates | None = None,
        told: Callable[[str], dict[str, Any]] = lambda reason: {"detail": reason},
    ) -> None:
        """A guard.

        Args:
            app: What is guarded.
            opened_by: What a key allows; None for one that allows nothing.
            hosts: Names, without a port, under which it may be asked for beside the loopback's. By
                any other a page elsewhere would reach what listens here (DNS rebinding).
            origins: Pages, such as "https://example.org", whose scripts may ask; none else may.
            open_paths: What is read without a key.
            rates: How fast a key may call, where it is for one memory; else that is the
                application's to say, which knows for whose a call is.
            told: What a refusal says, as JSON.
        """
        self._app = app
        self._opened_by = opened_by
        self._hosts = LOOPBACK | {host.lower() for host in hosts}
        self._origins = frozenset(origins)
        self._open = frozenset(open_paths)
        self._rates = rates
        self._told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        refused = self._refused(scope, headers)
        if refused is not None:
            await self._answer(send, *refused)
            return
        body = await _whole(receive, headers)
        if isinstance(body, int):
            reason = "the body is too large" if body == 413 else "the body did not arrive"
            await self._answer(send, body, reason)
            return
        await self._app(scope, _replayed(body, receive), send)

    def _refused(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        unfit = self._unfit(headers)
        if unfit is not None:
            return unfit
        if scope["path"] in self._open and scope["method"] in {"GET", "HEAD"}:
            scope[GRANT] = None
            return None
        kind, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        grant = self._opened_by(key.strip()) if kind.lower() == "bearer" else None
        if grant is None:
            return 401, "a key is needed: Authorization: Bearer KEY"
        try:
            if self._rates is not None:
                self._rates.take(grant.name)
        except CrowdedError as error:
            return 429, str(error)
        scope[GRANT] = grant
        return None

    def _unfit(self, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        """What is wrong with a request, whoever sends it."""
        if _name_of(headers.get(b"host", b"")) not in self._hosts:
            return 421, "this is not that host"
        if b"transfer-encoding" in headers and b"content-length" in headers:
            return 400, "how long the body is, is said in two ways"  # and others read the other one
        origin = headers.get(b"origin")
        if origin is not None and origin.decode("latin-1") not in self._origins:
            return 403, "pages of that origin may not ask here"
        return None

    async def _answer(self, send: Send, status: int, reason: str) -> None:
        body = json.dumps(self._told(reason)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if status == 429:
            headers.append((b"retry-after", b"1"))
        if status in {400, 408, 413}:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _name_of(host: bytes) -> str:
    """The name in a Host header, without its port; "" for none and for nonsense."""
    found = _HOST.fullmatch(host)
    return "" if found is None else found[1].strip(b"[]").decode("ascii").lower()


async def _whole(receive: Receive, headers: dict[bytes, bytes]) -> bytes | int:
    """The body; the status of a refusal where it is too large, or does not come."""
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length[:20]) > DOOR_BODY_BYTES:
        return 413
    body = bytearray()
    with anyio.move_on_after(DOOR_BODY_SECONDS):
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return 408
            body += message.get("body", b"")
            if len(body) > DOOR_BODY_BYTES:
                return 413
            if not message.get("more_body", False):
                return bytes(body)
    return 408


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What the application reads: the body, then whatever comes."""
    waiting = [body]

    async def replay() -> MutableMapping[str, Any]:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replay
