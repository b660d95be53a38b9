"""Messenger's and Instagram's download: `message_1.json`, or the folder or zip of the inbox.

What is encrypted from end to end is downloaded apart, as `NAME_1.json`, with other names of fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from feather_memory.importers.document import Document
from feather_memory.importers.entries import Entry, Refused, taken
from feather_memory.importers.format import Format
from feather_memory.importers.source import Source

_THOUSAND = 1000  # their times are milliseconds


def _members(source: Source) -> list[str]:
    return [""] if source.members == ("",) else source.named("*_[0-9]*.json")


def _recognises(source: Source) -> bool:
    member = next(iter(_members(source)), None)
    value = source.prefix_of(member) if member is not None else None
    return isinstance(value, dict) and {"participants", "messages"} <= value.keys()


def _read(source: Source) -> Iterator[Entry | Refused]:
    count = 0
    for member in _members(source):
        about = _about(source, member)
        with source.text_of(member) as stream:
            document = Document(stream)
            for name in document.fields():
                for _ in document.items() if name == "messages" else ():
                    count += 1
                    yield from taken(count, _message, document.value(), about)


def _about(source: Source, member: str) -> dict[str, Any]:
    """What tells of the thread; its title stands after the messages."""
    about: dict[str, Any] = {}
    with source.text_of(member) as stream:
        document = Document(stream)
        for name in document.fields():
            if name == "messages":
                for _ in document.items():
                    pass
            elif document.kind() not in "{[":
                about[name] = document.value()
    return about


def _message(said: Any, about: dict[str, Any]) -> dict[str, Any] | None:
    text = _mended(str(said.get("content") or said.get("text") or ""))
    if not text.strip() or said.get("is_unsent") or said.get("isUnsent"):
        return None
    sent = said.get("timestamp_ms", said.get("timestamp"))
    sender = _mended(str(said.get("sender_name") or said.get("senderName") or ""))
    thread = about.get("thread_path") or about.get("threadName") or about.get("title")
    digest = blake2b(f"{thread}\0{sender}\0{sent}\0{text}".encode(), digest_size=12).hexdigest()
    return {
        "text": text,
        "id": f"messenger:{digest}",
        "time": None if sent is None else float(sent) / _THOUSAND,
        "session": f"messenger:{thread}",
        "actor": sender,
        "metadata": {"title": _mended(str(about.get("title") or ""))},
    }


def _mended(text: str) -> str:
    """The text as it was written: the download has each byte of its UTF-8 as a character."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


FORMAT = Format("messenger", "a Messenger or Instagram download", _recognises, _read)
