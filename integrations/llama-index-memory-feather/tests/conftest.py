from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

# Nothing may be looked for, and so nothing downloaded: LlamaIndex brings its own copies, which
# these variables hide.
os.environ.pop("TIKTOKEN_CACHE_DIR", None)
os.environ.pop("NLTK_DATA", None)
os.environ["IS_TESTING"] = "1"

from hypothesis import HealthCheck, settings
from llama_index.core import set_global_tokenizer
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.memory.feather import FeatherMemory
from pydantic import PrivateAttr

from feather_memory import Store
from feather_memory.testing import HashEmbedder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

set_global_tokenizer(str.split)

# How fast a shared machine is fails no property.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


class HashEmbedding(BaseEmbedding):
    """The tests' embedding: no model, the same vectors everywhere, and it counts its calls."""

    dim: int = 128
    seconds: float = 0.0
    """How long a call takes, without holding up anybody else."""
    _calls: list[str] = PrivateAttr(default_factory=list)
    _embed: HashEmbedder = PrivateAttr()

    def __init__(self, **fields: Any) -> None:
        super().__init__(**{"model_name": "hash", **fields})
        self._embed = HashEmbedder(self.dim)

    @classmethod
    def class_name(cls) -> str:
        return "HashEmbedding"

    @property
    def calls(self) -> list[str]:
        return self._calls

    def _vectors(self, texts: list[str]) -> list[list[float]]:
        return self._embed(texts).tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        self._calls.append("texts")
        time.sleep(self.seconds)
        return self._vectors(texts)

    def _get_query_embedding(self, query: str) -> list[float]:
        self._calls.append("query")
        time.sleep(self.seconds)
        return self._vectors([query])[0]

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return (await self._aget_text_embeddings([text]))[0]

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        self._calls.append("atexts")
        await asyncio.sleep(self.seconds)
        return self._vectors(texts)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        self._calls.append("aquery")
        await asyncio.sleep(self.seconds)
        return self._vectors([query])[0]


@pytest.fixture
def embed_model() -> HashEmbedding:
    return HashEmbedding()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "alice.feather") as store:
        yield store
        assert store.check() == []


@pytest.fixture
def alice(tmp_path: Path) -> Iterator[Store]:
    """A store that says whose it is."""
    with Store.open(tmp_path / "alice-own.feather", tenant="alice") as store:
        yield store
        assert store.check() == []


@pytest.fixture
def session(alice: Store, embed_model: HashEmbedding) -> Callable[..., FeatherMemory]:
    """Makes a memory of Alice's for a conversation."""

    def make(session_id: str, **fields: Any) -> FeatherMemory:
        return FeatherMemory.from_defaults(
            store=alice, session_id=session_id, embed_model=embed_model, **{"save": "all", **fields}
        )

    return make
