"""What this process has for a handle that is plain data: the open store, and what embeds for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from llama_index.memory.feather._binding import Bound
from llama_index.memory.feather._stores import StoreSource, is_open

from feather_memory import ClosedStoreError, TenantPool

if TYPE_CHECKING:
    from llama_index.core.base.embeddings.base import BaseEmbedding

    from feather_memory import Store

# By real path. Stores and pools are their owners' to keep alive; models are shared objects, and
# a handle that comes back from a workflow's context has nobody else to keep its own.
_stores: WeakValueDictionary[str, Store] = WeakValueDictionary()
_pools: WeakValueDictionary[str, TenantPool] = WeakValueDictionary()
_models: dict[str, BaseEmbedding] = {}


def offer(
    place: str,
    *,
    store: Store | None = None,
    pool: TenantPool | None = None,
    embed_model: BaseEmbedding | None = None,
) -> None:
    """Let handles of this file or directory use these, as long as there are; the latest wins."""
    key = os.path.realpath(place)
    if store is not None:
        _stores[key] = store
    if pool is not None:
        _pools[key] = pool
    if embed_model is not None:
        _models[key] = embed_model


def bound_to(*, path: str | None, directory: str | None, tenant: str) -> Bound:
    """What a handle's file means here: a store that is open already, else one that is opened.

    Args:
        path: The file; or None,
        directory: where the tenant's file is in this directory.
        tenant: Whose file it must be.

    Raises:
        WrongTenantError: It is another tenant's.
    """
    key = os.path.realpath(path or directory or "")
    model = _models.get(key)
    if directory is not None:
        pool = _pools.get(key)
        if pool is not None and _answers(pool, tenant):
            return Bound(StoreSource.chosen(path=None, store=None, pool=pool, tenant=tenant), model)
        with TenantPool(directory) as names:
            path = str(names.path_of(tenant))
    store = _stores.get(os.path.realpath(path or ""))
    if store is not None and is_open(store):
        return Bound(StoreSource.chosen(path=None, store=store, pool=None, tenant=tenant), model)
    return Bound(StoreSource.chosen(path=path, store=None, pool=None, tenant=tenant), model)


def _answers(pool: TenantPool, tenant: str) -> bool:
    try:
        pool.get(tenant)
    except ClosedStoreError:
        return False
    return True
