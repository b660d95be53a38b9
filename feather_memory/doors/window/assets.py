"""The files of the page: all of them ship with the package, and nothing comes from elsewhere."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final, Self

from feather_memory.doors.guard import App, Receive, Scope, Send

_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

POLICY: Final = (
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""What the page may do: it runs its own files, and no text ever becomes markup."""

_SEALS: Final = tuple(
    (name.encode(), value.encode())
    for name, value in {
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }.items()
)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page."""

    body: bytes
    kind: str
    tag: str

    @classmethod
    def of(cls, name: str, body: bytes) -> Self:
        """The file of that name."""
        kind = _KINDS[name[name.rindex(".") :]]
        return cls(body, kind, f'"{sha256(body).hexdigest()[:32]}"')


def assets() -> dict[str, Asset]:
    """The files by their paths; the page itself is "/"."""
    folder = files(__package__) / "page"
    found = {
        f"/{each.name}": Asset.of(each.name, each.read_bytes())
        for each in folder.iterdir()
        if each.is_file()
    }
    found["/"] = found.pop("/index.html")
    return found


def with_files(app: App, sent: dict[str, Asset]) -> App:
    """The application, with the files at their paths."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        asset = sent.get(scope.get("path", ""))
        if scope["type"] != "http" or asset is None:
            await app(scope, receive, send)
            return
        known = dict(scope["headers"]).get(b"if-none-match", b"").decode("latin-1")
        status, body = (304, b"") if known == asset.tag else (200, asset.body)
        headers = [
            (b"content-type", asset.kind.encode()),
            (b"etag", asset.tag.encode()),
            (b"cache-control", b"no-cache"),  # asked again each time, and sent only if it changed
        ]
        if status == 200:
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send(
            {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body}
        )

    return answer


def sealed(app: App) -> App:
    """The application, each of whose answers says what a page may do, and is kept nowhere."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def sealing(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                if b"cache-control" not in {name for name, _ in headers}:
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*headers, *_SEALS]}
            await send(message)

        await app(scope, receive, sealing)

    return answer
