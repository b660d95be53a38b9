"""What is put in the place of a memory that somebody says was wrong."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from feather_memory.model.fields import Record
from feather_memory.model.memory import EdgeType
from feather_memory.model.origin import RANK
from feather_memory.truth.contract import WriteTransaction
from feather_memory.types import Seconds
from feather_memory.write.draft import Draft
from feather_memory.write.memories import replace_fact
from feather_memory.write.supersession import supersede


def standing(transaction: WriteTransaction, memory_id: str) -> list[Record]:
    """What stands in the memory's place by now: itself, or what has replaced it."""
    ids = transaction.edges.standing(memory_id, transaction.now)
    found = transaction.memories.by_ids(ids)
    return [found[id_] for id_ in ids if id_ in found]


def is_said(transaction: WriteTransaction, meant: Collection[str], correction: Draft) -> bool:
    """Whether what stands in the place of one of the memories says what the correction says."""
    text = correction.fields["text"]
    return any(record.text == text for id_ in meant for record in standing(transaction, id_))


def replace(
    transaction: WriteTransaction, wrong: Record, stands: Sequence[Record], correction: Draft
) -> None:
    """Put the corrected text in the place of all that stands, so that never two facts do.

    Where one of them says the text already, and may replace the others, it stays and does.
    """
    highest = max(RANK[record.origin] for record in stands)
    said = [
        record.id
        for record in stands
        if record.text == correction.fields["text"] and RANK[record.origin] == highest
    ]
    new = said[0] if said else _replaced(transaction, wrong, stands, correction)
    for old in stands:
        if old.id != new:
            supersede(transaction, new, old.id, transaction.now)


def _replaced(
    transaction: WriteTransaction, wrong: Record, stands: Sequence[Record], correction: Draft
) -> str:
    """The id of the corrected text, written in the place of what stands, with all its links.

    What was to replace that later on replaces the correction instead.
    """
    ids, now = [record.id for record in stands], transaction.now
    later = transaction.edges.successors(ids, now)
    about = _about_the_same(correction, [*stands, wrong], now)
    new = replace_fact(transaction, ids[0], about, now, may_affirm=False).id
    _carry_edges(transaction, {wrong.id, *ids}, new)
    for successor in later:
        supersede(transaction, successor, new, now)
    return new


def _about_the_same(correction: Draft, said: Sequence[Record], now: Seconds) -> Draft:
    """The correction with what does not depend on who says it, from the first that has it.

    It is about the same thing, so whatever found the memory by its metadata, session or actor
    finds the correction, and what forgets the one, or lets it expire, so does the other.
    """
    kept: dict[str, object] = {
        "metadata": next((r.metadata for r in said if r.metadata != "{}"), "{}"),
        "session": next((r.session for r in said if r.session is not None), None),
        "actor": next((r.actor for r in said if r.actor is not None), None),
        "prior": said[0].prior,
    }
    expires_at = said[0].expires_at
    if expires_at is not None and expires_at > now:
        kept["expires_at"] = expires_at
    return correction.saying(**kept)


def _carry_edges(transaction: WriteTransaction, olds: Collection[str], new: str) -> None:
    """Link the new memory as the old ones are, but for what they replaced. The heavier weighs."""
    weights: dict[tuple[str, str, str], float] = {}
    for edge in transaction.edges.touching(olds):
        source = new if edge.source in olds else edge.source
        target = new if edge.target in olds else edge.target
        link = (source, target, edge.type)
        if edge.type != EdgeType.SUPERSEDES and source != target:
            weights[link] = max(edge.weight, weights.get(link, 0.0))
    for link, weight in weights.items():
        transaction.edges.put(*link, weight, transaction.now)
