"""mem0: its `history.db`, whose updates are supersessions, and what `get_all` returns as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, groupby
from typing import Any

from feather_memory.importers import foreign
from feather_memory.importers.document import Document
from feather_memory.importers.entries import Entry, Link, Refused, Remark, each_taken, taken
from feather_memory.importers.format import Format
from feather_memory.importers.source import Source
from feather_memory.importers.times import parse_time
from feather_memory.model.memory import EdgeType

_HISTORY = """
    select memory_id, old_memory, new_memory, event, created_at, updated_at
    from history order by memory_id, coalesce(updated_at, created_at), rowid
"""
_OWNERS = ("user_id", "agent_id", "run_id", "app_id", "actor_id")


def _is_history(source: Source) -> bool:
    return foreign.has_table(source, "history", "memory_id", "old_memory", "new_memory", "event")


def _read_history(source: Source) -> Iterator[Entry | Refused]:
    lines = count(1)
    for name, events in groupby(foreign.rows(source, _HISTORY), key=lambda row: row["memory_id"]):
        yield from each_taken(lines, _values, str(name), list(events))


def _values(name: str, events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What a memory was over time: each value replaces the one before, until it was deleted."""
    values: list[dict[str, Any]] = []
    for event in events:
        at = event["updated_at"] or event["created_at"]
        time = None if at is None else parse_time(str(at))
        if event["event"] == "DELETE":
            if values and time is not None:
                values[-1]["valid_to"] = time
        elif event["new_memory"]:
            values.append({"text": str(event["new_memory"]), "time": time})
    for number, value in enumerate(values):
        before = (Link(EdgeType.SUPERSEDES, f"{name}/{number}"),) if number else ()
        yield {**value, "id": f"{name}/{number + 1}", "recorded_at": value["time"], "links": before}


def _is_got(source: Source) -> bool:
    value = source.prefix_of() if source.members == ("",) else None
    found = value.get("results") if isinstance(value, dict) else value
    first = found[0] if isinstance(found, list) and found else None
    return isinstance(first, dict) and {"id", "memory"} <= first.keys()


def _read_got(source: Source) -> Iterator[Entry | Refused | Remark]:
    with source.text_of() as stream:
        document = Document(stream)
        if document.kind() == "[":
            yield from _results(document)
            return
        for name in document.fields():
            if name == "results":
                yield from _results(document)
            elif name == "relations" and document.value():
                yield Remark(said="Its relations are between names, not memories: left out.")


def _results(document: Document) -> Iterator[Entry | Refused]:
    for place in document.items():
        yield from taken(place + 1, _result, document.value())


def _result(said: Any) -> dict[str, Any]:
    created, updated = said.get("created_at"), said.get("updated_at")
    time = updated or created
    return {
        "text": str(said["memory"]),
        "id": str(said["id"]),
        "time": None if time is None else parse_time(time),
        "recorded_at": None if time is None else parse_time(time),
        "metadata": {**(said.get("metadata") or {}), **{k: said.get(k) for k in _OWNERS}},
    }


HISTORY = Format("mem0-history", "mem0's history.db", _is_history, _read_history)
GOT = Format("mem0", "what mem0's get_all returns", _is_got, _read_got)
