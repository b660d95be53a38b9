"""LangChain's own suites, without an override."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from langchain_feather_memory import FeatherVectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

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
