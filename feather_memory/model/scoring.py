"""How good an answer a memory is: the formula, its parts, and its upper bound.

::

    relevance = d · similarity + (1 − d) · lexical
    recency   = 2^(−age / (half_life · (1 + ln(1 + recalls))))
    score     = ((1 − w) · relevance + w · recency) · ((1 − γ) + γ · importance) · layer weight

All parts are in [0, 1], and so is the score, up to the layer weight. docs/scoring.md says why.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from dataclasses import replace as replaced
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from feather_memory.checks import number
from feather_memory.config import DAY
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

    if TYPE_CHECKING:  # what is given may be a timedelta, what is read is always seconds

        def __init__(
            self,
            *,
            time_weight: float = ...,
            importance_weight: float = ...,
            half_life: Seconds | timedelta = ...,
            dense_weight: float = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        for name in ("time_weight", "importance_weight", "dense_weight"):
            object.__setattr__(self, name, number(getattr(self, name), name, 0.0, 1.0))
        object.__setattr__(self, "half_life", _half_life(self.half_life))

    @classmethod
    def feather(cls) -> Self:
        """The formula published for Feather DB: w = 0.3, γ = 1, 30 days, dense only."""
        return cls(time_weight=0.3, importance_weight=1.0, half_life=30 * DAY, dense_weight=1.0)

    def replace(self, **changes: float | timedelta) -> Self:
        """The same scoring but for `changes`, checked likewise."""
        return replaced(self, **changes)  # type: ignore[arg-type]  # a timedelta is taken


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Score(float):
    """The final number, a float like any other, and what it was made of.

    It equals, hashes, sorts, prints and is JSON as its `value`; arithmetic gives plain floats.
    A schema (pydantic, FastAPI) has it as an object of all its fields.

    ``value = ((1 − w)·relevance + w·recency) · ((1 − γ) + γ·importance) · layer_weight``
    for a memory found by its own merit; a memory reached over an edge has `inherited`,
    its parent's score × edge weight × hop decay, instead.
    """

    value: float = field(kw_only=False)
    similarity: float = 0.0
    """max(0, cosine), in [0, 1]."""
    lexical: float = 0.0
    """BM25 ÷ the best BM25 among the eligible, in [0, 1]."""
    recency: float = 0.0
    """In (0, 1]."""
    importance: float = 1.0
    """In [0, 1]."""
    dense_weight: float = 1.0
    """Share of `similarity` in the relevance; that of `lexical` is 1 − dense_weight."""
    time_weight: float = 0.0
    """w, in [0, 1]."""
    importance_weight: float = 0.0
    """γ, in [0, 1]."""
    layer_weight: float = 1.0
    inherited: float | None = None

    def __new__(cls, value: float = 0.0, **_parts: float | None) -> Self:
        """The number; the dataclass fills in the parts."""
        return float.__new__(cls, value)

    def __post_init__(self) -> None:
        if type(self.value) is not float:  # `statistics.mean` makes one of a Fraction
            object.__setattr__(self, "value", float(self))

    @property
    def relevance(self) -> float:
        """dense_weight · similarity + (1 − dense_weight) · lexical, in [0, 1]."""
        return self.dense_weight * self.similarity + (1 - self.dense_weight) * self.lexical

    @property
    def parts(self) -> dict[str, float]:
        """What each part adds to the value; they sum to it, to within rounding.

        `importance` and `layer` are what their factors take away, so they are ≤ 0
        unless a layer weighs more than 1.
        """
        if self.inherited is not None:
            return {"inherited": self.inherited, "layer": self.inherited * (self.layer_weight - 1)}
        kept = 1 - self.time_weight
        similarity = kept * self.dense_weight * self.similarity
        lexical = kept * (1 - self.dense_weight) * self.lexical
        recency = self.time_weight * self.recency
        mixed = similarity + lexical + recency
        weighed = mixed * ((1 - self.importance_weight) + self.importance_weight * self.importance)
        return {
            "similarity": similarity,
            "lexical": lexical,
            "recency": recency,
            "importance": weighed - mixed,
            "layer": weighed * (self.layer_weight - 1),
        }

    def weighed(self, layer_weight: float) -> Score:
        """The same score in a layer of that weight."""
        return replaced(self, value=self.value * layer_weight, layer_weight=layer_weight)

    def __str__(self) -> str:
        return float.__repr__(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _score_of, (tuple(getattr(self, each.name) for each in fields(self)),)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema  # only where a schema is built

        # Pydantic fills the fields of an empty instance, and a float cannot be filled.
        return core_schema.no_info_wrap_validator_function(
            lambda given, filled: given if isinstance(given, cls) else replaced(filled(given)),
            handler(source),
        )


_PUT = tuple(vars(Score)[each.name].__set__ for each in fields(Score))
"""What sets a field of a score: a search makes ten, and `__init__` takes thrice as long."""


def _score_of(values: tuple[Any, ...]) -> Score:
    """The score whose fields have these values, in their order, the first a float."""
    made = float.__new__(Score, values[0])
    for put, value in zip(_PUT, values, strict=True):
        put(made, value)
    return made


def _half_life(given: Any) -> Seconds:
    value = given.total_seconds() if isinstance(given, timedelta) else given
    return number(value, "half_life", SHORTEST_HALF_LIFE, LONGEST_HALF_LIFE)


def similarity_of(cosine: Floats, *, out: Floats | None = None) -> Floats:
    """max(0, cosine), in [0, 1]: what points away is as unrelated as what is orthogonal.

    Also takes off the 1e-7 by which a rounded cosine exceeds 1. `out` may be `cosine` itself.
    """
    clipped: Floats = np.clip(cosine, 0.0, 1.0, out=out)
    return clipped


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
) -> Numbers:
    """The score by the formula, in double precision: the one that callers see.

    Args:
        similarity: max(0, cosine), in [0, 1]; None for a query without a vector. Shape (n,).
        lexical: BM25 ÷ the best BM25, in [0, 1]; None for a query without text. Shape (n,).
        recency: `retention`, in [0, 1]. Shape (n,).
        importance: In [0, 1]. Shape (n,).
        scoring: Gives w and γ. Its own dense weight is not read.
        dense_weight: d in effect: 1 for a vector alone, 0 for text alone.

    Returns:
        Scores in [0, 1], shape (n,). The arguments are not changed.
    """
    w, g = scoring.time_weight, scoring.importance_weight
    mixed = (1 - w) * relevance(similarity, lexical, dense_weight) + w * recency  # (n,)
    return mixed * ((1 - g) + g * importance)  # (n,)


def rows(
    similarity: Numbers,
    lexical: Numbers,
    age: Numbers,
    recalls: Numbers,
    importance: Numbers,
    scoring: Scoring,
    dense_weight: float,
) -> Numbers:
    """The score of each memory and what it is made of, in double precision.

    Args:
        similarity: As in `score`, as are `lexical` and `importance`. Shape (n,).
        lexical: In [0, 1]. Shape (n,).
        age: As in `retention`, as is `recalls`. Shape (n,).
        recalls: In how many turns it was shown, ≥ 0. Shape (n,).
        importance: In [0, 1]. Shape (n,).
        scoring: Gives w, γ and the half-life.
        dense_weight: d in effect.

    Returns:
        Score, similarity, lexical, recency and importance, shape (n, 5).
    """
    recency = retention(age, recalls, half_life=scoring.half_life)  # (n,)
    value = score(similarity, lexical, recency, importance, scoring, dense_weight=dense_weight)
    made = np.empty((len(value), 5))  # (n, 5)  by columns: `stack` takes thrice as long for ten
    for at, part in enumerate((value, similarity, lexical, recency, importance)):
        made[:, at] = part
    return made


def scores(rows: Numbers, scoring: Scoring, dense_weight: float) -> list[Score]:
    """What a caller is shown of each of the `rows`, of the same scoring and d."""
    same = (dense_weight, scoring.time_weight, scoring.importance_weight, 1.0, None)
    return [_score_of((*row, *same)) for row in rows.tolist()]


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
        similarity: max(0, cosine), in [0, 1]; a number if it is the same for all. Shape (n,).
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
