"""LangGraph's `BaseStore` over one file, or a file for each tenant. Needs the extra `langgraph`."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import takewhile

from langchain_core.embeddings import Embeddings
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

from feather_memory import (
    ClosedStoreError,
    DimensionError,
    FeatherError,
    ParameterError,
    Store,
    TenantPool,
)
from feather_memory.agent import Source, checked_origin, one_tenant
from langchain_feather_memory import _items
from langchain_feather_memory._configs import (
    Namespaces,
    check_lifetime,
    check_paths,
    check_ttl,
    fields_of,
    namespace_rule,
    with_labels,
)
from langchain_feather_memory._item_file import ItemFile
from langchain_feather_memory._source import Closing, Naming

Vectors = dict[str, Sequence[float]]

_log = logging.getLogger("feather_memory")


class FeatherStore(Closing, BaseStore):
    """LangGraph's long-term memory: `create_agent(..., store=FeatherStore(path))`.

    The whole contract: namespaces, filters, semantic search over the indexed fields, time to
    live. What one batch puts and deletes in a file is one transaction; values are copied in and
    out; an overwrite keeps `created_at` and no old vector. What has expired is never returned.

    With `pool=`, the first label of a namespace is the tenant whose file it is in, unless `tenant`
    says otherwise. Whatever would look into the files of several at once is refused, such as
    `search(())`. With `path=` a
    namespace is no isolation boundary: `search(())` sees them all.

    Args:
        path: The file, which is made if there is none; or the URL of a PostgreSQL database, with
            `tenant`. `close()` closes it.
        pool: Instead, a directory with a file for each tenant, best one of its own: items are
            memories whose text is JSON. The caller closes it.
        tenant: With a path, whose the one store there is. With a pool, whose a namespace is: a
            template over its labels by their places, such
            as "user:{1}" for langmem's `("memories", user_id)`, with all but letters, digits and
            `-._~@` escaped; or a function of the labels, which is also given those that begin all
            namespaces that a search is about.
        index: Which fields to embed, with what, into how many dimensions. Without it a search
            with a query is a listing.
        ttl: Minutes that items live, and whether reading them starts the count anew (it does
            unless `refresh_on_read` is False).
        origin: Who says what is put, where the file holds other memories, too: an agent does, whose
            words never stand over the user's. Say "user" where an application puts what the user
            said. A put takes the place of its item, whoever wrote that.
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
        tenant: str | Namespaces | None = None,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        origin: str = "assistant",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._origin = checked_origin(origin, "origin")
        self.index_config = index
        self.ttl_config = ttl
        self.embeddings: Embeddings | None = None
        self._fields: list[str] = []
        if index is not None:
            self.embeddings = ensure_embeddings(index.get("embed"))
            self._fields = fields_of(index)
        check_ttl(ttl or {})
        is_pool = pool is not None  # else all namespaces are one tenant's
        name = None if is_pool else one_tenant("FeatherStore without pool=", tenant)
        self._rule = namespace_rule(tenant if is_pool else None)
        self._clock = clock
        self._source = Source.chosen(
            "FeatherStore", path=path, pool=pool, takes=("path", "pool"), tenant=name,
            opener=lambda place, whose: Store.open(place, tenant=whose, clock=clock),
        )  # fmt: skip
        self._pool = pool
        self._sweeping: Future[None] | None = None
        self._sweeper: threading.Thread | None = None
        self._stop = threading.Event()

    @override
    def close(self) -> None:
        """Stop sweeping, and close the file if this opened it. Safe to call twice."""
        self.stop_ttl_sweeper()
        self._source.close()

    @override
    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """One result an operation, in order. Reads see what was there before the batch's puts.

        Raises:
            InvalidNamespaceError: A label that is empty, no string, or holds a dot. Nothing was
                done.
            ParameterError: A value that JSON cannot hold, an unknown filter operator, or, with a
                pool, a namespace that names no tenant. Nothing was done.
        """
        listed = self._checked(ops)
        queries, texts = self._to_embed(listed)
        asked: Vectors = {}
        kept: Vectors = {}
        if self.embeddings is not None:
            made = Naming(self.embeddings)
            asked = {query: made.embed_query(query) for query in queries}
            kept = self._paired(texts, made.embed_documents(texts) if texts else [])
        return self._run(listed, asked, kept)

    @override
    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """As `batch`; embeds asynchronously and touches the file in a thread."""
        listed = self._checked(ops)
        queries, texts = self._to_embed(listed)
        asked: Vectors = {}
        kept: Vectors = {}
        if self.embeddings is not None:
            made = Naming(self.embeddings)
            vectors = await asyncio.gather(*(made.aembed_query(q) for q in queries))
            asked = dict(zip(queries, vectors, strict=True))
            kept = self._paired(texts, await made.aembed_documents(texts) if texts else [])
        return await asyncio.to_thread(self._run, listed, asked, kept)

    # Time to live

    def sweep_ttl(self) -> int:
        """Forget what has expired for good; how many items that were."""
        now, swept = self._clock(), 0
        if self._pool is None:
            return ItemFile(self._store, self._origin).sweep(now)
        for tenant in self._pool.tenants():
            try:
                with self._pool.lease(tenant) as store:
                    swept += ItemFile(store, self._origin).sweep(now)
            except FeatherError as error:  # what ails one tenant's file must not keep the others'
                _log.warning("the file of tenant %r was not swept: %s", tenant, error)
        return swept

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Future[None]:
        """Sweep every so many minutes, in a thread, until stopped or the Future is cancelled.

        A sweep that fails, as on a file that is busy, is logged, and the next one tries again.

        Args:
            sweep_interval_minutes: Instead of the configuration's; 5 if neither says.
        """
        if self._sweeping is not None and not self._sweeping.done():
            return self._sweeping
        minutes = sweep_interval_minutes or (self.ttl_config or {}).get("sweep_interval_minutes")
        stop, sweeping = threading.Event(), Future[None]()
        sweeping.add_done_callback(lambda _: stop.set())

        def sweep() -> None:
            failed: BaseException | None = None
            try:
                while not stop.wait((minutes or 5) * 60):
                    self._sweep_if_possible()
            except BaseException as error:  # noqa: BLE001  it goes to whoever waits for the Future
                failed = error
            if not sweeping.set_running_or_notify_cancel():
                return  # cancelled: it takes neither
            if failed is None:
                sweeping.set_result(None)
            else:
                sweeping.set_exception(failed)

        self._stop, self._sweeping = stop, sweeping
        self._sweeper = threading.Thread(target=sweep, name="feather-ttl", daemon=True)
        self._sweeper.start()
        return sweeping

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop sweeping; whether it has stopped within `timeout` seconds, or at all."""
        self._stop.set()
        if self._sweeper is None:
            return True
        self._sweeper.join(timeout)  # not the Future: a cancelled one is done before its thread
        return not self._sweeper.is_alive()

    # Inside

    def _sweep_if_possible(self) -> None:
        try:
            self.sweep_ttl()
        except ClosedStoreError:  # there will be nothing to sweep any more
            raise
        except FeatherError as error:
            _log.warning("the store was not swept: %s", error)

    def _checked(self, ops: Iterable[Op]) -> list[Op]:
        """The operations, all of which can be done. Nothing has been done yet."""
        listed = list(map(with_labels, ops))
        for op in listed:
            check_paths(op)
            validate_op_namespace(op)
            self._tenant_of(op)
            if isinstance(op, SearchOp):
                _items.check_filter(op.filter)
            elif isinstance(op, PutOp) and op.value is not None:
                check_lifetime(op)
                _items.check_value(op.namespace, str(op.key), op.value)
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
        results = [self._answer(op, asked, now) for op in ops]
        puts: dict[str | None, list[PutOp]] = {}
        for op in _last_puts(ops):
            puts.setdefault(self._tenant_of(op), []).append(op)
        for tenant, theirs in puts.items():
            is_writing = any(op.value is not None for op in theirs)
            with self._file_of(tenant, is_made=is_writing) as file:
                if file is not None:
                    file.put(theirs, self._indexed, kept, now)
        return results

    def _answer(self, op: Op, asked: Vectors, now: float) -> Result:
        """What was there before the batch's puts."""
        if isinstance(op, PutOp):
            return None
        with self._file_of(self._tenant_of(op), is_made=False) as file:
            match op:
                case GetOp():
                    item = None if file is None else file.get(op, now)
                    return None if item is None else _items.to_item(item)
                case SearchOp():
                    vector = asked.get(op.query or "")
                    page = [] if file is None else file.search(op, vector, now)
                    return [_items.to_search_item(item, score) for item, score in page]
                case ListNamespacesOp():
                    return [] if file is None else file.namespaces(op, now)

    def _tenant_of(self, op: Op) -> str | None:
        """Whose file an operation is about; None where there is but one file.

        Raises:
            ParameterError: It would be about those of several tenants.
        """
        labels = _common_labels(op)
        if self._pool is None:
            return None
        try:
            tenant = self._rule.name or self._rule.of(labels) or ""
        except ParameterError as error:
            raise ParameterError(
                "with a pool, the first label of a namespace is the tenant unless tenant= says "
                f"otherwise; {op!r:.120} names none, and would cross from one tenant to another: "
                f"{error}"
            ) from error
        self._pool.place_of(tenant)  # refuses what can be no tenant's name
        return tenant

    @contextmanager
    def _file_of(self, tenant: str | None, *, is_made: bool) -> Iterator[ItemFile | None]:
        """The tenant's items; None if there are none and no file is to be made for them."""
        if self._pool is None or tenant is None:
            yield ItemFile(self._store, self._origin)
        elif not is_made and tenant not in self._pool:
            yield None
        else:
            with self._pool.lease(tenant) as store:
                yield ItemFile(_without_embedder(store), self._origin)

    @property
    def _store(self) -> Store:
        """The one file's."""
        return self._source.opened().writes


def _common_labels(op: Op) -> tuple[str, ...]:
    """The labels that begin every namespace the operation is about, as far as they are known."""
    match op:
        case GetOp() | PutOp():
            return tuple(op.namespace)
        case SearchOp():
            return tuple(op.namespace_prefix)
        case ListNamespacesOp():
            prefixes = (c.path for c in op.match_conditions or () if c.match_type == "prefix")
            known = (tuple(takewhile(lambda label: label != "*", path)) for path in prefixes)
            return max(known, key=len, default=())
    raise ParameterError(f"unknown operation {op!r:.80}")


def _without_embedder(store: Store) -> Store:
    """The store, which must not embed what it is given: what is to be found has its vector.

    Raises:
        ParameterError: It would embed the JSON of every item.
    """
    if store.plumbing.query_embedder is not None:
        raise ParameterError(
            "a FeatherStore embeds by its index=; give it a pool of its own, without an embedder"
        )
    return store


def _last_puts(ops: list[Op]) -> list[PutOp]:
    """The puts of a batch; of those to the same item only the last."""
    last = {(tuple(op.namespace), str(op.key)): op for op in ops if isinstance(op, PutOp)}
    return list(last.values())
