"""What is asked of what a server is to keep, and told of it: no SQL in it."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable

from feather_memory.errors import DimensionError, WrongEmbedderError
from feather_memory.model.fields import DECODERS, Record
from feather_memory.model.memory import Memory, shown
from feather_memory.truth.state import State


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


def take_row(state: State) -> int:
    """The next row there is, which nothing else will ever have."""
    state.next_row += 1
    return state.next_row - 1


def fits(state: State, record: Record, *, beside: Record, has_vectors: bool | None) -> bool:
    """Whether a record's vector is as long as the others; False where it says how long they are.

    Args:
        state: Of the truth that it is written to.
        record: With a vector.
        beside: The first with a vector of what is written with it.
        has_vectors: Whether the truth has any; None if nobody has looked, where it matters not.

    Raises:
        DimensionError: There are others, and it is not.
    """
    dimension = len(record.vector or b"") // 4
    if state.dimension == dimension:
        return True
    if state.dimension is not None:
        if record is not beside or has_vectors:
            raise DimensionError(state.dimension, dimension)
        state.remade += 1  # there are none any more; whoever holds arrays of them starts over
    state.dimension = dimension
    return False


def is_first_named(state: State, model: str, *, has_vectors: bool) -> bool:
    """Whether a model is to be named as the one that makes the vectors.

    Raises:
        WrongEmbedderError: They are by another.
    """
    if state.embedder is None or (state.embedder != model and not has_vectors):
        state.embedder = model
        return True
    if state.embedder != model:
        raise WrongEmbedderError(expected=state.embedder, got=model)
    return False
