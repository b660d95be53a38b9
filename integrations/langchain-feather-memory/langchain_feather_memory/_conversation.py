"""LangChain's messages as what was said, and how a run and its messages know of its turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from feather_memory.agent import Said, worth

STATE: Final = "feather_memory"
"""The key of an agent's state under which a `FeatherMemoryMiddleware` has the turn under way."""


def said_in(messages: Iterable[BaseMessage]) -> list[Said]:
    """What the user and the model say in them, in their order."""
    return [
        Said(
            role="user" if isinstance(message, HumanMessage) else "assistant",
            text=_text(message),
            message_id=message.id,
        )
        for message in messages
        if isinstance(message, HumanMessage | AIMessage)
    ]


def asked(messages: Sequence[BaseMessage]) -> list[Said]:
    """What the user has said since the model spoke last, in order."""
    late = takewhile(lambda message: isinstance(message, HumanMessage), reversed(messages))
    return worth(said_in(reversed(list(late))))


def answered(messages: Sequence[BaseMessage], question: str | None) -> AIMessage | None:
    """The last message of the model since the user's, if it answers: neither silent nor a call."""
    for message in reversed(messages):
        if message.id == question:
            return None
        if isinstance(message, AIMessage) and not message.tool_calls and _text(message).strip():
            return message
    return None


def before(messages: Sequence[BaseMessage], question: str | None) -> list[Said]:
    """What was said in the turn before the user's message, the latest first."""
    earlier: list[BaseMessage] = []
    ids = [message.id for message in messages]
    at = ids.index(question) if question in ids else 0
    for message in reversed(messages[:at]):
        earlier.append(message)
        if isinstance(message, HumanMessage):
            break
    return said_in(earlier)


def both_sides(
    messages: Sequence[BaseMessage], questions: Sequence[Mapping[str, Any]]
) -> list[Said]:
    """What was asked, each {id, text}, and what was answered, if anything was.

    The user's words are as the messages have them now: another middleware may have masked what
    must not be kept.
    """
    now = {message.id: _text(message) for message in messages}
    said = [
        Said(role="user", text=now.get(one["id"], one["text"]), message_id=one["id"])
        for one in questions
    ]
    answer = answered(messages, said[-1].message_id)
    return said if answer is None else [*said, *said_in([answer])]


def thread_of(config: Mapping[str, Any]) -> str | None:
    """The id of the thread that a run is in, if it is in one."""
    found = config.get("configurable", {}).get("thread_id")
    return None if found is None else str(found)


def turn_in(state: Mapping[str, Any], middleware: str | None) -> dict[str, Any]:
    """The turn that the middleware of this name has begun; empty if there is none."""
    turn: dict[str, Any] = state.get(STATE, {}).get(middleware, {})
    return turn


def _text(message: BaseMessage) -> str:
    """The message's words, without what else it holds."""
    return str(message.text)
