"""How much a memory tells a model, as fields that LlamaIndex's classes have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Self

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.schema import QueryBundle
from llama_index.core.utils import get_tokenizer
from llama_index.memory.feather._conversation import current_turn, sound, unfenced
from llama_index.memory.feather._convert import KIND
from llama_index.memory.feather.attribution import log_shown
from pydantic import BaseModel, Field

from feather_memory import Filter, ParameterError, Scoring
from feather_memory.agent import (
    FITTING,
    Bearing,
    Budget,
    OnError,
    Opened,
    OutageEvent,
    RecallOptions,
    Role,
    Save,
    question_of,
    told,
    turn_of,
    unseen,
)

dispatcher = get_dispatcher(__name__)


def tokens_of(text: str) -> int:
    """How many tokens a text is, by LlamaIndex's tokenizer."""
    return len(get_tokenizer()(text))


@dataclass(frozen=True, slots=True)
class Question:
    """What a conversation asks of what is remembered."""

    text: str | None
    """What the user said last; None for nothing."""
    turn: str
    """In which it is asked."""
    beyond: Filter | None
    """Memories that say something else than the messages, which the model is shown anyway."""

    @classmethod
    def of(cls, lines: Sequence[tuple[Role, str]], session: str | None) -> Self:
        """The question of a session's messages: who says what in words, blank for nothing."""
        asked = [words for role, words in lines if role == "user"]
        last = next((words for words in reversed(asked) if words.strip()), None)
        text = None if last is None else question_of(last)
        turn = current_turn() or turn_of(session, len(asked), text)
        return cls(text, turn, unseen(texts=[words for _, words in lines if words.strip()]))


class MemoryOutage(BaseEvent):
    """What LlamaIndex's instrumentation is told of an outage of a memory. It carries no text."""

    doing: str
    """"recall", "save" or "extract"."""
    tenant: str | None
    error: str
    """What kind of error it was; the log has all of it."""

    @classmethod
    def class_name(cls) -> str:
        """What LlamaIndex calls the class."""
        return "MemoryOutage"


def report(outage: OutageEvent) -> None:
    """Tell LlamaIndex's instrumentation of an outage."""
    dispatcher.event(MemoryOutage(**outage))


class Telling(BaseModel):
    """What a memory tells a model: how much it recalls, and how much of that fits."""

    similarity_top_k: int = Field(default=5, ge=1)
    """How many memories a message recalls."""
    hops: int = Field(default=0, ge=0)
    """How far to walk from those along the edges; `next` leads through a conversation."""
    min_relevance: float = Field(default=FITTING, ge=0, le=1)
    """Nothing is told where nothing is of that absolute relevance."""
    max_chars: int = Field(default=2000, ge=1)
    """How long the memories' text may be. They are left out whole."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Likewise in tokens."""
    reads: Literal["conversations", "everything"] = "conversations"
    """Whether nodes of documents in the same file are told, too, or what was said and facts."""
    scoring: Scoring | None = None
    """How relevance, age and importance weigh; the store's default unless given."""
    reinforce: bool = True
    """Whether being recalled slows a memory's decay, once a turn."""
    save: Save = "user"
    """What is remembered of the messages: what the user says, "all" for the assistant's words, too,
    or "none"."""

    on_error: OnError = "warn"
    """What is done while the file or the embedding fails: "warn" goes on without memory, logs it,
    tells LlamaIndex's instrumentation by a `MemoryOutage`, and keeps what was to be saved until it
    can be; "raise" raises. Wrong tenants and wrong arguments are always raised."""

    @contextmanager
    def bearing(
        self, doing: str, tenant: str | None, on_error: OnError | None = None
    ) -> Iterator[None]:
        """Bears an outage in its block, as `on_error` says.

        Args:
            doing: "recall" or "save".
            tenant: Whose memory fails.
            on_error: Instead of the field.
        """
        with Bearing(on_error or self.on_error, doing, tenant) as failed:
            yield
        for each in failed:
            report(each)

    def tell(
        self,
        opened: Opened,
        question: Question,
        vector: Sequence[float] | None,
        *,
        session: str | None = None,
    ) -> str:
        """The memories that fit, fenced as data; "" for none. Those, and only those, are logged.

        Args:
            opened: What is read.
            question: What is asked.
            vector: Its embedding; without one the store embeds, or goes by words.
            session: Only memories of this session.
        """
        options = RecallOptions(
            k=self.similarity_top_k,
            hops=self.hops,
            scoring=self.scoring,
            where=~KIND.exists() if self.reads == "conversations" else None,
            session=session,
            min_relevance=self.min_relevance,
            reinforce=self.reinforce,
        )
        budget = Budget(
            max_tokens=self.max_tokens, max_chars=self.max_chars, count_tokens=tokens_of
        )
        return told(
            opened,
            question.text or "",
            options,
            budget,
            vector=vector,
            beyond=question.beyond,
            turn=question.turn,
            log=log_shown,
        ).prompt


def inserted(
    messages: list[ChatMessage], text: str, method: Literal["user", "system", "next"]
) -> list[ChatMessage]:
    """The messages with memories in one of them, or before them where there is no such message.

    Args:
        messages: Before the model.
        text: The memories, fenced.
        method: In the last "user" message, in the "system" message, or for what is asked "next"
            after the messages.
    """
    if method == "next" and any(message.role == MessageRole.USER for message in messages):
        return [*messages, ChatMessage(role="user", blocks=[TextBlock(text=text)])]
    role = MessageRole.SYSTEM if method == "next" else MessageRole(method)
    places = [n for n, message in enumerate(messages) if message.role == role]
    if not places and role == MessageRole.USER:
        return inserted(messages, text, "system")
    if not places:
        return [ChatMessage(role="system", blocks=[TextBlock(text=text)]), *messages]
    place = places[-1 if method == "user" else 0]
    changed = messages[place]
    blocks = [TextBlock(text=text), *changed.blocks]
    return [
        *messages[:place],
        changed.model_copy(update={"blocks": blocks}),
        *messages[place + 1 :],
    ]


def asked_in(given: str | ChatMessage | QueryBundle | None) -> list[ChatMessage]:
    """What the user says now, as a message; none for nothing.

    Raises:
        ParameterError: It is something else. Chat engines hand on whatever they are given.
    """
    if given is None:
        return []
    if isinstance(given, ChatMessage):
        return [sound(unfenced(given))]
    text = given.query_str if isinstance(given, QueryBundle) else given
    if not isinstance(text, str):
        raise ParameterError(f"input is a text, a message or a query, got {given!r:.80}")
    return [sound(ChatMessage(role="user", content=text))]
