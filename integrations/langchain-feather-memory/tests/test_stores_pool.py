"""LangGraph's store over a pool: the first label of a namespace is the tenant whose file it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("langgraph.store.base")

from langchain_feather_memory import FeatherStore
from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)

from feather_memory import ParameterError, TenantNameError, TenantPool
from feather_memory.testing import FrozenClock, HashEmbedder

from .conftest import HashEmbeddings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def pool(tmp_path: Path, clock: FrozenClock) -> Iterator[TenantPool]:
    with TenantPool(tmp_path / "items", clock=clock) as pool:
        yield pool
        for name in pool.tenants():
            assert pool.get(name).check() == []


@pytest.fixture
def store(pool: TenantPool, clock: FrozenClock) -> Iterator[FeatherStore]:
    index: Any = {"dims": 128, "embed": HashEmbeddings(), "fields": ["text"]}
    with FeatherStore(pool=pool, index=index, clock=clock) as store:
        yield store


def keys(items: list) -> list[str]:
    return [item.key for item in items]


async def test_every_operation_stays_in_its_tenants_file(store, pool):
    for name in ("alice", "bob"):
        store.put((name, "facts"), "tea", {"text": f"{name} likes tea"})
        await store.aput((name, "facts"), "vim", {"text": f"{name} uses Vim"})
    store.delete(("bob", "facts"), "vim")

    assert pool.tenants() == ["alice", "bob"]
    assert keys(store.search(("alice",), query="tea")) == ["tea", "vim"]
    assert keys(await store.asearch(("bob", "facts"))) == ["tea"]
    assert store.get(("bob", "facts"), "vim") is None
    assert (await store.aget(("alice", "facts"), "vim")).namespace == ("alice", "facts")
    assert store.list_namespaces(prefix=("bob",)) == [("bob", "facts")]
    assert await store.alist_namespaces(prefix=("bob", "*"), max_depth=1) == [("bob",)]


async def test_a_batch_over_several_tenants_answers_in_order(store):
    store.batch([PutOp((n, "x"), "k", {"text": n}) for n in ("alice", "bob")])
    ops = [
        GetOp(("bob", "x"), "k"),
        PutOp(("bob", "x"), "k", {"text": "new"}),
        SearchOp(("alice",), query="alice"),
        PutOp(("alice", "x"), "k", None),
        ListNamespacesOp((MatchCondition("prefix", ("bob",)),)),
    ]

    found = await store.abatch(ops)

    assert found[0].value == {"text": "bob"}
    assert found[1] is found[3] is None
    assert [item.value for item in found[2]] == [{"text": "alice"}]
    assert found[4] == [("bob", "x")]
    assert store.get(("bob", "x"), "k").value == {"text": "new"}
    assert store.search(("alice",)) == []


@pytest.mark.parametrize(
    "crossing",
    [
        SearchOp(()),
        SearchOp((), query="tea"),
        ListNamespacesOp(),
        ListNamespacesOp((MatchCondition("prefix", ("*", "facts")),)),
        ListNamespacesOp((MatchCondition("suffix", ("facts",)),)),
        GetOp((), "k"),
        PutOp((), "k", {"n": 1}),
    ],
)
async def test_what_would_cross_from_tenant_to_tenant_is_refused_before_anything_is_done(
    store, pool, crossing
):
    batch = [PutOp(("alice", "x"), "k", {"text": "tea"}), crossing]

    with pytest.raises(ParameterError, match="first label of a namespace is the tenant"):
        store.batch(batch)
    with pytest.raises(ParameterError, match="would cross from one tenant to another"):
        await store.abatch(batch)
    assert store.embeddings.calls == []
    assert pool.tenants() == []


def test_two_prefixes_of_different_tenants_match_nothing(store):
    for name in ("alice", "bob"):
        store.put((name, "x"), "k", {"n": 1})
    conditions = (MatchCondition("prefix", ("alice",)), MatchCondition("prefix", ("bob",)))

    assert store.batch([ListNamespacesOp(conditions)]) == [[]]


def test_reading_or_deleting_makes_no_file(store, pool):
    assert store.get(("ghost", "x"), "k") is None
    assert store.search(("ghost",), query="tea") == []
    assert store.list_namespaces(prefix=("ghost",)) == []
    store.delete(("ghost", "x"), "k")

    assert pool.tenants() == []


@pytest.mark.parametrize(
    "bad", [PutOp(("bob", "x"), "k", {"n": {1}}), PutOp(("b" * 256, "x"), "k", {"n": 1})]
)
def test_one_bad_put_leaves_every_tenants_file_as_it_was(store, pool, bad):
    with pytest.raises((ParameterError, TenantNameError)):
        store.batch([PutOp(("alice", "x"), "k", {"n": 1}), bad])

    assert pool.tenants() == []


@pytest.mark.parametrize("label", ["alice.smith", "..", "", 7])
def test_langgraphs_rule_for_labels_holds_for_tenants(store, label):
    with pytest.raises((InvalidNamespaceError, ValueError)):
        store.put((label, "x"), "k", {"n": 1})


@pytest.mark.parametrize("name", ["User", "user", "a/b", "CON", "%", "_", "*", "é", "🙂"])
def test_tenants_with_names_of_any_kind_have_files_of_their_own(store, pool, name):
    store.put((name,), "k", {"n": 1})
    store.put(("other",), "k", {"n": 2})

    assert [item.value for item in store.search((name,))] == [{"n": 1}]
    assert pool.tenants() == sorted([name, "other"])
    assert all(path.parent == pool.directory for path in pool.directory.rglob("*"))


def test_sweeping_goes_over_all_tenants_and_past_a_damaged_file(store, pool, clock, caplog):
    for name in ("alice", "bob", "carol"):
        store.put((name, "x"), "short", {"text": "tea"}, ttl=1)
        store.put((name, "x"), "long", {"text": "tea"}, ttl=10)
    pool.path_of("broken").write_bytes(b"no store at all" * 1_000)
    clock.advance(seconds=61)

    assert store.sweep_ttl() == 3
    assert [len(pool.get(name)) for name in ("alice", "bob", "carol")] == [2, 2, 2]
    assert "broken" in caplog.text
    pool.path_of("broken").unlink()


def test_it_works_over_more_tenants_than_may_be_open_and_leaves_the_pool_open(tmp_path):
    with TenantPool(tmp_path, max_open=2) as pool:
        with FeatherStore(pool=pool) as store:
            store.batch([PutOp((f"t{n}", "x"), "k", {"n": n}) for n in range(9)])
            got = store.batch([GetOp((f"t{n}", "x"), "k") for n in range(9)])
            store.sweep_ttl()

            assert [item.value["n"] for item in got] == list(range(9))
            assert pool.stats().open <= 2
            assert pool.stats().in_use == 0

        assert pool.get("t3").check() == []


def test_a_pool_that_would_embed_every_items_json_is_refused(tmp_path):
    with TenantPool(tmp_path, embedder=HashEmbedder(8)) as pool:
        store = FeatherStore(pool=pool)

        with pytest.raises(ParameterError, match="without an embedder"):
            store.put(("alice", "x"), "k", {"n": 1})


def test_other_memories_in_the_file_are_no_items(store, pool):
    pool.get("alice").add("a plain memory", metadata={"kind": "item", "key": "k"})
    store.put(("alice", "x"), "k", {"n": 1})

    assert keys(store.search(("alice",))) == ["k"]
    assert store.list_namespaces(prefix=("alice",)) == [("alice", "x")]


def test_it_takes_either_a_path_or_a_pool(tmp_path, pool):
    with pytest.raises(ParameterError, match="either"):
        FeatherStore()
    with pytest.raises(ParameterError, match="either"):
        FeatherStore(tmp_path / "x.feather", pool=pool)
