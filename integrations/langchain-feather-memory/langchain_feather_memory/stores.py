"""LangGraph's `BaseStore` over one file, or a file for each tenant. Needs the extra `langgraph`."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, cast

from langgraph.store.base import (
    BaseStore,
    GetOp,
    IndexConfig,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchOp,
    TTLConfig,
    ensure_embeddings,
    get_text_at_path,
    validate_op_namespace,
)
from typing_extensions import override

from feather_memory import DimensionError, F, ParameterError, Store, UnknownMemoryError
from langchain_feather_memory import _items
from langchain_feather_memory._nearness import nearest

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    from langchain_core.embeddings import Embeddings

    from feather_memory import Memory

    Vectors = dict[str, Sequence[float]]


class FeatherStore(BaseStore):
    """LangGraph's long-term memory: `create_agent(..., store=FeatherStore(path))`.

    The whole contract: namespaces, filters, semantic search over the indexed fields, time to
    live. What one batch puts and deletes in a file is one transaction; values are copied in and
    out; an overwrite keeps `created_at` and no old vector. What has expired is never returned.

    With `pool=`, the first label of a namespace is the tenant whose file it is in. Whatever would
    look into the files of several at once is refused, such as `search(())`. With `path=` a
    namespace is no isolation boundary: `search(())` sees them all.

    Args:
        path: The file, which is made if there is none. `close()` closes it.
        pool: Instead, a directory with a file for each tenant, best one of its own: items are
            memories whose text is JSON. The caller closes it.
        index: Which fields to embed, with what, into how many dimensions. Without it a search
            with a query is a listing.
        ttl: Minutes that items live, and whether reading them starts the count anew (it does
            unless `refresh_on_read` is False).
        clock: Tells Unix seconds.

    >>> import pathlib, tempfile
    >>> with FeatherStore(pathlib.Path(tempfile.mkdtemp()) / "alice.feather") as store:
    ...     store.put(("alice", "facts"), "tea", {"likes": "tea", "cups": 2})
    ...     [item.key for item in store.search(("alice",), filter={"cups": {"$gte": 2}})]
    ['tea']
    """

    supports_ttl = True

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        pool: TenantPool | None = None,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.index_config = index
        self.ttl_config = ttl
        self.embeddings: Embeddings | None = None
        self._fields: list[str] = []
        if index is not None:
            self.embeddings = ensure_embeddings(index.get("embed"))
            self._fields = list(index.get("fields") or ["$"])
        self._clock = clock
        if (path is None) == (pool is None):
            raise ParameterError("a FeatherStore takes either a path or pool=")
        self._pool = pool
        self._store = None if path is None else Store.open(path, clock=clock)
        self._writing = threading.Lock()
        self._sweeping: Future[None] | None = None
        self._stop = threading.Event()

    def close(self) -> None:
        """Stop sweeping, and close the file if this opened it. Safe to call twice."""
        self.stop_ttl_sweeper()
        if self._store is not None:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @override
    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """One result an operation, in order. Reads see what was there before the batch's puts.

        Raises:
            InvalidNamespaceError: A label that is empty, no string, or holds a dot. Nothing was
                done.
            ParameterError: A value that JSON cannot hold, or an unknown filter operator. Nothing
                was written.
        """
        listed = self._checked(ops)
        queries, texts = self._to_embed(listed)
        asked: Vectors = {}
        kept: Vectors = {}
        if self.embeddings is not None:
            asked = {query: self.embeddings.embed_query(query) for query in queries}
            kept = self._paired(texts, self.embeddings.embed_documents(texts) if texts else [])
        return self._run(listed, asked, kept)

    @override
    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """As `batch`; embeds asynchronously and touches the file in a thread."""
        listed = self._checked(ops)
        queries, texts = self._to_embed(listed)
        asked: Vectors = {}
        kept: Vectors = {}
        if self.embeddings is not None:
            vectors = await asyncio.gather(*(self.embeddings.aembed_query(q) for q in queries))
            asked = dict(zip(queries, vectors, strict=True))
            made = await self.embeddings.aembed_documents(texts) if texts else []
            kept = self._paired(texts, made)
        return await asyncio.to_thread(self._run, listed, asked, kept)

    # Time to live

    def sweep_ttl(self) -> int:
        """Forget what has expired for good; how many items that were."""
        now = self._clock()
        with self._writing:
            due = self._store.iterate(_items.IS_ITEM & (F("expires_at") <= now))
            return self._forget([item for item in due if _items.is_expired(item, now)])

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Future[None]:
        """Sweep every so many minutes, in a thread, until stopped.

        Args:
            sweep_interval_minutes: Instead of the configuration's; 5 if neither says.
        """
        if self._sweeping is not None and not self._sweeping.done():
            return self._sweeping
        minutes = sweep_interval_minutes or (self.ttl_config or {}).get("sweep_interval_minutes")
        stop, sweeping = threading.Event(), Future[None]()
        self._stop, self._sweeping = stop, sweeping

        def sweep() -> None:
            try:
                while not stop.wait((minutes or 5) * 60):
                    self.sweep_ttl()
            except BaseException as error:  # noqa: BLE001  it goes to whoever waits for the Future
                sweeping.set_exception(error)
            else:
                sweeping.set_result(None)

        threading.Thread(target=sweep, name="feather-ttl", daemon=True).start()
        return sweeping

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop sweeping; whether it has stopped within `timeout` seconds, or at all."""
        self._stop.set()
        if self._sweeping is not None:
            try:
                self._sweeping.exception(timeout)
            except TimeoutError:
                return False
        return True

    # Inside

    @staticmethod
    def _checked(ops: Iterable[Op]) -> list[Op]:
        listed = list(ops)
        for op in listed:
            validate_op_namespace(op)
            if isinstance(op, SearchOp):
                _items.check_filter(op.filter)
        return listed

    def _to_embed(self, ops: list[Op]) -> tuple[list[str], list[str]]:
        """The queries and the texts of a batch, each once; nothing without an index."""
        if self.embeddings is None:
            return [], []
        queries = [op.query for op in ops if isinstance(op, SearchOp) and op.query]
        texts = [text for op in _last_puts(ops) for text in self._indexed(op)]
        return list(dict.fromkeys(queries)), list(dict.fromkeys(texts))

    def _indexed(self, op: PutOp) -> list[str]:
        """The texts of a value by which it can be found."""
        if self.embeddings is None or op.value is None or op.index is False:
            return []
        paths = self._fields if op.index is None else op.index
        found = [t for path in paths for t in get_text_at_path(op.value, path)]
        return [text for text in dict.fromkeys(found) if text.strip()]

    def _paired(self, texts: list[str], vectors: Sequence[Sequence[float]]) -> Vectors:
        if len(texts) != len(vectors):
            raise ParameterError(f"the embedding made {len(vectors)} vectors of {len(texts)} texts")
        dims = (self.index_config or {}).get("dims")
        for vector in vectors:
            if dims is not None and len(vector) != dims:
                raise DimensionError(dims, len(vector))
        return dict(zip(texts, vectors, strict=True))

    def _run(self, ops: list[Op], asked: Vectors, kept: Vectors) -> list[Result]:
        now = self._clock()
        results: list[Result] = []
        refreshed: dict[str, Memory] = {}
        for op in ops:
            match op:
                case GetOp():
                    found = self._get(op, now)
                    refreshed |= {m.id: m for m in found if op.refresh_ttl}
                    results.append(_items.to_item(found[0]) if found else None)
                case SearchOp():
                    hits = self._search(op, asked.get(op.query or ""), now)
                    refreshed |= {m.id: m for m, _ in hits if op.refresh_ttl}
                    results.append([_items.to_search_item(m, score) for m, score in hits])
                case ListNamespacesOp():
                    results.append(self._namespaces(op, now))
                case PutOp():
                    results.append(None)
                case _:
                    raise ParameterError(f"unknown operation {op!r:.80}")
        puts = _last_puts(ops)
        self._refresh(refreshed.values(), now)
        if puts:
            with self._writing:
                self._put(puts, kept, now)
        return results

    def _get(self, op: GetOp, now: float) -> list[Memory]:
        found = self._store.get_many([_items.item_id(op.namespace, str(op.key))])
        return [item for item in found if not _items.is_expired(item, now)]

    def _listing(self, op: SearchOp, now: float) -> list[Memory]:
        """Every item that the operation lets through, the one written last first."""
        where = _items.under(op.namespace_prefix, _items.IS_ITEM)
        found = [item for item in self._store.iterate(where) if _is_meant(item, op, now)]
        found.reverse()  # of the same moment, too, the one written last comes first
        return sorted(found, key=lambda item: -float(item.metadata["updated"]))

    def _search(
        self, op: SearchOp, vector: Sequence[float] | None, now: float
    ) -> list[tuple[Memory, float | None]]:
        if op.limit < 1:
            return []
        if vector is None:
            listed = [(item, None) for item in self._listing(op, now)]
            return _items.page(listed, op.offset, op.limit)
        wanted = max(0, op.offset) + op.limit
        hits = cast("list[tuple[Memory, float | None]]", self._near(op, vector, wanted, now))
        if len(hits) < wanted:
            seen = {item.id for item, _ in hits}
            hits += [(item, None) for item in self._listing(op, now) if item.id not in seen]
        return _items.page(hits, op.offset, op.limit)

    def _near(
        self, op: SearchOp, vector: Sequence[float], wanted: int, now: float
    ) -> list[tuple[Memory, float]]:
        """At least the `wanted` nearest items, if there are so many; each by its nearest text."""
        where = _items.under(op.namespace_prefix, _items.IS_VECTOR)
        count = 2 * wanted
        while True:
            found = nearest(self._store, list(vector), count, where)
            of = dict.fromkeys(text.metadata["of"] for text, _ in found)
            items = {item.id: item for item in self._store.get_many(of)}
            hits: list[tuple[Memory, float]] = []
            for text, cosine in found:
                item = items.get(text.metadata["of"])
                if item is None or text.metadata["n"] >= item.metadata["vectors"]:
                    continue  # of a put that was cut short before its old vectors went
                del items[item.id]
                if _is_meant(item, op, now):
                    hits.append((item, cosine))
            if len(hits) >= wanted or len(found) < count:
                return hits
            count *= 4

    def _namespaces(self, op: ListNamespacesOp, now: float) -> list[tuple[str, ...]]:
        items = self._store.iterate(_items.IS_ITEM)
        live = {_items.namespace_of(item) for item in items if not _items.is_expired(item, now)}
        return _items.listed(live, op)

    def _put(self, puts: list[PutOp], kept: Vectors, now: float) -> None:
        ids = [_items.item_id(op.namespace, str(op.key)) for op in puts]
        old = {item.id: item for item in self._store.get_many(ids)}
        records: list[dict[str, Any]] = []
        stale: list[str] = []
        gone: list[Memory] = []
        for op, id_ in zip(puts, ids, strict=True):
            was = old.get(id_)
            if op.value is None:
                gone += [] if was is None else [was]
                continue
            is_new = was is None or _items.is_expired(was, now)
            created = now if was is None or is_new else float(was.metadata["created"])
            texts = self._indexed(op)
            records += _items.to_records(
                op.namespace, str(op.key), op.value, [(text, kept[text]) for text in texts],
                ttl=op.ttl, created=created, now=now,
            )  # fmt: skip
            if was is not None:
                stale += _items.vector_ids(was, start=len(texts))
        if records:
            self._store.add_many(records)
        self._forget(gone, stale)

    def _forget(self, items: list[Memory], further: Sequence[str] = ()) -> int:
        ids = [id_ for item in items for id_ in (item.id, *_items.vector_ids(item))]
        if ids or further:
            self._store.forget(where=F("id").is_in([*ids, *further]))
        return len(items)

    def _refresh(self, items: Iterable[Memory], now: float) -> None:
        for item in items:
            if (ttl := item.metadata["ttl"]) is not None:
                with suppress(UnknownMemoryError):  # deleted since it was read
                    self._store.update(item.id, expires_at=now + ttl * 60)


def _is_meant(item: Memory, op: SearchOp, now: float) -> bool:
    if _items.is_expired(item, now):
        return False
    return not op.filter or _items.matches(_items.to_item(item).value, op.filter)


def _last_puts(ops: list[Op]) -> list[PutOp]:
    """The puts of a batch; of those to the same item only the last."""
    last = {(tuple(op.namespace), str(op.key)): op for op in ops if isinstance(op, PutOp)}
    return list(last.values())
