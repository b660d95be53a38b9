"""What is held at a moment, whatever is asked: slots, whole texts, and what is said."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from feather_memory.model.fields import Record
from feather_memory.model.manner import QUESTION
from feather_memory.model.memory import Memory
from feather_memory.model.words import likeness
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


class Sayings:
    """What some memories say, and who says it. What nobody is named for is said by anybody.

    A question does not say what a statement of the same words says.
    """

    def __init__(self, memories: Iterable[Memory | Record] = ()) -> None:
        self._by: dict[tuple[int, bool], set[str | None]] = {}
        for memory in memories:
            self.add(memory)

    def __contains__(self, memory: Memory | Record) -> bool:
        by = self._by.get(_said(memory), set())
        return bool(by) and (memory.actor is None or not by.isdisjoint({memory.actor, None}))

    def add(self, memory: Memory | Record) -> None:
        """Have what it says be said, too."""
        self._by.setdefault(_said(memory), set()).add(memory.actor)


def _said(memory: Memory | Record) -> tuple[int, bool]:
    return likeness(memory.text), memory.manner == QUESTION


def says_any(searcher: Searcher, question: Question, others: Collection[Memory]) -> bool:
    """Whether a memory that may be returned says what one of some others says."""
    memories = searcher.transaction.memories
    rows = {row for other in others for row in memories.rows_holding(other.text)}
    kept = _let_through(searcher, question, sorted(rows)) if rows else []
    held = Sayings(memories.by_rows(kept))
    return any(other in held for other in others)


def _let_through(searcher: Searcher, question: Question, rows: list[int]) -> list[int]:
    at = searcher.view.positions(sorted(rows))
    return [int(row) for row in searcher.view.rows[at[searcher.eligible(question)[at]]]]
