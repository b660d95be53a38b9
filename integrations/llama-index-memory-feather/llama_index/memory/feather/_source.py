"""Whose memories an adapter works on, and what makes vectors of its texts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Sequence
from typing import Any, Self
from weakref import WeakValueDictionary

from llama_index.core import Settings
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from feather_memory import (
    ContextLayers,
    MissingEmbedderError,
    ParameterError,
    Store,
    TenantPool,
)
from feather_memory.agent import (
    Opened,
    Source,
    address_at,
    embedded,
    known_place,
    named_vectors,
    same_id,
)

Vectors = Sequence[Any] | None
"""One a text; None where the store goes by words alone."""


def one_store(adapter: str, **place: Any) -> Source:
    """The source of what is kept in one file: of layers each would have its own.

    Args:
        adapter: What was given it.
        place: As in `Source.chosen`: one of store, path, and pool with tenant.
    """
    return chosen(adapter, takes=("store", "path", "pool"), **place).bound()


def chosen(adapter: str, *, store: Any = None, **place: Any) -> Source:
    """The source that was given, as in `Source.chosen`.

    Args:
        adapter: What was given it.
        store: An open store, or what has one, such as a `FeatherVectorStore`.
        place: Instead, another place, and whose it is.
    """
    inner = store.client if isinstance(store, BasePydanticVectorStore) else store
    return Source.chosen(adapter, store=inner if isinstance(inner, Store) else store, **place)


class Bound:
    """One tenant's memories with an embedding model. No model is ever made up.

    Texts are embedded by the model that was given, else by the store's own embedder, else by the
    model that the application has set in `Settings`. Where there is none, the store goes by words.

    Raises:
        ParameterError: The source is a pool, and no tenant in it is named.
    """

    def __init__(self, source: Source, embed_model: BaseEmbedding | None = None) -> None:
        self.source = source.bound()
        self._model = embed_model
        self._is_resolved = embed_model is not None

    def opened(self) -> Opened:
        """What a call reads and writes."""
        return self.source.opened()

    def found(self) -> Opened | None:
        """What a call reads; None for a tenant of a pool who has nothing, and nothing is made."""
        return self.source.found()

    def model(self) -> BaseEmbedding | None:
        """What embeds; None where the store does, or where there are only words.

        Raises:
            MissingEmbedderError: A store holds vectors, and nothing can make more of them.
        """
        if not self._is_resolved:
            found = self.found()
            stores = () if found is None else found.stores.values()
            is_embedding = any(each.plumbing.query_embedder is not None for each in stores)
            self._model = None if is_embedding else _application_s(stores)
            # No model is a finding of this moment: vectors or a setting may come later.
            self._is_resolved = is_embedding or self._model is not None
        return self._model

    async def amodel(self) -> BaseEmbedding | None:
        """As `model`. It leaves the loop until there is one, for the file may have to open."""
        return self._model if self._is_resolved else await asyncio.to_thread(self.model)

    def query_vector(self, texts: Sequence[str]) -> list[float] | None:
        """The vector of a query that may be put in several ways; None if it says nothing."""
        model = self.model() if any(map(str.strip, texts)) else None
        if model is None:
            return None
        return _named(model, model.get_agg_embedding_from_queries(list(texts)))

    async def aquery_vector(self, texts: Sequence[str]) -> list[float] | None:
        """As `query_vector`, without holding up the loop."""
        model = await self.amodel() if any(map(str.strip, texts)) else None
        if model is None:
            return None
        return _named(model, await model.aget_agg_embedding_from_queries(list(texts)))

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """The vectors of texts that are to be remembered, also where the store makes them."""
        if not texts:
            return None
        model = self.model()
        if model is None:
            return embedded(self.opened().writes, texts)
        return named_vectors(model, model.get_text_embedding_batch(list(texts)))

    async def avectors(self, texts: Sequence[str]) -> Vectors:
        """As `vectors`, without holding up the loop."""
        if not texts:
            return None
        model = await self.amodel()
        if model is None:
            return await asyncio.to_thread(lambda: embedded(self.opened().writes, texts))
        return named_vectors(model, await model.aget_text_embedding_batch(list(texts)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.source, self._model)

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self  # a model has clients and locks: a copy of whoever asks it asks the same


def _named(model: BaseEmbedding, vector: list[float]) -> list[float]:
    named: list[float] = named_vectors(model, [vector])[0]
    return named


def _application_s(stores: Iterable[Store]) -> BaseEmbedding | None:
    # `Settings.embed_model` would make OpenAI's where the application has set none.
    model = Settings._embed_model  # noqa: SLF001
    for store in stores if model is None else ():
        if store.stats().dimension is not None:
            raise MissingEmbedderError(
                f"{store.plumbing.place!r} holds vectors, and there is nothing to embed with: give "
                "embed_model=, or set Settings.embed_model, before this is used"
            )
    return model


# What this process has for a handle that is plain data, by kind, name and, of layers, which they
# are. What is open is its owner's to keep alive; models are shared objects, and a handle that
# comes back from a workflow's context has nobody else to keep its own.
_open: WeakValueDictionary[tuple[str, str, str | None], Store | TenantPool | ContextLayers] = (
    WeakValueDictionary()
)
_models: dict[str, BaseEmbedding] = {}

# Of directories that nobody has a pool of: it bounds how many files are open. Handles keep it.
_pools: WeakValueDictionary[str, TenantPool] = WeakValueDictionary()
_pools_lock = threading.Lock()


def name_of(*, path: str | None, directory: str | None, tenant: str) -> str:
    """By what this process knows whatever a handle names: a tenant's store, or a directory.

    Args:
        path: The file, or the database; or None,
        directory: where the tenant is in this directory, or in this database's pool.
        tenant: Whose it is. A database has others, a file has not.
    """
    return known_place(directory or "") if path is None else f"{known_place(path)}#{tenant}"


def offer(name: str, source: Source | None, model: BaseEmbedding | None) -> BaseEmbedding | None:
    """Let handles of this store or directory use these; the latest wins. What embeds for it.

    Args:
        name: As `name_of` has it.
        source: What is open there, as long as its owner keeps it open.
        model: Embeds for it from now on; None for what did before.
    """
    if source is not None:
        (kind, given), _ = source.arguments.items()
        _open[kind, name, digest_of(source)] = given
    if model is not None:
        _models[name] = model
    return _models.get(name)


def digest_of(source: Source) -> str | None:
    """What layers are known by: their names, files, order and weights. None for anything else."""
    if not isinstance(source.kept, ContextLayers):
        return None
    parts = (
        (each.name, _lasting(each.store), each.weight, each.time_weight, each.hops)
        for each in source.kept
    )
    return same_id(*map(repr, parts))


def _lasting(store: Store) -> str:
    """What a store is called in every process: its real path, or its database and its tenant."""
    return known_place(store.plumbing.place)


def bound_to(*, path: str | None, directory: str | None, tenant: str, layers: str | None) -> Bound:
    """What a handle's file means here: what is open already, else a store that is opened.

    Args:
        path: The file, or the database; or None,
        directory: where the tenant is in this directory, or in this database's pool.
        tenant: Whose store it must be.
        layers: The digest of the layers of which the file is the nearest; None for it alone.

    Raises:
        WrongTenantError: It is another tenant's.
        ParameterError: Nobody in this process has these layers open.
    """
    name = name_of(path=path, directory=directory, tenant=tenant)
    place = _in_directory(directory or "", name) if path is None else _at(path, name, layers)
    model = _models.get(name)
    return Bound(chosen("FeatherMemory", tenant=tenant, **place), model)


def _in_directory(directory: str, name: str) -> dict[str, Any]:
    """The pool of the directory: the application's own, else one that all handles share."""
    pool = _open.get(("pool", name, None))
    if isinstance(pool, TenantPool) and pool.is_open:
        return {"pool": pool}
    with _pools_lock:
        shared = _pools.get(name)
        if shared is None:
            shared = _pools[name] = TenantPool(address_at(directory))
    return {"pool": shared}


def _at(path: str, name: str, digest: str | None) -> dict[str, Any]:
    kind = "store" if digest is None else "layers"
    found = _open.get((kind, name, digest))
    if isinstance(found, Store | ContextLayers):
        stores = Opened.of(found).stores.values()
        if all(store.plumbing.is_open for store in stores):
            return {kind: found}
    if digest is None:
        return {"path": path}
    raise ParameterError(
        f"a FeatherMemory reads {path!r} with other layers, which are not open here: give "
        "FeatherMemory.from_defaults(layers=) them first"
    )
