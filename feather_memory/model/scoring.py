"""How much each part of a score weighs, and what a caller is told of a hit's score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from dataclasses import replace as replaced
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from feather_memory.checks import number
from feather_memory.config import DAY
from feather_memory.errors import ParameterError, quoted
from feather_memory.types import Seconds

SHORTEST_HALF_LIFE: Seconds = 1e-6
"""Times are kept to the microsecond; nothing decays faster than they can tell."""

LONGEST_HALF_LIFE: Seconds = 1e30
"""Beyond it float32 overflows. `time_weight=0` is how to switch decay off."""

STRUCTURE: Final = ("origin", "neighbours", "speaker", "manner", "session", "liked", "period")
"""The terms that a conversation adds."""


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
                raise ParameterError(f"{name} must be True or False, got {quoted(value)}")
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


class _Told(float):
    """Where a Score that a search makes has what its parts are read from."""

    __slots__ = ("_told",)
    _told: tuple[Sequence[float], Sequence[float | None]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Score(_Told):
    """The final number, a float like any other, and what it was made of.

    It equals, hashes, sorts, prints and is JSON as its `value`; arithmetic gives plain floats.
    A schema (pydantic, FastAPI) has it as an object of all its fields.

    ``value = ((1 − w)·relevance + w·recency) · ((1 − γ) + γ·importance) · layer_weight``
    plus `newer`, for a memory found by its own merit; one reached over an edge has `inherited`, its
    parent's score × edge weight × hop decay, instead.
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
    """BM25 ÷ that of a text with every word of the question, in [0, 1]: likewise."""
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
    liked: float = 0.0
    """What having been liked for a question like this one adds, in [0, 0.15]."""
    period: float = 0.0
    """What holding since the time that the question names adds: 0 or 0.15; see `Hits.period`."""
    dense_weight: float = 1.0
    """Share of `similarity` in the relevance; that of `lexical` is 1 − dense_weight."""
    time_weight: float = 0.0
    """w, in [0, 1]."""
    importance_weight: float = 0.0
    """γ, in [0, 1]."""
    layer_weight: float = 1.0
    newer: float = 0.0
    """What is added so that it stands before an older hit that it says anew."""
    inherited: float | None = None

    def __new__(cls, value: float = 0.0, **_parts: float | None) -> Self:
        """The number; the dataclass fills in the parts."""
        return float.__new__(cls, value)

    if not TYPE_CHECKING:  # no attribute but the fields

        def __getattr__(self, name: str) -> Any:
            """Read a part of what a search told; asked for only while its own place is empty."""
            if (at := _PLACES.get(name)) is None:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            row, same = self._told
            value = row[at] if at < len(row) else same[at - len(row)]
            object.__setattr__(self, name, value)
            return value

    def __post_init__(self) -> None:
        if type(self.value) is not float:  # `statistics.mean` makes one of a Fraction
            object.__setattr__(self, "value", float(self))

    @property
    def relevance(self) -> float:
        """What of the score is neither age nor importance nor layer, in [0, 1.55]."""
        own = self.dense_weight * self.similarity + (1 - self.dense_weight) * self.lexical
        return own + sum([float(getattr(self, name)) for name in STRUCTURE])

    @property
    def absolute(self) -> float:
        """The relevance that means the same for every question, in [0, 1].

        dense_weight · cosine + (1 − dense_weight) · share
        """
        return self.dense_weight * self.cosine + (1 - self.dense_weight) * self.share

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
            "newer": self.newer,
            "layer": (weighed + self.newer) * (self.layer_weight - 1),
        }

    def lifted(self, newer: float) -> Score:
        """The same score with so much added for what it says anew."""
        return self._changed(self.value + newer, newer=newer) if newer else self

    def weighed(self, layer_weight: float) -> Score:
        """The same score in a layer of that weight."""
        return self._changed(self.value * layer_weight, layer_weight=layer_weight)

    def _changed(self, value: float, **part: float) -> Score:
        """The same but for the value and one part."""
        try:
            row, same = self._told
        except AttributeError:
            return replaced(self, value=value, **part)
        every: list[Any] = [*row, *same]  # a tenth of the time that reading all parts takes
        every[0] = value
        for name, changed in part.items():
            every[_PLACES[name]] = changed
        return score_of(every, ())

    def __str__(self) -> str:
        return float.__repr__(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return score_of, (tuple(getattr(self, each.name) for each in fields(self)), ())

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema  # only where a schema is built

        # Pydantic fills the fields of an empty instance, and a float cannot be filled.
        return core_schema.no_info_wrap_validator_function(
            lambda given, filled: given if isinstance(given, cls) else replaced(filled(given)),
            handler(source),
        )


_PLACES: Final = {each.name: at for at, each in enumerate(fields(Score))}
PUT_TOLD: Final = vars(_Told)["_told"].__set__
"""What sets it: by name a frozen one is set half as fast."""


def score_of(row: Sequence[float], same: Sequence[float | None]) -> Score:
    """The score with these parts, which are read when somebody asks for one: most are not.

    Args:
        row: The first fields of a Score, in their order.
        same: The others, the same for all hits of one question.
    """
    made = float.__new__(Score, row[0])
    PUT_TOLD(made, (row, same))
    return made
