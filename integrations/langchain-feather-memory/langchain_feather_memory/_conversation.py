"""What of an agent's messages is worth remembering, and under which id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from langchain_core.messages import AIMessage, HumanMessage

from langchain_feather_memory._access import same_id
from langchain_feather_memory._turns import TURN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from langchain_core.messages import BaseMessage

Save = Literal["turns", "user", "none"]
"""What is remembered of a turn: both sides, what the user said, or nothing."""


def asked(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """What the user has said since the model spoke last, {id, text} in their order."""
    said: list[dict[str, Any]] = []
    for message in reversed(messages):
        if not isinstance(message, HumanMessage):
            break
        if text_of(message).strip():
            said.insert(0, {"id": message.id, "text": text_of(message)})
    return said


def answered(messages: Sequence[BaseMessage], question: str | None) -> AIMessage | None:
    """The last message of the model since the user's, if it answers: neither silent nor a call."""
    for message in reversed(messages):
        if message.id == question:
            return None
        if isinstance(message, AIMessage) and not message.tool_calls and text_of(message).strip():
            return message
    return None


def spoken(
    messages: Sequence[BaseMessage],
    said: Sequence[Mapping[str, Any]],
    save: Save,
    session: str | None,
    turn: str,
) -> list[dict[str, Any]]:
    """Both sides of a turn, or one, as `Store.add_many` takes them.

    The user's words are as the messages have them now: another middleware may have masked what
    must not be kept.
    """
    if save == "none" or not said:
        return []
    now = {message.id: text_of(message) for message in messages}
    sides = [("user", one["id"], now.get(one["id"], one["text"])) for one in said]
    answer = answered(messages, said[-1]["id"]) if save == "turns" else None
    if answer is not None:
        sides.append(("assistant", answer.id, text_of(answer)))
    return [
        {
            "id": same_id(session, message_id, text),
            "text": text,
            "role": role,
            "session": session,
            "metadata": {"message_id": message_id, TURN: turn},
        }
        for role, message_id, text in sides
        if text.strip()
    ]


def remembered_as(messages: Sequence[BaseMessage], session: str | None) -> Iterator[str]:
    """Under which ids the messages of a thread are remembered, if they are, in their order."""
    for message in messages:
        if isinstance(message, HumanMessage | AIMessage):
            yield same_id(session, message.id, text_of(message))


def before(messages: Sequence[BaseMessage], question: str | None) -> list[BaseMessage]:
    """The messages of the turn before the user's message, the latest first."""
    earlier: list[BaseMessage] = []
    ids = [message.id for message in messages]
    at = ids.index(question) if question in ids else 0
    for message in reversed(messages[:at]):
        earlier.append(message)
        if isinstance(message, HumanMessage):
            break
    return earlier


def text_of(message: BaseMessage) -> str:
    """The message's words, without what else it holds."""
    return str(message.text)
