"""Vectors of two models never mix, whoever embeds: what an adapter gives a store says by which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.memory.feather import (
    FeatherMemory,
    FeatherMemoryBlock,
    FeatherRetriever,
    feather_tools,
)

from feather_memory import Store, WrongEmbedderError

from .conftest import HashEmbedding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

OLD, NEW = HashEmbedding(model_name="small-2"), HashEmbedding(model_name="small-3")
SAID = ChatMessage(role="user", content="I drink green tea")
ASKED = ChatMessage(role="user", content="Which tea do I drink?")


def _memory(store: Store, model: HashEmbedding, session: str = "tuesday") -> FeatherMemory:
    return FeatherMemory.from_defaults(store=store, session_id=session, embed_model=model)


def _block(store: Store, model: HashEmbedding) -> FeatherMemoryBlock:
    return FeatherMemoryBlock(store=store, embed_model=model)


def _recall(store: Store, model: HashEmbedding) -> Any:
    return feather_tools(store=store, embed_model=model)[0]


WAYS: dict[str, Callable[[Store, HashEmbedding], Awaitable[object]]] = {
    "put": lambda s, m: _memory(s, m).aput(SAID),
    "get": lambda s, m: _memory(s, m).aget(ASKED),
    "block": lambda s, m: _block(s, m).aget([ASKED]),
    "retriever": lambda s, m: FeatherRetriever(store=s, embed_model=m).aretrieve("tea"),
    "tool": lambda s, m: _recall(s, m).acall(query="tea"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file whose vectors are by the old model, as an adapter over an open store has it."""
    with Store.open(tmp_path / "alice.feather", tenant="alice") as store:
        _memory(store, OLD, "monday").put(SAID)
    return tmp_path / "alice.feather"


@pytest.mark.parametrize("way", WAYS)
async def test_an_open_store_refuses_vectors_and_questions_of_another_model(path, way):
    with Store.open(path, tenant="alice") as store:
        with pytest.raises(WrongEmbedderError, match="'small-2', not by 'small-3'"):
            await WAYS[way](store, NEW)

        await WAYS[way](store, OLD)
        assert store.stats().embedder == "small-2"
        assert store.check() == []


@pytest.mark.parametrize("way", WAYS)
async def test_the_name_that_the_application_states_is_that_of_all_vectors(path, way):
    with Store.open(path, tenant="alice", embedder_name="small-2") as store:
        await WAYS[way](store, NEW)

        assert store.check() == []
