"""What of the answers to a question fits before a model, in the order of time; or why none does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from feather_memory.checks import whole
from feather_memory.model.hits import Hit, Hits
from feather_memory.model.words import approximate_tokens

_MOST_PACKED: Final = 100
_BESIDE: Final = 8
"""Tokens of what is told of a memory beside its text: when it was, and who said it."""


def bounds(k: int | None, budget_tokens: int | None) -> tuple[int, int | None]:
    """How many memories a recall of these arguments finds at most, and how many tokens they have.

    Raises:
        ParameterError: Either is below 1.
    """
    usual = 5 if budget_tokens is None else _MOST_PACKED
    count = usual if k is None else whole(k, "k", 1)
    return count, None if budget_tokens is None else whole(budget_tokens, "budget_tokens", 1)


def packed(hits: Hits, budget_tokens: int) -> Hits:
    """The best that fit the budget, each whole, in the order of time.

    Args:
        hits: Best first. One that is too long makes room for the next.
        budget_tokens: For all of them.
    """
    left, kept = budget_tokens, Hits()
    kept.period, kept.dated_by = hits.period, hits.dated_by
    for hit in hits:
        cost = estimated_tokens(hit)
        if cost <= left:
            left -= cost
            kept.append(hit)
    kept.sort(key=lambda hit: (hit.memory.valid_from, hit.memory.created_at, hit.memory.id))
    return kept


def why_nothing(
    found: Hits, budget_tokens: int | None, min_relevance: float, anything: Callable[[], Hits]
) -> str:
    """Why a recall returns nothing, in words.

    Args:
        found: What there was before it had to fit.
        budget_tokens: None where it had not.
        min_relevance: What was wanted.
        anything: Searches for any one memory, however relevant.
    """
    if found:
        return f"nothing that was found fits {budget_tokens} tokens"
    if min_relevance > 0 and anything():
        return f"nothing is as relevant as {min_relevance:g}"
    return "there is nothing that may be returned"


def estimated_tokens(hit: Hit) -> int:
    """Those of the text, and eight for what is told beside it."""
    return approximate_tokens(hit.memory.text) + _BESIDE
