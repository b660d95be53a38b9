"""The approximate index for large stores. The only importer of hnswlib.

What hnswlib 0.8 does not do, this does: keep searches away from adding and resizing (it crashes),
never ask for more than there is (it raises), and check a file before it loads it (it crashes).
"""

from __future__ import annotations

import errno
import json
import logging
import os
import struct
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from feather_memory.errors import DimensionError, MissingExtraError
from feather_memory.index.matrix import unit
from feather_memory.truth import atomic
from feather_memory.types import Positions, Vector

_LAYOUT = 1
_LINKS = 16  # M: links a vector; 12 to 48 are usual, 16 gives recall 0.99 at 100k × 768
_BUILD_BREADTH = 200  # ef_construction
_SEARCH_BREADTH = 128  # ef, at least
_FIRST_ROWS = 1024
_GROWTH = 1.5
_ADD_ROWS = 64  # added under one lock: some 60 ms at 100k × 384, then searches get their turn
_PIECE = 1 << 20  # bytes checked at once

_log = logging.getLogger("feather_memory")


class Hnsw:
    """An approximate index of unit-length vectors. Many threads may search, one may change it.

    Nothing is taken out of it: to forget a vector for good, discard its files and build anew.
    """

    def __init__(self, dim: int, *, max_elements: int = 0, threads: int = 1) -> None:
        """An empty index.

        Args:
            dim: Numbers in a vector, ≥ 1.
            max_elements: Room to begin with; it grows by itself.
            threads: Used by `add`. With one, the same additions build the same index.

        Raises:
            MissingExtraError: hnswlib is not installed.
        """
        self._index = _hnswlib().Index("ip", dim)
        self._index.init_index(
            max(max_elements, _FIRST_ROWS),
            M=_LINKS,
            ef_construction=_BUILD_BREADTH,
            random_seed=100,
        )
        self.dim = dim
        self.generation = 0
        self._threads = threads
        self._lock = _SharedLock()

    def __len__(self) -> int:
        return int(self._index.element_count)

    def add(self, positions: Positions, rows: Vector) -> None:
        """Hold `rows[i]` under `positions[i]`; a position held already gets the new row."""
        vectors = np.atleast_2d(unit(rows))
        if vectors.shape[1] != self.dim:
            raise DimensionError(self.dim, vectors.shape[1])
        labels = np.asarray(positions, np.int64)
        for start in range(0, len(labels), _ADD_ROWS):
            chunk = slice(start, start + _ADD_ROWS)
            with self._lock.alone():
                self._make_room(len(labels[chunk]))
                self._index.add_items(vectors[chunk], labels[chunk], num_threads=self._threads)

    def search(self, query: Vector, m: int) -> tuple[Positions, Vector]:
        """Up to m positions and their cosines with the query, best first.

        Fewer than m come back if fewer are held, or can be reached: many equal vectors can cut
        an HNSW graph in pieces.

        Raises:
            DimensionError: the query has another length.
        """
        direction = unit(query)
        if direction.shape != (self.dim,):
            raise DimensionError(self.dim, direction.shape[-1])
        with self._lock.shared():
            # Asking for more than m widens the search as set_ef would, but for this call alone:
            # hnswlib searches max(ef, k), and ef is shared by all threads.
            breadth = min(max(2 * m, _SEARCH_BREADTH), len(self)) if m > 0 else 0
            while breadth > 0:
                try:
                    labels, distances = self._index.knn_query(direction, k=breadth, num_threads=1)
                except RuntimeError:  # fewer can be reached
                    breadth //= 2
                    continue
                return labels[0, :m].astype(np.intp), np.float32(1.0) - distances[0, :m]
        return np.empty(0, np.intp), np.empty(0, np.float32)

    def save(self, path: str | Path, *, store_id: str, generation: int) -> None:
        """Write the index to `path`, then what it is and its checksum to `path` + ".json".

        Each replaces its older one in one step; a pair that does not match is not loaded.

        Raises:
            OSError: no room, or no permission. An older pair is as it was, or is not loaded.
        """
        path = Path(path)
        with atomic.replacing(path) as temporary:
            with self._lock.shared():
                self._index.save_index(str(temporary))
                size = int(self._index.index_file_size())
                count = int(self._index.element_count)
            about = {**_kind(), "store_id": store_id, "generation": generation, "dim": self.dim}
            with temporary.open("rb") as file:
                # hnswlib does not look whether its writes succeeded
                if os.fstat(file.fileno()).st_size != size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
                about |= {"count": count, "bytes": size, "crc32": _crc32(file)}
        with atomic.replacing(description_of(path)) as temporary:
            text = json.dumps(about)
            temporary.write_text(json.dumps({"crc32": zlib.crc32(text.encode()), "about": text}))

    @classmethod
    def load(
        cls, path: str | Path, *, store_id: str, dim: int, max_elements: int, threads: int = 1
    ) -> Hnsw | None:
        """The saved index, or None if it is missing, damaged, or not this store's.

        The whole file is checked first, because hnswlib crashes on a damaged one. `generation`
        says what it was built from.

        Raises:
            MissingExtraError: hnswlib is not installed.
        """
        _hnswlib()
        try:
            about, checked = _described(Path(path), store_id=store_id, dim=dim)
            loaded = _hnswlib().Index("ip", dim)  # a fresh one: hnswlib prints if it was begun
            loaded.load_index(str(path), max_elements=max(max_elements, about["count"]))
            is_same = _identity(Path(path).stat()) == checked
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, AttributeError, KeyError, TypeError, ValueError) as error:
            _log.warning("ignored the index %s, which can be rebuilt: %s", path, error)
            return None
        if not is_same:  # another process wrote a new one meanwhile
            return None
        index = cls(dim, threads=threads)
        index._index = loaded
        index.generation = int(about["generation"])
        return index

    def _make_room(self, more: int) -> None:
        """Grow before hnswlib would refuse. The caller holds the lock alone."""
        room, needed = self._index.max_elements, self._index.element_count + more
        if needed > room:
            self._index.resize_index(max(needed, int(room * _GROWTH)))


class _SharedLock:
    """Many readers or one writer, in turns: whoever waits while a writer writes goes next."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._waiting_readers = 0
        self._waiting_writers = 0
        self._is_writing = False
        self._admitted = 0  # waiting readers that go before the next writer

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            self._waiting_readers += 1
            try:
                self._changed.wait_for(self._may_read)
            finally:
                self._waiting_readers -= 1
                self._admitted = max(0, self._admitted - 1)
                if self._waiting_writers:
                    self._changed.notify_all()
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            self._waiting_writers += 1
            try:
                self._changed.wait_for(self._may_write)
            finally:
                self._waiting_writers -= 1
                self._changed.notify_all()
            self._is_writing = True
        try:
            yield
        finally:
            with self._changed:
                self._is_writing = False
                self._admitted = self._waiting_readers
                self._changed.notify_all()

    def _may_read(self) -> bool:
        return not self._is_writing and (self._admitted > 0 or self._waiting_writers == 0)

    def _may_write(self) -> bool:
        return not self._is_writing and self._readers == 0 and self._admitted == 0


def description_of(path: Path) -> Path:
    """The file that says what the index file at `path` is, and its checksum."""
    return path.with_name(path.name + ".json")


def _hnswlib() -> ModuleType:
    try:
        import hnswlib
    except ImportError as error:
        raise MissingExtraError("hnswlib", "hnsw") from error
    module: ModuleType = hnswlib
    return module


def _kind() -> dict[str, Any]:
    """What must be equal for a file to be readable here: it holds the machine's own numbers."""
    from importlib import metadata  # imports an e-mail parser: not for every store

    return {
        "layout": _LAYOUT,
        "hnswlib": metadata.version("hnswlib"),
        "machine": f"{sys.byteorder}-{struct.calcsize('P')}",
    }


def _described(path: Path, *, store_id: str, dim: int) -> tuple[dict[str, Any], tuple[int, ...]]:
    """What the description says of the file that was found to match it, and which file that was."""
    wrapped = json.loads(description_of(path).read_bytes())
    if zlib.crc32(wrapped["about"].encode()) != wrapped["crc32"]:
        raise ValueError("its description does not match its checksum")
    about: dict[str, Any] = json.loads(wrapped["about"])
    wanted = {**_kind(), "store_id": store_id, "dim": dim}
    for name, value in wanted.items():
        if about[name] != value:
            raise ValueError(f"its {name} is {about[name]!r} instead of {value!r}")
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if status.st_size != about["bytes"] or _crc32(file) != about["crc32"]:
            raise ValueError("it does not match its checksum")
    return about, _identity(status)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_ino, status.st_mtime_ns, status.st_size


def _crc32(file: BufferedReader) -> int:
    check = 0
    while piece := file.read(_PIECE):
        check = zlib.crc32(piece, check)
    return check
