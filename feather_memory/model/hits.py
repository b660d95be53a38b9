"""The nouns of what a Store answers with. All are values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from feather_memory.model.memory import Edge, Memory
from feather_memory.model.scoring import Score
from feather_memory.types import Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One answer: the memory, its score, its layer, and the hop it was reached by."""

    memory: Memory
    score: Score
    layer: str | None = None
    hop: int = 0
    """0 for a memory found by the query itself."""
    copies: int = 1
    """How many that may be returned say the same, equal but for case and punctuation."""


_put_memory, _put_score, _put_layer, _put_hop, _put_copies = (
    vars(Hit)[name].__set__ for name in ("memory", "score", "layer", "hop", "copies")
)


def hits_of(memories: Iterable[Memory], found: Iterable[tuple[int, Score, int]]) -> Hits:
    """The answers to one query: a search makes ten at a time.

    Args:
        memories: In order.
        found: Of each where it stands, its score, and how many say the same.
    """
    made = Hits()
    for memory, (_, score, copies) in zip(memories, found, strict=True):
        hit = object.__new__(Hit)
        _put_memory(hit, memory)
        _put_score(hit, score)
        _put_layer(hit, None)
        _put_hop(hit, 0)
        _put_copies(hit, copies)
        made.append(hit)
    return made


class Hits(list[Hit]):
    """The answers to one query, best first. A list that draws itself in a notebook."""

    turn: str | None = None
    """Under which turn a recall was logged; None for a search."""
    period: tuple[datetime, datetime] | None = None
    """The time that the question named, from and until before, in UTC: what holds since then has
    the term `period` in its score. None where it named none for sure."""
    dated_by: tuple[str, ...] = ()
    """Ids of the memories that date it, where the question names it by what happened: "before I
    moved"."""
    reason: str | None = None
    """Why a recall found nothing, in words; None where it found something."""
    question: Vector | None = None
    """The vector of what was asked, shape (dim,), of unit length; None where there is none."""
    later: Mapping[str, Sequence[Memory]] = MappingProxyType({})
    """Of a recall: by the id of each memory that others may have taken the place of, those, best
    first. They fit the question, too, hold since later, and are said by a person whose word counts
    as much; where a budget had no room for them, they are not among the hits. What the store knows
    to be replaced is found by no recall. Empty for a search."""

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
    question: Vector | None = field(default=None, repr=False, compare=False)
    """As `Hits.question`."""

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

        return display.graph(*self._drawn(), {h.memory.id: _told(h) for h in self.hits})

    def _drawn(self) -> tuple[list[tuple[str, str, int, float]], list[tuple[str, str, str, float]]]:
        return (
            [(hit.memory.id, hit.memory.text, hit.hop, hit.score.value) for hit in self.hits],
            [(edge.source, edge.target, edge.type, edge.weight) for edge in self.edges],
        )


def _told(hit: Hit) -> str:
    """What is told of a hit besides its text and score, where somebody clicks it."""
    memory = hit.memory
    said = {name: getattr(memory, name) for name in ("actor", "role", "session", "key")}
    known = (f"{name} {value}" for name, value in {**said, "layer": hit.layer}.items() if value)
    return ", ".join([f"since {memory.valid_from:%Y-%m-%d}", *known])


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Why a memory is where it is in an answer: the first gate that kept it out, or its rank."""

    memory_id: str
    gate: str | None
    """None if it may be returned; else `unknown`, `not_yet_recorded`, `not_yet_valid`,
    `superseded`, `ended`, `expired`, `filtered`, `irrelevant` or `repeated`."""
    reason: str
    """A sentence for people."""
    rank: int | None = None
    """Place in the ranking of all that may be returned, from 1."""
    score: Score | None = None
    margin: float | None = None
    """Its score less that of the k-th best: at most 0 for a memory that just missed."""
    is_returned: bool = False
    """Whether the search returns it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a turn of the recall log was shown."""

    turn: str
    """Its first name."""
    names: tuple[str, ...]
    """Its further names, such as its message's id."""
    at: datetime
    """When it was shown something last."""
    memories: tuple[tuple[str, float], ...]
    """Id and score, best first; without those forgotten since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A memory that another one may replace, and why it looks so. Nothing was replaced."""

    memory: Memory
    score: float
    """How much both say of what either does, in [0, 1]; words count as they are rare."""
    reasons: tuple[str, ...]
    """Sentences for people, the weightiest first."""
