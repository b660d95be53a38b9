"""Only what a run recalled and its model answered is saved, whoever else speaks in between."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    ModelCallLimitMiddleware,
    ModelRetryMiddleware,
    hook_config,
)
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langchain_core.tools import tool
from langchain_feather_memory import FeatherMemoryMiddleware
from langgraph.checkpoint.memory import InMemorySaver

from .agents import ScriptedModel, calling

REFUSAL = "I cannot help with that."


class Guard(AgentMiddleware):
    """Ends the run at one of the places where a middleware can, if it hears the word."""

    def __init__(self, hook: str, word: str = "bomb") -> None:
        super().__init__()
        self.hook, self.word = hook, word

    def _refuse(self, hook: str, state: Any) -> dict[str, Any] | None:
        heard = any(self.word in m.text for m in state["messages"][-1:])
        if hook != self.hook or not heard:
            return None
        return {"messages": [AIMessage(REFUSAL)], "jump_to": "end"}

    @hook_config(can_jump_to=["end"])
    def before_agent(self, state, runtime):
        return self._refuse("before_agent", state)

    @hook_config(can_jump_to=["end"])
    def before_model(self, state, runtime):
        return self._refuse("before_model", state)

    @hook_config(can_jump_to=["end"])
    def after_model(self, state, runtime):
        return self._refuse("after_model", state)

    def after_agent(self, state, runtime):
        return self._refuse("after_agent", state)


def agent_of(store, *others, order="first", model=None, tools=(), **options):
    memory = FeatherMemoryMiddleware(**{"store": store, "save": "all", **options})
    middleware = [memory, *others] if order == "first" else [*others, memory]
    return create_agent(
        model or ScriptedModel(), list(tools), middleware=middleware, checkpointer=InMemorySaver()
    )


async def say(agent, text, way, message_id=None):
    message = {"messages": [HumanMessage(text, id=message_id)]}
    config: Any = {"configurable": {"thread_id": "t"}}
    if way == "stream":
        return list(agent.stream(message, config, stream_mode="values"))[-1]
    if way == "astream":
        return [step async for step in agent.astream(message, config, stream_mode="values")][-1]
    return (
        agent.invoke(message, config) if way == "invoke" else await agent.ainvoke(message, config)
    )


def texts(store):
    return [memory.text for memory in store.iterate()]


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize("hook", ["before_agent", "before_model"])
async def test_a_refusal_is_nobodys_answer_and_what_was_blocked_is_not_kept(
    store, hook, order, way
):
    agent = agent_of(store, Guard(hook), order=order)

    await say(agent, "When are deploys?", way)
    blocked = await say(agent, "How to build a bomb?", way)
    await say(agent, "And lunch?", way)

    assert blocked["messages"][-1].text == REFUSAL
    assert texts(store) == ["When are deploys?", "Noted.", "And lunch?", "Noted."]


class Silent(Guard):
    """Ends the run and says nothing."""

    def _refuse(self, hook, state):
        refused = super()._refuse(hook, state)
        return refused and {"jump_to": "end"}


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize("hook", ["before_agent", "before_model"])
async def test_what_was_blocked_without_an_answer_is_not_kept_with_the_next_turn(
    store, hook, order, way
):
    agent = agent_of(store, Silent(hook), order=order)

    for text in ("A bomb?", "How to build a bomb?", "When are deploys?", "A bomb!", "And lunch?"):
        await say(agent, text, way)

    assert texts(store) == ["When are deploys?", "Noted.", "And lunch?", "Noted."]
    assert store.check() == []


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize("order", ["first", "last"])
async def test_what_was_said_in_a_run_that_failed_is_kept_and_what_was_blocked_before_is_not(
    store, order, way
):
    class Failing(ScriptedModel):
        def _generate(self, messages, *args, **given):
            if "fail" in messages[-1].text:
                raise ConnectionError
            return super()._generate(messages, *args, **given)

    agent = agent_of(store, Silent("before_agent"), order=order, model=Failing())
    await say(agent, "How to build a bomb?", way)
    with pytest.raises(ConnectionError):
        await say(agent, "Please fail", way)

    await say(agent, "And lunch?", way)

    assert texts(store) == ["Please fail", "And lunch?", "Noted."]
    assert store.check() == []


@pytest.mark.parametrize("order", ["first", "last"])
async def test_an_answer_that_was_blocked_is_not_kept_and_neither_is_what_stood_in_for_it(
    store, order
):
    model = ScriptedModel(script=[AIMessage("Take a bomb.")])
    agent = agent_of(store, Guard("after_model"), order=order, model=model)

    await say(agent, "What then?", "invoke")

    assert texts(store) == ["What then?"]


async def test_the_notice_of_a_limit_is_no_answer(store):
    @tool
    def again() -> str:
        """Again."""
        return "again"

    model = ScriptedModel(script=[calling("again", str(n)) for n in range(5)])
    limit = ModelCallLimitMiddleware(run_limit=2, exit_behavior="end")
    agent = agent_of(store, limit, model=model, tools=[again])

    ended = await say(agent, "Try it", "invoke")

    assert "limit" in ended["messages"][-1].text
    assert texts(store) == ["Try it"]


async def test_a_run_that_failed_is_not_saved_by_the_next_that_was_blocked(store):
    class Failing(ScriptedModel):
        def _generate(self, messages, *args, **given):
            if "fail" in messages[-1].text:
                raise ConnectionError
            return super()._generate(messages, *args, **given)

    agent = agent_of(store, Guard("before_agent"), order="last", model=Failing())
    with pytest.raises(ConnectionError):
        await say(agent, "Please fail", "invoke")

    await say(agent, "How to build a bomb?", "invoke")

    assert texts(store) == []


@pytest.mark.parametrize("keeps", ["metadata", "id"])
async def test_an_answer_that_another_middleware_masked_is_saved_masked(store, keeps):
    class Masking(AgentMiddleware):
        def after_model(self, state, runtime):
            said = state["messages"][-1]
            if keeps == "id":
                return {"messages": [AIMessage("It is ****.", id=said.id)]}
            new = said.model_copy(update={"content": "It is ****.", "id": "new"})
            return {"messages": [RemoveMessage(said.id), new]}

    model = ScriptedModel(script=[AIMessage("It is 1234.")])
    agent = agent_of(store, Masking(), model=model)

    await say(agent, "My code?", "invoke")

    assert texts(store) == ["My code?", "It is ****."]


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
@pytest.mark.parametrize("order", ["first", "last"])
async def test_what_a_middleware_answers_instead_of_the_model_is_not_saved(store, order, way):
    class Cache(AgentMiddleware):
        def wrap_model_call(self, request, handler):
            return AIMessage("Cached.")

        async def awrap_model_call(self, request, handler):
            return AIMessage("Cached.")

    answered = await say(agent_of(store, Cache(), order=order), "Well?", way)

    assert answered["messages"][-1].text == "Cached."
    assert texts(store) == []


@pytest.mark.parametrize("order", ["first", "last"])
async def test_the_notice_that_a_model_failed_is_no_answer(store, order):
    class Failing(ScriptedModel):
        def _generate(self, messages, *args, **given):
            raise ConnectionError("down")

    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0, on_failure="continue")

    ended = await say(agent_of(store, retry, order=order, model=Failing()), "Well?", "invoke")

    assert "failed" in ended["messages"][-1].text
    assert texts(store) == []


async def test_what_a_guard_writes_over_the_models_own_message_cannot_be_told_from_a_mask(store):
    """What cannot be mended here: the README says so."""

    class Overwriting(AgentMiddleware):
        def after_agent(self, state, runtime):
            said = state["messages"][-1]
            return {"messages": [AIMessage(REFUSAL, id=said.id)]}

    await say(agent_of(store, Overwriting()), "Well?", "invoke")

    assert texts(store) == ["Well?", REFUSAL]
