"""What is said again: of what stands it is an affirmation, of what was replaced an echo.

Equal is what is equal but for case, marks, punctuation and space, and nothing else: similar texts
are two. What was replaced comes back only if somebody says it anew: a user for its slot or under
an id of its own, anybody in the place of a memory that they name, from a later `valid_from` on than
what stands, or with `reaffirm`. Whose words may replace whose, `supersession` says.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from feather_memory.model.fields import Record
from feather_memory.model.manner import ECHO, QUESTION, TELLING
from feather_memory.model.memory import TURN, EdgeType
from feather_memory.model.origin import USER, outranks
from feather_memory.model.restating import LONGEST, content
from feather_memory.model.words import tokenizer
from feather_memory.truth.contract import WriteTransaction
from feather_memory.types import Seconds
from feather_memory.write.dependants import keep_back
from feather_memory.write.draft import Draft
from feather_memory.write.past import Past, is_said_higher

_OF_ITS_OWN: Final = ("valid_from", "stated_to", "expires_at", "prior", "session", "role")
"""What is stated of a memory itself: a repetition that states it otherwise is a change."""

_WHOSE: Final = ("session", "actor", "role")
"""By what, besides its text, a memory without a slot is known: two people may both like tea."""

_BARE: Final = {"text", "metadata", "origin", "role", "key", "vector"}
"""What a text may come with whose repetition by a lower origin says nothing else, either."""

_TOLD: Final = {EdgeType.CONTRADICTS, EdgeType.DERIVED_FROM}


@dataclass(slots=True)
class Again:
    """What a new record comes to whose text is held already."""

    answer: Record | None = None
    """What stands, and is all there is to say: nothing is written."""
    repeats: list[Record] = field(default_factory=list)
    """What it says again, though it is written. It replaces nothing then."""
    replacing: str | None = None
    """What it replaces, for it brings back what that had replaced."""


def said_again(
    transaction: WriteTransaction,
    draft: Draft,
    record: Record,
    alike: Sequence[Record],
    *,
    named: Record | None,
    holder: Record | None,
) -> Again:
    """What a record comes to that says what memories say which are held. Affirmations are counted.

    Args:
        transaction: Without the record.
        draft: What was asked for.
        record: What it would be.
        alike: What is held of an equal text.
        named: What it is said to replace.
        holder: What holds its slot.
    """
    asks = record.manner == QUESTION
    alike = [each for each in alike if (each.manner == QUESTION) == asks]
    ours = [each for each in alike if _may_be_one(each, record)]
    stands = [each for each in ours if _stands(each, transaction.now)]
    fell = _fell(transaction, record, ours)
    if draft.reaffirms and (gone := _gone(fell, alike)):
        return _of_the_past(draft, record, *gone, named)
    if draft.id is None:
        meant = {each.id for each in alike} if (taken := named or holder) is None else {taken.id}
        for held in alike:
            if held.id in meant and _is_said_by(transaction, draft, record, held):
                return Again(answer=_affirmed(transaction, record, held))
    for old, heads in fell:
        # What was said before the change, and stands by itself, does not say that it holds again.
        if heads and all(each.valid_from < heads[-1].valid_from for each in stands):
            return _of_the_past(draft, record, old, heads, named)
    if record.manner not in TELLING or record.origin == USER:
        return Again()
    if stands:
        return _of_what_stands(draft, record, stands)
    return _of_what_nothing_replaces(transaction, draft, record, [old for old, _ in fell], named)


def _fell(
    transaction: WriteTransaction, record: Record, ours: Sequence[Record]
) -> list[tuple[Record, list[Record]]]:
    """What does not hold of what says the same, the last first, and what stands instead of each.

    What only somebody lower has said, and nobody higher replaced, is no past of what is said now.
    """
    now = transaction.now
    if record.manner not in TELLING:
        return []
    olds = [each for each in reversed(ours) if not _stands(each, now)]
    fell = [(old, _heads(transaction, old, now)) for old in olds]
    return [(old, heads) for old, heads in fell if not is_said_higher(record, old, heads)]


def _gone(
    fell: Sequence[tuple[Record, list[Record]]], alike: Sequence[Record]
) -> tuple[Record, list[Record]] | None:
    """What another text has replaced, and that."""
    same = {each.id for each in alike}
    return next(((o, heads) for o, heads in fell if heads and heads[-1].id not in same), None)


def _of_what_stands(draft: Draft, record: Record, stands: Sequence[Record]) -> Again:
    """What it comes to that others than the user say what stands: of a higher origin an echo."""
    above = [each for each in stands if outranks(each.origin, record.origin)]
    if above and draft.id is None and record.metadata == "{}" and draft.fields.keys() <= _BARE:
        return Again(answer=above[-1])
    if above:
        record.manner = ECHO
    return Again(repeats=above[-1:])


def _of_the_past(
    draft: Draft, record: Record, old: Record, heads: Sequence[Record], named: Record | None
) -> Again:
    """What it comes to that it says what was replaced, by what stands now."""
    since = draft.fields.get("valid_from")
    is_newer = since is not None and since > heads[-1].valid_from
    is_outranked = any(outranks(head.origin, record.origin) for head in heads)
    is_stated = record.origin == USER and record.key is not None
    if draft.reaffirms or is_stated or ((named or is_newer) and not is_outranked):
        takes_a_slot = named is not None or record.key is not None
        return Again(replacing=None if takes_a_slot else heads[-1].id)
    if draft.id is None and _says_no_more(record, old):
        return Again(answer=replace(heads[-1], echo_of=old.id))
    record.manner = ECHO
    return Again(repeats=[old])


def _of_what_nothing_replaces(
    transaction: WriteTransaction,
    draft: Draft,
    record: Record,
    fell: Sequence[Record],
    named: Record | None,
) -> Again:
    """What it comes to that others than the user say what was replaced by what is forgotten since.

    Nobody knows then what holds, and they know no better than before.
    """
    ends = {old.id: transaction.edges.closings(old.id) for old in fell}
    replaced = [old for old in fell if ends[old.id]]  # the time of others was up by itself
    if not replaced:
        return Again()
    since, last = draft.fields.get("valid_from"), replaced[0]
    is_newer = since is not None and since > max(held for _, held in ends[last.id])
    is_outranked = any(outranks(old.origin, record.origin) for old in replaced)
    if (draft.reaffirms or named is not None or is_newer) and not is_outranked:
        return Again()
    if draft.id is None and last.manner == ECHO and _says_no_more(record, last):
        return Again(answer=last)
    record.manner = ECHO
    return Again(repeats=[last])


def _says_no_more(record: Record, old: Record) -> bool:
    return record.metadata == "{}" or json.loads(record.metadata) == json.loads(old.metadata)


def link_echo(transaction: WriteTransaction, record: Record, repeats: Sequence[Record]) -> None:
    """Link what says again to what it repeats, and withhold it as long as that does not hold.

    So it falls with it and comes back with it, as all does that is derived of a memory.
    """
    now = record.created_at
    for old in repeats:
        transaction.edges.put(record.id, old.id, EdgeType.DERIVED_FROM, 1.0, now)
        for recorded_at, holds_from in transaction.edges.closings(old.id):
            keep_back(transaction, record, holds_from=holds_from, recorded_at=recorded_at)
        if record.key is not None and record.key == old.key:  # the slot is the other's
            keep_back(transaction, record, holds_from=record.valid_from, recorded_at=now)


def repeats_of(transaction: WriteTransaction, record: Record) -> list[Record]:
    """What was replaced and the new text of a memory says again, which is not the user's."""
    if record.manner not in TELLING:
        return []
    alike = [
        each
        for same in transaction.memories.alike([record]).values()
        for each in same
        if each.id != record.id and each.manner != QUESTION and _may_be_one(each, record)
    ]
    if any(_stands(each, transaction.now) for each in alike):
        return []
    for old, _ in _fell(transaction, record, alike):
        if transaction.edges.closings(old.id):
            record.manner = ECHO
            return [old]
    if record.key is not None:
        return []
    return repeated(transaction, record, Past.near(transaction, [record.text]))


def unlink_echo(transaction: WriteTransaction, record: Record) -> bool:
    """Have an echo that says something else now be derived of nothing. False if it is none."""
    if record.manner != ECHO:
        return False
    for edge in transaction.edges.touching([record.id]):
        if edge.source == record.id and edge.type == EdgeType.DERIVED_FROM:
            transaction.edges.remove(record.id, edge.target, edge.type)
            for recorded_at, since in transaction.edges.closings(edge.target):
                transaction.edges.release(record.id, holds_from=since, recorded_at=recorded_at)
    return True


def repeated(transaction: WriteTransaction, record: Record, past: Past) -> list[Record]:
    """What was replaced and a text that is not the user's says again, which is an echo then."""
    if found := past.repeated_in(transaction, record):
        record.manner = ECHO
    return found


def may_name_turn(record: Record) -> bool:
    """Whether its metadata may say in which turn it was given as an answer."""
    return f'"{TURN}"' in record.metadata


def retold(transaction: WriteTransaction, record: Record) -> list[Record]:
    """What the turn was shown that a record says it was given in, if it says nothing besides.

    An answer that has no word of its own is an echo of what the model was shown.
    """
    turn = json.loads(record.metadata).get(TURN) if may_name_turn(record) else None
    logged = transaction.engagement.recalled(turn) if isinstance(turn, str) else None
    if logged is None or record.manner == QUESTION or len(record.text) > LONGEST:
        return []
    speaks = tokenizer(transaction.state.language)
    said = content(record.text, speaks)
    shown = transaction.memories.by_ids(logged[1]).values()
    told = [(each, content(each.text, speaks)) for each in shown if each.id != record.id]
    if not said or not said <= set[int]().union(*(words for _, words in told)):
        return []
    record.manner = ECHO
    return [each for each, words in told if words & said]


def _affirmed(transaction: WriteTransaction, record: Record, held: Record) -> Record:
    """What stands; it is counted that it was said again, if by its equals."""
    if not outranks(held.origin, record.origin):
        at = max(record.created_at, held.created_at, held.affirmed_at or 0.0)
        transaction.memories.affirm(held.id, record.actor, at)
    return transaction.memories.by_ids([held.id])[held.id]


def _is_said_by(transaction: WriteTransaction, draft: Draft, record: Record, held: Record) -> bool:
    """Whether the draft says what still stands, and nothing besides.

    Who states anything otherwise means a memory of its own, and so does whoever has more to say
    than the one who said it.
    """
    said = draft.fields
    stated = {name: said[name] for name in _OF_ITS_OWN if said.get(name) is not None}
    is_anybodys = held.key is not None or all(
        getattr(held, name) == getattr(record, name) for name in _WHOSE
    )
    has_its_vector = (
        held.vector == record.vector
        if held.key is None and draft.brings_vector
        else len(held.vector or b"") == len(record.vector or b"")
    )
    return (
        record.key == held.key
        and held.valid_from <= record.valid_from
        and held.stated_to is None
        and held.expires_at is None
        and is_anybodys
        and has_its_vector
        and all(getattr(held, name) == value for name, value in stated.items())
        and json.loads(record.metadata) == json.loads(held.metadata)
        and not outranks(record.origin, held.origin)
        and _stands(held, transaction.now)
    )


def _stands(record: Record, now: Seconds) -> bool:
    return all(end is None or end > now for end in (record.valid_to, record.expires_at))


def _may_be_one(held: Record, record: Record) -> bool:
    """Whether they are about the same: of one slot, or one of them of none.

    A user's is, besides, of one person, as far as that is known, and of the same metadata.
    """
    if None not in {held.key, record.key}:
        return held.key == record.key
    return record.origin != USER or (
        (None in {held.actor, record.actor} or held.actor == record.actor)
        and json.loads(held.metadata) == json.loads(record.metadata)
    )


def _heads(transaction: WriteTransaction, old: Record, now: Seconds) -> list[Record]:
    """What stands in the place of a memory that was replaced or withheld, the latest last."""
    if not transaction.edges.is_superseded(old.id):
        return []  # its time was up by itself
    ids = set(transaction.edges.standing(old.id, now))
    if ids == {old.id}:  # it is withheld, for what it contests or is derived of
        ends = [
            edge.source if edge.target == old.id else edge.target
            for edge in transaction.edges.touching([old.id])
            if edge.type in _TOLD
        ]
        ids = {head for end in ends for head in transaction.edges.standing(end, now)}
    found = transaction.memories.by_ids(ids - {old.id}).values()
    return sorted(
        (each for each in found if _stands(each, now)), key=lambda e: (e.valid_from, e.row)
    )
