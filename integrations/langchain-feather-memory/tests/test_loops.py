"""What is made in a coroutine opens nothing there; its calls open files in threads of their own."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Any

import langchain_feather_memory as adapters
import pytest
from langchain_core.messages import HumanMessage
from langchain_feather_memory import (
    FeatherChatMessageHistory,
    FeatherRetriever,
    FeatherVectorStore,
    FeedbackCallbackHandler,
    MemoryFeedback,
)

from feather_memory import CorruptStoreError, Store, TenantPool, WrongTenantError
from feather_memory.testing.openings import listening

from .agents import ScriptedModel
from .conftest import HashEmbeddings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

pytest.importorskip("langchain.agents")
pytest.importorskip("langgraph.store.base")
pytest.importorskip("langchain_classic")

from langchain.agents import create_agent
from langchain_feather_memory import (
    FeatherMemory,
    FeatherMemoryMiddleware,
    FeatherStore,
    memory_tools,
)

EMBEDDING = HashEmbeddings()
ALICE: Any = {"configurable": {"tenant": "alice"}}


def _of_pool(pool: TenantPool) -> dict[str, Any]:
    return {"pool": pool, "tenant": "alice"}


async def _ask_agent(memory: FeatherMemoryMiddleware) -> None:
    agent = create_agent(ScriptedModel(), middleware=[memory])
    await agent.ainvoke({"messages": [HumanMessage("When are deploys?")]}, ALICE)


BY_PATH: dict[str, tuple[Callable[[Path], Any], Callable[[Any], Awaitable[object]]]] = {
    "FeatherVectorStore": (
        lambda path: FeatherVectorStore(EMBEDDING, path=path),
        lambda made: made.aadd_texts(["tea"]),
    ),
    "FeatherRetriever": (
        lambda path: FeatherRetriever(path=path, embedding=EMBEDDING),
        lambda made: made.ainvoke("tea"),
    ),
    "FeatherStore": (FeatherStore, lambda made: made.aput(("facts",), "tea", {"likes": "tea"})),
}

BY_POOL: dict[str, tuple[Callable[[TenantPool], Any], Callable[[Any], Awaitable[object]] | None]]
BY_POOL = {
    "FeatherVectorStore": (
        lambda pool: FeatherVectorStore(EMBEDDING, **_of_pool(pool)),
        lambda made: made.asimilarity_search("tea"),
    ),
    "FeatherRetriever": (
        lambda pool: FeatherRetriever(**_of_pool(pool)),
        lambda made: made.ainvoke("tea"),
    ),
    "FeatherStore": (
        lambda pool: FeatherStore(pool=pool),
        lambda made: made.aput(("alice", "facts"), "tea", {"likes": "tea"}),
    ),
    "FeatherChatMessageHistory": (
        lambda pool: FeatherChatMessageHistory("monday", **_of_pool(pool)),
        lambda made: made.aadd_messages([HumanMessage("tea")]),
    ),
    "FeatherMemory": (
        lambda pool: FeatherMemory(session="monday", **_of_pool(pool)),
        lambda made: made.asave_context({"input": "tea"}, {"output": "green"}),
    ),
    "FeatherMemoryMiddleware": (
        lambda pool: FeatherMemoryMiddleware(pool=pool, save="all", tools=True),
        _ask_agent,
    ),
    "memory_tools": (lambda pool: memory_tools(pool=pool), None),  # as the middleware's
    # Whose verbs have no async twins.
    "FeedbackCallbackHandler": (FeedbackCallbackHandler, None),
    "MemoryFeedback": (MemoryFeedback, None),
}


def test_every_adapter_is_asked():
    """Whatever takes a path or a pool; tools and the middleware take it among their options."""
    places: dict[str, set[str]] = {}
    for name in adapters.__all__:
        if name != "FeatherTranslator":
            parameters = inspect.signature(getattr(adapters, name)).parameters
            places[name] = parameters.keys() & {"path"}

    assert BY_POOL.keys() == places.keys()
    assert BY_PATH.keys() == {name for name, taken in places.items() if taken}


@pytest.mark.file
@pytest.mark.parametrize("name", BY_PATH)
async def test_an_adapter_over_a_path_opens_no_file_on_the_loop(tmp_path, name):
    make, use = BY_PATH[name]
    loop = threading.get_ident()

    with listening(tmp_path) as threads:
        made = make(tmp_path / "a.feather")
        assert threads() == set()
        await use(made)
        assert threads()
        assert loop not in threads()
        async with make(tmp_path / "b.feather") as other:
            assert (tmp_path / "b.feather").exists()
            await use(other)
        assert loop not in threads()
    made.close()
    for path in (tmp_path / "a.feather", tmp_path / "b.feather"):
        with Store.open(path) as store:
            assert store.check() == []


@pytest.mark.parametrize("name", BY_POOL)
async def test_an_adapter_over_a_pool_opens_no_file_on_the_loop(tmp_path, name):
    make, use = BY_POOL[name]
    loop = threading.get_ident()

    with TenantPool(tmp_path / "tenants") as before:
        before.get("alice").add("Alice likes tea")
    with TenantPool(tmp_path / "tenants") as pool, listening(tmp_path) as threads:
        made = make(pool)
        assert threads() == set()
        if use is not None:
            await use(made)
            assert threads()
        assert loop not in threads()
        assert pool.get("alice").check() == []


@pytest.mark.file
@pytest.mark.parametrize("name", BY_PATH)
def test_elsewhere_a_path_is_opened_at_once(tmp_path, name):
    """So that who makes an adapter at the start of a service sees at the start what is wrong."""
    (tmp_path / "a.feather").write_bytes(b"no store" * 1000)

    with pytest.raises(CorruptStoreError):
        BY_PATH[name][0](tmp_path / "a.feather")


@pytest.mark.file
@pytest.mark.parametrize("name", BY_PATH)
async def test_in_a_coroutine_the_block_or_the_first_call_says_what_is_wrong(tmp_path, name):
    make, use = BY_PATH[name]
    (tmp_path / "a.feather").write_bytes(b"no store" * 1000)

    with pytest.raises(CorruptStoreError):
        async with make(tmp_path / "a.feather"):
            pytest.fail("nothing was opened")
    with pytest.raises(CorruptStoreError):
        await use(make(tmp_path / "a.feather"))
    for path in (":memory:", "", 7):  # what is wrong without looking
        with pytest.raises(ValueError, match="path"):
            make(path)


@pytest.mark.file
async def test_in_a_coroutine_too_a_file_is_its_tenants_alone(tmp_path):
    path = tmp_path / "alice.feather"
    with Store.open(path, tenant="alice") as store:
        store.add("Alice likes tea")

        vectors = FeatherVectorStore(EMBEDDING, path=path, tenant="bob")
        with pytest.raises(WrongTenantError, match="bob"):
            await vectors.asimilarity_search("tea")
        retriever = FeatherRetriever(path=path)
        with pytest.raises(WrongTenantError, match="bob"):
            await retriever.ainvoke("tea", tenant="bob")
        assert len(await retriever.ainvoke("tea", tenant="alice")) == 1
        with pytest.raises(WrongTenantError, match="bob"):
            await retriever.ainvoke("tea", tenant="bob")
        retriever.close()
        assert store.check() == []


async def test_what_nobody_used_is_closed_without_being_opened(tmp_path):
    retriever = FeatherRetriever(path=tmp_path / "a.feather")

    retriever.close()

    with pytest.raises(RuntimeError, match="closed"):
        await retriever.ainvoke("tea")
    assert list(tmp_path.iterdir()) == []


async def test_the_store_of_a_retriever_is_there_when_it_is_asked_for(tmp_path):
    async with FeatherRetriever(path=tmp_path / "a.feather") as retriever:
        assert isinstance(retriever.store, Store)
        assert retriever.store.check() == []
    retriever = FeatherRetriever(path=tmp_path / "b.feather")
    assert isinstance(retriever.store, Store)
    retriever.close()


@pytest.mark.file
async def test_a_path_means_what_it_meant_when_it_was_named(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    vectors = FeatherVectorStore(EMBEDDING, path="alice.feather")
    monkeypatch.chdir(tmp_path / "other")

    await vectors.aadd_texts(["tea"])

    assert (tmp_path / "alice.feather").exists()
    assert vectors.store.check() == []
    vectors.close()


async def test_many_first_calls_open_the_file_once(tmp_path):
    vectors = FeatherVectorStore(EMBEDDING, path=tmp_path / "a.feather")

    await asyncio.gather(*(vectors.aadd_texts([f"tea {n}"]) for n in range(8)))
    stores = await asyncio.gather(*(asyncio.to_thread(lambda: vectors.store) for _ in range(8)))

    assert len({id(store) for store in stores}) == 1
    assert len(vectors.store) == 8
    assert vectors.store.check() == []
    vectors.close()
