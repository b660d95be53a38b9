"""The audit: what is wrong with a store, and what can be mended because it is derived."""

from __future__ import annotations

import dataclasses

from feather_memory.checks import when
from feather_memory.config import DAY
from feather_memory.model.importance import fold
from feather_memory.truth.contract import ReadTransaction, WriteTransaction
from feather_memory.types import Seconds
from feather_memory.write.supersession import settle_slot

_EPSILON = 1e-9


def faults(moment: ReadTransaction, now: Seconds) -> list[str]:
    """Everything that is wrong with the truth, a sentence each; empty for a sound one.

    Args:
        moment: Of the truth.
        now: By the clock.
    """
    found = moment.audit.structure() or moment.audit.rows()
    if found:
        return found  # what follows would read what is damaged
    if (latest := moment.state.latest) > now + DAY:
        found.append(ahead(latest, now))
    dimension = moment.state.dimension or 0
    for record in moment.audit.records():
        name = f"memory {record.id!r}"
        if record.vector is not None and len(record.vector) != 4 * dimension:
            found.append(f"{name}: its vector has {len(record.vector) // 4} numbers")
        if record.context is not None and record.vector is None:
            found.append(f"{name}: it says what its vector was made with, and has none")
        if record.valid_to != moment.edges.end_of(record.id):
            found.append(f"{name}: valid_to is not what its supersessions say")
        folded = fold(record.prior, moment.engagement.signals_of([record.id])[record.id])
        if abs(folded - record.importance) > _EPSILON:
            found.append(f"{name}: importance is {record.importance}, its signals say {folded}")
    return found + moment.audit.relations()


def ahead(latest: Seconds, now: Seconds) -> str:
    """What is to be said of a store whose last recorded moment is far ahead of the clock."""
    return (
        f"its last recorded moment, {when(latest):%Y-%m-%d %H:%M} UTC, is "
        f"{(latest - now) / DAY:.1f} days ahead of the clock; check(fix=True) dates it back"
    )


def mend(transaction: WriteTransaction, now: Seconds) -> None:
    """Derive again what is derived: ends of validity, importance, words.

    What was recorded over a day after `now`, by a clock that was ahead, was recorded now. Where a
    row is not what was written, no row is written anew: its damage would not be told any more.
    """
    is_damaged = bool(transaction.audit.rows())
    is_ahead = transaction.state.latest > now + DAY and not is_damaged
    if is_ahead:
        transaction.audit.date_back(now)
        transaction.now = now
    for record in list(transaction.audit.records()):
        if record.context is not None and record.vector is None and not is_damaged:
            transaction.memories.replace(record, dataclasses.replace(record, context=None))
        if record.valid_to != transaction.edges.end_of(record.id):
            transaction.edges.refresh_end(record.id)
        folded = fold(record.prior, transaction.engagement.signals_of([record.id])[record.id])
        if abs(folded - record.importance) > _EPSILON:
            transaction.memories.set_importance({record.id: folded})
    if is_ahead:
        _settle(transaction)
    transaction.audit.rebuild_words()
    transaction.own_snapshot(None)


def _settle(transaction: WriteTransaction) -> None:
    """Have what was dated back leave its slot to what was there: it may hold from earlier on."""
    now = transaction.now
    moved = [r.id for r in transaction.audit.records() if r.key is not None and r.created_at == now]
    for id_ in moved:
        settle_slot(transaction, transaction.memories.by_ids([id_])[id_], now)
