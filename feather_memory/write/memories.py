"""What a write does inside its transaction: memories, slots and supersessions together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feather_memory.errors import (
    DimensionError,
    ParameterError,
    SupersedeCycleError,
    UnknownMemoryError,
)
from feather_memory.filters.sql import to_sql
from feather_memory.model.importance import fold
from feather_memory.model.memory import EdgeType, Forgotten
from feather_memory.truth.sqlite import edges, memories, recalls, signals
from feather_memory.truth.sqlite import words as lexical
from feather_memory.write.draft import Draft

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from feather_memory.filters.language import Filter
    from feather_memory.model.memory import Edge
    from feather_memory.truth.sqlite.database import Writing
    from feather_memory.truth.sqlite.memories import Record
    from feather_memory.types import Seconds


def put_many(writing: Writing, drafts: Sequence[Draft], now: Seconds) -> list[Record]:
    """Write every draft, in order; records as they stand afterwards.

    New memories without a slot go in together, which is what makes a batch fast.
    """
    named = [draft.id for draft in drafts if draft.id is not None]
    known = set(memories.rows_of(writing.connection, named)) if named else set()
    written: list[Record] = []
    fresh: list[Record] = []
    for draft in drafts:
        if draft.id in known or draft.fields.get("key") is not None:
            _insert(writing, fresh)
            fresh = []
            written.append(put(writing, draft, now))
        else:
            record = draft.record(now)
            fresh.append(record)
            written.append(record)
        if draft.id is not None:
            known.add(draft.id)
    _insert(writing, fresh)
    if len(fresh) < len(drafts):  # a later draft may have ended what an earlier one wrote
        found = memories.by_ids(writing.connection, [record.id for record in written])
        return [found[record.id] for record in written]
    return written


def put(writing: Writing, draft: Draft, now: Seconds, *, replacing: str | None = None) -> Record:
    """Write one draft: a new memory, or the new content of the one with its id.

    What it is said to replace it replaces first, whenever that became true; then its slot
    is settled.
    """
    old = None if draft.id is None else memories.find(writing.connection, draft.id)
    if old is None:
        record = draft.record(now)
        _insert(writing, [record])
        if replacing is not None:
            supersede(writing, record.id, replacing, now)
        _claim_slot(writing, record, now)
        record.valid_to = edges.end_of(writing.connection, record.id)
        return record
    if replacing is not None:
        supersede(writing, old.id, replacing, now)
    return rewrite(writing, draft, old, now)


def rewrite(writing: Writing, draft: Draft, old: Record, now: Seconds) -> Record:
    """Give the record new content. Edges, signals and past stay; the same content is no change."""
    record = draft.rewritten(old, now)
    if record == old:
        return old
    if record.prior != old.prior:
        log = signals.of_memory(writing.connection, old.id)
        record.importance = fold(record.prior, log)
    _check_dimension(writing, [record])
    memories.replace(writing, old, record)
    if record.row != old.row:
        lexical.remove(writing, [(old.row, old.words())])
        lexical.add(writing, [(record.row, record.words())])
    if record.valid_from != old.valid_from:
        edges.move_supersessions(writing, record.id, record.valid_from)
    if record.stated_to != old.stated_to:
        edges.refresh_end(writing, record.id)
        record.valid_to = edges.end_of(writing.connection, record.id)
    slot = (record.key, record.valid_from, record.stated_to)
    if slot != (old.key, old.valid_from, old.stated_to):
        _claim_slot(writing, record, now)
        record.valid_to = edges.end_of(writing.connection, record.id)
    return record


def _insert(writing: Writing, records: Sequence[Record]) -> None:
    if not records:
        return
    _check_dimension(writing, records)
    memories.insert(writing, records)
    lexical.add(writing, ((record.row, record.words()) for record in records))


def _check_dimension(writing: Writing, records: Iterable[Record]) -> None:
    for record in records:
        if record.vector is not None:
            dimension = writing.fix_dimension(len(record.vector) // 4)
            if len(record.vector) != 4 * dimension:
                raise DimensionError(dimension, len(record.vector) // 4)


def _claim_slot(writing: Writing, record: Record, now: Seconds) -> None:
    """Leave one memory to hold the record's key at any moment.

    It supersedes what held the key when it becomes valid. What becomes valid only later
    supersedes it in turn: a fact from the past, imported late, does not retire a newer one.
    """
    if record.key is None or edges.is_superseded(writing.connection, record.id):
        return
    for holder, valid_from in memories.holders(writing.connection, record):
        is_later = valid_from > record.valid_from
        new, old = (holder, record.id) if is_later else (record.id, holder)
        if not edges.replaces(writing.connection, old, new):
            supersede(writing, new, old, now)
        if is_later:
            return  # from then on the record is over


def supersede(writing: Writing, new: str, old: str, now: Seconds) -> None:
    """Record that one existing memory replaces another.

    Raises:
        UnknownMemoryError: Either does not exist.
        SupersedeCycleError: The old one replaced the new one, directly or through others.
    """
    connection = writing.connection
    record = memories.find(connection, new)
    if record is None:
        raise UnknownMemoryError(new)
    if memories.find(connection, old) is None:
        raise UnknownMemoryError(old)
    if edges.replaces(connection, old, new):
        raise SupersedeCycleError(new, old)
    if edges.get(connection, new, old, EdgeType.SUPERSEDES) is None:
        edges.supersede(writing, new, old, holds_from=record.valid_from, recorded_at=now)


def replace_fact(writing: Writing, old_id: str, draft: Draft, now: Seconds) -> Record:
    """Write a new memory in the place of an old one, whose slot it takes over."""
    old = memories.find(writing.connection, old_id)
    if old is None:
        raise UnknownMemoryError(old_id)
    if draft.fields.get("key") is None and old.key is not None:
        draft = Draft(draft.id, {**draft.fields, "key": old.key})
    return put(writing, draft, now, replacing=old_id)


def unsupersede(writing: Writing, old_id: str, new_id: str | None) -> None:
    """Undo supersessions of a memory, as if they had never been."""
    if memories.find(writing.connection, old_id) is None:
        raise UnknownMemoryError(old_id)
    if not edges.unsupersede(writing, old_id, new_id):
        by = "" if new_id is None else f" by {new_id!r}"
        raise ParameterError(f"{old_id!r} is not superseded{by}")


def link(
    writing: Writing, source: str, target: str, type_: str, weight: float, now: Seconds
) -> Edge:
    """Link two memories; linking again gives the edge a new weight."""
    if type_ == EdgeType.SUPERSEDES:
        supersede(writing, source, target, now)
    for id_ in (source, target):
        if memories.find(writing.connection, id_) is None:
            raise UnknownMemoryError(id_)
    return edges.put(writing, source, target, type_, weight, now)


def unlink(writing: Writing, source: str, target: str, type_: str) -> bool:
    """Remove an edge, and with a `supersedes` edge what it did. False if there was none."""
    if type_ == EdgeType.SUPERSEDES:
        return edges.unsupersede(writing, target, source)
    return edges.remove(writing, source, target, type_)


def doomed(
    connection: sqlite3.Connection,
    ids: Sequence[str] | None,
    where: Filter | None,
    *,
    is_dry_run: bool,
) -> tuple[list[Record], Forgotten]:
    """What `forget` means by these ids and this filter, and what would go with it.

    Raises:
        UnknownMemoryError: An id that does not exist.
    """
    if ids is not None:
        found = memories.by_ids(connection, ids)
        for id_ in ids:
            if id_ not in found:
                raise UnknownMemoryError(id_)
        records = [r for r in found.values() if where is None or where.matches(r.fields())]
    else:
        records = [] if where is None else list(memories.stream(connection, *to_sql(where)))
    names = tuple(record.id for record in records)
    return records, Forgotten(
        ids=names,
        edges=edges.count(connection, names),
        signals=signals.count(connection, names),
        recalls=recalls.count(connection, names),
        is_dry_run=is_dry_run,
    )


def forget(writing: Writing, records: Sequence[Record]) -> None:
    """Remove memories and everything that hangs on them, from every page of the file."""
    lexical.remove(writing, ((record.row, record.words()) for record in records))
    memories.delete(writing, records)
    lexical.erase(writing)
    writing.disown_snapshot()
