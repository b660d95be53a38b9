"""Rows of numbers in one block of memory, and vectors of unit length among them."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from copy import copy
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from feather_memory import config
from feather_memory.errors import DimensionError
from feather_memory.types import Numbers, Positions, Vector

_CHUNK_NUMBERS = 1 << 16  # of float64 at once when rows are widened: half a MB, stays in the cache
_GATHER_NUMBERS = 1 << 18  # of float32 at once when rows are gathered: one MB
_FIRST_ROWS = 16  # a small tenant should cost little
_GROWTH = 1.5
_UNIT_ROUNDOFF = 2.0**-24  # of float32
_FORMULA_ROUNDING = 4e-6  # two scores of ≤ 32 float32 operations on numbers in [0, 1]


def slack_for(dim: int) -> float:
    """How far two float32 scores may be off against each other, at worst.

    A float32 dot product of d products, summed in any order, is off by at most::

        γ(d) = d·u / (1 − d·u),    u = 2⁻²⁴        (times |x|·|y| = 1)

    Rounding both vectors to float32 and their lengths to 1 adds less than 4·u, hence γ(d + 4).
    The k-th best and the score beside it may each be off by that much, in opposite directions, so
    that `contenders` with this slack contains the exact top k: 2·γ(d + 4), and 4e-6 for what a
    score's formula adds, whose factors lie in [0, 1] and so never enlarge the error.

    Source:
        Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1.

    >>> slack_for(384) < 1e-4
    True
    """
    rounding = (dim + 4) * _UNIT_ROUNDOFF
    return 2.0 * rounding / (1.0 - rounding) + _FORMULA_ROUNDING


def unit(rows: npt.ArrayLike) -> Vector:
    """The rows divided by their lengths, as float32; rows of zeros stay zero.

    Lengths are taken in float64 of rows scaled by their largest number, so that neither 1e300 nor
    1e-310 becomes inf or 0.

    Args:
        rows: Finite numbers, shape (dim,) or (m, dim). Not changed.

    Returns:
        A new contiguous array of the same shape.
    """
    given = np.asarray(rows)
    table = np.atleast_2d(given)
    result = np.empty(table.shape, np.float32)
    _write_unit(table, result)
    return result.reshape(given.shape)


def direction(vector: npt.ArrayLike) -> Numbers:
    """One vector divided by its length, in float64, as `unit` does with many; zeros stay zeros.

    Args:
        vector: Finite numbers, shape (dim,). Not changed.
    """
    given = np.asarray(vector)
    wide = given.astype(np.float64)
    if given.dtype != np.float32 and (largest := np.abs(wide).max(initial=0.0)):
        wide /= largest  # squares of float32 fit float64 whatever they are
    if length := math.sqrt(np.vecdot(wide, wide)):
        wide /= length
    return wide


class Rows:
    """Float32 rows that are only ever appended, in one growable block of memory.

    They may stand on a read-only `base`, such as a mapped file; appended rows follow it. One writer
    at a time; readers need no lock: whoever took `n = len(rows)` may read the first n while
    a writer appends. Growth copies to a new block and leaves the old one to its readers.
    """

    def __init__(self, dim: int, *, base: Vector | None = None) -> None:
        """Nothing, or the rows of `base`.

        Args:
            dim: Numbers in a row, ≥ 0.
            base: Shape (b, dim). Kept, never written.

        Raises:
            DimensionError: `base` has rows of another length.
        """
        rows = np.empty((0, dim), np.float32) if base is None else np.asarray(base)
        _check_dim(rows, dim)
        self.dim = dim
        self._blocks = (rows, np.empty((0, dim), np.float32))  # replaced, never changed
        self._count = len(rows)

    def __len__(self) -> int:
        return self._count

    def room_for(self, m: int) -> Vector:
        """Where the next m rows belong, to be written before they are `counted`. Shape (m, dim)."""
        base, tail = self._blocks
        used = self._count - len(base)
        if used + m > len(tail):
            room = max(used + m, int(len(tail) * _GROWTH), _FIRST_ROWS)
            grown = np.empty((room, self.dim), np.float32)  # untouched pages take no memory
            grown[:used] = tail[:used]
            tail = grown
            self._blocks = (base, tail)
        return tail[used : used + m]

    def counted(self, m: int) -> None:
        """The m rows that were written are there: who reads this count finds them."""
        self._count += m

    def products(self, query: Vector, n: int, out: Vector | None = None) -> Vector:
        """The product of the first n rows with the query, shape (n,).

        Args:
            query: Float32, shape (dim,).
            n: At most `len(self)`.
            out: Where to write, float32, shape (n,). A new array unless given.
        """
        base, tail = self._blocks
        result = np.empty(n, np.float32) if out is None else out
        split = min(n, len(base))
        if split:
            _scan(base[:split], query, result[:split])
        if split < n:
            _scan(tail[: n - split], query, result[split:])
        return result

    def products_at(self, query: Vector, positions: Positions) -> Vector:
        """The product of the rows at `positions` with the query, in their order, shape (m,)."""
        result = np.empty(len(positions), np.float32)
        for chunk in chunks(len(positions), self.dim, _GATHER_NUMBERS):
            np.vecdot(self.take(positions[chunk]), query, out=result[chunk])
        return result

    def take(self, positions: Positions) -> Vector:
        """A copy of the rows at `positions`, in their order, shape (m, dim)."""
        base, tail = self._blocks
        split = len(base)
        if split == 0:
            return tail.take(positions, axis=0)
        rows = base.take(positions, axis=0, mode="clip")  # of the tail's, too: they are few
        behind = np.flatnonzero(positions >= split)
        if behind.size:
            rows[behind] = tail.take(positions[behind] - split, axis=0)
        return rows

    def first(self, n: int) -> Self:
        """Another over the same first n rows, to which others can be appended."""
        made = copy(self)  # the blocks are shared: what grows is the count of each
        made._count = n  # noqa: SLF001  it is of this very class
        return made

    def blocks(self, n: int) -> tuple[Vector, Vector]:
        """The first n rows as two views, base and tail, to be written out. Do not change them."""
        base, tail = self._blocks
        split = min(n, len(base))
        return base[:split], tail[: n - split]


class Matrix(Rows):
    """Unit-length rows, whose product with a unit-length query is their cosine."""

    is_rounded = False
    """Whether `products` may differ from those of `sure_at`, by at most half of the slack."""

    def __init__(self, dim: int, *, base: Vector | None = None) -> None:
        """Nothing, or the rows of `base`, which have unit length."""
        super().__init__(dim, base=base)
        self.slack = slack_for(dim)
        """How far two of its cosines may be off against each other; see `slack_for`."""

    def append(self, rows: npt.ArrayLike) -> None:
        """Add the rows, divided by their lengths; rows of zeros stay zero.

        Raises:
            DimensionError: the rows have another length. Nothing was added.
        """
        given = np.atleast_2d(np.asarray(rows))
        _check_dim(given, self.dim)
        _write_unit(given, self.room_for(len(given)))
        self.counted(len(given))

    def sampled_products(self, query: Vector, positions: Positions) -> Vector:
        """The products of a few rows that every question asks for, as `sure_at`."""
        return self.sure_at(query, positions)

    def sure_at(self, query: Vector, positions: Positions) -> Vector:
        """The products of the rows at `positions`, taken here of the rows themselves."""
        return self.products_at(query, positions)

    def exact_at(self, query: npt.ArrayLike, positions: Positions) -> Numbers:
        """The cosine in float64, query and rows divided by their lengths once more.

        A row's value depends on that row and the query alone, so that equal rows tie.

        Args:
            query: Finite numbers of any size, shape (dim,).
            positions: Shape (m,).

        Returns:
            Shape (m,), in [−1, 1]; 0 where the row or the query is all zeros.
        """
        towards = direction(query)
        result = np.zeros(len(positions), np.float64)
        for chunk in chunks(len(positions), self.dim, _CHUNK_NUMBERS):
            wide = self.take(positions[chunk]).astype(np.float64)
            length = np.sqrt(np.vecdot(wide, wide))
            product = np.vecdot(wide, towards)
            np.divide(product, length, out=result[chunk], where=length > 0.0)
        np.maximum(result, -1.0, out=result)
        return np.minimum(result, 1.0, out=result)


def _write_unit(rows: npt.NDArray[Any], out: Vector) -> None:
    """Write the rows divided by their lengths to `out`, both of shape (m, dim)."""
    for chunk in chunks(len(rows), rows.shape[1], _CHUNK_NUMBERS):
        out[chunk] = _unit64(rows[chunk])


def _unit64(rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The rows divided by their lengths in float64, shape (m, dim), m small."""
    wide = rows.astype(np.float64)
    if rows.dtype != np.float32:  # squares of float32 fit float64 whatever they are
        largest = np.abs(wide).max(axis=1, initial=0.0, keepdims=True)
        wide /= np.where(largest == 0.0, 1.0, largest)
    length = np.sqrt(np.vecdot(wide, wide))[:, np.newaxis]
    wide /= np.where(length == 0.0, 1.0, length)
    return wide


def chunks(count: int, dim: int, numbers: int) -> Iterator[slice]:
    """Slices that cover `count` rows, each of about so many numbers."""
    step = max(1, numbers // max(1, dim))
    return (slice(start, start + step) for start in range(0, count, step))


def _scan(rows: Vector, query: Vector, out: Vector) -> None:
    """The rows' products with the query; a long scan is shared among the processor's cores.

    One core reads memory at a third to a half of what two can. `rows @ query` leaves the sharing
    to BLAS: on some processors that is as fast, on others it reads at half of vecdot's bandwidth.
    """
    shares = rows.size // config.SCAN_FLOATS
    shares = shares if shares < 2 else min(shares, _cores())
    if shares < 2:
        np.vecdot(rows, query, out=out)
        return
    step = -(-len(rows) // shares)
    parts = [slice(start, start + step) for start in range(step, len(rows), step)]
    threads = [
        threading.Thread(target=np.vecdot, args=(rows[part], query, out[part])) for part in parts
    ]
    started = []
    try:
        for thread in threads:
            thread.start()
            started.append(thread)
    except RuntimeError:  # none can be started any more: the interpreter is shutting down
        parts = parts[len(started) :]
    else:
        parts = []
    for part in (slice(0, step), *parts):
        np.vecdot(rows[part], query, out=out[part])
    for thread in started:
        thread.join()


def _cores() -> int:
    """How many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_dim(rows: npt.NDArray[Any], dim: int) -> None:
    if rows.ndim != 2 or rows.shape[1] != dim:
        raise DimensionError(dim, rows.shape[-1])
