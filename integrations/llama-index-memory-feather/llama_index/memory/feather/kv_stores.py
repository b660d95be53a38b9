"""LlamaIndex's key-value store in a tenant's file: for document stores and ingestion caches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from llama_index.core.storage.kvstore.types import (
    DEFAULT_BATCH_SIZE,
    DEFAULT_COLLECTION,
    BaseKVStore,
)
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from llama_index.memory.feather._documents import (
    COLLECTIONS,
    is_of_another,
    note_origins,
    tie_values,
)
from llama_index.memory.feather._source import one_store
from llama_index.memory.feather._twins import in_a_thread
from typing_extensions import override

from feather_memory import Shelf, Store, TenantPool


class FeatherKVStore(BaseKVStore):
    """Collections of JSON values in the same file as the memories.

    What a document store has seen, an index of the same file has: after a restart, a refresh
    neither inserts twice nor leaves out what was deleted.

    >>> import pathlib, tempfile
    >>> from llama_index.core.schema import Document
    >>> from llama_index.core.storage.docstore.keyval_docstore import KVDocumentStore
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "alice.feather"
    >>> documents = KVDocumentStore(FeatherKVStore(path))
    >>> documents.add_documents([Document(text="Deploys are on Tuesday", id_="deploys.md")])
    >>> KVDocumentStore(FeatherKVStore(path)).get_document("deploys.md").text
    'Deploys are on Tuesday'

    Args:
        path: The file, which is made if there is none.
        tenant: Whose it must be.
        store: Instead of a path, an open store.
        pool: Instead of a path, the pool that knows the tenant's.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        tenant: str | None = None,
        *,
        store: Store | BasePydanticVectorStore | None = None,
        pool: TenantPool | None = None,
    ) -> None:
        self._source = one_store("FeatherKVStore", store=store, path=path, pool=pool, tenant=tenant)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the file anew."""
        return type(self), (self._source.path, self._source.owner)

    @override
    def put(self, key: str, val: dict[str, Any], collection: str = DEFAULT_COLLECTION) -> None:
        """Write one value."""
        self.put_all([(key, val)], collection)

    aput = in_a_thread(put)

    @override
    def put_all(
        self,
        kv_pairs: Sequence[tuple[str, dict[str, Any]]],
        collection: str = DEFAULT_COLLECTION,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        """Write many values in one transaction, whatever the size of a batch."""
        pairs = list(kv_pairs)
        if not pairs:
            return
        store = self._source.opened().writes
        with store.transaction():
            self._shelf(collection).update(pairs)
            note_origins(store, collection, pairs)
            tie_values(store, collection, pairs)

    aput_all = in_a_thread(put_all)

    @override
    def get(self, key: str, collection: str = DEFAULT_COLLECTION) -> dict[str, Any] | None:
        """A copy of the value; None if there is none.

        Nodes that an ingestion cache keeps are of the document that they were made of, and their
        key is its text alone. Where a document store in the file has taken that one since, whoever
        asks has another document of the same text: there is none.
        """
        if self._source.found() is None:  # who has no memory yet gets none by asking
            return None
        value: dict[str, Any] | None = self._shelf(collection).get(key)
        store = self._source.opened().writes
        return None if is_of_another(store, collection, key, value) else value

    aget = in_a_thread(get)

    @override
    def get_all(self, collection: str = DEFAULT_COLLECTION) -> dict[str, dict[str, Any]]:
        """Every value by its key, in the order of insertion."""
        return {} if self._source.found() is None else dict(self._shelf(collection).items())

    aget_all = in_a_thread(get_all)

    @override
    def delete(self, key: str, collection: str = DEFAULT_COLLECTION) -> bool:
        """Delete a value; whether there was one.

        A document store deletes a document by many calls of this, so that their bytes are erased
        together: by the first write in every second, or when the store is closed or next opened.
        """
        return self._source.found() is not None and self._shelf(collection).drop([key]) > 0

    adelete = in_a_thread(delete)

    def _shelf(self, collection: str) -> Shelf:
        return self._source.opened().writes.plumbing.shelf(f"{COLLECTIONS}{collection}")
