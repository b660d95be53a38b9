"""LlamaIndex's `BaseRetriever` over one tenant's memory, with all that its ranking knows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks import CallbackManager
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import IndexNode, NodeWithScore, QueryBundle
from llama_index.core.vector_stores import MetadataFilters
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from llama_index.memory.feather._conversation import current_turn, said_now
from llama_index.memory.feather._convert import to_node_with_score
from llama_index.memory.feather._filters import to_filter
from llama_index.memory.feather._queries import refuse_unless_text
from llama_index.memory.feather._source import Bound, chosen
from llama_index.memory.feather.attribution import log_retrieved
from typing_extensions import override

from feather_memory import (
    ContextLayers,
    Filter,
    ParameterError,
    Scoring,
    Store,
    TenantPool,
    parse_filter,
)
from feather_memory.agent import RecallOptions, question_of, recalled, unseen

dispatcher = get_dispatcher(__name__)

_TOOL_PREFIX = "\ninput is "
"""What LlamaIndex's RetrieverTool puts before the question of a model that names its argument."""


class FeatherRetriever(BaseRetriever):
    """One tenant's memory as a retriever: similarity, words, decay, importance, and the graph.

    Every node has the memory's id and a score in [0, 1], higher is better. What is returned goes
    to a model, so it is a recall: logged under `current_turn()`, so that feedback finds it, and
    counted once a turn, so that what is used decays more slowly.

    >>> import pathlib, tempfile
    >>> from feather_memory import Store
    >>> with Store.open(pathlib.Path(tempfile.mkdtemp()) / "alice.feather") as store:
    ...     _ = store.add("Deploys are on Monday", key="deploys")
    ...     _ = store.add("Deploys are on Tuesday", key="deploys")
    ...     [node.text for node in FeatherRetriever(store=store).retrieve("deploys")]
    ['Deploys are on Tuesday']

    Args:
        store: An open store. The caller closes it.
        path: Instead, the file to open, which is made if there is none.
        pool: Instead, the open pool of a service with many tenants.
        layers: Instead, open stores that are read together.
        tenant: Whose memory; needed with `pool`, checked with the others.
        embed_model: Embeds the queries. Else the store's own embedder does, or the model set in
            `Settings`; a query that brings its embedding needs none.
        similarity_top_k: How many memories the query itself finds, at least 1.
        hops: How far to walk from those along the edges.
        edge_types: Only over edges of these types.
        limit: How many nodes there may be in all, where `hops` is above 0.
        filters: LlamaIndex's, or the core's, made with `feather_memory.F`.
        scoring: How relevance, age and importance weigh; the store's default unless given.
        as_of: What was true then? Now unless given. Timezone-aware, or Unix seconds.
        session: Only memories of this session.
        reinforce: Whether being returned slows a memory's decay.
        callback_manager: As in `BaseRetriever`, as are the next three.
        object_map: By index id, what an IndexNode stands for.
        objects: IndexNodes that carry it.
        verbose: Whether such a detour is printed.
    """

    def __init__(  # noqa: PLR0913  as many as there are things to choose
        self,
        *,
        store: Store | BasePydanticVectorStore | None = None,
        path: str | os.PathLike[str] | None = None,
        pool: TenantPool | None = None,
        layers: ContextLayers | None = None,
        tenant: str | None = None,
        embed_model: BaseEmbedding | None = None,
        similarity_top_k: int = 5,
        hops: int = 0,
        edge_types: Sequence[str] | None = None,
        limit: int = 50,
        filters: MetadataFilters | Filter | Mapping[str, Any] | None = None,
        scoring: Scoring | None = None,
        as_of: datetime | float | None = None,
        session: str | None = None,
        reinforce: bool = True,
        callback_manager: CallbackManager | None = None,
        object_map: dict[str, Any] | None = None,
        objects: list[IndexNode] | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(callback_manager, object_map, objects, verbose)
        source = chosen(
            "FeatherRetriever", store=store, path=path, pool=pool, layers=layers, tenant=tenant
        )
        self._bound = Bound(source, embed_model)
        self._matched = filters if isinstance(filters, MetadataFilters) else None
        self._options = RecallOptions(
            k=similarity_top_k,
            hops=hops,
            types=edge_types,
            limit=limit,
            scoring=scoring,
            where=_condition(filters),
            session=session,
            as_of=as_of,
            reinforce=reinforce,
        )

    @override
    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        query = _query(query_bundle)
        if query is None and query_bundle.embedding is None:
            return []
        vector = query_bundle.embedding
        if vector is None:
            vector = self._bound.query_vector(_phrasings(query_bundle, query))
        return self._recalled(query, vector)

    @override
    @dispatcher.span
    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        query = _query(query_bundle)
        if query is None and query_bundle.embedding is None:
            return []
        vector = query_bundle.embedding
        if vector is None:
            vector = await self._bound.aquery_vector(_phrasings(query_bundle, query))
        return await asyncio.to_thread(self._recalled, query, vector)

    def _recalled(self, query: str | None, vector: list[float] | None) -> list[NodeWithScore]:
        opened = self._bound.found()
        if opened is None:  # who has no memory yet gets none by asking
            return []
        if self._matched is not None:
            refuse_unless_text(opened.stores.values(), self._matched)
        found = recalled(
            opened,
            query,
            self._options,
            vector=vector,
            beyond=unseen(said_now()),  # a question answers no question
            turn=current_turn(),
            log=log_retrieved,
        )
        return [to_node_with_score(hit) for hit in found.hits]


def _condition(filters: MetadataFilters | Filter | Mapping[str, Any] | None) -> Filter | None:
    return to_filter(filters) if isinstance(filters, MetadataFilters) else parse_filter(filters)


def _query(bundle: QueryBundle) -> str | None:
    """What is asked in words; None if nothing is."""
    if bundle.image_path is not None and bundle.embedding is None:
        raise ParameterError("a FeatherRetriever embeds no image: give the query its embedding")
    return question_of(bundle.query_str).removeprefix(_TOOL_PREFIX).strip() or None


def _phrasings(bundle: QueryBundle, query: str | None) -> list[str]:
    return list(bundle.custom_embedding_strs or ()) or [query or ""]
