"""The application: the page for whoever asks on this machine, and the rest for who has a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from feather_memory.doors.guard import App, Guard
from feather_memory.doors.refusals import LATER, refusal_of
from feather_memory.doors.window.assets import assets, sealed, with_files
from feather_memory.doors.window.changing import Changes
from feather_memory.doors.window.paths import router
from feather_memory.doors.window.stores import Stores
from feather_memory.doors.window.visits import Visits
from feather_memory.errors import FeatherError


def window_app(
    stores: Stores,
    visits: Visits,
    port: int,
    *,
    admitted: Callable[[], None] = lambda: None,
) -> App:
    """The window as an ASGI application.

    It answers to the names of this machine alone, and to scripts of its own page alone.

    Args:
        stores: What it shows.
        visits: Who may look.
        port: Where it listens: another port of this machine is another's page.
        admitted: Called when a link was used: who wants a further page needs a further link.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.include_router(router)
    app.state.stores, app.state.visits, app.state.changes = stores, visits, Changes()
    app.state.admitted = admitted
    for kind in (FeatherError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _refused)
    app.add_exception_handler(Exception, _failed)
    files = assets()
    origins = [f"http://{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]
    guarded = Guard(
        with_files(app, files), visits.opened_by, origins=origins, open_paths=files.keys()
    )
    return sealed(guarded)


async def _refused(_: Request, error: Exception) -> Response:
    """What the person can mend is told, and nothing of this machine."""
    match error:
        case FeatherError():
            status, said = refusal_of(error)
            return _json(said, status)
        case RequestValidationError():
            first = error.errors()[0]
            return _json(f"{first['loc'][-1]}: {first['msg']}", 422)
        case HTTPException():
            return _json(str(error.detail), error.status_code)
    raise error


async def _failed(_: Request, __: Exception) -> Response:
    return _json(LATER, 500)


def _json(said: Any, status: int) -> Response:
    """In ASCII: what was sent comes back in messages, also where it is no Unicode."""
    return Response(json.dumps({"detail": said}), status, media_type="application/json")
