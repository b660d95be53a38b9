"""sqlite-vec: vectors in SQLite, scanned, with FTS5 beside them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import apsw  # the standard library's SQLite may be built without extensions
import numpy as np
import sqlite_vec

from benchmarks.speed.contender import Contender, K, numbered
from benchmarks.speed.corpus import Record

_TABLES = """
    create table if not exists memory (id integer primary key, text text not null);
    create virtual table if not exists word using fts5
        (text, content = 'memory', content_rowid = 'id');
    create virtual table if not exists vector using vec0
        (id integer primary key, share integer, own float[{dim}] distance_metric=cosine);
"""
_MEMORY = "insert into memory (id, text) values (?, ?)"
_WORD = "insert into word (rowid, text) values (?, ?)"
_VECTOR = "insert into vector (id, share, own) values (?, ?, ?)"
_NEAREST = "select id from vector where own match ? and k = ? order by distance"
_FILTERED = "select id from vector where own match ? and k = ? and share < ? order by distance"
_WORDS = "select rowid from word where word match ? order by rank limit ?"
_TEXT = "select text from memory where id = ?"


class SQLiteVec(Contender):
    name = "sqlite-vec"
    package = "sqlite-vec"
    module = "sqlite_vec"
    about = "exact, with FTS5 in the same file; WAL, `synchronous=normal`, as ours"
    shared = True
    most = 200_000

    def __init__(self, path: Path, dim: int) -> None:
        self._db = apsw.Connection(str(path))
        self._db.enable_load_extension(True)
        self._db.load_extension(sqlite_vec.loadable_path())
        self._db.set_busy_timeout(10_000)
        self._db.execute("pragma journal_mode = wal; pragma synchronous = normal")
        self._db.execute(_TABLES.format(dim=dim))

    def add_many(self, records: Sequence[Record]) -> None:
        with self._db:
            self._db.executemany(_MEMORY, [(each.number, each.text) for each in records])
            self._db.executemany(_WORD, [(each.number, each.text) for each in records])
            rows = [(each.number, each.share, each.vector.tobytes()) for each in records]
            self._db.executemany(_VECTOR, rows)

    def add(self, record: Record) -> None:
        self.add_many([record])

    def search(self, vector: np.ndarray) -> list[str]:
        return self._read(self._db.execute(_NEAREST, (vector.tobytes(), K)))

    def words(self, text: str) -> list[str]:
        question = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", text))
        return self._read(self._db.execute(_WORDS, (question, K)))

    def filtered(self, vector: np.ndarray, percent: int) -> list[str]:
        return self._read(self._db.execute(_FILTERED, (vector.tobytes(), K, percent)))

    def _read(self, found: apsw.Cursor) -> list[str]:
        """The ids, after the texts were read as a caller would."""
        numbers = [number for (number,) in found]
        for number in numbers:
            self._db.execute(_TEXT, (number,)).fetchall()
        return numbered(numbers)

    def forget(self, number: int) -> None:
        with self._db:
            ((text,),) = self._db.execute(_TEXT, (number,)).fetchall()
            self._db.execute(
                "insert into word (word, rowid, text) values ('delete', ?, ?)", (number, text)
            )
            self._db.execute("delete from vector where id = ?", (number,))
            self._db.execute("delete from memory where id = ?", (number,))

    def close(self) -> None:
        self._db.close()
