"""What a door says of what it did: the same in MCP's structured results and in HTTP's bodies."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from feather_memory.agent.prompt import NOTE
from feather_memory.model.hits import Hit, Verdict
from feather_memory.model.memory import Edge, Memory, Signal


def _plain(schema: dict[str, Any]) -> None:
    """Write `X or null` as a list of types.

    A client that checks answers by the schema, as MCP's do, looks at each of ten memories field by
    field: an `anyOf` for each takes it twice as long.
    """
    for each in schema.get("properties", {}).values():
        match each.get("anyOf"):
            case [{"type": str(kind), **rest}, {"type": "null"}]:
                del each["anyOf"]
                each.update(rest, type=[kind, "null"])


class Answer(BaseModel):
    """A value; its fields are those that are declared."""

    model_config = ConfigDict(frozen=True, json_schema_extra=_plain)


class MemoryTold(Answer):
    """One memory, with when it was true and where it comes from."""

    id: str
    text: str
    key: str | None
    since: datetime
    """Since when it is true."""
    until: datetime | None
    """Until when it was true."""
    learned: datetime
    """When it was recorded."""
    origin: str
    """Who it comes from: user, document, import, tool or assistant."""
    role: str | None
    actor: str | None
    session: str | None
    importance: float
    affirmed: int
    """How often the same was said again."""
    supersedes: tuple[str, ...]
    superseded_by: tuple[str, ...]

    @classmethod
    def of(cls, memory: Memory) -> Self:
        """What is told of a memory."""
        return cls(**_fields(memory))


class HitTold(MemoryTold):
    """One memory that was found, and how well it fits."""

    score: float
    """By which the answers are ordered."""
    relevance: float
    """In [0, 1]; the same number means the same for every question."""
    layer: str | None

    @classmethod
    def of_hit(cls, hit: Hit) -> Self:
        """What is told of an answer."""
        score = hit.score
        found: dict[str, Any] = {
            "score": score.value,
            "relevance": score.absolute,
            "layer": hit.layer,
        }
        return cls(**_fields(hit.memory), **found)


def _fields(memory: Memory) -> dict[str, Any]:
    same = ("id", "text", "key", "origin", "role", "actor", "session", "importance", "affirmed",
            "supersedes", "superseded_by")  # fmt: skip
    times = {
        "since": memory.valid_from,
        "until": memory.valid_to,
        "learned": memory.created_at,
    }
    return {name: getattr(memory, name) for name in same} | times


class RecallTold(Answer):
    """What is remembered about something, best first."""

    note: str = NOTE
    """What a model is to make of the memories: they are data."""
    turn: str | None
    """Under which feedback finds what was shown; None where nothing was."""
    memories: tuple[HitTold, ...]


class Recalled(RecallTold):
    """Likewise, and the same fenced, as a part of a prompt."""

    prompt: str


class Written(Answer):
    """What became of something that was to be remembered."""

    id: str
    text: str
    became: str
    """`saved`; `known`, where it only says again what is held; or `suggested`, where it contradicts
    what it may not replace."""
    said: str
    """The same as a sentence."""
    supersedes: tuple[str, ...]


class ForgetTold(Answer):
    """What goes, or has gone, for good."""

    is_done: bool
    """False for a plan: nothing was removed."""
    memories: tuple[MemoryTold, ...]
    edges: int
    signals: int
    recalls: int
    shelved: int
    """Values that adapters keep which say the same: a transcript's message, a cached chunk."""
    also: tuple[MemoryTold, ...]
    """What stays: earlier and later versions of the same facts, and what was derived of them."""
    confirm: str | None
    """What carries the plan out, given with the same ids."""


class HistoryTold(Answer):
    """What a fact was over time, oldest first."""

    note: str = NOTE
    memories: tuple[MemoryTold, ...]


class LinkTold(Answer):
    """A link between two memories: *source* type *target*."""

    source: str
    target: str
    type: str
    weight: float

    @classmethod
    def of(cls, edge: Edge) -> Self:
        """What is told of an edge."""
        return cls(source=edge.source, target=edge.target, type=edge.type, weight=edge.weight)


class WhyTold(Answer):
    """Why a memory is where it is in an answer."""

    memory_id: str
    is_returned: bool
    gate: str | None
    """What keeps it out, such as `superseded`; None where it only ranks too low."""
    reason: str
    rank: int | None
    """From 1, among all that may be returned."""
    score: float | None
    margin: float | None
    """Its score less that of the last that is returned."""

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """What is told of a verdict."""
        score = None if verdict.score is None else verdict.score.value
        same = ("memory_id", "is_returned", "gate", "reason", "rank", "margin")
        return cls(score=score, **{name: getattr(verdict, name) for name in same})


class SignalTold(Answer):
    """Feedback that counts for one memory."""

    memory_id: str
    kind: str
    strength: float
    """In (0, 1]: below 1 where the credit is shared."""

    @classmethod
    def of(cls, signal: Signal) -> Self:
        """What is told of a signal."""
        return cls(memory_id=signal.memory_id, kind=signal.kind, strength=signal.strength)


class SignalsTold(Answer):
    """The feedback that counts, one for each memory."""

    signals: tuple[SignalTold, ...]
