"""What the nouns of one transaction share."""

from __future__ import annotations

import sqlite3
import zlib
from dataclasses import dataclass

from feather_memory.truth.state import State


@dataclass(slots=True)
class Moment:
    """A connection within a transaction."""

    connection: sqlite3.Connection
    state: State
    """As the transaction found it; a write brings it up to date as it goes."""
    generation: int
    """Which generation a write of this transaction belongs to."""


def checksum(text: str, metadata: str, vector: bytes | None) -> int:
    """crc32 over what a damaged disk could silently change of a memory."""
    told = zlib.crc32(metadata.encode(), zlib.crc32(text.encode()))
    return zlib.crc32(vector or b"", told)
