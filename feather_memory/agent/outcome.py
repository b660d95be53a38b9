"""What became of a fact or a correction that a model wrote, as the model is told it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from feather_memory.agent.source import Opened
from feather_memory.model.manner import ECHO
from feather_memory.model.memory import EdgeType, Memory

Became = Literal["saved", "known", "suggested"]
"""It is current; it only says again what is held; or it contradicts what it may not replace."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of something that was to be remembered."""

    became: Became
    said: str
    """The same as a sentence, without its full stop."""


def what_became(opened: Opened, memory: Memory) -> str:
    """A sentence: it is current, it says again what is held, or it is a suggestion.

    Args:
        opened: Where it was written.
        memory: As the write returned it.
    """
    return outcome_of(opened, memory).said


def outcome_of(opened: Opened, memory: Memory) -> Outcome:
    """Likewise, as a word, too."""
    stores = opened.stores.values()
    edges = [e for s in stores if s.get_many([memory.id]) for e in s.edges(memory.id)]
    mine = [edge for edge in edges if edge.source == memory.id]
    contested = [edge.target for edge in mine if edge.type == EdgeType.CONTRADICTS]
    if memory.echo_of is not None or memory.manner == ECHO:
        repeats = [edge.target for edge in mine if edge.type == EdgeType.DERIVED_FROM]
        again = memory.echo_of or ", ".join(repeats)
        return Outcome("known", f"Nothing new: it only says again what memory {again} says or said")
    if contested:
        return Outcome(
            "suggested",
            f"Kept as the suggestion {memory.id}: it contradicts {', '.join(contested)}, which "
            "stays current until the user says otherwise",
        )
    replaced = f"; it replaces {', '.join(memory.supersedes)}" if memory.supersedes else ""
    return Outcome("saved", f"Saved as {memory.id}{replaced}")
