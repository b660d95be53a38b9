"""The contract of agents' adapters, at each door into this one."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4
from xml.etree import ElementTree as ET

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_feather_memory import (
    FeatherChatMessageHistory,
    FeatherMemoryMiddleware,
    FeatherRetriever,
    FeatherStore,
    FeatherVectorStore,
    FeedbackCallbackHandler,
    MemoryFeedback,
    memory_tools,
)
from pydantic import ValidationError

from feather_memory import ContextLayers, TenantPool, WrongTenantError
from feather_memory.testing import HashEmbedder
from feather_memory.testing.adapters import AdapterContract
from feather_memory.testing.doors import AgentDoor, Shown

from .agents import ScriptedModel, calling
from .conftest import HashEmbeddings


class Door(AgentDoor):
    """What users do with an answer is the same at each."""

    def __init__(self, *, store=None, pool=None, path=None, layers=None, tenant=None):
        assert path is None, "no adapter whose runs are judged took it"
        source = pool if store is None else store
        self._feedback = MemoryFeedback(source, layers=layers, tenant=tenant)

    def act(self, name, turn, *, memory_ids=None, text=None):
        said = {"corrected": {"correction": text}, "copied": {"text": text}}.get(name, {})
        getattr(self._feedback, name)(turn, memory_ids=memory_ids, **said)

    def take_back(self, turn, kind):
        self._feedback.take_back(turn, kind)


class RetrieverDoor(Door):
    def __init__(self, *, max_tokens: int | None = None, **place: Any):
        self._retriever = FeatherRetriever(k=20, **place)
        super().__init__(**place)

    def _found(self, question, turn):
        return self._retriever.invoke(question, turn=turn)

    def recall(self, question):
        turn = str(uuid4())
        found = self._found(question, turn)
        return Shown(turn=turn, texts=[document.page_content for document in found])


class AsyncRetrieverDoor(RetrieverDoor):
    def _found(self, question, turn):
        return asyncio.run(self._retriever.ainvoke(question, turn=turn))


class ToolsDoor(Door):
    """An agent that uses its memory by itself."""

    def __init__(self, *, max_tokens: int = 1000, **place: Any):
        self._tools = memory_tools(k=20, max_tokens=max_tokens, origin="user", **place)
        super().__init__(**place)

    def _use(self, tool, **arguments):
        agent = create_agent(ScriptedModel(script=[calling(tool, **arguments)]), self._tools)
        result = agent.invoke({"messages": [HumanMessage("Please")]}, {"run_id": uuid4()})
        return next(message for message in result["messages"] if message.type == "tool")

    def recall(self, question):
        found = self._use("search_memory", query=question)
        memories = found.artifact["memories"]
        return Shown(
            turn=found.artifact["turn"],
            texts=[memory["text"] for memory in memories],
            prompt=found.content if memories else "",
        )

    def correct(self, memory_id, text):
        assert self._use("correct_memory", memory_id=memory_id, text=text).status == "success"


class MiddlewareDoor(Door):
    """An agent whose threads are kept by its caller."""

    def __init__(self, *, max_tokens: int = 1000, **place: Any):
        options = {"k": 20, "max_tokens": max_tokens, "tools": True, "origin": "user", **place}
        self._recalling = FeatherMemoryMiddleware(save="none", **options)
        self._saving = FeatherMemoryMiddleware(save="all", **options)
        self._threads: dict[str, list[BaseMessage]] = {}
        super().__init__(**place)

    def recall(self, question):
        run_id, model = uuid4(), ScriptedModel()
        agent = create_agent(model, middleware=[self._recalling])
        agent.invoke({"messages": [HumanMessage(question)]}, {"run_id": run_id})
        (prompt,) = model.prompts
        texts = ET.fromstring(prompt[prompt.index("<memories>") :]) if prompt else []  # noqa: S314
        return Shown(turn=str(run_id), texts=[memory.text for memory in texts], prompt=prompt)

    def remember(self, user, assistant, *, session, message_ids, turn=None):
        asked, answered = message_ids
        thread = self._threads.get(session, [])
        said = [message.id for message in thread]
        before = thread[: said.index(asked)] if asked in said else thread
        model = ScriptedModel(script=[AIMessage(assistant, id=answered)])
        config = {"configurable": {"thread_id": session}, "run_id": turn and UUID(turn)}
        messages = {"messages": [*before, HumanMessage(user, id=asked)]}
        agent = create_agent(model, middleware=[self._saving])
        self._threads[session] = agent.invoke(messages, config)["messages"]

    def correct(self, memory_id, text):
        call = calling("correct_memory", memory_id=memory_id, text=text)
        agent = create_agent(ScriptedModel(script=[call]), middleware=[self._recalling])
        result = agent.invoke({"messages": [HumanMessage("That is wrong")]})
        (told,) = (message for message in result["messages"] if message.type == "tool")
        assert told.status == "success"


class PastDoor(AgentDoor):
    """The `BaseMemory` of chains, which knows no turns."""

    def __init__(self, *, max_tokens: int | None = None, **place: Any):
        classic = pytest.importorskip("langchain_feather_memory.memory")
        try:
            self._memory = classic.FeatherMemory(
                session="s", k=20, return_docs=True, save="all", **place
            )
        except ValidationError as error:  # pydantic wraps what a validator raises
            raise error.errors()[0].get("ctx", {}).get("error", error) from error

    def recall(self, question):
        documents = self._memory.load_memory_variables({"input": question})["history"]
        return Shown(turn="", texts=[document.page_content for document in documents])

    def remember(self, user, assistant, *, session, message_ids, turn=None):
        memory = self._memory.model_copy(update={"session": session})
        memory.save_context({"input": user}, {"output": assistant})


ACTS = {"act", "take_back"}


class TestRetriever(AdapterContract):
    can, layers = ACTS, "read"

    def open(self, **place):
        return RetrieverDoor(**place)


class TestAsyncRetriever(AdapterContract):
    can, layers = ACTS, "read"

    def open(self, **place):
        return AsyncRetrieverDoor(**place)


class TestTools(AdapterContract):
    can, layers = ACTS | {"correct", "prompt", "budget"}, "read"

    def open(self, **place):
        return ToolsDoor(**place)


class TestMiddleware(AdapterContract):
    can = ACTS | {"remember", "correct", "prompt", "budget", "retry", "turn"}
    layers = "read"

    def open(self, **place):
        return MiddlewareDoor(**place)


class TestMemory(AdapterContract):
    can, layers = {"remember"}, "read"

    def open(self, **place):
        return PastDoor(**place)


@pytest.fixture
def pool(tmp_path):
    with TenantPool(tmp_path / "tenants", embedder=HashEmbedder(128)) as pool:
        yield pool
        for tenant in pool.tenants():
            assert pool.get(tenant).check() == []


@pytest.fixture
def layers(pool):
    """A user's own memory and the team's."""
    pool.get("alice").add("Alice deploys on Tuesday", id="own")
    pool.get("team").add("The team deploys on Friday", id="ours")
    return ContextLayers(user=pool.get("alice"), team=pool.get("team"))


class TestLayers:
    """What is read together is judged together, and written to the nearest."""

    def test_an_agent_saves_to_the_nearest_and_feedback_reaches_all_that_was_shown(
        self, pool, layers
    ):
        middleware = FeatherMemoryMiddleware(layers=layers, save="all")
        agent = create_agent(ScriptedModel(), middleware=[middleware])

        result = agent.invoke({"messages": [HumanMessage("Who deploys when?")]})
        MemoryFeedback(layers=layers).like(result["messages"][-1])

        assert pool.get("alice").get("own").importance == 0.475  # shared by two
        assert pool.get("team").get("ours").importance == 0.475
        assert len(pool.get("alice")) == 3
        assert len(pool.get("team")) == 1

    @pytest.mark.parametrize("run", ["root", "message"])
    def test_the_handler_makes_recalls_of_all_layers_one_turn(self, pool, layers, run):
        pool.get("team").add("Deploys of the team are reviewed", id="rule")
        handler, run_id = FeedbackCallbackHandler(layers=layers), uuid4()
        retriever = FeatherRetriever(layers=layers, k=1)

        def answer(_):
            for question in ("Alice deploys on Tuesday", "The team deploys on Friday", "reviewed"):
                retriever.invoke(question)
            return ScriptedModel().invoke("So?")

        config = {"callbacks": [handler], "run_id": run_id}
        message = RunnableLambda(answer).invoke("x", config)
        signals = MemoryFeedback(layers=layers).like(run_id if run == "root" else message)

        assert sorted(signal.memory_id for signal in signals) == ["ours", "own", "rule"]

    def test_a_correction_is_written_where_the_wrong_memory_is(self, pool, layers):
        ToolsDoor(layers=layers).correct("ours", "The team deploys on Monday")

        assert pool.get("team").get("ours").superseded_by
        assert len(pool.get("alice")) == 1

    @pytest.mark.parametrize(
        "refused",
        [
            lambda layers, _: FeatherVectorStore(HashEmbeddings(), store=layers),
            lambda layers, _: FeatherChatMessageHistory("s", store=layers),
            lambda layers, _: FeatherVectorStore(HashEmbeddings(), path=layers),
            lambda layers, _: FeatherChatMessageHistory("s", path=layers),
            lambda layers, _: FeatherStore(pool=layers),
            lambda layers, _: FeatherStore(layers),
            lambda layers, _: FeatherMemoryMiddleware(store=layers),
            lambda layers, _: FeatherMemoryMiddleware(pool=layers),
            lambda layers, _: FeatherRetriever(store=layers),
            lambda layers, _: FeatherRetriever(path=layers),
            lambda layers, _: FeatherRetriever(layers=layers, store=layers.layers[0].store),
            lambda layers, _: memory_tools(store=layers),
            lambda layers, _: MemoryFeedback(layers),
            lambda layers, _: FeedbackCallbackHandler(layers),
            lambda layers, pool: MemoryFeedback(pool, layers=layers),
            lambda _, __: MemoryFeedback(),
        ],
    )
    def test_layers_are_taken_as_layers_or_refused(self, pool, layers, refused):
        with pytest.raises((ValueError, TypeError)):
            refused(layers, pool)

    @pytest.mark.parametrize("door", [FeatherVectorStore, FeatherChatMessageHistory, FeatherStore])
    def test_a_door_that_cannot_read_layers_has_no_word_for_them(self, layers, door):
        with pytest.raises(TypeError, match="layers"):
            door(HashEmbeddings(), layers=layers)

    def test_another_tenants_name_is_refused(self, layers):
        for adapter in (FeatherRetriever, FeatherMemoryMiddleware, MemoryFeedback):
            with pytest.raises(WrongTenantError):
                adapter(layers=layers, tenant="bob")
