"""The ranking of every eligible memory for one question, by the formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from feather_memory.config import GATHER_SHARE
from feather_memory.index.topk import contenders, slack_for
from feather_memory.index.view import View
from feather_memory.model import scoring as formula
from feather_memory.model.scoring import Score
from feather_memory.search.question import Question
from feather_memory.types import Mask, Numbers, Positions, Vector

_Number = TypeVar("_Number", np.float32, np.float64)

_WORDS_SLACK = slack_for(1)  # where no vectors are compared
_CANDIDATES = (256, 1_024)  # asked of the index, one after the other; then all are scanned
_RIVALS = 0.05  # share of all memories up to which looking at them beats a scan


@dataclass(slots=True)
class Ranking:
    """All eligible memories of a View, ranked for one question."""

    view: View
    question: Question
    eligible: Mask
    """Shape (n,)."""
    lexical: Numbers | None = None
    """BM25 of each, ÷ the best among the eligible: shape (n,); None if no text is asked."""
    _pool: Positions | None = field(default=None, init=False)
    """The eligible, where they are few; None where all are scanned."""

    def __post_init__(self) -> None:
        if self.lexical is not None and (best := self.lexical.max(initial=0.0)) > 0:
            self.lexical = self.lexical / best

    def best(self, k: int) -> list[tuple[int, Score]]:
        """The k best, best first, with their scores in double precision.

        Of equal scores the memory written last comes first.
        """
        allowed = int(np.count_nonzero(self.eligible))
        if not allowed:
            return []
        if allowed < GATHER_SHARE * len(self.view.rows):
            self._pool = np.flatnonzero(self.eligible)
        elif (near := self._proposed(k)) is not None:
            return self._ordered(near, k)
        values = self._single_precision()
        if self._pool is None and allowed < len(self.view.rows):
            values[~self.eligible] = -np.inf
        matrix = self.view.matrix
        near = contenders(values, k, _WORDS_SLACK if matrix is None else matrix.slack)
        if self._pool is not None:
            near = self._pool[near]
        return self._ordered(near, k)

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
        near = at[contenders(matrix.similarities_at(query, at), k, matrix.slack)]
        exact = matrix.exact_at(query.astype(np.float64), near)
        order = np.lexsort((-near, -exact))[:k]
        return [(int(near[rank]), float(exact[rank])) for rank in order]

    def _ordered(self, near: Positions, k: int) -> list[tuple[int, Score]]:
        exact = self._exact(near)
        order = np.lexsort((-near, -exact[:, 0]))[:k]
        return list(zip(near[order].tolist(), self._scores(exact[order]), strict=True))

    def _proposed(self, k: int) -> Positions | None:
        """Memories among which the k best are, by way of the approximate index; None without it.

        Every memory's recency, importance and words are known, so each has a best possible
        score, given that it is no nearer than the worst candidate. Those whose best could still
        enter are looked at too; if they are many, more candidates lower the bound.
        """
        asked, view, matrix = self.question, self.view, self.view.matrix
        near = view.lineage.approximation
        if asked.vector is None or matrix is None or near.index is None:
            return None
        for m in _CANDIDATES:
            found = near.near(asked.vector, max(m, 4 * k), len(view.rows))
            if found is None:
                return None
            positions, floor = found
            positions = positions[self.eligible[positions]]
            if len(positions) < k:
                continue
            seen = np.sort(self._quick_scores(positions))
            least = seen[-k] - matrix.slack
            possible = formula.ceiling(
                min(1.0, max(0.0, floor)), *self._known(None), asked.scoring, asked.dense_weight
            )
            possible[~self.eligible] = -np.inf
            possible[positions] = -np.inf
            rivals = np.flatnonzero(possible >= least)
            if len(rivals) <= _RIVALS * len(view.rows):
                return self._best_of(np.concatenate([positions, rivals]), k)
        return None

    def _best_of(self, positions: Positions, k: int) -> Positions:
        matrix = self.view.matrix
        slack = _WORDS_SLACK if matrix is None else matrix.slack
        return positions[contenders(self._quick_scores(positions), k, slack)]

    def _quick_scores(self, positions: Positions) -> Vector:
        self._pool = positions
        values = self._single_precision()
        self._pool = None
        return values

    def _single_precision(self) -> Vector:
        """The formula over the pool, or over all, in float32: good enough to find contenders."""
        asked = self.question
        return formula.rank_scores(
            self._similarities(), *self._known(self._pool), asked.scoring, asked.dense_weight
        )

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

    def _similarities(self) -> Vector | None:
        query, matrix = self.question.vector, self.view.matrix
        if query is None or matrix is None:
            return None
        if self._pool is not None:
            cosine = matrix.similarities_at(query, self._pool)
        else:
            cosine = matrix.similarities(query, len(self.view.rows))
        return np.asarray(formula.similarity_of(cosine, out=cosine), np.float32)

    def scores_at(self, positions: Positions | Sequence[int]) -> list[Score]:
        """The scores of these memories, in double precision, in this order."""
        return self._scores(self._exact(positions))

    def _scores(self, exact: Numbers) -> list[Score]:
        return formula.scores(exact, self.question.scoring, self.question.dense_weight)

    def _exact(self, positions: Positions | Sequence[int]) -> Numbers:
        """`formula.rows` of them, in double precision: shape (m, 5), the score first."""
        view, asked = self.view, self.question
        at = np.asarray(positions, np.intp)
        similarity, lexical = np.zeros(len(at)), np.zeros(len(at))
        if asked.vector is not None and view.matrix is not None:
            exact = view.matrix.exact_at(asked.vector.astype(np.float64), at)
            similarity = formula.similarity_of(exact)
        if self.lexical is not None:
            lexical = self.lexical[at]
        return formula.rows(
            similarity,
            lexical,
            np.maximum(asked.now - view.columns["valid_from"][at], 0.0),
            view.columns["recalls"][at],
            view.columns["importance"][at],
            asked.scoring,
            asked.dense_weight,
        )


def _at(values: npt.NDArray[_Number], pool: Positions | None) -> npt.NDArray[_Number]:
    return values if pool is None else values[pool]
