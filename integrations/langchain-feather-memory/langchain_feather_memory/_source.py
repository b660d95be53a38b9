"""Whose memory a LangChain call is for, and what embeds for it."""

from __future__ import annotations

import asyncio
import os
from typing import NoReturn, Self

from langchain_core.embeddings import Embeddings
from typing_extensions import override

from feather_memory import ContextLayers, ParameterError, Store, TenantPool
from feather_memory.agent import (
    CallFields,
    Opener,
    Source,
    TenantRule,
    named_in,
    named_vectors,
    one_tenant,
)


class Held:
    """An adapter over open files: copies of it read the same, and no other process can have it."""

    def __copy__(self) -> Self:
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __deepcopy__(self, _: object = None) -> Self:
        return self.__copy__()

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} is over open files, and is not pickled: make it where it is "
            "used, from the same path= or the same directory of a TenantPool; any number of "
            "processes may"
        )


class Closing(Held):
    """An adapter that closes, with its block, the source that it opened."""

    _source: Source

    def close(self) -> None:
        """Close the store if this opened it. Safe to call twice."""
        self._source.close()

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._open)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    def _open(self) -> None:
        """Open the file, where there is but one, if nobody has: who begins a block sees it fail."""
        if not self._source.is_pool:
            self._source.opened()


class Naming(Embeddings):
    """An embedding whose vectors say by which model they are, so that two of one file never mix."""

    def __init__(self, given: Embeddings) -> None:
        self.given = given

    @override
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return named_vectors(self.given, self.given.embed_documents(texts))

    @override
    def embed_query(self, text: str) -> list[float]:
        return self._named(self.given.embed_query(text))

    @override
    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return named_vectors(self.given, await self.given.aembed_documents(texts))

    @override
    async def aembed_query(self, text: str) -> list[float]:
        return self._named(await self.given.aembed_query(text))

    def _named(self, vector: list[float]) -> list[float]:
        named: list[float] = named_vectors(self.given, [vector])[0]
        return named


def opener(embedding: Embeddings | None) -> Opener:
    """Opens a file whose store embeds with LangChain's `Embeddings`, if there are any."""

    def opened(path: str | os.PathLike[str], tenant: str | None) -> Store:
        if embedding is None:
            return Store.open(path, tenant=tenant)
        return Store.open(
            path,
            embedder=embedding.embed_documents,
            query_embedder=lambda texts: [embedding.embed_query(text) for text in texts],
            tenant=tenant,
        )

    return opened


def source_of(
    adapter: str,
    given: Store | TenantPool | None,
    *,
    layers: ContextLayers | None,
    tenant: str | None,
) -> Source:
    """Of an adapter that takes a store or a pool by one argument.

    Raises:
        ParameterError: Neither that nor layers are given, or both, or it is something else; or
            a rule for tenants, where there is no call to apply it to.
        WrongTenantError: It is another tenant's.
    """
    return Source.chosen(
        adapter,
        store=None if isinstance(given, TenantPool) else given,
        pool=given if isinstance(given, TenantPool) else None,
        layers=layers,
        tenant=one_tenant(adapter, tenant),
        takes=("store", "pool", "layers"),
        called={"store": "source", "pool": "source"},
    )


def batches_of(texts: list[str], size: int | None) -> list[list[str]]:
    """The texts, as many at once as an embedding is given; all of them unless said otherwise.

    Raises:
        ParameterError: The size is below 1.
    """
    if size is not None and size < 1:
        raise ParameterError(f"batch_size must be at least 1, got {size}")
    step = size or max(1, len(texts))
    return [texts[start : start + step] for start in range(0, len(texts), step)]


def named_by(
    source: Source, rule: TenantRule, key: str, configurable: object, context: object
) -> str | None:
    """Whom the context of a call names: by the rule, else nearest first under the key.

    Args:
        source: What the adapter reads.
        rule: What it was told of its tenants.
        key: Under which the tenant is named, where there is no rule.
        configurable: Of the call's `RunnableConfig`.
        context: Of the LangGraph run.

    Returns:
        None where nobody is named and it does not matter: a store is whose it is.

    Raises:
        ParameterError: Of many tenants none is named, or the rule finds none.
        WrongTenantError: It is another tenant's than the one that is named.
    """
    if rule.rule is not None:
        said = {"configurable": configurable, "the runtime context": context}
        return source.tenant_for(rule.of(CallFields(said)))
    places = {
        f"configurable[{key!r}]": named_in(configurable, key),
        f"the runtime context's {key!r}": named_in(context, key),
    }
    return source.tenant_for(places=places)


def check_key(adapter: str, rule: TenantRule, *, is_given: bool) -> None:
    """Nothing, if no key is given beside a rule for tenants, which needs none.

    Raises:
        ParameterError: It is.
    """
    if is_given and rule.rule is not None:
        raise ParameterError(
            f"a {adapter} finds its tenants either by tenant_key= or by the rule of tenant="
        )
