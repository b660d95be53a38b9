"""What a write does inside its transaction: memories, slots and supersessions together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import inf

from feather_memory.errors import (
    DimensionError,
    FeatherError,
    ParameterError,
    UnknownMemoryError,
    WrongEmbedderError,
)
from feather_memory.model.fields import DECODERS, Record
from feather_memory.model.memory import Edge, EdgeType, Memory, shown
from feather_memory.model.origin import USER, outranks
from feather_memory.model.words import likeness
from feather_memory.truth.contract import WriteTransaction
from feather_memory.types import Seconds
from feather_memory.write import dependants
from feather_memory.write.draft import Draft
from feather_memory.write.echoes import (
    Again,
    link_echo,
    may_name_turn,
    repeated,
    retold,
    said_again,
)
from feather_memory.write.past import Past
from feather_memory.write.rewriting import rewrite
from feather_memory.write.supersession import derive, settle_slot, supersede, undo


def put_many(transaction: WriteTransaction, drafts: Sequence[Draft], now: Seconds) -> list[Memory]:
    """Write every draft, in order; memories as they stand afterwards.

    New memories without a slot that say what nobody has said go in together, which is what makes
    a batch fast.
    """
    if (model := _the_model(drafts)) is not None:
        transaction.memories.made_by(model)
    made = _made(transaction, drafts, now)
    may_fall = any(new is None or new.key is not None for new in made)
    has_past = any(map(_is_dated, drafts)) and (may_fall or bool(transaction.edges.fallen(inf, 1)))
    may_echo = any(_may_echo(draft) or (has_past and _is_dated(draft)) for draft in drafts)
    said = _said_already(transaction, drafts, made) if may_echo else set()
    told = [_words_of(new) for draft, new in zip(drafts, made, strict=True) if _may_retell(draft)]
    texts = [draft.fields["text"] for draft in drafts if told and _may_retell(draft)]
    past = Past.of(transaction, told, texts) if told else None
    written: list[Record] = []
    fresh: list[Record] = []
    asked: dict[str, Draft] = {}
    retelling = 0
    for draft, new in zip(drafts, made, strict=True):
        if past is not None and _may_retell(draft):
            if len(fresh) < len(written):  # an earlier draft may have replaced something
                past = past.brought_up(transaction, retelling)
            retelling += 1
        if new is not None and _is_plain(draft, new, said, past):
            fresh.append(new)
            asked[new.id] = draft
            written.append(new)
        else:
            _insert(transaction, fresh, asked)
            fresh = []
            try:
                written.append(put(transaction, draft, now, made=new, past=past))
            except FeatherError as error:
                error.about(draft.name)
                raise
        if may_echo:
            words = None if new is None else new.words
            said.add(likeness(draft.fields["text"]) if words is None else words[0])
    _insert(transaction, fresh, asked)
    if len(fresh) < len(drafts):  # a later draft may have ended what an earlier one wrote
        return transaction.memories.shown(_as_they_stand(transaction, written))
    return shown([(each, (), ()) for each in fresh], DECODERS)  # nothing is linked to them yet


def _the_model(drafts: Sequence[Draft]) -> str | None:
    """The one that all vectors of a batch are by which say so; None if none does.

    Raises:
        WrongEmbedderError: One is by another than those before it.
    """
    first: str | None = None
    for draft in drafts:
        if first is None:
            first = draft.model
        elif draft.model not in (None, first):
            error = WrongEmbedderError(expected=first, got=draft.model)
            error.about(draft.name)
            raise error
    return first


def _as_they_stand(transaction: WriteTransaction, written: list[Record]) -> list[Record]:
    """Records that were written, as later ones left them, each with what it was an echo of."""
    found = transaction.memories.by_ids([record.id for record in written])
    return [
        found[each.id] if each.echo_of is None else replace(found[each.id], echo_of=each.echo_of)
        for each in written
    ]


def _made(
    transaction: WriteTransaction, drafts: Sequence[Draft], now: Seconds
) -> list[Record | None]:
    """The record of each draft that is a new memory; None for the new content of one there is."""
    ids = [draft.id for draft in drafts if draft.id is not None]
    known = set(transaction.memories.rows_of(ids)) if ids else set()
    made: list[Record | None] = []
    for draft in drafts:
        try:
            made.append(None if draft.id in known else draft.record(now))
        except FeatherError as error:
            error.about(draft.name)
            raise
        if draft.id is not None:
            known.add(draft.id)
    return made


def _said_already(
    transaction: WriteTransaction, drafts: Sequence[Draft], made: Sequence[Record | None]
) -> set[int]:
    """The likenesses of what some of the records say and is held already."""
    asked = zip(drafts, made, strict=True)
    new = [
        record
        for draft, record in asked
        if record is not None and (_may_echo(draft) or _is_dated(draft))
    ]
    return set(transaction.memories.alike(new)) if new else set()


def _is_plain(draft: Draft, record: Record, said: Collection[int], past: Past | None) -> bool:
    """Whether nothing has to be looked at but the record itself."""
    if record.key is not None or (record.words is not None and record.words[0] in said):
        return False
    if past is None or not _may_retell(draft):
        return True
    return not may_name_turn(record) and not past.near_to(record.text)


def _may_echo(draft: Draft) -> bool:
    """Whether it matters what is held of an equal text: a user's own id is a memory of its own.

    Unless the user says that what was replaced holds again.
    """
    return draft.id is None or draft.reaffirms or _is_anothers(draft)


def _is_dated(draft: Draft) -> bool:
    """Whether it is said since when it holds: what was said before a change falls by it."""
    return draft.fields.get("valid_from") is not None


def _words_of(record: Record | None) -> bytes:
    """Those of a new memory that was looked for among what is held; of a rewrite none matter."""
    return b"" if record is None or record.words is None else record.words[1]


def _may_retell(draft: Draft) -> bool:
    """Whether it is to be seen if its text retells what was corrected: it is not the user's."""
    return _is_anothers(draft) and draft.fields.get("key") is None


def _is_anothers(draft: Draft) -> bool:
    return bool(draft.fields["origin"] != USER)


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
    made: Record | None = None,
    past: Past | None = None,
) -> Record:
    """Write one draft: a new memory, or the new content of the one with its id.

    What it is said to replace it replaces first, whenever that became true; then its slot
    is settled. What says again what stands is no new memory: it affirms that one.

    Args:
        transaction: To write in.
        draft: What was asked for.
        now: When it is recorded.
        replacing: Id of what it is said to replace.
        may_affirm: Whether it is no new memory where it says again what is held.
        made: Its record, where its id is known to be new.
        past: What was corrected, where that is known.
    """
    old = None if draft.id is None or made is not None else transaction.memories.find(draft.id)
    if old is not None:
        if replacing is not None:
            supersede(transaction, old.id, replacing, now)
        return rewrite(transaction, draft, old, now)
    if draft.model is not None:
        transaction.memories.made_by(draft.model)
    record = draft.record(now) if made is None else made
    named = None if replacing is None else transaction.memories.find(replacing)
    replaced = named or _holder(transaction, record)
    again, equal = Again(), list[Record]()
    is_asked = may_affirm and (_may_echo(draft) or _is_dated(draft))
    if is_asked and (alike := transaction.memories.alike([record])):
        (equal,) = alike.values()
        if _may_echo(draft):
            again = said_again(transaction, draft, record, equal, named=named, holder=replaced)
    if again.answer is not None:
        return again.answer
    if again.replacing is not None:
        return replace_fact(transaction, again.replacing, draft, now, may_affirm=False)
    is_heir = replaced is not None and not outranks(replaced.origin, record.origin)
    if replaced is not None and is_heir and draft.fields.get("prior") is None:
        record.prior = record.importance = replaced.importance  # what was earned is inherited
    written = _written(transaction, record, again.repeats, replacing, past)
    _fall_with(transaction, written, equal, now)
    return written


def _fall_with(
    transaction: WriteTransaction, written: Record, equal: Sequence[Record], now: Seconds
) -> None:
    """Withhold what was written with what says the same, if that will fall, or fell since then."""
    for each in equal:
        if each.valid_to is not None and each.valid_to > min(now, written.valid_from):
            dependants.catch_up(transaction, each)
            written.valid_to = transaction.edges.end_of(written.id)


def _written(
    transaction: WriteTransaction,
    record: Record,
    repeats: Sequence[Record],
    replacing: str | None,
    past: Past | None,
) -> Record:
    """The new record, once it is written and has replaced what it replaces."""
    now, is_known = record.created_at, bool(repeats)
    if not is_known and record.origin != USER and record.key is None:
        past = past or Past.near(transaction, [record.text])
        repeats = [*repeated(transaction, record, past), *retold(transaction, record)]
    transaction.memories.insert([record])
    link_echo(transaction, record, repeats)
    if replacing is not None and not is_known:
        supersede(transaction, record.id, replacing, now)
    settle_slot(transaction, record, now)
    record.valid_to = transaction.edges.end_of(record.id)
    return record


def _holder(transaction: WriteTransaction, record: Record) -> Record | None:
    """What holds the slot of a new memory when that becomes valid."""
    if record.key is None:
        return None
    held = [
        id_ for id_, start in transaction.memories.holders(record) if start <= record.valid_from
    ]
    return transaction.memories.find(held[-1]) if held else None


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


def link(
    transaction: WriteTransaction,
    source: str,
    target: str,
    type_: str,
    weight: float,
    now: Seconds,
    by: str = USER,
) -> Edge:
    """Link two memories; linking again gives the edge a new weight.

    Where the source may not replace the target, the edge says that it contradicts what stands.

    Raises:
        ParameterError: It would change the standing of what comes from a higher origin than who
            draws it.
    """
    found = transaction.memories.by_ids([source, target])
    for id_ in (source, target):
        if id_ not in found:
            raise UnknownMemoryError(id_)
    if transaction.edges.find(source, target, type_) is None:
        _check_standing(found[source], found[target], type_, by)
    if type_ == EdgeType.SUPERSEDES and (above := supersede(transaction, source, target, now)):
        return transaction.edges.put(source, above[0], EdgeType.CONTRADICTS, weight, now)
    edge = transaction.edges.put(source, target, type_, weight, now)
    if type_ == EdgeType.DERIVED_FROM:
        derive(transaction, found[source], found[target], now)
        for end in found.values():
            dependants.catch_up(transaction, end)
    return edge


def _check_standing(source: Record, target: Record, type_: str, by: str) -> None:
    """Nothing, if who draws the edge may have it change what it changes.

    What is derived has the origin of what it comes from, and falls with it; what is superseded is
    over. Neither is for somebody lower to say of a memory, whatever the other end of the edge is.
    """
    if type_ == EdgeType.DERIVED_FROM:
        changed, is_lower = source, outranks(source.origin, by)
    else:  # by its own words a memory only contests, which needs nobody's leave
        changed, is_mere = target, outranks(target.origin, source.origin)
        is_lower = type_ == EdgeType.SUPERSEDES and not is_mere and outranks(target.origin, by)
    if is_lower:
        raise ParameterError(
            f"memory {changed.id!r} comes from a {changed.origin}: no {by} says that it is "
            f"{'derived_from' if changed is source else 'superseded by'} another"
        )


def unlink(transaction: WriteTransaction, source: str, target: str, type_: str) -> bool:
    """Remove an edge, and with a `supersedes` edge what it did. False if there was none."""
    if type_ == EdgeType.SUPERSEDES:
        return transaction.memories.find(target) is not None and undo(transaction, target, source)
    return transaction.edges.remove(source, target, type_)
