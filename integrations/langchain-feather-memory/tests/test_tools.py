"""The tools, as a model uses them through `create_agent`."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_feather_memory import FeatherMemoryMiddleware, MemoryFeedback, memory_tools

from feather_memory import ParameterError, TenantPool
from feather_memory.testing import HashEmbedder

from .agents import ScriptedModel, calling
from .conftest import HashEmbeddings


@pytest.fixture(params=["invoke", "ainvoke"])
def use(request):
    """Run one call of a tool by an agent: the tool's message, and the whole result."""

    async def used(tools, call, *, middleware=(), config=None, said="Please"):
        model = ScriptedModel(script=[call])
        agent = create_agent(model, tools, middleware=middleware)
        message = {"messages": [HumanMessage(said, id="m1")]}
        if request.param == "invoke":
            result = agent.invoke(message, config)
        else:
            result = await agent.ainvoke(message, config)
        return next(m for m in result["messages"] if m.type == "tool"), result, model

    return used


async def test_the_model_is_told_ids_and_texts_and_never_a_tenant(store, use):
    store.add("Deploys are on Tuesday", id="deploys")

    found, _, model = await use(
        memory_tools(store=store), calling("search_memory", query="deploys?")
    )

    assert 'id="deploys"' in found.content
    assert ">Deploys are on Tuesday<" in found.content
    (memory,) = found.artifact["memories"]
    assert (memory["id"], memory["text"]) == ("deploys", "Deploys are on Tuesday")
    assert json.loads(json.dumps(found.artifact)) == found.artifact
    given = {schema["title"]: sorted(schema["properties"]) for schema in model.tools}
    assert given == {
        "search_memory": ["query"],
        "save_memory": ["key", "text"],
        "correct_memory": ["memory_id", "text"],
    }


async def test_a_search_is_a_recall_that_feedback_finds(store, use):
    store.add("Deploys are on Tuesday", id="deploys")
    run_id = uuid4()

    found, _, _ = await use(
        memory_tools(store=store),
        calling("search_memory", query="deploys?"),
        config={"run_id": run_id},
    )
    MemoryFeedback(store).like(run_id)

    assert found.artifact["turn"] == str(run_id)
    assert store.get("deploys").importance == 0.55
    assert store.get("deploys").recalls == 1


async def test_a_search_under_the_middleware_is_of_its_turn(store, use):
    store.add("Deploys are on Tuesday", id="deploys")
    middleware = FeatherMemoryMiddleware(store=store, tools=True, save="none")

    # The message recalls the one memory, too: it is shown twice, and counted once.
    _, result, model = await use(
        [], calling("search_memory", query="deploys?"), middleware=[middleware], said="Deploys?"
    )
    MemoryFeedback(store).like(result["messages"][-1])

    assert 'id="deploys"' in model.prompts[0]
    assert store.get("deploys").recalls == 1
    assert store.get("deploys").importance == 0.55


async def test_a_slot_is_taken_over_by_what_is_saved_under_it(store, use):
    store.add("Python 3.10 is used", id="old", key="python.version")

    told, _, _ = await use(
        memory_tools(store=store, origin="user"),
        calling("save_memory", text="Python 3.12 is used", key="python.version"),
        config={"configurable": {"thread_id": "monday"}},
    )

    (current,) = store.search("Which Python?")
    assert current.memory.text == "Python 3.12 is used"
    assert (current.memory.session, current.memory.supersedes) == ("monday", ("old",))
    assert told.content == f"Saved as {current.memory.id}; it replaces old."


@pytest.mark.file
async def test_a_correction_supersedes_what_is_current_of_the_memory_it_names(store, use):
    """The model may know the memory by an older id: one fact is current all the same."""
    store.add("Deploys are on Monday", id="first", metadata={"team": "web"}, session="s1")
    store.supersede("first", "Deploys are on Tuesday", id="second")

    done, _, _ = await use(
        memory_tools(store=store, origin="user"),
        calling("correct_memory", memory_id="first", text="Deploys are on Friday"),
        config={"configurable": {"thread_id": "another"}},
    )

    (current,) = (hit.memory for hit in store.search("deploys"))
    assert current.text == "Deploys are on Friday"
    assert (current.metadata, current.session) == ({"team": "web"}, "s1")
    assert (done.status, done.content) == ("success", f"Corrected: {current.id} replaces first.")
    assert done.artifact == {"id": current.id, "supersedes": "first", "tenant": None}


async def test_what_the_user_stated_is_not_replaced_by_what_the_agent_writes(store, use):
    """It becomes a suggestion, and the model is told so."""
    store.add("Python 3.10 is used", id="old", key="python.version")
    tools = memory_tools(store=store)

    saved, _, _ = await use(
        tools, calling("save_memory", text="Python 3.12 is used", key="python.version")
    )
    done, _, _ = await use(
        tools, calling("correct_memory", memory_id="old", text="Python 3.13 is used")
    )

    assert [hit.memory.id for hit in store.search("Which Python is used?")] == ["old"]
    assert store.get("old").importance == 0.4
    for told in (saved, done):
        suggestion = store.get(told.artifact["id"])
        assert told.content.startswith(
            f"Kept as the suggestion {suggestion.id}: it contradicts old"
        )
        assert suggestion.origin == "assistant"


async def test_what_an_agent_wrote_it_may_correct_and_it_stays_the_agents(store, use):
    store.add("Deploys are on Monday", id="old", origin="assistant", metadata={"team": "web"})

    for _ in range(2):
        done, _, _ = await use(
            memory_tools(store=store),
            calling("correct_memory", memory_id="old", text="Deploys are on Friday"),
        )

    (current,) = (hit.memory for hit in store.search("deploys"))
    assert (current.text, current.origin) == ("Deploys are on Friday", "assistant")
    assert (current.metadata, current.supersedes) == ({"team": "web"}, ("old",))
    assert done.status == "success"
    assert store.get("old").importance < 0.4


async def test_a_tool_says_that_what_it_saves_was_replaced(store, use):
    old = store.add("Deploys are on Monday", origin="assistant")
    store.supersede(old.id, "Deploys are on Friday")

    saved, _, _ = await use(
        memory_tools(store=store), calling("save_memory", text="Deploys are on Monday")
    )

    assert saved.content.startswith(f"Nothing new: it only says again what memory {old.id}")
    assert [hit.memory.text for hit in store.search("deploys")] == ["Deploys are on Friday"]


async def test_what_is_saved_in_a_turn_is_derived_of_the_turn(store, use):
    middleware = FeatherMemoryMiddleware(store=store, tools=True)

    saved, _, _ = await use(
        [],
        calling("save_memory", text="Alice lives in Turin", key="home"),
        middleware=[middleware],
        said="I moved to Turin last May.",
    )

    fact = store.get(saved.artifact["id"])
    (turn,) = store.iterate({"text": "I moved to Turin last May."})
    assert [(e.source, e.target) for e in store.edges(fact.id) if e.type == "derived_from"] == [
        (fact.id, turn.id)
    ]
    store.supersede(fact.id, "Alice lives in Porto")
    found = {hit.memory.text for hit in store.search("Where is Turin? Alice lives", 9)}
    assert found == {"Alice lives in Porto"}


async def test_what_the_model_saves_anew_retires_its_own_fact_and_not_the_users_words(store, use):
    middleware = FeatherMemoryMiddleware(store=store, tools=True)
    for said, text in (
        ("I moved to Turin last May.", "The user lives in Turin"),
        ("Plan a trip for me.", "The user lives in Rome"),
    ):
        call = calling("save_memory", text=text, key="home")
        await use([], call, middleware=[middleware], said=said)

    found = {hit.memory.text for hit in store.search("The user lives in Turin or Rome", 9)}
    assert found >= {"I moved to Turin last May.", "The user lives in Rome"}
    assert "The user lives in Turin" not in found


def test_an_origin_that_is_none_is_refused(store):
    for make in (memory_tools, FeatherMemoryMiddleware):
        with pytest.raises(ParameterError, match="origin"):
            make(store=store, origin="root")


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (calling("search_memory", query=" "), "blank"),
        (calling("save_memory", text=""), "text"),
        (calling("save_memory", text="x", key=""), "key"),
        (calling("correct_memory", memory_id="nobody", text="x"), "no memory with id 'nobody'"),
        (calling("correct_memory", memory_id="nobody", text=" "), "nobody"),
    ],
)
async def test_what_the_model_got_wrong_it_is_told(store, use, call, reason):
    told, result, _ = await use(memory_tools(store=store), call)

    assert told.status == "error"
    assert reason in told.content
    assert result["messages"][-1].text == "Noted."
    assert len(store) == 0


async def test_a_call_that_is_run_again_writes_nothing_new(store, use):
    store.add("Deploys are on Tuesday", id="deploys")
    for call in (
        calling("save_memory", text="Alice likes tea"),
        calling("correct_memory", memory_id="deploys", text="Deploys are on Friday"),
    ):
        call.id = "made by one run of the model"
        for _ in range(2):
            told, _, _ = await use(memory_tools(store=store), call.model_copy())
            assert told.status == "success"

    assert sorted(memory.text for memory in store.iterate()) == [
        "Alice likes tea",
        "Deploys are on Friday",
        "Deploys are on Tuesday",
    ]


async def test_the_tenant_is_the_runs_and_there_is_no_default(tmp_path, use):
    with TenantPool(tmp_path / "memories", embedder=HashEmbedder(128)) as pool:
        tools = memory_tools(pool=pool)
        call = calling("save_memory", text="Deploys are on Tuesday")

        for tenant in ("alice", "bob"):
            await use(tools, call.model_copy(), config={"configurable": {"tenant": tenant}})
        with pytest.raises(ParameterError, match="no tenant is named"):
            await use(tools, call.model_copy())

        assert [len(pool.get(tenant)) for tenant in pool.tenants()] == [1, 1]
        assert pool.get("alice").check() == pool.get("bob").check() == []


async def test_an_embedding_is_used_without_holding_up_the_loop(tmp_path, use, request):
    with TenantPool(tmp_path / "memories") as pool:
        embedding = HashEmbeddings()
        tools = memory_tools(pool=pool, tenant="alice", embedding=embedding)

        await use(tools, calling("save_memory", text="Deploys are on Tuesday"))
        (memory,) = pool.get("alice").iterate()
        await use(tools, calling("search_memory", query="deploys"))
        await use(tools, calling("correct_memory", memory_id=memory.id, text="On Friday"))

        prefix = "a" if "ainvoke" in request.node.name else ""
        assert embedding.calls == [
            f"{prefix}embed_documents",
            f"{prefix}embed_query",
            f"{prefix}embed_documents",
        ]
        assert all(memory.vector is not None for memory in pool.get("alice").iterate())
        assert pool.get("alice").check() == []
