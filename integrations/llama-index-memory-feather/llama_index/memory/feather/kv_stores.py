"""LlamaIndex's key-value store in a tenant's file: for document stores and ingestion caches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Final

from llama_index.core.storage.kvstore.types import (
    DEFAULT_BATCH_SIZE,
    DEFAULT_COLLECTION,
    BaseKVStore,
)
from llama_index.memory.feather._source import one_store
from llama_index.memory.feather._twins import in_a_thread
from typing_extensions import override

from feather_memory import Shelf, Store, TenantPool

_PREFIX: Final = "llama_index/"
_HASHES: Final = "/metadata"
"""How the collection of a document store ends in which it keeps what it has seen."""


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
        store: Store | None = None,
        pool: TenantPool | None = None,
    ) -> None:
        self._source = one_store("FeatherKVStore", store=store, path=path, pool=pool, tenant=tenant)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the file anew."""
        return type(self), (self._source.path, self._source.owner)

    @override
    def put(self, key: str, val: dict[str, Any], collection: str = DEFAULT_COLLECTION) -> None:
        """Write one value."""
        self._shelf(collection)[key] = val

    aput = in_a_thread(put)

    @override
    def put_all(
        self,
        kv_pairs: Sequence[tuple[str, dict[str, Any]]],
        collection: str = DEFAULT_COLLECTION,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        """Write many values in one transaction, whatever the size of a batch."""
        self._shelf(collection).update(kv_pairs)

    aput_all = in_a_thread(put_all)

    @override
    def get(self, key: str, collection: str = DEFAULT_COLLECTION) -> dict[str, Any] | None:
        """A copy of the value; None if there is none."""
        value: dict[str, Any] | None = self._shelf(collection).get(key)
        return value

    aget = in_a_thread(get)

    @override
    def get_all(self, collection: str = DEFAULT_COLLECTION) -> dict[str, dict[str, Any]]:
        """Every value by its key, in the order of insertion."""
        return dict(self._shelf(collection).items())

    aget_all = in_a_thread(get_all)

    @override
    def delete(self, key: str, collection: str = DEFAULT_COLLECTION) -> bool:
        """Delete a value; whether there was one.

        A document store deletes a document by many calls of this, so that their bytes are erased
        together: by the first write in every second, or when the store is closed or next opened.
        """
        return self._shelf(collection).drop([key]) > 0

    adelete = in_a_thread(delete)

    def _shelf(self, collection: str) -> Shelf:
        return self._source.opened().writes.plumbing.shelf(f"{_PREFIX}{collection}")


def drop_documents(store: Store, ids: Iterable[str] | None = None) -> None:
    """Have the document stores in the file forget that they have seen these documents, or any.

    Otherwise a document that was deleted from an index could not come back: the document store
    knows its hash and takes it for unchanged. Their text goes as well; what a document store has
    of the nodes it keeps itself, it takes care of itself.
    """
    for name in store.plumbing.shelves():
        if not name.startswith(_PREFIX) or not name.endswith(_HASHES):
            continue
        seen, texts = (
            store.plumbing.shelf(name),
            store.plumbing.shelf(f"{name.removesuffix(_HASHES)}/data"),
        )
        gone = list(seen) if ids is None else list(ids)
        seen.discard(gone)
        texts.discard(gone)
