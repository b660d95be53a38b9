"""Signals in the file: an append-only log, and what was taken back of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from feather_memory.model.memory import Signal, SignalKind, when

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

    from feather_memory.truth.sqlite.database import Writing
    from feather_memory.types import Seconds

_SELECT = """
    select signal.event_id, memory_id, kind, signal.at, strength, turn,
           retraction.event_id is not null
    from signal left join retraction using (event_id)
"""


def _signal(row: tuple[str, str, str, float, float, str | None, int]) -> Signal:
    event_id, memory_id, kind, at, strength, turn, retracted = row
    return Signal(
        event_id=event_id,
        memory_id=memory_id,
        kind=SignalKind(kind),
        at=when(at),
        strength=strength,
        turn=turn,
        retracted=bool(retracted),
    )


def append(writing: Writing, signal: Signal, at: Seconds) -> bool:
    """Log a signal. False, and nothing else, if its event is in the log already."""
    cursor = writing.connection.execute(
        "insert or ignore into signal (event_id, memory_id, kind, at, strength, turn) "
        "values (?, ?, ?, ?, ?, ?)",
        (signal.event_id, signal.memory_id, signal.kind, at, signal.strength, signal.turn),
    )
    return cursor.rowcount > 0


def retract(writing: Writing, event_id: str, at: Seconds) -> bool:
    """Log that an event is taken back. False if it was already."""
    cursor = writing.connection.execute(
        "insert or ignore into retraction (event_id, at) values (?, ?)", (event_id, at)
    )
    return cursor.rowcount > 0


def find(connection: sqlite3.Connection, event_id: str) -> Signal | None:
    """The signal of that event."""
    row = connection.execute(f"{_SELECT} where signal.event_id = ?", (event_id,)).fetchone()
    return None if row is None else _signal(row)


def of_event(connection: sqlite3.Connection, event: str) -> list[Signal]:
    """The signals that one event left about several memories, as `event:memory`."""
    rows = connection.execute(
        # Above `event:` and below `event;`, for the index; an event `a:b` is none of `a`.
        f"{_SELECT} where signal.event_id > :head and signal.event_id < :beyond "
        "and signal.event_id = :head || memory_id order by signal.event_id",
        {"head": f"{event}:", "beyond": f"{event};"},
    )
    return [_signal(row) for row in rows]


def of_turn(connection: sqlite3.Connection, turn: str, kind: SignalKind) -> list[Signal]:
    """Every signal of a kind that answers a turn."""
    rows = connection.execute(
        f"{_SELECT} where turn = ? and kind = ? order by signal.event_id", (turn, kind)
    )
    return [_signal(row) for row in rows]


def of_memory(connection: sqlite3.Connection, memory_id: str) -> list[Signal]:
    """Every signal about the memory, oldest first."""
    rows = connection.execute(
        f"{_SELECT} where memory_id = ? order by signal.at, signal.event_id", (memory_id,)
    )
    return [_signal(row) for row in rows]


def count(connection: sqlite3.Connection, ids: Collection[str]) -> int:
    """How many signals are about the memories."""
    number: int = connection.execute(
        "select count(*) from signal where memory_id in (select value from json_each(?))",
        (json.dumps(list(ids)),),
    ).fetchone()[0]
    return number
