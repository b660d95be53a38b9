"""Vectors of two models never mix, whoever embeds: what an adapter gives a store says by which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_feather_memory import (
    FeatherChatMessageHistory,
    FeatherMemoryMiddleware,
    FeatherRetriever,
    FeatherStore,
    FeatherVectorStore,
    memory_tools,
)

from feather_memory import ContextLayers, Store, WrongEmbedderError

from .agents import ScriptedModel, calling
from .conftest import HashEmbeddings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

pytest.importorskip("langchain.agents")

from langchain.agents import create_agent


class Named(HashEmbeddings):
    """The same vectors under a name, as a model of the same length has one."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.model = model


OLD, NEW = Named("small-2"), Named("small-3")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file whose vectors are by the old model, as an adapter over an open store has it."""
    with Store.open(tmp_path / "alice.feather") as store:
        FeatherVectorStore(OLD, store=store).add_texts(["Alice likes tea"])
    return tmp_path / "alice.feather"


async def _ask(memory: FeatherMemoryMiddleware, model: ScriptedModel | None = None) -> Any:
    agent = create_agent(model or ScriptedModel(), middleware=[memory])
    return await agent.ainvoke({"messages": [HumanMessage("Which tea?")]})


async def _recall(store: Store, embedding: Named) -> Any:
    (recall, *_) = memory_tools(store=store, embedding=embedding)
    model = ScriptedModel(script=[calling(recall.name, query="tea")])
    agent = create_agent(model, tools=[recall])
    return await agent.ainvoke({"messages": [HumanMessage("Which tea?")]})


WAYS: dict[str, Callable[[Store, Named], Awaitable[object]]] = {
    "aadd_texts": lambda s, e: FeatherVectorStore(e, store=s).aadd_texts(["tea"]),
    "asimilarity_search": lambda s, e: FeatherVectorStore(e, store=s).asimilarity_search("tea"),
    "scores": lambda s, e: FeatherVectorStore(e, store=s).asimilarity_search_with_score("tea"),
    "mmr": lambda s, e: FeatherVectorStore(e, store=s).amax_marginal_relevance_search("tea"),
    "retriever": lambda s, e: FeatherRetriever(store=s, embedding=e).ainvoke("tea"),
    "layers": lambda s, e: FeatherRetriever(
        layers=ContextLayers(user=s), embedding=e
    ).ainvoke("tea"),
    "history": lambda s, e: FeatherChatMessageHistory("monday", store=s, embedding=e).aadd_messages(
        [HumanMessage("tea")]
    ),
    "middleware": lambda s, e: _ask(FeatherMemoryMiddleware(store=s, embedding=e)),
    "tools": _recall,
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
async def test_an_open_store_refuses_vectors_and_questions_of_another_model(path, way):
    with Store.open(path) as store:
        before = [memory.id for memory in store.iterate()]

        with pytest.raises(WrongEmbedderError, match="'small-2', not by 'small-3'"):
            await WAYS[way](store, NEW)

        assert [memory.id for memory in store.iterate()] == before
        await WAYS[way](store, OLD)
        assert store.stats().embedder == "small-2"
        assert store.check() == []


@pytest.mark.parametrize("way", WAYS)
async def test_the_name_that_the_application_states_is_that_of_all_vectors(path, way):
    """So is told that two names are one model's, or that nobody is to be asked."""
    with Store.open(path, embedder_name="small-2") as store:
        await WAYS[way](store, NEW)

        assert store.check() == []


async def test_langgraphs_items_are_of_one_model(tmp_path):
    path, at = tmp_path / "items.feather", ("facts",)
    with FeatherStore(path, index={"dims": 128, "embed": OLD}) as items:
        items.put(at, "tea", {"text": "Alice likes tea"})
        assert len(items.search(at, query="tea")) == 1

    with FeatherStore(path, index={"dims": 128, "embed": NEW}) as items:
        with pytest.raises(WrongEmbedderError):
            items.put(at, "vim", {"text": "Alice likes Vim"})
        with pytest.raises(WrongEmbedderError):
            await items.asearch(at, query="tea")
        assert items.get(at, "vim") is None
        assert len(items.search(at)) == 1
    with Store.open(path) as store:
        assert store.check() == []


async def test_who_has_no_name_is_asked_for_none(path):
    with Store.open(path) as store:
        await WAYS["aadd_texts"](store, HashEmbeddings())  # type: ignore[arg-type]

        assert len(FeatherVectorStore(HashEmbeddings(), store=store).similarity_search("tea")) == 2
        assert FeatherVectorStore(OLD, store=store).embeddings is OLD
        assert store.check() == []
