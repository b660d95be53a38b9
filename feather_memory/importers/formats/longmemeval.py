"""LongMemEval: questions, each with the sessions among which its answer is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

from feather_memory.importers.document import Document
from feather_memory.importers.entries import Entry, Refused, each_taken, whose
from feather_memory.importers.format import Format
from feather_memory.importers.source import Source
from feather_memory.importers.times import parse_time

_WEEKDAY = re.compile(r"\s*\(\w+\)\s*")  # "2023/05/20 (Sat) 02:21"


def _recognises(source: Source) -> bool:
    value = source.prefix_of() if source.members == ("",) else None
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) and (
        {"question_id", "haystack_sessions"} <= first.keys()
        or {"question_id", "haystack_dates", "haystack_session_ids"} <= first.keys()
    )


def _read(source: Source) -> Iterator[Entry | Refused]:
    lines = count(1)
    with source.text_of() as stream:
        document = Document(stream)
        for _ in document.items():
            yield from each_taken(lines, _turns, document.value())


def _turns(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    question = asked["question_id"]
    sessions = asked.get("haystack_sessions") or []
    dates = asked.get("haystack_dates") or [None] * len(sessions)
    names = asked.get("haystack_session_ids") or [str(n) for n in range(len(sessions))]
    for name, date, turns in zip(names, dates, sessions, strict=False):
        time = None if date is None else parse_time(_WEEKDAY.sub(" ", date).replace("/", "-"))
        for place, turn in enumerate(turns):
            yield {
                "text": str(turn.get("content") or ""),
                "id": f"{question}/{name}/{place}",
                "time": time,
                "session": f"{question}/{name}",
                "metadata": {"question_id": question},
                **whose(turn.get("role")),
            }


FORMAT = Format("longmemeval", "the sessions of LongMemEval", _recognises, _read)
