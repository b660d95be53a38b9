"""The part of a store that says what it holds."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feather_memory.errors import StoreAccessError, UnknownMemoryError
from feather_memory.filters.parse import parse
from feather_memory.filters.sql import to_sql
from feather_memory.index import beside as keeping
from feather_memory.model.memory import Edge, Memory, Signal, StoreStats
from feather_memory.model.validity import seconds
from feather_memory.search.searcher import Reading
from feather_memory.truth.sqlite import audit, edges, memories, signals
from feather_memory.write.draft import label, labels, whole
from feather_memory.write.embedding import Embedding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from feather_memory.filters.language import Filter
    from feather_memory.index.columns import Replica
    from feather_memory.truth.sqlite.database import Database
    from feather_memory.types import Clock, Embedder

    Where = Filter | Mapping[str, Any]


class Readable:
    """One tenant's open file and what it holds, read one by one."""

    def __init__(
        self,
        database: Database,
        *,
        embedder: Embedder | None,
        query_embedder: Embedder | None,
        clock: Clock,
    ) -> None:
        self._database = database
        self._embedding = Embedding(embedder, query_embedder or embedder)
        self._clock = clock
        self._loaded: Replica | None = keeping.load(database)
        self._loading = threading.Lock()
        self._pid = os.getpid()

    def __repr__(self) -> str:
        state = "open" if self._database.is_open else "closed"
        return f"<Store {str(self.path)!r}, {state}>"

    def wake(self) -> None:
        """Bring what searches read into memory now, rather than at the first search."""
        with self._reading():
            pass

    def __len__(self) -> int:
        """How many memories there are, current or not."""
        with self._database.reading() as connection:
            return memories.count(connection)

    @property
    def is_open(self) -> bool:
        """Whether nobody has closed it. One that rests is open."""
        return self._database.is_open

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._database.path

    @property
    def tenant(self) -> str | None:
        """Whose file this is."""
        return self._database.state.tenant

    def get(self, id: str) -> Memory:  # noqa: A002  the field's name
        """The memory with that id, current or not.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        found = self.get_many([id])
        if not found:
            raise UnknownMemoryError(id)
        return found[0]

    def get_many(self, ids: Iterable[str]) -> list[Memory]:
        """The memories with those ids, in their order; those that do not exist are left out."""
        wanted = labels(ids, "ids")
        with self._database.reading() as connection:
            found = memories.by_ids(connection, wanted)
            return Reading.memories_in(connection, [found[id_] for id_ in wanted if id_ in found])

    def iterate(self, where: Where | None = None) -> Iterator[Memory]:
        """Every memory that a filter lets through, current or not, in the order of writing."""
        sql, values = _sql(where)
        row = -1
        while True:
            with self._database.reading() as connection:
                records = memories.page(connection, after=row, condition=sql, values=values)
                found = Reading.memories_in(connection, records)
            yield from found
            if not records:
                return
            row = records[-1].row

    def latest(self, k: int = 5, *, where: Where | None = None) -> list[Memory]:
        """The k memories written last that a filter lets through, current or not, latest first.

        What has new content was written anew; a link, a signal or another end is no content.

        Raises:
            ParameterError: `k` is below 1.
        """
        count = whole(k, "k", 1)
        with self._database.reading() as connection:
            records = memories.latest(connection, count, *_sql(where))
            return Reading.memories_in(connection, records)

    def history(self, id: str) -> list[Memory]:  # noqa: A002  the field's name
        """What a fact was over time: all that the memory replaced or was replaced by.

        Ordered by `valid_from`, then by when it was recorded; the last is the latest.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        with self._database.reading() as connection:
            if memories.find(connection, label(id, "id")) is None:
                raise UnknownMemoryError(id)
            found = memories.by_ids(connection, edges.chain(connection, id))
            chain = Reading.memories_in(connection, list(found.values()))
        return sorted(chain, key=lambda memory: (memory.valid_from, memory.created_at, memory.id))

    def edges(self, id: str) -> list[Edge]:  # noqa: A002  the field's name
        """Every edge that starts or ends at a memory.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        with self._database.reading() as connection:
            if memories.find(connection, label(id, "id")) is None:
                raise UnknownMemoryError(id)
            return edges.touching(connection, [id])

    def signals(self, id: str) -> list[Signal]:  # noqa: A002  the field's name
        """Every signal about a memory, oldest first.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        with self._database.reading() as connection:
            if memories.find(connection, label(id, "id")) is None:
                raise UnknownMemoryError(id)
            return signals.of_memory(connection, id)

    def stats(self) -> StoreStats:
        """Counts and sizes."""
        with self._reading() as reading:
            counts = audit.counts(reading.connection, self._now())
            generation = reading.view.generation
            dimension = None if reading.view.matrix is None else reading.view.matrix.dim
        return StoreStats(
            path=str(self.path),
            dimension=dimension,
            generation=generation,
            file_bytes=keeping.file_bytes(self.path),
            derived_bytes=keeping.derived_bytes(self.path),
            index="hnsw" if self._replica.approximation.index is not None else "exact",
            **counts,
        )

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Copy the store as it is now to a new file, while others go on using it.

        Raises:
            StoreAccessError: There is a file at `path` already, or it cannot be written.
        """
        target = Path(path)
        if target.exists():
            raise StoreAccessError(f"{str(target)!r} exists; a backup never overwrites")
        if not target.parent.is_dir():
            raise StoreAccessError(f"cannot write {str(target)!r}: no such folder")
        self._database.backup(target)

    def _now(self) -> float:
        return seconds(self._clock(), "clock()")

    @property
    def _replica(self) -> Replica:
        """The arrays that searches read; loaded again after a rest."""
        if os.getpid() != self._pid:  # a lock that another thread held would stay shut here
            self._loading = threading.Lock()
            self._loaded = None if self._loaded is None else self._loaded.twin()
            self._pid = os.getpid()
        loaded = self._loaded
        if loaded is None:
            with self._loading:
                loaded = self._loaded = self._loaded or keeping.load(self._database)
        return loaded

    @contextmanager
    def _reading(self) -> Iterator[Reading]:
        with self._database.reading() as connection:
            replica = self._replica
            view = replica.sync(connection, lambda: self._database.refresh(connection))
            yield Reading(connection, view, replica)


def _sql(where: Where | None) -> tuple[str, Sequence[object]]:
    condition = parse(where)
    return ("1", ()) if condition is None else to_sql(condition)
