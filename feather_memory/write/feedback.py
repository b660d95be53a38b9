"""What users did with what they were shown, turned into importance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from feather_memory.checks import stable_id, when
from feather_memory.errors import ParameterError, UnknownMemoryError, UnknownTurnError
from feather_memory.model.fields import Record
from feather_memory.model.importance import OPPOSITE, copied_from, fold
from feather_memory.model.memory import Signal, SignalKind
from feather_memory.truth.contract import WriteTransaction
from feather_memory.types import Seconds
from feather_memory.write.correction import is_said, replace, standing
from feather_memory.write.draft import Draft

_UNNAMED: Final = re.compile(r"[0-9a-f]{24}\.\d+:")
"""How the event of a signal begins whose feedback nobody gave an id: by the digest of its words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What somebody did with what a turn was shown, checked."""

    turn: str
    """By any of its names."""
    kind: SignalKind
    memory_ids: Sequence[str] | None = None
    """Only these of the memories shown."""
    copied_text: str | None = None
    """Only those that hold it."""
    correction: Draft | None = None
    """What is true instead of the one memory meant."""
    event_id: str | None = None
    strength: float = 1.0
    """In (0, 1]: the credit there is to share."""


def add(transaction: WriteTransaction, signal: Signal) -> Signal:
    """Log one signal and fold it into the memory's importance. An event counts once."""
    record = transaction.memories.find(signal.memory_id)
    if record is None:
        raise UnknownMemoryError(signal.memory_id)
    if transaction.engagement.append([signal]):
        _fold(transaction, {record.id: record})
        return signal
    known = transaction.engagement.signal(signal.event_id)
    if known is None or (known.memory_id, known.kind) != (signal.memory_id, signal.kind):
        raise ParameterError(f"event {signal.event_id!r} is logged already, as {known}")
    return known


def retract(transaction: WriteTransaction, event_id: str, at: Seconds) -> Signal:
    """Take an event back: it stays in the log and no longer counts."""
    signal = transaction.engagement.signal(event_id)
    if signal is None:
        raise ParameterError(f"no signal was logged for event {event_id!r}")
    if transaction.engagement.retract(event_id, at):
        _fold(transaction, transaction.memories.by_ids([signal.memory_id]))
    return transaction.engagement.signal(event_id) or signal


def retract_all(transaction: WriteTransaction, said: Answer, at: Seconds) -> list[Signal]:
    """Take back every event of a kind that answers a turn, about what was shown and is meant.

    Raises:
        UnknownTurnError: Nothing was logged for the turn.
        ParameterError: An id that the turn was not shown.
    """
    logged = transaction.engagement.recalled(said.turn)
    if logged is None:
        raise UnknownTurnError(said.turn)
    turn, shown = logged
    known = transaction.engagement.signals_of_turn(turn, said.kind)
    if said.memory_ids is not None or said.copied_text is not None:
        meant = _credited(transaction, shown, said)
        known = [signal for signal in known if signal.memory_id in meant]
    return [retract(transaction, signal.event_id, at) for signal in known if not signal.retracted]


def answer(transaction: WriteTransaction, said: Answer) -> list[Signal]:
    """Log what somebody did with what a turn was shown; the credit is shared among it.

    Raises:
        UnknownTurnError: Nothing was logged for the turn.
        ParameterError: An id that the turn was not shown, or a correction that could be about
            several memories: nothing is guessed.
    """
    logged = transaction.engagement.recalled(said.turn)
    if logged is None:
        raise UnknownTurnError(said.turn)
    turn, shown = logged
    meant = _credited(transaction, shown, said)
    if said.correction is not None and len(meant) != 1:
        raise ParameterError(
            f"turn {said.turn!r} was shown {len(meant)} memories: say with memory_ids which one "
            "the correction is about"
        )
    event, known, fresh = _event(transaction, turn, meant, said)
    if said.event_id is None or fresh:
        _take_opposite_back(transaction, turn, meant, said)
    if said.correction is not None and fresh:
        (memory_id,) = fresh
        wrong = transaction.memories.by_ids(fresh)[memory_id]
        return _corrected(transaction, wrong, said.correction, event, turn)
    signals = [
        Signal(
            event_id=f"{event}:{memory_id}",
            memory_id=memory_id,
            kind=said.kind,
            at=when(transaction.now),
            strength=said.strength / len(meant),
            turn=turn,
        )
        for memory_id in fresh
    ]
    if signals:
        if len(transaction.engagement.append(signals)) < len(signals):
            raise ParameterError(f"event {event!r} of one of these memories is logged already")
        _fold(transaction, transaction.memories.by_ids(fresh))
    place = {id_: at for at, id_ in enumerate(meant)}
    return sorted((*known, *signals), key=lambda signal: place.get(signal.memory_id, len(meant)))


def _take_opposite_back(
    transaction: WriteTransaction, turn: str, meant: Sequence[str], said: Answer
) -> None:
    """Of a like and a dislike of a memory in a turn the later holds, unless both have an id."""
    opposite = OPPOSITE.get(said.kind)
    if opposite is None:
        return
    for signal in transaction.engagement.signals_of_turn(turn, opposite):
        is_anothers = said.event_id is not None and not _UNNAMED.match(signal.event_id)
        if signal.memory_id in meant and not signal.retracted and not is_anothers:
            retract(transaction, signal.event_id, transaction.now)


def _corrected(
    transaction: WriteTransaction, wrong: Record, correction: Draft, event: str, turn: str
) -> list[Signal]:
    """Lower the memory that was wrong, and put the corrected text in the place of what stands.

    Where that says the text already, nothing is written but the signal; where the memory itself
    does, nothing at all.
    """
    stands = standing(transaction, wrong.id)
    if any(record.id == wrong.id and record.text == correction.fields["text"] for record in stands):
        return []
    signal = Signal(
        event_id=f"{event}:{wrong.id}",
        memory_id=wrong.id,
        kind=SignalKind.CORRECTED,
        at=when(transaction.now),
        turn=turn,
    )
    add(transaction, signal)
    replace(transaction, wrong, stands, correction)
    return [signal]


def _event(
    transaction: WriteTransaction, turn: str, meant: Sequence[str], said: Answer
) -> tuple[str, list[Signal], list[str]]:
    """Which event it is, its signals that are logged already, and the memories still to be logged.

    Where it was not named, the same words are always the same event, until it is taken back, or
    nothing is left of what it did; then they are the next such. Taken back about some of its
    memories, it is so about those.
    """
    if said.event_id is not None:
        known = transaction.engagement.signals_of_event(said.event_id)
        return said.event_id, known, [] if known else list(meant)
    correction = said.correction
    text = None if correction is None else correction.fields["text"]
    digest = stable_id(turn, said.kind, *(said.memory_ids or ()), said.copied_text, text)
    is_undone = correction is not None and not is_said(transaction, meant, correction)
    standing: dict[str, Signal] = {}
    fallen: set[str] = set()
    nth = 0
    while known := transaction.engagement.signals_of_event(f"{digest}.{nth}"):
        fallen |= {signal.memory_id for signal in known if signal.retracted}
        standing |= {signal.memory_id: signal for signal in known if not signal.retracted}
        nth += 1
    if is_undone or not standing:
        return f"{digest}.{nth}", [], list(meant)
    fresh = [id_ for id_ in meant if id_ in fallen and id_ not in standing]
    return f"{digest}.{nth}", list(standing.values()), fresh


def _credited(transaction: WriteTransaction, shown: Sequence[str], said: Answer) -> list[str]:
    """Which of the memories that a turn was shown the feedback is about.

    All of them, unless narrowed: by id, or to those that hold the copied text (else to those
    that hold the most of its words, at least half of them).
    """
    if said.memory_ids is not None:
        strangers = [id_ for id_ in said.memory_ids if id_ not in shown]
        if strangers:
            raise ParameterError(f"turn {said.turn!r} was not shown {strangers[0]!r}")
        return list(dict.fromkeys(said.memory_ids))
    if said.copied_text is not None:
        records = transaction.memories.by_ids(shown)
        texts = {id_: records[id_].text for id_ in shown if id_ in records}
        return copied_from(said.copied_text, texts) or list(shown)
    return list(shown)


def _fold(transaction: WriteTransaction, records: Mapping[str, Record]) -> None:
    """Bring the memories' importance up to date with their signals.

    Also where it stays as it is: readers learn by it that a memory is liked for another question.
    """
    signals = transaction.engagement.signals_of(records)
    folded = {id_: fold(records[id_].prior, events) for id_, events in signals.items()}
    transaction.memories.set_importance(folded)
