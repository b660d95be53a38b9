"""What is forgotten is in none of what LangChain and LangGraph keep, by whatever door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("langchain_classic")
pytest.importorskip("langgraph.store.base")

from langchain_core.messages import AIMessage, HumanMessage
from langchain_feather_memory import FeatherChatMessageHistory, FeatherMemory, FeatherStore

from feather_memory import Store
from feather_memory.testing.forgetting import SECRET, ForgettingContract, ids_of_secrets

from .conftest import HashEmbeddings

if TYPE_CHECKING:
    from pathlib import Path

NS = ("alice", "facts")


def history(store: Store) -> list[str]:
    """A session's messages, which are on a shelf as they were."""
    kept = FeatherChatMessageHistory("monday", store=store, embedding=HashEmbeddings())
    kept.add_messages([HumanMessage(SECRET), AIMessage("Noted")])
    return ids_of_secrets(store)


def exchange(store: Store) -> list[str]:
    """What the user said is a memory; what was answered, and repeats it, is on a shelf."""
    memory = FeatherMemory(store=store, session="monday", save="user")
    memory.save_context({"input": SECRET}, {"output": f"I noted that: {SECRET}"})
    return ids_of_secrets(store)


def item(store: Store) -> list[str]:
    """LangGraph's item, of which a search of the file finds only a text."""
    index: Any = {"dims": 128, "embed": HashEmbeddings(), "fields": ["text", "title"]}
    with FeatherStore(store.path, index=index) as items:
        items.put(NS, "safe", {"text": SECRET, "title": "The safe"})
        items.put(NS, "kept", {"text": "The canteen opens at noon"})
    found = [memory for memory in store.iterate() if memory.text == SECRET]
    return [memory.id for memory in found]


def whole_item(store: Store) -> list[str]:
    """The item itself."""
    (text,) = item(store)
    return [text.partition(":")[0]]


@pytest.fixture
def opened(tmp_path: Path) -> Any:
    with Store.open(tmp_path / "one.feather") as store:
        yield store


@pytest.mark.file
class TestForgetting(ForgettingContract):
    doors = (history, exchange, item, whole_item)
    tenant = None


@pytest.mark.file
def test_an_item_that_loses_a_text_by_being_put_again_stays(opened):
    index: Any = {"dims": 128, "embed": HashEmbeddings(), "fields": ["text", "title"]}
    with FeatherStore(opened.path, index=index) as items:
        items.put(NS, "safe", {"text": "Where the safe is", "title": "The safe"})

        items.put(NS, "safe", {"text": "Where the safe is now"})

        assert items.get(NS, "safe").value == {"text": "Where the safe is now"}
    one, other = (memory.id for memory in opened.iterate())
    assert set(opened.forget(one, dry_run=True).ids) == {one, other}
    assert set(opened.forget(other).ids) == {one, other}
    assert opened.check() == []


def test_what_was_said_besides_stays(opened):
    opened.forget(history(opened))

    kept = FeatherChatMessageHistory("monday", store=opened, embedding=HashEmbeddings())
    assert [message.content for message in kept.messages] == ["Noted"]
