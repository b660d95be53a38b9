"""All edges of a store as arrays beside its columns, for whoever walks along them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from feather_memory.checks import when
from feather_memory.index.positions import distinct, positions_in, spans
from feather_memory.model.memory import Edge
from feather_memory.truth.contract import ReadTransaction
from feather_memory.truth.state import EdgeRow
from feather_memory.types import Mask, Numbers, Positions

_LOOSE = 1_024  # edges that may be out of order, or gone, before all are put in order anew
_SHARE = 8  # or one in so many of them
_PREFIX = "edges."
_GENERATIONS = 4  # a reader may be behind another by so many


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeArrays:
    """Edges by number, from 0, at one generation. They never change; later ones share them.

    The first ones are in order: those that start or end at position p are, modulo their count,
    `order[starts[p]:starts[p + 1]]`. The others are few, and looked through.
    """

    generation: int
    source: npt.NDArray[np.int32]
    """Position of the memory where each starts. Shape (e,)."""
    target: npt.NDArray[np.int32]
    kind: npt.NDArray[np.int32]
    """Which of the `types` each has."""
    weight: Numbers
    created_at: Numbers
    types: tuple[str, ...]
    order: npt.NDArray[np.int32]
    """Shape (2 · in order,)."""
    starts: npt.NDArray[np.int64]
    """Shape (positions when they were put in order + 1,)."""
    gone: Mask | None
    """Which of them are no longer there; None for no one. Shape (e,)."""

    @classmethod
    def told(cls, rows: npt.NDArray[np.int64], edges: Sequence[EdgeRow], generation: int) -> Self:
        """Those of a truth, between memories that all stand among the rows."""
        return cls.none(generation).joined(rows, edges).in_order(len(rows))

    @classmethod
    def none(cls, generation: int) -> Self:
        """No edges."""
        places, numbers = np.empty(0, np.int32), np.empty(0)
        return cls(
            generation=generation, source=places, target=places, kind=places, weight=numbers,
            created_at=numbers, types=(), order=places, starts=np.zeros(1, np.int64), gone=None,
        )  # fmt: skip

    @property
    def n(self) -> int:
        """How many memories there were when they were put in order."""
        return len(self.starts) - 1

    def after(
        self,
        rows: npt.NDArray[np.int64],
        stale: Positions,
        edges: Sequence[EdgeRow],
        generation: int,
    ) -> Self:
        """Those of a later generation.

        Args:
            rows: Of all memories there are then.
            stale: Positions whose edges are no longer as they were.
            edges: All that start or end at one of them, or at a memory that was not there.
            generation: Which it is.
        """
        left = replace(self, generation=generation)
        if len(dropped := self.touching(stale)):
            gone = np.zeros(len(self.source), np.bool_) if self.gone is None else self.gone.copy()
            gone[dropped] = True
            left = replace(left, gone=gone)
        if not edges:
            return left
        left = left.joined(rows, edges)
        loose = len(left.source) - len(left.order) // 2
        if left.gone is not None:
            loose += int(np.count_nonzero(left.gone))
        if loose > max(_LOOSE, len(left.source) // _SHARE):
            return left.in_order(len(rows))
        return left

    def joined(self, rows: npt.NDArray[np.int64], edges: Sequence[EdgeRow]) -> Self:
        """With others behind them, out of order."""
        if not edges:
            return self
        source, target, type_, weight, created_at = zip(*edges, strict=True)
        codes = {name: code for code, name in enumerate(self.types)}
        kind = [codes.setdefault(name, len(codes)) for name in type_]
        return replace(
            self,
            source=_and(self.source, np.searchsorted(rows, np.array(source, np.int64))),
            target=_and(self.target, np.searchsorted(rows, np.array(target, np.int64))),
            kind=_and(self.kind, kind),
            weight=_and(self.weight, weight),
            created_at=_and(self.created_at, created_at),
            types=tuple(codes),
            gone=None if self.gone is None else _and(self.gone, [False] * len(edges)),
        )

    def only(self, kept: Mask | Positions) -> Self:
        """Some of them, none in order."""
        none = self.none(self.generation)
        return replace(
            self, source=self.source[kept], target=self.target[kept], kind=self.kind[kept],
            weight=self.weight[kept], created_at=self.created_at[kept], order=none.order,
            starts=none.starts, gone=None,
        )  # fmt: skip

    def in_order(self, n: int) -> Self:
        """Without what is gone, all in order, by the n positions there are."""
        made = self if self.gone is None else self.only(~self.gone)
        ends = np.concatenate([made.source, made.target])
        order = np.argsort(ends, kind="stable").astype(np.int32)
        starts = np.searchsorted(ends[order], np.arange(n + 1)).astype(np.int64)
        return replace(made, order=order, starts=starts)

    def touching(self, positions: Positions) -> Positions:
        """Numbers of the edges that start or end at one of these, each once, ascending."""
        return distinct(self._touched(positions)[0])

    def _touched(self, positions: Positions) -> tuple[Positions, Mask]:
        """The same, and whether it is their end that is there; so one between two comes twice."""
        ordered = len(self.order) // 2
        known = positions[positions < self.n]
        numbers = np.asarray(self.order[spans(self.starts[known], self.starts[known + 1])], np.intp)
        is_end = numbers >= ordered
        numbers[is_end] -= ordered
        if ordered < len(self.source):
            first = np.flatnonzero(np.isin(self.source[ordered:], positions)) + ordered
            last = np.flatnonzero(np.isin(self.target[ordered:], positions)) + ordered
            numbers = np.concatenate([numbers, first, last])
            is_end = np.concatenate(
                [is_end, np.zeros(len(first), np.bool_), np.ones(len(last), np.bool_)]
            )
        if self.gone is not None:
            is_there = ~self.gone[numbers]
            numbers, is_end = numbers[is_there], is_end[is_there]
        return numbers, is_end

    def links(
        self, positions: Positions, types: Collection[str] | None
    ) -> Iterator[tuple[int, int, float]]:
        """(one of these, its neighbour, weight) of every edge that touches them, as `walk` asks.

        Args:
            positions: Of memories, each once.
            types: Only edges of these.
        """
        at, is_end = self._touched(positions)
        if types is not None:
            is_asked = self._are_of(types)[self.kind[at]]
            at, is_end = at[is_asked], is_end[is_asked]
        source, target = self.source[at], self.target[at]
        here, there = np.where(is_end, target, source), np.where(is_end, source, target)
        return zip(here.tolist(), there.tolist(), self.weight[at].tolist(), strict=True)

    def _are_of(self, types: Collection[str]) -> Mask:
        return np.array([name in types for name in self.types], np.bool_)

    def among_these(
        self, ids: Mapping[int, str], types: Collection[str] | None
    ) -> tuple[Edge, ...]:
        """The edges between these memories, given by position, in the order of their ends' ids."""
        places = np.fromiter(ids, np.intp, len(ids))
        at = self.touching(places)
        every = np.concatenate([places, self.source[at], self.target[at]])
        is_here = np.zeros(int(every.max(initial=-1)) + 1, np.bool_)
        is_here[places] = True
        at = at[is_here[self.source[at]] & is_here[self.target[at]]]
        if types is not None:
            at = at[self._are_of(types)[self.kind[at]]]
        ends = (self.source[at].tolist(), self.target[at].tolist(), self.kind[at].tolist())
        told = (*ends, self.weight[at].tolist(), self.created_at[at].tolist())
        named = sorted(
            (ids[source], ids[target], self.types[kind], weight, created_at)
            for source, target, kind, weight, created_at in zip(*told, strict=True)
        )
        return tuple(
            Edge(source=source, target=target, type=type_, weight=weight, created_at=when(moment))
            for source, target, type_, weight, moment in named
        )

    # In the mapped file

    def without(self, gone: Positions) -> Self:
        """All that neither start nor end at one of these; of edges that are all in order."""
        dropped = self.touching(gone)
        if not len(dropped):
            return self
        kept = np.ones(len(self.source), np.bool_)
        kept[dropped] = False
        twice = np.concatenate([kept, kept])
        order = (np.cumsum(twice, dtype=np.int32) - 1)[self.order]
        is_left = twice[self.order]
        starts = np.concatenate([[0], np.cumsum(is_left)])[self.starts]
        return replace(self.only(kept), order=order[is_left], starts=starts).in_use()

    def in_use(self) -> Self:
        """The same, without types that no edge has: they may be words of what is gone."""
        used = np.bincount(self.kind, minlength=len(self.types)) > 0
        types = tuple(name for name, is_used in zip(self.types, used, strict=True) if is_used)
        kind = (np.cumsum(used, dtype=np.int32) - 1)[self.kind]
        return replace(self, kind=np.asarray(kind, np.int32), types=types)

    def among(self, live: Positions, n: int) -> Self:
        """Those between memories of which only the live ones, ascending of n, stay, moved up."""
        place = np.full(n, -1, np.int32)
        place[live] = np.arange(len(live))
        moved = replace(self, source=place[self.source], target=place[self.target])
        kept = (moved.source >= 0) & (moved.target >= 0)
        if self.gone is not None:
            kept &= ~self.gone
        return moved.only(kept).in_order(len(live)).in_use()

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What `over` makes them of again; of edges that are all in order."""
        arrays = {_PREFIX + name: getattr(self, name) for name in _ARRAYS}
        return {**arrays, _PREFIX + "types": np.array(self.types, np.str_)}

    @classmethod
    def over(cls, arrays: Mapping[str, npt.NDArray[Any]], generation: int) -> Self | None:
        """Those over arrays as `arrays` gives them; None if they do not fit each other."""
        if not arrays.keys() >= {_PREFIX + name for name in (*_ARRAYS, "types")}:
            return None
        held: dict[str, Any] = {name: arrays[_PREFIX + name] for name in _ARRAYS}
        types = tuple(arrays[_PREFIX + "types"].tolist())
        made = cls(generation=generation, types=types, gone=None, **held)
        return made if made.is_sound() else None

    def is_sound(self) -> bool:
        """Whether no number leads beyond an array: they were mapped, and not checked."""
        many, n = len(self.source), self.n
        lengths = {len(each) for each in (self.target, self.kind, self.weight, self.created_at)}
        return (
            lengths == {many}
            and len(self.order) == 2 * many
            and n >= 0
            and _are_below(self.source, n)
            and _are_below(self.target, n)
            and _are_below(self.kind, len(self.types))
            and _are_below(self.order, 2 * many)
            and int(self.starts[0]) == 0
            and int(self.starts[-1]) == 2 * many
            and bool((self.starts[1:] >= self.starts[:-1]).all())
        )


class EdgesInStep:
    """The edges of one lineage of Views, brought to a generation when somebody walks at it.

    A store in which nobody walks reads none.
    """

    def __init__(
        self,
        mapped: Callable[[], EdgeArrays | None] | None = None,
        known: Iterable[EdgeArrays] = (),
    ) -> None:
        """Those of some generations.

        Args:
            mapped: What a file holds, looked at when somebody walks for the first time.
            known: What others held, the latest last.
        """
        self._lock = threading.Lock()
        self._mapped = mapped
        self._known = deque(known, _GENERATIONS)

    def renewed(self) -> EdgesInStep:
        """The same, in a fork: somebody may have had the lock."""
        return EdgesInStep(self._mapped, tuple(self._known))

    def at(
        self, begin: Callable[[], ReadTransaction], rows: npt.NDArray[np.int64], generation: int
    ) -> EdgeArrays:
        """Those of a generation.

        Args:
            begin: Begins a transaction of that generation.
            rows: Of the memories there are then; those of earlier ones are the first of them.
            generation: Which it is.
        """
        if (known := self._of(generation)) is not None:
            return known
        transaction = begin()  # before the lock: a transaction waits where a fork is under way
        with self._lock:
            if (known := self._of(generation)) is not None:
                return known
            made = self._read(transaction, rows, generation)
            if not self._known or generation > self._known[-1].generation:
                self._known.append(made)
            return made

    def _of(self, generation: int) -> EdgeArrays | None:
        """Those of a generation, if they are known."""
        known = (each for each in tuple(self._known) if each.generation == generation)
        return next(known, None)

    def _read(
        self, transaction: ReadTransaction, rows: npt.NDArray[np.int64], generation: int
    ) -> EdgeArrays:
        if not self._known and self._mapped is not None and (held := self._mapped()) is not None:
            self._known.append(held)
        latest = self._known[-1] if self._known else None
        if latest is None or latest.generation > generation or len(rows) > 2 * latest.n:
            return EdgeArrays.told(rows, transaction.edges.every(), generation)
        stale, edges = transaction.edges.changes(since=latest.generation)
        return latest.after(rows, positions_in(rows, stale), edges, generation)


_ARRAYS = ("source", "target", "kind", "weight", "created_at", "order", "starts")


def _and(first: npt.NDArray[Any], others: npt.ArrayLike) -> npt.NDArray[Any]:
    return np.concatenate([first, np.asarray(others).astype(first.dtype)])


def _are_below(values: npt.NDArray[Any], limit: int) -> bool:
    return not len(values) or (int(values.min()) >= 0 and int(values.max()) < limit)
