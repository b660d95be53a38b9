"""How much of a conversation goes before a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock
from llama_index.core.utils import get_tokenizer

_TOKENS_OF_OTHERS: Final = 256
"""What an image or a sound is taken to weigh; LlamaIndex's own estimate."""


def fitting(messages: Sequence[ChatMessage], limit: int) -> list[ChatMessage]:
    """The last messages that have at most so many tokens, from a user's message on.

    System messages are always among them, and so is the last turn, however long it is: a model
    that is asked nothing, or a tool's result without its call, is an error at every provider.
    """
    systems = [message for message in messages if message.role == MessageRole.SYSTEM]
    others = [message for message in messages if message.role != MessageRole.SYSTEM]
    if _bytes(messages) <= limit:  # no tokenizer makes more tokens than there are bytes
        return list(messages)
    left = limit - sum(map(_tokens, systems))
    start = len(others)
    while start > 0 and (left := left - _tokens(others[start - 1])) >= 0:
        start -= 1
    turns = [n for n, message in enumerate(others) if message.role == MessageRole.USER]
    later = [n for n in turns if n >= start]
    begin = later[0] if later else turns[-1] if turns else start
    kept = {id(message) for message in (*systems, *others[begin:])}
    return [message for message in messages if id(message) in kept]


def _bytes(messages: Sequence[ChatMessage]) -> int:
    return sum(
        len(_text(message).encode()) + _TOKENS_OF_OTHERS * _others(message) for message in messages
    )


def _tokens(message: ChatMessage) -> int:
    return len(get_tokenizer()(_text(message))) + _TOKENS_OF_OTHERS * _others(message)


def _text(message: ChatMessage) -> str:
    words = "\n".join(b.text for b in message.blocks if isinstance(b, TextBlock))
    return f"{words}{message.additional_kwargs or ''}"


def _others(message: ChatMessage) -> int:
    return sum(not isinstance(block, TextBlock) for block in message.blocks)
