"""What says the same as a memory because it is derived of the same, and falls with it.

A fact and the turn it was taken from, a summary of either, a summary of that: `derived_from` edges
join them, read either way. What falls takes along those of them that say its value again; what
brings it back brings them back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from feather_memory.model.fields import Record
from feather_memory.model.memory import EdgeType
from feather_memory.model.restating import Change, Told, content
from feather_memory.model.words import tokenizer
from feather_memory.truth.contract import WriteTransaction
from feather_memory.types import Seconds

FARTHEST: Final = 8
"""Edges from what fell to what may fall with it."""


def withhold(
    transaction: WriteTransaction,
    fallen: Record,
    by: Record,
    *,
    holds_from: Seconds,
    recorded_at: Seconds,
) -> None:
    """Withhold what is derived of the same as a memory that was replaced, and says its value.

    Args:
        transaction: In which it was replaced.
        fallen: What was replaced.
        by: What replaced it.
        holds_from: Since when.
        recorded_at: When that was recorded.
    """
    related = {each.id: each for each in _related(transaction, fallen.id)}
    if not related:
        return
    speaks = tokenizer(transaction.state.language)
    change = Change.between(content(fallen.text, speaks), content(by.text, speaks))
    if change is None:
        return
    told = {id_: Told.of(each.text, speaks) for id_, each in related.items()}
    core = change.core_in(told[id_] for id_ in _sources(transaction, fallen.id))
    versions = {by.id, *transaction.edges.chain(fallen.id)}
    for id_, each in related.items():
        if id_ not in versions and change.falls_with(told[id_], core):
            keep_back(transaction, each, holds_from=holds_from, recorded_at=recorded_at)


def catch_up(transaction: WriteTransaction, fallen: Record) -> None:
    """Withhold what has been linked to a memory since it was replaced, as if it had been then."""
    if not transaction.edges.is_superseded(fallen.id):
        return
    replaced_by = [
        edge.source
        for edge in transaction.edges.touching([fallen.id])
        if edge.type == EdgeType.SUPERSEDES and edge.target == fallen.id
    ]
    for new in transaction.memories.by_ids(replaced_by).values():
        for recorded_at, holds_from in transaction.edges.closings(fallen.id):
            if holds_from == new.valid_from:
                told = {"holds_from": holds_from, "recorded_at": recorded_at}
                withhold(transaction, fallen, new, **told)


def keep_back(
    transaction: WriteTransaction, record: Record, *, holds_from: Seconds, recorded_at: Seconds
) -> None:
    """Withhold one memory from a moment on, or from when it holds; again is no change."""
    start = max(holds_from, record.valid_from)
    if (recorded_at, start) not in transaction.edges.closings(record.id):
        transaction.edges.withhold(record.id, holds_from=start, recorded_at=recorded_at)


def release(
    transaction: WriteTransaction, restored: Record, undone: Iterable[tuple[Seconds, Seconds]]
) -> None:
    """Bring back what fell with a memory.

    Args:
        transaction: In which the memory was brought back.
        restored: What holds again.
        undone: (recorded_at, holds_from) of the supersessions of it that are no more.
    """
    closings = list(undone)
    for each in _related(transaction, restored.id):
        for recorded_at, holds_from in closings:
            transaction.edges.release(each.id, holds_from=holds_from, recorded_at=recorded_at)


def _sources(transaction: WriteTransaction, memory_id: str) -> list[str]:
    """Ids of what a memory was derived of."""
    return [
        edge.target
        for edge in transaction.edges.touching([memory_id])
        if edge.type == EdgeType.DERIVED_FROM and edge.source == memory_id
    ]


def _related(transaction: WriteTransaction, memory_id: str) -> Iterator[Record]:
    """All that `derived_from` edges join to a memory, through a few steps."""
    seen, edge = {memory_id}, {memory_id}
    for _ in range(FARTHEST):
        ends = {
            end
            for link in transaction.edges.touching(edge)
            if link.type == EdgeType.DERIVED_FROM
            for end in (link.source, link.target)
        }
        if not (edge := ends - seen):
            return
        seen |= edge
        yield from transaction.memories.by_ids(edge).values()
