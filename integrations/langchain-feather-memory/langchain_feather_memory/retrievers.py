"""LangChain's `BaseRetriever` over a `Store` or a `TenantPool`, with all that ranking knows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field, PrivateAttr, field_validator, model_validator
from typing_extensions import override

from feather_memory import Filter, ParameterError, Scoring, Store, TenantPool
from langchain_feather_memory._convert import to_document, to_filter, to_scored_document
from langchain_feather_memory._tenancy import bound_store, places_of, store_for, tenant_for
from langchain_feather_memory._turns import RECALLED, recalled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.callbacks import (
        AsyncCallbackManagerForRetrieverRun,
        CallbackManagerForRetrieverRun,
    )
    from langchain_core.documents import Document
    from langchain_core.runnables import RunnableConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """What may be said of one call; where it is None, the retriever's own fields hold."""

    k: int | None = None
    hops: int | None = None
    limit: int | None = None
    scoring: Scoring | None = None
    filter: Filter | Mapping[str, Any] | None = None
    as_of: datetime | float | None = None
    session: str | None = None
    turn: str | None = None
    tenant: str | None = None


class FeatherRetriever(BaseRetriever):
    """A tenant's memory as a retriever: similarity, words, decay, importance, and the graph.

    What it returns is shown to a model, so it is a recall: logged under a turn, so that feedback
    finds it, and counted once a turn, so that what is used decays more slowly. The turn is the
    retriever's run id unless `turn=` is given.

    With `pool=`, each call is for the tenant that is named by its keyword `tenant=`, else by the
    retriever's field, else by `configurable["tenant"]`, else by the context of the LangGraph run;
    where nobody is, it is refused. With `store=` or `path=`, another tenant's name is refused.

    `k`, `hops`, `limit`, `scoring`, `filter`, `as_of`, `session`, `turn` and `tenant` may be given
    to `invoke` and `ainvoke`, too, for that call. A filter given there narrows the retriever's
    own. Other keywords are refused.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "alice.feather"
    >>> with Store.open(path) as store:
    ...     _ = store.add("Deploys are on Monday", key="deploys")
    ...     _ = store.add("Deploys are on Tuesday", key="deploys")
    ...     retriever = FeatherRetriever(store=store, k=3)
    ...     [document.page_content for document in retriever.invoke("deploys")]
    ['Deploys are on Tuesday']
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    store: Store | None = Field(default=None, exclude=True)
    """An open store, of one tenant. The caller closes it."""
    path: Path | str | None = None
    """Instead, the file to open, which is made if there is none. `close()` closes it."""
    pool: TenantPool | None = Field(default=None, exclude=True)
    """Instead, the open stores of many tenants. The caller closes it."""
    tenant: str | None = None
    """Whose memory it is, where a call names nobody; of a store or file, whose it must be."""
    tenant_key: str = Field(default="tenant", min_length=1)
    """What the tenant is called in the `configurable`, and in a LangGraph run's context."""
    embedding: Embeddings | None = Field(default=None, exclude=True, repr=False)
    """Embeds queries; the store's own embedder does unless given."""
    k: int = Field(default=5, ge=1)
    """How many memories the query itself finds."""
    hops: int = Field(default=0, ge=0)
    """How far to walk from those along the edges."""
    limit: int = Field(default=50, ge=1)
    """How many documents there may be in all, where `hops` is above 0."""
    scoring: Scoring | None = None
    """How relevance, age and importance weigh; the store's default unless given."""
    filter: Filter | dict[str, Any] | None = None
    """A dict over metadata, or made with `feather_memory.F` over any field."""
    as_of: datetime | float | None = None
    """What was true then? Now unless given. Timezone-aware, or Unix seconds."""
    session: str | None = None
    """Only memories of this session."""
    reinforce: bool = True
    """Whether being returned slows a memory's decay."""
    with_scores: bool = False
    """Whether documents say their score, its parts, hop and turn, as `metadata["feather"]`."""

    _owned: Store | None = PrivateAttr(default=None)

    @field_validator("filter")
    @classmethod
    def _means_something(cls, given: Filter | dict[str, Any] | None) -> Filter | None:
        return to_filter(given)

    @model_validator(mode="after")
    def _opened(self) -> Self:
        path = self.path
        if self.pool is not None and self.store is None and path is None:
            return self  # each call opens its tenant's
        if self.store is not None and path is not None:  # both are there when LangChain copies us
            if self.store.path != Path(path).absolute():
                raise ParameterError("a FeatherRetriever takes either store= or path=, not both")
            path = None
        store = bound_store(
            "FeatherRetriever", store=self.store, path=path, pool=self.pool, tenant=self.tenant,
            embedding=self.embedding,
        )  # fmt: skip
        if self.store is None:
            self.store = self._owned = store
        return self

    def close(self) -> None:
        """Close the store if this opened it. Safe to call twice."""
        if self._owned is not None:
            self._owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @override
    def invoke(
        self, input: str, config: RunnableConfig | None = None, **asked: Any
    ) -> list[Document]:
        """The documents for a query, best first. The class says which keywords there are."""
        return super().invoke(input, config, **self._with_tenant(config, asked))

    @override
    async def ainvoke(
        self, input: str, config: RunnableConfig | None = None, **asked: Any
    ) -> list[Document]:
        """As `invoke`; embeds with `aembed_query` and touches the file in a thread."""
        return await super().ainvoke(input, config, **self._with_tenant(config, asked))

    @override
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **asked: Any
    ) -> list[Document]:
        call = _Call(**asked)
        vector = None if self.embedding is None else self.embedding.embed_query(query)
        documents, event = self._recalled(query, vector, call, run=str(run_manager.run_id))
        if run_manager.handlers:
            dispatch_custom_event(RECALLED, event, config={"callbacks": run_manager.get_child()})
        return documents

    @override
    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **asked: Any
    ) -> list[Document]:
        call = _Call(**asked)
        vector = None if self.embedding is None else await self.embedding.aembed_query(query)
        documents, event = await asyncio.to_thread(
            self._recalled, query, vector, call, run=str(run_manager.run_id)
        )
        if run_manager.handlers:
            child = run_manager.get_child()
            await adispatch_custom_event(RECALLED, event, config={"callbacks": child})
        return documents

    @property
    def _source(self) -> Store | TenantPool:
        source = self.pool if self.store is None else self.store
        assert source is not None  # noqa: S101  the validator has seen to it, for mypy
        return source

    def _with_tenant(self, config: RunnableConfig | None, asked: dict[str, Any]) -> dict[str, Any]:
        """The keywords of a call, and whom it is for.

        It is found out here because the hooks below see no `configurable` of a direct call.
        """
        tenant = tenant_for(
            self._source,
            named=asked.get("tenant"),
            default=self.tenant,
            places=places_of(config, self.tenant_key),
        )
        return asked if tenant is None else {**asked, "tenant": tenant}

    def _recalled(
        self, query: str, vector: list[float] | None, call: _Call, *, run: str
    ) -> tuple[list[Document], dict[str, Any]]:
        """The documents, and what is told of them to handlers such as the feedback's."""
        store = store_for(self._source, named=call.tenant, default=None, places={})
        own, narrower = to_filter(self.filter), to_filter(call.filter)
        k = self.k if call.k is None else call.k
        hops = self.hops if call.hops is None else call.hops
        turn = run if call.turn is None else call.turn
        asked: dict[str, Any] = {
            "vector": vector,
            "where": own if narrower is None else narrower if own is None else own & narrower,
            "scoring": self.scoring if call.scoring is None else call.scoring,
            "as_of": self.as_of if call.as_of is None else call.as_of,
            "session": self.session if call.session is None else call.session,
        }
        if hops:
            limit = self.limit if call.limit is None else call.limit
            hits = list(store.context_chain(query, k, hops, limit=limit, **asked))
        else:
            hits = store.search(query, k, **asked)
        store.plumbing.log_recall(hits, turn=turn, reinforce=self.reinforce)
        if self.with_scores:
            documents = [to_scored_document(hit, turn=turn) for hit in hits]
        else:
            documents = [to_document(hit.memory) for hit in hits]
        return documents, recalled(turn, store, hits)
