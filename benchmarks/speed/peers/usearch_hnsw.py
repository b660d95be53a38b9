"""USearch: an HNSW index in memory, mapped when it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from usearch.index import Index

from benchmarks.speed.contender import BARE, Contender, K, numbered
from benchmarks.speed.corpus import Record


class USearch(Contender):
    name = "usearch"
    package = "usearch"
    module = "usearch.index"
    about = (
        "HNSW: numbers for vectors, no texts; written whole when it is closed, mapped when opened"
    )
    is_approximate = True
    because = BARE
    most = 200_000

    def __init__(self, path: Path, dim: int) -> None:
        self._path, self._is_stale = path, False
        self._index = Index(ndim=dim, metric="cos", dtype="f32")
        if path.exists():
            self._index.view(str(path))

    def add_many(self, records: Sequence[Record]) -> None:
        numbers = np.array([record.number for record in records], np.uint64)
        self._index.add(numbers, np.stack([record.vector for record in records]))
        self._is_stale = True

    def search(self, vector: np.ndarray) -> list[str]:
        return numbered(self._index.search(vector, K).keys.tolist())

    def close(self) -> None:
        if self._is_stale:
            self._index.save(str(self._path))
