"""LangChain's own suites, without an override."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_feather_memory import FeatherRetriever, FeatherVectorStore
from langchain_tests.integration_tests import (
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)

from feather_memory import Store
from feather_memory.testing import HashEmbedder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from langchain_core.vectorstores import VectorStore


class TestFeatherVectorStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[VectorStore]:
        with FeatherVectorStore(self.get_embeddings(), path=tmp_path / "x.feather") as vectors:
            yield vectors
            assert vectors.store.check() == []


class TestFeatherRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def filled(self, tmp_path: Path) -> Iterator[None]:
        with Store.open(tmp_path / "x.feather", embedder=HashEmbedder()) as self._store:
            self._store.add_many([{"text": f"Fact {n}"} for n in range(6)])
            yield
            assert self._store.check() == []

    @property
    def retriever_constructor(self) -> type[FeatherRetriever]:
        return FeatherRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"store": self._store}

    @property
    def retriever_query_example(self) -> str:
        return "Which facts?"
