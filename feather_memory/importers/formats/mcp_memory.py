"""The MCP memory server's `memory.jsonl`: entities, what was observed of them, their relations."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from feather_memory.importers.entries import Entry, Link, Refused, Tie, entry
from feather_memory.importers.format import Format
from feather_memory.importers.lines import objects
from feather_memory.importers.source import Source
from feather_memory.model.memory import EdgeType


def _recognises(source: Source) -> bool:
    first = source.prefix_of() if source.members == ("",) else None
    if not isinstance(first, dict):
        return False
    if first.get("type") == "entity":
        return {"name", "entityType", "observations"} <= first.keys()
    return first.get("type") == "relation" and {"from", "to", "relationType"} <= first.keys()


def _read(source: Source) -> Iterator[Entry | Tie | Refused]:
    with source.text_of() as stream:
        for line, said in objects(stream):
            if isinstance(said, Refused):
                yield said
            elif said.get("type") == "entity" and said.get("name"):
                yield from _entity(line, said)
            elif said.get("type") == "relation" and {"from", "to"} <= said.keys():
                kind = str(said.get("relationType") or EdgeType.RELATED_TO)
                link = Link(kind, _id(said["to"]))
                yield Tie(line=line, source=_id(said["from"]), link=link)
            else:
                yield Refused(line=line, reason="neither an entity nor a relation")


def _entity(line: int, said: dict[str, Any]) -> Iterator[Entry]:
    name, kind = str(said["name"]), said.get("entityType")
    about = {"entity": name, "entity_type": kind}
    yield entry(line, f"{name} ({kind})" if kind else name, id=_id(name), metadata=about)
    for observed in said.get("observations") or ():
        digest = blake2b(f"{name}\0{observed}".encode(), digest_size=8).hexdigest()
        yield entry(
            line,
            f"{name}: {observed}",
            id=f"{_id(name)}/{digest}",
            metadata=about,
            links=(Link(EdgeType.PART_OF, _id(name)),),
        )


def _id(name: object) -> str:
    return f"entity:{name}"


FORMAT = Format("mcp-memory", "an MCP memory server's memory.jsonl", _recognises, _read)
