"""Conversations as models are trained with: OpenAI's `messages`, ShareGPT's `conversations`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import repeat
from typing import Any

from feather_memory.importers.document import Document
from feather_memory.importers.entries import Entry, Refused, each_taken, whose
from feather_memory.importers.format import Format
from feather_memory.importers.formats.claude import text_of
from feather_memory.importers.lines import objects
from feather_memory.importers.source import Source

_Messages = Callable[[Any], Any]
_SHAREGPT = {"gpt": "assistant", "chatgpt": "assistant", "bing": "assistant"}


def _openai(value: Any) -> list[dict[str, Any]] | None:
    """The messages of a conversation, if this is one."""
    messages = value.get("messages") if isinstance(value, dict) else value
    return messages if _all_have(messages, "role", "content") else None


def _sharegpt(value: Any) -> list[dict[str, Any]] | None:
    messages = None
    if isinstance(value, dict):
        messages = value.get("conversations") or value.get("conversation")
    return messages if _all_have(messages, "from", "value") else None


def _all_have(messages: Any, *names: str) -> bool:
    """Whether these are messages with such fields; the last may be cut off."""
    if not isinstance(messages, list) or not messages:
        return False
    return all(isinstance(one, dict) for one in messages) and set(names) <= messages[0].keys()


def _recognised(messages_of: _Messages) -> Callable[[Source], bool]:
    def recognises(source: Source) -> bool:
        if source.members != ("",):
            return False
        value = source.prefix_of()
        if messages_of(value):
            return True
        return isinstance(value, list) and bool(value) and bool(messages_of(value[0]))

    return recognises


def _reader(messages_of: _Messages) -> Callable[[Source], Iterator[Entry | Refused]]:
    def read(source: Source) -> Iterator[Entry | Refused]:
        for line, value in _conversations(source, messages_of):
            if isinstance(value, Refused):
                yield value
            elif (messages := messages_of(value)) is None:
                yield Refused(line=line, reason="no conversation")
            else:
                yield from each_taken(repeat(line), _said, value, messages)

    return read


def _conversations(source: Source, messages_of: _Messages) -> Iterator[tuple[int, Any]]:
    value = source.prefix_of()
    with source.text_of() as stream:
        if isinstance(value, dict) and _is_of_lines(source.head_of()):
            yield from objects(stream)
            return
        document = Document(stream)
        if messages_of(value):
            yield 1, document.value()
        else:
            for place in document.items():
                yield place + 1, document.value()


def _is_of_lines(head: str) -> bool:
    first = head.lstrip().partition("\n")[0].rstrip()
    return first.endswith("}") or "\n" not in head.strip()


def _said(value: Any, messages: list[Any]) -> Iterator[dict[str, Any]]:
    named = value if isinstance(value, dict) else {}
    digest = blake2b(repr(messages).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    session = str(named.get("id") or named.get("conversation_id") or digest)
    for place, message in enumerate(messages):
        role = str(message.get("role") or message.get("from") or "")
        text = text_of(message.get("content")) or text_of(message.get("value"))
        if text:
            yield {
                "text": text,
                "id": f"{session}/{place}",
                "session": session,
                "actor": message.get("name"),
                **whose(_SHAREGPT.get(role, role)),
            }


OPENAI = Format(
    "openai", "conversations as OpenAI's messages", _recognised(_openai), _reader(_openai)
)
SHAREGPT = Format(
    "sharegpt", "conversations as ShareGPT has them", _recognised(_sharegpt), _reader(_sharegpt)
)
