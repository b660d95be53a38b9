"""Chroma: an HNSW index beside SQLite, in the process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import chromadb
import numpy as np
from chromadb.config import Settings

from benchmarks.speed.contender import Contender, K
from benchmarks.speed.corpus import Record

BATCH = 5_000  # it takes at most 5,461 at once


class Chroma(Contender):
    name = "chroma"
    package = "chromadb"
    module = "chromadb"
    about = "HNSW"
    is_approximate = True

    def __init__(self, path: Path, dim: int) -> None:
        del dim  # its first vector tells
        settings = Settings(anonymized_telemetry=False)
        self._client = chromadb.PersistentClient(str(path), settings=settings)
        self._collection = self._client.get_or_create_collection(
            "memories", metadata={"hnsw:space": "cosine"}, embedding_function=None
        )

    def add_many(self, records: Sequence[Record]) -> None:
        for start in range(0, len(records), BATCH):
            some = records[start : start + BATCH]
            self._collection.add(
                ids=[record.id for record in some],
                embeddings=[record.vector for record in some],
                documents=[record.text for record in some],
                metadatas=[{"share": record.share} for record in some],
            )

    def add(self, record: Record) -> None:
        self.add_many([record])

    def search(self, vector: np.ndarray) -> list[str]:
        return self._collection.query(query_embeddings=[vector], n_results=K)["ids"][0]

    def filtered(self, vector: np.ndarray, percent: int) -> list[str]:
        where = {"share": {"$lt": percent}}
        found = self._collection.query(query_embeddings=[vector], n_results=K, where=where)
        return found["ids"][0]

    def forget(self, number: int) -> None:
        self._collection.delete(ids=[f"m{number}"])

    def close(self) -> None:
        self._client.close()
