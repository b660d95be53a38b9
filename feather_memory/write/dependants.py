"""What says the same as a memory because it is derived of the same, and falls with it.

A fact and the turn it was taken from, a summary of either, a summary of that: `derived_from` edges
lead up from a memory to what it came from, and down again to what came from any of those; never up
from there, for what else a summary was made of is about something else. What says the very same
words falls as the memory itself does, with no edge between them. What falls takes along those that
say its value again, and nothing that its own successor may not replace; what brings it back brings
them back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import Enum
from typing import Any, Final

from feather_memory.model.bygone import is_bygone
from feather_memory.model.fields import Record
from feather_memory.model.manner import QUESTION
from feather_memory.model.memory import OF_CONVERSATIONS, OF_ONE_MESSAGE, EdgeType
from feather_memory.model.origin import USER, outranks
from feather_memory.model.restating import Change, Subject, Told, content
from feather_memory.model.words import likeness, tokenizer
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
    twins = [
        each
        for each in _twins(transaction, fallen)
        if each.valid_from <= holds_from and likeness(each.text) != likeness(by.text)
    ]
    falls = {each.id: each for each in twins}
    kin = _kin(transaction, {fallen.id, *falls})
    speaks = tokenizer(transaction.state.language)
    change = Change.between(content(fallen.text, speaks), content(by.text, speaks))
    if change is not None and kin:
        told = {id_: Told.of(each.text, speaks) for id_, (each, _) in kin.items()}
        told |= {each.id: Told.of(each.text, speaks) for each in twins}
        core = change.core_in(told[id_] for id_ in _sources(transaction, fallen.id) if id_ in told)
        subject = Subject.of(change, fallen.text, fallen.actor, speaks)

        def has_value(clause: str) -> bool:
            return not change.taken.isdisjoint(content(clause, speaks))

        def is_past(sentence: str) -> bool:
            return is_bygone(sentence, fallen.text, has_value)

        falls |= {
            id_: each
            for id_, (each, how) in kin.items()
            if not _is_anothers(each, fallen, how)
            and change.falls_with(
                told[id_],
                core,
                subject if how is _Kin.BESIDE else None,
                spares=is_past if each.origin == USER else None,
            )
        }
    versions = {by.id, *transaction.edges.chain(fallen.id)}
    for id_, each in falls.items():
        if id_ not in versions and not outranks(each.origin, by.origin):
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
) -> list[Record]:
    """Bring back what fell with a memory.

    Args:
        transaction: In which the memory was brought back.
        restored: What holds again.
        undone: (recorded_at, holds_from) of the supersessions of it that are no more.

    Returns:
        What came back.
    """
    closings = list(undone)
    fell = {restored.id, *(each.id for each in _twins(transaction, restored))}
    fell |= _reached(transaction, fell, upwards=None)  # whichever way they fell
    back = [
        id_
        for id_ in sorted(fell - {restored.id})
        for recorded_at, holds_from in closings
        if transaction.edges.release(id_, holds_from=holds_from, recorded_at=recorded_at)
    ]
    return list(transaction.memories.by_ids(back).values())


class _Kin(Enum):
    ABOVE = "what it was derived of"
    BELOW = "what is derived of it"
    BESIDE = "what is derived of what it was derived of"


def _is_anothers(each: Record, fallen: Record, how: _Kin) -> bool:
    """Whether it is the value of another slot, which nobody has changed."""
    if each.key in {None, fallen.key}:
        return False
    return fallen.key is not None or how is not _Kin.BELOW


def _twins(transaction: WriteTransaction, fallen: Record) -> list[Record]:
    """What says the very same, of no other slot or person, as far as that is known."""
    found = transaction.memories.alike([fallen])
    return [
        each
        for same in found.values()
        for each in same
        if each.id != fallen.id
        and (each.manner == QUESTION) == (fallen.manner == QUESTION)
        and each.key in {None, fallen.key}
        and (None in {each.actor, fallen.actor} or each.actor == fallen.actor)
        and _are_about_the_same(each, fallen)
    ]


def _are_about_the_same(one: Record, other: Record) -> bool:
    """Whether their metadata are equal, but for what they say of a message and its conversation.

    Of both, where either is a turn: what was made of one has its metadata, and need be none.
    """
    besides = OF_ONE_MESSAGE
    if any(each.role is not None and each.session is not None for each in (one, other)):
        besides = OF_ONE_MESSAGE | OF_CONVERSATIONS
    told: list[dict[str, Any]] = [json.loads(each.metadata) for each in (one, other)]
    about, about_other = (
        {name: value for name, value in each.items() if name not in besides} for each in told
    )
    return about == about_other


def _sources(transaction: WriteTransaction, memory_id: str) -> list[str]:
    """Ids of what a memory was derived of."""
    return [
        edge.target
        for edge in transaction.edges.touching([memory_id])
        if edge.type == EdgeType.DERIVED_FROM and edge.source == memory_id
    ]


def _kin(transaction: WriteTransaction, own: set[str]) -> dict[str, tuple[Record, _Kin]]:
    """What came of the same as some memories: what they came from, and what came of any of it."""
    above = _reached(transaction, own, upwards=True)
    below = _reached(transaction, own, upwards=False)
    beside = _reached(transaction, above, upwards=False) if above else set[str]()
    how = dict.fromkeys(beside, _Kin.BESIDE) | dict.fromkeys(above, _Kin.ABOVE)
    how |= dict.fromkeys(below, _Kin.BELOW)
    found = transaction.memories.by_ids(how.keys() - own)
    return {id_: (each, how[id_]) for id_, each in found.items()}


def _reached(transaction: WriteTransaction, start: set[str], *, upwards: bool | None) -> set[str]:
    """Ids of what `derived_from` edges lead to through a few steps, where they are read this way.

    Args:
        transaction: In which they are.
        start: Ids of where they begin, which are not among those reached.
        upwards: Whether to what it was derived of; None for either way.
    """
    seen = edge = start
    for _ in range(FARTHEST):
        ends: set[str] = set()
        for link in transaction.edges.touching(edge):
            if link.type == EdgeType.DERIVED_FROM:
                if upwards is not False and link.source in edge:
                    ends.add(link.target)
                if upwards is not True and link.target in edge:
                    ends.add(link.source)
        if not (edge := ends - seen):
            break
        seen = seen | edge
    return seen - start
