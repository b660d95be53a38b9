"""The paths that the page asks: each takes a body, makes one call, and answers with a value."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from typing import Any, Final, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from feather_memory.doors.guard import GRANT
from feather_memory.doors.window import bodies, changing, looking
from feather_memory.doors.window.changing import Changes
from feather_memory.doors.window.seen import PlaceSeen
from feather_memory.doors.window.stores import Stores
from feather_memory.doors.window.visits import LINK, PAGE
from feather_memory.errors import NotAllowedError
from feather_memory.importers import exports
from feather_memory.store.store import Store

_TENANTS: Final = 500
"""Names that a page is told at once; more are found by typing."""

Said = TypeVar("Said", bound=bodies.Body)

router = APIRouter(prefix="/api")


@router.post("/enter")
def enter(request: Request) -> Response:
    """The key of a page, for the token of a link; then the token opens nothing any more."""
    if request.scope[GRANT].name != LINK:
        raise NotAllowedError("a page has its key already")
    _, _, token = request.headers["authorization"].partition(" ")
    key = request.app.state.visits.admit(token.strip())
    request.app.state.admitted()
    return Response(f'{{"key":"{key}"}}', media_type="application/json")


@router.post("/place")
def place(request: Request, like: str = "") -> Response:
    """Whose memories there are here."""
    stores = _stores(request)
    names = [name for name in stores.names() if like.casefold() in name.casefold()]
    return _json(PlaceSeen(place=stores.place, tenants=tuple(names[:_TENANTS])))


def _looks(path: str, look: Callable[[Store, Any], BaseModel], body: type[Said]) -> None:
    """Have a path answer with what a look shows."""

    def answer(request: Request, said: Said) -> Response:
        return _json(look(_stores(request).get(said.tenant), said))

    answer.__annotations__["said"] = body
    answer.__doc__ = look.__doc__
    router.add_api_route(path, answer, methods=["POST"])


def _changes(
    path: str, change: Callable[[Store, Changes, Any], BaseModel], body: type[Said]
) -> None:
    """Have a path change something, and answer with what it has become."""

    def answer(request: Request, said: Said) -> Response:
        changes: Changes = request.app.state.changes
        return _json(change(_stores(request).get(said.tenant), changes, said))

    answer.__annotations__["said"] = body
    answer.__doc__ = change.__doc__
    router.add_api_route(path, answer, methods=["POST"])


_looks("/span", looking.span, bodies.Body)
_looks("/page", looking.page, bodies.LookAtPage)
_looks("/search", looking.search, bodies.LookFor)
_looks("/memory", looking.one, bodies.LookAtOne)
_looks("/walk", looking.walk, bodies.Walk)
_looks("/turns", looking.turns, bodies.LookAtTurns)
_looks("/why-not", looking.why_not, bodies.AskWhy)
_looks("/forget", changing.forget, bodies.Forget)
_changes("/add", changing.add, bodies.Add)
_changes("/affirm", changing.affirm, bodies.Affirm)
_changes("/correct", changing.correct, bodies.Correct)
_changes("/weigh", changing.weigh, bodies.Weigh)


@router.post("/undo")
def undo(request: Request, said: bodies.Undo) -> dict[str, str]:
    """Undo a change; the id of the memory to look at."""
    _stores(request).get(said.tenant)
    return {"id": request.app.state.changes.undo(said.tenant, said.change)}


@router.post("/export")
def export(request: Request, said: bodies.Body) -> Response:
    """All there is of somebody's memory, for `feather-memory import`, without vectors.

    It is held in this process until it is sent: what is forgotten is in no file that was left over.
    """
    held = BytesIO()
    stream = TextIOWrapper(held, encoding="utf-8", newline="\n", write_through=True)
    exports.write(_stores(request).get(said.tenant), stream, vectors=False)
    return Response(held.getvalue(), media_type="application/x-ndjson")


def _stores(request: Request) -> Stores:
    if request.scope[GRANT].name != PAGE:
        raise NotAllowedError("a link is to be opened, and opens one page")
    stores: Stores = request.app.state.stores
    return stores


def _json(answer: BaseModel) -> Response:
    """As it is: what was made by its own class is not checked once more."""
    return Response(answer.model_dump_json(), media_type="application/json")
