"""Many callers at once: nobody waits for a call of others, nothing is torn, nobody is mixed up."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pytest
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.memory.feather import FeatherVectorStore

from feather_memory import Store, TenantPool
from feather_memory.testing.loops import MOST_CALLS, goes_on, held

if TYPE_CHECKING:
    from pathlib import Path

DIM = 64
ENOUGH = {"add": 40, "ask": 40, "delete": 3}
"""After so many of each the threads stop, or where a thread has failed after a minute."""


def nodes(number: int, *, doc: str = "doc", tenant: str = "") -> list[TextNode]:
    rng = np.random.default_rng(number)
    return [
        TextNode(
            id_=f"{doc}{at}",
            text=f"{tenant} part {at} of {doc} " + "lorem ipsum " * 20,
            metadata={"at": at, "tenant": tenant},
            embedding=rng.normal(size=DIM).tolist(),
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=doc)},
        )
        for at in range(number)
    ]


def asked(k: int = 10, **fields: Any) -> VectorStoreQuery:
    return VectorStoreQuery([1.0] * DIM, similarity_top_k=k, **fields)


@pytest.fixture
def vectors(store: Store) -> FeatherVectorStore:
    vectors = FeatherVectorStore(store=store)
    vectors.add(nodes(500))
    return vectors


async def added(vectors: FeatherVectorStore) -> str:
    """A new document of many nodes, so that every attempt has something to do."""
    doc = f"new{uuid4().hex}-"
    await vectors.async_add(nodes(200, doc=doc))
    return doc


async def delete(vectors: FeatherVectorStore) -> None:
    await vectors.adelete(await added(vectors))


async def delete_nodes(vectors: FeatherVectorStore) -> None:
    doc = await added(vectors)
    await vectors.adelete_nodes([f"{doc}{at}" for at in range(200)])


async def clear(vectors: FeatherVectorStore) -> None:
    await added(vectors)
    await vectors.aclear()


ASYNC_CALLS = {
    "async_add": added,
    "aquery": lambda vectors: vectors.aquery(asked(300)),
    "aget_nodes": lambda vectors: vectors.aget_nodes(),
    "adelete": delete,
    "adelete_nodes": delete_nodes,
    "aclear": clear,
}


@pytest.mark.parametrize("name", ASYNC_CALLS)
async def test_a_heartbeat_goes_on_during_every_async_call(vectors, name):
    assert await goes_on(lambda _: ASYNC_CALLS[name](vectors))


async def test_the_heartbeat_of_a_call_on_the_loop_stops(vectors):
    """The negative control: what LlamaIndex's default async methods do."""

    async def on_the_loop(_: int) -> None:
        vectors.add(nodes(60, doc="new"))
        vectors.query(asked(60))
        vectors.get_nodes()

    found = await held(on_the_loop)

    assert found.asks_database
    assert found.calls > MOST_CALLS


async def test_a_call_that_is_waited_for_no_longer_is_never_half_done(vectors):
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(vectors.async_add(nodes(300, doc="new")), timeout=0.001)

    counts = set()
    while 300 not in counts:
        counts.add(len(await vectors.aget_nodes([f"new{at}" for at in range(300)])))

    assert counts <= {0, 300}


async def test_sync_and_async_calls_see_one_store(vectors):
    await vectors.async_add(nodes(1, doc="new"))
    assert [n.node_id for n in vectors.get_nodes(["new0"])] == ["new0"]

    vectors.delete("new")
    assert await vectors.aget_nodes(["new0"]) == []


class Hammer:
    """Writers that replace and delete batches of five nodes, and readers that look for halves."""

    def __init__(self, vectors: FeatherVectorStore) -> None:
        self.vectors = vectors
        self.deadline = time.monotonic() + 60
        self.turns = count()  # whichever thread asks, a batch has one of its own
        self.torn: list[list[int]] = []
        self.counts = {"add": 0, "ask": 0, "delete": 0}

    def has_done(self) -> bool:
        return all(self.counts[each] >= number for each, number in ENOUGH.items())

    def is_over(self) -> bool:
        return self.has_done() or time.monotonic() > self.deadline

    def write(self, doc: str) -> None:
        while not self.is_over():
            batch, turn = nodes(5, doc=doc), next(self.turns)
            for node in batch:
                node.metadata = {"turn": turn}
            self.vectors.add(batch)
            self.counts["add"] += 1
            if self.counts["add"] % 10 == 0:
                self.vectors.delete(doc)
                self.counts["delete"] += 1

    def read(self) -> None:
        while not self.is_over():
            found = self.vectors.query(asked(1_000)).nodes
            self.counts["ask"] += 1
            for doc in ("one", "two"):
                turns = [n.metadata["turn"] for n in found if n.ref_doc_id == doc]
                if len(turns) not in {0, 5} or len(set(turns)) > 1:
                    self.torn.append(turns)
            if sum(n.ref_doc_id == "fixed" for n in found) != 50:
                self.torn.append([])


def test_threads_that_add_ask_and_delete_at_once_see_no_half_of_a_batch(store):
    """Every batch is of one turn: whoever reads sees all five, or none."""
    hammer = Hammer(FeatherVectorStore(store=store))
    hammer.vectors.add(nodes(50, doc="fixed"))

    with ThreadPoolExecutor(6) as threads:
        futures = [threads.submit(hammer.write, doc) for doc in ("one", "two")]
        futures += [threads.submit(hammer.read) for _ in range(4)]
        for future in futures:
            future.result()

    assert hammer.torn == []
    assert hammer.has_done()


def leaks(told: dict[str, FeatherVectorStore], calls: int) -> list[tuple[str, str]]:
    """What interleaved calls of the tenants showed one of another."""
    found: list[tuple[str, str]] = []
    queries = [
        asked(5),
        asked(5, query_str="part of alice bob", mode="text_search"),
        asked(5, query_str="part of alice bob", mode="hybrid"),
        asked(5, node_ids=["doc0", "doc1"]),
        asked(5, doc_ids=["doc"]),
    ]

    def ask(turn: int) -> None:
        tenant = ("alice", "bob")[turn % 2]
        seen = told[tenant].query(queries[turn // 2 % len(queries)]).nodes
        assert seen
        found.extend((tenant, n.text) for n in seen if n.metadata["tenant"] != tenant)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(ask, range(calls)))
    return found


@pytest.mark.parametrize("calls", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_interleaved_calls_of_two_tenants_show_neither_anything_of_the_other(
    tmp_path: Path, calls: int
):
    with TenantPool(tmp_path, max_open=1) as pool:
        told = {t: FeatherVectorStore(pool=pool, tenant=t) for t in ("alice", "bob")}
        for tenant, vectors in told.items():
            vectors.add(nodes(20, tenant=tenant))
        pool.max_open = 2

        assert leaks(told, calls) == []
        assert [pool.get(tenant).check() for tenant in told] == [[], []]


def test_the_search_for_leaks_finds_one(tmp_path: Path):
    """The negative control: both tenants in one file."""
    with Store.open(tmp_path / "both.feather") as store:
        vectors = FeatherVectorStore(store=store)
        vectors.add(nodes(20, doc="doc", tenant="alice"))
        vectors.add(nodes(20, doc="other", tenant="bob"))

        assert leaks({"alice": vectors, "bob": vectors}, 20)
        assert store.check() == []
