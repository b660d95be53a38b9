"""What is held at a moment, whatever is asked: slots, and whole texts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from feather_memory.search.question import Question
from feather_memory.search.searcher import Searcher


def held_keys(searcher: Searcher, question: Question, keys: Collection[str]) -> set[str]:
    """Those of the slots that a memory holds at the question's moment, whatever its filter."""
    if not keys:
        return set()
    holders = searcher.transaction.memories.rows_of_keys(keys)
    kept = _let_through(searcher, replace(question, where=None), list(holders))
    return {holders[row] for row in kept}


def held_texts(searcher: Searcher, question: Question, texts: Collection[str]) -> set[str]:
    """Those of the texts that a memory has which may be returned."""
    memories = searcher.transaction.memories
    rows = {row for text in texts for row in memories.rows_holding(text)}
    kept = _let_through(searcher, question, sorted(rows)) if rows else []
    return {record.text for record in memories.by_rows(kept)} & set(texts)


def _let_through(searcher: Searcher, question: Question, rows: list[int]) -> list[int]:
    at = searcher.view.positions(sorted(rows))
    return [int(row) for row in searcher.view.rows[at[searcher.eligible(question)[at]]]]
