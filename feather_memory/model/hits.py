"""The nouns of what a Store answers with. All are values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from feather_memory.model.memory import Edge, Memory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Score(float):
    """The final number, a float like any other, and what it was made of.

    It equals, hashes, sorts, prints and is JSON as its `value`; arithmetic gives plain floats.
    A schema (pydantic, FastAPI) has it as an object of all its fields.

    ``value = ((1 − w)·relevance + w·recency) · ((1 − γ) + γ·importance) · layer_weight``
    for a memory found by its own merit; a memory reached over an edge has `inherited`,
    its parent's score × edge weight × hop decay, instead.
    """

    value: float
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

    def __new__(cls, *, value: float = 0.0, **_parts: float | None) -> Self:
        """The number; the dataclass fills in the parts."""
        return float.__new__(cls, value)

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
        return replace(self, value=self.value * layer_weight, layer_weight=layer_weight)

    def __str__(self) -> str:
        return float.__repr__(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _score_of, (tuple(getattr(self, each.name) for each in fields(self)),)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema  # only where a schema is built

        # Pydantic fills the fields of an empty instance, and a float cannot be filled.
        return core_schema.no_info_wrap_validator_function(
            lambda given, filled: given if isinstance(given, cls) else replace(filled(given)),
            handler(source),
        )


def _score_of(values: tuple[Any, ...]) -> Score:
    """The score whose fields have these values, in their order."""
    return Score(**{each.name: value for each, value in zip(fields(Score), values, strict=True)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One answer: the memory, its score, its layer, and the hop it was reached by."""

    memory: Memory
    score: Score
    layer: str | None = None
    hop: int = 0
    """0 for a memory found by the query itself."""


class Hits(list[Hit]):
    """The answers to one query, best first. A list that draws itself in a notebook."""

    turn: str | None = None
    """Under which turn a recall was logged; None for a search."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema  # only where a schema is built

        return core_schema.no_info_after_validator_function(cls, handler(list[Hit]))

    def _repr_html_(self) -> str:
        from feather_memory import display  # only where something is drawn

        return display.hits(
            (
                hit.score.value,
                hit.memory.text,
                f"{hit.memory.valid_from:%Y-%m-%d}",
                ", ".join(hit.memory.supersedes),
                hit.score.parts,
            )
            for hit in self
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextChain:
    """What a query found and what is linked to it: Hits, best first, and the edges among them."""

    hits: tuple[Hit, ...]
    edges: tuple[Edge, ...]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, rank: int) -> Hit:
        return self.hits[rank]

    def to_networkx(self) -> Any:
        """The chain as a `networkx.MultiDiGraph`: nodes by memory id, edges keyed by their type.

        A node has `text`, `score` and `hop`; an edge has `weight`.

        Raises:
            MissingExtraError: networkx is not installed.
        """
        from feather_memory import display  # only where something is drawn

        return display.to_networkx(*self._drawn())

    def _repr_html_(self) -> str:
        from feather_memory import display  # only where something is drawn

        return display.graph(*self._drawn())

    def _drawn(self) -> tuple[list[tuple[str, str, int, float]], list[tuple[str, str, str, float]]]:
        return (
            [(hit.memory.id, hit.memory.text, hit.hop, hit.score.value) for hit in self.hits],
            [(edge.source, edge.target, edge.type, edge.weight) for edge in self.edges],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Why a memory is where it is in an answer: the first gate that kept it out, or its rank."""

    memory_id: str
    gate: str | None
    """None if it may be returned; else `unknown`, `not_yet_recorded`, `not_yet_valid`,
    `superseded`, `ended`, `expired`, `filtered` or `session`."""
    reason: str
    """A sentence for people."""
    rank: int | None = None
    """Place in the ranking of all that may be returned, from 1."""
    score: Score | None = None
    margin: float | None = None
    """Its score less that of the k-th best: at most 0 for a memory that just missed."""
    is_returned: bool = False
    """Whether the search returns it."""
