"""What goes when memories are forgotten: they, and what else says what they say.

By ties, one rule for whatever keeps a text twice: a transcript's message, a cached chunk, a
document, the vectors of an item. What is tied to a memory goes with it, and what is tied to that.
What is `derived_from` a memory is somebody's own sentence: it is told of, and goes if asked.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feather_memory.checks import exact_json
from feather_memory.errors import UnknownMemoryError
from feather_memory.filters.language import Filter
from feather_memory.model.fields import Record, filtered_of
from feather_memory.model.memory import EdgeType, Forgotten
from feather_memory.model.records import TieRecord
from feather_memory.model.spoken import Anew
from feather_memory.truth.contract import ReadTransaction, WriteTransaction
from feather_memory.write import turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """What is to go."""

    records: Sequence[Record]
    ties: Sequence[TieRecord]
    """Of the values on shelves."""
    told: Forgotten
    """The same as the caller is told, as if it had gone."""


def doomed(
    moment: ReadTransaction,
    ids: Sequence[str] | None,
    where: Filter | None,
    *,
    with_derived: bool = False,
) -> Doomed:
    """What `forget` means by these ids and this filter, and what goes with it.

    Args:
        moment: To be read.
        ids: Of the memories.
        where: Which of them, or of all if no ids are given.
        with_derived: Whether what is derived of them goes, too.

    Raises:
        UnknownMemoryError: An id that does not exist.
    """
    found = {record.id: record for record in _asked(moment, ids, where)}
    new, ties = found.keys() - (), list[TieRecord]()
    while new:
        tied = moment.shelves.tied(new)
        ties += (each for each in tied if each.shelf is not None)
        others = {each.key for each in tied if each.shelf is None}
        if with_derived:
            others |= _derived(moment, new)
        fresh = moment.memories.by_ids(others - found.keys())
        found |= fresh
        new = fresh.keys() - ()
    names = tuple(found)
    signals, recalls = moment.engagement.count(names)
    told = Forgotten(
        ids=names,
        edges=moment.edges.count(names),
        signals=signals,
        recalls=recalls,
        is_dry_run=False,
        derived=tuple(sorted(_all_derived(moment, found.keys()))),
        shelved=tuple(dict.fromkeys((each.shelf or "", each.key) for each in ties)),
    )
    return Doomed(records=list(found.values()), ties=ties, told=told)


def forget(transaction: WriteTransaction, going: Doomed, remade: Mapping[int, Anew]) -> Forgotten:
    """Remove what is doomed, from the vectors of others, too; what went.

    Args:
        transaction: To write in.
        going: What is to be removed, as this transaction sees it.
        remade: Vectors made without it, by the row of their memory.
    """
    texts = {record.id: record.text for record in going.records}
    for shelf in dict.fromkeys(each.shelf for each in going.ties if each.shelf is not None):
        _forget_on(transaction, shelf, [t for t in going.ties if t.shelf == shelf], texts)
    remove(transaction, going.records, remade)
    return going.told


def remove(
    transaction: WriteTransaction, records: Sequence[Record], remade: Mapping[int, Anew]
) -> None:
    """Remove memories and what hangs on them, but nothing that is tied to them.

    Args:
        transaction: To write in.
        records: What is to be removed.
        remade: Vectors made without it, by the row of their memory.
    """
    transaction.memories.delete(records)
    turns.let_go(transaction, records, remade)


def planned(going: Doomed) -> Forgotten:
    """What would go."""
    return dataclasses.replace(going.told, is_dry_run=True)


def _asked(
    moment: ReadTransaction, ids: Sequence[str] | None, where: Filter | None
) -> Sequence[Record]:
    if ids is None:
        return [] if where is None else list(moment.memories.stream(where))
    found = moment.memories.by_ids(ids)
    for id_ in ids:
        if id_ not in found:
            raise UnknownMemoryError(id_)
    return [r for r in found.values() if where is None or where.matches(filtered_of(r))]


def _derived(moment: ReadTransaction, ids: Collection[str]) -> set[str]:
    """Ids of what is derived of these memories, in one step."""
    return {
        edge.source
        for edge in moment.edges.touching(ids)
        if edge.type == EdgeType.DERIVED_FROM and edge.target in ids
    }


def _all_derived(moment: ReadTransaction, ids: Collection[str]) -> set[str]:
    """Likewise through any number of steps, what is derived of itself not among it."""
    found, new = set[str](), set(ids)
    while new := _derived(moment, new) - found:
        found |= new
    return found


def _forget_on(
    transaction: WriteTransaction,
    shelf: str,
    ties: Sequence[TieRecord],
    texts: Mapping[str, str],
) -> None:
    """Have a shelf lose what is tied to memories that go: values, or words in them.

    A value in which the words are not found says them in another way, or says others: it goes.
    """
    gone = {tie.key for tie in ties if tie.is_whole}
    left: dict[str, Any] = {}
    for tie in ties:
        if tie.key in gone:
            continue
        if tie.key not in left:
            held = transaction.shelves.find(shelf, tie.key)
            if held is None:
                continue
            left[tie.key] = json.loads(held)
        cut = _without(left[tie.key], texts[tie.memory_id])
        if cut == left[tie.key]:
            gone.add(tie.key)
        left[tie.key] = cut
    kept = {key: value for key, value in left.items() if key not in gone}
    transaction.shelves.put(shelf, [(key, exact_json(value, key)) for key, value in kept.items()])
    transaction.shelves.discard(shelf, gone)


def _without(value: Any, said: str) -> Any:
    """A value of JSON without what a memory says, wherever it stands in a text."""
    if isinstance(value, str):
        return value.replace(said, "")
    if isinstance(value, dict):
        return {name: _without(each, said) for name, each in value.items()}
    return [_without(each, said) for each in value] if isinstance(value, list) else value
