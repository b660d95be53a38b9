"""The words of each memory, in SQLite's full-text index.

Scripts without spaces (Chinese, Japanese, Korean) are indexed as overlapping pairs of
characters, so that 日本語 is found by 日本, by 本語 and by 語. The index keeps no text.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterable

from feather_memory.model.fields import Record

_ADD = "insert into lexical (rowid, terms) values (?, ?)"
_REMOVE = "insert into lexical (lexical, rowid, terms) values ('delete', ?, ?)"
_ALL_OF = "select rowid from lexical where lexical match ?"
_SAME_TEXT = "select row from memory where text = ?"
_PROBED, _PROBES = 300, 8  # characters and words of a text that are looked up
_IS_AMONG = "select 1 from lexical where lexical match ? and rowid = ?"
_SIZES = "select id, sz from lexical_docsize"
_SOME = 30  # pieces of a text asked for at once
_NO_WORDS = b"\0"  # the size, a variable-length integer, of a text without words
_MATCH = "select rowid, -bm25(lexical) from lexical where lexical match ?"

_UNSPACED = re.compile(
    r"[\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    r"\U00020000-\U0003134f]+"
)
_WORD = re.compile(r"\w+")

# Words that questions are made of and answers are not. Without them a query matches, and so
# scores, a tenth as many memories; where nothing else is left they are asked for after all.
_STOP_WORDS = frozenset(
    """a about am an and any are as at be been but by can could did do does for from had has have
    he her his how i if in into is it its me my of on or our she should so than that the their
    them then there these they this those to us was we were what when where which who whom whose
    why will with would you your""".split()  # noqa: SIM905  a list of words reads as text
)


def _pairs(run: re.Match[str]) -> str:
    text = run[0]
    return f" {' '.join(text[i : i + 2] for i in range(len(text)))} "


def _said(record: Record) -> str:
    """What a memory is found by: who said it, and the text.

    With the speaker's name recall@10 on LoCoMo's turns rises by 2.9 points.
    """
    return record.text if record.actor is None else f"{record.actor} {record.text}"


def terms(text: str) -> str:
    """The text as it is given to the index: compatibility forms folded, unspaced runs paired."""
    if text.isascii():
        return text
    return _UNSPACED.sub(_pairs, unicodedata.normalize("NFKC", text))


def expression(query: str) -> str | None:
    """What to ask the index for a query: any of its words. None if it has no word."""
    folded = unicodedata.normalize("NFKC", query)
    words = list(dict.fromkeys(_WORD.findall(_UNSPACED.sub(" ", folded).lower())))
    wanted = [f'"{word}"' for word in words if word not in _STOP_WORDS]
    for run in _UNSPACED.findall(folded):
        pairs = [run[i : i + 2] for i in range(max(1, len(run) - 1))]
        wanted.extend(f'"{pair}"' + ("*" if len(pair) == 1 else "") for pair in pairs)
    return " OR ".join(dict.fromkeys(wanted or [f'"{word}"' for word in words])) or None


def add(connection: sqlite3.Connection, records: Iterable[Record]) -> None:
    """Index the texts under their rows."""
    connection.executemany(_ADD, [(record.row, terms(_said(record))) for record in records])


def remove(connection: sqlite3.Connection, records: Iterable[Record]) -> None:
    """Take texts out. They must be what was indexed under these rows."""
    connection.executemany(_REMOVE, [(record.row, terms(_said(record))) for record in records])


def match(connection: sqlite3.Connection, query: str) -> list[tuple[int, float]]:
    """(row, BM25) of every memory that shares a word with the query; higher is better."""
    asked = expression(query)
    return [] if asked is None else connection.execute(_MATCH, (asked,)).fetchall()


def holding(connection: sqlite3.Connection, text: str) -> list[int]:
    """Rows of all memories with this text, and perhaps of some others with its words."""
    folded = unicodedata.normalize("NFKC", text[:_PROBED])
    words = _WORD.findall(_UNSPACED.sub(" ", folded).lower())
    words = sorted(set(words[:-1] or words), key=len)[-_PROBES:]  # the last may be cut short
    if not words or (len(words) == 1 and len(text) > _PROBED):
        return [row for (row,) in connection.execute(_SAME_TEXT, (text,))]
    asked = " AND ".join(f'"{word}"' for word in words)
    return [row for (row,) in connection.execute(_ALL_OF, (asked,))]


def erase(connection: sqlite3.Connection) -> None:
    """Rewrite the index, so that the words of removed texts leave its pages."""
    connection.execute("insert into lexical (lexical) values ('optimize')")


def rebuild(connection: sqlite3.Connection, records: Iterable[Record]) -> None:
    """Index everything anew."""
    connection.execute("insert into lexical (lexical) values ('delete-all')")
    add(connection, records)


def faults(connection: sqlite3.Connection, records: Iterable[Record]) -> list[int]:
    """Rows that the index lacks, or does not find by any of their own words."""
    indexed = dict(connection.execute(_SIZES).fetchall())
    return [
        record.row
        for record in records
        if record.row not in indexed
        or (
            indexed[record.row] != _NO_WORDS
            and not _is_found(connection, record.row, terms(_said(record)))
        )
    ]


def _is_found(connection: sqlite3.Connection, row: int, indexed: str) -> bool:
    """Whether the row is found by what was indexed under it, as far as it has usual words.

    The index itself takes the pieces apart: it and Python differ in what a letter is.
    """
    pieces = [piece for piece in indexed.replace("\0", " ").split() if len(piece) <= _PROBED]
    quoted = ['"' + piece.replace('"', '""') + '"' for piece in pieces]
    some = (" OR ".join(quoted[at : at + _SOME]) for at in range(0, len(quoted), _SOME))
    found = (connection.execute(_IS_AMONG, (asked, row)).fetchone() for asked in some)
    return not quoted or any(found)
