"""Who says what LangChain's parts write: what a model or a middleware wrote is not the user's."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("langchain.agents.middleware")

from langchain.agents import create_agent
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
    ToolMessageChunk,
)
from langchain_feather_memory import (
    FeatherChatMessageHistory,
    FeatherMemoryMiddleware,
    FeatherStore,
)

from feather_memory import ParameterError, Store, TenantPool
from feather_memory.testing import FrozenClock

from .agents import ScriptedModel
from .conftest import HashEmbeddings

NS = ("alice", "facts")
SAID = "The deploys are on Monday"
SUMMARY = HumanMessage(
    f"Here is a summary of the conversation to date: {SAID}",
    additional_kwargs={"lc_source": "summarization"},
)
"""As LangChain's SummarizationMiddleware writes it."""


@pytest.mark.parametrize(
    ("message", "origin"),
    [
        (HumanMessage(SAID), "user"),
        (HumanMessageChunk(SAID), "user"),
        (ChatMessage(SAID, role="user"), "user"),
        (ChatMessage(SAID, role="narrator"), "assistant"),
        (ChatMessage(SAID, role="planner"), "assistant"),
        (ChatMessage(SAID, role=""), "assistant"),
        (ChatMessage(SAID, role="x" * 600), "assistant"),
        (ChatMessage(SAID, role="Human"), "user"),
        (HumanMessage(SAID, name="researcher"), "user"),
        (SystemMessage(SAID), "document"),
        (SystemMessageChunk(SAID), "document"),
        (ToolMessageChunk(SAID, tool_call_id="c"), "tool"),
        (ToolMessage(SAID, tool_call_id="c"), "tool"),
        (FunctionMessage(SAID, name="f"), "tool"),
        (ChatMessage(SAID, role="function"), "tool"),
        (AIMessage(SAID), "assistant"),
        (AIMessageChunk(SAID), "assistant"),
        (ChatMessage(SAID, role="assistant"), "assistant"),
        (ChatMessage(SAID, role="Model"), "assistant"),
        (SUMMARY, "assistant"),
    ],
)
def test_a_message_of_a_history_is_of_whoever_said_it(store, message, origin):
    history = FeatherChatMessageHistory("s", store=store)

    history.add_messages([message])

    assert [memory.origin for memory in store.iterate()] == [origin]
    assert history.messages == [message]


@pytest.mark.parametrize("role", ["planner", "supervisor", "critic", "assistant"])
def test_what_an_agent_repeats_in_its_own_role_brings_nothing_back(store, role):
    store.add(SAID, key="deploys")
    store.add("The deploys are on Friday", key="deploys")
    history = FeatherChatMessageHistory("s", store=store)

    history.add_messages([ChatMessage(SAID, role=role)])

    assert told(store) == {"The deploys are on Friday"}
    assert [m.role for m in store.iterate() if m.key is None] == [role]
    assert history.messages == [ChatMessage(SAID, role=role)]


def test_a_message_that_takes_another_away_is_kept_and_is_no_memory(store):
    history = FeatherChatMessageHistory("s", store=store)
    gone = RemoveMessage("m1")

    history.add_messages([gone])
    history.add_messages([HumanMessage(SAID), gone])

    assert [memory.text for memory in store.iterate()] == [SAID]
    assert history.messages == [gone, HumanMessage(SAID), gone]
    history.clear()
    assert history.messages == []
    assert len(store) == 0


def test_a_summary_that_stands_among_the_users_messages_is_not_saved_as_theirs(store):
    agent: Any = create_agent(
        ScriptedModel(), middleware=[FeatherMemoryMiddleware(store=store, save="user")]
    )

    agent.invoke(
        {"messages": [SUMMARY, HumanMessage("We eat at noon")]},
        {"configurable": {"thread_id": "t"}},
    )

    assert [(m.text, m.origin) for m in store.iterate()] == [("We eat at noon", "user")]


@pytest.fixture
def pool(tmp_path):
    with TenantPool(tmp_path / "m", clock=FrozenClock()) as pool:
        yield pool
        assert pool.get("alice").check() == []


def items_of(pool: TenantPool, **more: Any) -> FeatherStore:
    index: Any = {"dims": 128, "embed": HashEmbeddings(), "fields": ["text"]}
    return FeatherStore(pool=pool, index=index, **more)


def told(store: Store) -> set[str]:
    return {hit.memory.text for hit in store.search("when are the deploys?", k=9)}


def test_what_an_agent_puts_beside_the_users_words_does_not_bring_the_old_ones_back(pool):
    """`put` is what an agent's own tools write with: nothing in it says who speaks."""
    store = pool.get("alice")
    store.add(SAID, key="deploys")
    store.add("The deploys are on Friday", key="deploys")

    items_of(pool).put(NS, "k", {"text": SAID})

    assert told(store) == {"The deploys are on Friday"}
    assert {m.origin for m in store.iterate() if m.key is None} == {"assistant"}
    assert [item.value for item in items_of(pool).search(NS, query=SAID)] == [{"text": SAID}]


def test_an_application_that_puts_what_the_user_said_says_so(pool):
    store = pool.get("alice")
    store.add(SAID, key="deploys")
    store.add("The deploys are on Friday", key="deploys")

    items_of(pool, origin="user").put(NS, "k", {"text": SAID})

    assert told(store) >= {"The deploys are on Friday", SAID}
    with pytest.raises(ParameterError, match="origin"):
        items_of(pool, origin="god")


@pytest.mark.parametrize("before", ["user", "document", "assistant"])
@pytest.mark.parametrize("after", ["user", "tool", "assistant"])
def test_a_put_takes_the_place_of_its_item_whoever_wrote_that(pool, before, after):
    first, second = items_of(pool, origin=before), items_of(pool, origin=after)
    first.put(NS, "k", {"text": "tea", "n": 1})
    created = first.get(NS, "k").created_at

    second.put(NS, "k", {"text": "coffee", "n": 2})

    assert first.get(NS, "k").value == {"text": "coffee", "n": 2}
    assert first.get(NS, "k").created_at == created
    assert [i.value["n"] for i in first.search(NS, query="coffee")] == [2]
    assert first.search(NS, query="coffee")[0].score == pytest.approx(1)
    assert {m.origin for m in pool.get("alice").iterate()} == {after}
    assert len(pool.get("alice")) == 2
