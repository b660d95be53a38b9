"""From a question to what a model is shown: found, fitted, and logged as exactly that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypedDict

from feather_memory.agent.conversation import sound_text
from feather_memory.agent.prompt import UNLIMITED, Budget, dated, fenced, fitting
from feather_memory.agent.source import Opened, Reader
from feather_memory.checks import unit_interval, whole
from feather_memory.config import MAX_QUERY_LENGTH
from feather_memory.errors import ParameterError
from feather_memory.filters.language import F, Filter
from feather_memory.filters.parse import parse
from feather_memory.model.hits import Hit, Hits
from feather_memory.model.later import followed
from feather_memory.model.manner import ACKNOWLEDGEMENT, manner_of
from feather_memory.model.scoring import Scoring
from feather_memory.store.store import Store
from feather_memory.types import Vector, VectorLike, When

FACTS: Final = ~F("manner").is_in(["question", "acknowledgement", "echo"]) | (
    F("origin") == "document"
)
"""What says something that could be true, and not only what is held; or any document."""

Log = Callable[[Reader, Sequence[Hit], str | None, bool], str]
"""Logs what was shown under a turn, counted or not; the turn's name."""


def logged(reader: Reader, hits: Sequence[Hit], turn: str | None, reinforce: bool) -> str:  # noqa: FBT001  as in Log
    """Log what was shown, as the store or the layers do by themselves; the turn's name.

    With the vector of what was asked, where the hits bring it: a like remembers that.
    """
    log = reader.plumbing.log_recall if isinstance(reader, Store) else reader.log_recall
    question = hits.question if isinstance(hits, Hits) else None
    return log(hits, turn=turn, reinforce=reinforce, question=question)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallOptions:
    """How an adapter asks: its own settings, which a call may narrow.

    Raises:
        ParameterError: A number outside its range, or edge types where nothing is walked.
        FilterError: A filter that means nothing.
    """

    k: int = 5
    """How many memories the question itself finds."""
    hops: int = 0
    """How far to walk from those along the edges."""
    types: Sequence[str] | None = None
    """Only over edges of these types."""
    limit: int = 50
    """How many memories there may be in all, where `hops` is above 0."""
    scoring: Scoring | None = None
    """How relevance, age and importance weigh; the store's default unless given."""
    where: Filter | Mapping[str, Any] | None = None
    """Only memories this filter lets through."""
    session: str | None = None
    """Only memories of this session."""
    as_of: When | None = None
    """What was true then? Now unless given."""
    min_relevance: float = 0.0
    """In [0, 1]: nothing is found where nothing is of that absolute relevance; see `FITTING`."""
    reinforce: bool = True
    """Whether being recalled slows a memory's decay, once a turn."""

    def __post_init__(self) -> None:
        for name, least in (("k", 1), ("hops", 0), ("limit", 1)):
            whole(getattr(self, name), name, least)
        if self.types is not None and not self.hops:
            raise ParameterError("edge types say where to walk, and hops=0 walks nowhere")
        unit_interval(self.min_relevance, "min_relevance")
        if self.where is not None:
            parse(self.where)

    def for_call(
        self, *, where: Filter | Mapping[str, Any] | None = None, **said: Any
    ) -> RecallOptions:
        """The same with what one call says; where that is None, the adapter's own holds.

        Args:
            where: Narrows the adapter's own filter.
            said: Further fields of the class.
        """
        changed = {name: value for name, value in said.items() if value is not None}
        return replace(self, **changed, where=both(self.where, where))


class RecallEvent(TypedDict):
    """What callbacks are told of a recall. It carries no text."""

    turn: str | None
    ids: list[str]
    scores: list[float]
    tenant: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """What was shown for one question."""

    turn: str | None
    """Under which it was logged; without a name where nothing was logged and none was given."""
    hits: tuple[Hit, ...]
    """Best first."""
    tenant: str | None
    prompt: str = ""
    """The memories as a model is told them; "" for none, and where nobody asked for it."""

    @property
    def event(self) -> RecallEvent:
        """What callbacks are told of it."""
        return {
            "turn": self.turn,
            "ids": [hit.memory.id for hit in self.hits],
            "scores": [hit.score.value for hit in self.hits],
            "tenant": self.tenant,
        }


def found(
    reader: Reader,
    text: str | None,
    options: RecallOptions,
    *,
    vector: VectorLike | None = None,
    beyond: Filter | None = None,
) -> Hits:
    """The best memories, and with `hops` what is linked to them. Nothing is logged.

    Args:
        reader: A store, or layers.
        text: What is asked.
        options: How.
        vector: The question's; without one the store embeds, or goes by words.
        beyond: Only what this lets through, too; see `unseen`.

    Questions, acknowledgements and echoes are found only by a filter that names the manner.
    """
    where = both(options.where, beyond)
    if where is None:
        where = FACTS
    elif ("manner",) not in where.fields():
        where &= FACTS
    asked: dict[str, Any] = {
        "vector": vector,
        "where": where,
        "session": options.session,
        "as_of": options.as_of,
        "scoring": options.scoring,
    }
    if options.hops:
        asked |= {"types": options.types, "limit": options.limit}
        chain = reader.context_chain(text, options.k, options.hops, **asked)
        best = max((hit.score.absolute for hit in chain if not hit.hop), default=0.0)
        return _asked_with(chain.question, chain if best >= options.min_relevance else ())
    return reader.search(text, options.k, **asked, min_relevance=options.min_relevance)


def _asked_with(question: Vector | None, hits: Iterable[Hit]) -> Hits:
    """The hits, with the vector by which they were found."""
    found_by = Hits(hits)
    found_by.question = question
    return found_by


def recalled(
    opened: Opened,
    text: str | None,
    options: RecallOptions,
    *,
    vector: VectorLike | None = None,
    beyond: Filter | None = None,
    turn: str | None = None,
    log: Log = logged,
) -> Recalled:
    """All that is found, logged: what a retriever returns.

    A turn that was shown nothing is logged, too: feedback on it is about nothing.

    Args:
        opened: What is read.
        text: As in `found`, as are the next three.
        options: How.
        vector: The question's.
        beyond: Only what this lets through, too.
        turn: What it is logged and, once, counted under; drawn if not given.
        log: Instead of the store's own logging.
    """
    hits = found(opened.reads, text, options, vector=vector, beyond=beyond)
    name = log(opened.reads, hits, turn, options.reinforce)
    return Recalled(turn=name, hits=tuple(hits), tenant=opened.tenant)


def told(
    opened: Opened,
    text: str,
    options: RecallOptions,
    budget: Budget = UNLIMITED,
    *,
    with_ids: bool = False,
    vector: VectorLike | None = None,
    beyond: Filter | None = None,
    turn: str | None = None,
    log: Log = logged,
) -> Recalled:
    """What is found and fits, as text that goes before a model. That, and only that, is logged.

    A memory that is older than others which fit the question, too, carries those: by their dates,
    and by their beginnings where they are not shown themselves and there is room.

    Args:
        opened: What is read.
        text: As in `found`, by `question_of`. One that `asks_nothing` is told nothing.
        options: How.
        budget: How long the text may be; memories are left out whole, the best are kept.
        with_ids: Whether the model is told ids, with which it can correct memories.
        vector: As in `found`, as is the next.
        beyond: Only what this lets through, too.
        turn: As in `recalled`; nothing is logged under it where nothing is told.
        log: Instead of the store's own logging.
    """
    every, text = Hits(), question_of(text)
    if not asks_nothing(text):
        every = found(opened.reads, text, options, vector=vector, beyond=beyond)
    contested, later = contesting(opened, every), followed(every)
    beside: Any = {"with_ids": with_ids, "contested": contested, "later": dated(later)}
    fit, prompt = fitting(every, budget, **beside)
    hits = _asked_with(every.question, fit)
    if not hits:
        return Recalled(turn=turn, hits=(), tenant=opened.tenant)
    memories = [hit.memory for hit in hits]
    unshown = {new.id for news in later.values() for new in news} - {one.id for one in memories}
    if unshown:
        longer = fenced(memories, **{**beside, "later": dated(later, unshown)})
        prompt = longer if budget.allows(longer) else prompt
    name = log(opened.reads, hits, turn, options.reinforce)
    return Recalled(turn=name, hits=tuple(hits), tenant=opened.tenant, prompt=prompt)


def contesting(opened: Opened, hits: Sequence[Hit]) -> dict[str, list[str]]:
    """The texts that contradict what was found and may not replace it, by the memories' ids."""
    texts: dict[str, list[str]] = {}
    for layer, store in opened.stores.items():
        ids = [hit.memory.id for hit in hits if hit.layer == layer]
        texts |= store.plumbing.contesting(ids) if ids else {}
    return texts


def question_of(text: str) -> str:
    """What is looked for of what a person or a model says, who may say anything: its beginning.

    >>> len(question_of("a file that was pasted. " * 100_000)) == 1024 * 1024
    True
    """
    begun = text[:MAX_QUERY_LENGTH]
    return begun if begun.isascii() else sound_text(begun)


def asks_nothing(text: str) -> bool:
    """Whether there is nothing to look for: a blank text, "ok" or "bye", in any language.

    >>> [asks_nothing(text) for text in (" ", "Thank you!", "Thanks, and my flight?")]
    [True, True, False]
    """
    return not text.strip() or manner_of(text) == ACKNOWLEDGEMENT


def unseen(ids: Iterable[str] = (), texts: Iterable[str] = ()) -> Filter | None:
    """Neither the memories with those ids, nor those that only say one of the texts.

    What the model sees anyway is no answer to it. None where it sees nothing.
    """
    seen_ids, seen_texts = list(ids), [sound_text(text) for text in texts]
    others = ~F("id").is_in(seen_ids) if seen_ids else None
    return both(others, ~F("text").is_in(seen_texts) if seen_texts else None)


def both(
    one: Filter | Mapping[str, Any] | None, other: Filter | Mapping[str, Any] | None
) -> Filter | None:
    """What both let through; None lets everything through."""
    first = None if one is None else parse(one)
    second = None if other is None else parse(other)
    if first is None or second is None:
        return second if first is None else first
    return first & second
