"""What was said later on what is asked: an older memory that is shown may no longer hold."""

from __future__ import annotations

from collections.abc import Sequence

from feather_memory.model.hits import Hit
from feather_memory.model.manner import TELLING
from feather_memory.model.memory import Memory
from feather_memory.model.origin import ASSISTANT, DOCUMENT, TOOL, outranks


def followed(hits: Sequence[Hit], least: float) -> dict[str, list[Memory]]:
    """Of what was found, the memories that may have taken each one's place, by its id.

    Those are what fits the question, holds since later, is said by a person whose word counts as
    much, and is not the value of another key. What the store knows to be replaced is not among the
    hits, so this says only what might be. Of documents nothing is said: they are true side by side.

    Args:
        hits: Best first, as are those of each.
        least: The absolute relevance from which one fits the question.
    """
    said = [hit.memory for hit in hits if _is_told(hit.memory)]
    fit = {hit.memory.id for hit in hits if hit.score.absolute >= least}
    later = {
        old.id: [new for new in said if new.id in fit and _may_follow(new, old)] for old in said
    }
    return {id_: news for id_, news in later.items() if news}


def _is_told(memory: Memory) -> bool:
    return memory.manner in TELLING and memory.origin not in {ASSISTANT, TOOL, DOCUMENT}


def _may_follow(new: Memory, old: Memory) -> bool:
    if new.valid_from <= old.valid_from or outranks(old.origin, new.origin):
        return False
    if old.key is not None:  # which chatter does not change
        return False
    return None in {old.actor, new.actor} or old.actor == new.actor
