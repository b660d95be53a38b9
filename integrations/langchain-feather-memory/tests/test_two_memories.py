"""Two memories in one agent: what is meant for one never goes to the other."""

from __future__ import annotations

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_feather_memory import FeatherMemoryMiddleware, memory_tools

from feather_memory import ParameterError, Store
from feather_memory.testing import HashEmbedder

from .agents import ScriptedModel, calling


@pytest.fixture
def team(tmp_path):
    with Store.open(tmp_path / "team.feather", embedder=HashEmbedder(128)) as team:
        yield team
        assert team.check() == []


def run(agent):
    return agent.invoke({"messages": [HumanMessage("Please")]})


def test_each_middleware_has_tools_of_its_own_names_and_writes_to_its_own_store(store, team):
    model = ScriptedModel(
        script=[
            calling("save_memory", "1", text="My salary is 50"),
            calling("team_save_memory", "2", text="We deploy on Friday"),
        ]
    )
    own = FeatherMemoryMiddleware(store=store, tools=True, save="none")
    ours = FeatherMemoryMiddleware(store=team, tools=True, save="none", name="team")

    run(create_agent(model, middleware=[own, ours]))

    names = [each.name for each in (*own.tools, *ours.tools)]
    assert len(set(names)) == 6
    assert [memory.text for memory in store.iterate()] == ["My salary is 50"]
    assert [memory.text for memory in team.iterate()] == ["We deploy on Friday"]


def test_tools_without_a_middleware_are_named_apart_too(store, team):
    model = ScriptedModel(script=[calling("team_save_memory", text="We deploy on Friday")])

    run(create_agent(model, [*memory_tools(store=store), *memory_tools(store=team, name="team")]))

    assert len(store) == 0
    assert len(team) == 1
    assert "'team'" in memory_tools(store=team, name="team")[0].description


@tool("save_memory")
def theirs(text: str) -> str:
    """Somebody else's."""
    return text


DESCRIBED = {
    "a provider's": {"type": "save_memory_20260101", "name": "save_memory"},
    "a described": {"type": "function", "function": {"name": "save_memory", "parameters": {}}},
}


@pytest.mark.parametrize("other", ["tools", "function", *DESCRIBED])
async def test_a_name_that_is_taken_by_another_tool_is_refused_before_the_model_is_asked(
    store, team, other
):
    tools = memory_tools(store=team) if other == "tools" else [DESCRIBED.get(other, theirs)]
    model = ScriptedModel()
    agent = create_agent(
        model, tools, middleware=[FeatherMemoryMiddleware(store=store, tools=True)]
    )

    with pytest.raises(ParameterError, match="two tools of this agent are called"):
        run(agent)
    with pytest.raises(ParameterError, match="two tools of this agent are called"):
        await agent.ainvoke({"messages": [HumanMessage("Please")]})

    assert model.seen == []


def test_langchain_drops_one_of_two_tools_of_a_name_where_no_middleware_is_there_to_see(
    store, team
):
    """What cannot be mended here: the README says so."""
    model = ScriptedModel(script=[calling("save_memory", text="My salary is 50")])

    run(create_agent(model, [*memory_tools(store=store), *memory_tools(store=team)]))

    assert len(store) + len(team) == 1


@pytest.mark.parametrize("name", ["", "two words", "x" * 50, "tëam", "a.b", 5])
def test_a_name_that_no_provider_takes_for_a_tool_is_refused_when_it_is_made(store, name):
    with pytest.raises(ParameterError, match="the name of a memory with tools"):
        memory_tools(store=store, name=name)
    with pytest.raises(ParameterError, match="the name of a memory with tools"):
        FeatherMemoryMiddleware(store=store, tools=True, name=name)
    assert FeatherMemoryMiddleware(store=store, name=name).tools == []
