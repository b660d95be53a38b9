"""What LangChain's interfaces cost over the store's own calls: at most 0.2 ms of ours at k = 10.

    python benchmarks/langchain_overhead.py [--small]

Every call of an adapter is measured beside the store's own call that does the same, for each
query in another order. `wall` is what a caller waits, `cpu` the calling thread's own time, which
a busy machine does not lengthen; `over` is what the adapter adds to either. `theirs` is how much
`invoke` takes for a retriever that does nothing: LangChain's callbacks, run ids, config. The rest
of the adapter's CPU time is `ours`. Embedding takes no time: the vectors are there already.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_feather_memory import FeatherRetriever, FeatherVectorStore

from feather_memory import Scoring, Store, TenantPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.documents import Document

K = 10
SIMILARITY = Scoring(time_weight=0, importance_weight=0, dense_weight=1)
WORDS = 5_000


class Prepared(Embeddings):
    """Vectors made beforehand, by the text."""

    def __init__(self, vectors: dict[str, list[float]]) -> None:
        self._vectors = vectors

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self._vectors[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._vectors[text]


class Nothing(BaseRetriever):
    """Finds nothing: what `invoke` takes by itself."""

    def _get_relevant_documents(self, query: str, *, run_manager: object) -> list[Document]:
        del query, run_manager
        return []


@dataclass(frozen=True, slots=True)
class Taken:
    """Milliseconds that one call took."""

    wall: float
    cpu: float


def measured(
    calls: dict[str, Callable[[str], object]], queries: list[str]
) -> dict[str, list[Taken]]:
    """What every call took for every query; the first queries only warm up."""
    order, shuffle = list(calls), Random(7).shuffle
    taken: dict[str, list[Taken]] = {name: [] for name in calls}
    warming = queries[:20]
    for query in [*warming, *queries]:
        shuffle(order)
        for name in order:
            wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
            calls[name](query)
            cpu, wall = time.thread_time_ns() - cpu, time.perf_counter_ns() - wall
            taken[name].append(Taken(wall / 1e6, cpu / 1e6))
    return {name: times[len(warming) :] for name, times in taken.items()}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="sizes that say nothing about speed")
    is_small = parser.parse_args(arguments).small
    count, dim, asked = (100, 16, 5) if is_small else (10_000, 384, 300)
    random = np.random.default_rng(7)
    rows = random.standard_normal((count + asked, dim)).astype(np.float32)
    words = random.integers(WORDS, size=(count + asked, 9))
    made = [" ".join(f"word{n}" for n in [at, *row]) for at, row in enumerate(words)]
    texts, queries = made[:count], made[count:]
    embedding = Prepared(dict(zip([*texts, *queries], rows.tolist(), strict=True)))
    with tempfile.TemporaryDirectory() as folder, TenantPool(Path(folder)) as pool:
        store = pool.get("alice")
        vectors = FeatherVectorStore(embedding, store=store)
        vectors.add_texts(texts)
        print(f"{count:,} memories x {dim}, k = {K}, {asked} queries; milliseconds, medians\n")
        heads = "".join(f"{head:>8}" for head in ("wall", "cpu", "over", "over", "theirs", "ours"))
        print(f"{'':42}{heads}")
        _report(measured(_calls(store, pool, vectors, embedding), queries))


def _calls(
    store: Store, pool: TenantPool, vectors: FeatherVectorStore, embedding: Prepared
) -> dict[str, Callable[[str], object]]:
    bound = FeatherRetriever(store=store, embedding=embedding, k=K)
    pooled = FeatherRetriever(pool=pool, embedding=embedding, k=K)
    config = {"configurable": {"tenant": "alice"}}
    as_retriever, nothing = vectors.as_retriever(search_kwargs={"k": K}), Nothing()
    embed = embedding.embed_query
    return {
        "Store.search": lambda q: store.search(vector=embed(q), k=K, scoring=SIMILARITY),
        "FeatherVectorStore.similarity_search": lambda q: vectors.similarity_search(q, k=K),
        "FeatherVectorStore.as_retriever().invoke": as_retriever.invoke,
        "Store.recall": lambda q: store.recall(q, K, vector=embed(q)),
        "FeatherRetriever.invoke": bound.invoke,
        "FeatherRetriever.invoke, of a pool": lambda q: pooled.invoke(q, config),
        "a retriever that does nothing": nothing.invoke,
    }


_BESIDE = {
    "FeatherVectorStore.similarity_search": "Store.search",
    "FeatherVectorStore.as_retriever().invoke": "Store.search",
    "FeatherRetriever.invoke": "Store.recall",
    "FeatherRetriever.invoke, of a pool": "Store.recall",
}
"""Each call of an adapter, and the store's own that does the same."""


def _report(taken: dict[str, list[Taken]]) -> None:
    nothing = statistics.median(one.cpu for one in taken["a retriever that does nothing"])
    for name, times in taken.items():
        cells = [statistics.median(one.wall for one in times)]
        cells.append(statistics.median(one.cpu for one in times))
        if name in _BESIDE:
            pairs = list(zip(times, taken[_BESIDE[name]], strict=True))
            cells.append(statistics.median(one.wall - own.wall for one, own in pairs))
            cells.append(statistics.median(one.cpu - own.cpu for one, own in pairs))
            theirs = nothing if "invoke" in name else 0.0
            cells += [theirs, cells[-1] - theirs]
        print(f"{name:42}" + "".join(f"{cell:8.3f}" for cell in cells))


if __name__ == "__main__":
    main()
