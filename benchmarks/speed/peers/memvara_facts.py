"""Memvara: bitemporal facts in SQLite, found by words and vectors together."""

from __future__ import annotations

import importlib
import sqlite3
import sys
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import numpy as np

from benchmarks.speed.contender import Contender, K
from benchmarks.speed.corpus import Record

SQLITE = (3, 42)  # the first whose FTS5 has the secure delete that it asks for


def imported() -> ModuleType:
    """Memvara, over the SQLite of pysqlite3 where Python's own is too old for it."""
    if sqlite3.sqlite_version_info >= SQLITE:
        return importlib.import_module("memvara")
    sys.modules["sqlite3"] = importlib.import_module("pysqlite3")
    try:
        return importlib.import_module("memvara")
    finally:
        sys.modules["sqlite3"] = sqlite3  # everybody else goes on with Python's


memvara = imported()


class Prepared:
    """An embedder that was told the vectors beforehand."""

    name = "prepared"

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.vectors: dict[str, np.ndarray] = {}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        nothing = np.zeros(self.dim, np.float32)
        return np.stack([self.vectors.get(text, nothing) for text in texts])


class MemvaraFacts(Contender):
    name = "memvara"
    package = "memvara"
    module = "memvara"
    about = "each memory a fact, written one by one; it takes no vector without words"
    most = 10_000
    quick_most = 1_000

    def __init__(self, path: Path, dim: int) -> None:
        self._embedder = Prepared(dim)
        self._memory = memvara.Memvara(
            str(path), embedder=self._embedder, llm=memvara.NullLLM(), user="alice"
        )
        self._claims: dict[str, str] = {}

    def add_many(self, records: Sequence[Record]) -> None:
        with self._memory.store.batch():
            for record in records:
                self.add(record)

    def add(self, record: Record) -> None:
        self._embedder.vectors[record.text] = record.vector
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of words it takes for a question
            self._memory.remember(
                record.id, "says", record.text, text=record.text, share=record.share
            )

    def answer(self, text: str, vector: np.ndarray) -> list[str]:
        return self.hybrid(text, vector)

    def hybrid(self, text: str, vector: np.ndarray) -> list[str]:
        self._embedder.vectors[text] = vector
        found = self._memory.search(text, k=K, query_rewrite=False)
        return [result.claim.subject for result in found]

    def known_at(self, text: str, vector: np.ndarray, when: float) -> list[str]:
        self._embedder.vectors[text] = vector
        known = datetime.fromtimestamp(when, UTC)
        found = self._memory.search(text, k=K, known_at=known, query_rewrite=False)
        return [result.claim.subject for result in found]

    def forget(self, number: int) -> None:
        if not self._claims:
            self._claims = {claim.subject: claim.id for claim in self._memory.get_all()}
        self._memory.erase(self._claims[f"m{number}"])

    def close(self) -> None:
        self._memory.close()
