"""Telegram's export: `result.json`, of one chat or of all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from feather_memory.importers.document import Document
from feather_memory.importers.entries import Entry, Refused, taken
from feather_memory.importers.format import Format
from feather_memory.importers.source import Source
from feather_memory.importers.times import parse_time


def _members(source: Source) -> list[str]:
    return [""] if source.members == ("",) else source.named("result.json")


def _recognises(source: Source) -> bool:
    member = next(iter(_members(source)), None)
    value = source.prefix_of(member) if member is not None else None
    if not isinstance(value, dict):
        return False
    is_chat = {"name", "type", "id", "messages"} <= value.keys() and "guild" not in value
    return is_chat or isinstance(value.get("chats"), dict)


def _read(source: Source) -> Iterator[Entry | Refused]:
    count = [0]
    for member in _members(source):
        with source.text_of(member) as stream:
            yield from _chat(Document(stream), count)


def _chat(document: Document, count: list[int]) -> Iterator[Entry | Refused]:
    """The chat that comes next, or those in it: what tells of a chat stands before its messages."""
    about: dict[str, Any] = {}
    for name in document.fields():
        if name == "chats":
            for inner in document.fields():
                if inner == "list":
                    for _ in document.items():
                        yield from _chat(document, count)
        elif name == "messages":
            for _ in document.items():
                count[0] += 1
                yield from taken(count[0], _message, document.value(), about)
        elif document.kind() not in "{[":
            about[name] = document.value()


def _message(said: Any, about: dict[str, Any]) -> dict[str, Any] | None:
    text = _text(said.get("text")) if said.get("type") == "message" else ""
    if not text.strip():
        return None
    chat = about.get("id", about.get("name"))
    sent = said.get("date_unixtime") or said.get("date")
    return {
        "text": text,
        "id": f"telegram:{chat}:{said.get('id')}",
        "time": None if sent is None else parse_time(sent),
        "session": f"telegram:{chat}",
        "actor": said.get("from") or said.get("actor"),
        "metadata": {"chat": about.get("name"), "reply_to": said.get("reply_to_message_id")},
    }


def _text(said: Any) -> str:
    parts = said if isinstance(said, list) else [said]
    return "".join(part if isinstance(part, str) else _part(part) for part in parts)


def _part(part: Any) -> str:
    return str(part.get("text") or "") if isinstance(part, dict) else ""


FORMAT = Format("telegram", "a Telegram export", _recognises, _read)
