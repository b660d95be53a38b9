"""The SQLite file of LangGraph's store: a value by namespace and key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from feather_memory.importers import foreign
from feather_memory.importers.entries import Entry, Refused, taken
from feather_memory.importers.format import Format
from feather_memory.importers.source import Source
from feather_memory.importers.times import parse_time

_TEXTS = ("text", "content", "memory", "data", "value")
_VALUES = "select prefix, key, value, created_at, updated_at from store order by created_at, rowid"


def _recognises(source: Source) -> bool:
    return foreign.has_table(source, "store", "prefix", "key", "value", "created_at")


def _read(source: Source) -> Iterator[Entry | Refused]:
    for line, row in enumerate(foreign.rows(source, _VALUES), 1):
        yield from taken(line, _item, row)


def _item(row: dict[str, Any]) -> dict[str, Any]:
    value = json.loads(row["value"])
    text, rest = text_of(value)
    created = parse_time(str(row["created_at"]))
    return {
        "text": text,
        "id": f"{row['prefix']}/{row['key']}",
        "time": parse_time(str(row["updated_at"])) if row["updated_at"] else created,
        "metadata": {"namespace": row["prefix"], "key": row["key"], **rest},
    }


def text_of(value: Any) -> tuple[str, dict[str, Any]]:
    """What a value says, and what else it has: the text in it, or all of it as JSON."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, dict):
        for name in _TEXTS:
            if isinstance(value.get(name), str) and value[name].strip():
                return value[name], {k: v for k, v in value.items() if k != name}
            if isinstance(value.get(name), dict):
                inner, rest = text_of(value[name])
                return inner, {**{k: v for k, v in value.items() if k != name}, **rest}
    return json.dumps(value, ensure_ascii=False), {}


FORMAT = Format("langgraph", "the SQLite file of a LangGraph store", _recognises, _read)
