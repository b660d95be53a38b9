"""What a caller is told of a hit's score: the number, and what it was made of."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from dataclasses import replace as replaced
from typing import Any, Final, Self

import numpy as np

from feather_memory.model import scoring as formula
from feather_memory.model.scoring import Scoring
from feather_memory.model.structure import Terms
from feather_memory.types import Numbers, Positions

STRUCTURE: Final = ("origin", "neighbours", "speaker", "manner", "session")
"""The terms that a conversation adds."""

_TOLD: Final = ("similarity", "lexical", "recency", "importance", "cosine", "share")

_MADE: Final = 7 + len(STRUCTURE)
"""The score and what differs between the hits of one question."""


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
    """The cosine between what is usual in the store (0) and the question's best (1)."""
    lexical: float = 0.0
    """BM25 ÷ the best BM25 among the eligible, in [0, 1]."""
    recency: float = 0.0
    """In (0, 1]."""
    importance: float = 1.0
    """In [0, 1]."""
    cosine: float = 0.0
    """max(0, cosine), in [0, 1]: the same number means the same for every question."""
    share: float = 0.0
    """BM25 ÷ the weight of all that the question asks for, in [0, 1]: likewise."""
    origin: float = 0.0
    """What it loses as an assistant's or a tool's word, in [−0.2, 0]; see model/structure.py."""
    neighbours: float = 0.0
    """What the turns before and after it add, in [0, 0.4]."""
    speaker: float = 0.0
    """What being said by whom the question names adds: 0 or 0.15."""
    manner: float = 0.0
    """What being a question takes away, or following one adds, in [−0.2, 0.1]."""
    session: float = 0.0
    """What the best of its session adds, in [0, 0.42]."""
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
        """What of the score is neither age nor importance nor layer, in [0, 1.25]."""
        own = self.dense_weight * self.similarity + (1 - self.dense_weight) * self.lexical
        return own + sum([float(getattr(self, name)) for name in STRUCTURE])

    @property
    def absolute(self) -> float:
        """The relevance that means the same for every question: the better of cosine and share."""
        return max(self.cosine, self.share)

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
        structure = {name: kept * getattr(self, name) for name in STRUCTURE}
        recency = self.time_weight * self.recency
        mixed = similarity + lexical + sum(structure.values()) + recency
        weighed = mixed * ((1 - self.importance_weight) + self.importance_weight * self.importance)
        return {
            "similarity": similarity,
            "lexical": lexical,
            **structure,
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
        return np.asarray(formula.relevance(self.similarity, self.lexical, dense_weight))

    def values(self, scoring: Scoring, dense_weight: float) -> Numbers:
        """The scores. Shape (n,)."""
        return formula.score(
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
            Shape (n, 12), the score first.
        """
        made = np.zeros((len(self.cosine), _MADE))  # by columns: `stack` takes thrice as long
        made[:, 0] = self.values(scoring, dense_weight)
        for at, name in enumerate(_TOLD, start=1):
            made[:, at] = getattr(self, name)
        if self.terms is not None:
            for at, name in enumerate(STRUCTURE, start=_MADE - len(STRUCTURE)):
                made[:, at] = getattr(self.terms, name)
        return made


def scores(rows: Numbers, scoring: Scoring, dense_weight: float) -> list[Score]:
    """What a caller is shown of each of the `rows`, of the same scoring and d."""
    same = (dense_weight, scoring.time_weight, scoring.importance_weight, 1.0, None)
    return [_score_of((*row, *same)) for row in rows.tolist()]
