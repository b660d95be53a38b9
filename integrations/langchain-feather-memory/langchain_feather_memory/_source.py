"""Whose memory a LangChain call is for, what embeds for it, and what an agent reaches of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypedDict

from langchain_core.embeddings import Embeddings

from feather_memory import ContextLayers, Filter, ParameterError, Scoring, Store, TenantPool
from feather_memory.agent import (
    Budget,
    Opened,
    Opener,
    Recalled,
    RecallOptions,
    Source,
    approximate_tokens,
    named_in,
    reject,
    told,
    unseen,
)
from langchain_feather_memory._convert import to_filter

_PLACES = ("store", "pool", "layers", "tenant")
_ASKED = ("k", "hops", "limit", "scoring", "session", "reinforce")


class Closing:
    """An adapter that closes, with its block, what it opened."""

    _source: Source

    def close(self) -> None:
        """Close the store if this opened it. Safe to call twice."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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
        ParameterError: Neither that nor layers are given, or both, or it is something else.
        WrongTenantError: It is another tenant's.
    """
    return Source.chosen(
        adapter,
        store=None if isinstance(given, TenantPool) else given,
        pool=given if isinstance(given, TenantPool) else None,
        layers=layers,
        tenant=tenant,
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


def places_of(key: str, configurable: object, context: object) -> dict[str, str | None]:
    """Whom the context of a call names, nearest first, by where that is said.

    Args:
        key: Under which the tenant is named in either.
        configurable: Of the call's `RunnableConfig`.
        context: Of the LangGraph run.
    """
    return {
        f"configurable[{key!r}]": named_in(configurable, key),
        f"the runtime context's {key!r}": named_in(context, key),
    }


class MemoryOptions(TypedDict, total=False):
    """What a caller may say of an agent's memory; `FeatherMemoryMiddleware` says what each is."""

    store: Store | None
    pool: TenantPool | None
    layers: ContextLayers | None
    tenant: str | None
    tenant_key: str
    embedding: Embeddings | None
    k: int
    hops: int
    limit: int
    scoring: Scoring | None
    where: Filter | Mapping[str, Any] | None
    session: str | None
    reinforce: bool
    max_tokens: int
    count_tokens: Callable[[str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryAccess:
    """The same, checked: what `FeatherMemoryMiddleware` and its tools share."""

    source: Source
    tenant_key: str
    embedding: Embeddings | None
    asked: RecallOptions
    budget: Budget
    with_ids: bool
    """Whether a model is told the memories' ids, with which it can correct them."""

    @classmethod
    def of(cls, adapter: str, options: MemoryOptions, *, with_ids: bool) -> Self:
        """What the options say.

        Raises:
            ParameterError: Not exactly one of `store`, `pool` and `layers`, or a number below its
                least.
            TypeError: There is no such option.
        """
        reject(options.keys() - MemoryOptions.__annotations__.keys(), adapter)
        given: dict[str, Any] = dict(options)
        place = {name: given[name] for name in _PLACES if name in given}
        asked = {name: given[name] for name in _ASKED if name in given}
        return cls(
            source=Source.chosen(adapter, **place, takes=("store", "pool", "layers")),
            tenant_key=given.get("tenant_key", "tenant"),
            embedding=given.get("embedding"),
            asked=RecallOptions(**asked, where=to_filter(given.get("where"))),
            budget=Budget(
                max_tokens=given.get("max_tokens", 1000),
                count_tokens=given.get("count_tokens", approximate_tokens),
            ),
            with_ids=with_ids,
        )

    def opened(self, config: Mapping[str, Any], context: object) -> Opened:
        """What a run reads and writes; there is no default.

        Raises:
            ParameterError: Of many tenants, the run names none.
            WrongTenantError: It is another tenant's than the one the run names.
        """
        places = places_of(self.tenant_key, config.get("configurable"), context)
        return self.source.opened(places=places)

    def told(
        self,
        opened: Opened,
        said: Sequence[str],
        vector: list[float] | None,
        *,
        turn: str | None,
        seen: Iterable[str],
    ) -> Recalled:
        """What a model is told for a query.

        Args:
            opened: What the run reads.
            said: What makes up the query. A memory that says the same is no answer to it.
            vector: The query's, where the store does not make it.
            turn: Its name; drawn if not given.
            seen: Ids of memories that the model sees anyway.
        """
        return told(
            opened, "\n".join(said), self.asked, self.budget, with_ids=self.with_ids,
            vector=vector, beyond=unseen(seen, said), turn=turn,
        )  # fmt: skip

    def vector(self, query: str) -> list[float] | None:
        """The query's vector, where an embedding was given; else the store makes it."""
        made = self.embedding if query else None
        return None if made is None else made.embed_query(query)

    async def avector(self, query: str) -> list[float] | None:
        """Likewise, without holding up the event loop."""
        made = self.embedding if query else None
        return None if made is None else await made.aembed_query(query)

    def vectors(self, texts: list[str]) -> list[list[float]] | None:
        """Likewise, one vector for each text that is to be remembered."""
        made = self.embedding if texts else None
        return None if made is None else made.embed_documents(texts)

    async def avectors(self, texts: list[str]) -> list[list[float]] | None:
        """Likewise, without holding up the event loop."""
        made = self.embedding if texts else None
        return None if made is None else await made.aembed_documents(texts)
