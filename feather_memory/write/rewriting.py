"""What an id that is written again comes to: new content, or a suggestion beside the old."""

from __future__ import annotations

import json
from dataclasses import replace

from feather_memory import checks
from feather_memory.checks import stable_id
from feather_memory.model.fields import Record
from feather_memory.model.importance import fold
from feather_memory.model.memory import IMPORTED, EdgeType
from feather_memory.model.origin import IMPORT, USER, least, outranks
from feather_memory.model.spoken import Spoken
from feather_memory.truth.contract import WriteTransaction
from feather_memory.types import Seconds
from feather_memory.write import turns
from feather_memory.write.draft import Draft
from feather_memory.write.echoes import link_echo, repeats_of, unlink_echo
from feather_memory.write.supersession import contest, move, settle_slot


def rewrite(transaction: WriteTransaction, draft: Draft, old: Record, now: Seconds) -> Record:
    """Give the record new content. Edges, signals and past stay; the same content is no change.

    What comes from a lower origin changes nothing in it: another text is a suggestion beside it.
    Without an origin the application itself corrects the record.
    """
    draft = _believed(draft, old)
    record = draft.rewritten(old, now)
    if record == old:
        return old
    by = draft.fields.get("origin", USER)
    if outranks(old.origin, by):
        return old if record.text == old.text else _suggested(transaction, draft, old, now)
    if draft.model is not None:
        transaction.memories.made_by(draft.model)
    is_anew = record.text != old.text
    repeats: list[Record] = []
    if is_anew:
        if "metadata" not in draft.fields:
            record.metadata = _unmarked(record.metadata)
        record.origin = _lowered(transaction, record)
        if unlink_echo(transaction, old):
            record.valid_to = transaction.edges.end_of(old.id)
        repeats = repeats_of(transaction, record) if by != USER else []
    if record.prior != old.prior:
        log = transaction.engagement.signals_of([old.id])
        record.importance = fold(record.prior, log[old.id])
    transaction.memories.replace(old, record)
    if Spoken.by(record) != Spoken.by(old):
        turns.let_go(transaction, [old], draft.remade)
    link_echo(transaction, record, repeats)
    _settle(transaction, old, record, now)
    record.valid_to = transaction.edges.end_of(record.id)
    return record


def _believed(draft: Draft, old: Record) -> Draft:
    """The draft; as an import, if a file says that it is the user's of what is not the file's own.

    Its own is what was imported as the user's, of the same conversation, and was left so.
    """
    fields = draft.fields
    if fields.get("origin") != USER or not _is_marked(fields.get("metadata", "{}")):
        return draft
    conversation = (fields.get("session"), fields.get("key"))
    is_own = old.origin == USER and _is_marked(old.metadata)
    if is_own and (old.session, old.key) == conversation:
        return draft
    return draft.saying(origin=IMPORT)


def _is_marked(metadata: str) -> bool:
    return IMPORTED in metadata and json.loads(metadata).get(IMPORTED) == USER


def _unmarked(metadata: str) -> str:
    """Of what the application has corrected since: it is no file's any more."""
    if not _is_marked(metadata):
        return metadata
    told = json.loads(metadata)
    del told[IMPORTED]
    return checks.metadata(told, "metadata")


def _settle(transaction: WriteTransaction, old: Record, record: Record, now: Seconds) -> None:
    """Have its new times and its new slot count."""
    if record.stated_to != old.stated_to:
        transaction.edges.refresh_end(record.id)
        record.valid_to = transaction.edges.end_of(record.id)
    if record.valid_from != old.valid_from:
        move(transaction, record, old.valid_from)
    slot = (record.key, record.valid_from, record.valid_to)
    if slot != (old.key, old.valid_from, old.valid_to) or record.stated_to != old.stated_to:
        settle_slot(transaction, record, now)


def _lowered(transaction: WriteTransaction, record: Record) -> str:
    """Its origin, or that of what it is derived of, if that is lower."""
    edges = transaction.edges.touching([record.id])
    ids = [e.target for e in edges if e.source == record.id and e.type == EdgeType.DERIVED_FROM]
    sources = transaction.memories.by_ids(ids).values()
    return least([record.origin, *(each.origin for each in sources)])


def _suggested(transaction: WriteTransaction, draft: Draft, old: Record, now: Seconds) -> Record:
    """The new text as a memory of its own that contests the old; said again, it is the same one."""
    id_ = stable_id(old.id, draft.fields["text"])
    if (known := transaction.memories.find(id_)) is not None:
        return known
    record = replace(draft, id=id_).record(now)
    transaction.memories.insert([record])
    contest(transaction, record, [old], now)
    record.valid_to = transaction.edges.end_of(record.id)
    return record
