"""Claude.ai's export: its `conversations.json`, or the zip or folder that has it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from feather_memory.importers.document import Document
from feather_memory.importers.entries import Entry, Refused, each_taken, whose
from feather_memory.importers.format import Format
from feather_memory.importers.formats.chatgpt import LOOKED, members
from feather_memory.importers.source import Source
from feather_memory.importers.times import parse_time


def _recognises(source: Source) -> bool:
    return any(_is_ours(source.prefix_of(member)) for member in members(source)[:LOOKED])


def _is_ours(value: Any) -> bool:
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) and "chat_messages" in first


def _read(source: Source) -> Iterator[Entry | Refused]:
    lines = count(1)
    for member in members(source):
        with source.text_of(member) as stream:
            document = Document(stream)
            for _ in document.items():
                yield from each_taken(lines, _of_conversation, document.value())


def _of_conversation(conversation: Any) -> Iterator[dict[str, Any]]:
    for message in conversation.get("chat_messages") or ():
        if text := text_of(message.get("content")) or message.get("text") or "":
            yield {
                "text": text,
                "id": message.get("uuid"),
                "time": parse_time(message["created_at"]),
                "session": conversation.get("uuid"),
                "metadata": {"title": conversation.get("name")},
                **whose(message.get("sender")),
            }


def text_of(content: Any) -> str:
    """What is said in content that is a text, or a list of blocks: those of text."""
    if isinstance(content, str):
        return content.strip()
    blocks = content if isinstance(content, list) else []
    said = (each.get("text") for each in blocks if isinstance(each, dict) and _is_text(each))
    return "\n".join(text for text in said if isinstance(text, str) and text).strip()


def _is_text(block: dict[str, Any]) -> bool:
    return block.get("type") in {"text", "input_text", "output_text", None}


FORMAT = Format("claude", "a Claude.ai export", _recognises, _read)
