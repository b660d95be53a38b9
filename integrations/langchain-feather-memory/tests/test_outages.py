"""A memory that fails ends no run: the agent answers without, and what it owes is saved later."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.embeddings import Embeddings
from langchain_core.messages import AIMessage, HumanMessage
from langchain_feather_memory import FeatherMemoryMiddleware, memory_tools

from feather_memory import (
    BusyStoreError,
    ParameterError,
    Store,
    StoreFullError,
    TenantPool,
    WrongTenantError,
)
from feather_memory.testing import HashEmbedder

from .agents import ScriptedModel, calling
from .conftest import HashEmbeddings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAYS = ["invoke", "ainvoke"]


class Embedder:
    """Fails for as long as it is told to."""

    error: Exception | None = None

    def __call__(self, texts):
        if self.error is not None:
            raise self.error
        return HashEmbedder(128)(texts)


class FailingEmbeddings(HashEmbeddings):
    """LangChain's, likewise; in either of its ways."""

    error: Exception | None = None

    def _check(self):
        if self.error is not None:
            raise self.error

    def embed_documents(self, texts):
        self._check()
        return super().embed_documents(texts)

    def embed_query(self, text):
        self._check()
        return super().embed_query(text)

    async def aembed_documents(self, texts):
        self._check()
        return await super().aembed_documents(texts)

    async def aembed_query(self, text):
        self._check()
        return await super().aembed_query(text)


class Told(BaseCallbackHandler):
    """The outages that callbacks are told of."""

    run_inline = True

    def __init__(self):
        self.events: list[dict[str, Any]] = []

    def on_custom_event(self, name, data, **_):
        if name == "feather_memory.unavailable":
            self.events.append(data)

    @property
    def doing(self) -> list[str]:
        return [event["doing"] for event in self.events]


async def say(agent, text, way, **config):
    message = {"messages": [HumanMessage(text)]}
    return (
        agent.invoke(message, config) if way == "invoke" else await agent.ainvoke(message, config)
    )


def texts(store):
    return [memory.text for memory in store.iterate()]


@pytest.fixture
def embedder():
    return Embedder()


@pytest.fixture
def memories(tmp_path: Path, embedder: Embedder) -> Iterator[Store]:
    with Store.open(tmp_path / "a.feather", embedder=embedder) as store:
        store.add("Deploys are on Tuesday", id="deploys")
        yield store
        embedder.error = None
        assert store.check() == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["store", "langchain"])
@pytest.mark.parametrize("error", [ConnectionError("down"), TimeoutError(), RuntimeError("429")])
async def test_an_embedder_that_fails_costs_the_memory_and_not_the_answer(
    memories, embedder, error, kind, way, caplog
):
    embedding = FailingEmbeddings() if kind == "langchain" else None
    failing, told, model = embedding or embedder, Told(), ScriptedModel()
    middleware = FeatherMemoryMiddleware(save="all", store=memories, embedding=embedding)
    agent = create_agent(model, middleware=[middleware])
    failing.error = error

    result = await say(agent, "When are deploys?", way, callbacks=[told])
    during = texts(memories)
    failing.error = None
    await say(agent, "And lunch?", way, callbacks=[told])

    assert result["messages"][-1].text == "Noted."
    assert "<memories>" not in model.prompts[0]
    assert during == ["Deploys are on Tuesday"]
    assert texts(memories)[1:] == ["When are deploys?", "Noted.", "And lunch?", "Noted."]
    assert told.doing == ["recall", "save"]
    assert {event["error"] for event in told.events} == {type(error).__name__}
    assert "When are deploys?" not in str(told.events)
    assert "failed to save" in caplog.text


@pytest.mark.parametrize("way", WAYS)
async def test_with_raise_every_outage_ends_the_run(memories, embedder, way):
    agent = create_agent(
        ScriptedModel(),
        middleware=[FeatherMemoryMiddleware(save="all", store=memories, on_error="raise")],
    )
    embedder.error = ConnectionError("down")

    with pytest.raises(ConnectionError):
        await say(agent, "When are deploys?", way)
    embedder.error = None
    await say(agent, "And lunch?", way)

    assert texts(memories)[1:] == ["And lunch?", "Noted."]


@pytest.mark.file
@pytest.mark.parametrize("way", WAYS)
async def test_a_file_that_another_process_holds_is_an_outage_and_what_is_owed_is_saved_after(
    tmp_path, monkeypatch, way
):
    """The lock is real; only how long SQLite waits for it is shortened."""
    monkeypatch.setattr("feather_memory.truth.sqlite.handles.BUSY_SECONDS", 0.05)
    with Store.open(tmp_path / "held.feather", embedder=HashEmbedder(128)) as store:
        store.add("Deploys are on Tuesday")
        agent = create_agent(
            ScriptedModel(), middleware=[FeatherMemoryMiddleware(save="all", store=store)]
        )
        told = Told()
        with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
            other.execute("begin immediate")
            result = await say(agent, "When are deploys?", way, callbacks=[told])
            other.execute("rollback")

        await say(agent, "And lunch?", way)

        assert result["messages"][-1].text == "Noted."
        assert told.doing == ["recall", "save"]
        assert {event["error"] for event in told.events} == {"BusyStoreError"}
        assert texts(store)[1:] == ["When are deploys?", "Noted.", "And lunch?", "Noted."]
        assert store.check() == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", [StoreFullError("no room"), BusyStoreError("held")])
async def test_a_pool_that_cannot_open_the_file_is_an_outage(tmp_path, way, error):
    class Broken(TenantPool):
        error: Exception | None = None

        def get(self, tenant):
            if self.error is not None:
                raise self.error
            return super().get(tenant)

    with Broken(tmp_path, embedder=HashEmbedder(128)) as pool:
        pool.get("alice").add("Deploys are on Tuesday")
        told = Told()
        agent = create_agent(
            ScriptedModel(), middleware=[FeatherMemoryMiddleware(save="all", pool=pool)]
        )
        config = {"configurable": {"tenant": "alice"}, "callbacks": [told]}
        pool.error = error

        await say(agent, "When are deploys?", way, **config)
        other = {"configurable": {"tenant": "bob"}}
        await say(agent, "I am Bob", way, **other)
        pool.error = None
        await say(agent, "And lunch?", way, **config)

        assert told.doing == ["recall", "save"]
        heard = texts(pool.get("alice"))
        assert heard[1:] == ["When are deploys?", "Noted.", "And lunch?", "Noted."]
        assert "bob" not in pool.tenants()  # what is owed to Bob waits for Bob
        await say(agent, "Bob again", way, **other)
        assert texts(pool.get("bob")) == ["I am Bob", "Noted.", "Bob again", "Noted."]
        for name in pool.tenants():
            assert pool.get(name).check() == []


@pytest.mark.parametrize("way", WAYS)
async def test_wrong_tenants_and_wrong_arguments_always_raise(tmp_path, memories, way):
    class Short(Embeddings):
        def embed_documents(self, texts):
            return [[1.0, 0.0] for _ in texts]

        def embed_query(self, text):
            return [1.0, 0.0]

    def agent_of(**options):
        return create_agent(ScriptedModel(), middleware=[FeatherMemoryMiddleware(**options)])

    with TenantPool(tmp_path / "p") as pool:
        for agent, config, error in (
            (agent_of(pool=pool), {}, ParameterError),
            (agent_of(store=memories), {"configurable": {"tenant": "bob"}}, WrongTenantError),
            (agent_of(store=memories, embedding=Short()), {}, ParameterError),
        ):
            with pytest.raises(error):
                await say(agent, "When are deploys?", way, **config)
    with pytest.raises(ParameterError, match="on_error"):
        FeatherMemoryMiddleware(save="all", store=memories, on_error="ignore")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search_memory", {"query": "deploys"}),
        ("save_memory", {"text": "Tea is at five"}),
        ("correct_memory", {"memory_id": "deploys", "text": "Deploys are on Friday"}),
    ],
)
async def test_a_tool_tells_the_model_that_the_memory_is_out(
    memories, embedder, tool, arguments, way
):
    model, told = ScriptedModel(script=[calling(tool, **arguments)]), Told()
    agent = create_agent(model, memory_tools(store=memories))
    raising = create_agent(
        ScriptedModel(script=[calling(tool, **arguments)]),
        memory_tools(store=memories, on_error="raise"),
    )
    embedder.error = ConnectionError("down")

    result = await say(agent, "Please", way, callbacks=[told])
    with pytest.raises(ConnectionError):
        await say(raising, "Please", way)

    (answer,) = [message for message in result["messages"] if message.type == "tool"]
    assert answer.status == "error"
    assert "cannot be reached" in answer.content
    assert told.doing == ["search" if tool == "search_memory" else "save"]
    assert texts(memories) == ["Deploys are on Tuesday"]


class Choosy(Embedder, HashEmbeddings):
    """Refuses one text for ever, as a model does that is shown more than it takes."""

    def __init__(self):
        HashEmbeddings.__init__(self)

    def __call__(self, texts):
        if any("refused" in text for text in texts):
            raise ValueError("too long")
        return HashEmbedder(128)(texts)

    def embed_documents(self, texts):
        return self(texts).tolist()

    def embed_query(self, text):
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts):
        return self.embed_documents(texts)

    async def aembed_query(self, text):
        return self.embed_query(text)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["store", "langchain"])
async def test_what_cannot_be_embedded_holds_up_nothing_that_is_said_later(tmp_path, kind, way):
    choosy, model, told = Choosy(), ScriptedModel(), Told()
    embedding = choosy if kind == "langchain" else None
    embedder = choosy if kind == "store" else None
    with Store.open(tmp_path / "a.feather", embedder=embedder) as store:
        store.add("Deploys are on Tuesday", vector=choosy(["Deploys are on Tuesday"])[0])
        memory = FeatherMemoryMiddleware(store=store, embedding=embedding)
        agent = create_agent(model, middleware=[memory])

        await say(agent, "This is refused", way, callbacks=[told])
        for text in ("When are deploys?", "And lunch?"):
            await say(agent, text, way, callbacks=[told])

        assert texts(store)[1:] == ["When are deploys?", "And lunch?"]
        assert "Tuesday" in model.prompts[1]
        assert told.doing == ["recall", "save"]
        assert store.check() == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("save", ["user", "all"])
async def test_half_a_character_costs_neither_the_memory_nor_the_answer(memories, save, way):
    """As clients send it that cut their strings in UTF-16."""
    model = ScriptedModel(script=[AIMessage("A half \ud83d of it.")])
    middleware = FeatherMemoryMiddleware(store=memories, save=save, on_error="raise")
    agent = create_agent(model, middleware=[middleware])

    result = await say(agent, "When are deploys? \ud83d", way)
    await say(agent, "And lunch?", way)

    assert result["messages"][-1].text == "A half \ud83d of it."
    assert "Tuesday" in model.prompts[0]
    answers = ["A half \ufffd of it.", "Noted."] if save == "all" else []
    said = {"When are deploys? \ufffd", "And lunch?", *answers}
    assert set(texts(memories)[1:]) == said


@pytest.mark.parametrize("tool", ["search_memory", "save_memory", "correct_memory"])
async def test_half_a_character_of_a_model_is_no_outage_of_a_tool(memories, tool):
    arguments = {"query": "deploys \ud83d"} if tool == "search_memory" else {"text": "Tea \ud83d"}
    if tool == "correct_memory":
        arguments["memory_id"] = "deploys"
    model = ScriptedModel(script=[calling(tool, **arguments)])
    agent = create_agent(model, memory_tools(store=memories, origin="user", on_error="raise"))

    result = await say(agent, "Please", "ainvoke")

    assert result["messages"][-2].status == "success"
    if tool != "search_memory":
        assert "Tea \ufffd" in texts(memories)


@pytest.mark.parametrize("way", WAYS)
async def test_a_message_longer_than_a_search_takes_is_answered_and_kept(memories, way):
    """What is looked for is its beginning."""
    model, pasted = ScriptedModel(), "When are deploys? " + "long words " * 100_000
    agent = create_agent(model, middleware=[FeatherMemoryMiddleware(store=memories)])

    result = await say(agent, pasted, way)

    assert result["messages"][-1].text == "Noted."
    assert texts(memories)[1:] == [pasted.strip()] or texts(memories)[1:] == [pasted]


@pytest.mark.parametrize("thread", ["", "x" * 5000, "a\0b", "\ud83d", 7])
async def test_a_thread_may_be_called_as_langgraph_lets_it(memories, thread):
    agent = create_agent(ScriptedModel(), middleware=[FeatherMemoryMiddleware(store=memories)])

    for text in ("I like tea", "And lunch?"):
        await say(agent, text, "ainvoke", configurable={"thread_id": thread})

    sessions = {memory.session for memory in memories.iterate() if memory.id != "deploys"}
    assert texts(memories)[1:] == ["I like tea", "And lunch?"]
    assert len(sessions) == 1
