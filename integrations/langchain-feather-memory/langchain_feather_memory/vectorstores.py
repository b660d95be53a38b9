"""LangChain's `VectorStore` over one `Store`: plain vector similarity, no decay, no importance."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from typing_extensions import override

from feather_memory import F, Filter, Memory, ParameterError, Store, TenantPool
from feather_memory.agent import (
    Source,
    checked_origin,
    diverse,
    one_tenant,
    reject,
    vectors_of,
    with_vectors,
)
from langchain_feather_memory._convert import several, to_document, to_filter, to_records
from langchain_feather_memory._source import Closing, Naming, batches_of, opener

Where = Filter | Mapping[str, Any]
Near = list[tuple[Memory, float]]


class FeatherVectorStore(Closing, VectorStore):
    """One tenant's memory as a LangChain vector store.

    Answers are ranked by cosine similarity alone, so that thresholds mean something;
    `FeatherRetriever` adds words, decay, importance and the graph. What has been superseded or
    has expired is not returned by any search.

    Setup:
        `pip install langchain-feather-memory`

    Args:
        embedding: Embeds documents and queries.
        store: An open `feather_memory.Store`, of one tenant. The caller closes it.
        path: Instead, the file to open, which is made if there is none. `close()` closes it.
        pool: Instead, the open stores of many tenants; with `tenant`, the one this is bound to.
            The caller closes it.
        tenant: Whose memory it is; of a store or file, whose it must be.
        origin: Who says what is added. A "document" never replaces what the user stated, also under
            its id. Documents of release 0.1.0 count as the user's: to write them again under their
            ids, say "user".

    Instantiate:
        >>> import pathlib, tempfile
        >>> from langchain_core.embeddings import DeterministicFakeEmbedding
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "alice.feather"
        >>> vectors = FeatherVectorStore(DeterministicFakeEmbedding(size=64), path=path)

    Add documents:
        >>> vectors.add_texts(["Deploys are on Tuesday"], [{"team": "web"}], ids=["deploys"])
        ['deploys']

    Search, with a filter:
        >>> from feather_memory import F
        >>> [d.id for d in vectors.similarity_search("Deploys?", k=1, filter={"team": "web"})]
        ['deploys']
        >>> vectors.similarity_search("Deploys?", k=1, filter=F("team") != "web")
        []

    Search with score:
        >>> [(document, distance)] = vectors.similarity_search_with_score(
        ...     "Deploys are on Tuesday", k=1
        ... )
        >>> round(distance, 3)
        0.0

    Use as retriever:
        >>> retriever = vectors.as_retriever(search_type="mmr", search_kwargs={"k": 1})
        >>> retriever.invoke("Deploys?")[0].id
        'deploys'

    Delete documents:
        >>> vectors.delete(["deploys"])
        True
        >>> vectors.close()
    """

    def __init__(
        self,
        embedding: Embeddings,
        *,
        store: Store | None = None,
        path: str | os.PathLike[str] | None = None,
        pool: TenantPool | None = None,
        tenant: str | None = None,
        origin: str = "document",
    ) -> None:
        self._embedding = Naming(embedding)
        self._origin = checked_origin(origin, "origin")
        self._source = Source.chosen(
            "FeatherVectorStore", store=store, path=path, pool=pool,
            tenant=one_tenant("FeatherVectorStore", tenant), opener=opener(embedding),
            takes=("store", "path", "pool"),
        ).bound()  # fmt: skip

    @property
    def store(self) -> Store:
        """The tenant's store, for what LangChain has no word for: edges, signals, history."""
        return self._source.opened().writes

    @property
    @override
    def embeddings(self) -> Embeddings:
        """What embeds documents and queries."""
        return self._embedding.given

    # Making

    @classmethod
    @override
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        batch_size: int | None = None,
        **place: Any,
    ) -> Self:
        """A vector store with these texts added.

        Args:
            texts: As in `add_texts`, as are `metadatas`, `ids` and `batch_size`.
            embedding: Of the vector store.
            metadatas: One a text.
            ids: One a text.
            batch_size: Texts handed to the embedding at once.
            place: The class's `store`, `path`, `pool`, `tenant`; nothing else is taken.
        """
        made = cls(embedding, **place)
        made.add_texts(texts, metadatas, ids=ids, batch_size=batch_size)
        return made

    @classmethod
    @override
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        batch_size: int | None = None,
        **place: Any,
    ) -> Self:
        """As `from_texts`."""
        made = await asyncio.to_thread(cls, embedding, **place)
        await made.aadd_texts(texts, metadatas, ids=ids, batch_size=batch_size)
        return made

    # Writing

    @override
    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        batch_size: int | None = None,
        **unknown: Any,
    ) -> list[str]:
        """Write all texts in one transaction, or none; the ids, in the order of the texts.

        An id that exists gets the new text, metadata and vector. Of the same id given twice, the
        last text stays. Nothing of the caller's is changed.

        Args:
            texts: Not blank.
            metadatas: One a text; what JSON can hold exactly.
            ids: One a text; where it is None or empty, one is made that sorts by time.
            batch_size: Texts handed to the embedding at once; all of them unless given.
            unknown: Refused.

        Raises:
            ParameterError: Lists of different lengths, or a text, id or metadata that cannot be
                kept: document and key are named. It is a ValueError, and nothing was written.
        """
        reject(unknown, "add_texts")
        listed = several(texts, "texts")
        records = to_records(listed, metadatas, ids, self._origin)
        batches = batches_of(listed, batch_size)
        made = [self._embedding.embed_documents(batch) for batch in batches]
        return self._write(records, made)

    @override
    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        batch_size: int | None = None,
        **unknown: Any,
    ) -> list[str]:
        """As `add_texts`; embeds with `aembed_documents` and writes in a thread."""
        reject(unknown, "aadd_texts")
        listed = several(texts, "texts")
        given = (listed, metadatas, ids, self._origin)
        records = await asyncio.to_thread(to_records, *given)  # copies thousands
        batches = batches_of(listed, batch_size)
        made = [await self._embedding.aembed_documents(batch) for batch in batches]
        return await asyncio.to_thread(self._write, records, made)

    @override
    def delete(self, ids: list[str] | None = None, **unknown: Any) -> bool:
        """Forget these memories for good. Ids that do not exist are no error. Always True.

        Raises:
            ParameterError: `ids` is None. LangChain's base class would delete everything then;
                a memory does not do that by an argument left out.
        """
        reject(unknown, "delete")
        if ids is None:
            raise ParameterError("delete needs ids; it never removes everything")
        if (listed := several(ids, "ids")) and (store := self._known()) is not None:
            store.forget(where=F("id").is_in(listed))
        return True

    @override
    async def adelete(self, ids: list[str] | None = None, **unknown: Any) -> bool:
        """As `delete`, in a thread."""
        reject(unknown, "adelete")
        return await asyncio.to_thread(self.delete, ids)

    # Reading

    @override
    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents with those ids, in their order; those that do not exist are left out."""
        store = self._known()
        return [] if store is None else [to_document(each) for each in store.get_many(ids)]

    @override
    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """As `get_by_ids`, in a thread."""
        return await asyncio.to_thread(self.get_by_ids, ids)

    @override
    def similarity_search(
        self, query: str, k: int = 4, filter: Where | None = None, **unknown: Any
    ) -> list[Document]:
        """The `k` documents nearest to the query, nearest first.

        Args:
            query: Is embedded.
            k: At least 1. Fewer are returned only if fewer pass the filter.
            filter: A dict over metadata, such as `{"year": {"$gte": 2020}}`, or made with
                `feather_memory.F`. Applied before the nearest are chosen.
            unknown: Refused.
        """
        reject(unknown, "similarity_search")
        return self.similarity_search_by_vector(self._embedding.embed_query(query), k, filter)

    @override
    async def asimilarity_search(
        self, query: str, k: int = 4, filter: Where | None = None, **unknown: Any
    ) -> list[Document]:
        """As `similarity_search`; embeds with `aembed_query` and searches in a thread."""
        reject(unknown, "asimilarity_search")
        vector = await self._embedding.aembed_query(query)
        return await asyncio.to_thread(self.similarity_search_by_vector, vector, k, filter)

    @override
    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Where | None = None, **unknown: Any
    ) -> list[tuple[Document, float]]:
        """The `k` nearest documents with their cosine **distance**, 1 − cosine: lower is nearer.

        It lies in [0, 2]. `similarity_search_with_relevance_scores` gives 1 − distance ÷ 2
        instead: in [0, 1], higher is nearer, ½ is unrelated.
        """
        reject(unknown, "similarity_search_with_score")
        return self._scored(self._embedding.embed_query(query), k, filter)

    @override
    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, filter: Where | None = None, **unknown: Any
    ) -> list[tuple[Document, float]]:
        """As `similarity_search_with_score`."""
        reject(unknown, "asimilarity_search_with_score")
        vector = await self._embedding.aembed_query(query)
        return await asyncio.to_thread(self._scored, vector, k, filter)

    @override
    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: Where | None = None, **unknown: Any
    ) -> list[Document]:
        """The `k` documents nearest to a vector, nearest first."""
        reject(unknown, "similarity_search_by_vector")
        return [to_document(memory) for memory, _ in self._nearest(embedding, k, filter)]

    @override
    async def asimilarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: Where | None = None, **unknown: Any
    ) -> list[Document]:
        """As `similarity_search_by_vector`, in a thread."""
        reject(unknown, "asimilarity_search_by_vector")
        return await asyncio.to_thread(self.similarity_search_by_vector, embedding, k, filter)

    @override
    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Where | None = None,
        **unknown: Any,
    ) -> list[Document]:
        """`k` documents that are near the query and unlike each other.

        Args:
            query: Is embedded.
            k: At least 1.
            fetch_k: Among how many nearest documents they are chosen; at least `k` are looked at.
            lambda_mult: In [0, 1]: 1 is nearness alone, 0 is difference alone.
            filter: As in `similarity_search`.
            unknown: Refused.
        """
        reject(unknown, "max_marginal_relevance_search")
        vector = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, filter)

    @override
    async def amax_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Where | None = None,
        **unknown: Any,
    ) -> list[Document]:
        """As `max_marginal_relevance_search`."""
        reject(unknown, "amax_marginal_relevance_search")
        vector = await self._embedding.aembed_query(query)
        search = self.max_marginal_relevance_search_by_vector
        return await asyncio.to_thread(search, vector, k, fetch_k, lambda_mult, filter)

    @override
    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Where | None = None,
        **unknown: Any,
    ) -> list[Document]:
        """As `max_marginal_relevance_search`, near a vector."""
        reject(unknown, "max_marginal_relevance_search_by_vector")
        if not 0 <= lambda_mult <= 1:
            raise ParameterError(f"lambda_mult must be a number in [0, 1], got {lambda_mult!r}")
        near = [memory for memory, _ in self._nearest(embedding, max(k, fetch_k), filter)]
        query = np.asarray(embedding, np.float64)  # (dim,)
        rows = vectors_of(near, len(query))  # (n, dim)
        order = diverse(query, rows, k, relevance_share=lambda_mult)
        return [to_document(near[at]) for at in order]

    @override
    async def amax_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Where | None = None,
        **unknown: Any,
    ) -> list[Document]:
        """As `max_marginal_relevance_search_by_vector`, in a thread."""
        reject(unknown, "amax_marginal_relevance_search_by_vector")
        search = self.max_marginal_relevance_search_by_vector
        return await asyncio.to_thread(search, embedding, k, fetch_k, lambda_mult, filter)

    @override
    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda distance: max(0.0, min(1.0, 1.0 - distance / 2))

    # Inside

    def _write(self, records: list[dict[str, Any]], made: list[list[list[float]]]) -> list[str]:
        if not records:  # of nothing no file is made
            return []
        ids = iter(self.store.plumbing.new_ids(sum(r["id"] is None for r in records)))
        own = [{**r, "id": r["id"] or next(ids)} for r in records]  # equal chunks are two documents
        ready = with_vectors(own, [vector for batch in made for vector in batch])
        self.store.add_many(ready)
        return [record["id"] for record in own]

    def _scored(
        self, vector: list[float], k: int, given: Where | None
    ) -> list[tuple[Document, float]]:
        found = self._nearest(vector, k, given)
        return [(to_document(memory), 1.0 - cosine) for memory, cosine in found]

    def _nearest(self, vector: list[float], k: int, given: Where | None) -> Near:
        where, store = to_filter(given), self._known()
        return [] if store is None else store.nearest(vector, k, where=where)

    def _known(self) -> Store | None:
        """The store, to read; None for a tenant of a pool who has none, and none is made."""
        found = self._source.found()
        return None if found is None else found.writes
