"""What document stores and ingestion caches in a tenant's file keep of documents, and its end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from llama_index.core.data_structs.data_structs import IndexDict, IndexStruct
from llama_index.core.schema import NodeRelationship
from llama_index.core.storage.docstore.keyval_docstore import KVDocumentStore
from llama_index.core.storage.index_store import SimpleIndexStore
from llama_index.memory.feather._convert import REF_DOC_ID, RESERVED
from typing_extensions import override

from feather_memory import Memory, Shelf, Store
from feather_memory.agent import same_id

COLLECTIONS: Final = "llama_index/"
"""What the name of a collection's shelf begins with."""

_HASHES, _TEXTS, _NODES_OF = "/metadata", "/data", "/ref_doc_info"
"""How the collections of a document store end: what it has seen, its text, and its nodes."""

_ORIGINS: Final = "llama_index.origins"
"""The shelf of which cached values are of a document: by its digest, keys by collection."""
_SERVED: Final = "llama_index.served:"
"""Shelves of which cached values, by collection, are of documents that were seen before them."""
_IS_WHOLE: Final = "whole"
_MANY: Final = 1 << 40
_OF_DOCUMENT: Final = str(NodeRelationship.SOURCE.value)


class FeatherDocumentStore(KVDocumentStore):
    """LlamaIndex's document store over a key-value store, in which twins are two documents."""

    @override
    def get_all_document_hashes(self) -> dict[str, str]:
        """Every document's id by its hash; by hash and id where another has the same hash.

        Otherwise `UPSERTS_AND_DELETE` would overlook all but one of those of one text.
        """
        return _by_hash(self._kvstore.get_all(collection=self._metadata_collection))

    @override
    async def aget_all_document_hashes(self) -> dict[str, str]:
        """As `get_all_document_hashes`, in a thread."""
        return _by_hash(await self._kvstore.aget_all(collection=self._metadata_collection))


class FeatherIndexStore(SimpleIndexStore):
    """LlamaIndex's index store over a vector store that keeps every node whole.

    An index lists the image and index nodes that it was given, and a retriever of an index that
    lists any asks for those alone: all others would be hidden. Here it lists none.
    """

    @override
    def add_index_struct(self, index_struct: IndexStruct) -> None:
        """Keep what an index says of itself, without what it lists."""
        super().add_index_struct(_unlisted(index_struct))

    @override
    async def async_add_index_struct(self, index_struct: IndexStruct) -> None:
        """As `add_index_struct`."""
        await super().async_add_index_struct(_unlisted(index_struct))


def _unlisted(index_struct: IndexStruct) -> IndexStruct:
    if isinstance(index_struct, IndexDict):
        index_struct.nodes_dict.clear()
    return index_struct


def note_origins(store: Store, collection: str, pairs: Iterable[tuple[str, Any]]) -> None:
    """Note of which documents the cached nodes among the values are."""
    listed = [(collection, key, value) for key, value in pairs if _origins(value)]
    if listed:
        served = store.plumbing.shelf(f"{_SERVED}{collection}")
        known = {key: True for _, key, value in listed if _is_seen(store, value)}
        served.update(known)
        if others := [key for _, key, _ in listed if key not in known and key in served]:
            served.discard(others)
        shelf = store.plumbing.shelf(_ORIGINS)
        if _IS_WHOLE in shelf:
            shelf.update(_noted(listed, shelf))
        else:
            shelf.update({**_noted([*_every_value(store), *listed]), _IS_WHOLE: True})


def is_of_another(store: Store, collection: str, key: str, value: object) -> bool:
    """Whether the value is cached nodes of a document that was stored since they were cached."""
    return _is_seen(store, value) and key not in store.plumbing.shelf(f"{_SERVED}{collection}")


def _is_seen(store: Store, value: object) -> bool:
    """Whether the value is nodes of a document that a document store has seen."""
    origins = _origins(value)
    if not origins:
        return False
    return any(
        document in store.plumbing.shelf(name)
        for name in store.plumbing.shelves()
        if name.startswith(COLLECTIONS) and name.endswith(_HASHES)
        for document in origins
    )


def tie_nodes(store: Store, nodes: Iterable[tuple[str, str | None]]) -> None:
    """Have what document stores and caches in the file hold of nodes go with them.

    A document loses what a node says, and keeps what it says besides.

    Args:
        store: The file.
        nodes: The id of each, and that of its document, if it is from one.
    """
    names = [name for name in store.plumbing.shelves() if name.startswith(COLLECTIONS)]
    ids: dict[str, list[str]] = {}
    for id_, document in nodes if names else ():
        ids.setdefault(document or id_, []).append(id_)
    if not ids:
        return
    for name in names:
        if name.endswith(_TEXTS):
            _tie_texts(store.plumbing.shelf(name), ids)
    digests = {same_id(document): document for document in ids}
    for digest, found in _cached_of(store, list(digests)).items():
        for collection, keys in found.items():
            tied = dict.fromkeys(keys, ids[digests[digest]])
            store.plumbing.shelf(f"{COLLECTIONS}{collection}").tie(tied)


def tie_values(store: Store, collection: str, pairs: Sequence[tuple[str, Any]]) -> None:
    """Have what document stores and caches keep go with the nodes that it is of.

    Those may come later, and be others of the same document than a cache has.
    """
    shelf = store.plumbing.shelf(f"{COLLECTIONS}{collection}")
    if collection.endswith(_TEXTS):
        keys = [key for key, _ in pairs]
        _tie_texts(shelf, _nodes_of(store, keys), also=keys)
        return
    cached = {key: found for key, value in pairs if (found := [*_nodes_in(value)])}
    documents = {document for found in cached.values() for _, document in found}
    ids = _nodes_of(store, documents)
    shelf.tie(
        {
            key: {id_ for own, document in found for id_ in (own, *ids.get(document, ()))}
            for key, found in cached.items()
        }
    )


def _nodes_of(store: Store, documents: Collection[str]) -> dict[str, list[str]]:
    """The ids of the nodes that the file has, by their documents, of some of these."""
    ids: dict[str, list[str]] = {}
    if documents and len(store):
        for node in store.latest(_MANY, where=REF_DOC_ID.is_in(list(documents))):
            ids.setdefault(str(document_of(node)), []).append(node.id)
    return ids


def _tie_texts(shelf: Shelf, ids: Mapping[str, Sequence[str]], also: Sequence[str] = ()) -> None:
    """Tie documents to their nodes' ids, and what is kept of a node to the node itself."""
    kept = {document: found for document, found in ids.items() if also or document in shelf}
    shelf.tie(kept, is_whole=False)
    shelf.tie({key: [key] for key in also or [id_ for found in kept.values() for id_ in found]})


def erase_traces(
    store: Store, nodes: Sequence[Memory] | None = None, documents: Iterable[str] = ()
) -> None:
    """Erase what document stores and caches in the file have of deleted nodes and documents.

    With `nodes` its bytes stay owed, as those of the nodes do.

    A document store forgets that it has seen a document, too: it would take it for unchanged, and
    it could not come back. What a document says besides a node that was deleted alone is kept.

    Args:
        store: The file.
        nodes: Which were deleted; None for all there are, and all documents.
        documents: Which were deleted with all their nodes.
    """
    names = [name for name in store.plumbing.shelves() if name.startswith(COLLECTIONS)]
    kinds = [n.removesuffix(_HASHES) for n in names if n.endswith(_HASHES)]
    gone = list(documents)
    for stem in kinds:
        _erase_in(store, stem, nodes, gone)
    if nodes is None:
        cached = [n for n in names if not n.startswith(tuple(f"{stem}/" for stem in kinds))]
        for name in (*(n for n in cached if _is_cache(store, name=n)), _ORIGINS):
            store.plumbing.shelf(name).clear()
        return
    _erase_cached(store, {*gone, *(document_of(node) or node.id for node in nodes)})


def _erase_in(
    store: Store, stem: str, nodes: Sequence[Memory] | None, documents: Sequence[str]
) -> None:
    seen, texts, nodes_of = (
        store.plumbing.shelf(f"{stem}{suffix}") for suffix in (_HASHES, _TEXTS, _NODES_OF)
    )
    if nodes is None:
        for shelf in (seen, texts, nodes_of):
            shelf.clear()
        return
    held = [id_ for name in documents for id_ in (nodes_of.get(name) or {}).get("node_ids", [])]
    gone = [*documents, *held, *(node.id for node in nodes)]
    for shelf in (seen, texts):
        shelf.drop(gone)
    nodes_of.drop(documents)


def _erase_cached(store: Store, documents: Iterable[str]) -> None:
    digests = [same_id(document) for document in documents]
    noted = _cached_of(store, digests)
    for found in noted.values():
        for collection, keys in found.items():
            store.plumbing.shelf(f"{COLLECTIONS}{collection}").drop(keys)
    if noted:
        store.plumbing.shelf(_ORIGINS).drop(digests)


def _cached_of(store: Store, digests: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Keys of cached values, by collection, by the document that they are of."""
    shelf = store.plumbing.shelf(_ORIGINS)
    if _IS_WHOLE in shelf:
        return {digest: found for digest in digests if (found := shelf.get(digest)) is not None}
    noted = _noted(_every_value(store))  # what an earlier release cached is noted nowhere
    shelf.update({**noted, _IS_WHOLE: True})
    return {digest: noted[digest] for digest in digests if digest in noted}


def _every_value(store: Store) -> Iterator[tuple[str, str, Any]]:
    for name in store.plumbing.shelves():
        if name.startswith(COLLECTIONS):
            for key, value in store.plumbing.shelf(name).items():
                yield name.removeprefix(COLLECTIONS), key, value


def _noted(
    values: Iterable[tuple[str, str, Any]], shelf: Shelf | None = None
) -> dict[str, dict[str, list[str]]]:
    """Of the values, each with its collection and key, those that are of a document, by it.

    Args:
        values: What is cached.
        shelf: What was noted before of the same documents, which is kept.
    """
    noted: dict[str, dict[str, list[str]]] = {}
    for collection, key, value in values:
        for digest in map(same_id, sorted(_origins(value))):
            if digest not in noted:
                noted[digest] = (None if shelf is None else shelf.get(digest)) or {}
            keys = noted[digest].setdefault(collection, [])
            if key not in keys:
                keys.append(key)
    return noted


def _is_cache(store: Store, *, name: str) -> bool:
    return any(_origins(value) for _, value in store.plumbing.shelf(name).items())


def _origins(value: object) -> set[str]:
    """The documents of which the nodes are that the value is a list of, as a cache keeps it."""
    return {document for _, document in _nodes_in(value)}


def _nodes_in(value: object) -> Iterator[tuple[str, str]]:
    """The id of each node in a cached value, and its document's: the same where it has none."""
    lists = value.values() if isinstance(value, Mapping) else ()
    for each in (each for listed in lists if isinstance(listed, list) for each in listed):
        node = each.get("__data__") if isinstance(each, Mapping) else None
        if isinstance(node, Mapping):
            own = str(node.get("id_"))
            source = (node.get("relationships") or {}).get(_OF_DOCUMENT) or {}
            yield own, str(source.get("node_id") or own)


def document_of(memory: Memory) -> str | None:
    """The id of the document that a node is from, if it is from one."""
    kept = memory.metadata.get(RESERVED)
    related = kept.get("relationships", {}) if isinstance(kept, Mapping) else {}
    id_: str | None = related.get(_OF_DOCUMENT, {}).get("node_id")
    return id_


def _by_hash(seen: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for id_, kept in seen.items():
        if hash_ := (kept or {}).get("doc_hash"):
            found[f"{hash_} of {id_}" if hash_ in found else hash_] = id_
    return found
