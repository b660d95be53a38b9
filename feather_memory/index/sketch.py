"""A short stand-in for each vector, by which most of them are ruled out of an answer.

Embeddings fill few of their dimensions: along the p axes on which a store's vectors are longest
lie most of their lengths. A sketch is a vector's p coordinates there, and the length of the rest::

    y = Aᵀx    r = |x − A·y|    sketch of x = (y, r)
    ⟨q, x⟩ = ⟨Aᵀq, y⟩ + ⟨rest of q, rest of x⟩ ≤ ⟨(Aᵀq, r of q), (y, r)⟩        (Cauchy-Schwarz)

So the product of two sketches is never less than the cosine of their vectors, to within `slack`,
and reads a quarter of the memory. Whatever could be among the best by it is then looked at whole.
"""

from __future__ import annotations

import numpy as np

from feather_memory import config
from feather_memory.index.matrix import Matrix, Rows, chunks, slack_for
from feather_memory.types import Numbers, Positions, Vector

_CHUNK_NUMBERS = 1 << 18  # of float64 at once when rows are sketched: 2 MB
_WIDTHS = (32, 64, 96, 128, 192, 256)  # numbers of a sketch: whole cache lines
_SHARE = 3  # of a vector's numbers a sketch has one at most
_SPARE = 16  # axes that are sought beside those that are kept, which are the truer for it
_ROUNDS = 2  # of the search for axes: the energy that they hold is the best to three digits
_QUESTIONS = 64  # of the sampled rows, asked of the others
_K = 10  # that a question wants
_UNSEEN = 1e-10  # what float64 rounding may take off the squared length of the rest


class Sketch:
    """The sketches of a matrix's rows, in step with it; none where a plain scan is no slower.

    One writer at a time; readers need no lock, as those of `Rows`.
    """

    def __init__(self, drawn: Drawn | None = None, judged: int = 0) -> None:
        self.drawn = drawn
        """The sketches, as far as they are drawn. Replaced when they are drawn anew."""
        self.judged = judged
        """Of how many rows it was last decided whether sketches pay, and on which axes."""

    def follow(self, matrix: Matrix, n: int) -> None:
        """Draw what is missing of the first n rows, which are enough for sketches to pay.

        When they have doubled in number since, axes are chosen anew and all are drawn again.
        """
        if n >= 2 * self.judged:
            self.drawn, self.judged = Drawn.of(matrix, n), n
        elif self.drawn is not None:
            self.drawn.append(matrix, n)

    def first(self, n: int) -> Sketch:
        """Another of the same first n rows, to which others can be appended."""
        return Sketch(None if self.drawn is None else self.drawn.first(n), self.judged)


class Drawn:
    """Sketches of the first rows of a matrix."""

    def __init__(self, axes: Numbers, rows: Rows) -> None:
        """Sketches on these axes.

        Args:
            axes: Orthonormal columns, shape (dim, p). Kept, never written.
            rows: The sketches, of p + 1 numbers. Kept, and appended to.
        """
        self.axes = axes
        self.rows = rows
        self.dim = rows.dim
        """Numbers of a sketch, p + 1."""
        self.slack = slack_for(rows.dim)
        """How far a bound may fall below the cosine, and more.

        Rounding y to u = 2⁻²⁴ leaves ⟨Aq, rest of x⟩ ≤ u and likewise for q, the float32 product
        is off by γ(p + 1), lengths by 2·u each: together less than half of `slack_for`.
        """

    @classmethod
    def of(cls, matrix: Matrix, n: int) -> Drawn | None:
        """Sketches of the first n rows; None where a plain scan is no slower."""
        if matrix.dim < _SHARE * _WIDTHS[0]:
            return None
        least, most = config.SKETCH_SAMPLE
        sampled = min(most, max(least, config.SKETCH_FLOATS // matrix.dim))
        sample = matrix.take(_spread(n, sampled))
        axes = _axes_of(sample, matrix.dim // _SHARE)
        width = _width_for(sample, axes, n)
        if width is None:
            return None
        made = cls(np.ascontiguousarray(axes[:, : width - 1]), Rows(width))
        made.append(matrix, n)
        return made

    def append(self, matrix: Matrix, n: int) -> None:
        """Draw those of the matrix's first n rows that are not drawn yet."""
        known = len(self.rows)
        room = self.rows.room_for(n - known)
        for chunk in chunks(len(room), matrix.dim, _CHUNK_NUMBERS):
            at = np.arange(len(room))[chunk]
            room[chunk] = self._of(matrix.take(known + at))
        self.rows.counted(len(room))

    def bounds(self, query: Vector, n: int) -> Vector:
        """What the cosine of the first n rows with the query does not exceed, shape (n,).

        Args:
            query: Unit length, float32, shape (dim,).
            n: At most as many as are drawn.
        """
        return self.rows.products(self._of(query[np.newaxis])[0], n)

    def first(self, n: int) -> Drawn:
        """Another over the same first n sketches, to which others can be appended."""
        return Drawn(self.axes, self.rows.first(n))

    def _of(self, vectors: Vector) -> Vector:
        """The sketches of vectors of unit length or zero, shape (m, p + 1)."""
        wide = vectors.astype(np.float64)  # (m, dim)
        along = wide @ self.axes  # (m, p)
        drawn = np.empty((len(wide), self.dim), np.float32)
        drawn[:, :-1] = along
        lost = along - drawn[:, :-1]  # (m, p)  the rest of x is x − A·y, with y as it is kept
        rest = np.vecdot(wide, wide) - np.vecdot(along, along) + np.vecdot(lost, lost)  # (m,)
        length = np.sqrt(np.maximum(rest, 0.0) + _UNSEEN)
        drawn[:, -1] = np.nextafter(length.astype(np.float32), np.float32(np.inf))  # never less
        return drawn


def _spread(count: int, most: int) -> Positions:
    """At most so many positions, evenly over all: the same for the same store."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.intp)


def _axes_of(sample: Vector, most: int) -> Numbers:
    """Orthonormal axes along which the sample is longest, the longest first, shape (dim, ≤ most).

    By subspace iteration: for a few axes of many dimensions it is some ten times faster than a
    decomposition of the whole. The axes may be as wrong as they like: bounds hold on any.

    Source:
        Halko, Martinsson, Tropp 2011, Finding structure with randomness, algorithm 4.4.
    """
    dim, kept = sample.shape[1], min(_WIDTHS[-1] - 1, most)
    random = np.random.default_rng(0)
    basis = random.standard_normal((dim, min(dim, kept + _SPARE)), np.float32)
    for _ in range(_ROUNDS):
        basis = np.linalg.qr(sample.T @ (sample @ basis))[0]
    wide = np.linalg.qr(basis.astype(np.float64))[0]  # orthonormal to 1e-15
    along = sample @ wide.astype(np.float32)
    turned = np.linalg.eigh((along.T @ along).astype(np.float64))[1]  # the longest last
    return np.asarray(wide @ turned[:, ::-1][:, :kept], np.float64)


def _width_for(sample: Vector, axes: Numbers, n: int) -> int | None:
    """The numbers a sketch of n such rows should have to be scanned fastest; None if that is slow.

    Some of the sampled rows are asked of all of them. What is to be looked at whole is what has a
    bound not below the k-th best; of a sample that is more than of all, so that the estimate is
    on the safe side.
    """
    dim = sample.shape[1]
    at = _spread(len(sample), _QUESTIONS)
    cosines = sample[at] @ sample.T  # (questions, sampled)
    cosines[np.arange(len(at)), at] = -np.inf
    rank = max(1, _K * len(sample) // n)
    least = np.partition(cosines, -rank, axis=1)[:, -rank, np.newaxis]  # (questions, 1)
    along = sample @ axes.astype(np.float32)  # (sampled, p)
    lengths = np.vecdot(sample, sample)  # (sampled,)
    costs: dict[float, int] = {}
    for width in _WIDTHS:
        if width > dim // _SHARE:
            break
        kept = along[:, : width - 1]
        rest = np.sqrt(np.maximum(lengths - np.vecdot(kept, kept), 0.0))
        bounds = kept[at] @ kept.T + np.outer(rest[at], rest)
        costs[width + config.SKETCH_RESCORING * dim * float(np.mean(bounds >= least))] = width
    best = min(costs, default=np.inf)
    return costs[best] if best <= config.SKETCH_COST * dim else None
