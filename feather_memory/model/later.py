"""What was said later on what is asked: an older memory that is shown may no longer hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from feather_memory.model.hits import Hit
from feather_memory.model.manner import TELLING
from feather_memory.model.memory import Memory
from feather_memory.model.origin import ASSISTANT, DOCUMENT, TOOL, outranks

FITTING: Final = 0.25
"""From which absolute relevance on something fits a question, where an adapter says nothing else.

On LoCoMo 99 % of the evidence stays, with an embedder or without, and of the questions that belong
to another conversation 46 % (38 % by words alone) are told nothing. After ninety simulated days,
which are about few things, what nobody has said is told something all the same.
"""


def followed(
    hits: Sequence[Hit], least: float = FITTING, *, of: Iterable[Hit] | None = None
) -> dict[str, list[Memory]]:
    """Of what was found, the memories that may have taken each one's place, by its id.

    Those are what fits the question, holds since later, is said by a person whose word counts as
    much, and is not the value of another key. What the store knows to be replaced is not among the
    hits, so this says only what might be. Of documents nothing is said: they are true side by side.

    Args:
        hits: Best first, as are those of each.
        least: The absolute relevance from which one fits the question.
        of: Only of these; of all unless given.
    """
    fit = [hit.memory for hit in hits if hit.score.absolute >= least and _is_told(hit.memory)]
    shown = [hit.memory for hit in (hits if of is None else of) if _is_told(hit.memory)]
    later = {old.id: [new for new in fit if _may_follow(new, old)] for old in shown}
    return {id_: news for id_, news in later.items() if news}


def _is_told(memory: Memory) -> bool:
    return memory.manner in TELLING and memory.origin not in {ASSISTANT, TOOL, DOCUMENT}


def _may_follow(new: Memory, old: Memory) -> bool:
    if new.valid_from <= old.valid_from or outranks(old.origin, new.origin):
        return False
    if old.key is not None:  # which chatter does not change
        return False
    return None in {old.actor, new.actor} or old.actor == new.actor
