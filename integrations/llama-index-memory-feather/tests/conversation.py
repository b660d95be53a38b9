"""Short ways to write a conversation down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llama_index.core.llms import ChatMessage

if TYPE_CHECKING:
    from collections.abc import Iterable


def user(text: str) -> ChatMessage:
    return ChatMessage(role="user", content=text)


def assistant(text: str) -> ChatMessage:
    return ChatMessage(role="assistant", content=text)


def texts(messages: Iterable[ChatMessage]) -> list[str | None]:
    return [message.content for message in messages]
