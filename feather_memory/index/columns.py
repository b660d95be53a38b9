"""The truth's memories as arrays, kept in step with it, whoever writes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import numpy.typing as npt

from feather_memory import config
from feather_memory.filters.language import Filter
from feather_memory.filters.masks import mask_of
from feather_memory.index import beside
from feather_memory.index.edges import EdgeArrays
from feather_memory.index.liked import Liked
from feather_memory.index.matrix import Matrix
from feather_memory.index.positions import positions_in
from feather_memory.index.supersessions import Supersessions
from feather_memory.index.turns import Turns
from feather_memory.index.view import View
from feather_memory.model.fields import COLUMNS, Record
from feather_memory.model.formula import derived
from feather_memory.truth.contract import ReadTransaction, Truth
from feather_memory.truth.forked import watch
from feather_memory.truth.state import DamagedRowError, State
from feather_memory.types import Mask, Positions, Seconds

_SOME = 64
_RECORD_BYTES = 800  # of a record with short labels, and its place in a dict


class _Growing:
    """An array that is appended to in place; what was handed out keeps its length."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self._block = values
        self._length = len(values)

    def append(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        length = self._length + len(values)
        if length > len(self._block):
            block = np.empty(max(_SOME, length + length // 2), self._block.dtype)
            block[: self._length] = self._block[: self._length]
            self._block = block
        self._block[self._length : length] = values
        self._length = length
        return self._block[:length]

    def whole(self) -> npt.NDArray[Any]:
        """All of it, as it is now."""
        return self._block[: self._length]

    def changed(self, at: Positions, values: npt.NDArray[Any] | float) -> npt.NDArray[Any]:
        """As after the change; earlier readers keep what they had. No change copies nothing."""
        if np.array_equal(self._block[at], np.broadcast_to(values, at.shape), equal_nan=True):
            return self.whole()
        self._block = self._block.copy()
        self._block[at] = values
        return self._block[: self._length]


class Recent:
    """Records that were read last, by row, of one generation; as many as fit into some bytes.

    The content of a row never changes. What else of it does, a sync drops with it, and what is
    forgotten as well: nothing of that stays in reach.
    """

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._lock = threading.Lock()
        self._held: dict[int, Record] = {}  # the one asked for last comes last
        self._sizes: dict[int, int] = {}
        self._bytes = 0

    def held(self, rows: Iterable[int], generation: int) -> dict[int, Record]:
        """Those of the rows that are here, by row; none for another generation."""
        found: dict[int, Record] = {}
        with self._lock:
            if generation != self._generation:
                return found
            held = self._held
            for row in rows:
                if (record := held.pop(row, None)) is not None:
                    held[row] = found[row] = record
        return found

    def keep(self, records: Iterable[Record], generation: int) -> None:
        """Hold records that were read at that generation, and drop what was not asked for longest.

        They are not to be changed any more.
        """
        with self._lock:
            if generation != self._generation:
                return
            for record in records:
                if record.row not in self._held:
                    self._held[record.row] = record
                    self._sizes[record.row] = size = _bytes_of(record)
                    self._bytes += size
            while self._bytes > config.RECENT_BYTES:
                self._drop(next(iter(self._held)))

    def advance(self, generation: int, stale: Iterable[int]) -> None:
        """Be of another generation, at which these rows are gone or no longer as they were."""
        with self._lock:
            self._generation = generation
            for row in stale:
                if row in self._held:
                    self._drop(row)

    @property
    def bytes(self) -> int:
        """What it holds takes about so many."""
        return self._bytes

    def _drop(self, row: int) -> None:
        del self._held[row]
        self._bytes -= self._sizes.pop(row)


def _bytes_of(record: Record) -> int:
    """What a record takes in memory: what can be long of it, and the rest with its place here."""
    long = record.text.__sizeof__() + record.metadata.__sizeof__()
    return _RECORD_BYTES + long + len(record.vector or b"")


class Columns:
    """The current View of a truth, and the fields that filters have asked for.

    Loaded when first asked for: from the mapped file, if it belongs to this history.
    """

    def __init__(self, path: FilePath | None) -> None:
        """Those of the truth at `path`, beside which the mapped file lies; of None, without one."""
        self._path = path
        self._sketched_from = config.SKETCH_ROWS if path else config.SKETCH_ROWS_UNKEPT
        self._lock = threading.Lock()
        self.view: View | None = None
        """The latest View; None while nothing is loaded."""
        self.recent = Recent(0)
        """The records that were read last."""
        watch(self)

    def _start(self, view: View) -> View:
        self._rows = _Growing(view.rows)
        self._numbers = {name: _Growing(values) for name, values in view.columns.items()}
        self._until = _Growing(view.until)
        self._stretched = _Growing(view.stretched)
        self._importance = _Growing(view.importance)
        self._words = view.words
        self._buried = 0
        self.recent = Recent(view.generation)
        self._likes_are_known = False
        self.view = view
        return view

    def sync(self, transaction: ReadTransaction) -> View:
        """The View of the moment that the transaction sees.

        If another thread has brought the arrays further than that moment, the transaction is moved
        to the present.
        """
        while True:
            state, view = transaction.state, self.view
            if view is not None and view.generation == state.generation:
                return view
            with self._lock:
                view = self.view
                if view is None or view.state.remade != state.remade:
                    view = self._start(beside.view_at(self._path, state))
                elif self._buried > max(config.BURIED_ROWS, len(view.rows) // 2):
                    view.lineage.approximation.stop()  # most are rewrites of what is there
                    view = self._start(beside.of_nothing(state))
                if view.generation < state.generation:
                    view = self._advanced(transaction, view, state)
                elif not self._likes_are_known:
                    view = self.view = replace(view, liked=self._liked(transaction, view.rows))
                if view.generation == state.generation:
                    return view
            transaction.refresh()

    def start_over(self) -> None:
        """Begin anew from the last whole View, in a fork: others may have been half way further.

        Before any thread of the child uses it.
        """
        self._lock = threading.Lock()
        if (view := self.view) is not None:
            matrix = None if view.matrix is None else view.matrix.first(len(view))
            lineage = view.lineage.renewed(len(view))
            self._start(replace(view, matrix=matrix, lineage=lineage))

    def _advanced(self, transaction: ReadTransaction, view: View, state: State) -> View:
        try:
            view = self.view = self._advance(transaction, view, state)
        except BaseException:
            self.view, self.recent = None, Recent(0)  # half an advance must not be built upon
            view.lineage.approximation.stop()
            raise
        matrix, n, drawn = view.matrix, len(view.rows), view.lineage.sketch.drawn
        if matrix is not None:
            scanned = matrix.dim if drawn is None else drawn.dim
            if n * scanned >= config.HNSW_FLOATS:
                view.lineage.approximation.follow(matrix, n)
        return view

    def _advance(self, transaction: ReadTransaction, view: View, state: State) -> View:
        next_row = int(view.rows[-1]) + 1 if len(view.rows) else 0
        changes = transaction.memories.changes(since=view.generation, next_row=next_row)
        touched = [row for row, *_ in changes.touched]
        matrix = self._appended(view, changes.appended, state.dimension)
        if changes.touched:
            self._touch(view, changes.touched)
        if changes.gone:
            self._bury(changes.gone)
        self.recent.advance(state.generation, [*changes.gone, *touched])
        rows = self._rows.whole()
        if matrix is not None and len(rows) >= self._sketched_from:
            view.lineage.sketch.follow(matrix, len(rows))
        # A like touches its memory; what is forgotten takes questions along.
        are_as_before = self._likes_are_known and not changes.touched and not changes.gone
        return View(
            generation=state.generation,
            rows=rows,
            columns={name: column.whole() for name, column in self._numbers.items()},
            until=self._until.whole(),
            stretched=self._stretched.whole(),
            importance=self._importance.whole(),
            words=self._words,
            state=replace(state),
            matrix=matrix,
            supersessions=self._superseded(view, [*changes.gone, *touched], changes.superseded),
            lineage=view.lineage,
            liked=view.liked if are_as_before else self._liked(transaction, rows),
        )

    def _liked(self, transaction: ReadTransaction, rows: npt.NDArray[np.int64]) -> Liked | None:
        self._likes_are_known = True
        return Liked.told(rows, transaction.engagement.liked())

    def _superseded(
        self,
        view: View,
        stale: Sequence[int],
        superseded: Sequence[tuple[int, int | None, Seconds, Seconds]],
    ) -> Supersessions:
        """The View's supersessions without those of stale rows, and with those told anew."""
        left = view.supersessions
        if stale and left.old.size:
            left = left.without(view.positions(stale))
        if superseded:
            left = left.joined(Supersessions.told(self._rows.whole(), superseded))
        return left

    def _appended(
        self, view: View, appended: list[tuple[Any, ...]], dimension: int | None
    ) -> Matrix | None:
        matrix = view.matrix
        if dimension is not None and matrix is None:
            matrix = Matrix(dimension)
            if len(view.rows):
                matrix.append(np.zeros((len(view.rows), dimension), np.float32))
        if not appended:
            return matrix
        rows, *told, likeness, vectors, compact = zip(*appended, strict=True)
        numbers, said = told[: len(COLUMNS)], told[len(COLUMNS) :]
        if any(map(any, (said[0], said[1], *said[3:]))):
            view.lineage.turns.follow(len(view.rows), list(zip(*said, strict=True)))
        if matrix is not None and dimension is not None:
            nothing = bytes(4 * dimension)
            blob = b"".join(vector or nothing for vector in vectors)
            if len(blob) != len(vectors) * len(nothing):
                raise DamagedRowError(f"a vector has not {dimension} numbers")
            matrix.append(np.frombuffer(blob, np.dtype("<f4")).reshape(-1, dimension))
        self._rows.append(np.array(rows, np.int64))
        columns = dict(zip(COLUMNS, (np.array(n, np.float64) for n in numbers), strict=True))
        for name, values in columns.items():
            self._numbers[name].append(values)
        until, stretched, importance = derived(columns)
        self._until.append(until)
        self._stretched.append(stretched)
        self._importance.append(importance)
        self._words = self._words.followed_by(compact, likeness)
        return matrix

    def _touch(self, view: View, touched: list[tuple[Any, ...]]) -> None:
        rows, *numbers = zip(*touched, strict=True)
        at = np.searchsorted(view.rows, np.array(rows, np.int64))
        columns = dict(zip(COLUMNS, (np.array(n, np.float64) for n in numbers), strict=True))
        for name, values in columns.items():
            self._numbers[name].changed(at, values)
        until, stretched, importance = derived(columns)
        self._until.changed(at, until)
        self._stretched.changed(at, stretched)
        self._importance.changed(at, importance)

    def _bury(self, gone: list[int]) -> None:
        self._until.changed(at := positions_in(self._rows.whole(), gone), -np.inf)
        self._buried += len(at)

    def mask(self, begin: Callable[[], ReadTransaction], view: View, where: Filter) -> Mask:
        """Which memories of a View, of this moment, the filter lets through. Shape (n,)."""
        fields = view.lineage.fields
        return mask_of(where, view.columns, lambda path: fields.at(begin, view.rows, path))

    def turns(self, begin: Callable[[], ReadTransaction], view: View) -> Turns | None:
        """Who said what of a View, of this moment; None where nobody is told apart."""
        lineage, times, live = view.lineage, view.columns["valid_from"], view.until > -np.inf
        return lineage.turns.at(begin, view.rows, times, live, view.generation)

    def edges(self, begin: Callable[[], ReadTransaction], view: View) -> EdgeArrays:
        """The edges of a View, of this moment."""
        return view.lineage.edges.at(begin, view.rows, view.generation)

    # Beside the truth

    def rest(self, truth: Truth) -> None:
        """Give back memory; before that, write the mapped file if it is stale."""
        try:
            if not truth.is_resting:
                if (view := self.view) is not None:
                    view.lineage.approximation.stop()
                self.save(truth)
        finally:
            self.unload()

    def unload(self) -> None:
        """Drop the arrays. They are loaded again when somebody asks."""
        with self._lock:  # an advance under way would put the View back
            view, self.view = self.view, None
            self.recent = Recent(0)
        if view is not None:
            view.lineage.approximation.stop()

    def save(self, truth: Truth) -> None:
        """Write the mapped file if the store is large and too much of it is not in there yet.

        A mark ties it to this history: a file from a restored backup's other future can never be
        taken for this one's. Nothing is written where the truth is gone: its tenant was forgotten.
        """
        path = truth.path
        if path is None or truth.is_read_only or not truth.is_in_place():
            return
        with truth.reading() as moment:
            # Without vectors no file is written: not to read it all for that is most of closing.
            if moment.state.next_row <= config.SNAPSHOT_ROWS or moment.state.dimension is None:
                return
            view = self.sync(moment)
            if not beside.is_stale(view):
                return
            if beside.faults(path):  # what was mapped is not to be written on as if sound
                beside.discard(path)
                return
            prepared = beside.Prepared.of(view, moment)  # the longest part, while others write
        # Under the write lock: nobody can forget a memory between our reading it and writing it.
        with beside.or_discarded(path), truth.writing() as transaction:
            mark = os.urandom(16).hex()
            view = self.sync(transaction)
            if view.generation != prepared.generation:
                prepared = beside.Prepared.of(view, transaction)
            beside.write_all(path, view, prepared, mark)
            transaction.own_snapshot(mark)
