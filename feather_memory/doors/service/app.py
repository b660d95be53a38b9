"""The application: what is open to everybody, what takes a key, and how errors are told."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from feather_memory.doors.guard import GRANT, Guard
from feather_memory.doors.keys import KeyRing
from feather_memory.doors.limits import CrowdedError, Lanes, Rates
from feather_memory.doors.refusals import LATER, refusal_of
from feather_memory.doors.service.calls import Serving
from feather_memory.doors.service.paths import router
from feather_memory.doors.service.settings import ServiceSettings
from feather_memory.doors.service.watching import Watched
from feather_memory.errors import FeatherError, NotAllowedError
from feather_memory.tenants.pool import TenantPool

OPEN: Final = ("/health", "/ready", "/openapi.json")
"""What is told without a key. It holds nothing of anybody."""

_log = logging.getLogger("feather_memory.doors")


def service_app(settings: ServiceSettings) -> Watched:
    """The service of one process, as an ASGI application."""
    app = FastAPI(
        title="Feather Memory",
        version=version("feather-memory"),
        description="Memories of many tenants. Whose it is says the key, and `tenant` within it.",
        docs_url=None,  # they would come from elsewhere
        redoc_url=None,
        lifespan=lambda app: _served(app, settings),
        redirect_slashes=False,
    )
    app.include_router(router)
    app.add_api_route("/health", health, methods=["GET"])
    app.add_api_route("/ready", ready, methods=["GET"])
    app.add_api_route("/metrics", metrics, methods=["GET"], response_class=Response)
    for kind in (FeatherError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _refused)
    app.add_exception_handler(Exception, _failed)
    guard = Guard(
        app,
        KeyRing(settings.directory).opened_by,
        hosts=settings.hosts,
        origins=settings.origins,
        open_paths=OPEN,
    )
    paths = frozenset(getattr(route, "path", "") for route in (*app.routes, *router.routes))
    app.state.watched = Watched(guard, paths, settings.clock)
    app.state.serving = None
    watched: Watched = app.state.watched
    return watched


async def health() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


async def ready(request: Request) -> Response:
    """Whether it serves: its tenants are where they were, and the recent ones are warm."""
    serving: Serving | None = request.app.state.serving
    is_ready = serving is not None and await anyio.to_thread.run_sync(serving.pool.is_there)
    return _json({"status": "ready" if is_ready else "not ready"}, 200 if is_ready else 503)


async def metrics(request: Request) -> Response:
    """Counts and times of this process, for Prometheus; for a key that is for everybody."""
    if request.scope[GRANT].prefix != "":
        raise NotAllowedError("metrics are for a key that is for everybody")
    stats = request.app.state.serving.pool.stats()
    gauges = {"stores_open": stats.open, "stores_in_use": stats.in_use, "array_bytes": stats.bytes}
    text = request.app.state.watched.metrics(gauges)
    return Response(text, media_type="text/plain; version=0.0.4")


@asynccontextmanager
async def _served(app: FastAPI, settings: ServiceSettings) -> AsyncIterator[None]:
    """Nothing is answered before the tenants are warm; at the end the calls under way are done."""
    pool = TenantPool(
        settings.database or settings.directory,
        embedder=settings.embedder(),
        max_open=settings.max_open,
        clock=settings.clock,
    )
    with pool:
        await anyio.to_thread.run_sync(_warm, pool, settings.warmed)
        lanes, rates = Lanes(settings.lanes, settings.waiting), Rates(settings.rate)
        app.state.serving = Serving(pool, lanes, rates, settings.max_tenants)
        yield
        app.state.serving = None


def _warm(pool: TenantPool, count: int) -> None:
    for tenant, failure in pool.warm(pool.recent(count)).failures.items():
        _log.warning("%r cannot be opened: %s", tenant, failure)


async def _refused(_: Request, error: Exception) -> Response:
    """What the caller can mend is told, and nothing of this machine."""
    match error:
        case CrowdedError():
            return _json({"detail": str(error)}, 429, {"Retry-After": "1"})
        case FeatherError():
            status, said = refusal_of(error)
            return _json({"detail": said}, status)
        case RequestValidationError():
            told = [{"at": each["loc"], "said": each["msg"]} for each in error.errors()]
            return _json({"detail": told}, 422)
        case HTTPException():
            return _json({"detail": error.detail}, error.status_code, error.headers)
    raise error


async def _failed(_: Request, __: Exception) -> Response:
    return _json({"detail": LATER}, 500)


def _json(said: Any, status: int = 200, headers: Any = None) -> Response:
    """In ASCII: what a caller sent comes back in messages, also where it is no Unicode."""
    return Response(json.dumps(said), status, headers, media_type="application/json")
