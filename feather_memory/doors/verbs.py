"""What a door can do with a memory: each verb once, for MCP's tools and HTTP's paths alike.

They are the verbs of `agent`, which every framework's adapter uses, with answers that are values. A
verb that only reads takes None for a tenant who has no memory yet, and makes none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from feather_memory.agent.acts import Act, done, save_fact
from feather_memory.agent.acts import correct as put_right
from feather_memory.agent.outcome import outcome_of
from feather_memory.agent.prompt import Budget, fenced
from feather_memory.agent.recall import FACTS, Recalled, RecallOptions, told
from feather_memory.agent.source import Opened
from feather_memory.checks import stable_id, unicode_text
from feather_memory.config import DOOR_QUESTION_CHARACTERS
from feather_memory.doors.answers import (
    ForgetTold,
    HistoryTold,
    HitTold,
    LinkTold,
    MemoryTold,
    RecallTold,
    SignalTold,
    WhyTold,
    Written,
)
from feather_memory.errors import ParameterError, UnknownMemoryError
from feather_memory.importers.times import parse_time
from feather_memory.model.later import FITTING
from feather_memory.model.memory import EdgeType, Memory, SignalKind
from feather_memory.model.origin import USER
from feather_memory.model.origin import checked as checked_origin
from feather_memory.store.store import Store
from feather_memory.types import Seconds

NOTHING = "Nothing is remembered about that."
"""What a model is told where nothing was found."""

_PLANNED = 20
"""Memories that a plan to forget looks for by a question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a door asks and writes, whoever calls.

    Raises:
        ParameterError: There is no such origin, or a number is outside its range.
    """

    origin: str = "assistant"
    """Who says what is written: what the user stated is not replaced by an assistant."""
    options: RecallOptions = field(
        default_factory=lambda: RecallOptions(k=10, min_relevance=FITTING)
    )
    budget_tokens: int = 1_000
    """How long what a recall tells a model may be, unless the call says less or more."""

    def __post_init__(self) -> None:
        checked_origin(self.origin, "origin")
        Budget(max_tokens=self.budget_tokens)


def remember(
    opened: Opened,
    terms: Terms,
    text: str,
    *,
    key: str | None = None,
    since: str | None = None,
    session: str | None = None,
    actor: str | None = None,
) -> Written:
    """Remember one fact. The same call again changes nothing."""
    memory = save_fact(
        opened, text, key=key, session=session, actor=actor, origin=terms.origin,
        since=moment(since, "since"),
    )  # fmt: skip
    return _written(opened, memory)


def add(
    opened: Opened,
    text: str,
    *,
    origin: str,
    since: str | None = None,
    importance: float | None = None,
    metadata: Mapping[str, Any] | None = None,
    **fields: str | None,
) -> Written:
    """Remember a record as the library's `add` does: the application's own, with all its fields.

    Args:
        opened: The nearest of its stores remembers.
        text: As in `Store.add`, as are the others.
        origin: Who it comes from.
        since: From when it is true.
        importance: In [0, 1].
        metadata: What JSON can hold exactly.
        fields: `id`, `key`, `session`, `actor` and `role`.
    """
    given: dict[str, Any] = {**fields, "importance": importance, "metadata": metadata}
    at = moment(since, "since")
    return _written(opened, opened.writes.add(text, origin=origin, valid_from=at, **given))


def recall(
    opened: Opened | None,
    terms: Terms,
    question: str,
    *,
    budget_tokens: int | None = None,
    as_of: str | None = None,
    k: int | None = None,
    session: str | None = None,
    turn: str | None = None,
    where: Mapping[str, Any] | None = None,
) -> tuple[RecallTold, str]:
    """What is remembered about something: as values, and fenced for a model; logged as shown."""
    asked, at = bounded(question), moment(as_of, "as_of")
    budget = Budget(max_tokens=terms.budget_tokens if budget_tokens is None else budget_tokens)
    options = terms.options.for_call(as_of=at, k=k, session=session, where=where)
    found = Recalled(turn=None, hits=(), tenant=None)
    if opened is not None:
        found = told(opened, asked, options, budget, with_ids=True, turn=turn)
    memories = tuple(HitTold.of_hit(hit) for hit in found.hits)
    shown = found.turn if memories else None
    return RecallTold(turn=shown, memories=memories), found.prompt or NOTHING


def correct(opened: Opened | None, terms: Terms, memory_id: str, text: str) -> Written:
    """Say what is true instead of a memory."""
    there = _existing(opened, memory_id)
    return _written(there, put_right(there, memory_id, text, origin=terms.origin))


def forget(
    opened: Opened | None,
    *,
    ids: Sequence[str] = (),
    about: str | None = None,
    confirm: str | None = None,
) -> tuple[ForgetTold, str]:
    """Plan what is to be forgotten, or carry a plan out: as values, and fenced for a model.

    A plan removes nothing. It says what would go, and `confirm`, with which the same ids are
    forgotten: only while they still are what the plan said.

    Args:
        opened: Where; of layers the nearest.
        ids: Of the memories.
        about: Instead, for a plan: what they are about. Past versions of what is found are in it.
        confirm: Of the plan; nothing is removed without it.

    Raises:
        ParameterError: Neither ids nor a question, both, or a `confirm` of another plan.
        UnknownMemoryError: An id that does not exist. Nothing was removed.
    """
    if bool(ids) == (about is not None) or (confirm is not None and not ids):
        raise ParameterError(
            "forget takes either ids or what they are about; confirm goes with the ids of a plan"
        )
    if opened is None:
        if ids:
            raise UnknownMemoryError(ids[0])
        return _plan(None, []), NOTHING
    store = opened.writes
    named = _found_about(store, about) if about is not None else _held(store, ids)
    planned, text = _plan(store, named), fenced(named, with_ids=True) if named else NOTHING
    if confirm is None:
        return planned, text
    if confirm != planned.confirm:
        raise ParameterError("these memories are not what was planned: plan it again, then confirm")
    store.forget([memory.id for memory in named])
    return planned.model_copy(update={"is_done": True, "confirm": None}), text


def history(opened: Opened | None, memory_id: str) -> tuple[HistoryTold, str]:
    """What a fact was over time: as values, and fenced for a model."""
    there = _existing(opened, memory_id)
    return _told(_holder(there, memory_id).history(memory_id))


def latest(opened: Opened | None, k: int) -> tuple[HistoryTold, str]:
    """The k memories written last that are current, latest first: as values, and fenced."""
    found: list[Memory] = []
    offset = 0
    while opened is not None and len(found) < k:
        page = opened.writes.latest(k, where=FACTS, offset=offset)
        found += [memory for memory in page if _is_current(memory)]
        offset += k
        if len(page) < k:
            break
    return _told(found[:k])


def why_not(opened: Opened | None, terms: Terms, question: str, memory_id: str) -> WhyTold:
    """Why a recall of that question does not return a memory."""
    asked, options = bounded(question), terms.options
    there = _existing(opened, memory_id)
    verdict = _holder(there, memory_id).why_not(
        asked, memory_id, options.k, where=FACTS, min_relevance=options.min_relevance
    )
    return WhyTold.of(verdict)


def link(
    opened: Opened | None,
    source: str,
    target: str,
    *,
    type: str = EdgeType.RELATED_TO,  # noqa: A002  the field's name
    weight: float = 1.0,
    origin: str = USER,
) -> LinkTold:
    """Link two memories: *source* type *target*, as somebody of that origin says."""
    if type == EdgeType.SUPERSEDES:
        raise ParameterError("what replaces a fact is said by a correction, not by a link")
    there = _existing(opened, source)
    return LinkTold.of(there.writes.link(source, target, type, weight, origin=origin))


def feedback(
    opened: Opened,
    turn: str,
    kind: SignalKind,
    *,
    memory_ids: Sequence[str] | None = None,
    copied_text: str | None = None,
    correction: str | None = None,
    event: str | None = None,
    is_done: bool = True,
) -> list[SignalTold]:
    """What somebody did with what a turn was shown; the same again changes nothing."""
    act = Act(kind=kind, is_done=is_done, copied_text=copied_text, correction=correction)
    return [
        SignalTold.of(signal)
        for signal in done(opened, turn, act, memory_ids=memory_ids, event=event)
    ]


def bounded(question: str) -> str:
    """The question, if it is no longer than a question may be.

    Raises:
        ParameterError: It is longer: what words cost is linear, and a caller should not choose it;
            or it is no Unicode.
    """
    unicode_text(question, "question")
    if len(question) > DOOR_QUESTION_CHARACTERS:
        raise ParameterError(
            f"a question may have {DOOR_QUESTION_CHARACTERS:,} characters, got {len(question):,}"
        )
    return question


def moment(written: str | None, name: str) -> Seconds | None:
    """The time that a caller wrote; one without a zone is read as UTC."""
    if written is None:
        return None
    try:
        return parse_time(written)
    except ParameterError as error:
        raise ParameterError(f"{name}: {error}") from None


def _told(memories: Sequence[Memory]) -> tuple[HistoryTold, str]:
    values = HistoryTold(memories=tuple(map(MemoryTold.of, memories)))
    return values, fenced(memories, with_ids=True) if memories else NOTHING


def _written(opened: Opened, memory: Memory) -> Written:
    outcome = outcome_of(opened, memory)
    return Written(
        id=memory.id,
        text=memory.text,
        became=outcome.became,
        said=f"{outcome.said}.",
        supersedes=memory.supersedes,
    )


def _existing(opened: Opened | None, memory_id: str) -> Opened:
    if opened is None:
        raise UnknownMemoryError(memory_id)
    return opened


def _holder(opened: Opened, memory_id: str) -> Store:
    """The nearest store that has the memory; the one that is written to where none has."""
    stores = opened.stores.values()
    return next((store for store in stores if store.get_many([memory_id])), opened.writes)


def _is_current(memory: Memory) -> bool:
    return not memory.superseded_by and memory.valid_to is None


def _held(store: Store, ids: Sequence[str]) -> list[Memory]:
    return [store.get(id_) for id_ in dict.fromkeys(ids)]


def _found_about(store: Store, about: str) -> list[Memory]:
    """What is found about something, and every version of it there was."""
    hits = store.search(bounded(about), _PLANNED, min_relevance=FITTING, distinct=False)
    found = {each.id: each for hit in hits for each in store.history(hit.memory.id)}
    return list(found.values())


def _plan(store: Store | None, memories: Sequence[Memory]) -> ForgetTold:
    ids = [memory.id for memory in memories]
    if store is None or not ids:
        return ForgetTold(
            is_done=False, memories=(), edges=0, signals=0, recalls=0, shelved=0, also=(),
            confirm=None,
        )  # fmt: skip
    going = store.forget(ids, dry_run=True)
    return ForgetTold(
        is_done=False,
        memories=tuple(map(MemoryTold.of, memories)),
        edges=going.edges,
        signals=going.signals,
        recalls=going.recalls,
        shelved=len(going.shelved),
        also=tuple(map(MemoryTold.of, _beside(store, memories, going.derived))),
        confirm=stable_id("forget", *sorted(f"{m.id}\n{m.text}" for m in memories), size=8),
    )


def _beside(store: Store, memories: Sequence[Memory], derived: Sequence[str]) -> list[Memory]:
    """Other versions of the same facts, and what was derived of them: it says the same, perhaps."""
    named = {memory.id for memory in memories}
    others = {each.id: each for memory in memories for each in store.history(memory.id)}
    others |= {each.id: each for each in store.get_many(derived)}
    return [each for id_, each in others.items() if id_ not in named]
