"""What users do with an answer, and what it means for the memories the answer was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Final

from feather_memory.agent.conversation import same_id
from feather_memory.agent.source import Opened
from feather_memory.agent.turns import TURN, answer_of, named_too, shown_too
from feather_memory.errors import ParameterError, UnknownMemoryError
from feather_memory.filters.language import F
from feather_memory.model.memory import EdgeType, Memory, Signal, SignalKind
from feather_memory.store.store import Store
from feather_memory.types import VectorLike

COMMENTS: Final = "feedback.comments"
"""The shelf of the store that is written to which has what people wrote to their feedback, by the
ids of its events."""

_OPPOSITE: Final = {
    SignalKind.LIKED: SignalKind.DISLIKED,
    SignalKind.DISLIKED: SignalKind.LIKED,
}
_VERDICTS: Final = ("like", "thumbs", "user_score")
_ACTS: Final = {"copied": SignalKind.COPIED, "saved": SignalKind.SAVED}
_CORRECTIONS: Final = ("correction", "corrected")


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing a user did with an answer."""

    kind: SignalKind
    is_done: bool = True
    """False where it is taken back."""
    copied_text: str | None = None
    """The credit goes to the memories that hold it."""
    correction: str | None = None
    """What is true instead."""


def acts_of(key: str, *, score: Any, value: Any, correction: Any) -> list[Act]:
    """What a user did, by LangSmith's key, score, value and correction.

    A verdict (`like`, `thumbs`, `user_score`) is a like from a score of ½. `copied` and `saved`
    are done unless the score is below it. A correction may come with any key.

    >>> [act.kind.value for act in acts_of("thumbs", score=0, value=None, correction="On Friday")]
    ['corrected', 'disliked']

    Raises:
        ParameterError: An unknown key, or nothing is said of it that means something.
    """
    acts: list[Act] = []
    if key in _VERDICTS:
        is_good = _is_yes(key, value if score is None else score)
        acts.append(Act(kind=SignalKind.LIKED if is_good else SignalKind.DISLIKED))
    elif key in _ACTS:
        text = value if key == "copied" and isinstance(value, str) else None
        said = (value if text is None else None) if score is None else score
        is_done = said is None or _is_yes(key, said)
        acts.append(Act(kind=_ACTS[key], is_done=is_done, copied_text=text))
    elif key in _CORRECTIONS:
        correction = value if correction is None else correction
        if correction is None:
            raise ParameterError(f"{key!r} needs a correction")
    else:
        known = ", ".join((*_VERDICTS, *_ACTS, *_CORRECTIONS))
        raise ParameterError(f"key must be one of {known}, got {key!r}")
    if correction is not None:  # first, for it is the one that may yet be refused
        acts.insert(0, Act(kind=SignalKind.CORRECTED, correction=_text(correction)))
    return acts


def done(
    opened: Opened,
    turn: str,
    act: Act,
    *,
    memory_ids: Sequence[str] | None = None,
    event: str | None = None,
    vector: VectorLike | None = None,
) -> list[Signal]:
    """Log one act about what a turn was shown; the credit is shared among it.

    A verdict takes its opposite back about the same memories. The same act again changes nothing,
    until it is taken back. A correction lowers the one memory meant and supersedes what is current
    of it; so it does with the answer that was given in the turn, where that is remembered.

    Args:
        opened: Where the turn was shown something.
        turn: By any of its names.
        act: What was done.
        memory_ids: Only these of what was shown.
        event: Which feedback of the turn is the same one; each counts for itself.
        vector: Of the correction; the store embeds it unless given.

    Raises:
        UnknownTurnError: Nothing was recalled in that turn, or it is too long ago.
        ParameterError: A correction that could mean several memories, or the event of another turn.
    """
    if not act.is_done and event is None:
        return opened.reads.unfeedback(turn, act.kind)
    asked: dict[str, Any] = {"memory_ids": memory_ids, "copied_text": act.copied_text}
    if act.correction is not None:  # its text is embedded: not while other writers wait
        asked |= {"correction": act.correction, "vector": vector}
        signals = _given(opened, turn, act.kind, event, asked)
        _retire_answer(opened, turn, act.correction, signals)
        return signals
    with _at_once(opened):
        signals = _given(opened, turn, act.kind, event, asked)
        if not act.is_done:
            return _taken_back(opened, signals)
        if (opposite := _OPPOSITE.get(act.kind)) is not None:
            _take_opposite_back(opened, opposite, event, signals)
        return signals


def record(
    opened: Opened,
    turn: str,
    acts: Sequence[Act],
    *,
    memory_ids: Sequence[str] | None = None,
    feedback_id: str | None = None,
    comment: str | None = None,
    vector: VectorLike | None = None,
) -> list[Signal]:
    """Log what one piece of feedback says, in the shape of LangSmith's; see `acts_of`.

    Args:
        opened: As in `done`, as are the next.
        turn: By any of its names.
        acts: What was done.
        memory_ids: Only these of what was shown.
        feedback_id: Which feedback of the turn is the same one.
        comment: Kept on the shelf `COMMENTS`.
        vector: Of the correction, if there is one.
    """
    signals: list[Signal] = []
    for act in acts:
        made = vector if act.correction is not None else None
        signals += done(opened, turn, act, memory_ids=memory_ids, event=feedback_id, vector=made)
    if comment is not None:
        opened.writes.plumbing.shelf(COMMENTS).update(
            {signal.event_id: comment for signal in signals}
        )
    return signals


def take_back(opened: Opened, turn: str, kind: SignalKind | str) -> list[Signal]:
    """What was done in the turn, such as "liked", no longer counts. It stays in the log.

    The text of a correction stays current: `Store.unsupersede` undoes that.
    """
    return opened.reads.unfeedback(turn, kind)


def correct(
    opened: Opened,
    memory_id: str,
    text: str,
    *,
    turn: str | None = None,
    vector: VectorLike | None = None,
) -> Memory:
    """Correct one memory by its id; the memory that says what is true.

    It means what a correction of an answer means, however the memory came to be known: the wrong
    one is lowered, and what is current of it is superseded, once.

    Args:
        opened: Where it is; of layers the nearest that has it.
        memory_id: Of the memory that is wrong.
        text: What is true instead.
        turn: In which it was shown, if that is known.
        vector: Of the text; the store embeds it unless given.

    Raises:
        UnknownMemoryError: No memory has that id.
        ParameterError: The text says nothing.
    """
    holding = _holding(opened, memory_id)
    if not holding:
        raise UnknownMemoryError(memory_id)
    if not text.strip():  # before the turn is logged: nothing is written of what is refused
        raise ParameterError(f"a correction's text must say something, got {text!r:.80}")
    name = answer_of([memory_id]) if turn is None else turn
    shown_too(opened, [memory_id], name)
    act = Act(kind=SignalKind.CORRECTED, correction=text)
    done(opened, name, act, memory_ids=[memory_id], vector=vector)
    return next(found for store in holding for found in _saying(store, memory_id, text))


def _given(
    opened: Opened, turn: str, kind: SignalKind, event: str | None, asked: dict[str, Any]
) -> list[Signal]:
    feedback = opened.reads.feedback
    if event is None:
        return feedback(turn, kind, **asked)
    stem, nth = f"{event}.{kind}", 0
    if (text := asked.get("correction")) is not None:  # one that was edited is another event
        stem += f".{same_id(text)}"
    while True:  # an event that was taken back never counts again: the same feedback is the next
        signals = feedback(turn, kind, event_id=f"{stem}.{nth}", **asked)
        if any(not named_too(opened, signal.turn or turn, turn) for signal in signals[:1]):
            raise ParameterError(f"feedback {event!r} is about another run than {turn!r}")
        if not signals or not all(signal.retracted for signal in signals):
            return signals
        nth += 1


def _taken_back(opened: Opened, signals: Sequence[Signal]) -> list[Signal]:
    taken: list[Signal] = []
    for event_id in dict.fromkeys(signal.event_id for signal in signals):
        for store in opened.stores.values():
            with suppress(ParameterError):  # another layer logged it
                taken.append(store.unsignal(event_id))
    return taken


def _take_opposite_back(
    opened: Opened, kind: SignalKind, event: str | None, about: Sequence[Signal]
) -> None:
    """Take a verdict back about these memories: all of the turn's, or those of one feedback."""
    for signal in about:
        for store in _holding(opened, signal.memory_id):
            for known in store.signals(signal.memory_id):
                is_meant = (
                    (known.turn, known.kind) == (signal.turn, kind)
                    if event is None
                    else known.event_id.startswith(f"{event}.{kind}.")
                )
                if is_meant and not known.retracted:
                    store.unsignal(known.event_id)


def _retire_answer(opened: Opened, turn: str, text: str, about: Sequence[Signal]) -> None:
    """Let the correction supersede what the model said in the turn, too, where it is remembered.

    In the correction's own store: no memory can supersede one of another store.
    """
    for signal in about:
        turns = [name for name in (turn, signal.turn) if name is not None]
        said = (F("role") == "assistant") & F(TURN).is_in(turns)
        for store in _holding(opened, signal.memory_id):
            for new in _saying(store, signal.memory_id, text):
                related = {memory.id for memory in store.history(new.id)}
                with store.transaction():
                    for answer in store.iterate(said):
                        if not answer.superseded_by and answer.id not in related:
                            store.link(new.id, answer.id, EdgeType.SUPERSEDES)


def _holding(opened: Opened, memory_id: str) -> list[Store]:
    return [store for store in opened.stores.values() if store.get_many([memory_id])]


def _saying(store: Store, memory_id: str, text: str) -> list[Memory]:
    """The memory in a fact's history that says the text, best the current one; none if none."""
    said = [memory for memory in store.history(memory_id) if memory.text == text]
    return ([memory for memory in said if not memory.superseded_by] or said)[-1:]


def _at_once(opened: Opened) -> AbstractContextManager[None]:
    """One transaction, where there is one file."""
    reads = opened.reads
    return reads.transaction() if isinstance(reads, Store) else nullcontext()


def _is_yes(key: str, said: Any) -> bool:
    if not isinstance(said, int | float) or not 0 <= said <= 1:
        raise ParameterError(f"{key!r} needs a score in [0, 1] or a bool, got {said!r}")
    return said >= 0.5


def _text(correction: Any) -> str:
    texts = list(correction.values()) if isinstance(correction, Mapping) else [correction]
    if len(texts) != 1 or not isinstance(texts[0], str):
        raise ParameterError(f"a correction is a text, or a dict with one in it: {correction!r}")
    return texts[0]
