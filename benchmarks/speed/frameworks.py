"""Vector stores as LangChain and LlamaIndex have them: a text is asked, the framework embeds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_feather_memory import FeatherVectorStore

from benchmarks.speed.contender import OURS, Contender, K
from benchmarks.speed.corpus import Record


class Prepared(Embeddings):
    """Vectors made beforehand, by the text: embedding takes no time."""

    def __init__(self) -> None:
        self.vectors: dict[str, list[float]] = {}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.vectors[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.vectors[text]


class Framework(Contender):
    """A store behind a framework's interface."""

    durable = False  # opening is measured of the stores themselves
    most = 10_000

    def prepare(self, texts: Sequence[str], vectors: np.ndarray) -> None:
        """The embedder is told what the questions' vectors are."""
        self.embedding.vectors.update(zip(texts, vectors.tolist(), strict=True))

    def __init__(self, path: Path, dim: int) -> None:
        self.embedding = Prepared()
        self.dim = dim
        self.inside = self.made(path)

    @abstractmethod
    def made(self, path: Path) -> Any:
        """The framework's store."""

    @abstractmethod
    def ask(self, text: str) -> list[str]:
        """The K best."""


class LangChain(Framework):
    """Any of LangChain's vector stores."""

    inside: VectorStore

    def add_many(self, records: Sequence[Record]) -> None:
        self.prepare([each.text for each in records], np.stack([each.vector for each in records]))
        metadatas = [{"share": each.share} for each in records]
        self.inside.add_texts(
            [each.text for each in records], metadatas, ids=[each.id for each in records]
        )

    def ask(self, text: str) -> list[str]:
        return [str(found.id) for found in self.inside.similarity_search(text, k=K)]


class LangChainFeather(LangChain):
    name = OURS
    package = "langchain-feather-memory"
    about = "`FeatherVectorStore`: durable, exact"

    def made(self, path: Path) -> FeatherVectorStore:
        return FeatherVectorStore(self.embedding, path=path)

    def close(self) -> None:
        self.inside.store.close()


class LangChainMemory(LangChain):
    name = "InMemoryVectorStore"
    package = "langchain-core"
    about = "LangChain's own, in memory"

    def made(self, path: Path) -> InMemoryVectorStore:
        del path
        return InMemoryVectorStore(self.embedding)


class LangChainFAISS(LangChain):
    name = "LangChain FAISS"
    package = "langchain-community"
    about = "a flat index in memory"
    because = "in memory: no ages, no durable write"

    def made(self, path: Path) -> VectorStore:
        del path
        from faiss import IndexFlatL2, omp_set_num_threads
        from langchain_community.docstore import InMemoryDocstore
        from langchain_community.vectorstores import FAISS

        omp_set_num_threads(1)  # as in the peer of its own
        return FAISS(self.embedding, IndexFlatL2(self.dim), InMemoryDocstore(), {})


class LangChainChroma(LangChain):
    name = "LangChain Chroma"
    package = "langchain-chroma"
    about = "HNSW beside SQLite"
    is_approximate = True

    def made(self, path: Path) -> VectorStore:
        from langchain_chroma import Chroma

        return Chroma(persist_directory=str(path), embedding_function=self.embedding)

    def add_many(self, records: Sequence[Record]) -> None:
        for start in range(0, len(records), 5_000):  # it takes at most 5,461 at once
            super().add_many(records[start : start + 5_000])


class LlamaIndexSimple(Framework):
    name = "SimpleVectorStore"
    package = "llama-index-core"
    about = "LlamaIndex's own, in memory; it is asked with a vector, and answers without the texts"

    def made(self, path: Path) -> Any:
        del path
        from llama_index.core.vector_stores import SimpleVectorStore

        return SimpleVectorStore()

    def add_many(self, records: Sequence[Record]) -> None:
        from llama_index.core.schema import TextNode

        self.inside.add(
            [
                TextNode(id_=each.id, text=each.text, embedding=each.vector.tolist())
                for each in records
            ]
        )

    def ask(self, text: str) -> list[str]:
        from llama_index.core.vector_stores.types import VectorStoreQuery

        vector = self.embedding.vectors[text]
        return self.inside.query(VectorStoreQuery(query_embedding=vector, similarity_top_k=K)).ids


FRAMEWORKS: tuple[type[Framework], ...] = (
    LangChainFeather,
    LangChainFAISS,
    LangChainChroma,
    LangChainMemory,
    LlamaIndexSimple,
)
