"""The ranking of every eligible memory for one question, by the formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from feather_memory.config import GATHER_SHARE, HNSW_RIVALS, SKETCH_RIVALS
from feather_memory.index.matrix import slack_for
from feather_memory.index.sketch import Drawn
from feather_memory.index.view import View
from feather_memory.model import scoring as formula
from feather_memory.model.scoring import Score
from feather_memory.search.question import Question
from feather_memory.types import Mask, Numbers, Positions, Vector

_Number = TypeVar("_Number", np.float32, np.float64)

_WORDS_SLACK = slack_for(1)  # where no vectors are compared
_CANDIDATES = (256, 1_024)  # asked of the index, one after the other; then all are scanned
_BLOCK = 64  # scores in a group, of which the best stands for all
_FEW = 2_048  # scores that are partitioned as fast as grouped
_LOWEST = np.finfo(np.float32).min
_SEEDS = 64  # looked at first after a scan of sketches: enough that the best k are nearly all there


@dataclass(slots=True)
class Ranking:
    """All eligible memories of a View, ranked for one question."""

    view: View
    question: Question
    eligible: Mask
    """Shape (n,)."""
    lexical: Numbers | None = None
    """BM25 of each, ÷ the best among the eligible: shape (n,); None if no text is asked."""

    def __post_init__(self) -> None:
        if self.lexical is not None and (best := self.lexical.max(initial=0.0)) > 0:
            self.lexical = self.lexical / best

    def best(self, k: int) -> list[tuple[int, Score]]:
        """The k best, best first, with their scores in double precision.

        Of equal scores the memory written last comes first.
        """
        allowed = int(np.count_nonzero(self.eligible))
        return self._ordered(self._near(k, allowed), k) if allowed else []

    def _near(self, k: int, allowed: int) -> Positions:
        """Memories among which the k best are, few more than that: by the shortest way."""
        n, drawn = len(self.view.rows), self.view.lineage.sketch.drawn
        scanned = 1.0 if drawn is None else drawn.dim / len(drawn.axes)  # of a row's numbers
        if allowed < GATHER_SHARE * scanned * n:
            return self._contenders(np.flatnonzero(self.eligible), k)
        if (near := self._proposed(k)) is not None:
            return near
        if drawn is not None and (near := self._sketched(drawn, k, allowed)) is not None:
            return near
        return contenders(self._shut_out(self._quick_scores(None), allowed), k, self._slack)

    def nearest(self, k: int) -> list[tuple[int, float]]:
        """The k nearest, nearest first, with their cosine in [−1, 1]; 0 for one without a vector.

        The question has to rank by similarity alone. That one is never below 0, so only where
        all that points towards the query does not fill k is the rest looked at once more.
        """
        best = [(at, score.similarity) for at, score in self.best(k)]
        query, matrix = self.question.vector, self.view.matrix
        if not best or best[-1][1] > 0 or query is None or matrix is None:
            return best
        at = np.flatnonzero(self.eligible)
        near = at[contenders(matrix.products_at(query, at), k, matrix.slack)]
        exact = matrix.exact_at(query, near)
        order = np.lexsort((-near, -exact))[:k]
        return [(int(near[rank]), float(exact[rank])) for rank in order]

    def _ordered(self, near: Positions, k: int) -> list[tuple[int, Score]]:
        exact = self._exact(near)
        order = np.lexsort((-near, -exact[:, 0]))[:k]
        return list(zip(near[order].tolist(), self._scores(exact[order]), strict=True))

    def _proposed(self, k: int) -> Positions | None:
        """Memories among which the k best are, by way of the approximate index; None without it.

        No memory it has not proposed should be nearer than the worst candidate, and if many could
        be among the best although they are as far as that, more candidates lower the bound.
        """
        asked, view = self.question, self.view
        near = view.lineage.approximation
        if asked.vector is None or near.index is None:
            return None
        for m in _CANDIDATES:
            found = near.near(asked.vector, max(m, 4 * k), len(view.rows))
            if found is None:
                return None
            positions, floor = found
            possible = self._shut_out(self._ceiling(min(1.0, max(0.0, floor))))
            positions = positions[self.eligible[positions]]
            certain = self._certified(positions, possible, k, HNSW_RIVALS, self._slack)
            if certain is not None:
                return certain
        return None

    def _sketched(self, drawn: Drawn, k: int, allowed: int) -> Positions | None:
        """Memories among which the k best are, by way of the sketches of their vectors.

        None where no vector is asked, and where sketches leave too many memories in question.
        """
        asked, n = self.question, len(self.view.rows)
        seeds = max(_SEEDS, 4 * k)
        if asked.vector is None or seeds > SKETCH_RIVALS * n:
            return None
        bounds = drawn.bounds(asked.vector, n)
        possible = self._shut_out(self._ceiling(formula.similarity_of(bounds, out=bounds)), allowed)
        promising = contenders(possible, seeds)[:seeds]  # of equals, any will do
        return self._certified(promising, possible, k, SKETCH_RIVALS, self._slack + drawn.slack)

    def _certified(
        self, seen: Positions, possible: Vector, k: int, most: float, slack: float
    ) -> Positions | None:
        """Memories among which the k best are for certain; None where that is to look at many.

        Every memory's recency, importance and words are known, so each has a best possible score,
        given a bound on its similarity. The k best of those seen are k scores that the best k do
        not fall below; whatever could reach them is looked at, too.

        Args:
            seen: Eligible memories.
            possible: No unseen memory has a higher score, shape (n,). Written to.
            k: How many are wanted.
            most: Share of all memories up to which looking at them pays.
            slack: How far rounding may have set scores and bounds apart.
        """
        if len(seen) < k:
            return None
        least = np.partition(self._quick_scores(seen), -k)[-k] - slack
        possible[seen] = -np.inf
        rivals = np.flatnonzero(possible >= least)
        if len(rivals) > most * len(possible):
            return None
        return self._contenders(np.concatenate([seen, rivals]), k)

    def _contenders(self, pool: Positions, k: int) -> Positions:
        """Those of the pool that the k best of it are among."""
        return pool[contenders(self._quick_scores(pool), k, self._slack)]

    def _shut_out(self, values: Vector, allowed: int = 0) -> Vector:
        """The values, in place, with −inf for what may not be returned, unless all may."""
        if allowed < len(values):
            np.copyto(values, -np.inf, where=~self.eligible)
        return values

    @property
    def _slack(self) -> float:
        """How far two of the quick scores may be off against each other."""
        return _WORDS_SLACK if self.view.matrix is None else self.view.matrix.slack

    def _quick_scores(self, pool: Positions | None) -> Vector:
        """The formula over the pool, or over all, in float32: good enough to find contenders."""
        asked = self.question
        return formula.rank_scores(
            self._similarities(pool), *self._known(pool), asked.scoring, asked.dense_weight
        )

    def _ceiling(self, similarity: Vector | float) -> Vector:
        """What no memory's score exceeds, given what its similarity does not exceed."""
        asked = self.question
        return formula.ceiling(similarity, *self._known(None), asked.scoring, asked.dense_weight)

    def _known(self, pool: Positions | None) -> tuple[Vector | None, Vector, Vector, Vector]:
        """Words, age, stretch and importance: what ranks a memory besides its similarity."""
        view = self.view
        age = self.question.now - _at(view.columns["valid_from"], pool)
        np.maximum(age, 0.0, out=age)
        lexical = None if self.lexical is None else _at(self.lexical, pool).astype(np.float32)
        return (
            lexical,
            age.astype(np.float32),
            _at(view.stretched, pool),
            _at(view.importance, pool),
        )

    def _similarities(self, pool: Positions | None) -> Vector | None:
        query, matrix = self.question.vector, self.view.matrix
        if query is None or matrix is None:
            return None
        if pool is not None:
            cosine = matrix.products_at(query, pool)
        else:
            cosine = matrix.products(query, len(self.view.rows))
        return formula.similarity_of(cosine, out=cosine)

    def place(self, position: int, k: int) -> tuple[int, float]:
        """Where one eligible memory stands in the order of `best`, from 1, and the k-th best score.

        All are counted and none is sorted: whose score in single precision is further from the
        memory's than rounding goes stands where it seems to; the few others are scored again.
        If fewer than k are eligible, the score is that of the last.
        """
        allowed = np.flatnonzero(self.eligible)
        few = len(allowed) < GATHER_SHARE * len(self.view.rows)
        at = allowed if few else np.arange(len(self.view.rows))
        values = self._quick_scores(at if few else None)
        if not few:
            values = self._shut_out(values, len(allowed))
        slack = 1.001 * self._slack  # and its own rounding
        above = values - values[np.searchsorted(at, position)]  # (n,)
        near = at[np.abs(above) <= slack]
        exact = self._exact(near)[:, 0]
        mine = exact[np.searchsorted(near, position)]
        ahead = np.count_nonzero((exact > mine) | ((exact == mine) & (near > position)))
        ahead += np.count_nonzero(above > slack)
        best = self._exact(at[contenders(values, min(k, len(allowed)), slack)])[:, 0]
        return int(1 + ahead), float(np.sort(best)[-min(k, len(allowed))])

    def values_at(self, positions: Positions) -> Numbers:
        """The scores of these memories alone, as `scores_at` gives them. Shape (m,)."""
        return self._exact(positions)[:, 0]

    def scores_at(self, positions: Positions | Sequence[int]) -> list[Score]:
        """The scores of these memories, in double precision, in this order."""
        return self._scores(self._exact(positions))

    def _scores(self, exact: Numbers) -> list[Score]:
        return formula.scores(exact, self.question.scoring, self.question.dense_weight)

    def _exact(self, positions: Positions | Sequence[int]) -> Numbers:
        """`formula.rows` of them, in double precision: shape (m, 5), the score first."""
        view, asked = self.view, self.question
        at = np.asarray(positions, np.intp)
        if asked.vector is None or view.matrix is None:
            similarity = np.zeros(len(at))
        else:
            similarity = np.maximum(view.matrix.exact_at(asked.vector, at), 0.0)
        return formula.rows(
            similarity,
            np.zeros(len(at)) if self.lexical is None else self.lexical[at],
            np.maximum(asked.now - view.columns["valid_from"][at], 0.0),
            view.columns["recalls"][at],
            view.columns["importance"][at],
            asked.scoring,
            asked.dense_weight,
        )


def _at(values: npt.NDArray[_Number], pool: Positions | None) -> npt.NDArray[_Number]:
    return values if pool is None else values[pool]


def contenders(scores: Vector, k: int, slack: float = 0.0) -> Positions:
    """Every position whose score is at least the k-th best minus `slack`.

    The k-th best is first bounded from below: the scores are split into w groups, and the k-th
    largest of the groups' maxima cannot exceed it, because k different positions reach it. Only
    the few positions above that bound are then partitioned::

        bound = k-th largest group maximum − slack ≤ k-th best score − slack

    Args:
        scores: Shape (n,), without NaN. −inf marks what may not be returned.
        k: How many are wanted, ≥ 0.
        slack: How far below the k-th best still counts, ≥ 0. See `slack_for`.

    Returns:
        Positions in ascending order: at least k of them, or all eligible ones if there are fewer.

    >>> contenders(np.array([0.1, 0.9, -np.inf, 0.8, 0.79], np.float32), k=2, slack=0.05)
    array([1, 3, 4])
    """
    if k <= 0 or scores.size == 0:
        return np.empty(0, np.intp)
    positions = np.flatnonzero(scores >= _at_least(_lower_bound(scores, k), slack))  # (≥k,) or all
    if positions.size <= k:
        return positions
    shortlist = scores[positions]  # (≥k,)  every score that could be among the k best
    kth_best = np.partition(shortlist, -k)[-k]
    return positions[shortlist >= _at_least(float(kth_best), slack)]


def _lower_bound(scores: Vector, k: int) -> float:
    """A score that at least k positions reach; −inf if the k best are not all eligible."""
    if k >= scores.size:
        return -np.inf
    block = min(_BLOCK, scores.size // (4 * k))  # ≥ 4k groups keep the bound close
    if block < 2 or scores.size <= _FEW:
        return float(np.partition(scores, -k)[-k])
    width = scores.size // block
    # Group j is every width-th position: the maximum then runs along contiguous rows, which is
    # some ten times faster than along groups of neighbours. The remainder may stay out.
    maxima = scores[: width * block].reshape(block, width).max(axis=0)  # (width,)
    return float(np.partition(maxima, -k)[-k])


def _at_least(bound: float, slack: float) -> np.float32:
    """The smallest finite float32 that is not below `bound − slack`."""
    exact = max(bound - slack, float(_LOWEST))  # finite: −inf is never at least this
    near = np.float32(exact)
    return near if float(near) >= exact else np.nextafter(near, np.float32(np.inf))
