"""Whoever has no memory yet gets none by being asked about: no file is made by reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_feather_memory import (
    FeatherChatMessageHistory,
    FeatherRetriever,
    FeatherVectorStore,
    MemoryFeedback,
)

from feather_memory import ParameterError, TenantPool, UnknownTurnError
from feather_memory.testing.absence import AbsenceContract

from .agents import ScriptedModel, calling
from .conftest import HashEmbeddings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytest.importorskip("langchain.agents")
pytest.importorskip("langchain_classic")
pytest.importorskip("langgraph.store.base")

from langchain.agents import create_agent
from langchain_feather_memory import (
    FeatherMemory,
    FeatherMemoryMiddleware,
    FeatherStore,
    memory_tools,
)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[TenantPool]:
    with TenantPool(tmp_path / "tenants") as pool:
        yield pool


def vectors(pool: TenantPool) -> FeatherVectorStore:
    return FeatherVectorStore(HashEmbeddings(), pool=pool, tenant="alice")


def history(pool: TenantPool) -> FeatherChatMessageHistory:
    return FeatherChatMessageHistory("monday", pool=pool, tenant="alice")


def memory(pool: TenantPool) -> FeatherMemory:
    return FeatherMemory(pool=pool, tenant="alice", session="monday", last_turns=2)


ALICE: Any = {"configurable": {"tenant": "alice"}}


def used(pool: TenantPool, tool: str, **arguments: str) -> bool:
    """Whether the tool says that there is nothing."""
    agent = create_agent(
        ScriptedModel(script=[calling(tool, **arguments)]), memory_tools(pool=pool)
    )
    messages = agent.invoke({"messages": [HumanMessage("Please")]}, ALICE)["messages"]
    return any(word in messages[-2].content.lower() for word in ("nothing", "no memor"))


def asked(pool: TenantPool, *, save: Any, said: str = "What do I drink?") -> Any:
    memory = FeatherMemoryMiddleware(pool=pool, save=save)
    agent = create_agent(ScriptedModel(), middleware=[memory])
    return agent.invoke({"messages": [HumanMessage(said)]}, ALICE)["messages"][-1].content


READING: dict[str, tuple[Callable[[TenantPool], Any], Any]] = {
    "a search": (lambda p: vectors(p).similarity_search("tea"), []),
    "scores": (lambda p: vectors(p).similarity_search_with_score("tea"), []),
    "unlike ones": (lambda p: vectors(p).max_marginal_relevance_search("tea"), []),
    "ids": (lambda p: vectors(p).get_by_ids(["x"]), []),
    "deleting": (lambda p: vectors(p).delete(["x"]), True),
    "a retrieval": (lambda p: FeatherRetriever(pool=p, tenant="alice").invoke("tea"), []),
    "messages": (lambda p: history(p).messages, []),
    "clearing messages": (lambda p: history(p).clear(), None),
    "what is known": (lambda p: memory(p).load_memory_variables({"input": "tea"}), {"history": ""}),
    "clearing turns": (lambda p: memory(p).clear(), None),
    "a search by vector": (lambda p: vectors(p).similarity_search_by_vector([1.0] * 128), []),
    "no texts": (lambda p: vectors(p).add_texts([]), []),
    "no messages": (lambda p: history(p).add_messages([]), None),
    "deleting an item": (lambda p: FeatherStore(pool=p).delete(("alice", "facts"), "tea"), None),
    "a tool's search": (lambda p: used(p, "search_memory", query="tea"), True),
    "a tool's correction": (lambda p: used(p, "correct_memory", memory_id="x", text="y"), True),
    "an agent that saves nothing": (lambda p: asked(p, save="none"), "Noted."),
    "an agent whose user says nothing new": (lambda p: asked(p, save="user", said=""), "Noted."),
    "an item": (lambda p: FeatherStore(pool=p).get(("alice", "facts"), "tea"), None),
    "items": (lambda p: FeatherStore(pool=p).search(("alice",)), []),
    "namespaces": (lambda p: FeatherStore(pool=p).list_namespaces(prefix=("alice",)), []),
}


class TestReading(AbsenceContract):
    reading = READING


def test_feedback_makes_no_file_for_a_tenant_who_has_none(pool):
    with pytest.raises(UnknownTurnError):
        MemoryFeedback(pool, tenant="alice").like("run")

    assert pool.tenants() == []


def test_what_is_wrong_is_refused_for_a_tenant_who_has_no_file_too(pool):
    with pytest.raises(ParameterError):
        vectors(pool).similarity_search("tea", filter={"year": {"$newer": 2020}})
    with pytest.raises(ParameterError):
        vectors(pool).delete()
    assert pool.tenants() == []


def test_the_first_write_makes_the_file_and_is_read_by_what_was_made_before(pool):
    """What was made before the tenant had a file is bound to no absence."""
    reading, writing = vectors(pool), vectors(pool)
    talk, kept = history(pool), memory(pool)
    assert (reading.similarity_search("tea"), talk.messages) == ([], [])

    writing.add_texts(["Alice likes tea"])
    talk.add_messages([HumanMessage("I like coffee")])
    kept.save_context({"input": "I like cocoa"}, {"output": "Noted"})

    assert [each.page_content for each in reading.similarity_search("Alice likes tea", k=1)] == [
        "Alice likes tea"
    ]
    assert len(talk.messages) == 1
    assert "cocoa" in kept.load_memory_variables({"input": "cocoa"})["history"]
    assert pool.get("alice").check() == []
