"""How good an answer a memory is: the formula, its parts, and its upper bound.

::

    similarity = (cosine − low) / (best − low), clipped to [0, 1]
    relevance  = d · similarity + (1 − d) · lexical + what a conversation adds
    recency    = 2^(−age / (half_life · (1 + ln(1 + recalls))))
    score      = ((1 − w) · relevance + w · recency) · ((1 − γ) + γ · importance) · layer weight

What a conversation adds is in model/structure.py. The relevance is in [0, 1.55], and so is the
score, up to the layer weight. docs/scoring.md says why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Self, TypeVar

import numpy as np

from feather_memory.model.scoring import PUT_TOLD, STRUCTURE, Score, Scoring
from feather_memory.model.structure import Terms
from feather_memory.types import Numbers, Positions, Seconds, Vector

Floats = TypeVar("Floats", Vector, Numbers)

CEILING_SLACK = 1e-6
"""What `ceiling` adds for rounding: under 16 float32 operations on numbers ≤ 1, 6e-8 each."""

_TOLD: Final = ("similarity", "lexical", "recency", "importance", "cosine", "share")

_MADE: Final = 7 + len(STRUCTURE)
"""The score and what differs between the hits of one question."""

NARROWEST: Final = 0.1
"""A scale is at least so wide: where all cosines are alike, their differences say little."""

_SPREAD: Final = 2.5  # standard deviations: of some 600 cosines the least lies about there
_PRIOR: Final = (10, 0.1)  # as if so many memories with so large a deviation had been seen before
_STEP: Final = 0.01  # on a grid, so that rounding elsewhere does not move a whole scale


@dataclass(frozen=True, slots=True)
class Scale:
    """What is usual and what is best for one question: its similarities lie between.

    Merged stores are read by one scale, so that their hits compare.
    """

    low: float = 0.0
    """The cosine that counts as nothing in common."""
    best: float = 1.0
    """The highest cosine of those that may be returned."""
    words: float = 0.0
    """The highest BM25 of those; 0 where no word is shared."""

    @property
    def width(self) -> float:
        """How far below the best a cosine counts as nothing in common, in [0.1, 2]."""
        return max(self.best - self.low, NARROWEST)

    @property
    def is_plain(self) -> bool:
        """Whether a similarity is the cosine as it is."""
        return self.low == 0.0 and self.best == 1.0

    def similarity_of(self, cosine: Floats, *, out: Floats | None = None) -> Floats:
        """The cosine on this scale, in [0, 1]: the best is 1. `out` may be `cosine` itself.

        On the plain scale it is max(0, cosine): what points away is as unrelated as what is
        orthogonal. Also takes off the 1e-7 by which a rounded cosine exceeds 1. A cosine of 0 is
        that of a memory without a vector, which is similar to nothing.
        """
        if self.is_plain:
            plain: Floats = cosine.clip(0.0, 1.0, out=out)
            return plain
        if np.count_nonzero(cosine) == len(cosine):
            return self.most(cosine, out=out)
        has_none = cosine == 0
        scaled = self.most(cosine, out=out)
        scaled[has_none] = 0.0
        return scaled

    def most(self, bound: Floats, *, out: Floats | None = None) -> Floats:
        """What no similarity exceeds whose cosine does not exceed `bound`. Shape (n,)."""
        kind = bound.dtype.type
        width = self.width
        scaled: Floats = np.subtract(bound, kind(self.best - width), out=out)
        np.multiply(scaled, kind(1.0 / width), out=scaled)
        np.maximum(scaled, 0.0, out=scaled)  # both take half as long as `clip`, which is Python
        return np.minimum(scaled, 1.0, out=scaled)

    def joined(self, other: Scale) -> Scale:
        """One scale for two stores."""
        return Scale(
            low=min(self.low, other.low),
            best=max(self.best, other.best),
            words=max(self.words, other.words),
        )


PLAIN: Final = Scale()
"""That of `Scoring(scaled=False)`: the cosine as it is."""


def low_of(cosines: Vector) -> float:
    """The cosine that counts as nothing in common, by the cosines of a sample of the store.

    2.5 standard deviations below the mean, rounded down to 0.01. As good as the least of all
    cosines (LoCoMo recall@10 within 0.1 points), and an outlier does not move it. A handful of
    memories says little of what is usual, so a deviation of 0.1 is presumed until more are told.
    Memories without a vector, whose cosine is 0, are left out.

    Args:
        cosines: Shape (m,).
    """
    n, (before, usual) = np.count_nonzero(cosines), _PRIOR
    if not n:
        return 0.0
    told = (cosines if n == len(cosines) else cosines[cosines != 0]).astype(np.float64)
    mean = float(np.add.reduce(told)) / n  # `sum` is this, and Python
    squares = max(0.0, float(told @ told) - n * mean * mean)
    spread = math.sqrt((squares + before * usual * usual) / (n + before))
    return max(-1.0, math.floor((mean - _SPREAD * spread) / _STEP) * _STEP)


def stretch(recalls: Floats) -> Floats:
    """1 + ln(1 + recalls): how much longer a recalled memory's half-life is. Shape (n,)."""
    stretched: Floats = np.add(np.log1p(recalls), 1.0)
    return stretched


def derived(columns: Mapping[str, Numbers]) -> tuple[Numbers, Vector, Vector]:
    """`until`, `stretched` and `importance` of a View, from its columns."""
    until = np.fmin(columns["valid_to"], columns["expires_at"])
    until[np.isnan(until)] = np.inf
    stretched = stretch(columns["recalls"]).astype(np.float32)
    return until, stretched, columns["importance"].astype(np.float32)


def retention(age: Floats, recalls: Floats, *, half_life: Seconds) -> Floats:
    """Share of a memory's strength that is left after `age`.

    Strength halves every half-life, and each past recall stretches it::

        h = half_life · (1 + ln(1 + recalls))
        retention = 2^(−age / h)

    Args:
        age: Seconds since the memory became valid, ≥ 0. Shape (n,), float32 or float64.
        recalls: In how many turns it was shown, ≥ 0. Shape (n,), like `age`.
        half_life: Seconds for a never-recalled memory to halve, as `Scoring` checked it.

    Returns:
        Values in (0, 1], shape (n,), of the precision given; 0 only where 2^−x underflows it.
        The arguments are not changed.

    Source:
        Settles & Meeder 2016, p = 2^(−Δ/h). The logarithmic stretch is that of
        Feather DB's stickiness; docs/scoring.md says why.

    >>> from feather_memory.config import DAY
    >>> ages, recalls = np.array([0.0, 30.0, 30.0]) * DAY, np.array([0.0, 0.0, 9.0])
    >>> retention(ages, recalls, half_life=30 * DAY).round(3)
    array([1.   , 0.5  , 0.811])
    """
    kept: Floats = np.exp2(-age / (half_life * stretch(recalls)))
    return kept


def relevance(
    similarity: Floats | None, lexical: Floats | None, dense_weight: float
) -> Floats | float:
    """dense_weight · similarity + (1 − dense_weight) · lexical; a part that is None counts 0."""
    if lexical is None:
        return 0.0 if similarity is None else dense_weight * similarity
    sparse = (1 - dense_weight) * lexical
    return sparse if similarity is None else dense_weight * similarity + sparse


def score(
    similarity: Numbers | None,
    lexical: Numbers | None,
    recency: Numbers,
    importance: Numbers,
    scoring: Scoring,
    *,
    dense_weight: float,
    structure: Numbers | None = None,
) -> Numbers:
    """The score by the formula, in double precision: the one that callers see.

    Args:
        similarity: On the question's scale, in [0, 1]; None for a query without a vector.
            Shape (n,).
        lexical: BM25 ÷ the best BM25, in [0, 1]; None for a query without text. Shape (n,).
        recency: `retention`, in [0, 1]. Shape (n,).
        importance: In [0, 1]. Shape (n,).
        scoring: Gives w and γ. Its own dense weight is not read.
        dense_weight: d in effect: 1 for a vector alone, 0 for text alone.
        structure: What a conversation adds; None where there is none. Shape (n,).

    Returns:
        Scores in [0, 1.55], shape (n,). The arguments are not changed.
    """
    w, g = scoring.time_weight, scoring.importance_weight
    relevant = relevance(similarity, lexical, dense_weight)
    if structure is not None:
        relevant = relevant + structure
    mixed = (1 - w) * relevant + w * recency  # (n,)
    return mixed * ((1 - g) + g * importance)  # (n,)


class Standing(NamedTuple):
    """What of n memories' scores no question changes: score = relevance · factor + rest.

    In single precision, shape (n,) each. Never changed.
    """

    factor: Vector
    """(1 − w) · ((1 − γ) + γ · importance), in [0, 1]."""
    rest: Vector
    """w · recency · ((1 − γ) + γ · importance), in [0, 1]."""

    @classmethod
    def of(cls, age: Vector, stretched: Vector, importance: Vector, scoring: Scoring) -> Self:
        """That of memories.

        Args:
            age: Seconds, ≥ 0. Shape (n,).
            stretched: `stretch` of the recalls, ≥ 1. Shape (n,).
            importance: In [0, 1]. Shape (n,).
            scoring: Gives w, γ and the half-life.
        """
        w, g = scoring.time_weight, scoring.importance_weight
        weight = importance * g  # (n,)  γ·importance
        weight += 1 - g  # (n,)  (1−γ) + γ·importance
        rest = np.multiply(stretched, -scoring.half_life)  # (n,)  −h
        np.divide(age, rest, out=rest)  # (n,)  −age/h
        np.exp2(rest, out=rest)  # (n,)  ρ
        rest *= w
        rest *= weight
        weight *= 1 - w
        return cls(weight, rest)

    def at(self, positions: Positions) -> Standing:
        """That of some of the memories."""
        return Standing(self.factor[positions], self.rest[positions])


def drift(seconds: Seconds, scoring: Scoring) -> float:
    """How far a `Standing` of so long ago may be above today's: recency falls no faster.

    Its slope is ln 2 ÷ (half_life · stretch), and no stretch is below 1.
    """
    return scoring.time_weight * math.log(2) * seconds / scoring.half_life


def rank_scores(
    similarity: Vector | float | None,
    lexical: Vector | None,
    standing: Standing,
    dense_weight: float,
    *,
    out: Vector | None = None,
) -> Vector:
    """The score of every memory in single precision, without layer weight: for finding the best.

    Differs from `score` by less than 1e-6, so the winners are to be scored again. One array of
    words beside the result: at 100,000 memories memory traffic is the cost.

    Args:
        similarity: In [0, 1]; a number if it is the same for all. Shape (n,).
        lexical: In [0, 1]. Shape (n,).
        standing: Of the same memories.
        dense_weight: d in effect, in [0, 1].
        out: Where to put the result; may be `similarity` itself. Shape (n,).

    Returns:
        Scores in [0, 1], shape (n,): `out` if it was given.
    """
    factor, rest = standing.factor, standing.rest
    out = np.empty(factor.shape, np.float32) if out is None else out  # (n,)
    weighed: Vector | float = 0.0 if similarity is None else similarity
    if dense_weight != 1:
        weighed = np.multiply(weighed, np.float32(dense_weight), out=out)  # (n,)  d·s
        if lexical is not None:
            out += lexical * np.float32(1 - dense_weight)  # (n,)  r
    np.multiply(factor, weighed, out=out)
    return np.add(out, rest, out=out)  # (n,)  score


def ceiling(
    similarity: Vector | float,
    lexical: Vector | None,
    standing: Standing,
    dense_weight: float,
    *,
    out: Vector | None = None,
) -> Vector:
    """The best score each memory can have if its similarity is at most `similarity`.

    The score never falls as similarity grows, so it is the score at that bound, plus
    what rounding may hide: no `rank_scores` and no `score` exceeds it.
    When no unseen memory's ceiling reaches the k-th best score, the k best are certain.

    Args:
        similarity: Upper bounds, in [0, 1], shape (n,); a number if it is the same for all, such
            as that of the worst candidate an index returned.
        lexical: In [0, 1]. Shape (n,).
        standing: Of the same memories.
        dense_weight: d in effect, in [0, 1].
        out: As in `rank_scores`.

    Returns:
        Upper bounds in [0, 1 + 1e-6], shape (n,).
    """
    best = rank_scores(similarity, lexical, standing, dense_weight, out=out)
    return np.add(best, np.float32(CEILING_SLACK), out=best)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the scores of n memories are made of, in double precision, shape (n,) each."""

    similarity: Numbers
    """On the question's scale, in [0, 1]."""
    lexical: Numbers
    """In [0, 1]."""
    recency: Numbers
    """In [0, 1]."""
    importance: Numbers
    """In [0, 1]."""
    cosine: Numbers
    """In [0, 1]."""
    share: Numbers
    """In [0, 1]."""
    terms: Terms | None = None
    """What a conversation adds; None where there is none."""

    def at(self, positions: Positions) -> Parts:
        """Those of some of the memories."""
        told = {name: getattr(self, name)[positions] for name in _TOLD}
        return Parts(**told, terms=None if self.terms is None else self.terms.at(positions))

    def own(self, dense_weight: float) -> Numbers:
        """What words and vectors say of each memory, in [0, 1]. Shape (n,)."""
        return np.asarray(relevance(self.similarity, self.lexical, dense_weight))

    def values(self, scoring: Scoring, dense_weight: float) -> Numbers:
        """The scores. Shape (n,)."""
        return score(
            self.similarity,
            self.lexical,
            self.recency,
            self.importance,
            scoring,
            dense_weight=dense_weight,
            structure=None if self.terms is None else self.terms.total(),
        )

    def rows(self, scoring: Scoring, dense_weight: float) -> Numbers:
        """The scores and what they are made of, in the order of the fields of `Score`.

        Args:
            scoring: Gives w and γ.
            dense_weight: d in effect.

        Returns:
            Shape (n, 14), the score first; (n, 7) where there are no terms.
        """
        told = [self.values(scoring, dense_weight), *(getattr(self, name) for name in _TOLD)]
        if self.terms is not None:
            told += (getattr(self.terms, name) for name in STRUCTURE)
        made = np.empty((len(self.cosine), len(told)))  # by columns: `stack` takes thrice as long
        for at, part in enumerate(told):
            made[:, at] = part
        return made


def scores(rows: Numbers, scoring: Scoring, dense_weight: float) -> list[Score]:
    """What a caller is shown of each of the `rows`, of the same scoring and d."""
    missing = [0.0] * (_MADE - rows.shape[1])  # the terms, where there are none
    weights = (dense_weight, scoring.time_weight, scoring.importance_weight)
    same = (*missing, *weights, 1.0, 0.0, None)
    made = []
    for row in rows.tolist():  # as `score_of`, which ten calls of would cost as much again
        score = float.__new__(Score, row[0])
        PUT_TOLD(score, (row, same))
        made.append(score)
    return made
