"""What holds at a moment, whatever is asked: page by page, and of some memories which."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from feather_memory.model.memory import Memory
from feather_memory.search.question import Question
from feather_memory.search.searcher import Searcher
from feather_memory.types import Mask, Positions, Seconds


def page(
    searcher: Searcher, question: Question, k: int, offset: int, *, is_past: bool
) -> tuple[int, list[Memory]]:
    """How many there are, and k of them after the first `offset`: what holds since last, first.

    Args:
        searcher: Of the moment.
        question: Its `as_of`, `known_at` and filter are what counts.
        k: How many.
        offset: How many to pass over.
        is_past: Instead, what was known by then and does not hold.
    """
    holding = searcher.eligible(question)
    mask = _known(searcher, question) & ~holding if is_past else holding
    at = np.flatnonzero(mask)
    since = searcher.view.columns["valid_from"][at]
    order = at[np.argsort(since, kind="stable")[::-1]]
    return len(at), searcher.memories_at(order[offset : offset + k].tolist())


def holding(searcher: Searcher, question: Question, ids: Iterable[str]) -> set[str]:
    """Those of the memories that hold; what does not exist does not."""
    rows = searcher.transaction.memories.rows_of(list(ids))
    positions: Positions = searcher.view.positions(list(rows.values()))
    holds = searcher.eligible(question)[positions].tolist()
    return {id_ for id_, is_held in zip(rows, holds, strict=True) if is_held}


def span(searcher: Searcher) -> tuple[Seconds, Seconds] | None:
    """From when on something is held to be true, and the last moment recorded; None for nothing."""
    view = searcher.view
    since = view.columns["valid_from"][view.until > -np.inf]
    return (float(since.min()), view.state.latest) if len(since) else None


def _known(searcher: Searcher, question: Question) -> Mask:
    view = searcher.view
    known = view.until > -np.inf  # −inf: it is gone
    if question.known_at is not None:
        known &= view.columns["created_at"] <= question.known_at
    return known
