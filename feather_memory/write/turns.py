"""Turns of a conversation: what is embedded for them, and what becomes of it when one goes."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feather_memory.model.fields import Record
from feather_memory.model.spoken import Anew, Spoken, composed, is_whole
from feather_memory.truth.contract import ReadTransaction, WriteTransaction
from feather_memory.types import Seconds
from feather_memory.write.draft import Draft


@dataclass(frozen=True, slots=True)
class _Line:
    """A turn in its place within its session."""

    at: Seconds
    number: int
    """Of its draft among several; −1 for what is stored, which comes before them."""
    said: Spoken
    row: int | None = None
    """Of what is stored."""

    @property
    def place(self) -> tuple[Seconds, int]:
        """By which it is ordered."""
        return self.at, self.number


def prepared(
    moment: ReadTransaction,
    drafts: Sequence[Draft],
    held: Mapping[str, Record],
    now: Seconds,
    *,
    is_alone: bool = False,
) -> tuple[list[Draft], list[Anew]]:
    """The drafts with what is to be embedded for them; and what is to be embedded besides.

    For a turn that is what was said before, too: by the last turn of its session that is valid
    from the same moment or before, be it stored or another draft. A text that is stored under the
    same id with a vector keeps that. Besides, vectors are to be made anew that hold what the
    drafts replace.

    Args:
        moment: Of the truth.
        drafts: What is to be written at once.
        held: What is stored under their ids, by id.
        now: From when what does not say is valid.
        is_alone: Without what was said before.
    """
    if not is_alone:
        many = Counter(draft.id for draft in drafts)
        drafts = [_kept(draft, held, is_one=many[draft.id] == 1) for draft in drafts]
    said = [_fields(draft, held) for draft in drafts]
    lines, done = _by_session(drafts, said, now), list(drafts)
    for session, own in lines.items():
        waiting = [line.at for line in own if drafts[line.number].is_to_be_embedded]
        if not waiting:
            continue
        earlier: Sequence[Record] = ()
        if not is_alone:
            replaced = {record.row for record in held.values()}
            earlier = moment.memories.last_turns(
                session, since=min(waiting), until=max(waiting), without=replaced
            )
        before: _Line | None = None
        for line in sorted([*_stored(earlier), *own], key=lambda line: line.place):
            if line.number >= 0 and drafts[line.number].is_to_be_embedded:
                is_to_follow = not (is_alone or is_whole(said[line.number]["text"]))
                after = before if is_to_follow else None
                done[line.number] = _after(after, drafts[line.number], said[line.number])
            before = line
    return done, _besides(moment, drafts, said, held)


def _besides(
    moment: ReadTransaction,
    drafts: Sequence[Draft],
    said: Sequence[Mapping[str, Any]],
    held: Mapping[str, Record],
) -> list[Anew]:
    """What is to be embedded anew where drafts replace what others follow."""
    has_its_own = {
        held[draft.id or ""].row
        for draft in drafts
        if draft.id in held and (draft.is_to_be_embedded or "vector" in draft.fields)
    }
    found = anew(moment, _changes(drafts, said, held))
    return [each for each in found if each.row not in has_its_own]


def _kept(draft: Draft, held: Mapping[str, Record], *, is_one: bool) -> Draft:
    """The draft, decided by what is stored; where that says the same, its vector stays."""
    if (old := held.get(draft.id or "")) is None:
        return draft
    is_same = is_one and old.vector is not None and draft.fields.get("text") == old.text
    return dataclasses.replace(draft, is_held=is_same, follows=(old.row,))


def _fields(draft: Draft, held: Mapping[str, Record]) -> Mapping[str, Any]:
    """What is said of it, and what stays of what is stored under its id."""
    old = held.get(draft.id or "")
    if old is None:
        return draft.fields
    return {name: getattr(old, name) for name in Record.__slots__} | dict(draft.fields)


def _by_session(
    drafts: Sequence[Draft], said: Sequence[Mapping[str, Any]], now: Seconds
) -> dict[str, list[_Line]]:
    """The drafts that are turns; of several with one id the last."""
    last: dict[str | None, int] = {
        draft.id: number for number, draft in enumerate(drafts) if draft.id is not None
    }
    found: dict[str, list[_Line]] = defaultdict(list)
    for number, (draft, fields) in enumerate(zip(drafts, said, strict=True)):
        turn = Spoken.of(fields) if last.get(draft.id, number) == number else None
        if turn is not None:
            at = fields.get("valid_from")
            found[turn.session].append(_Line(now if at is None else at, number, turn))
    return found


def _stored(records: Sequence[Record]) -> list[_Line]:
    said = [(record, Spoken.by(record)) for record in records]
    return [_Line(each.valid_from, -1, turn, each.row) for each, turn in said if turn is not None]


def _after(before: _Line | None, draft: Draft, fields: Mapping[str, Any]) -> Draft:
    """The draft with what is embedded for it after what was said before."""
    if before is None:
        return dataclasses.replace(draft, spoken=composed(fields, None))
    draft = draft.saying(context=before.said.digest)
    follows = draft.follows if before.row is None else (*draft.follows, before.row)
    return dataclasses.replace(draft, spoken=composed(fields, before.said), follows=follows)


Change = tuple[Record, Spoken | None]
"""A memory, and what it will say in its place; None where it goes from there, or is no turn."""


def _changes(
    drafts: Sequence[Draft], said: Sequence[Mapping[str, Any]], held: Mapping[str, Record]
) -> list[Change]:
    """What the drafts replace, of what is said in a conversation."""
    found: dict[str, Change] = {}
    for draft, fields in zip(drafts, said, strict=True):
        if (old := held.get(draft.id or "")) is None:
            continue
        was, will = Spoken.by(old), Spoken.of(fields)
        stays = was is not None and will is not None and will.session == was.session
        found[old.id] = old, will if stays else None
    return list(found.values())


def anew(moment: ReadTransaction, changes: Sequence[Change]) -> list[Anew]:
    """What is to be embedded anew where turns are no longer what others' vectors hold of them.

    Args:
        moment: Of the truth, before anything changes.
        changes: What will.
    """
    will = {record.row: said for record, said in changes}
    found = _made_with(moment, [each for each in changes if Spoken.by(each[0]) != each[1]])
    left = [record for record in found if will.get(record.row, record) is not None]
    gone = [row for row, said in will.items() if said is None]
    before = moment.memories.turns_before([record.row for record in left], without=gone)
    made = []
    for record in left:
        earlier = before.get(record.row)
        said = None if earlier is None else will.get(earlier.row) or Spoken.by(earlier)
        if said is None or said.digest != record.context:
            made.append(Anew.of(record, earlier, said))
    return made


def _made_with(moment: ReadTransaction, changes: Sequence[Change]) -> list[Record]:
    """The memories whose vectors hold what is said no more."""
    digests = {said.digest for record, _ in changes if (said := Spoken.by(record)) is not None}
    return moment.memories.made_with(digests) if digests else []


def are_there(transaction: WriteTransaction, drafts: Sequence[Draft]) -> bool:
    """Whether all is stored as it was when it was decided what is embedded for the drafts."""
    rows = {row for draft in drafts for row in draft.follows}
    return not rows or len(transaction.memories.ids_of(sorted(rows))) == len(rows)


def let_go(
    transaction: WriteTransaction, was: Collection[Record], made: Mapping[int, Anew]
) -> None:
    """See that no vector holds what turns said that are gone, or say something else by now.

    One that was made anew for what is there now takes its place; else the memory has none until it
    is embedded again.

    Args:
        transaction: In which they went.
        was: What they were.
        made: Vectors made anew, by the row of their memory.
    """
    digests = {said.digest for record in was if (said := Spoken.by(record)) is not None}
    if not digests:
        return
    memories, ids = transaction.memories, {record.id for record in was}
    memories.drop_successors(digests)
    holding = [record for record in memories.made_with(digests) if record.id not in ids]
    before = memories.turns_before([record.row for record in holding]) if holding else {}
    for record in holding:
        said = Spoken.by(before.get(record.row))
        context = None if said is None else said.digest
        if context == record.context:
            continue  # another turn says the same
        new = made.get(record.row)
        if new is None or new.context != context or not _fits(transaction, new):
            new = Anew(row=record.row, spoken="")
        memories.replace(
            record, dataclasses.replace(record, vector=new.vector, context=new.context)
        )


def _fits(transaction: WriteTransaction, new: Anew) -> bool:
    """Whether the vector is by the model that made the store's, as far as anybody said."""
    state = transaction.state
    is_same = None in {state.embedder, new.model} or state.embedder == new.model
    return is_same and len(new.vector or b"") // 4 == state.dimension
