"""What the nouns of one transaction share."""

from __future__ import annotations

import sqlite3
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
