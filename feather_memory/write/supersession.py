"""What replaces what, and what may not: whose words stand over whose.

What comes from a lower origin never replaces what comes from a higher one, however it is said: it
is kept beside it as a contested suggestion, which `contradicts` what stands and is withheld.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from feather_memory.errors import ParameterError, SupersedeCycleError, UnknownMemoryError
from feather_memory.model.fields import Record
from feather_memory.model.memory import EdgeType
from feather_memory.model.origin import USER, outranks
from feather_memory.truth.contract import WriteTransaction
from feather_memory.types import Seconds
from feather_memory.write import dependants


def supersede(transaction: WriteTransaction, new: str, old: str, now: Seconds) -> list[str]:
    """Record that one existing memory replaces another, and withhold what falls with that.

    Returns:
        Ids of what stands over the new one instead, which it contests; empty where it replaced.

    Raises:
        UnknownMemoryError: Either does not exist.
        SupersedeCycleError: The old one replaced the new one, directly or through others.
    """
    found = transaction.memories.by_ids([new, old])
    for id_ in (new, old):
        if id_ not in found:
            raise UnknownMemoryError(id_)
    if transaction.edges.replaces(old, new):
        raise SupersedeCycleError(new, old)
    record = found[new]
    if above := _above(transaction, record, found[old], now):
        contest(transaction, record, above, now)
        return [each.id for each in above]
    _replace(transaction, record, found[old], now)
    return []


def _replace(transaction: WriteTransaction, new: Record, old: Record, now: Seconds) -> None:
    """Record it, if it is not; and what follows for what replaced the one, or the other had."""
    if _record(transaction, new, old, now):
        _take_along(transaction, new, old, now)


def _record(transaction: WriteTransaction, new: Record, old: Record, now: Seconds) -> bool:
    if transaction.edges.find(new.id, old.id, EdgeType.SUPERSEDES) is not None:
        return False
    known = max(now, new.created_at, old.created_at)  # not before both were known
    told = {"holds_from": new.valid_from, "recorded_at": known}
    transaction.edges.supersede(new.id, old.id, **told)
    dependants.withhold(transaction, old, new, **told)
    return True


def _take_along(transaction: WriteTransaction, new: Record, old: Record, now: Seconds) -> None:
    """Have what replaced a memory through others not hold beside it, whenever those would begin.

    The old one ends what it had replaced only when it begins itself. What stands in its place
    before that ends them then; so does what has replaced the new one before that began.
    """
    pairs, seen = [(new, old)], {(new.id, old.id)}
    while pairs:
        new, old = pairs.pop()
        follow = list[tuple[Record, Record]]()
        if new.valid_from < old.valid_from:
            for older in _beside_by_edge(transaction, old, sources=False):
                is_over = not _hold_at_once(new, older) or outranks(older.origin, new.origin)
                if is_over or _record(transaction, new, older, now):
                    follow.append((new, older))
        if new.valid_to is not None and new.valid_to < new.valid_from:
            for newer in _beside_by_edge(transaction, new, sources=True):
                left = transaction.memories.by_ids([old.id])[old.id]
                is_earlier = newer.valid_from < new.valid_from and _hold_at_once(newer, left)
                may_end = is_earlier and not outranks(left.origin, newer.origin)
                if may_end and _record(transaction, newer, left, now):
                    follow.append((newer, left))
        for pair in follow:
            if (met := (pair[0].id, pair[1].id)) not in seen:
                seen.add(met)
                pairs.append(pair)


def _beside_by_edge(
    transaction: WriteTransaction, record: Record, *, sources: bool
) -> list[Record]:
    """What has replaced a memory, or what that has replaced itself."""
    edges = [e for e in transaction.edges.touching([record.id]) if e.type == EdgeType.SUPERSEDES]
    if sources:
        ids = [edge.source for edge in edges if edge.target == record.id]
    else:
        ids = [edge.target for edge in edges if edge.source == record.id]
    return list(transaction.memories.by_ids(ids).values())


def _hold_at_once(one: Record, other: Record) -> bool:
    start = max(one.valid_from, other.valid_from)
    return all(end is None or end > start for end in (one.valid_to, other.valid_to))


def _above(
    transaction: WriteTransaction, record: Record, old: Record, now: Seconds
) -> list[Record]:
    """What stands in the place of the old one by now, or itself, that may not be replaced by it."""
    if record.origin == USER:
        return []
    stands = transaction.memories.by_ids(transaction.edges.standing(old.id, now)).values()
    above = [s for s in stands if s.id != record.id and outranks(s.origin, record.origin)]
    return above or [each for each in [old] if outranks(each.origin, record.origin)]


def contest(
    transaction: WriteTransaction, suggestion: Record, stands: Sequence[Record], now: Seconds
) -> None:
    """Keep what may not replace what stands as a suggestion against it, withheld."""
    for each in stands:
        transaction.edges.put(suggestion.id, each.id, EdgeType.CONTRADICTS, 1.0, now)
    start = suggestion.valid_from
    if all(held > start for _, held in transaction.edges.closings(suggestion.id)):
        transaction.edges.withhold(suggestion.id, holds_from=start, recorded_at=now)


def settle_slot(transaction: WriteTransaction, record: Record, now: Seconds) -> None:
    """Leave one memory to hold the record's key at any moment at which the record does.

    It supersedes what held the key when it becomes valid. What becomes valid only later
    supersedes it in turn: a fact from the past, imported late, does not retire a newer one;
    unless the record has replaced that through others, which it then does from its own beginning.
    """
    if record.key is None:
        return
    end = transaction.edges.end_of(record.id)
    if end is not None and end <= record.valid_from:
        return
    for holder, valid_from in transaction.memories.holders(replace(record, valid_to=end)):
        is_later = valid_from > record.valid_from
        new, old = (holder, record.id) if is_later else (record.id, holder)
        if transaction.edges.replaces(old, new):
            supersede(transaction, old, new, now)
            is_over = not is_later
        else:
            is_contested = bool(supersede(transaction, new, old, now))
            is_over = is_later != is_contested
        if is_over:
            return  # from then on the record is over, or it never was


def unsupersede(transaction: WriteTransaction, old_id: str, new_id: str | None) -> None:
    """Undo supersessions of a memory, as if they had never been, and what fell with it."""
    if not undo(transaction, old_id, new_id):
        by = "" if new_id is None else f" by {new_id!r}"
        raise ParameterError(f"{old_id!r} is not superseded{by}")


def undo(transaction: WriteTransaction, old_id: str, new_id: str | None) -> bool:
    """The same; False where there is none."""
    old = transaction.memories.find(old_id)
    if old is None:
        raise UnknownMemoryError(old_id)
    before = transaction.edges.closings(old_id)
    if not transaction.edges.unsupersede(old_id, new_id):
        return False
    for closing in transaction.edges.closings(old_id):
        before.remove(closing)
    for each in dependants.release(transaction, old, before):
        settle_slot(transaction, each, transaction.now)  # which may have been taken since
    return True


def move(transaction: WriteTransaction, record: Record, was_from: Seconds) -> None:
    """Have what a memory replaced end when it now begins to hold, with all that fell with it."""
    olds = _beside_by_edge(transaction, record, sources=False)
    ids = [old.id for old in olds]
    fell = set[str]()
    for old in olds:
        closings = transaction.edges.closings(old.id)
        closings = [each for each in closings if each[1] == was_from]
        fell |= {each.id for each in dependants.release(transaction, old, closings)}
    transaction.edges.move_supersessions(record.id, record.valid_from)
    for old in olds:
        dependants.catch_up(transaction, old)
        _take_along(transaction, record, old, transaction.now)
    if record.valid_from > was_from:  # they hold for longer, by when a slot may have been taken
        for each in transaction.memories.by_ids([*ids, *sorted(fell)]).values():
            settle_slot(transaction, each, transaction.now)


def derive(transaction: WriteTransaction, derived: Record, source: Record, now: Seconds) -> None:
    """Have what is derived of a memory come from no higher origin than that, and all it did.

    What it replaced, and now may not, holds again, unless something else has replaced it since.
    """
    if not outranks(derived.origin, source.origin):
        return
    lowered = replace(derived, origin=source.origin)
    transaction.memories.replace(derived, lowered)
    touching = transaction.edges.touching([derived.id])
    replaced = [edge for edge in touching if edge.type == EdgeType.SUPERSEDES]
    later = [edge.source for edge in replaced if edge.target == derived.id]
    olds = transaction.memories.by_ids([e.target for e in replaced if e.source == derived.id])
    for old in olds.values():
        if outranks(old.origin, lowered.origin):
            undo(transaction, old.id, derived.id)
            contest(transaction, lowered, [old], now)
            for successor in later:
                supersede(transaction, successor, old.id, now)
            settle_slot(transaction, transaction.memories.by_ids([old.id])[old.id], now)
    further = [edge.source for edge in touching
               if edge.type == EdgeType.DERIVED_FROM and edge.target == derived.id]  # fmt: skip
    for each in transaction.memories.by_ids(further).values():
        derive(transaction, each, lowered, now)
