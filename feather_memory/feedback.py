"""What users did with what they were shown, turned into importance."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING

from feather_memory import writing as write
from feather_memory.db import edges, memories, recalls, signals
from feather_memory.drafts import Draft
from feather_memory.errors import ParameterError, UnknownMemoryError, UnknownTurnError
from feather_memory.model import EdgeType, Signal, SignalKind, when
from feather_memory.signals import copied_from, fold

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from feather_memory.db.database import Writing
    from feather_memory.db.memories import Record
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


def event_of(writing: Writing, said: Iterable[str | None], *, is_undone: bool = False) -> str:
    """The event that the same words always are, until it is taken back; then the next such.

    Args:
        writing: Where it is looked for.
        said: The words.
        is_undone: Whether nothing is left of what they did, though nobody took it back.
    """
    digest = blake2b(json.dumps(list(said)).encode(), digest_size=12).hexdigest()
    nth = 0
    while known := signals.of_event(writing.connection, f"{digest}.{nth}"):
        if not is_undone and not all(signal.retracted for signal in known):
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

    It supersedes what stands in the memory's place by now, so that never two current facts do.
    Where that says the text already, nothing is written but the signal; where the memory itself
    does, nothing at all.

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
    wrong = memories.find(writing.connection, memory_id)
    if wrong is None:
        raise UnknownMemoryError(memory_id)
    standing = _standing(writing, memory_id, at)
    said = [record for record in standing if record.text == draft.fields["text"]]
    if wrong in said:
        return []
    signal = add(writing, memory_id, SignalKind.CORRECTED, event_id=event_id, at=at, turn=turn)
    new = said[0].id if said else _replaced(writing, wrong, standing, draft, at)
    for old in standing:
        if old.id != new:
            write.supersede(writing, new, old.id, at)
    return [signal]


def is_said(writing: Writing, meant: Iterable[str], draft: Draft, at: Seconds) -> bool:
    """Whether what stands in the place of one of the memories says what the draft says."""
    text = draft.fields["text"]
    return any(record.text == text for id_ in meant for record in _standing(writing, id_, at))


def _standing(writing: Writing, memory_id: str, at: Seconds) -> list[Record]:
    ids = edges.standing(writing.connection, memory_id, at)
    found = memories.by_ids(writing.connection, ids)
    return [found[id_] for id_ in ids if id_ in found]


def _replaced(
    writing: Writing, wrong: Record, standing: Sequence[Record], draft: Draft, at: Seconds
) -> str:
    """The id of the corrected text, written in the place of what stands, with all its links.

    What was to replace that later on replaces the correction instead.
    """
    ids = [record.id for record in standing]
    later = edges.successors(writing.connection, ids, at)
    about = _about_the_same(draft, [*standing, wrong], at)
    new = write.replace_fact(writing, ids[0], about, at).id
    _carry_edges(writing, {wrong.id, *ids}, new, at)
    for successor in later:
        write.supersede(writing, successor, new, at)
    return new


def _about_the_same(draft: Draft, said: Sequence[Record], at: Seconds) -> Draft:
    """The correction with what does not depend on who says it, from the first that has it.

    It is about the same thing, so whatever found the memory by its metadata, session or actor
    finds the correction, and what forgets the one, or lets it expire, so does the other.
    """
    kept: dict[str, object] = {
        "metadata": next((r.metadata for r in said if r.metadata != "{}"), "{}"),
        "session": next((r.session for r in said if r.session is not None), None),
        "actor": next((r.actor for r in said if r.actor is not None), None),
        "importance": said[0].prior,
    }
    expires_at = said[0].expires_at
    if expires_at is not None and expires_at > at:
        kept["expires_at"] = expires_at
    return Draft(draft.id, {**draft.fields, **kept})


def _carry_edges(writing: Writing, olds: Collection[str], new: str, at: Seconds) -> None:
    """Link the new memory as the old ones are, but for what they replaced. The heavier weighs."""
    weights: dict[tuple[str, str, str], float] = {}
    for edge in edges.touching(writing.connection, olds):
        source = new if edge.source in olds else edge.source
        target = new if edge.target in olds else edge.target
        link = (source, target, edge.type)
        if edge.type != EdgeType.SUPERSEDES and source != target:
            weights[link] = max(edge.weight, weights.get(link, 0.0))
    for link, weight in weights.items():
        edges.put(writing, *link, weight, at)
