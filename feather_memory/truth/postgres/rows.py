"""What is asked of what a server is to keep, and told of it: no SQL in it."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable

from feather_memory.model.fields import DECODERS, Record
from feather_memory.model.memory import Memory, shown


def checksum(text: str, metadata: str, vector: bytes | None) -> int:
    """crc32 over what a memory says."""
    told = zlib.crc32(metadata.encode(), zlib.crc32(text.encode()))
    return zlib.crc32(vector or b"", told)


def told_with(records: Collection[Record], pairs: Iterable[tuple[str, str]]) -> list[Memory]:
    """The records as callers see them.

    Args:
        records: Of memories.
        pairs: Of what replaced and what it replaced, of all of theirs.
    """
    new: dict[str, tuple[str, ...]] = {}
    old: dict[str, tuple[str, ...]] = {}
    for source, target in sorted(pairs):
        new[source] = (*new.get(source, ()), target)
        old[target] = (*old.get(target, ()), source)
    told = [(each, new.get(each.id, ()), old.get(each.id, ())) for each in records]
    return shown(told, DECODERS)
