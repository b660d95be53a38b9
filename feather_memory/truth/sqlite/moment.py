"""What the nouns of one transaction share."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from feather_memory.truth.state import State

UNREAD = State("", None, None, -1, 0, None, "", None, 0.0, 0, 0, 0)
"""Stands for what the file says of itself until somebody asks."""

SAID = f"select {', '.join(State.__slots__)} from state"
GENERATION = "select generation, is_gone from state"
ADVANCE = "update state set generation = ?, next_row = ?, latest = ?, owed = ?"


@dataclass(slots=True)
class Moment:
    """A connection within a transaction."""

    connection: sqlite3.Connection
    state: State
    """As the transaction found it; a write brings it up to date as it goes."""
    generation: int
    """Which generation a write of this transaction belongs to."""
