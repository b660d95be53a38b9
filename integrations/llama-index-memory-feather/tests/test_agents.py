"""Agents and chat engines with a FeatherMemory, all offline."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import warnings
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    ContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.llms import ChatMessage, MockLLM
from llama_index.core.llms.mock import MockFunctionCallingLLM, MockLLMWithChatMemoryOfLastCall
from llama_index.core.memory import Memory
from llama_index.core.tools import RetrieverTool
from llama_index.core.workflow import Context
from llama_index.memory.feather import (
    FeatherMemory,
    FeatherMemoryBlock,
    FeatherRetriever,
    MemoryFeedback,
    feather_tools,
    feather_turn,
)
from pydantic import PrivateAttr

from feather_memory import Store

# LlamaIndex's agents ask themselves for attributes that pydantic has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The `__fields:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning"),
]


class Listening(MockFunctionCallingLLM):
    """Calls its tool, if it has one, agrees with everything, and keeps what it was told."""

    _told: list[list[ChatMessage]] = PrivateAttr(default_factory=list)
    _tool: tuple[str, dict[str, Any]] | None = PrivateAttr(default=None)

    def __init__(self, tool: tuple[str, dict[str, Any]] | None = None) -> None:
        super().__init__(response_generator=self._answer)
        self._tool = tool

    @property
    def told(self) -> list[list[ChatMessage]]:
        return self._told

    def _answer(self, messages: list[ChatMessage], **_: Any) -> ChatMessage:
        self._told.append(list(messages))
        last = messages[-1]
        if self._tool is not None and last.role == "user":
            name, arguments = self._tool
            call = ToolCallBlock(tool_name=name, tool_kwargs=arguments, tool_call_id="1")
            return ChatMessage(role="assistant", blocks=[call])
        return ChatMessage(role="assistant", content="As you say.")


def handle(store: Store, session_id: str, **fields: Any) -> FeatherMemory:
    return FeatherMemory.from_defaults(
        store=store, session_id=session_id, **{"save": "all", **fields}
    )


def words(messages: list[ChatMessage]) -> str:
    return "\n".join(message.content or "" for message in messages)


async def test_an_agent_knows_in_a_second_session_what_it_was_told_in_the_first(alice):
    llm = Listening()
    agent = FunctionAgent(llm=llm, system_prompt="Be brief")
    await agent.run("I drink green tea", memory=handle(alice, "monday"))
    await agent.run("What tea do I drink?", memory=handle(alice, "tuesday"))

    system, question = llm.told[-1]

    assert system.content == "Be brief"
    assert 'role="user">I drink green tea</memory>' in question.blocks[0].text
    assert question.blocks[1].text == "What tea do I drink?"
    assert "green tea" not in words(llm.told[0][:1])


async def test_the_memory_survives_the_context_of_a_workflow_run_after_run(alice):
    """LlamaIndex's own memory is dropped from a context with a warning, and silently replaced."""
    llm = Listening()
    agent = FunctionAgent(llm=llm)
    context = Context(agent)
    await agent.run("I drink green tea", memory=handle(alice, "monday"), ctx=context)
    await agent.run("And coffee on Sundays", ctx=context)

    context = Context.from_dict(agent, json.loads(json.dumps(context.to_dict())))
    await agent.run("Anything else?", ctx=context)

    assert [m.content for m in llm.told[-1]] == [
        "I drink green tea",
        "As you say.",
        "And coffee on Sundays",
        "As you say.",
        "Anything else?",
    ]
    assert type(await context.store.get("memory")) is FeatherMemory


async def test_llama_index_s_own_memory_does_not_survive_it():
    """The negative control: what the test above would look like if it proved nothing."""
    llm = Listening()
    agent = FunctionAgent(llm=llm)
    context = Context(agent)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        memory = Memory.from_defaults(session_id="s")
        await agent.run("I drink green tea", memory=memory, ctx=context)
        context = Context.from_dict(agent, context.to_dict())
        await agent.run("Anything else?", ctx=context)

    assert [m.content for m in llm.told[-1]] == ["Anything else?"]
    await memory.sql_store._async_engine.dispose()


SECOND_PROCESS = """
import asyncio, json, sys
from pathlib import Path
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.workflow import Context

told = []

def answer(messages, **_):
    told.append([m.content for m in messages])
    return ChatMessage(role="assistant", content="As you say.")

async def main():
    agent = FunctionAgent(llm=MockFunctionCallingLLM(response_generator=answer))
    context = Context.from_dict(agent, json.loads(Path(sys.argv[1]).read_text()))
    await agent.run("Anything else?", ctx=context)

asyncio.run(main())
print(json.dumps(told[-1]))
"""


async def test_a_context_saved_to_a_file_goes_on_in_another_process(alice, tmp_path):
    agent = FunctionAgent(llm=Listening())
    context = Context(agent)
    await agent.run("I drink green tea", memory=handle(alice, "monday"), ctx=context)
    saved = tmp_path / "context.json"
    saved.write_text(json.dumps(context.to_dict()))

    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", SECOND_PROCESS, saved],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "IS_TESTING": "1"},
    )

    assert json.loads(done.stdout) == ["I drink green tea", "As you say.", "Anything else?"]
    assert handle(alice, "monday").get_all()[-2].content == "Anything else?"


async def test_a_workflow_of_agents_shares_the_memory_also_through_its_context(alice):
    llm = Listening()
    one = FunctionAgent(name="one", description="first", llm=llm, can_handoff_to=["two"])
    two = FunctionAgent(name="two", description="second", llm=llm)
    workflow = AgentWorkflow(agents=[one, two], root_agent="one")
    handle(alice, "monday").put(ChatMessage(role="user", content="I drink green tea"))
    context = Context(workflow)
    memory = handle(alice, "tuesday")
    await workflow.run(user_msg="What tea do I drink?", memory=memory, ctx=context)

    context = Context.from_dict(workflow, json.loads(json.dumps(context.to_dict())))
    await workflow.run(user_msg="And is it green tea?", ctx=context)

    assert 'role="user">I drink green tea</memory>' in words(llm.told[-1])
    assert [m.content for m in memory.get_all()][::2] == [
        "What tea do I drink?",
        "And is it green tea?",
    ]


async def test_an_agent_s_run_is_a_turn_that_reinforces_once_and_takes_feedback(alice):
    tea = alice.add("The user drinks green tea")
    tools = feather_tools(alice, names=["recall"])
    agent = FunctionAgent(llm=Listening(("recall", {"query": "green tea"})), tools=tools)

    handler = agent.run("Which tea do I drink?", memory=handle(alice, "monday"))
    await handler

    assert alice.get(tea.id).recalls == 1
    (signal,) = MemoryFeedback(alice).like(handler.run_id)
    assert signal.memory_id == tea.id
    assert alice.get(tea.id).importance > tea.importance


async def test_a_turn_of_ours_goes_through_an_agent_and_its_tools(alice):
    tea = alice.add("The user drinks green tea")
    retriever = FeatherRetriever(store=alice)
    tool = RetrieverTool.from_defaults(retriever, name="search", description="memories")
    agent = FunctionAgent(llm=Listening(("search", {"input": "green tea"})), tools=[tool])

    with feather_turn("message-17"):
        output = await agent.run("Which tea do I drink?", memory=handle(alice, "monday"))
    feedback = MemoryFeedback(alice)

    assert [s.memory_id for s in feedback.like("message-17")] == [tea.id]
    assert [s.memory_id for s in feedback.copied(output, turn="message-17")] == [tea.id]
    assert alice.get(tea.id).recalls == 1


async def test_a_block_in_llama_index_s_memory_serves_an_agent(alice):
    block = FeatherMemoryBlock(store=alice, save="all")
    alice.add("The user drinks green tea")
    llm = Listening()
    memory = Memory.from_defaults(session_id="s", memory_blocks=[block])

    await FunctionAgent(llm=llm).run("Which tea do I drink?", memory=memory)

    assert '">The user drinks green tea</memory>' in words(llm.told[-1])
    assert [m.text for m in alice.iterate()][1:] == ["Which tea do I drink?", "As you say."]
    await memory.sql_store._async_engine.dispose()


class TestChatEngines:
    @pytest.fixture
    def llm(self):
        return MockLLMWithChatMemoryOfLastCall(is_chat_model=True)

    def test_a_simple_chat_engine_keeps_the_conversation(self, alice, llm):
        engine = SimpleChatEngine.from_defaults(llm=llm, memory=handle(alice, "monday"))
        engine.chat("I drink green tea")
        again = SimpleChatEngine.from_defaults(llm=llm, memory=handle(alice, "monday"))

        again.chat("What tea do I drink?")

        assert [m.content for m in handle(alice, "monday").get_all()][::2] == [
            "I drink green tea",
            "What tea do I drink?",
        ]
        assert "I drink green tea" in words(llm.last_chat_messages)

    async def test_a_simple_chat_engine_tells_what_other_sessions_know(self, alice, llm):
        handle(alice, "monday").put(ChatMessage(role="user", content="I drink green tea"))
        engine = SimpleChatEngine.from_defaults(llm=llm, memory=handle(alice, "tuesday"))

        await engine.achat("What tea do I drink?")

        assert 'role="user">I drink green tea</memory>' in words(llm.last_chat_messages)

    @pytest.mark.parametrize("kind", [ContextChatEngine, CondensePlusContextChatEngine])
    async def test_a_chat_engine_with_a_retriever_uses_both(self, tmp_path, alice, llm, kind):
        with Store.open(tmp_path / "documents.feather") as documents:
            documents.add("Sencha is steamed, matcha is ground")
            retriever = FeatherRetriever(store=documents)
            handle(alice, "monday").put(ChatMessage(role="user", content="I drink green tea"))
            engine = kind.from_defaults(
                retriever=retriever, llm=llm, memory=handle(alice, "tuesday")
            )

            first = engine.chat("Which green tea is ground?")
            await engine.achat("And which green tea is steamed?")

            assert [n.text for n in first.source_nodes] == ["Sencha is steamed, matcha is ground"]
            assert "I drink green tea" in words(llm.last_chat_messages)
            asked = [m.content for m in handle(alice, "tuesday").get_all() if m.role == "user"]
            assert asked == ["Which green tea is ground?", "And which green tea is steamed?"]
            assert documents.check() == []

    def test_a_streamed_answer_is_remembered_too(self, alice):
        engine = SimpleChatEngine.from_defaults(llm=MockLLM(), memory=handle(alice, "monday"))

        stream = engine.stream_chat("I drink green tea")
        writing = stream.write_response_to_history_thread
        said = "".join(stream.response_gen)
        writing.join()

        assert [m.content for m in handle(alice, "monday").get_all()] == [
            "I drink green tea",
            said.strip(),
        ]

    def test_resetting_an_engine_starts_over_and_the_memory_stays(self, alice, llm):
        engine = SimpleChatEngine.from_defaults(llm=llm, memory=handle(alice, "monday"))
        engine.chat("I drink green tea")

        engine.reset()

        assert engine.chat_history == []
        assert alice.stats().memories == 2
