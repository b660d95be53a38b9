"""Whose a run, a call or a namespace is, by the rule that its caller states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_feather_memory import (
    FeatherChatMessageHistory,
    FeatherMemory,
    FeatherMemoryMiddleware,
    FeatherRetriever,
    FeatherStore,
    FeatherVectorStore,
    FeedbackCallbackHandler,
    MemoryFeedback,
    memory_tools,
)
from langgraph.checkpoint.memory import InMemorySaver

from feather_memory import ParameterError, TenantPool, UnknownTurnError, WrongTenantError
from feather_memory.testing import HashEmbedder

from .agents import ScriptedModel, calling
from .conftest import HashEmbeddings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RULES = {
    "template": "user:{user_id}",
    "function": lambda said: f"user:{said['user_id'].replace(':', '.')}",
}


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[TenantPool]:
    with TenantPool(tmp_path / "tenants", embedder=HashEmbedder(128)) as pool:
        yield pool
        for name in pool.tenants():
            assert pool.get(name).check() == []


@dataclass
class Context:
    user_id: str | None = None


def by_config(user: Any) -> dict[str, Any]:
    return {"config": {"configurable": {"thread_id": "t", "user_id": user}}}


def by_context(user: Any) -> dict[str, Any]:
    return {"context": Context(user), "config": {"configurable": {"thread_id": "t"}}}


def ask(agent, text, named):
    return agent.invoke({"messages": [HumanMessage(text)]}, named["config"], **{
        key: value for key, value in named.items() if key != "config"
    })  # fmt: skip


@pytest.mark.parametrize("naming", [by_config, by_context])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("user", ["global", "team:3", "alice"])
def test_no_user_writes_to_a_tenant_that_is_not_a_users(pool, rule, naming, user):
    for shared in ("global", "team:3"):
        pool.get(shared).add(f"Of {shared}")
    model = ScriptedModel(script=[calling("save_memory", text="My code is 1234", key="code")])
    middleware = FeatherMemoryMiddleware(pool=pool, tenant=RULES[rule], tools=True)
    agent = create_agent(model, middleware=[middleware], context_schema=Context)

    ask(agent, "Save my code", naming(user))

    assert [len(pool.get(shared)) for shared in ("global", "team:3")] == [1, 1]
    (mine,) = [name for name in pool.tenants() if name.startswith("user:")]
    assert "My code is 1234" in {memory.text for memory in pool.get(mine).iterate()}


@pytest.mark.parametrize("named", [{}, {"user_id": None}, {"user_id": ""}, {"tenant": "alice"}])
def test_a_run_that_does_not_say_what_the_template_needs_is_refused(pool, named):
    model = ScriptedModel()
    config = {"configurable": {"thread_id": "t", **named}}
    retriever = FeatherRetriever(pool=pool, tenant="user:{user_id}")
    for middleware, tools in (
        ([FeatherMemoryMiddleware(pool=pool, tenant="user:{user_id}")], []),
        ([], memory_tools(pool=pool, tenant="user:{user_id}")),
    ):
        model.script = [calling("search_memory", query="x")] if tools else []
        agent = create_agent(model, tools, middleware=middleware)
        with pytest.raises(ParameterError, match="user_id"):
            agent.invoke({"messages": [HumanMessage("x")]}, config)
    with pytest.raises(ParameterError, match="user_id"):
        retriever.invoke("x", config)

    assert pool.tenants() == []


async def test_a_retriever_finds_its_tenants_by_the_rule(pool):
    for user in ("alice", "bob"):
        pool.get(f"user:{user}").add(f"{user} likes tea")
    pool.get("alice").add("alice by the raw name")
    retriever = FeatherRetriever(pool=pool, tenant="user:{user_id}")
    config: Any = {"configurable": {"user_id": "alice"}}

    assert [d.page_content for d in retriever.invoke("tea", config)] == ["alice likes tea"]
    assert [d.page_content for d in await retriever.ainvoke("tea", config)] == ["alice likes tea"]
    named = retriever.invoke("tea", config, tenant="user:bob")
    assert [d.page_content for d in named] == ["bob likes tea"]  # the call's own keyword is nearer


def test_of_one_tenants_store_the_rule_is_checked(pool):
    alice = pool.get("user:alice")
    retriever = FeatherRetriever(store=alice, tenant="user:{user_id}")

    assert retriever.invoke("tea", {"configurable": {"user_id": "alice"}}) == []
    with pytest.raises(WrongTenantError):
        retriever.invoke("tea", {"configurable": {"user_id": "bob"}})
    with pytest.raises(ParameterError, match="user_id"):
        retriever.invoke("tea")


def test_a_door_of_one_tenant_refuses_a_rule_and_makes_no_file_of_that_name(pool):
    place = {"pool": pool, "tenant": "user:{user_id}"}
    for door in (
        lambda: FeatherVectorStore(HashEmbeddings(), **place),
        lambda: FeatherChatMessageHistory("s", **place),
        lambda: FeatherMemory(session="s", **place),
        lambda: MemoryFeedback(pool, tenant="user:{user_id}"),
        lambda: FeedbackCallbackHandler(pool, tenant="user:{user_id}"),
    ):
        with pytest.raises(ValueError, match="one tenant"):
            door()

    assert pool.tenants() == []


def test_a_key_beside_a_rule_is_refused(pool):
    for door in (FeatherRetriever, FeatherMemoryMiddleware, memory_tools):
        with pytest.raises(ValueError, match="either by tenant_key="):
            door(pool=pool, tenant="user:{user_id}", tenant_key="user_id")


# Threads


async def test_a_thread_belongs_to_its_first_tenant(pool):
    model = ScriptedModel()
    agent = create_agent(
        model,
        middleware=[FeatherMemoryMiddleware(pool=pool, tenant="user:{user_id}")],
        checkpointer=InMemorySaver(),
    )
    ask(agent, "Alice's secret", by_config("alice"))

    with pytest.raises(WrongTenantError, match=r"thread 't'.*user:alice"):
        ask(agent, "What was said?", by_config("bob"))
    with pytest.raises(WrongTenantError, match=r"thread 't'.*user:alice"):
        await agent.ainvoke({"messages": [HumanMessage("Hi")]}, **by_config("bob"))
    assert len(model.seen) == 1  # nothing of hers was shown under his name
    ask(agent, "Go on", by_config("alice"))

    assert len(model.seen) == 2
    assert "user:bob" not in pool.tenants()


def test_a_message_that_was_refused_stays_in_the_thread_for_langgraph_keeps_every_input(pool):
    """What cannot be mended here: the README says so."""
    model = ScriptedModel()
    middleware = FeatherMemoryMiddleware(pool=pool, tenant="{user_id}")
    agent = create_agent(model, middleware=[middleware], checkpointer=InMemorySaver())
    ask(agent, "Alice's secret", by_config("alice"))
    with pytest.raises(WrongTenantError):
        ask(agent, "Bob was here", by_config("bob"))

    state = agent.get_state({"configurable": {"thread_id": "t"}})

    assert [m.text for m in state.values["messages"]][-1] == "Bob was here"


# Namespaces


def test_langmems_namespaces_have_a_file_for_each_user(tmp_path):
    with TenantPool(tmp_path) as pool, FeatherStore(pool=pool, tenant="user:{1}") as store:
        for user in ("alice", "bob", "global", "a:b"):
            store.put(("memories", user), "k", {"content": f"Of {user}"})

        found = {
            u: [i.value["content"] for i in store.search(("memories", u))] for u in ("alice", "a:b")
        }
        assert found == {"alice": ["Of alice"], "a:b": ["Of a:b"]}
        assert pool.tenants() == ["user:a%3Ab", "user:alice", "user:bob", "user:global"]
        for crossing in (
            lambda: store.search(("memories",)),
            lambda: store.search(()),
            store.list_namespaces,
            lambda: store.list_namespaces(prefix=("memories", "*")),
            lambda: store.put(("memories",), "k", {"x": 1}),
        ):
            with pytest.raises(ParameterError, match="would cross from one tenant"):
                crossing()
        assert store.list_namespaces(prefix=("memories", "bob")) == [("memories", "bob")]
        for name in pool.tenants():
            assert pool.get(name).check() == []


def test_a_function_of_the_labels_may_be_the_rule(tmp_path):
    with TenantPool(tmp_path) as pool:
        store = FeatherStore(pool=pool, tenant=lambda labels: f"org:{labels[0]}" if labels else "")
        store.put(("acme", "facts"), "k", {"x": 1})

        assert pool.tenants() == ["org:acme"]
        with pytest.raises(ParameterError, match="would cross"):
            store.search(())


def test_a_rule_that_is_none_for_namespaces_is_refused(tmp_path):
    with TenantPool(tmp_path / "p") as pool:
        for wrong in ("{langgraph_user_id}", "{0}{1}", "{0"):
            with pytest.raises(ParameterError):
                FeatherStore(pool=pool, tenant=wrong)
    with pytest.raises(ParameterError, match="pool="):
        FeatherStore(tmp_path / "x.feather", tenant="{0}")


# Asking makes nothing


def test_whoever_only_reads_makes_no_file_for_a_tenant_that_has_none(pool):
    model = ScriptedModel(script=[calling("search_memory", query="tea")])
    config: Any = {"configurable": {"tenant": "nobody"}}
    middleware = FeatherMemoryMiddleware(pool=pool, save="none", tools=True)
    create_agent(model, middleware=[middleware]).invoke(
        {"messages": [HumanMessage("tea?")]}, config
    )

    assert FeatherRetriever(pool=pool).invoke("tea", config) == []
    with pytest.raises(UnknownTurnError):
        MemoryFeedback(pool).like("a-run", tenant="nobody")

    assert pool.tenants() == []
