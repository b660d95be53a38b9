"""One call: who makes it, whose memory it is for, and its turn at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fastapi import Request

from feather_memory.agent.source import Opened
from feather_memory.doors.guard import GRANT
from feather_memory.doors.keys import Grant
from feather_memory.doors.limits import Lanes, Rates
from feather_memory.errors import NotAllowedError, ParameterError
from feather_memory.store.store import Store
from feather_memory.tenants.layers import ContextLayers
from feather_memory.tenants.pool import TenantPool

Made = TypeVar("Made")

_LAYERS: Final = ("team", "shared")


@dataclass(frozen=True, slots=True)
class Serving:
    """What a process serves with."""

    pool: TenantPool
    lanes: Lanes
    rates: Rates
    max_tenants: int

    def opened(self, names: dict[str, str]) -> Opened | None:
        """What there is of the layers' tenants, nearest first; None without the nearest.

        Nothing is made by it.
        """
        stores = {layer: self.pool.get(name) for layer, name in names.items() if name in self.pool}
        own, team, shared = (stores.get(layer) for layer in ("user", *_LAYERS))
        if own is None or len(stores) == 1:
            return None if own is None else Opened.of(own)
        return Opened.of(ContextLayers(user=own, team=team, shared=shared))

    def made(self, tenant: str) -> Store:
        """The tenant's store, which is made if there is room for one more tenant.

        Raises:
            NotAllowedError: There is none.
        """
        if tenant not in self.pool and self.pool.count() >= self.max_tenants:
            raise NotAllowedError("no more tenants are taken here")
        return self.pool.get(tenant)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is allowed."""

    serving: Serving
    names: dict[str, str]
    """Whose memory, by layer: `user`, and `team` and `shared` where they are named."""

    async def read(self, verb: Callable[[Opened | None], Made]) -> Made:
        """What the verb makes of what there is."""
        return await self._run(lambda: verb(self.serving.opened(self.names)))

    async def written(self, verb: Callable[[Opened], Made]) -> Made:
        """What the verb makes of the tenant's store, which is made if there is none."""
        return await self._run(lambda: verb(Opened.of(self.serving.made(self.names["user"]))))

    async def _run(self, made: Callable[[], Made]) -> Made:
        return await self.serving.lanes.run(self.names.values(), made)


async def reading(request: Request) -> Call:
    """A call that writes nothing but that it was made, if its key is for whose memory it is."""
    return await _allowed(request, writes=False)


async def writing(request: Request) -> Call:
    """A call that writes, if its key may."""
    return await _allowed(request, writes=True)


async def _allowed(request: Request, *, writes: bool) -> Call:
    """Looks at nothing of a body but whose it is about; before anything else of it is checked.

    Raises:
        NotAllowedError: The key is not for that.
        CrowdedError: It calls too often.
        ParameterError: Nobody is named.
    """
    grant: Grant = request.scope[GRANT]
    serving: Serving = request.app.state.serving
    if writes and not grant.may_write:
        raise NotAllowedError("this key may only read")
    if request.scope["query_string"]:
        raise ParameterError("nothing is taken from the address: say it in the body")
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        raise ParameterError("the body is no JSON") from None
    own = _named(body, "tenant")
    names = {"user": grant.tenant if own is None else own}
    names |= {layer: name for layer in _LAYERS if (name := _named(body, layer)) is not None}
    if names["user"] is None:
        raise ParameterError("say whose memory it is: this key is for many tenants")
    may = grant.allows if writes else grant.may_read
    said = {layer: name for layer, name in names.items() if name is not None}
    if not all(map(may, said.values())):
        raise NotAllowedError("this key is not for that memory")
    serving.rates.take(f"{grant.name} {said['user']}")  # no key's name holds a space
    return Call(serving, said)


def _named(body: Any, field: str) -> str | None:
    """Whom a body names; None for nobody."""
    found = body.get(field) if isinstance(body, dict) else None
    if found is not None and not isinstance(found, str):
        raise ParameterError(f"{field} is a name")
    return found
