"""Slack's export: a folder or zip that has a folder a channel, with a file a day."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from feather_memory.importers.document import Document
from feather_memory.importers.entries import Entry, Refused, taken
from feather_memory.importers.format import Format
from feather_memory.importers.source import Source

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\.json")
_MARKED = re.compile(r"<([@#!]?)([^>|]*)(?:\|([^>]*))?>")
_SAID = {None, "thread_broadcast", "me_message", "bot_message", "file_comment"}


def _days(source: Source) -> list[str]:
    return [name for name in source.members if _DAY.fullmatch(PurePosixPath(name).name)]


def _recognises(source: Source) -> bool:
    return bool(source.named("users.json", "channels.json")) and bool(_days(source))


def _read(source: Source) -> Iterator[Entry | Refused]:
    names, count = _names(source), 0
    for member in _days(source):
        channel = PurePosixPath(member).parent.name
        with source.text_of(member) as stream:
            document = Document(stream)
            for _ in document.items():
                count += 1
                yield from taken(count, _message, document.value(), channel, names)


def _names(source: Source) -> dict[str, str]:
    """What people are called, by the id that messages have of them."""
    names = {}
    for member in source.named("users.json")[:1]:
        with source.text_of(member) as stream:
            document = Document(stream)
            for _ in document.items():
                if not isinstance(user := document.value(), dict):
                    continue
                profile = user.get("profile") or {}
                own = profile.get("display_name") if isinstance(profile, dict) else None
                called = (own, user.get("real_name"), user.get("name"))
                id_ = str(user.get("id"))
                names[id_] = next((name for name in called if name and isinstance(name, str)), id_)
    return names


def _message(said: Any, channel: str, names: dict[str, str]) -> dict[str, Any] | None:
    text = _plain(str(said.get("text") or ""), names)
    if said.get("type") != "message" or said.get("subtype") not in _SAID or not text.strip():
        return None
    own = (said.get("user_profile") or {}).get("display_name") or said.get("username")
    thread = said.get("thread_ts")
    return {
        "text": text,
        "id": f"slack:{channel}:{said['ts']}",
        "time": float(said["ts"]),
        "session": f"slack:{channel}",
        "actor": names.get(said.get("user", "")) or own or said.get("user"),
        "metadata": {"channel": channel, "thread": thread if thread != said["ts"] else None},
    }


def _plain(text: str, names: dict[str, str]) -> str:
    """The text as it was read: `<@U1>` is a name, `<https://…|here>` says here."""

    def said(found: re.Match[str]) -> str:
        sigil, target, label = found[1], found[2], found[3]
        if sigil == "@":
            return f"@{label or names.get(target, target)}"
        return f"{sigil.replace('!', '@')}{label or target}"

    return html.unescape(_MARKED.sub(said, text))


FORMAT = Format("slack", "a Slack export", _recognises, _read)
