"""How good an answer a memory is: the formula, its parts, and its upper bound.

::

    similarity = (cosine − low) / (best − low), clipped to [0, 1]
    relevance  = d · similarity + (1 − d) · lexical + what a conversation adds
    recency    = 2^(−age / (half_life · (1 + ln(1 + recalls))))
    score      = ((1 − w) · relevance + w · recency) · ((1 − γ) + γ · importance) · layer weight

What a conversation adds is in model/structure.py. The relevance is in [0, 1.25], and so is the
score, up to the layer weight. docs/scoring.md says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as replaced
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from feather_memory.checks import number
from feather_memory.config import DAY
from feather_memory.errors import ParameterError
from feather_memory.types import Numbers, Seconds, Vector

Floats = TypeVar("Floats", Vector, Numbers)

SHORTEST_HALF_LIFE: Seconds = 1e-6
"""Times are kept to the microsecond; nothing decays faster than they can tell."""

LONGEST_HALF_LIFE: Seconds = 1e30
"""Beyond it float32 overflows. `time_weight=0` is how to switch decay off."""

CEILING_SLACK = 1e-6
"""What `ceiling` adds for rounding: under 16 float32 operations on numbers ≤ 1, 6e-8 each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """How much relevance, age and importance weigh in a ranking.

    The defaults are bounded: age and importance reorder near-equals, and cannot bury
    a relevant old memory.

    Raises:
        ParameterError: a value outside its range, NaN, or not a number.

    >>> Scoring().replace(time_weight=0.3, half_life=timedelta(days=7)).half_life
    604800.0
    """

    time_weight: float = 0.05
    """In [0, 1]: the share of recency beside relevance."""
    importance_weight: float = 0.2
    """In [0, 1]: the share of the score that importance decides."""
    half_life: Seconds = 30 * DAY
    """Until a never-recalled memory's recency is ½: seconds in [1e-6, 1e30], or a timedelta."""
    dense_weight: float = 0.5
    """In [0, 1]: the share of similarity beside lexical, for a query that has both."""
    structure: bool = True
    """Whether sessions, speakers and the order of turns count."""
    scaled: bool = True
    """Whether the cosine is scaled between what is usual in the store and the question's best."""

    if TYPE_CHECKING:  # what is given may be a timedelta, what is read is always seconds

        def __init__(
            self,
            *,
            time_weight: float = ...,
            importance_weight: float = ...,
            half_life: Seconds | timedelta = ...,
            dense_weight: float = ...,
            structure: bool = ...,
            scaled: bool = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        for name in ("time_weight", "importance_weight", "dense_weight"):
            object.__setattr__(self, name, number(getattr(self, name), name, 0.0, 1.0))
        for name in ("structure", "scaled"):
            if not isinstance(value := getattr(self, name), bool):
                raise ParameterError(f"{name} must be True or False, got {value!r}")
        object.__setattr__(self, "half_life", _half_life(self.half_life))

    @classmethod
    def feather(cls) -> Self:
        """The formula published for Feather DB: w = 0.3, γ = 1, 30 days, the raw cosine alone."""
        return cls(
            time_weight=0.3,
            importance_weight=1.0,
            half_life=30 * DAY,
            dense_weight=1.0,
            structure=False,
            scaled=False,
        )

    def replace(self, **changes: float | timedelta) -> Self:
        """The same scoring but for `changes`, checked likewise."""
        return replaced(self, **changes)  # type: ignore[arg-type]  # a timedelta is taken


def _half_life(given: Any) -> Seconds:
    value = given.total_seconds() if isinstance(given, timedelta) else given
    return number(value, "half_life", SHORTEST_HALF_LIFE, LONGEST_HALF_LIFE)


def stretch(recalls: Floats) -> Floats:
    """1 + ln(1 + recalls): how much longer a recalled memory's half-life is. Shape (n,)."""
    stretched: Floats = np.add(np.log1p(recalls), 1.0)
    return stretched


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
    dense = 0.0 if similarity is None else dense_weight * similarity
    sparse = 0.0 if lexical is None else (1 - dense_weight) * lexical
    return dense + sparse


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
        Scores in [0, 1.25], shape (n,). The arguments are not changed.
    """
    w, g = scoring.time_weight, scoring.importance_weight
    relevant = relevance(similarity, lexical, dense_weight)
    if structure is not None:
        relevant = relevant + structure
    mixed = (1 - w) * relevant + w * recency  # (n,)
    return mixed * ((1 - g) + g * importance)  # (n,)


def rank_scores(
    similarity: Vector | float | None,
    lexical: Vector | None,
    age: Vector,
    stretched: Vector,
    importance: Vector,
    scoring: Scoring,
    dense_weight: float,
    *,
    out: Vector | None = None,
) -> Vector:
    """The score of every memory in single precision, without layer weight: for finding the best.

    Differs from `score` by less than 1e-6, so the winners are to be scored again. One buffer
    beside the result, no other array: at 100,000 memories memory traffic is the cost.

    Args:
        similarity: In [0, 1]; a number if it is the same for all. Shape (n,).
        lexical: In [0, 1]. Shape (n,).
        age: Seconds, ≥ 0. Shape (n,).
        stretched: `stretch` of the recalls, ≥ 1. Shape (n,).
        importance: In [0, 1]. Shape (n,).
        scoring: Gives w, γ and the half-life.
        dense_weight: d in effect, in [0, 1].
        out: Where to put the result; may be `similarity` itself, and no other argument. Shape (n,).

    Returns:
        Scores in [0, 1], shape (n,): `out` if it was given.
    """
    w, g = scoring.time_weight, scoring.importance_weight
    out = np.empty(age.shape, np.float32) if out is None else out  # (n,)
    part = np.empty_like(out)  # (n,)  scratch
    if similarity is None:
        out.fill(0.0)
    else:
        np.multiply(similarity, (1 - w) * dense_weight, out=out)  # (n,)  (1−w)·d·s
    if lexical is not None and dense_weight < 1:
        np.multiply(lexical, (1 - w) * (1 - dense_weight), out=part)  # (n,)  (1−w)·(1−d)·l
        np.add(out, part, out=out)  # (n,)  (1−w)·r
    if w > 0:  # exp2 is the dearest line here
        np.multiply(stretched, -scoring.half_life, out=part)  # (n,)  −h
        np.divide(age, part, out=part)  # (n,)  −age/h
        np.exp2(part, out=part)  # (n,)  ρ
        np.multiply(part, w, out=part)  # (n,)  w·ρ
        np.add(out, part, out=out)  # (n,)  (1−w)·r + w·ρ
    if g > 0:
        np.multiply(importance, g, out=part)  # (n,)  γ·importance
        np.add(part, 1 - g, out=part)  # (n,)  (1−γ) + γ·importance
        np.multiply(out, part, out=out)  # (n,)  score
    return out


def ceiling(
    similarity: Vector | float,
    lexical: Vector | None,
    age: Vector,
    stretched: Vector,
    importance: Vector,
    scoring: Scoring,
    dense_weight: float,
) -> Vector:
    """The best score each memory can have if its similarity is at most `similarity`.

    The score never falls as similarity grows, so it is the score at that bound, plus
    what rounding may hide: no `rank_scores` and no `score` exceeds it.
    When no unseen memory's ceiling reaches the k-th best score, the k best are certain.

    Args:
        similarity: Upper bounds, in [0, 1], shape (n,); a number if it is the same for all, such
            as that of the worst candidate an index returned.
        lexical: In [0, 1]. Shape (n,).
        age: Seconds, ≥ 0. Shape (n,).
        stretched: `stretch` of the recalls, ≥ 1. Shape (n,).
        importance: In [0, 1]. Shape (n,).
        scoring: Gives w, γ and the half-life.
        dense_weight: d in effect, in [0, 1].

    Returns:
        Upper bounds in [0, 1 + 1e-6], shape (n,).
    """
    best = rank_scores(similarity, lexical, age, stretched, importance, scoring, dense_weight)
    return np.add(best, np.float32(CEILING_SLACK), out=best)
