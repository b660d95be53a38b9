"""What became of a fact or a correction that a model wrote, as the model is told it."""

from __future__ import annotations

from feather_memory.agent.source import Opened
from feather_memory.model.manner import ECHO
from feather_memory.model.memory import EdgeType, Memory


def what_became(opened: Opened, memory: Memory) -> str:
    """A sentence: it is current, it says again what is held, or it is a suggestion.

    Args:
        opened: Where it was written.
        memory: As the write returned it.
    """
    stores = opened.stores.values()
    edges = [e for s in stores if s.get_many([memory.id]) for e in s.edges(memory.id)]
    mine = [edge for edge in edges if edge.source == memory.id]
    contested = [edge.target for edge in mine if edge.type == EdgeType.CONTRADICTS]
    if memory.echo_of is not None or memory.manner == ECHO:
        repeats = [edge.target for edge in mine if edge.type == EdgeType.DERIVED_FROM]
        again = memory.echo_of or ", ".join(repeats)
        return f"Nothing new: it only says again what memory {again} says or said"
    if contested:
        return (
            f"Kept as the suggestion {memory.id}: it contradicts {', '.join(contested)}, which "
            "stays current until the user says otherwise"
        )
    replaced = f"; it replaces {', '.join(memory.supersedes)}" if memory.supersedes else ""
    return f"Saved as {memory.id}{replaced}"
