"""The part of a store that says what it holds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from feather_memory.checks import file_path, label, labels, whole
from feather_memory.errors import StoreAccessError, UnknownMemoryError
from feather_memory.filters.language import F
from feather_memory.filters.parse import parse
from feather_memory.index import beside
from feather_memory.index.view import View
from feather_memory.model.memory import Edge, Memory, Signal, StoreStats
from feather_memory.search.question import Where
from feather_memory.search.searcher import Searcher
from feather_memory.store.core import Part
from feather_memory.truth.contract import ReadTransaction


class Reads(Part):
    """What a store holds, read one by one; and its file."""

    def __len__(self) -> int:
        """How many memories there are, current or not."""
        with self._core.truth.reading() as moment:
            return moment.memories.count()

    @property
    def path(self) -> Path:
        """Where the file is.

        Raises:
            StoreAccessError: The store is on a server.
        """
        path = self._core.truth.path
        if path is None:
            raise StoreAccessError(f"{self._core.truth.place!r} is on a server: it has no path")
        return path

    @property
    def tenant(self) -> str | None:
        """Whose file this is."""
        return self._core.truth.tenant

    def get(self, id: str) -> Memory:  # noqa: A002  the field's name
        """The memory with that id, current or not.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        found = self.get_many([label(id, "id")])
        if not found:
            raise UnknownMemoryError(id)
        return found[0]

    def get_many(self, ids: Iterable[str]) -> list[Memory]:
        """The memories with those ids, in their order; those that do not exist are left out."""
        wanted = labels(ids, "ids")
        with self._core.truth.reading() as moment:
            found = moment.memories.by_ids(wanted)
            return moment.memories.shown([found[id_] for id_ in wanted if id_ in found])

    def iterate(self, where: Where | None = None) -> Iterator[Memory]:
        """Every memory that a filter lets through, current or not, in the order of writing."""
        condition, row = parse(where), -1
        while True:
            with self._core.truth.reading() as moment:
                records = moment.memories.page(after=row, where=condition)
                found = moment.memories.shown(records)
            yield from found
            if not records:
                return
            row = records[-1].row

    def latest(
        self,
        k: int = 5,
        *,
        where: Where | None = None,
        offset: int = 0,
        of_each: str | None = None,
    ) -> list[Memory]:
        """The k memories written last that a filter lets through, current or not, latest first.

        What has new content was written anew; a link, a signal or another end is no content.

        Args:
            k: How many, at least 1.
            where: A filter.
            offset: How many later ones to pass over, at least 0: `k` times the page.
            of_each: A field, as `F` writes it, such as "session": of those that have the same
                there, only the latest counts. What lacks the field stands for itself.

        Raises:
            ParameterError: `k` or `offset` is out of its range.
            FilterError: `of_each` is no field.
        """
        count, skipped, condition = whole(k, "k", 1), whole(offset, "offset", 0), parse(where)
        if condition is None and of_each is None:  # the truth has them in this order
            with self._core.truth.reading() as moment:
                return moment.memories.shown(moment.memories.latest(count, None, offset=skipped))
        alike = None if of_each is None else F(of_each).path
        with Searcher.over(self._core.truth, self._core.columns) as searcher:
            return searcher.latest(condition, count, skipped, alike)

    def history(self, id: str) -> list[Memory]:  # noqa: A002  the field's name
        """What a fact was over time: all that the memory replaced or was replaced by.

        Ordered by `valid_from`, then by when it was recorded; the last is the latest.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        with self._core.truth.reading() as moment:
            _require(moment, id)
            found = moment.memories.by_ids(moment.edges.chain(id))
            chain = sorted(
                found.values(), key=lambda each: (each.valid_from, each.created_at, each.row)
            )
            return moment.memories.shown(chain)

    def edges(self, id: str) -> list[Edge]:  # noqa: A002  the field's name
        """Every edge that starts or ends at a memory.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        with self._core.truth.reading() as moment:
            _require(moment, id)
            return moment.edges.touching([id])

    def signals(self, id: str) -> list[Signal]:  # noqa: A002  the field's name
        """Every signal about a memory, oldest first.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        with self._core.truth.reading() as moment:
            _require(moment, id)
            return moment.engagement.signals_of([id])[id]

    def stats(self) -> StoreStats:
        """Counts and sizes."""
        truth, columns = self._core.truth, self._core.columns
        with Searcher.over(truth, columns) as searcher:
            view = searcher.view
            counts = searcher.transaction.audit.counts(max(truth.now(), view.state.latest))
        return StoreStats(
            path=truth.place,
            dimension=None if view.matrix is None else view.matrix.dim,
            embedder=view.state.embedder,
            generation=view.generation,
            file_bytes=truth.size(),
            derived_bytes=0 if truth.path is None else beside.derived_bytes(truth.path),
            index=_index_of(view),
            **counts,
        )

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Copy the store as it is now to a new file, while others go on using it.

        Raises:
            StoreAccessError: There is a file at `path` already, or it cannot be written.
        """
        target = file_path(path)
        try:
            is_there, has_folder = target.exists(), target.parent.is_dir()
        except OSError as error:  # a name that no file can have
            raise StoreAccessError(f"cannot write {str(target)!r}: {error.strerror}") from error
        if is_there:
            raise StoreAccessError(f"{str(target)!r} exists; a backup never overwrites")
        if not has_folder:
            raise StoreAccessError(f"cannot write {str(target)!r}: no such folder")
        self._core.truth.backup(target)


def _index_of(view: View) -> str:
    if view.matrix is not None and view.matrix.is_rounded:
        return "pgvector"
    return "exact" if view.lineage.approximation.index is None else "hnsw"


def _require(moment: ReadTransaction, id_: str) -> None:
    if moment.memories.find(label(id_, "id")) is None:
        raise UnknownMemoryError(id_)
