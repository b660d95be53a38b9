"""What LangGraph's operations do in one tenant's file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice, takewhile
from typing import Any, Final

from langgraph.store.base import GetOp, ListNamespacesOp, PutOp, SearchOp

from feather_memory import F, Filter, Memory, Store, UnknownMemoryError
from langchain_feather_memory import _items

Vectors = Mapping[str, Sequence[float]]
Found = list[tuple[Memory, float | None]]

_MOST: Final = 1 << 40  # SQLite counts to 2^63
_FEW: Final = 512


class ItemFile:
    """The items in one store. Times are Unix seconds."""

    def __init__(self, store: Store, origin: str) -> None:
        self._store = store
        self._origin = origin

    def get(self, op: GetOp, now: float) -> Memory | None:
        """The item, if there is one whose time is not over."""
        found = self._live(self._store.get_many([_items.item_id(op.namespace, str(op.key))]), now)
        item = next(found, None)
        if op.refresh_ttl and item is not None:
            self._refresh([item], now)
        return item

    def search(self, op: SearchOp, vector: Sequence[float] | None, now: float) -> Found:
        """The items of one page with their cosine: the nearest first, then the latest written."""
        start = min(max(0, op.offset), _MOST)
        end = min(start + op.limit, _MOST)
        if end <= start:
            return []
        if vector is None:
            page: Found = [(item, None) for item in self._listing(op, start, end, now)]
        else:
            page = self._ranked(op, vector, end, now)[start:end]
        if op.refresh_ttl:
            self._refresh([item for item, _ in page], now)
        return page

    def namespaces(self, op: ListNamespacesOp, now: float) -> list[_items.Namespace]:
        """The namespaces that have an item whose time is not over."""
        prefixes = (c.path for c in op.match_conditions or () if c.match_type == "prefix")
        known = (tuple(takewhile(lambda label: label != "*", path)) for path in prefixes)
        where = _items.under(max(known, key=len, default=()), _items.IS_ITEM & _items.living(now))
        # Each has a mark of its own; of those that are too long for one all items are looked at.
        latest = self._store.latest(_MOST, where=where, of_each="session")
        return _items.listed(map(_items.namespace_of, latest), op)

    def put(
        self,
        puts: Sequence[PutOp],
        indexed: Callable[[PutOp], list[str]],
        vectors: Vectors,
        now: float,
    ) -> None:
        """Write and delete items in one transaction.

        Args:
            puts: Of each item one at most, with a value that JSON can hold.
            indexed: The texts by which a put's value can be found.
            vectors: Of all these texts.
            now: When this happens.
        """
        ids = [_items.item_id(op.namespace, str(op.key)) for op in puts]
        with self._store.transaction():
            old = {item.id: item for item in self._store.get_many(ids)}
            records: list[dict[str, Any]] = []
            gone: list[str] = []
            anew: list[str] = []
            for op, id_ in zip(puts, ids, strict=True):
                was = old.get(id_)
                if op.value is None:
                    gone += [] if was is None else _ids_of(was)
                    continue
                if was is not None and was.origin != self._origin:
                    anew += _ids_of(was)  # whoever wrote an item before, a put takes its place
                # The clock may have gone back since: what is written later is none the earlier.
                is_new = was is None or _items.is_expired(was, now)
                created = now if was is None or is_new else float(was.metadata["created"])
                at = now if was is None else max(now, float(was.metadata["updated"]))
                texts = indexed(op)
                records += _items.to_records(
                    op.namespace, str(op.key), op.value, [(text, vectors[text]) for text in texts],
                    ttl=op.ttl, created=created, updated=at, now=now, origin=self._origin,
                )  # fmt: skip
                gone += [] if was is None else _items.vector_ids(was, start=len(texts))
            if records:
                self._store.plumbing.drop(anew)
                self._store.add_many(records)
                self._store.plumbing.tie(_items.ties(records))
            self._store.plumbing.drop(gone)

    def sweep(self, now: float) -> int:
        """Forget the items whose time is over; how many there were."""
        with self._store.transaction():
            due = self._store.iterate(_items.IS_ITEM & (F("expires_at") <= now))
            over = [item for item in due if _items.is_expired(item, now)]
            if gone := [id_ for item in over for id_ in _ids_of(item)]:
                self._store.forget(where=F("id").is_in(gone))
        return len(over)

    def _ranked(self, op: SearchOp, vector: Sequence[float], end: int, now: float) -> Found:
        """The first `end` items: the nearest first, then those without a vector."""
        found: Found = [*self._near(op, vector, end, now)]
        if len(found) < end:
            known = {item.id for item, _ in found}
            rest = self._listing(op, 0, end, now)
            found += [(item, None) for item in rest if item.id not in known]
        return found

    def _listing(self, op: SearchOp, start: int, end: int, now: float) -> list[Memory]:
        """The items from the `start`-th on that the operation lets through, the latest first."""
        where, is_whole = self._asked(op, now)
        if is_whole:
            return self._store.latest(end - start, where=where, offset=start)
        items = self._store.latest(_MOST, where=where)
        passing = (item for item in items if _items.matches(_items.value_of(item), op.filter))
        return list(islice(passing, start, end))

    @staticmethod
    def _asked(op: SearchOp, now: float) -> tuple[Filter, bool]:
        """What the store can be asked of the operation, and whether that is all of it."""
        said, is_whole = _items.told(op.filter)
        where = _items.under(op.namespace_prefix, _items.IS_ITEM & _items.living(now))
        return where if said is None else where & said, is_whole

    def _near(
        self, op: SearchOp, vector: Sequence[float], wanted: int, now: float
    ) -> list[tuple[Memory, float]]:
        """At least the `wanted` nearest items, if there are so many; each by its nearest text."""
        where = _items.under(op.namespace_prefix, _items.IS_VECTOR)
        if op.filter:  # which few may pass: then their vectors alone are compared
            passing = self._store.latest(_FEW, where=self._asked(op, now)[0])
            if len(passing) < _FEW:
                where &= F("of").is_in([item.id for item in passing])
        count = 2 * wanted
        while True:
            found = self._store.nearest(vector, count, where=where)
            of = dict.fromkeys(text.metadata["of"] for text, _ in found)
            items = {item.id: item for item in self._meant(self._store.get_many(of), op, now)}
            hits: list[tuple[Memory, float]] = []
            for text, cosine in found:
                item = items.get(text.metadata["of"])
                if item is not None and text.metadata["n"] < item.metadata["vectors"]:
                    del items[item.id]  # its further texts are no nearer
                    hits.append((item, cosine))
            if len(hits) >= wanted or len(found) < count:
                return hits
            count *= 4

    @staticmethod
    def _live(items: Iterable[Memory], now: float) -> Iterator[Memory]:
        return (item for item in items if not _items.is_expired(item, now))

    def _meant(self, items: Iterable[Memory], op: SearchOp, now: float) -> Iterator[Memory]:
        for item in self._live(items, now):
            if not op.filter or _items.matches(_items.value_of(item), op.filter):
                yield item

    def _refresh(self, items: Sequence[Memory], now: float) -> None:
        mortal = [item for item in items if item.metadata["ttl"] is not None]
        if not mortal:
            return
        with self._store.transaction():
            for item in mortal:
                with suppress(UnknownMemoryError):  # deleted since it was read
                    self._store.update(item.id, expires_at=now + item.metadata["ttl"] * 60)


def _ids_of(item: Memory) -> list[str]:
    return [item.id, *_items.vector_ids(item)]
