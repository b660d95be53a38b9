from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from langchain_core.embeddings import Embeddings
from langchain_feather_memory import FeatherVectorStore

from feather_memory import Store
from feather_memory.testing import HashEmbedder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# How fast a shared machine is fails no property.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


class HashEmbeddings(Embeddings):
    """The tests' embedding: no model, the same vectors everywhere, and it counts its calls."""

    def __init__(self, *, seconds: float = 0.0) -> None:
        self._embed = HashEmbedder(128)
        self._seconds = seconds
        self.calls: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.calls.append("embed_documents")
        time.sleep(self._seconds)
        return self._embed(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        self.calls.append("embed_query")
        time.sleep(self._seconds)
        return self._embed([text])[0].tolist()

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        self.calls.append("aembed_documents")
        await asyncio.sleep(self._seconds)
        return self._embed(texts).tolist()

    async def aembed_query(self, text: str) -> list[float]:
        self.calls.append("aembed_query")
        await asyncio.sleep(self._seconds)
        return self._embed([text])[0].tolist()


@pytest.fixture
def embedding() -> HashEmbeddings:
    return HashEmbeddings()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "alice.feather", embedder=HashEmbedder(128)) as store:
        yield store
        assert store.check() == []


@pytest.fixture
def vectors(store: Store, embedding: HashEmbeddings) -> FeatherVectorStore:
    return FeatherVectorStore(embedding, store=store)
