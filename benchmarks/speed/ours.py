"""Our own store, and the scan of its vectors that no exact search undercuts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.contender import OURS, SCAN, Contender
from benchmarks.speed.contender import K as _K
from benchmarks.speed.corpus import Record
from feather_memory import F, Hits, Store

EDGES = 3  # of each memory, for the chain
CHUNK = 10_000  # memories in one transaction while a store is filled


def given(record: Record) -> dict[str, Any]:
    """What `add` and `add_many` take."""
    return {
        "text": record.text,
        "id": record.id,
        "vector": record.vector,
        "metadata": {"share": record.share},
    }


class Feather(Contender):
    """Ranked exactly by the default formula: relevance, age and importance."""

    name = OURS
    package = "feather-memory"
    module = "feather_memory"
    about = "exact by the whole formula; without the extra `hnsw`"
    shared = True
    most = 1_000_000
    quick_most = 200_000

    def __init__(self, path: Path, dim: int) -> None:
        del dim  # its first vector tells
        self.store = Store.open(path)

    def add_many(self, records: Sequence[Record]) -> None:
        for start in range(0, len(records), CHUNK):
            self.store.add_many([given(record) for record in records[start : start + CHUNK]])

    def add(self, record: Record) -> None:
        self.store.add(**given(record))

    def search(self, vector: np.ndarray) -> list[str]:
        return _ids(self.store.search(vector=vector, k=_K))

    def words(self, text: str) -> list[str]:
        return _ids(self.store.search(text, _K))

    def hybrid(self, text: str, vector: np.ndarray) -> list[str]:
        return _ids(self.store.search(text, _K, vector=vector))

    def filtered(self, vector: np.ndarray, percent: int) -> list[str]:
        return _ids(self.store.search(vector=vector, k=_K, where=F("share") < percent))

    def forget(self, number: int) -> None:
        self.store.forget(f"m{number}")

    def link(self, pairs: Sequence[tuple[int, int]]) -> None:
        with self.store.transaction():
            for source, target in pairs:
                self.store.link(f"m{source}", f"m{target}", weight=0.8)

    def chain(self, vector: np.ndarray) -> list[str]:
        return _ids(self.store.context_chain(vector=vector, k=5, hops=2))

    def top(self, vector: np.ndarray) -> list[str]:
        """The search that a chain starts from."""
        return _ids(self.store.search(vector=vector, k=5))

    def known_at(self, text: str, vector: np.ndarray, when: float) -> list[str]:
        return _ids(self.store.search(text, _K, vector=vector, known_at=when))

    def why_not(self, text: str, vector: np.ndarray, number: int) -> object:
        return self.store.why_not(text, f"m{number}", _K, vector=vector)

    def close(self) -> None:
        self.store.close()


def _ids(hits: Hits | Any) -> list[str]:
    return [hit.memory.id for hit in hits]


class Scan(Contender):
    """The vectors in memory and `np.vecdot`: neither ranked, nor kept."""

    name = SCAN
    package = "numpy"
    about = "`np.vecdot` over all vectors in memory, and nothing else: the plain scan of the bars"
    durable = False
    most = 1_000_000
    quick_most = 200_000

    def __init__(self, path: Path, dim: int) -> None:
        del path
        self._rows = np.empty((0, dim), np.float32)
        self._more: list[np.ndarray] = []
        self._shares: list[int] = []

    def add_many(self, records: Sequence[Record]) -> None:
        self._more.append(np.stack([record.vector for record in records]))
        self._shares.extend(record.share for record in records)

    def _held(self) -> np.ndarray:
        if self._more:
            self._rows = np.concatenate([self._rows, *self._more])
            self._more = []
        return self._rows

    def search(self, vector: np.ndarray) -> list[str]:
        np.vecdot(self._held(), vector)
        return []

    def exact(self, vector: np.ndarray) -> list[str]:
        """The K nearest by cosine, as the others should find them."""
        return [f"m{row}" for row in np.argsort(-np.vecdot(self._held(), vector))[:_K]]

    def filtered(self, vector: np.ndarray, percent: int) -> list[str]:
        """A gather where few are let through, as it is cheaper there."""
        rows = self._held()
        if percent < 25:
            rows = rows[np.flatnonzero(np.asarray(self._shares) < percent)]
        np.vecdot(rows, vector)
        return []
