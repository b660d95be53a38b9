"""Where memories stand in what a model is sent, and that nothing stands there twice."""

from __future__ import annotations

from itertools import pairwise, takewhile

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langchain_feather_memory import FeatherMemoryMiddleware
from langgraph.checkpoint.memory import InMemorySaver

from feather_memory import ParameterError

from .agents import ScriptedModel, calling


def flat(messages) -> str:
    """What a provider's cache sees of a request: everything, from the front."""
    return "".join(f"<{message.type}>{message.text}" for message in messages)


def shares(model) -> list[float]:
    """Of each request but the last, the share that begins the next one, too."""
    return [same_beginning(one, other) / len(one) for one, other in pairwise(map(flat, model.seen))]


def same_beginning(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def talk(store, turns, **options):
    model = ScriptedModel(script=[AIMessage(f"Answer {n} " + "word " * 60) for n in range(turns)])
    agent = create_agent(
        model,
        system_prompt="Be brief. " * 20,
        middleware=[FeatherMemoryMiddleware(store=store, save="none", k=2, **options)],
        checkpointer=InMemorySaver(),
    )
    config = {"configurable": {"thread_id": "t"}}
    for turn in range(turns):
        agent.invoke({"messages": [HumanMessage(f"What of topic {turn}?")]}, config)
    return model


@pytest.mark.parametrize("is_stateful", [False, True])
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_what_the_history_says_is_not_recalled_into_it_again(store, way, is_stateful):
    """A client without threads sends the history anew, under ids that nobody has seen."""
    saver = InMemorySaver() if is_stateful else None
    model = ScriptedModel()
    agent = create_agent(
        model, middleware=[FeatherMemoryMiddleware(store=store)], checkpointer=saver
    )
    config = {"configurable": {"thread_id": "t"}} if is_stateful else {}
    store.add("Deploys need two reviews")
    history = [HumanMessage("Deploys are on Tuesday"), AIMessage("Deploys noted.")]

    for question in ("When are deploys?", "Are deploys reviewed?"):
        messages = [HumanMessage(question)] if is_stateful and len(history) > 2 else [
            *(message.model_copy(update={"id": None}) for message in history),
            HumanMessage(question),
        ]  # fmt: skip
        if way == "invoke":
            result = agent.invoke({"messages": messages}, config)
        else:
            result = await agent.ainvoke({"messages": messages}, config)
        history = result["messages"]

    for messages, prompt in zip(model.seen, model.prompts, strict=True):
        assert "Deploys need two reviews" in prompt
        assert not [m.text for m in messages if m.type != "system" and f">{m.text}<" in prompt]


def test_after_the_question_the_history_before_it_stays_what_a_cache_has_of_it(store):
    """The default costs the cache all of the history, at every turn whose memories are others."""
    for number in range(20):
        store.add(f"Topic {number} is known, and it is number {number}")

    system, question = talk(store, 8), talk(store, 8, show_in="question")

    assert min(shares(question)[3:]) > 0.75
    assert max(shares(system)[3:]) < 0.5
    for model in (system, question):
        assert all("<memories>" in flat(messages) for messages in model.seen)


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_after_the_question_they_stand_at_every_call_of_a_turn_and_never_in_the_history(
    store, way
):
    store.add("Deploys are on Tuesday")

    @tool
    def weather() -> str:
        """The weather."""
        return "Rain"

    model = ScriptedModel(script=[calling("weather"), AIMessage("Tuesday.")])
    agent = create_agent(
        model,
        [weather],
        middleware=[FeatherMemoryMiddleware(save="all", store=store, show_in="question")],
    )
    blocks = [{"type": "text", "text": "When are "}, {"type": "text", "text": "deploys?"}]
    messages = {"messages": [HumanMessage(blocks)]}
    result = agent.invoke(messages) if way == "invoke" else await agent.ainvoke(messages)

    for seen in model.seen:
        assert seen[0].content[:2] == blocks
        assert ">Deploys are on Tuesday<" in seen[0].content[2]["text"]
    assert result["messages"][0].content == blocks
    assert [m.text for m in store.iterate()][1:] == ["When are deploys?", "Tuesday."]


def test_there_are_two_places(store):
    with pytest.raises(ParameterError, match="show_in"):
        FeatherMemoryMiddleware(save="all", store=store, show_in="history")
