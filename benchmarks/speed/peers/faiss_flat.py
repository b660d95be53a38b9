"""FAISS: all vectors in memory, compared one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np

from benchmarks.speed.contender import BARE, Contender, K, numbered
from benchmarks.speed.corpus import Record


class FaissFlat(Contender):
    name = "faiss-cpu"
    package = "faiss-cpu"
    module = "faiss"
    about = "a flat index in memory, by one thread; written whole when it is closed"
    because = BARE
    most = 1_000_000

    def __init__(self, path: Path, dim: int) -> None:
        faiss.omp_set_num_threads(1)  # for one query, two take ten times as long as one
        self._path, self._is_stale = path, False
        self._index = faiss.read_index(str(path)) if path.exists() else faiss.IndexFlatIP(dim)

    def add_many(self, records: Sequence[Record]) -> None:
        self._index.add(np.stack([record.vector for record in records]))
        self._is_stale = True

    def search(self, vector: np.ndarray) -> list[str]:
        return numbered(self._index.search(vector[None], K)[1][0])

    def close(self) -> None:
        if self._is_stale:
            faiss.write_index(self._index, str(self._path))
