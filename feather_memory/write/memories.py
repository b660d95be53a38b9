"""What a write does inside its transaction: memories, slots and supersessions together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from feather_memory.errors import (
    DimensionError,
    FeatherError,
    ParameterError,
    SupersedeCycleError,
    UnknownMemoryError,
)
from feather_memory.filters.language import Filter
from feather_memory.model.fields import Record, filtered_of
from feather_memory.model.importance import fold
from feather_memory.model.memory import Edge, EdgeType, Forgotten
from feather_memory.model.spoken import Anew, Spoken
from feather_memory.model.words import likeness
from feather_memory.truth.contract import ReadTransaction, WriteTransaction
from feather_memory.types import Seconds
from feather_memory.write import turns
from feather_memory.write.draft import Draft


def put_many(transaction: WriteTransaction, drafts: Sequence[Draft], now: Seconds) -> list[Record]:
    """Write every draft, in order; records as they stand afterwards.

    New memories without a slot go in together, which is what makes a batch fast.
    """
    _see_that_they_fit(transaction, drafts)
    ids = [draft.id for draft in drafts if draft.id is not None]
    known = set(transaction.memories.rows_of(ids)) if ids else set()
    written: list[Record] = []
    fresh: list[Record] = []
    asked: dict[str, Draft] = {}
    for draft in drafts:
        is_alone = draft.id in known or draft.fields.get("key") is not None
        if is_alone:
            _insert(transaction, fresh, asked)
            fresh = []
        try:
            record = put(transaction, draft, now) if is_alone else draft.record(now)
        except FeatherError as error:
            error.about(draft.name)
            raise
        written.append(record)
        if not is_alone:
            fresh.append(record)
            asked[record.id] = draft
        if draft.id is not None:
            known.add(draft.id)
    _insert(transaction, fresh, asked)
    if len(fresh) < len(drafts):  # a later draft may have ended what an earlier one wrote
        found = transaction.memories.by_ids([record.id for record in written])
        return [found[record.id] for record in written]
    return written


def _see_that_they_fit(transaction: WriteTransaction, drafts: Sequence[Draft]) -> None:
    """See that vectors are by the model that made the store's, or by the first that is named."""
    for model in {draft.model for draft in drafts if draft.model is not None}:
        transaction.memories.made_by(model)


def _insert(
    transaction: WriteTransaction, fresh: Sequence[Record], asked: Mapping[str, Draft]
) -> None:
    """Insert the records; one whose vector is of another length than the store's is named."""
    try:
        transaction.memories.insert(fresh)
    except DimensionError as error:
        lengths = {each.id: len(each.vector or b"") // 4 for each in fresh}
        error.about(next(asked[id_].name for id_, length in lengths.items() if length == error.got))
        raise


def put(
    transaction: WriteTransaction,
    draft: Draft,
    now: Seconds,
    *,
    replacing: str | None = None,
    may_affirm: bool = True,
) -> Record:
    """Write one draft: a new memory, or the new content of the one with its id.

    What it is said to replace it replaces first, whenever that became true; then its slot
    is settled. What says again what the slot holds is no new memory: it affirms that one.
    """
    old = None if draft.id is None else transaction.memories.find(draft.id)
    if old is None:
        _see_that_they_fit(transaction, [draft])
        now = draft.recorded(now)
        record = draft.record(now)
        replaced = _replaced(transaction, record, replacing)
        if replaced is not None and may_affirm and _is_held(transaction, replaced, draft):
            at = max(now, replaced.created_at, replaced.affirmed_at or now)
            transaction.memories.affirm(replaced.id, draft.fields.get("actor"), at)
            return transaction.memories.by_ids([replaced.id])[replaced.id]
        if replaced is not None and draft.fields.get("prior") is None:
            record.prior = record.importance = replaced.importance  # what was earned is inherited
        transaction.memories.insert([record])
        if replacing is not None:
            supersede(transaction, record.id, replacing, now)
        settle_slot(transaction, record, now)
        record.valid_to = transaction.edges.end_of(record.id)
        return record
    if replacing is not None:
        supersede(transaction, old.id, replacing, now)
    return rewrite(transaction, draft, old, now)


def _replaced(
    transaction: WriteTransaction, record: Record, replacing: str | None
) -> Record | None:
    """What a new memory takes the place of: what it is said to replace, or its slot's holder."""
    if replacing is not None:
        return transaction.memories.find(replacing)
    if record.key is None:
        return None
    held = [
        id_ for id_, start in transaction.memories.holders(record) if start <= record.valid_from
    ]
    return transaction.memories.find(held[-1]) if held else None


_OF_ITS_OWN = ("valid_from", "stated_to", "expires_at", "prior", "session", "role")
"""What is stated of a memory itself: a repetition that states it otherwise is a change."""


def _is_held(transaction: WriteTransaction, replaced: Record, draft: Draft) -> bool:
    """Whether the draft says what still stands."""
    return _says_the_same(draft, replaced) and not transaction.edges.is_superseded(replaced.id)


def _says_the_same(draft: Draft, held: Record) -> bool:
    """Whether it says of a slot what the holder says, equal but for case, marks and punctuation.

    Who gives an id, or states anything else otherwise, means a memory of its own.
    """
    said = draft.fields
    stated = {name: said[name] for name in _OF_ITS_OWN if said.get(name) is not None}
    return (
        draft.id is None
        and held.key is not None
        and said.get("key") in {None, held.key}
        and held.stated_to is None
        and held.expires_at is None
        and all(getattr(held, name) == value for name, value in stated.items())
        and len(said.get("vector") or b"") == len(held.vector or b"")
        and json.loads(said.get("metadata", "{}")) == json.loads(held.metadata)
        and likeness(said["text"]) == likeness(held.text)
    )


def rewrite(transaction: WriteTransaction, draft: Draft, old: Record, now: Seconds) -> Record:
    """Give the record new content. Edges, signals and past stay; the same content is no change."""
    record = draft.rewritten(old, now)
    if record == old:
        return old
    _see_that_they_fit(transaction, [draft])
    if record.prior != old.prior:
        log = transaction.engagement.signals_of([old.id])
        record.importance = fold(record.prior, log[old.id])
    transaction.memories.replace(old, record)
    if Spoken.by(record) != Spoken.by(old):
        turns.let_go(transaction, [old], draft.remade)
    if record.valid_from != old.valid_from:
        transaction.edges.move_supersessions(record.id, record.valid_from)
    if record.stated_to != old.stated_to:
        transaction.edges.refresh_end(record.id)
        record.valid_to = transaction.edges.end_of(record.id)
    slot = (record.key, record.valid_from, record.stated_to)
    if slot != (old.key, old.valid_from, old.stated_to):
        settle_slot(transaction, record, now)
        record.valid_to = transaction.edges.end_of(record.id)
    return record


def settle_slot(transaction: WriteTransaction, record: Record, now: Seconds) -> None:
    """Leave one memory to hold the record's key at any moment.

    It supersedes what held the key when it becomes valid. What becomes valid only later
    supersedes it in turn: a fact from the past, imported late, does not retire a newer one.
    """
    if record.key is None or transaction.edges.is_superseded(record.id):
        return
    for holder, valid_from in transaction.memories.holders(record):
        is_later = valid_from > record.valid_from
        new, old = (holder, record.id) if is_later else (record.id, holder)
        if not transaction.edges.replaces(old, new):
            supersede(transaction, new, old, now)
        if is_later:
            return  # from then on the record is over


def supersede(transaction: WriteTransaction, new: str, old: str, now: Seconds) -> None:
    """Record that one existing memory replaces another.

    Raises:
        UnknownMemoryError: Either does not exist.
        SupersedeCycleError: The old one replaced the new one, directly or through others.
    """
    record, replaced = transaction.memories.find(new), transaction.memories.find(old)
    if record is None:
        raise UnknownMemoryError(new)
    if replaced is None:
        raise UnknownMemoryError(old)
    if transaction.edges.replaces(old, new):
        raise SupersedeCycleError(new, old)
    if transaction.edges.find(new, old, EdgeType.SUPERSEDES) is None:
        known = max(now, record.created_at, replaced.created_at)  # not before both were known
        transaction.edges.supersede(new, old, holds_from=record.valid_from, recorded_at=known)


def replace_fact(
    transaction: WriteTransaction,
    old_id: str,
    draft: Draft,
    now: Seconds,
    *,
    may_affirm: bool = True,
) -> Record:
    """Write a new memory in the place of an old one, whose slot it takes over.

    Unless it says the same and may affirm the old one.
    """
    old = transaction.memories.find(old_id)
    if old is None:
        raise UnknownMemoryError(old_id)
    if draft.fields.get("key") is None and old.key is not None:
        draft = draft.saying(key=old.key)
    return put(transaction, draft, now, replacing=old_id, may_affirm=may_affirm)


def unsupersede(transaction: WriteTransaction, old_id: str, new_id: str | None) -> None:
    """Undo supersessions of a memory, as if they had never been."""
    if transaction.memories.find(old_id) is None:
        raise UnknownMemoryError(old_id)
    if not transaction.edges.unsupersede(old_id, new_id):
        by = "" if new_id is None else f" by {new_id!r}"
        raise ParameterError(f"{old_id!r} is not superseded{by}")


def link(
    transaction: WriteTransaction, source: str, target: str, type_: str, weight: float, now: Seconds
) -> Edge:
    """Link two memories; linking again gives the edge a new weight."""
    if type_ == EdgeType.SUPERSEDES:
        supersede(transaction, source, target, now)
    for id_ in (source, target):
        if transaction.memories.find(id_) is None:
            raise UnknownMemoryError(id_)
    return transaction.edges.put(source, target, type_, weight, now)


def unlink(transaction: WriteTransaction, source: str, target: str, type_: str) -> bool:
    """Remove an edge, and with a `supersedes` edge what it did. False if there was none."""
    if type_ == EdgeType.SUPERSEDES:
        return transaction.edges.unsupersede(target, source)
    return transaction.edges.remove(source, target, type_)


def doomed(
    moment: ReadTransaction, ids: Sequence[str] | None, where: Filter | None, *, is_dry_run: bool
) -> tuple[list[Record], Forgotten]:
    """What `forget` means by these ids and this filter, and what would go with it.

    Raises:
        UnknownMemoryError: An id that does not exist.
    """
    if ids is not None:
        found = moment.memories.by_ids(ids)
        for id_ in ids:
            if id_ not in found:
                raise UnknownMemoryError(id_)
        records = [r for r in found.values() if where is None or where.matches(filtered_of(r))]
    else:
        records = [] if where is None else list(moment.memories.stream(where))
    names = tuple(record.id for record in records)
    signals, recalls = moment.engagement.count(names)
    return records, Forgotten(
        ids=names,
        edges=moment.edges.count(names),
        signals=signals,
        recalls=recalls,
        is_dry_run=is_dry_run,
    )


def forget(
    transaction: WriteTransaction, records: Sequence[Record], remade: Mapping[int, Anew]
) -> None:
    """Remove memories and everything that hangs on them, from the vectors of others, too.

    Args:
        transaction: To write in.
        records: What is to be removed.
        remade: Vectors made without it, by the row of their memory.
    """
    transaction.memories.delete(records)
    turns.let_go(transaction, records, remade)
