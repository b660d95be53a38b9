"""LlamaIndex's vector store over one tenant's `Store`: similarity, no decay, no importance."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, Self

from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import ConfigDict, PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    DEFAULT_PERSIST_DIR,
    DEFAULT_PERSIST_FNAME,
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from llama_index.memory.feather import _persistence
from llama_index.memory.feather._convert import KIND, REF_DOC_ID, to_node, to_record
from llama_index.memory.feather._corrections import Corrections
from llama_index.memory.feather._documents import (
    FeatherDocumentStore,
    FeatherIndexStore,
    document_of,
    erase_traces,
    tie_nodes,
)
from llama_index.memory.feather._edges import write_linked
from llama_index.memory.feather._filters import to_filter
from llama_index.memory.feather._queries import answer, current, refuse_unless_text
from llama_index.memory.feather._source import one_store
from llama_index.memory.feather._twins import in_a_thread
from llama_index.memory.feather.kv_stores import FeatherKVStore
from typing_extensions import override

from feather_memory import F, Filter, ParameterError, Store, TenantPool
from feather_memory.agent import Source, both, reject

_PARENTLESS: Final = "None"
"""What LlamaIndex's stores file nodes under that are from no document."""

_EVERYTHING: Final = ~F("id").is_in([])
_DOCUMENTS: Final = KIND.exists() | ~(F("role").exists() | F("session").exists())
"""All that was not said in a conversation: nodes, what corrects them, and facts of nobody's."""


class FeatherVectorStore(BasePydanticVectorStore):
    """One tenant's memory as a LlamaIndex vector store.

    Answers are ranked by similarity alone, so that cutoffs mean something; `FeatherRetriever`
    adds decay, importance and the graph. A node's id is the memory's. What has been superseded or
    has expired is not returned; nor is what was said in a conversation in the same file, unless it
    reads everything.

    >>> import pathlib, tempfile
    >>> from llama_index.core.schema import TextNode
    >>> from llama_index.core.vector_stores import VectorStoreQuery
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "alice.feather"
    >>> vectors = FeatherVectorStore(path)
    >>> vectors.add([TextNode(text="Deploys are on Tuesday", id_="d", embedding=[1.0, 0.0])])
    ['d']
    >>> found = vectors.query(VectorStoreQuery(query_embedding=[3.0, 4.0]))
    >>> [round(similarity, 6) for similarity in found.similarities]
    [0.6]

    Two objects with the same path share one store. One that is pickled or copied opens the file
    anew.

    Args:
        path: The file, which is made if there is none.
        tenant: Whose it must be.
        store: Instead of a path, an open store. It needs no embedder: LlamaIndex embeds.
        pool: Instead of a path, the pool that knows the tenant's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stores_text: Literal[True] = True
    is_embedding_query: Literal[True] = True
    flat_metadata: Literal[False] = False
    path: str
    tenant: str | None = None
    reads: Literal["documents", "everything"] = "documents"
    """With "everything", what was said in conversations is a node, too, and is deleted and cleared
    like one."""
    _source: Source = PrivateAttr()

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        tenant: str | None = None,
        *,
        store: Store | None = None,
        pool: TenantPool | None = None,
        **fixed: Any,
    ) -> None:
        source = one_store("FeatherVectorStore", store=store, path=path, pool=pool, tenant=tenant)
        super().__init__(**{**fixed, "path": source.path, "tenant": source.owner})
        self._source = source

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the file anew."""
        return partial(type(self), self.path, self.tenant, reads=self.reads), ()

    @classmethod
    @override
    def class_name(cls) -> str:
        """What LlamaIndex calls the class when it is serialised."""
        return "FeatherVectorStore"

    @property
    @override
    def client(self) -> Store:
        """The tenant's store, for what LlamaIndex has no word for: edges, signals, history."""
        return self._source.opened().writes

    def close(self) -> None:
        """Give back the store's memory and files. The next call takes them again."""
        self._source.rest()

    # Writing

    @override
    def add(self, nodes: Iterable[BaseNode], **add_kwargs: Any) -> list[str]:
        """Write all nodes in one transaction, or none; their ids, in their order.

        A node whose id exists takes its place, and keeps what the store has learned of it. Of the
        same id given twice, the last stays. A node is linked to those before and after it, and
        to its parent and children, where they are in the store.

        Raises:
            ValueError: A node has no embedding, or one of another length than the store's.
        """
        reject(add_kwargs, "add")
        listed = list(nodes)
        records = [_embedded(node) for node in listed]
        if records:
            write_linked(self.client, listed, records)
        return [record["id"] for record in records]

    async_add = in_a_thread(add)

    @override
    def delete(
        self, ref_doc_id: str | None, *, corrections: bool = False, **delete_kwargs: Any
    ) -> None:
        """Remove a document: its nodes, or itself if it was never split.

        Their bytes are erased at once, or within about a second, with those of other deletes; at
        the latest when `close` returns.

        What users corrected of it is theirs: it stays, and corrects the document when it comes
        back saying the same. Document stores and ingestion caches over the same file forget that
        they have seen it, so that it can come back, and what of it they keep. `"None"` stands for
        the nodes that are from no document, None for nothing.

        Args:
            ref_doc_id: Of the document.
            corrections: Whether to remove its corrections, too.
            delete_kwargs: Refused.
        """
        reject(delete_kwargs, "delete")
        if ref_doc_id is None:
            return
        unsplit = KIND.exists() & ~REF_DOC_ID.exists() & (F("id") == ref_doc_id)
        where = _from_documents([ref_doc_id]) | unsplit
        self._forget(where, documents=[ref_doc_id], with_corrections=corrections)

    adelete = in_a_thread(delete)

    @override
    def delete_nodes(
        self,
        node_ids: Sequence[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Remove nodes: those with these ids that the filters let through. Neither: none.

        Their bytes are erased as those that `delete` removes.

        Args:
            node_ids: Unknown ones are passed over.
            filters: As in a query.
            delete_kwargs: Refused.
        """
        reject(delete_kwargs, "delete_nodes")
        where = self._where(filters, node_ids)
        if where is not None:
            self._forget(both(where, self._own()), documents=[], with_corrections=True)

    adelete_nodes = in_a_thread(delete_nodes)

    @override
    def clear(self) -> None:
        """Remove every node, what corrects them, and what document stores and caches have seen.

        What was said in conversations stays, unless this store reads everything.
        """
        store = self._known()
        if store is None:
            return
        with store.transaction():
            store.forget(where=KIND.exists() if self.reads == "documents" else _EVERYTHING)
            Corrections(store).forget()
            erase_traces(store)

    aclear = in_a_thread(clear)

    def _forget(
        self, where: Filter | None, *, documents: Sequence[str], with_corrections: bool
    ) -> None:
        """Remove nodes, and whatever the file has of them and of these documents beside.

        Their bytes stay owed: a refresh deletes one document after the other.
        """
        store = self._known()
        if store is None:
            return
        corrections = Corrections(store)
        with store.transaction():
            # One look at the file: `iterate` takes two, and `search` what is current only.
            found = store.latest(max(1, len(store)), where=where)
            if not with_corrections:
                found = corrections.spared(found)
            elif documents:
                corrections.forget(documents)
            corrections.note(found)
            if found:
                tie_nodes(store, [(memory.id, document_of(memory)) for memory in found])
                store.plumbing.drop([memory.id for memory in found], tied=True)
            erase_traces(store, found, documents)

    # Reading

    @override
    def get_nodes(
        self,
        node_ids: Sequence[str] | None = None,
        filters: MetadataFilters | None = None,
    ) -> list[BaseNode]:
        """The current nodes with these ids, in their order, that the filters let through.

        They come with their embeddings. Without ids: all, in the order of writing, in which a node
        that was changed is where it was changed.

        Args:
            node_ids: Those that do not exist are left out. None at all: no nodes.
            filters: As in a query.
        """
        where, store = self._where(filters, node_ids), self._known()
        if store is None:
            return []
        found = current(store, max(1, len(store)), both(where, self._own()))
        if node_ids is None:
            ordered = found[::-1]
        else:
            by_id = {memory.id: memory for memory in found}
            ordered = [by_id[id_] for id_ in node_ids if id_ in by_id]
        return [to_node(memory, with_embedding=True) for memory in ordered]

    aget_nodes = in_a_thread(get_nodes)

    @override
    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """The `similarity_top_k` best of the nodes that pass every restriction, best first.

        Ids and documents restrict if there are any; they and the filters must all hold, and are
        applied before the best are chosen. Modes, and what the similarities are:

        - DEFAULT: the cosine, in [−1, 1]. Without an embedding: the newest that pass, each at 1.
        - MMR: the same of nodes unlike each other. `mmr_threshold`, as an argument or else in the
          query: 1 is nearness alone, 0 is difference alone. They are chosen among four times as
          many, or `mmr_prefetch_factor` times, or among `mmr_prefetch_k`.
        - TEXT_SEARCH, SPARSE: BM25 ÷ the best, in (0, 1]; `sparse_top_k` of them if given.
        - HYBRID: `alpha` · max(0, cosine) + (1 − `alpha`) · words; `hybrid_top_k` of them if given.
          With `sparse_top_k`, of the best few by either alone.

        Raises:
            NotImplementedError: Another mode.
            TypeError: An unknown argument; or text is to be matched where a node has none.
            ParameterError: What the mode needs is missing, or out of its range.
        """
        where = both(
            self._where(query.filters, query.node_ids or None),
            _from_documents(query.doc_ids) if query.doc_ids else None,
        )
        store = self._known()
        if store is None:
            return VectorStoreQueryResult(nodes=[], similarities=[], ids=[])
        return answer(store, query, where, self._own(), kwargs)

    aquery = in_a_thread(query)

    def _where(
        self, filters: MetadataFilters | None, node_ids: Sequence[str] | None
    ) -> Filter | None:
        store = self._known()
        refuse_unless_text([] if store is None else [store], filters, self._own())
        named = None if node_ids is None else F("id").is_in(_several(node_ids, "node_ids"))
        return both(to_filter(filters), named)

    def _known(self) -> Store | None:
        """The store, to read; None for a tenant of a pool who has none, and none is made."""
        found = self._source.found()
        return None if found is None else found.writes

    def _own(self) -> Filter | None:
        """What this store reads; None for everything."""
        return _DOCUMENTS if self.reads == "documents" else None

    # With an index

    def storage_context(self, **others: Any) -> StorageContext:
        """A storage context whose document store is in the same file.

        Args:
            others: Further arguments of `StorageContext.from_defaults`.
        """
        documents = FeatherDocumentStore(FeatherKVStore(**self._source.arguments))
        given = {"docstore": documents, "index_store": FeatherIndexStore(), **others}
        return StorageContext.from_defaults(vector_store=self, **given)

    def as_index(self, embed_model: BaseEmbedding, **others: Any) -> VectorStoreIndex:
        """An index over what is stored, which knows after a restart what it has seen.

        Args:
            embed_model: Embeds nodes and queries.
            others: Further arguments of `VectorStoreIndex`, such as `transformations`.
        """
        context = self.storage_context()
        return VectorStoreIndex([], storage_context=context, embed_model=embed_model, **others)

    @override
    def persist(self, persist_path: str, fs: Any = None) -> None:
        """Write a snapshot beside where LlamaIndex would put JSON, ending in `.feather`.

        Nothing has to be done, and nothing is, where that is the directory that the store is in.

        Raises:
            StoreAccessError: The snapshot to replace is open.
            ParameterError: The file system is not the local one.
        """
        _persistence.persist(self._source, persist_path, fs)

    @classmethod
    def from_persist_path(cls, persist_path: str, fs: Any = None) -> Self:
        """The store in the snapshot that `persist` wrote for this path.

        Raises:
            StoreAccessError: There is none.
            CorruptStoreError: It is damaged.
        """
        return cls(_persistence.existing(_persistence.snapshot_path(persist_path, fs)))

    @classmethod
    def from_persist_dir(
        cls,
        persist_dir: str = DEFAULT_PERSIST_DIR,
        namespace: str = "default",
        fs: Any = None,
    ) -> Self:
        """The store in the snapshot that `StorageContext.persist` had written.

        Raises:
            ParameterError: The namespace leads elsewhere.
            StoreAccessError: There is none.
        """
        name = _persistence.json_name(namespace, DEFAULT_PERSIST_FNAME)
        return cls.from_persist_path(str(Path(persist_dir) / name), fs)


def _embedded(node: BaseNode) -> dict[str, Any]:
    node.get_embedding()  # raises where there is none: a node is never stored without one
    return to_record(node)


def _several(ids: Sequence[str], name: str) -> list[str]:
    if isinstance(ids, str):  # it would be read letter by letter
        raise ParameterError(f"{name} must be several strings, got {ids!r:.80}")
    return list(ids)


def _from_documents(ref_doc_ids: Sequence[str]) -> Filter:
    named = REF_DOC_ID.is_in(_several(ref_doc_ids, "doc_ids"))
    if _PARENTLESS not in ref_doc_ids:
        return named
    return named | (KIND.exists() & ~REF_DOC_ID.exists())
