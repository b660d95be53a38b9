"""A user's memory and the team's as one: told once, nearest first, judged where it was shown."""

from __future__ import annotations

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_feather_memory import (
    FeatherMemoryMiddleware,
    FeatherRetriever,
    MemoryFeedback,
    memory_tools,
)

from feather_memory import ContextLayers, TenantPool
from feather_memory.agent import NOTE
from feather_memory.testing import HashEmbedder

from .agents import ScriptedModel, calling

EXPECTED = {"My theme is dark", "Themes are set in ui.toml", "The theme is for all"}


@pytest.fixture
def pool(tmp_path):
    with TenantPool(tmp_path, embedder=HashEmbedder(128)) as pool:
        yield pool
        for tenant in pool.tenants():
            assert pool.get(tenant).check() == []


@pytest.fixture
def layers(pool):
    user, team, shared = (pool.get(name) for name in ("user:7", "team:3", "global"))
    user.add("My theme is dark", id="mine", key="ui.theme")
    team.add("The team's theme is light", id="ours", key="ui.theme")
    team.add("Themes are set in ui.toml", id="file")
    shared.add("Themes are set in ui.toml", id="again")
    shared.add("The theme is for all", id="all")
    return ContextLayers(user=user, team=team, shared=shared)


def lines(prompt: str) -> set[str]:
    told = [line for line in prompt.splitlines() if line.startswith("<memory ")]
    return {line[line.index(">") + 1 : line.rindex("<")] for line in told}


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
@pytest.mark.parametrize("door", ["middleware", "tools"])
async def test_a_model_is_told_all_layers_under_one_sentence_and_nothing_twice(layers, door, way):
    script = [calling("search_memory", query="which theme?")] if door == "tools" else []
    model = ScriptedModel(script=script)
    middleware = [FeatherMemoryMiddleware(layers=layers, save="none")]
    agent = create_agent(
        model,
        memory_tools(layers=layers) if door == "tools" else [],
        middleware=middleware if door == "middleware" else [],
    )
    message = {"messages": [HumanMessage("Which theme?")]}

    result = agent.invoke(message) if way == "invoke" else await agent.ainvoke(message)

    told = model.prompts[0]
    if door == "tools":
        told = next(m.text for m in result["messages"] if m.type == "tool")
    assert told.count(NOTE) == 1
    assert lines(told) == EXPECTED


async def test_a_retriever_finds_the_same(layers):
    retriever = FeatherRetriever(layers=layers)

    assert {d.page_content for d in retriever.invoke("theme?")} == EXPECTED
    assert {d.page_content for d in await retriever.ainvoke("theme?")} == EXPECTED


@pytest.mark.parametrize("name", ["message", "id", "copy"])
def test_the_layers_that_showed_it_share_the_credit_by_the_message_or_its_id_alone(
    pool, layers, name
):
    agent = create_agent(ScriptedModel(), middleware=[FeatherMemoryMiddleware(layers=layers)])
    answer = agent.invoke({"messages": [HumanMessage("Which theme?")]})["messages"][-1]
    run = {"message": answer, "id": answer.id, "copy": AIMessage("", id=answer.id)}[name]

    signals = MemoryFeedback(layers=layers).like(run)

    assert {signal.memory_id for signal in signals} == {"mine", "file", "all"}
    credited = {
        ("user:7", "mine"), ("team:3", "file"), ("global", "all"),
    }  # fmt: skip
    for tenant, memory_id in credited:
        assert pool.get(tenant).get(memory_id).importance == pytest.approx(0.45)
    assert pool.get("team:3").get("ours").importance == 0.4  # shadowed: nobody was shown it
    assert pool.get("global").get("again").importance == 0.4
