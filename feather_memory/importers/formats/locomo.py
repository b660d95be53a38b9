"""LoCoMo: conversations of two people over months, sessions of turns each with its date."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

from feather_memory.importers.document import Document
from feather_memory.importers.entries import Entry, Refused, each_taken
from feather_memory.importers.format import Format
from feather_memory.importers.source import Source
from feather_memory.importers.times import parse_time

_SESSION = re.compile(r"session_(\d+)")


def _recognises(source: Source) -> bool:
    value = source.prefix_of() if source.members == ("",) else None
    first = value[0] if isinstance(value, list) and value else value
    told = first.get("conversation") if isinstance(first, dict) else None
    return isinstance(told, dict) and "speaker_a" in told


def _read(source: Source) -> Iterator[Entry | Refused]:
    lines = count(1)
    with source.text_of() as stream:
        document = Document(stream)
        samples = document.items() if document.kind() == "[" else iter((0,))
        for place in samples:
            yield from each_taken(lines, _turns, document.value(), place)


def _turns(sample: Any, place: int) -> Iterator[dict[str, Any]]:
    name = sample.get("sample_id") or place
    told = sample.get("conversation") or {}
    numbers = sorted(int(found[1]) for each in told if (found := _SESSION.fullmatch(each)))
    for number in numbers:
        began = told.get(f"session_{number}_date_time")
        for turn in told[f"session_{number}"]:
            text, pictured = str(turn.get("text") or ""), turn.get("blip_caption")
            yield {
                "text": f"{text} [shares {pictured}]" if pictured else text,
                "id": f"{name}/{turn.get('dia_id')}",
                "time": None if began is None else parse_time(began),
                "session": f"{name}/session_{number}",
                "actor": turn.get("speaker"),
            }


FORMAT = Format("locomo", "conversations of LoCoMo", _recognises, _read)
