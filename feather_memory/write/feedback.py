"""What users did with what they were shown, turned into importance."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING

from feather_memory.errors import ParameterError, UnknownMemoryError, UnknownTurnError
from feather_memory.model.importance import copied_from, fold
from feather_memory.model.memory import Signal, SignalKind, when
from feather_memory.truth.sqlite import memories, recalls, signals
from feather_memory.write import memories as write
from feather_memory.write.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from feather_memory.truth.sqlite.database import Writing
    from feather_memory.truth.sqlite.memories import Record
    from feather_memory.types import Seconds


def add(
    writing: Writing,
    memory_id: str,
    kind: SignalKind,
    *,
    event_id: str,
    at: Seconds,
    strength: float = 1.0,
    turn: str | None = None,
) -> Signal:
    """Log one signal and fold it into the memory's importance. An event counts once."""
    record = memories.find(writing.connection, memory_id)
    if record is None:
        raise UnknownMemoryError(memory_id)
    signal = Signal(
        event_id=event_id,
        memory_id=memory_id,
        kind=kind,
        at=when(at),
        strength=strength,
        turn=turn,
    )
    if signals.append(writing, signal, at):
        _fold(writing, record)
        return signal
    known = signals.find(writing.connection, event_id)
    if known is None or (known.memory_id, known.kind) != (memory_id, kind):
        raise ParameterError(f"event {event_id!r} is logged already, as {known}")
    return known


def retract(writing: Writing, event_id: str, at: Seconds) -> Signal:
    """Take an event back: it stays in the log and no longer counts."""
    signal = signals.find(writing.connection, event_id)
    if signal is None:
        raise ParameterError(f"no signal was logged for event {event_id!r}")
    if signals.retract(writing, event_id, at):
        record = memories.find(writing.connection, signal.memory_id)
        if record is not None:
            _fold(writing, record)
    return signals.find(writing.connection, event_id) or signal


def retract_all(writing: Writing, turn: str, kind: SignalKind, at: Seconds) -> list[Signal]:
    """Take back every event of a kind that answers a turn."""
    known = signals.of_turn(writing.connection, turn, kind)
    return [retract(writing, signal.event_id, at) for signal in known if not signal.retracted]


def event_of(writing: Writing, said: Iterable[str | None]) -> str:
    """The event that the same words always are, until it is taken back; then the next such."""
    digest = blake2b(json.dumps(list(said)).encode(), digest_size=12).hexdigest()
    nth = 0
    while known := signals.of_event(writing.connection, f"{digest}.{nth}"):
        if not all(signal.retracted for signal in known):
            break
        nth += 1
    return f"{digest}.{nth}"


def _fold(writing: Writing, record: Record) -> None:
    importance = fold(record.prior, signals.of_memory(writing.connection, record.id))
    if importance != record.importance:
        memories.set_importance(writing, record.id, importance)


def credited(
    writing: Writing,
    turn: str,
    *,
    memory_ids: Sequence[str] | None,
    copied_text: str | None,
) -> list[str]:
    """Which of the memories that a turn was shown the feedback is about.

    All of them, unless narrowed: by id, or to those that hold the copied text (else to those
    that hold the most of its words, at least half of them).

    Raises:
        UnknownTurnError: Nothing was logged for the turn.
        ParameterError: An id that the turn was not shown.
    """
    shown = recalls.shown(writing.connection, turn)
    if shown is None:
        raise UnknownTurnError(turn)
    if memory_ids is not None:
        strangers = [id_ for id_ in memory_ids if id_ not in shown]
        if strangers:
            raise ParameterError(f"turn {turn!r} was not shown {strangers[0]!r}")
        return list(dict.fromkeys(memory_ids))
    if copied_text is not None:
        records = memories.by_ids(writing.connection, shown)
        texts = {id_: records[id_].text for id_ in shown if id_ in records}
        return copied_from(copied_text, texts) or shown
    return shown


def share(
    writing: Writing,
    meant: Sequence[str],
    kind: SignalKind,
    *,
    event: str,
    at: Seconds,
    turn: str,
    strength: float,
) -> list[Signal]:
    """Log one signal about each memory, each with its share of the credit. Once an event."""
    if known := signals.of_event(writing.connection, event):
        return sorted(
            known,
            key=lambda signal: (
                list(meant).index(signal.memory_id) if signal.memory_id in meant else len(meant)
            ),
        )
    return [
        add(
            writing,
            memory_id,
            kind,
            event_id=f"{event}:{memory_id}",
            at=at,
            strength=strength / len(meant),
            turn=turn,
        )
        for memory_id in meant
    ]


def correct(
    writing: Writing, meant: Sequence[str], draft: Draft, *, event: str, at: Seconds, turn: str
) -> list[Signal]:
    """Lower the memory that was wrong, and put the corrected text in its place. Once an event.

    The text is about the same thing, so whatever found the memory by its metadata, session or
    actor finds the correction, and what forgets the one so forgets the other.

    Raises:
        ParameterError: The correction could be about several memories: nothing is guessed.
    """
    if len(meant) != 1:
        raise ParameterError(
            f"turn {turn!r} was shown {len(meant)} memories: say with memory_ids which one "
            "the correction is about"
        )
    (memory_id,) = meant
    event_id = f"{event}:{memory_id}"
    if (known := signals.find(writing.connection, event_id)) is not None:
        return [known]
    signal = add(writing, memory_id, SignalKind.CORRECTED, event_id=event_id, at=at, turn=turn)
    write.replace_fact(writing, memory_id, _about_the_same(writing, memory_id, draft), at)
    return [signal]


def _about_the_same(writing: Writing, memory_id: str, draft: Draft) -> Draft:
    wrong = memories.find(writing.connection, memory_id)
    if wrong is None:
        raise UnknownMemoryError(memory_id)
    kept = {"metadata": wrong.metadata, "session": wrong.session, "actor": wrong.actor}
    return Draft(draft.id, {**draft.fields, **kept})
