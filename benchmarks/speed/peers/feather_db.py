"""Feather DB: an HNSW index over its own file, scored by age and importance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import feather_db
import numpy as np

from benchmarks.speed.contender import Contender, K, numbered
from benchmarks.speed.corpus import Record

SHARES = (1, 10, 50)  # it filters by equality only, so each bound is an attribute of its own


class FeatherDB(Contender):
    name = "feather-db"
    package = "feather-db"
    module = "feather_db"
    about = (
        "HNSW; scores the 3·k nearest only; `add` is a log that outlives the process, `forget` a "
        "mark and a save"
    )
    is_approximate = True
    most = 200_000

    def __init__(self, path: Path, dim: int) -> None:
        self._db = feather_db.DB.open(str(path), dim=dim)
        self._scoring = feather_db.ScoringConfig()

    def add_many(self, records: Sequence[Record]) -> None:
        vectors = np.stack([record.vector for record in records])
        self._db.add_batch(
            [record.number for record in records], vectors, [_metadata(each) for each in records]
        )
        self._db.save()

    def add(self, record: Record) -> None:
        self._db.add(record.number, record.vector, _metadata(record))

    def search(self, vector: np.ndarray) -> list[str]:
        return _ids(self._db.search(vector, K, scoring=self._scoring))

    def words(self, text: str) -> list[str]:
        return _ids(self._db.keyword_search(text, K))

    def hybrid(self, text: str, vector: np.ndarray) -> list[str]:
        return _ids(self._db.hybrid_search(vector, text, K, scoring=self._scoring))

    def filtered(self, vector: np.ndarray, percent: int) -> list[str]:
        only = feather_db.FilterBuilder().attribute(f"below{percent}", "yes").build()
        return _ids(self._db.search(vector, K, filter=only, scoring=self._scoring))

    def link(self, pairs: Sequence[tuple[int, int]]) -> None:
        for source, target in pairs:
            self._db.link(source, target, "related_to", 0.8)

    def chain(self, vector: np.ndarray) -> list[str]:
        return [f"m{node.id}" for node in self._db.context_chain(vector, 5, 2).nodes]

    def top(self, vector: np.ndarray) -> list[str]:
        return _ids(self._db.search(vector, 5, scoring=self._scoring))

    def forget(self, number: int) -> None:
        self._db.forget(number)
        self._db.save()

    def close(self) -> None:
        self._db.close()


def _metadata(record: Record) -> feather_db.Metadata:
    metadata = feather_db.Metadata()
    metadata.content = record.text
    for share in SHARES:
        if record.share < share:
            metadata.set_attribute(f"below{share}", "yes")
    return metadata


def _ids(results: Sequence[feather_db.core.SearchResult]) -> list[str]:
    return numbered([result.id for result in results])
