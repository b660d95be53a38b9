"""What a turn costs in a long conversation, and a document in a large index, through LlamaIndex.

    python benchmarks/llama_index_memory.py [--small]

Milliseconds that a caller waits, medians. A turn is `FeatherMemory.put` and `get` after 2,000
messages; of short ones all are given to the model, of long ones those that fit into 30,000 tokens.
A document is deleted, refreshed because it changed, and refreshed because it did not. Embedding
takes no time: the vectors are of hashes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.llms import ChatMessage
from llama_index.core.schema import Document
from llama_index.memory.feather import FeatherMemory, FeatherVectorStore

from feather_memory import Store
from feather_memory.testing import HashEmbedder

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = (
    "the", "team", "deploys", "on", "fridays", "after", "lunch", "unless", "a", "review", "is",
    "open", "or", "tests", "are", "red",
)  # fmt: skip
HASHES = HashEmbedder(64)


class Hashed(BaseEmbedding):
    """Vectors of hashes."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return HASHES([text])[0].tolist()

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def median(call: Callable[[int], object], times: int) -> float:
    """Milliseconds; the first two calls only warm up."""
    taken = []
    for n in range(times + 2):
        begun = time.perf_counter()
        call(n)
        taken.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(taken[2:])


def converse(folder: Path, words: int, messages: int, times: int) -> None:
    random = Random(7)

    def said(n: int) -> ChatMessage:
        text = " ".join(random.choices(WORDS, k=words))
        return ChatMessage(role="assistant" if n % 2 else "user", content=f"{n} {text}")

    path = folder / f"{words}.feather"
    with Store.open(path, embedder=HASHES, tenant="alice") as store:
        memory = FeatherMemory.from_defaults(store=store, session_id="long")
        memory.put_messages([said(n) for n in range(messages)])
        put = median(lambda n: memory.put(said(2 * n)), times)
        get = median(lambda _: memory.get(), times)
        print(f"{f'of {words} words, {len(memory.get()):,} given':36}{put:10.1f}{get:10.1f}")


def index(folder: Path, count: int, times: int) -> None:
    vectors = FeatherVectorStore(folder / f"index-{count}.feather")
    documents = vectors.as_index(Hashed())
    texts = [Document(id_=f"d{n}", text=f"document {n} is about {n % 50}") for n in range(count)]
    documents.refresh_ref_docs(texts)
    changed = [Document(id_=each.id_, text=f"{each.text}, anew") for each in texts]
    deleting = median(lambda n: documents.delete_ref_doc(f"d{n}"), times)
    changing = median(lambda n: documents.refresh_ref_docs([changed[-1 - n]]), times)
    same = median(lambda n: documents.refresh_ref_docs([texts[count // 2 + n]]), times)
    print(f"{f'{count:,} nodes':36}{deleting:10.1f}{changing:10.1f}{same:10.1f}")
    vectors.close()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="sizes that say nothing about speed")
    is_small = parser.parse_args(arguments).small
    messages, sizes, times = (20, (30,), 2) if is_small else (2_000, (5_000, 20_000), 20)
    print(f"load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        print(f"\n{f'A turn after {messages:,} messages':36}{'put':>10}{'get':>10}")
        for words in (8, 30, 100):
            converse(Path(name), words, messages, times)
        print(f"\n{'A document':36}{'delete':>10}{'changed':>10}{'same':>10}")
        for count in sizes:
            index(Path(name), count, times)


if __name__ == "__main__":
    main()
