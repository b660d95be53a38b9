"""Qdrant's client without a server: numpy over a folder."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from qdrant_client import QdrantClient
from qdrant_client.models import (
    Distance,
    FieldCondition,
    Filter,
    PointIdsList,
    PointStruct,
    Range,
    VectorParams,
)

from benchmarks.speed.contender import Contender, K, numbered
from benchmarks.speed.corpus import Record

COLLECTION = "memories"


class Qdrant(Contender):
    name = "qdrant-client"
    package = "qdrant-client"
    module = "qdrant_client"
    about = "its local mode, which it does not advise beyond 20,000 vectors"
    most = 10_000
    quick_most = 1_000

    def __init__(self, path: Path, dim: int) -> None:
        self._client = QdrantClient(path=str(path))
        if not self._client.collection_exists(COLLECTION):
            params = VectorParams(size=dim, distance=Distance.COSINE)
            self._client.create_collection(COLLECTION, vectors_config=params)

    def add_many(self, records: Sequence[Record]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says from 20,000 vectors on what `about` says
            self._client.upsert(COLLECTION, [_point(record) for record in records])

    def add(self, record: Record) -> None:
        self._client.upsert(COLLECTION, [_point(record)])

    def search(self, vector: np.ndarray) -> list[str]:
        return self._found(vector, None)

    def filtered(self, vector: np.ndarray, percent: int) -> list[str]:
        return self._found(
            vector, Filter(must=[FieldCondition(key="share", range=Range(lt=percent))])
        )

    def _found(self, vector: np.ndarray, only: Filter | None) -> list[str]:
        found = self._client.query_points(COLLECTION, vector, limit=K, query_filter=only)
        return numbered([point.id for point in found.points])

    def forget(self, number: int) -> None:
        self._client.delete(COLLECTION, PointIdsList(points=[number]))

    def close(self) -> None:
        self._client.close()


def _point(record: Record) -> PointStruct:
    payload = {"text": record.text, "share": record.share}
    return PointStruct(id=record.number, vector=record.vector.tolist(), payload=payload)
