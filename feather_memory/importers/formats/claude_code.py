"""Claude Code's transcripts: lines of JSON, one file a session, or the folder of a project."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from feather_memory.importers.entries import Entry, Refused, taken, whose
from feather_memory.importers.format import Format
from feather_memory.importers.formats.chatgpt import LOOKED
from feather_memory.importers.formats.claude import text_of
from feather_memory.importers.lines import objects
from feather_memory.importers.source import Source
from feather_memory.importers.times import parse_time

_NOT_BY_THEM = ("isMeta", "isSidechain", "isCompactSummary", "isApiErrorMessage")
"""What was said by neither: a sidechain is an agent's talk with another."""
_NOT_SAID = re.compile(r"<(command|local-command|bash)-[a-z]+>|\[Request interrupted by user")
"""Commands and what they printed stand among what the user said."""


def _members(source: Source) -> list[str]:
    return [""] if source.members == ("",) else source.named("*.jsonl")


def _recognises(source: Source) -> bool:
    return any(_is_transcript(source.head_of(member)) for member in _members(source)[:LOOKED])


def _is_transcript(head: str) -> bool:
    """One of the first lines is a message of a session: others tell of the session."""
    for line in head.splitlines()[:20]:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and "sessionId" in said and "parentUuid" in said:
            return True
    return False


def _read(source: Source) -> Iterator[Entry | Refused]:
    for member in _members(source):
        with source.text_of(member) as stream:
            for line, said in objects(stream):
                if isinstance(said, Refused):
                    yield said
                else:
                    yield from taken(line, _message, said)


def _message(said: dict[str, Any]) -> dict[str, Any] | None:
    message = said.get("message")
    if said.get("type") not in {"user", "assistant"} or not isinstance(message, dict):
        return None
    text = text_of(message.get("content"))
    if not text or _NOT_SAID.match(text) or any(map(said.get, _NOT_BY_THEM)):
        return None
    return {
        "text": text,
        "id": said.get("uuid"),
        "time": parse_time(said["timestamp"]) if "timestamp" in said else None,
        "session": said.get("sessionId"),
        "metadata": {"cwd": said.get("cwd"), "branch": said.get("gitBranch")},
        **whose(message.get("role") or said["type"]),
    }


FORMAT = Format("claude-code", "transcripts of Claude Code", _recognises, _read)
