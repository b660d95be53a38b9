"""Discord: what DiscordChatExporter writes as JSON, and the package that Discord itself sends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from feather_memory.importers.document import Document
from feather_memory.importers.entries import Entry, Refused, taken
from feather_memory.importers.format import Format
from feather_memory.importers.source import Source
from feather_memory.importers.times import parse_time


def _exported(source: Source) -> bool:
    value = source.prefix_of() if source.members == ("",) else None
    return isinstance(value, dict) and {"guild", "channel"} <= value.keys()


def _packages(source: Source) -> list[str]:
    return [] if source.members == ("",) else source.named("c*/messages.json")


def _recognises(source: Source) -> bool:
    if packages := _packages(source):
        value = source.prefix_of(packages[0])
        first = value[0] if isinstance(value, list) and value else {"ID": "", "Contents": ""}
        return isinstance(first, dict) and {"ID", "Contents"} <= first.keys()
    return _exported(source)


def _read(source: Source) -> Iterator[Entry | Refused]:
    if packages := _packages(source):
        yield from _of_package(source, packages)
        return
    with source.text_of() as stream:
        document = Document(stream)
        about: dict[str, Any] = {}
        for name in document.fields():
            if name == "messages":
                for place in document.items():
                    yield from taken(place + 1, _message, document.value(), about)
            elif name in {"guild", "channel"}:
                about[name] = document.value()


def _message(said: Any, about: dict[str, Any]) -> dict[str, Any] | None:
    author, channel = said.get("author") or {}, about.get("channel") or {}
    if not str(said.get("content") or "").strip():
        return None
    return {
        "text": said["content"],
        "id": f"discord:{said['id']}",
        "time": parse_time(said["timestamp"]),
        "session": f"discord:{channel.get('id')}",
        "actor": author.get("nickname") or author.get("name"),
        "metadata": {
            "channel": channel.get("name"),
            "guild": (about.get("guild") or {}).get("name"),
        },
    }


def _of_package(source: Source, members: list[str]) -> Iterator[Entry | Refused]:
    """One's own messages: the package has no others."""
    count = 0
    for member in members:
        channel = PurePosixPath(member).parent.name
        with source.text_of(member) as stream:
            document = Document(stream)
            for _ in document.items():
                count += 1
                yield from taken(count, _own, document.value(), channel.removeprefix("c"))


def _own(said: Any, channel: str) -> dict[str, Any] | None:
    if not str(said.get("Contents") or "").strip():
        return None
    return {
        "text": str(said["Contents"]),
        "id": f"discord:{said['ID']}",
        "time": parse_time(said["Timestamp"]),
        "session": f"discord:{channel}",
    }


FORMAT = Format("discord", "a Discord export", _recognises, _read)
