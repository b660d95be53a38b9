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
from typing import TYPE_CHECKING

import numpy as np

from feather_memory import config
from feather_memory.index.hnsw import Hnsw

if TYPE_CHECKING:
    from pathlib import Path

    from feather_memory.index.columns import View
    from feather_memory.types import Positions, Vector

_log = logging.getLogger("feather_memory")
_CHUNK = 1_024  # rows added between two looks at whether the store was closed
_BEHIND = 0.05  # share of rows outside the index at which it is extended


class Approximation:
    """An HNSW index over the first rows of a store's Views; its builder is a daemon thread."""

    def __init__(self, index: Hnsw | None = None, covered: int = 0) -> None:
        self._index = index
        self._covered = covered
        self._builder: threading.Thread | None = None
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    @property
    def index(self) -> Hnsw | None:
        """The index, as far as it is built."""
        return self._index

    @property
    def covered(self) -> int:
        """Positions below this are in the index."""
        return self._covered

    def follow(self, view: View) -> None:
        """Start or extend the index in the background, if the View is large enough for one."""
        if view.matrix is None or len(view) * view.matrix.dim < config.HNSW_FLOATS:
            return
        if len(view) - self._covered <= _BEHIND * len(view) or self._is_building():
            return
        if self._index is None and importlib.util.find_spec("hnswlib") is None:
            return  # without the extra, large stores are scanned exactly
        with self._lock:
            if self._is_building() or self._stopped.is_set():
                return
            self._builder = threading.Thread(
                target=self._build, args=(view,), name="feather-memory-hnsw", daemon=True
            )
            self._builder.start()
            # A thread that is inside hnswlib when the interpreter ends aborts the process.
            weakref.finalize(self, _end, self._stopped, self._builder)

    def _is_building(self) -> bool:
        return self._builder is not None and self._builder.is_alive()

    def _build(self, view: View) -> None:
        matrix = view.matrix
        if matrix is None:
            return
        index = self._index or Hnsw(matrix.dim, max_elements=len(view) + len(view) // 4)
        for start in range(self._covered, len(view), _CHUNK):
            if self._stopped.is_set():
                return
            at = np.arange(start, min(start + _CHUNK, len(view)))
            index.add(at, matrix.take(at))
            if self._index is not None:
                self._covered = int(at[-1]) + 1
        self._index, self._covered = index, len(view)

    def near(self, query: Vector, m: int, n: int) -> tuple[Positions, float] | None:
        """Candidates among the first n rows, and a similarity no other of them should exceed.

        None while there is no index. Rows that the index does not hold yet are all candidates.
        """
        index, covered = self._index, self._covered
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
        if self._index is not None:
            self._index.save(path, store_id=mark, generation=generation)

    @classmethod
    def load(cls, path: Path, *, mark: str, view: View) -> Approximation:
        """The saved index if it belongs to these rows and hnswlib is there; else an empty one."""
        if view.matrix is None or len(view) * view.matrix.dim < config.HNSW_FLOATS:
            return cls()
        if importlib.util.find_spec("hnswlib") is None:
            return cls()
        index = Hnsw.load(
            path, store_id=mark, dim=view.matrix.dim, max_elements=len(view) + len(view) // 4
        )
        return cls() if index is None else cls(index, len(index))


def _end(stopped: threading.Event, builder: threading.Thread) -> None:
    stopped.set()
    if builder.is_alive() and builder is not threading.current_thread():
        builder.join()
