"""What of the answers to a question fits before a model, in the order of time."""

from __future__ import annotations

from typing import Final

from feather_memory.model.hits import Hit, Hits

_BESIDE: Final = 8
"""Tokens of what is told of a memory beside its text: when it was, and who said it."""


def packed(hits: Hits, budget_tokens: int) -> Hits:
    """The best that fit the budget, each whole, in the order of time.

    Args:
        hits: Best first. One that is too long makes room for the next.
        budget_tokens: For all of them.
    """
    left, kept = budget_tokens, Hits()
    for hit in hits:
        cost = estimated_tokens(hit)
        if cost <= left:
            left -= cost
            kept.append(hit)
    kept.sort(key=lambda hit: (hit.memory.valid_from, hit.memory.created_at, hit.memory.id))
    return kept


def estimated_tokens(hit: Hit) -> int:
    """A token for every four characters begun, and eight for what is told beside the text."""
    return -(-len(hit.memory.text) // 4) + _BESIDE
