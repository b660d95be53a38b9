"""The words of each memory, by its row: derived from its text and its actor, kept for readers.

Kept as digests, so that what no text says any more is nowhere: not in a list of words either.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from feather_memory.config import BATCH_CACHE_KIB, BATCH_ROWS
from feather_memory.model.words import Tokenizer, tokenizer
from feather_memory.truth.sqlite import sums

_ADD = "insert into words (row, likeness, compact) values (?, ?, ?)"
REMOVE = "delete from words where row = ?"
LIKE = "select likeness, row from words where likeness = ? order by row"
_SAID = "select row, text, actor from memory order by row"
_BESIDE = """
    select memory.row, text, actor, likeness, compact
    from memory left join words on memory.row = words.row order by memory.row
"""


def add(connection: sqlite3.Connection, told: Sequence[tuple[int, int, bytes]]) -> None:
    """Keep the words of new rows: of each its row, its likeness, and the words.

    Likenesses come in no order, so that in a large file each touches another page of their index.
    As many pages as a batch touches are kept until it is written: they would be written twice.
    """
    if len(told) >= BATCH_ROWS:
        connection.execute(f"pragma cache_size = {-BATCH_CACHE_KIB}")  # until the log is folded
    connection.executemany(_ADD, told)


def rebuild(connection: sqlite3.Connection) -> None:
    """Derive them all anew, in the file's language."""
    made = _tokenizer(connection)
    connection.execute("delete from words")
    connection.execute("update state set remade = remade + 1, snapshot = null")
    sums.seal_state(connection)
    said = connection.execute(_SAID)
    connection.executemany(_ADD, ((row, *made.kept(text, actor)) for row, text, actor in said))


def faults(connection: sqlite3.Connection) -> Iterator[int]:
    """Rows of memories whose words are not those of their text."""
    made = _tokenizer(connection)
    for row, text, actor, *kept in connection.execute(_BESIDE):
        if tuple(kept) != made.kept(text, actor):
            yield row


def _tokenizer(connection: sqlite3.Connection) -> Tokenizer:
    (language,) = connection.execute("select language from state").fetchone()
    return tokenizer(language)
