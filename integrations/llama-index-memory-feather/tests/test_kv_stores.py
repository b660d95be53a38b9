"""The key-value store, against LlamaIndex's own one in memory, and what stands on it."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.ingestion import IngestionCache
from llama_index.core.schema import Document, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.storage.docstore.keyval_docstore import KVDocumentStore
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.memory.feather import FeatherKVStore, FeatherVectorStore

from feather_memory import ParameterError, Store, TenantPool
from feather_memory.testing.loops import goes_on, held

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def values(store: Store) -> FeatherKVStore:
    return FeatherKVStore(store=store)


keys = st.sampled_from(["a", "b", "ü/1"])
collections = st.sampled_from(["data", "docstore/metadata"])
contents = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=2)
orders = st.one_of(
    st.tuples(st.just("put"), keys, contents, collections),
    st.tuples(st.just("get"), keys, collections),
    st.tuples(st.just("delete"), keys, collections),
    st.tuples(st.just("get_all"), collections),
    st.tuples(st.just("put_all"), st.lists(st.tuples(keys, contents), max_size=3), collections),
)


@settings(max_examples=30)
@given(st.lists(orders, max_size=8))
def test_it_does_what_the_store_in_memory_does(tmp_path_factory, listed):
    with Store.open(tmp_path_factory.mktemp("kv") / "s.feather") as store:
        ours, theirs = FeatherKVStore(store=store), SimpleKVStore()

        for name, *arguments in listed:
            assert getattr(ours, name)(*arguments) == getattr(theirs, name)(*arguments)
        assert store.check() == []


async def test_the_async_twins_do_the_same(values):
    await values.aput("a", {"n": 1})
    await values.aput_all([("b", {"n": 2}), ("c", {"n": 3})], "data", batch_size=100)

    assert await values.aget("a") == {"n": 1}
    assert await values.aget("a", "other") is None
    assert list((await values.aget_all()).items()) == [
        ("a", {"n": 1}),
        ("b", {"n": 2}),
        ("c", {"n": 3}),
    ]
    assert [await values.adelete("a"), await values.adelete("a")] == [True, False]
    assert list(values.get_all()) == ["b", "c"]


def test_values_are_copied_in_and_out(values):
    given: dict[str, Any] = {"list": [1]}
    values.put("a", given)
    given["list"].append(2)
    values.get("a")["list"].append(3)
    values.get_all()["a"]["list"].append(4)

    assert values.get("a") == {"list": [1]}


def test_a_batch_is_written_whole_or_not_at_all(values):
    with pytest.raises(ParameterError):
        values.put_all([("a", {"n": 1}), ("b", {"n": {1, 2}})], batch_size=1)

    assert values.get_all() == {}


def test_what_is_kept_is_no_memory(values, store):
    values.put("a", {"text": "tea"})

    assert len(store) == 0
    assert FeatherVectorStore(store=store).get_nodes() == []
    assert store.search("tea") == []


def test_it_opens_again_in_another_process_by_its_path(tmp_path: Path):
    values = FeatherKVStore(tmp_path / "alice.feather")
    values.put("a", {"n": 1})

    again = pickle.loads(pickle.dumps(values))

    assert again.get("a") == {"n": 1}


def test_the_tenants_of_a_pool_keep_their_own(tmp_path: Path):
    with TenantPool(tmp_path) as pool:
        alice = FeatherKVStore(pool=pool, tenant="alice")
        bob = FeatherKVStore(pool=pool, tenant="bob")
        alice.put("a", {"n": 1})

        assert (alice.get("a"), bob.get("a"), bob.get_all()) == ({"n": 1}, None, {})
        assert pool.get("alice").check() == []
        with pytest.raises(ParameterError):
            FeatherKVStore(pool=pool)


def test_a_document_store_and_a_cache_stand_on_it(values):
    documents, cache = KVDocumentStore(values, batch_size=7), IngestionCache(cache=values)
    nodes = [
        TextNode(
            id_=f"n{at}",
            text=f"part {at}",
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id="doc")},
        )
        for at in range(20)
    ]
    documents.add_documents([Document(text="whole", id_="doc"), *nodes])
    cache.put("key", nodes)

    assert documents.get_document("n3") == nodes[3]
    assert len(documents.get_ref_doc_info("doc").node_ids) == 20
    assert cache.get("key") == nodes
    assert cache.get("no such key") is None
    documents.delete_ref_doc("doc")
    assert documents.docs == {}
    assert documents.get_all_document_hashes() == {}
    cache.clear()
    assert cache.get("key") is None


async def test_a_heartbeat_goes_on_while_values_are_written_and_read(values):
    many = [(f"k{at}", {"n": list(range(200))}) for at in range(300)]

    async def use(_: int) -> None:
        await values.aput_all(many)
        await values.aget_all()
        await values.aput("a", {})
        await values.aget("a")
        await values.adelete("a")

    async def blocking(_: int) -> None:
        values.put_all(many[:20])
        values.get_all()

    assert await goes_on(use)
    assert (await held(blocking)).asks_database
