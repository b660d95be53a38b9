"""Whom a call is for: its keyword, the field, the configurable, the run's context, or nobody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, RunnableLambda, RunnablePassthrough
from langchain_core.tools import create_retriever_tool
from langchain_feather_memory import (
    FeatherChatMessageHistory,
    FeatherRetriever,
    FeatherVectorStore,
)

from feather_memory import ParameterError, TenantNameError, TenantPool, WrongTenantError
from feather_memory.testing import HashEmbedder

from .conftest import HashEmbeddings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("alice", "bob", "carol", "dave", "7")


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[TenantPool]:
    with TenantPool(tmp_path / "tenants", embedder=HashEmbedder(128)) as pool:
        for name in NAMES:
            pool.get(name).add(f"{name} likes tea")
        yield pool
        for name in pool.tenants():
            assert pool.get(name).check() == []


def whose(documents: list) -> list[str]:
    return [document.page_content.split()[0] for document in documents]


def naming(tenant: Any) -> dict[str, Any]:
    return {"configurable": {"tenant": tenant}}


async def both(retriever: Any, config: Any = None, **asked: Any) -> list[str]:
    found = whose(retriever.invoke("tea", config, **asked))
    assert whose(await retriever.ainvoke("tea", config, **asked)) == found
    return found


async def test_the_keyword_comes_before_the_field_and_the_field_before_the_configurable(pool):
    named, bound = FeatherRetriever(pool=pool), FeatherRetriever(pool=pool, tenant="bob")

    assert await both(named, naming("carol"), tenant="alice") == ["alice"]
    assert await both(named, naming("carol")) == ["carol"]
    assert await both(named, naming(7)) == ["7"]
    assert await both(bound, naming("carol"), tenant="alice") == ["alice"]
    assert await both(bound, naming("carol")) == ["bob"]
    assert await both(bound) == ["bob"]


async def test_where_nobody_is_named_the_call_is_refused_and_says_where_it_looked(pool):
    retriever = FeatherRetriever(pool=pool, tenant_key="user_id")

    for config in (
        None,
        {},
        {"configurable": {}},
        naming("alice"),
        {"configurable": {"user_id": None}},
    ):
        with pytest.raises(ParameterError, match=r"tenant=.*configurable\['user_id'\].*context"):
            retriever.invoke("tea", config)
        with pytest.raises(ParameterError, match="there is no default"):
            await retriever.ainvoke("tea", config)
    assert await both(retriever, {"configurable": {"user_id": "alice"}}) == ["alice"]


async def test_what_is_no_name_is_refused(pool):
    retriever = FeatherRetriever(pool=pool)

    for wrong in ({"id": "alice"}, True, 1.5, ["alice"]):
        with pytest.raises(ParameterError, match="must name a tenant"):
            await retriever.ainvoke("tea", naming(wrong))
    for impossible in ("", "a\0b", "x" * 256):
        with pytest.raises(TenantNameError):
            retriever.invoke("tea", naming(impossible))
    assert pool.tenants() == sorted(NAMES)


async def test_chains_batches_and_streams_pass_the_configurable_on(pool):
    retriever = FeatherRetriever(pool=pool)
    prompt = ChatPromptTemplate.from_template("{context}")
    chain = {"context": retriever | whose, "question": RunnablePassthrough()} | prompt
    configs: Any = [naming(name) for name in NAMES]
    inputs = ["tea"] * len(NAMES)
    expected = [[name] for name in NAMES]

    assert [whose(found) for found in retriever.batch(inputs, configs)] == expected
    assert [whose(found) for found in await retriever.abatch(inputs, configs)] == expected
    assert [p.to_string() for p in chain.batch(inputs, configs)] == [
        f"Human: {e}" for e in expected
    ]
    assert [p.to_string() for p in await chain.abatch(inputs, configs)] == [
        f"Human: {e}" for e in expected
    ]
    assert [whose(found) for found in retriever.stream("tea", naming("bob"))] == [["bob"]]
    assert [whose(f) async for f in retriever.astream("tea", naming("bob"))] == [["bob"]]
    assert await both(retriever.with_config(configurable={"tenant": "carol"})) == ["carol"]


async def test_a_call_inside_a_run_finds_the_runs_configurable_without_being_given_it(pool):
    retriever = FeatherRetriever(pool=pool)
    tool = create_retriever_tool(retriever, "memory", "What is known.")

    def ask(_: str) -> str:
        with ThreadPoolExecutor(1) as threads:  # as LangChain does: the context goes along
            threaded = threads.submit(copy_context().run, retriever.invoke, "tea").result()
        return f"{whose(retriever.invoke('tea'))} {whose(threaded)} {tool.invoke('tea')}"

    async def aask(_: str) -> str:
        found = whose(await retriever.ainvoke("tea"))
        return f"{found} {found} {await tool.ainvoke('tea')}"

    node = RunnableLambda(ask, afunc=aask)
    for name in NAMES:
        expected = f"['{name}'] ['{name}'] {name} likes tea"
        assert node.invoke("", naming(name)) == expected
        assert await node.ainvoke("", naming(name)) == expected


async def test_the_tenant_may_be_a_configurable_field(pool):
    retriever = FeatherRetriever(pool=pool).configurable_fields(
        tenant=ConfigurableField(id="user_id", is_shared=True)
    )

    assert await both(retriever, {"configurable": {"user_id": "dave"}}) == ["dave"]
    with pytest.raises(ParameterError, match="no tenant"):
        retriever.invoke("tea")


@dataclass
class Context:
    tenant: str


class State(TypedDict):
    found: list[str]


@pytest.mark.parametrize("made", [Context, lambda name: {"tenant": name}])
async def test_in_a_graph_the_runtime_context_names_the_tenant(pool, made):
    graph_module = pytest.importorskip("langgraph.graph")
    retriever = FeatherRetriever(pool=pool)

    def node(_: State) -> dict[str, Any]:
        return {"found": whose(retriever.invoke("tea"))}

    async def anode(_: State) -> dict[str, Any]:
        return {"found": whose(await retriever.ainvoke("tea"))}

    for each in (node, anode):
        builder = graph_module.StateGraph(State, context_schema=type(made("x")))
        builder.add_node("ask", each)
        builder.add_edge(graph_module.START, "ask")
        graph = builder.compile()
        for name in NAMES:
            got = await graph.ainvoke({"found": []}, context=made(name))
            assert got["found"] == [name]
            got = await graph.ainvoke({"found": []}, naming("alice"), context=made(name))
            assert got["found"] == ["alice"]  # the configurable is nearer
            if each is node:
                assert graph.invoke({"found": []}, context=made(name))["found"] == [name]
        with pytest.raises(ParameterError, match="no tenant"):
            await graph.ainvoke({"found": []})


@pytest.mark.parametrize("place", [{"tenant": "bob"}, {"config": naming("bob")}], ids=str)
async def test_a_bound_store_refuses_another_tenants_name_and_one_it_cannot_check(
    pool, store, place
):
    for bound in (pool.get("alice"), store):  # the fixture's file says nobody's name
        retriever = FeatherRetriever(store=bound)

        with pytest.raises(WrongTenantError, match="bob"):
            retriever.invoke("tea", **place)
        with pytest.raises(WrongTenantError, match="bob"):
            await retriever.ainvoke("tea", **place)
    assert await both(FeatherRetriever(store=pool.get("alice")), naming("alice")) == ["alice"]
    assert whose(FeatherRetriever(store=store).invoke("tea")) == []


@pytest.mark.file
def test_a_file_is_opened_as_the_tenants_and_refused_as_anothers(tmp_path):
    path = tmp_path / "x.feather"
    with FeatherRetriever(path=path, tenant="alice") as retriever:
        assert retriever.store.tenant == "alice"
    with FeatherVectorStore(HashEmbeddings(), path=path, tenant="alice") as vectors:
        assert vectors.store.tenant == "alice"

    with pytest.raises(WrongTenantError):
        FeatherRetriever(path=path, tenant="bob")
    with pytest.raises(WrongTenantError):
        FeatherVectorStore(HashEmbeddings(), path=path, tenant="bob")


def test_a_vector_store_in_a_pool_is_bound_to_one_tenant_and_leaves_the_pool_open(pool):
    embedding = HashEmbeddings()
    made = FeatherVectorStore.from_texts(
        ["alice drinks"], embedding, ids=["a"], pool=pool, tenant="alice"
    )
    other = FeatherVectorStore(embedding, pool=pool, tenant="bob")

    assert [d.id for d in made.similarity_search("alice drinks", k=1)] == ["a"]
    assert other.get_by_ids(["a"]) == []
    made.close()
    assert made.get_by_ids(["a"])[0].page_content == "alice drinks"
    with pytest.raises(WrongTenantError):
        FeatherVectorStore(embedding, store=pool.get("alice"), tenant="bob")


async def test_a_chat_history_in_a_pool_is_one_tenants(pool):
    alice, bob = (FeatherChatMessageHistory("s", pool=pool, tenant=n) for n in ("alice", "bob"))
    await alice.aadd_messages([])
    alice.add_user_message("I am Alice")

    assert [m.content for m in alice.messages] == ["I am Alice"]
    assert bob.messages == []
    bob.clear()
    assert len(await alice.aget_messages()) == 1


def test_a_memory_in_a_pool_is_one_tenants(pool):
    pytest.importorskip("langchain_classic")
    from langchain_feather_memory import FeatherMemory

    alice, bob = (FeatherMemory(pool=pool, tenant=n, session="s") for n in ("alice", "bob"))
    alice.save_context({"input": "I am Alice"}, {"output": "Hello"})

    assert "I am Alice" in alice.load_memory_variables({"input": "Am I Alice?"})["history"]
    assert bob.load_memory_variables({"input": "Am I Alice?"}) == {"history": ""}
    told = bob.load_memory_variables({"input": "Who likes tea?"})
    assert told == {"history": "memory: bob likes tea"}
    with pytest.raises(WrongTenantError):
        FeatherMemory(store=pool.get("alice"), tenant="bob", session="s")


def made_by(adapter: str, **place: Any) -> Any:
    if adapter == "FeatherMemory":
        pytest.importorskip("langchain_classic")
        from langchain_feather_memory import FeatherMemory

        return FeatherMemory(session="s", **place)
    return {
        "FeatherVectorStore": lambda: FeatherVectorStore(HashEmbeddings(), **place),
        "FeatherChatMessageHistory": lambda: FeatherChatMessageHistory("s", **place),
    }[adapter]()


@pytest.mark.parametrize(
    "adapter", ["FeatherVectorStore", "FeatherChatMessageHistory", "FeatherMemory"]
)
def test_adapters_of_one_tenant_take_a_store_or_a_pool_and_a_tenant(pool, adapter):
    with pytest.raises(ValueError, match=f"{adapter} takes either"):
        made_by(adapter)
    with pytest.raises(ValueError, match=f"{adapter} takes either"):
        made_by(adapter, store=pool.get("alice"), pool=pool, tenant="alice")
    with pytest.raises(ValueError, match="no tenant is named"):
        made_by(adapter, pool=pool)


def test_a_retriever_takes_one_of_store_path_and_pool(pool, tmp_path):
    for wrong in (
        {"pool": pool, "store": pool.get("alice")},
        {"pool": pool, "path": tmp_path / "x.feather"},
    ):
        with pytest.raises(ValueError, match="either"):
            FeatherRetriever(**wrong)


def test_adapters_go_on_after_the_pool_let_their_store_rest(tmp_path):
    with TenantPool(tmp_path, embedder=HashEmbedder(128), max_open=1) as pool:
        bound = {
            name: FeatherVectorStore(HashEmbeddings(), pool=pool, tenant=name) for name in NAMES
        }
        retriever = FeatherRetriever(pool=pool)
        for name, vectors in bound.items():
            vectors.add_texts([f"{name} likes tea"])

        for name, vectors in bound.items():
            assert whose(vectors.similarity_search("tea")) == [name]
            assert whose(retriever.invoke("tea", tenant=name)) == [name]
            assert pool.stats().open == 1
            assert pool.get(name).check() == []
