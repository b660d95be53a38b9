"""LanceDB: columnar files, scanned; a full-text index beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import FTS

from benchmarks.speed.contender import Contender, K
from benchmarks.speed.corpus import Record

TABLE = "memories"


class Lance(Contender):
    name = "lancedb"
    package = "lancedb"
    module = "lancedb"
    about = "exact, scanned by several threads; words added after its word index are scanned"
    shared = True
    most = 200_000

    def __init__(self, path: Path, dim: int) -> None:
        self._db = lancedb.connect(str(path))
        self._schema = pa.schema(
            [
                ("id", pa.string()),
                ("text", pa.string()),
                ("share", pa.int32()),
                ("vector", pa.list_(pa.float32(), dim)),
            ]
        )
        self._table = self._db.create_table(TABLE, schema=self._schema, exist_ok=True)

    def _rows(self, records: Sequence[Record]) -> pa.Table:
        vectors = np.concatenate([record.vector for record in records])
        columns = [
            pa.array([record.id for record in records]),
            pa.array([record.text for record in records]),
            pa.array([record.share for record in records], pa.int32()),
            pa.FixedSizeListArray.from_arrays(pa.array(vectors), len(records[0].vector)),
        ]
        return pa.table(columns, schema=self._schema)

    def add_many(self, records: Sequence[Record]) -> None:
        self._table.add(self._rows(records))
        if not self._table.list_indices():
            self._table.create_index("text", config=FTS())
        self._table.optimize()

    def add(self, record: Record) -> None:
        self._table.add(self._rows([record]))

    def search(self, vector: np.ndarray) -> list[str]:
        return _ids(self._table.search(vector).distance_type("cosine").limit(K), "_distance")

    def words(self, text: str) -> list[str]:
        return _ids(self._table.search(text, query_type="fts").limit(K), "_score")

    def hybrid(self, text: str, vector: np.ndarray) -> list[str]:
        query = self._table.search(query_type="hybrid").vector(vector).text(text)
        return query.distance_type("cosine").limit(K).to_arrow()["id"].to_pylist()

    def filtered(self, vector: np.ndarray, percent: int) -> list[str]:
        query = self._table.search(vector).distance_type("cosine")
        return _ids(query.where(f"share < {percent}", prefilter=True).limit(K), "_distance")

    def forget(self, number: int) -> None:
        self._table.delete(f"id = 'm{number}'")


def _ids(query: Any, score: str) -> list[str]:
    return query.select(["id", "text", score]).to_arrow()["id"].to_pylist()
