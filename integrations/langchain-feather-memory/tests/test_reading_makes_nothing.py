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

from .conftest import HashEmbeddings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytest.importorskip("langchain_classic")
pytest.importorskip("langgraph.store.base")

from langchain_feather_memory import FeatherMemory, FeatherStore


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
    "an item": (lambda p: FeatherStore(pool=p).get(("alice", "facts"), "tea"), None),
    "items": (lambda p: FeatherStore(pool=p).search(("alice",)), []),
    "namespaces": (lambda p: FeatherStore(pool=p).list_namespaces(prefix=("alice",)), []),
}


@pytest.mark.parametrize("name", READING)
def test_reading_makes_no_file_for_a_tenant_who_has_none(pool, name):
    read, nothing = READING[name]

    assert read(pool) == nothing
    assert pool.tenants() == []


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
