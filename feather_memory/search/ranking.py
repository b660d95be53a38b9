"""The ranking of every eligible memory for one question, by the formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from feather_memory.config import GATHER_SHARE
from feather_memory.index.matrix import Matrix, slack_for
from feather_memory.index.view import View
from feather_memory.model import formula
from feather_memory.model.formula import PLAIN, Parts, Scale, Standing, low_of
from feather_memory.model.scoring import Score, Scoring
from feather_memory.model.structure import PERIOD, Said, terms
from feather_memory.search.anchored import NamedTime
from feather_memory.search.question import Question, WordsAsked
from feather_memory.types import Mask, Numbers, Positions, Vector

_Number = TypeVar("_Number", np.float32, np.float64)

_WORDS_SLACK = slack_for(1)  # where no vectors are compared
_BLOCK = 64  # scores in a group, of which the best stands for all
_NONE: Positions = np.empty(0, np.intp)
_FEW = 2_048  # scores that are partitioned as fast as grouped
_LOWEST = np.finfo(np.float32).min


@dataclass(slots=True)
class Ranking:
    """All eligible memories of a View, ranked for one question."""

    view: View
    question: Question
    eligible: Mask
    """Shape (n,)."""
    allowed: int
    """How many of them there are."""
    words: WordsAsked | None = None
    """None if no text is asked."""
    period: NamedTime | None = None
    """The time that the question names; None where it names none, or where that does not count."""
    _scale: Scale | None = None
    _stands: tuple[Standing, float] | None = None
    _all: Vector | None = None
    """The quick scores of all, where they were needed: shape (n,), −inf for what is not allowed."""

    def best(self, k: int) -> list[tuple[int, Score]]:
        """The k best, best first, with their scores in double precision.

        Of equal scores the memory written last comes first.
        """
        if not self.allowed:
            return []
        if k >= self.allowed:
            near = np.flatnonzero(self.eligible)
        elif self._all is not None:
            near = contenders(self._all, k, self._slack)
        else:
            near = self._near(k)
        return self._ordered(near, k)

    @property
    def scale(self) -> Scale:
        """Between which cosines the similarities lie, and what BM25 is divided by."""
        if self._scale is None:
            self._cosines(np.flatnonzero(self.eligible))
        return self._scale or PLAIN

    def _settle(self, cosines: Vector | None, pool: Positions | None) -> None:
        """Settle the scale, by the cosines of a pool with all that is eligible and no more.

        Args:
            cosines: Of the pool, or of all memories; None where no vectors are compared.
            pool: None for all.
        """
        asked, words = self.question, 0.0
        if self.words is not None:
            words = float(np.maximum.reduce(self.words.bm25, initial=0.0))
        if asked.scale is not None:
            self._scale = asked.scale
        elif not asked.scoring.scaled:
            self._scale = replace(PLAIN, words=words)
        elif cosines is None:
            self._scale = Scale(0.0, 0.0, words)
        elif self._scale is None:
            is_every = pool is not None or self.allowed == len(cosines)
            among = cosines if is_every else cosines[self.eligible]
            usual = self._usual(None if pool is not None else cosines)
            best = float(np.maximum.reduce(among, initial=-1.0))
            if (matrix := self.view.matrix) is not None and matrix.is_rounded:
                best = self._surely(best - matrix.slack, cosines, pool)
            self._scale = Scale(low_of(usual), best, words)

    def _surely(self, least: float, cosines: Vector, pool: Positions | None) -> float:
        """The highest cosine of what may be returned, where those at hand are rounded.

        Args:
            least: The highest is above it.
            cosines: Of the pool, or of all memories.
            pool: None for all.
        """
        at = np.flatnonzero(cosines >= least) if pool is None else pool[cosines >= least]
        query, matrix = self.question.vector, self.view.matrix
        if query is None or matrix is None:
            return -1.0
        return float(matrix.sure_at(query, at[self.eligible[at]]).max(initial=-1.0))

    def _usual(self, cosines: Vector | None) -> Vector:
        """The cosines of the first memories that are there, which tell what is usual in the store.

        Args:
            cosines: Of all memories, if they are known.
        """
        query, matrix = self.question.vector, self.view.matrix
        if query is None or matrix is None:
            return np.empty(0, np.float32)
        window, which = self.view.shared.sample(self.view.until)
        if matrix.is_rounded:
            return matrix.sampled_products(query, np.arange(window)[which])
        told = matrix.products(query, window) if cosines is None else cosines[:window]
        return told[which]

    def _lexical(self, at: Positions | None) -> Numbers | None:
        """BM25 of the memories at some positions, or of all, ÷ the best: in [0, 1].

        None where no text is asked.
        """
        return None if self.words is None else _share(_at(self.words.bm25, at), self.scale.words)

    def _quick_lexical(self, at: Positions | None) -> Vector | None:
        """Likewise, in single precision."""
        if self.words is None:
            return None
        return _share(_at(self.words.bm25, at).astype(np.float32), self.scale.words)

    def _near(self, k: int) -> Positions:
        """Memories among which the k best are, few more than that: by the shortest way."""
        if self.allowed < GATHER_SHARE * len(self.view.rows):
            return self._contenders(np.flatnonzero(self.eligible), k)
        return self._scanned(k)

    def _scanned(self, k: int) -> Positions:
        """Likewise, by scanning all."""
        return contenders(self._shut_out(self._quick_scores(None)), k, self._slack)

    def nearest(self, k: int) -> list[tuple[int, float]]:
        """The k nearest, nearest first, with their cosine in [−1, 1]; 0 for one without a vector.

        The question has to rank by similarity alone. That one is never below 0, so only where
        all that points towards the query does not fill k is the rest looked at once more.
        """
        query, matrix = self.question.vector, self.view.matrix
        if query is None or matrix is None:
            return [(at, score.cosine) for at, score in self.best(k)]
        if (near := self._near(k) if self.allowed else _NONE).size >= k:
            found = _nearest(matrix, query, near, k)
            if found[-1][1] > 0:
                return found
        at = np.flatnonzero(self.eligible)
        near = at[contenders(matrix.products_at(query, at), k, matrix.slack)]
        return _nearest(matrix, query, near, k)

    def _ordered(self, near: Positions, k: int) -> list[tuple[int, Score]]:
        exact = self.rows_at(near)
        order = np.lexsort((-near, -exact[:, 0]))[:k]
        return list(zip(near[order].tolist(), self.scores_of(exact[order]), strict=True))

    def _contenders(self, pool: Positions, k: int) -> Positions:
        """Those of the pool that the k best of it are among."""
        return pool[contenders(self._quick_scores(pool), k, self._slack)]

    def _shut_out(self, values: Vector) -> Vector:
        """The values of all, in place, with −inf for what may not be returned."""
        if self.allowed < len(values):
            np.copyto(values, -np.inf, where=~self.eligible)
        return values

    @property
    def _slack(self) -> float:
        """How far two of the quick scores may be off against each other."""
        if self.view.matrix is None:
            return _WORDS_SLACK + self._standing[1]
        return self.view.matrix.slack * max(1.0, 1.0 / self.scale.width) + self._standing[1]

    @property
    def _standing(self) -> tuple[Standing, float]:
        """What of the scores the question does not change, and how far that may be too high."""
        if self._stands is None:
            view, asked = self.view, self.question
            since = view.columns["valid_from"]
            self._stands = view.shared.standing(
                since, view.stretched, view.importance, asked.scoring, asked.now
            )
        return self._stands

    def _quick_scores(self, pool: Positions | None) -> Vector:
        """The formula over the pool, or over all, in float32: good enough to find contenders."""
        similarity = self._similarities(pool)
        lexical, d = self._quick_lexical(pool), self.question.dense_weight
        standing, _ = self._standing
        if pool is not None:
            standing = standing.at(pool)
        values = formula.rank_scores(similarity, lexical, standing, d, out=similarity)
        return self._raised(values, pool)

    def _ceiling(self, similarity: Vector | float, out: Vector | None = None) -> Vector:
        """What no memory's score exceeds, given what its similarity does not exceed."""
        lexical, d = self._quick_lexical(None), self.question.dense_weight
        best = formula.ceiling(similarity, lexical, self._standing[0], d, out=out)
        return self._raised(best, None)

    def _raised(self, values: Vector, pool: Positions | None) -> Vector:
        """The scores of a pool, or of all, in place, with the term of the time that is named."""
        if (then := self._then(pool)) is not None:
            values[then] += np.float32(PERIOD) * _at(self._standing[0].factor, pool)[then]
        return values

    def _then(self, pool: Positions | None) -> Mask | None:
        """Which of a pool, or of all, hold since the time that is named; None where none is."""
        if self.period is None:
            return None
        since = _at(self.view.columns["valid_from"], pool)
        then: Mask = (self.period.start <= since) & (since < self.period.stop)
        return then

    def _similarities(self, pool: Positions | None) -> Vector | None:
        """Of the pool, or of all. Until the scale is settled the pool is all that is eligible."""
        cosine = self._cosines(pool)
        return None if cosine is None else self.scale.similarity_of(cosine, out=cosine)

    def _cosines(self, pool: Positions | None) -> Vector | None:
        """Likewise. Settles the scale."""
        query, matrix = self.question.vector, self.view.matrix
        if query is None or matrix is None:
            self._settle(None, pool)
            return None
        if pool is not None:
            cosine = matrix.products_at(query, pool)
        else:
            cosine = matrix.products(query, len(self.view.rows))
        if self._scale is None:
            self._settle(cosine, pool)
        return cosine

    def place(self, position: int) -> int:
        """Where one eligible memory stands in the order of `best`, from 1.

        All are counted and none is sorted: whose score in single precision is further from the
        memory's than rounding goes stands where it seems to; the few others are scored again.
        """
        few = self.allowed < GATHER_SHARE * len(self.view.rows)
        at = np.flatnonzero(self.eligible) if few else np.arange(len(self.view.rows))
        values = self._quick_scores(at if few else None)
        if not few:
            values = self._all = self._shut_out(values)
        slack = 1.001 * self._slack  # and its own rounding
        above = values - values[np.searchsorted(at, position)]  # (n,)
        near = at[np.abs(above) <= slack]
        exact = self.rows_at(near)[:, 0]
        mine = exact[np.searchsorted(near, position)]
        ahead = np.count_nonzero((exact > mine) | ((exact == mine) & (near > position)))
        return int(1 + ahead + np.count_nonzero(above > slack))

    def scores_of(self, rows: Numbers) -> list[Score]:
        """What a caller is shown of memories whose `rows_at` these are."""
        return formula.scores(rows, *self._weighed)

    def rows_at(self, positions: Positions | Sequence[int]) -> Numbers:
        """`Parts.rows` of these memories, in double precision: shape (m, 7 or 14)."""
        at = np.asarray(positions, np.intp)
        parts = self._parts(at)
        if (then := self._then(at)) is not None:
            own, every = np.zeros(len(at)), np.ones(len(at), np.bool_)
            added = terms(own, Said.nothing(len(at)), None, every, then=then)
            parts = replace(parts, terms=added)
        return parts.rows(*self._weighed)

    @property
    def _weighed(self) -> tuple[Scoring, float]:
        """How the parts of a score are weighed: the scoring, and d in effect."""
        return self.question.scoring, self.question.dense_weight

    def _parts(self, at: Positions, cosines: Vector | None = None) -> Parts:
        """What the scores of these memories are made of, but for the terms of a conversation.

        Args:
            at: Which.
            cosines: Of them, where they are known; else taken in double precision.
        """
        view, asked, scale = self.view, self.question, self.scale
        if asked.vector is None or view.matrix is None:
            cosine = similarity = np.zeros(len(at))
        else:
            if cosines is None:
                cosine = view.matrix.exact_at(asked.vector, at)
            else:
                cosine = cosines.astype(np.float64)
            similarity = scale.similarity_of(cosine)
        lexical = share = np.zeros(len(at))
        if self.words is not None and (told := self._lexical(at)) is not None:
            lexical = told
            if self.words.whole > 0:
                share = np.minimum(self.words.bm25[at] / self.words.whole, 1.0)
        age = asked.now - view.columns["valid_from"][at]
        np.maximum(age, 0.0, out=age)
        recalls = view.columns["recalls"][at]
        return Parts(
            similarity=similarity,
            lexical=lexical,
            recency=formula.retention(age, recalls, half_life=asked.scoring.half_life),
            importance=view.columns["importance"][at],
            cosine=np.minimum(np.maximum(cosine, 0.0), 1.0),
            share=share,
        )


def _nearest(matrix: Matrix, query: Vector, near: Positions, k: int) -> list[tuple[int, float]]:
    """The k nearest of some memories, nearest first, with their cosine."""
    exact = matrix.exact_at(query, near)
    order = np.lexsort((-near, -exact))[:k]
    return list(zip(near[order].tolist(), exact[order].tolist(), strict=True))


def _share(bm25: formula.Floats, best: float) -> formula.Floats:
    return np.minimum(bm25 / best, 1.0) if best > 0 else np.zeros_like(bm25)


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
    if few := scores.size <= _FEW:
        bound = _kth_best(scores, k) if k < scores.size else -np.inf
    else:
        bound = _lower_bound(scores, k)
    (positions,) = (scores >= _at_least(bound, slack)).nonzero()  # (≥k,) or all
    if few or positions.size <= k:
        return positions
    shortlist = scores[positions]  # (≥k,)  every score that could be among the k best
    return positions[shortlist >= _at_least(_kth_best(shortlist, k), slack)]


def _lower_bound(scores: Vector, k: int) -> float:
    """A score that at least k positions reach; −inf if the k best are not all eligible."""
    if k >= scores.size:
        return -np.inf
    block = min(_BLOCK, scores.size // (4 * k))  # ≥ 4k groups keep the bound close
    if block < 2:
        return _kth_best(scores, k)
    width = scores.size // block
    # Group j is every width-th position: the maximum then runs along contiguous rows, which is
    # some ten times faster than along groups of neighbours. The remainder may stay out.
    maxima = scores[: width * block].reshape(block, width).max(axis=0)  # (width,)
    return _kth_best(maxima, k)


def _kth_best(scores: Vector, k: int) -> float:
    """Few are sorted, which takes as long whatever they are: `partition` is slow among equals."""
    ordered = scores.copy()
    if len(scores) <= _FEW // 2:
        ordered.sort()
    else:
        ordered.partition(len(scores) - k)
    return float(ordered[-k])


def _at_least(bound: float, slack: float) -> np.float32:
    """The smallest finite float32 that is not below `bound − slack`."""
    exact = max(bound - slack, float(_LOWEST))  # finite: −inf is never at least this
    near = np.float32(exact)
    return near if float(near) >= exact else np.nextafter(near, np.float32(np.inf))
