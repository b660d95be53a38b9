"""What the page is told: memories, receipts, walks and turns, each as a value."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Self

from feather_memory.config import WINDOW_GIST
from feather_memory.doors.answers import Answer, MemoryTold
from feather_memory.model.hits import Hit
from feather_memory.model.memory import Memory, Signal


class MemorySeen(MemoryTold):
    """A memory, and whether it holds at the moment that is looked at."""

    holds: bool
    manner: str
    recalls: int
    """In how many turns it was shown to a model."""
    affirmed_at: datetime | None
    expires: datetime | None
    metadata: Mapping[str, Any]
    """Empty where memories are listed."""

    @classmethod
    def at(cls, memory: Memory, holding: Collection[str], *, is_whole: bool = False) -> Self:
        """What is seen of a memory where those with these ids hold.

        Args:
            memory: The memory.
            holding: Ids.
            is_whole: Tell all of a long text, and the metadata; else how it begins.
        """
        said = MemoryTold.of(memory).model_dump()
        if not is_whole and len(memory.text) > WINDOW_GIST:
            said["text"] = f"{memory.text[:WINDOW_GIST]}…"
        return cls(
            **said,
            holds=memory.id in holding,
            manner=memory.manner,
            recalls=memory.recalls,
            affirmed_at=memory.affirmed_at,
            expires=memory.expires_at,
            metadata=memory.metadata if is_whole else {},
        )


class HitSeen(Answer):
    """An answer with its receipt."""

    memory: MemorySeen
    score: float
    parts: Mapping[str, float]
    """What each adds to the score; they sum to it."""
    relevance: float
    """In [0, 1]; the same number means the same for every question."""
    similarity: float
    """The cosine, in [0, 1]."""
    words: float
    """Share of the weight of the question's words, in [0, 1]."""
    copies: int

    @classmethod
    def of(cls, hit: Hit) -> Self:
        """What is seen of a hit; what is found holds."""
        score = hit.score
        return cls(
            memory=MemorySeen.at(hit.memory, {hit.memory.id}),
            score=score.value,
            parts=score.parts,
            relevance=score.absolute,
            similarity=score.cosine,
            words=score.share,
            copies=hit.copies,
        )


class FoundSeen(Answer):
    """The answers to a question, best first."""

    hits: tuple[HitSeen, ...]
    period: tuple[datetime, datetime] | None
    """The time that the question names, if it names one."""


class PageSeen(Answer):
    """A page of the memories, and how many there are."""

    total: int
    memories: tuple[MemorySeen, ...]


class PlaceSeen(Answer):
    """What the window shows."""

    place: str
    tenants: tuple[str, ...]


class SpanSeen(Answer):
    """From when to when there is anything to look at; None where nothing is remembered."""

    first: datetime | None
    """Since when anything is held to be true."""
    last: datetime | None
    """The last moment recorded."""


class LinkSeen(Answer):
    """A link of a memory to another."""

    type: str
    is_outgoing: bool
    weight: float
    other: MemorySeen


class SignalSeen(Answer):
    """What somebody did with a memory."""

    kind: str
    at: datetime
    strength: float
    turn: str | None
    is_taken_back: bool

    @classmethod
    def of(cls, signal: Signal) -> Self:
        """What is seen of a signal."""
        return cls(
            kind=signal.kind,
            at=signal.at,
            strength=signal.strength,
            turn=signal.turn,
            is_taken_back=signal.retracted,
        )


class UseSeen(Answer):
    """A turn in which a memory was shown to a model."""

    turn: str
    at: datetime
    score: float


class OneSeen(Answer):
    """All there is about one memory."""

    memory: MemorySeen
    reason: str | None
    """Why it does not hold, as a gate; None where it does."""
    history: tuple[MemorySeen, ...]
    links: tuple[LinkSeen, ...]
    signals: tuple[SignalSeen, ...]
    importances: tuple[tuple[datetime, float], ...]
    """What its importance was, since when."""
    uses: tuple[UseSeen, ...]
    """The last of them."""


class NodeSeen(Answer):
    """A memory in a walk."""

    memory: MemorySeen
    hop: int
    unseen: int
    """How many further links it has that are not drawn."""


class EdgeSeen(Answer):
    """A link in a walk: *source* type *target*."""

    source: str
    target: str
    type: str
    weight: float


class WalkSeen(Answer):
    """A memory and what is linked to it. Empty where nothing is linked."""

    centre: str | None
    nodes: tuple[NodeSeen, ...]
    edges: tuple[EdgeSeen, ...]


class TurnSeen(Answer):
    """What a turn was shown."""

    turn: str
    names: tuple[str, ...]
    at: datetime
    memories: tuple[MemorySeen, ...]
    scores: tuple[float, ...]


class TurnsSeen(Answer):
    """A page of the recall log, latest first."""

    total: int
    turns: tuple[TurnSeen, ...]


class ChangeSeen(Answer):
    """What was changed."""

    memory: MemorySeen
    said: str
    """What became of it: `saved`, `known`, `affirmed` or `weighed`."""
    change: str | None
    """By which it can be undone; None where it cannot."""
