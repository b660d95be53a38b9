"""The files beside the truth: derived, mapped, and thrown away at the least doubt."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import numpy as np

from feather_memory.config import SNAPSHOT_ROWS, SNAPSHOT_TAIL
from feather_memory.index import mapped as snapshot
from feather_memory.index.approximate import Approximation
from feather_memory.index.columns import COLUMNS, Replica, view_of
from feather_memory.index.hnsw import description_of
from feather_memory.index.matrix import Matrix
from feather_memory.truth.sqlite import schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from feather_memory.index.columns import View
    from feather_memory.truth.sqlite.database import Database
    from feather_memory.types import Positions, Seconds, Vector

_log = logging.getLogger("feather_memory")
_BLOCK = 4_096  # rows written at once


def vectors_path(path: Path) -> Path:
    """Where the mapped vectors of the store at `path` lie."""
    return path.with_name(f"{path.name}.vectors")


def hnsw_path(path: Path) -> Path:
    """Where the approximate index of the store at `path` lies."""
    return path.with_name(f"{path.name}.hnsw")


def load(database: Database) -> Replica:
    """A replica from the mapped file if it belongs to this history; else an empty one."""
    with database.reading() as connection:
        state = schema.read_state(connection)
    if state.snapshot is None:
        return Replica()
    found = snapshot.read(vectors_path(database.path), store_id=state.snapshot)
    if found is None or found.generation > state.generation or found.dim != state.dimension:
        return Replica()
    columns = {name: found.columns[name] for name in COLUMNS}
    matrix = Matrix(found.dim, base=found.vectors)
    view = view_of(found.generation, found.columns["rows"], columns, matrix)
    near = Approximation.load(hnsw_path(database.path), mark=state.snapshot, view=view)
    return Replica(view, near)


def save(database: Database, replica: Replica) -> None:
    """Write the mapped file if the store is large and too much of it is not in there yet.

    A mark ties it to this history: a file from a restored backup's other future can never be
    taken for this one's. Nothing is written where the truth is gone: its tenant was forgotten.
    """
    if not database.is_in_place():
        return
    with database.reading() as connection:
        if schema.read_state(connection).next_row <= SNAPSHOT_ROWS:
            return
        view = replica.sync(connection, lambda: database.refresh(connection))
    if not _is_stale(view):
        return
    # Under the write lock: nobody can forget a memory between our reading it and our writing it.
    try:
        with database.writing() as transaction:
            view = replica.sync(transaction.connection, lambda: None)
            mark = os.urandom(16).hex()
            _write_all(database.path, view, replica.approximation, mark)
            transaction.own_snapshot(mark)
    except OSError as error:  # a full disk, say: the truth is complete without these files
        discard(database.path)
        _log.warning("the mapped vectors of %s were not written: %s", database.path, error)


def _write_all(path: Path, view: View, near: Approximation, mark: str) -> None:
    write(vectors_path(path), view, mark)
    if near.covered == len(view) == np.count_nonzero(view.until > -np.inf):
        near.save(hnsw_path(path), mark=mark, generation=view.generation)


def _is_stale(view: View) -> bool:
    live = int(np.count_nonzero(view.until > -np.inf))
    if view.matrix is None or live < SNAPSHOT_ROWS:
        return False
    mapped, _ = view.matrix.blocks(len(view))
    return len(view) - len(mapped) > SNAPSHOT_TAIL * live or len(view) - live > live


def write(path: Path, view: View, mark: str) -> None:
    """Write the live memories of a View that has vectors."""
    live = np.flatnonzero(view.until > -np.inf)
    matrix = view.matrix or Matrix(0)
    snapshot.write(
        path,
        store_id=mark,
        generation=view.generation,
        dim=matrix.dim,
        vectors=_blocks(matrix, live),
        columns={
            "rows": view.rows[live],
            **{name: values[live] for name, values in view.columns.items()},
        },
    )


def _blocks(matrix: Matrix, live: Positions) -> Iterator[Vector]:
    for start in range(0, len(live), _BLOCK):
        yield matrix.take(live[start : start + _BLOCK])


def discard(path: Path) -> None:
    """Remove every derived file of the store at `path`."""
    snapshot.discard(vectors_path(path))
    snapshot.discard(hnsw_path(path))
    snapshot.discard(description_of(hnsw_path(path)))


def companions(path: Path) -> list[Path]:
    """All that may lie beside the store at `path` and belongs to it."""
    near = hnsw_path(path)
    derived = [vectors_path(path), near, description_of(near)]
    left = [each for one in derived for each in snapshot.leftovers(one)]
    logs = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal")]
    return [*derived, *left, *logs]


def faults(path: Path) -> list[str]:
    """What is wrong with the derived files; a missing one is not."""
    mapped = vectors_path(path)
    return snapshot.verify(mapped) if mapped.exists() else []


def file_bytes(path: Path) -> int:
    """Size of the truth, with its log."""
    return _size(path) + _size(path.with_name(f"{path.name}-wal"))


def written_at(path: Path) -> Seconds:
    """When the truth was last written, by its file or its log; 0 if it is gone."""
    log = path.with_name(f"{path.name}-wal")
    return max((found.st_mtime for each in (path, log) if (found := _stat(each))), default=0.0)


def derived_bytes(path: Path) -> int:
    """Size of the derived files."""
    near = hnsw_path(path)
    return _size(vectors_path(path)) + _size(near) + _size(description_of(near))


def _size(path: Path) -> int:
    found = _stat(path)
    return 0 if found is None else found.st_size


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:  # asking first would race: the last to close a store drops its log
        return None
