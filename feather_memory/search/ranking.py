"""The ranking of every eligible memory for one question, by the formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from feather_memory.config import GATHER_SHARE, HNSW_RIVALS, SKETCH_RIVALS
from feather_memory.index.matrix import slack_for
from feather_memory.index.sketch import Drawn
from feather_memory.index.view import View
from feather_memory.model import scoring as formula
from feather_memory.model.scale import PLAIN, Scale
from feather_memory.model.score import Parts, Score, scores
from feather_memory.model.scoring import Scoring
from feather_memory.model.structure import Said, terms
from feather_memory.search.contenders import contenders
from feather_memory.search.question import Question
from feather_memory.search.scaling import Scaling
from feather_memory.types import Mask, Numbers, Positions, Vector

_Number = TypeVar("_Number", np.float32, np.float64)

_WORDS_SLACK = slack_for(1)  # where no vectors are compared
_CANDIDATES = (256, 1_024)  # asked of the index, one after the other; then all are scanned
_LOWEST = np.finfo(np.float32).min
_SEEDS = 64  # looked at first after a scan of sketches: enough that the best k are nearly all there


@dataclass(frozen=True, slots=True)
class WordsAsked:
    """What the words of each memory say of one question."""

    bm25: Numbers
    """Shape (n,), 0 for what may not be returned."""
    bound: float
    """What no BM25 exceeds."""


@dataclass(frozen=True, slots=True)
class _Scored:
    """The memories at some positions, all that may be returned among them, scored at once."""

    at: Positions
    """Ascending. Shape (m,)."""
    parts: Parts
    values: Numbers
    """Their scores, −inf for what may not be returned. Shape (m,)."""

    def best(self, k: int) -> Positions:
        """Positions among which the k best are, and few more."""
        if k >= len(self.at):
            return self.at
        kth_best = float(np.partition(self.values, -k)[-k])
        return self.at[np.flatnonzero(self.values >= kth_best)]

    def place(self, position: int, k: int) -> tuple[int, float]:
        """As `Ranking.place`."""
        mine = self.values[np.searchsorted(self.at, position)]
        ahead = np.count_nonzero(self.values > mine)
        ahead += np.count_nonzero((self.values == mine) & (self.at > position))
        allowed = np.sort(self.values[self.values > -np.inf])
        return 1 + int(ahead), float(allowed[-min(k, len(allowed))])


@dataclass(slots=True)
class Ranking:
    """All eligible memories of a View, ranked for one question."""

    view: View
    question: Question
    eligible: Mask
    """Shape (n,)."""
    words: WordsAsked | None = None
    """None if no text is asked."""
    said: Said | None = None
    """Who said them, and beside what; None where that is not to count."""
    spoken: Mask | None = None
    """What the only speaker whom the question names said. Shape (n,)."""
    _scored: _Scored | None = None
    _scaling: Scaling = field(init=False)

    def __post_init__(self) -> None:
        most = 0.0 if self.words is None else float(self.words.bm25.max(initial=0.0))
        self._scaling = Scaling(self.view, self.question, self.eligible, most)

    def best(self, k: int) -> list[tuple[int, Score]]:
        """The k best, best first, with their scores in double precision.

        Of equal scores the memory written last comes first.
        """
        allowed = int(np.count_nonzero(self.eligible))
        if not allowed:
            return []
        if self.said is None:
            return self._ordered(self._near(k, allowed), k)
        return self._ordered(self._all_scored().best(min(k, allowed)), k)

    @property
    def scale(self) -> Scale:
        """Between which cosines the similarities lie, and what BM25 is divided by."""
        if self._scaling.scale is None:
            self._cosines(np.flatnonzero(self.eligible))
        return self._scaling.scale or PLAIN

    def _lexical(self, at: Positions | None) -> Numbers | None:
        """BM25 of the memories at some positions, or of all, ÷ the best: in [0, 1]."""
        if self.words is None:
            return None
        bm25, best = _at(self.words.bm25, at), self.scale.words
        return np.minimum(bm25 / best, 1.0) if best > 0 else np.zeros(len(bm25))

    def _all_scored(self) -> _Scored:
        """All that may be returned, scored together: what one adds to another needs them all."""
        if self._scored is None and self.said is not None:
            n, allowed = len(self.view.rows), int(np.count_nonzero(self.eligible))
            is_few = allowed < GATHER_SHARE * n
            at = np.flatnonzero(self.eligible) if is_few else np.arange(n)
            said = self.said.among(at) if is_few else self.said
            eligible = np.ones(allowed, np.bool_) if is_few else self.eligible
            parts = self._parts(at, self._cosines(at if is_few else None))
            spoken = None if self.spoken is None else self.spoken[at]
            own = parts.own(self.question.dense_weight)
            parts = replace(parts, terms=terms(own, said, spoken, eligible))
            values = np.where(eligible, parts.values(*self._weighed), -np.inf)
            self._scored = _Scored(at, parts, values)
        assert self._scored is not None  # noqa: S101  asked only where there is a conversation
        return self._scored

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
        best = [(at, score.cosine) for at, score in self.best(k)]
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
            positions = positions[self.eligible[positions]]
            if not len(positions) or view.matrix is None:
                return None
            self._scaling.settle(view.matrix.products_at(asked.vector, positions), positions)
            highest = float(self.scale.similarity_of(np.array([floor]))[0])
            possible = self._shut_out(self._ceiling(highest))
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
        if not self._scaling.settle_within(bounds, drawn.slack, allowed):
            return None
        bounds = self.scale.similarity_of(bounds, out=bounds)
        possible = self._shut_out(self._ceiling(bounds), allowed)
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
        if self.view.matrix is None:
            return _WORDS_SLACK
        return self.view.matrix.slack * max(1.0, self.scale.stretch)

    def _quick_scores(self, pool: Positions | None) -> Vector:
        """The formula over the pool, or over all, in float32: good enough to find contenders."""
        asked, similarity = self.question, self._similarities(pool)
        return formula.rank_scores(
            similarity, *self._known(pool), asked.scoring, asked.dense_weight
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
        lexical = self._lexical(pool)
        return (
            None if lexical is None else lexical.astype(np.float32),
            age.astype(np.float32),
            _at(view.stretched, pool),
            _at(view.importance, pool),
        )

    def _similarities(self, pool: Positions | None) -> Vector | None:
        """Of the pool, or of all. Until the scale is settled the pool is all that is eligible."""
        cosine = self._cosines(pool)
        return None if cosine is None else self.scale.similarity_of(cosine, out=cosine)

    def _cosines(self, pool: Positions | None) -> Vector | None:
        """Likewise. Settles the scale."""
        query, matrix = self.question.vector, self.view.matrix
        if query is None or matrix is None:
            self._scaling.settle(None, pool)
            return None
        if pool is not None:
            cosine = matrix.products_at(query, pool)
        else:
            cosine = matrix.products(query, len(self.view.rows))
        self._scaling.settle(cosine, pool)
        return cosine

    def place(self, position: int, k: int) -> tuple[int, float]:
        """Where one eligible memory stands in the order of `best`, from 1, and the k-th best score.

        All are counted and none is sorted: whose score in single precision is further from the
        memory's than rounding goes stands where it seems to; the few others are scored again.
        If fewer than k are eligible, the score is that of the last.
        """
        if self.said is not None:
            return self._all_scored().place(position, k)
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

    @property
    def _weighed(self) -> tuple[Scoring, float]:
        """How the parts of a score are weighed: the scoring, and d in effect."""
        return self.question.scoring, self.question.dense_weight

    def _scores(self, exact: Numbers) -> list[Score]:
        return scores(exact, *self._weighed)

    def _exact(self, positions: Positions | Sequence[int]) -> Numbers:
        """`Parts.rows` of them, in double precision: shape (m, 12), the score first."""
        at = np.asarray(positions, np.intp)
        if self.said is not None:
            scored = self._all_scored()
            return scored.parts.at(np.searchsorted(scored.at, at)).rows(*self._weighed)
        return self._parts(at).rows(*self._weighed)

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
        lexical, share = self._lexical(at), np.zeros(len(at))
        if self.words is not None and self.words.bound > 0:
            share = self.words.bm25[at] / self.words.bound
        age = np.maximum(asked.now - view.columns["valid_from"][at], 0.0)
        recalls = view.columns["recalls"][at]
        return Parts(
            similarity=similarity,
            lexical=np.zeros(len(at)) if lexical is None else lexical,
            recency=formula.retention(age, recalls, half_life=asked.scoring.half_life),
            importance=view.columns["importance"][at],
            cosine=np.clip(cosine, 0.0, 1.0),
            share=share,
        )


def _at(values: npt.NDArray[_Number], pool: Positions | None) -> npt.NDArray[_Number]:
    return values if pool is None else values[pool]
