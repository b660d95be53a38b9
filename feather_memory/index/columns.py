"""The truth's memories as arrays, kept in step with it, whoever writes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import numpy.typing as npt

from feather_memory import config
from feather_memory.checks import FIRST, LAST
from feather_memory.errors import GoneStoreError
from feather_memory.filters.language import Filter
from feather_memory.filters.masks import mask_of
from feather_memory.index import beside
from feather_memory.index.edges import EdgeArrays
from feather_memory.index.liked import Liked
from feather_memory.index.matrix import Matrix
from feather_memory.index.positions import positions_in
from feather_memory.index.recent import Recent, Shared
from feather_memory.index.stored import StoredMatrix
from feather_memory.index.supersessions import Supersessions
from feather_memory.index.turns import Turns
from feather_memory.index.view import View
from feather_memory.model.fields import COLUMNS
from feather_memory.model.formula import derived
from feather_memory.truth.contract import ReadTransaction, Truth
from feather_memory.truth.forked import watch
from feather_memory.truth.nouns import Comparing, Memories
from feather_memory.truth.state import Changes, DamagedRowError, State
from feather_memory.types import Mask, Numbers, Positions, Seconds

_SOME = 64
_BOUNDS = {"importance": (0.0, 1.0), "recalls": (0.0, np.inf)}  # of what each has; times are times
_LEAST, _MOST = (
    np.array([[_BOUNDS.get(name, (FIRST, LAST))[end]] for name in COLUMNS]) for end in (0, 1)
)  # (columns, 1) each
_ENDS = frozenset({"valid_to", "expires_at"})
_TIMES = _ENDS | {"valid_from"}
_HELD = [COLUMNS.index(name) for name in _BOUNDS]


def _columns(numbers: Sequence[tuple[float | None, ...]]) -> dict[str, Numbers]:
    """The numbers of some rows by name; NaN for a time that is none. Shape (n,) each.

    Raises:
        DamagedRowError: One of them can never have been written.
    """
    block = np.array(numbers, np.float64)  # (columns, n)
    # NaN, which a time may be, is neither less nor more than anything.
    is_odd = (block < _LEAST).any() or (block > _MOST).any() or np.isnan(block[_HELD]).any()
    if is_odd:
        raise DamagedRowError("a time, an importance or a number of recalls nobody can have had")
    return dict(zip(COLUMNS, block, strict=True))


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

    def at(self, positions: Positions) -> npt.NDArray[Any]:
        """Some of it, as it is now."""
        return self._block[positions]

    def change(self, at: Positions, values: npt.NDArray[Any] | float) -> None:
        """Put values in their places; earlier readers keep what they had."""
        self._block = self._block.copy()
        self._block[at] = values


class Columns:
    """The current View of a truth, and the fields that filters have asked for.

    Loaded when first asked for: from the mapped file, if it belongs to this history.
    """

    def __init__(self, path: FilePath | None, max_vector_bytes: int = config.POOL_BYTES) -> None:
        """Those of the truth at `path`, beside which the mapped file lies; of None, without one.

        Where vectors would take more than `max_vector_bytes`, and the truth can compare them
        itself, they stay there.
        """
        self._path, self._max_vector_bytes = path, max_vector_bytes
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
        self._timing = view.timing
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
                elif self._is_outgrown(transaction, view, state):
                    view = self._start(beside.of_nothing(state))
                if view.generation < state.generation:
                    view = self._advanced(transaction, view, state)
                elif not self._likes_are_known:
                    view = self.view = replace(view, liked=self._liked(transaction, view.rows))
                if view.generation == state.generation:
                    return view
            transaction.refresh()

    def _is_outgrown(self, transaction: ReadTransaction, view: View, state: State) -> bool:
        """Whether vectors are here which had better stay in the truth, with what is new there."""
        matrix = view.matrix
        if matrix is None or matrix.is_rounded or not len(view.rows):
            return False
        more = state.next_row - int(view.rows[-1])
        return self._stay(transaction, matrix.dim, len(view.rows) - self._buried + more)

    def _stay(self, transaction: ReadTransaction, dim: int, most: int) -> bool:
        """Whether the vectors of a store, of at most so many memories, stay in the truth."""
        if 4 * dim * most <= self._max_vector_bytes or transaction.comparing is None:
            return False
        return 4 * dim * transaction.memories.count() > self._max_vector_bytes

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
        if matrix is not None and not matrix.is_rounded:
            scanned = matrix.dim if drawn is None else drawn.dim
            if n * scanned >= config.HNSW_FLOATS:
                view.lineage.approximation.follow(matrix, n)
        return view

    def _advance(self, transaction: ReadTransaction, view: View, state: State) -> View:
        next_row = int(view.rows[-1]) + 1 if len(view.rows) else 0
        matrix = view.matrix
        if state.dimension is not None and matrix is None:
            matrix = self._begun(transaction, state.dimension, len(view.rows))
        asked: Memories | Comparing = transaction.memories
        if matrix is not None and matrix.is_rounded:
            asked = transaction.comparing or asked
        changes = asked.changes(since=view.generation, next_row=next_row)
        touched = [row for row, *_ in changes.touched]
        self._appended(view, matrix, changes.appended)
        if changes.touched:
            self._touch(view, changes.touched)
        if changes.gone:
            self._bury(changes.gone)
        if changes.appended or changes.gone:
            self._timing += 1
        self.recent.advance(state.generation, [*changes.gone, *touched])
        rows = self._rows.whole()
        if matrix is not None and not matrix.is_rounded and len(rows) >= self._sketched_from:
            view.lineage.sketch.follow(matrix, len(rows))
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
            timing=self._timing,
            liked=self._likes(transaction, view, changes),
            shared=view.shared.of_the_times() if self._timing == view.timing else Shared(),
        )

    def _likes(self, transaction: ReadTransaction, view: View, changes: Changes) -> Liked | None:
        """The likes after some changes, of which those told anew are of what is new or touched."""
        rows = self._rows.whole()
        is_told_anew = changes.gone or view.state.dimension != transaction.state.dimension
        if is_told_anew or not self._likes_are_known:
            return self._liked(transaction, rows)
        if not changes.touched and not changes.appended:
            return view.liked
        known, told = view.liked, transaction.engagement.liked(since=view.generation)
        if known is not None:
            known = known.without(view.positions([row for row, *_ in changes.touched]))
        if not told or (fresh := Liked.told(rows, told)) is None:
            return known
        return fresh if known is None else known.joined(fresh)

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

    def _begun(self, transaction: ReadTransaction, dimension: int, before: int) -> Matrix:
        """The matrix of a store, none of whose first memories, read before, has a vector."""
        if self._stay(transaction, dimension, transaction.state.next_row):
            stored = StoredMatrix(dimension)
            stored.counted(before)
            return stored
        matrix = Matrix(dimension)
        if before:
            matrix.append(np.zeros((before, dimension), np.float32))
        return matrix

    def _appended(self, view: View, matrix: Matrix | None, appended: list[tuple[Any, ...]]) -> None:
        if not appended:
            return
        rows, *told, likeness, vectors, compact = zip(*appended, strict=True)
        columns, said = _columns(told[: len(COLUMNS)]), told[len(COLUMNS) :]
        if any(map(any, (said[0], said[1], *said[3:]))):
            view.lineage.turns.follow(len(view.rows), list(zip(*said, strict=True)))
        if matrix is not None and matrix.is_rounded:
            matrix.counted(len(rows))
        elif matrix is not None:
            nothing = bytes(4 * matrix.dim)
            blob = b"".join(vector or nothing for vector in vectors)
            if len(blob) != len(vectors) * len(nothing):
                raise DamagedRowError(f"a vector has not {matrix.dim} numbers")
            matrix.append(np.frombuffer(blob, np.dtype("<f4")).reshape(-1, matrix.dim))
        self._rows.append(np.array(rows, np.int64))
        for name, values in columns.items():
            self._numbers[name].append(values)
        until, stretched, importance = derived(columns)
        self._until.append(until)
        self._stretched.append(stretched)
        self._importance.append(importance)
        self._words = self._words.followed_by(compact, likeness)

    def _touch(self, view: View, touched: list[tuple[Any, ...]]) -> None:
        rows, *numbers = zip(*touched, strict=True)
        at, columns = np.searchsorted(view.rows, np.array(rows, np.int64)), _columns(numbers)
        before = np.array([self._numbers[name].at(at) for name in columns])  # (columns, m)
        after = np.array([*columns.values()])
        is_new = ((before != after) & ~(np.isnan(before) & np.isnan(after))).any(axis=1)
        for name in (new := {name for name, is_ in zip(columns, is_new, strict=True) if is_}):
            self._numbers[name].change(at, columns[name])
        until, stretched, importance = derived(columns)
        if new & _ENDS:
            self._until.change(at, until)
        if "recalls" in new:
            self._stretched.change(at, stretched)
        if "importance" in new:
            self._importance.change(at, importance)
        self._timing += bool(new & _TIMES)

    def _bury(self, gone: list[int]) -> None:
        self._until.change(at := positions_in(self._rows.whole(), gone), -np.inf)
        self._buried += len(at)

    def mask(self, begin: Callable[[], ReadTransaction], view: View, where: Filter) -> Mask:
        """Which memories of a View, of this moment, the filter lets through. Shape (n,)."""
        if (known := view.shared.mask(where)) is not None:
            return known
        fields = view.lineage.fields
        mask = mask_of(where, view.columns, lambda path: fields.at(begin, view.rows, path))
        if all(path[0] not in view.columns for path in where.fields()):
            view.shared.keep_mask(where, mask)
        return mask

    def turns(self, begin: Callable[[], ReadTransaction], view: View) -> Turns | None:
        """Who said what of a View, of this moment; None where nobody is told apart."""
        times, until = view.columns["valid_from"], view.until
        return view.lineage.turns.at(begin, view.rows, times, until, view.timing)

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
                with suppress(GoneStoreError):  # there is nothing to write beside
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
