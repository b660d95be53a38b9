"""What users do with an answer, and what it means for the memories the answer was made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

from feather_memory.agent.conversation import derived, embedded, same_id
from feather_memory.agent.source import Opened
from feather_memory.agent.turns import answer_of, named_too, shown_too
from feather_memory.errors import ParameterError, UnknownMemoryError, quoted
from feather_memory.filters.language import F, Filter
from feather_memory.model.importance import OPPOSITE
from feather_memory.model.memory import TURN, EdgeType, Memory, Signal, SignalKind
from feather_memory.model.origin import RANK, USER, least, outranks
from feather_memory.store.store import Store
from feather_memory.types import Seconds, VectorLike


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


def done(
    opened: Opened,
    turn: str,
    act: Act,
    *,
    memory_ids: Sequence[str] | None = None,
    event: str | None = None,
    vector: VectorLike | None = None,
    said_in: Sequence[str] = (),
) -> list[Signal]:
    """Log one act about what a turn was shown; the credit is shared among it.

    A verdict takes its opposite back, as `Store.feedback` says; of one event always. The same act
    again changes nothing, until it is taken back. A correction lowers the one memory meant and
    supersedes what is current of it; the answer that was given in the turn is retired, too, where
    it is remembered: superseded, or in another layer no longer valid.

    Args:
        opened: Where the turn was shown something.
        turn: By any of its names.
        act: What was done; one that is not done is taken back.
        memory_ids: Only these of what was shown.
        event: Which feedback of the turn is the same one; each counts for itself.
        vector: Of the correction; the store embeds it unless given.
        said_in: Further turns in which the answer may be remembered.

    Raises:
        UnknownTurnError: Nothing was recalled in that turn, or it is too long ago.
        ParameterError: A correction that could mean several memories, an id that the turn was not
            shown, or the event of another turn.
    """
    asked: dict[str, Any] = {"memory_ids": memory_ids, "copied_text": act.copied_text}
    if not act.is_done and event is None:
        return opened.reads.unfeedback(turn, act.kind, **asked)
    if act.correction is not None:  # its text is embedded: not while other writers wait
        asked |= {"correction": act.correction, "vector": vector}
        signals = _given(opened, turn, act.kind, event, asked)
        _retire_answer(opened, (turn, *said_in), act.correction, signals)
        return signals
    with _at_once(opened):
        signals = _given(opened, turn, act.kind, event, asked)
        if not act.is_done:
            meant = [s for s in signals if memory_ids is None or s.memory_id in memory_ids]
            return _taken_back(opened, (signal.event_id for signal in meant))
        if event is not None and act.kind in OPPOSITE:
            _change_of_mind(opened, OPPOSITE[act.kind], event, signals)
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
    origin: str = "user",
) -> Memory:
    """Correct one memory by its id; the memory that says what is true.

    The wrong one is lowered, and what is current of it is superseded, once, as by a correction of
    an answer. No answer is: the turn in which something is corrected is not that of the mistake.

    Args:
        opened: Where it is; of layers the nearest that has it.
        memory_id: Of the memory that is wrong.
        text: What is true instead.
        turn: Under which it is logged; under one of its own unless given.
        vector: Of the text; the store embeds it unless given.
        origin: Who says so. Where what stands comes from a higher one, the text becomes a
            suggestion, and nothing is lowered.

    Raises:
        UnknownMemoryError: No memory has that id.
        ParameterError: The text says nothing.
    """
    holding = _holding(opened, memory_id)
    if not holding:
        raise UnknownMemoryError(memory_id)
    if not text.strip():  # before the turn is logged: nothing is written of what is refused
        raise ParameterError(f"a correction's text must say something, got {quoted(text)}")
    store, name = holding[0], answer_of([memory_id]) if turn is None else turn
    kind = SignalKind.CORRECTED
    if origin == USER:
        shown_too(Opened.of(store), [memory_id], name)
        store.feedback(name, kind, memory_ids=[memory_id], correction=text, vector=vector)
        return _saying(store, memory_id, text)[0]
    stands = [m for m in store.history(memory_id) if not m.superseded_by] or [store.get(memory_id)]
    wrong = max(stands, key=lambda memory: RANK[memory.origin])
    if wrong.text == text:
        return wrong
    if not outranks(wrong.origin, origin):
        shown_too(Opened.of(store), [memory_id], name)
        store.feedback(name, kind, memory_ids=[memory_id])
    said = ("correction", wrong.id, text)
    return _said(
        store,
        (same_id(*said, *([str(nth)] if nth else [])) for nth in count()),
        lambda id_: store.supersede(
            wrong.id, text, id=id_, vector=vector, origin=origin,
            metadata=wrong.metadata, session=wrong.session, actor=wrong.actor,
        ),
        origin,
        is_anew=False,
    )  # fmt: skip


def save_fact(
    opened: Opened,
    text: str,
    *,
    step: Sequence[str | None] = (),
    key: str | None = None,
    session: str | None = None,
    actor: str | None = None,
    vector: VectorLike | None = None,
    origin: str = "assistant",
    sources: Iterable[str] = (),
    since: Seconds | None = None,
) -> Memory:
    """Remember one fact, as a model's tool does; a step that is run again remembers it once.

    Args:
        opened: The nearest of its stores remembers.
        text: The fact.
        step: What a retry is known by, such as the turn, or the ids of a message and its call. Of
            one without any, words that have been superseded since are said anew.
        key: What the fact is the current value of.
        session: The conversation.
        actor: Who said it.
        vector: Of the text; the store embeds it unless given.
        origin: Who says so: "assistant" where a model decides what to write down, "user" where the
            application trusts it to write down what the user said.
        sources: Ids of the memories it is taken from, such as the turn it was said in: it is linked
            `derived_from` those there are, and is said by the lowest of whom they come from. What
            somebody higher has said already stays theirs, and is of no sources.
        since: From when it is true; from now on unless given. The same fact since another moment is
            another memory.
    """
    store, turns = opened.writes, list(sources)
    said = (key, text) if since is None else (key, text, repr(since))
    told = [*step] if any(step) else []
    if turns and vector is None:
        vector = next(iter(embedded(store, [text]) or ()), None)  # before others have to wait
    with store.transaction() if turns else nullcontext():
        held = store.get_many(turns) if turns else []
        by = least([origin, *(source.origin for source in held)])
        saved = _said(
            store,
            (same_id(session, *([*told, str(nth)] if nth else step), *said) for nth in count()),
            lambda id_: store.add(
                text, id=id_, key=key, session=session, actor=actor, vector=vector, origin=by,
                valid_from=since,
            ),
            by,
            is_anew=not told,
        )  # fmt: skip
        derived(store, saved, turns, origin=by)
    return saved


def _said(
    store: Store, ids: Iterator[str], say: Callable[[str], Memory], origin: str, *, is_anew: bool
) -> Memory:
    """The memory that something is, under the first id that is not taken by something else.

    Args:
        store: Where it is said.
        ids: Without end.
        say: Says it under one of them.
        origin: Who says it.
        is_anew: Whether words that are over are said anew.
    """
    while True:
        id_ = next(ids)
        if not _is_taken(store, id_, origin, is_anew=is_anew):
            memory = say(id_)
            if memory.id != id_ or not outranks(origin, memory.origin):  # else taken meanwhile
                return memory


def _is_taken(store: Store, id_: str, origin: str, *, is_anew: bool) -> bool:
    """Whether the memory of that id is not what is said now.

    It is over, where what is said is said anew; or somebody lower had said it before, whose words
    would stay what they are, such as a suggestion, whoever says them next.
    """
    held = next(iter(store.get_many([id_])), None)  # one look: others may forget it after it
    if held is None:
        return False
    return (is_anew and bool(held.superseded_by)) or outranks(origin, held.origin)


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


def _taken_back(opened: Opened, event_ids: Iterable[str]) -> list[Signal]:
    taken: list[Signal] = []
    for event_id in dict.fromkeys(event_ids):
        for store in opened.stores.values():
            with suppress(ParameterError):  # another layer logged it
                taken.append(store.unsignal(event_id))
    return taken


def _change_of_mind(opened: Opened, kind: SignalKind, event: str, about: Sequence[Signal]) -> None:
    """Take back what the same feedback said before of these memories."""
    for signal in about:
        for store in _holding(opened, signal.memory_id):
            for known in store.signals(signal.memory_id):
                if known.event_id.startswith(f"{event}.{kind}.") and not known.retracted:
                    store.unsignal(known.event_id)


def _retire_answer(
    opened: Opened, turns: Sequence[str], text: str, about: Sequence[Signal]
) -> None:
    """Retire what the model said in the turn, too, where that is remembered.

    In the correction's own store it is superseded. No memory can supersede one of another store:
    there it is no longer valid from when the correction is.
    """
    for signal in about:
        names = list(dict.fromkeys((*turns, signal.turn or turns[0])))
        said = (F("role") == "assistant") & F(TURN).is_in(names)
        for store in _holding(opened, signal.memory_id):
            for new in _saying(store, signal.memory_id, text):
                _supersede_answer(store, said, new)
                for other in opened.stores.values():
                    if other is not store:
                        _end_answer(other, said, new)


def _supersede_answer(store: Store, said: Filter, new: Memory) -> None:
    related = {memory.id for memory in store.history(new.id)}
    with store.transaction():
        for answer in store.iterate(said):
            if not answer.superseded_by and answer.id not in related:
                store.link(new.id, answer.id, EdgeType.SUPERSEDES)


def _end_answer(store: Store, said: Filter, new: Memory) -> None:
    with store.transaction():
        for answer in store.iterate(said):
            if not answer.superseded_by and answer.valid_to is None:
                store.update(answer.id, valid_to=max(new.valid_from, answer.valid_from))


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
