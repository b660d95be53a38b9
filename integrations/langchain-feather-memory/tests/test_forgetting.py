"""What is forgotten is in none of what LangChain and LangGraph keep, by whatever door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("langchain_classic")
pytest.importorskip("langgraph.store.base")

from langchain_core.messages import AIMessage, HumanMessage
from langchain_feather_memory import FeatherChatMessageHistory, FeatherMemory, FeatherStore

from feather_memory import Store
from feather_memory.truth.sqlite.shelves import SqliteShelves

from .conftest import HashEmbeddings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CANARY = "canary-4711"
SECRET = f"The PIN of the safe is {CANARY}"
NS = ("alice", "facts")


def history(store: Store) -> list[str]:
    """A session's messages, which are on a shelf as they were."""
    kept = FeatherChatMessageHistory("monday", store=store, embedding=HashEmbeddings())
    kept.add_messages([HumanMessage(SECRET), AIMessage("Noted")])
    return _ids(store)


def exchange(store: Store) -> list[str]:
    """What the user said is a memory; what was answered, and repeats it, is on a shelf."""
    memory = FeatherMemory(store=store, session="monday", save="user")
    memory.save_context({"input": SECRET}, {"output": f"I noted that: {SECRET}"})
    return _ids(store)


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


def _ids(store: Store) -> list[str]:
    return [memory.id for memory in store.iterate() if CANARY in memory.text]


DOORS = [history, exchange, item, whole_item]


@pytest.fixture
def opened(tmp_path: Path) -> Any:
    with Store.open(tmp_path / "one.feather") as store:
        yield store


def is_kept(store: Store) -> bool:
    """Whether the secret is in any file of the store, which is closed by now."""
    store.close()
    files = store.path.parent.glob(f"{store.path.name}*")
    return any(CANARY.encode() in each.read_bytes() for each in files)


@pytest.mark.parametrize("door", DOORS)
def test_no_byte_of_it_is_left(opened, door: Callable[[Store], list[str]]):
    ids = door(opened)
    assert ids

    opened.forget(ids)

    assert opened.check() == []
    assert not is_kept(opened)


@pytest.mark.parametrize("door", DOORS)
def test_without_its_ties_it_would_be_left(opened, door, monkeypatch):
    """The negative control."""
    ids = door(opened)
    monkeypatch.setattr(SqliteShelves, "tied", lambda *_: [])

    opened.forget(ids)

    assert is_kept(opened)


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
