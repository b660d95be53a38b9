"""While an adapter waits for an embedding or a file, the event loop goes on with other work.

What the loop's thread does meanwhile is counted: it asks no database, opens no file, sleeps never,
waits for no thread, and calls little. What does is seen to fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.messages import HumanMessage
from langchain_feather_memory import (
    FeatherChatMessageHistory,
    FeatherRetriever,
    FeatherVectorStore,
)

from feather_memory import Store, TenantPool
from feather_memory.testing.loops import MOST_CALLS, goes_on, held

from .conftest import HashEmbeddings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

SLOW_SECONDS = 0.01


class Blocking(HashEmbeddings):
    """Sleeps on the loop: the negative control."""

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)


@pytest.fixture
def slow() -> HashEmbeddings:
    return HashEmbeddings(seconds=SLOW_SECONDS)


@pytest.fixture
def pool(tmp_path: Path, slow: HashEmbeddings) -> Iterator[TenantPool]:
    """Its stores embed, too: slowly and without an async twin, which is a thread's work."""
    with TenantPool(tmp_path / "tenants", embedder=slow.embed_documents) as pool:
        pool.get("alice").add_many([{"text": f"Alice likes tea {n}"} for n in range(9)])
        yield pool
        for name in pool.tenants():
            assert pool.get(name).check() == []


VECTOR = HashEmbeddings().embed_query("tea")
TEXTS = ["Alice likes tea", "Alice uses Vim"]

OF_VECTOR_STORES: dict[str, Callable[[FeatherVectorStore, int], Awaitable[object]]] = {
    "aadd_texts": lambda v, n: v.aadd_texts([f"{n} {text}" for text in TEXTS]),
    "aadd_documents": lambda v, n: v.aadd_documents([Document(f"{n} tea", id=f"d{n}")]),
    "asimilarity_search": lambda v, _: v.asimilarity_search("tea"),
    "asimilarity_search_with_score": lambda v, _: v.asimilarity_search_with_score("tea"),
    "asimilarity_search_with_relevance_scores": (
        lambda v, _: v.asimilarity_search_with_relevance_scores("tea")
    ),
    "asimilarity_search_by_vector": lambda v, _: v.asimilarity_search_by_vector(VECTOR),
    "asearch": lambda v, _: v.asearch("tea", "similarity"),
    "amax_marginal_relevance_search": lambda v, _: v.amax_marginal_relevance_search("tea"),
    "amax_marginal_relevance_search_by_vector": (
        lambda v, _: v.amax_marginal_relevance_search_by_vector(VECTOR)
    ),
    "as_retriever": lambda v, _: v.as_retriever(search_type="mmr").ainvoke("tea"),
    "aget_by_ids": lambda v, _: v.aget_by_ids(["d0"]),
    "adelete": lambda v, n: v.adelete([f"d{n}"]),
}


@pytest.mark.parametrize("name", OF_VECTOR_STORES)
async def test_no_method_of_a_vector_store_stalls_the_loop(pool, slow, name):
    vectors = FeatherVectorStore(slow, pool=pool, tenant="alice")

    assert await goes_on(lambda n: OF_VECTOR_STORES[name](vectors, n))


class Prepared(Embeddings):
    """Costs nothing, so that what is measured is the adapter's own work."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[1.0, 0.0]] * len(texts)

    def embed_query(self, text: str) -> list[float]:
        return [1.0, 0.0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embed_documents(texts)


async def test_adding_thousands_of_texts_does_not_stall_the_loop(tmp_path):
    metadatas = [{"n": n, "tags": ["a", "b"], "by": {"name": "alice"}} for n in range(2_000)]
    texts = [f"text {n}" for n in range(len(metadatas))]
    with Store.open(tmp_path / "x.feather") as store:
        vectors = FeatherVectorStore(Prepared(), store=store)

        def work(_: int) -> Awaitable[object]:
            return vectors.aadd_texts(texts, metadatas)

        assert await goes_on(work, MOST_CALLS + 2 * len(texts))  # each is seen to be a text

        async def on_the_loop(_: int) -> None:
            vectors.add_texts(texts[:300], metadatas[:300])

        control = await held(on_the_loop)
        assert control.asks_database
        assert control.calls > MOST_CALLS + 2 * 300
        assert store.check() == []


async def test_making_a_vector_store_of_texts_does_not_stall_the_loop(pool, slow):
    def work(n: int) -> Awaitable[object]:
        return FeatherVectorStore.afrom_texts(TEXTS, slow, pool=pool, tenant=f"new {n}")

    assert await goes_on(work)


@pytest.mark.parametrize("hops", [0, 2])
@pytest.mark.parametrize("has_embedding", [True, False], ids=["embedding", "store's embedder"])
async def test_no_retrieval_stalls_the_loop(pool, slow, hops, has_embedding):
    retriever = FeatherRetriever(pool=pool, hops=hops, embedding=slow if has_embedding else None)
    config: Any = {"configurable": {"tenant": "alice"}}

    assert await goes_on(lambda _: retriever.ainvoke("tea", config))
    assert await goes_on(lambda _: retriever.abatch(["tea", "Vim"], config))


async def test_no_method_of_a_chat_history_stalls_the_loop(pool, slow):
    own, plain = (
        FeatherChatMessageHistory("s", pool=pool, tenant="alice", embedding=embedding)
        for embedding in (slow, None)
    )

    for work in (
        lambda n: own.aadd_messages([HumanMessage(f"I like tea {n}")]),
        lambda n: plain.aadd_messages([HumanMessage(f"I use Vim {n}")]),
        lambda _: own.aget_messages(),
        lambda _: own.aclear(),
    ):
        assert await goes_on(work)


async def test_no_method_of_a_memory_stalls_the_loop(pool):
    pytest.importorskip("langchain_classic")
    from langchain_feather_memory import FeatherMemory

    memory = FeatherMemory(pool=pool, tenant="alice", session="s", last_turns=2)

    for work in (
        lambda n: memory.asave_context({"input": f"tea {n}"}, {"output": "green"}),
        lambda _: memory.aload_memory_variables({"input": "tea"}),
        lambda _: memory.aclear(),
    ):
        assert await goes_on(work)


async def test_no_method_of_a_langgraph_store_stalls_the_loop(tmp_path, slow):
    pytest.importorskip("langgraph.store.base")
    from langchain_feather_memory import FeatherStore
    from langgraph.store.base import GetOp, PutOp, SearchOp

    index: Any = {"dims": 128, "embed": slow, "fields": ["text"]}
    at, ttl = ("alice", "facts"), {"default_ttl": 5}
    with (
        TenantPool(tmp_path / "items") as items,
        FeatherStore(pool=items, index=index, ttl=ttl) as store,
    ):
        for work in (
            lambda n: store.aput(at, f"k{n}", {"text": f"Alice likes tea {n}"}),
            lambda _: store.aget(at, "k0"),
            lambda _: store.asearch(("alice",), query="tea"),
            lambda _: store.asearch(at, filter={"text": {"$ne": "x"}}),
            lambda _: store.alist_namespaces(prefix=("alice",)),
            lambda n: store.abatch(
                [
                    PutOp(at, f"b{n}", {"text": f"Alice uses Vim {n}"}),
                    PutOp(("bob",), "b", {"text": "Bob"}),
                    SearchOp(("alice",), query="Vim"),
                    GetOp(at, "k0"),
                ]
            ),
            lambda _: store.adelete(at, "k0"),
        ):
            assert await goes_on(work)
        assert items.get("alice").check() == []


async def test_these_tests_notice_what_blocks_the_loop(tmp_path):
    with Store.open(tmp_path / "x.feather") as store:
        vectors = FeatherVectorStore(Blocking(seconds=SLOW_SECONDS), store=store)

        found = await held(lambda _: vectors.asimilarity_search("tea"))
        assert set(found.by) == {"sleep"}

        async def on_the_loop(_: int) -> None:
            store.add("tea")

        assert (await held(on_the_loop)).asks_database
