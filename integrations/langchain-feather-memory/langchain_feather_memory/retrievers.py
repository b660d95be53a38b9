"""LangChain's `BaseRetriever` over one `Store`, with all that its ranking knows."""

from __future__ import annotations

import asyncio
from datetime import datetime  # noqa: TC003  pydantic reads the annotations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from langchain_core.embeddings import Embeddings  # noqa: TC002  likewise
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field, PrivateAttr, field_validator, model_validator
from typing_extensions import override

from feather_memory import Filter, ParameterError, Scoring, Store
from langchain_feather_memory._convert import (
    DocumentEmbedder,
    QueryEmbedder,
    to_document,
    to_filter,
    to_scored_document,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.callbacks import (
        AsyncCallbackManagerForRetrieverRun,
        CallbackManagerForRetrieverRun,
    )
    from langchain_core.documents import Document


class FeatherRetriever(BaseRetriever):
    """One tenant's memory as a retriever: similarity, words, decay, importance, and the graph.

    What it returns is shown to a model, so it is a recall: logged under a turn, so that feedback
    finds it, and counted once a turn, so that what is used decays more slowly. The turn is the
    retriever's run id unless `turn=` is given.

    `k`, `hops`, `limit`, `scoring`, `filter`, `as_of`, `session` and `turn` may be given to
    `invoke` and `ainvoke`, too, for that call. A filter given there narrows the retriever's own.
    Other keywords are refused.

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
        if self.path is None:
            if self.store is None:
                raise ParameterError("a FeatherRetriever takes either store= or path=")
        elif self.store is None:
            embedding = self.embedding
            self.store = self._owned = Store.open(
                self.path,
                embedder=None if embedding is None else DocumentEmbedder(embedding),
                query_embedder=None if embedding is None else QueryEmbedder(embedding),
            )
        elif (
            self.store.path != Path(self.path).absolute()
        ):  # both are there when LangChain copies us
            raise ParameterError("a FeatherRetriever takes either store= or path=")
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
    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        hops: int | None = None,
        limit: int | None = None,
        scoring: Scoring | None = None,
        filter: Filter | Mapping[str, Any] | None = None,
        as_of: datetime | float | None = None,
        session: str | None = None,
        turn: str | None = None,
    ) -> list[Document]:
        vector = None if self.embedding is None else self.embedding.embed_query(query)
        asked = self._asked(vector, scoring, filter, as_of, session)
        turn = str(run_manager.run_id) if turn is None else turn
        return self._recalled(query, asked, k=k, hops=hops, limit=limit, turn=turn)

    @override
    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
        hops: int | None = None,
        limit: int | None = None,
        scoring: Scoring | None = None,
        filter: Filter | Mapping[str, Any] | None = None,
        as_of: datetime | float | None = None,
        session: str | None = None,
        turn: str | None = None,
    ) -> list[Document]:
        vector = None if self.embedding is None else await self.embedding.aembed_query(query)
        asked = self._asked(vector, scoring, filter, as_of, session)
        turn = str(run_manager.run_id) if turn is None else turn
        return await asyncio.to_thread(
            self._recalled, query, asked, k=k, hops=hops, limit=limit, turn=turn
        )

    def _asked(
        self,
        vector: list[float] | None,
        scoring: Scoring | None,
        given: Filter | Mapping[str, Any] | None,
        as_of: datetime | float | None,
        session: str | None,
    ) -> dict[str, Any]:
        own, narrower = to_filter(self.filter), to_filter(given)
        both = own if narrower is None else narrower if own is None else own & narrower
        return {
            "vector": vector,
            "where": both,
            "scoring": self.scoring if scoring is None else scoring,
            "as_of": self.as_of if as_of is None else as_of,
            "session": self.session if session is None else session,
        }

    def _recalled(
        self,
        query: str,
        asked: dict[str, Any],
        *,
        k: int | None,
        hops: int | None,
        limit: int | None,
        turn: str,
    ) -> list[Document]:
        store = self.store
        assert store is not None  # noqa: S101  the validator opened it, for mypy
        k = self.k if k is None else k
        hops = self.hops if hops is None else hops
        if hops:
            limit = self.limit if limit is None else limit
            hits = list(store.context_chain(query, k, hops, limit=limit, **asked))
        else:
            hits = store.search(query, k, **asked)
        store.log_recall(hits, turn=turn, reinforce=self.reinforce)
        if self.with_scores:
            return [to_scored_document(hit, turn=turn) for hit in hits]
        return [to_document(hit.memory) for hit in hits]
