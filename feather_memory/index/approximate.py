"""Candidates for large stores, from an HNSW index that is built in the background.

It only proposes. `Ranking` keeps asking for more until no memory it has not seen could still
enter the answer, and scans everything where that would take longer. A row that the graph cannot
reach although it is nearer than the worst candidate is the one thing this cannot rule out.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
import weakref
from pathlib import Path

import numpy as np

from feather_memory.index.hnsw import Hnsw
from feather_memory.index.matrix import Matrix
from feather_memory.types import Positions, Vector

_log = logging.getLogger("feather_memory")
_CHUNK = 1_024  # rows added between two looks at whether the store was closed
_BEHIND = 0.05  # share of rows outside the index at which it is extended


class Approximation:
    """An HNSW index over the first rows of a store's Views; its builder is a daemon thread."""

    def __init__(self, index: Hnsw | None = None, covered: int = 0) -> None:
        self.index = index
        """The index, as far as it is built."""
        self.covered = covered
        """Positions below this are in the index."""
        self._builder: threading.Thread | None = None
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    def follow(self, matrix: Matrix, n: int) -> None:
        """Start or extend the index over the first n rows, which are enough for one.

        It is built in the background.
        """
        if n - self.covered <= _BEHIND * n or self._is_building():
            return
        if self.index is None and importlib.util.find_spec("hnswlib") is None:
            return  # without the extra, large stores are scanned exactly
        with self._lock:
            if self._is_building() or self._stopped.is_set():
                return
            self._builder = threading.Thread(
                target=self._build, args=(matrix, n), name="feather-memory-hnsw", daemon=True
            )
            self._builder.start()
            # A thread that is inside hnswlib when the interpreter ends aborts the process.
            weakref.finalize(self, _end, self._stopped, self._builder)

    def _is_building(self) -> bool:
        return self._builder is not None and self._builder.is_alive()

    def _build(self, matrix: Matrix, n: int) -> None:
        index = self.index or Hnsw(matrix.dim, max_elements=n + n // 4)
        for start in range(self.covered, n, _CHUNK):
            if self._stopped.is_set():
                return
            at = np.arange(start, min(start + _CHUNK, n))
            index.add(at, matrix.take(at))
            if self.index is not None:
                self.covered = int(at[-1]) + 1
        self.index, self.covered = index, n

    def near(self, query: Vector, m: int, n: int) -> tuple[Positions, float] | None:
        """Candidates among the first n rows, and a similarity no other of them should exceed.

        None while there is no index. Rows that the index does not hold yet are all candidates.
        """
        index, covered = self.index, self.covered
        if index is None or covered > n:
            return None
        positions, similarities = index.search(query, m)
        if len(positions) < min(m, covered):
            return None
        floor = float(similarities[-1]) if len(similarities) else 0.0
        # What the builder has added since is scanned with the rest of the tail.
        positions = positions[positions < covered]
        return np.concatenate([positions, np.arange(covered, n)]), floor

    def wait(self, timeout: float | None = None) -> None:
        """Until the index has caught up, or `timeout` seconds."""
        if self._builder is not None:
            self._builder.join(timeout)

    def stop(self) -> None:
        """End the building, and wait for it. Safe to call twice."""
        self._stopped.set()
        self.wait()

    def save(self, path: Path, *, mark: str, generation: int) -> None:
        """Write the index beside the mapped vectors whose positions it uses."""
        if self.index is not None:
            self.index.save(path, store_id=mark, generation=generation)

    @classmethod
    def load(cls, path: Path, *, mark: str, matrix: Matrix, n: int) -> Approximation:
        """The saved index if it belongs to these rows and hnswlib is there; else an empty one."""
        if importlib.util.find_spec("hnswlib") is None:
            return cls()
        index = Hnsw.load(path, store_id=mark, dim=matrix.dim, max_elements=n + n // 4)
        return cls() if index is None else cls(index, len(index))


def _end(stopped: threading.Event, builder: threading.Thread) -> None:
    stopped.set()
    if builder.is_alive() and builder is not threading.current_thread():
        builder.join()
