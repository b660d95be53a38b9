"""Through `create_agent`, as applications use it."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langchain_feather_memory import FeatherMemoryMiddleware, MemoryFeedback
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import Field

from feather_memory import F, ParameterError, Scoring, Store, TenantPool, WrongTenantError
from feather_memory.testing import HashEmbedder
from feather_memory.testing.loops import goes_on, held

from .agents import ScriptedModel, calling
from .conftest import HashEmbeddings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[TenantPool]:
    with TenantPool(tmp_path / "memories", embedder=HashEmbedder(128)) as pool:
        yield pool
        for tenant in pool.tenants():
            assert pool.get(tenant).check() == []


def agent_of(model, *, checkpointer=None, tools=(), context=None, **options):
    return create_agent(
        model,
        list(tools),
        system_prompt="Be brief.",
        middleware=[FeatherMemoryMiddleware(**{"save": "all", **options})],
        checkpointer=checkpointer,
        context_schema=context,
    )


def said(text: str, message_id: str | None = None):
    return {"messages": [HumanMessage(text, id=message_id)]}


def thread(name: str, **configurable):
    return {"configurable": {"thread_id": name, **configurable}}


async def run(agent, message, config=None, *, way: str, **given):
    """One turn, in one of the ways an agent is run."""
    if way == "invoke":
        return agent.invoke(message, config, **given)
    if way == "ainvoke":
        return await agent.ainvoke(message, config, **given)
    if way == "stream":
        return list(agent.stream(message, config, stream_mode="values", **given))[-1]
    return [s async for s in agent.astream(message, config, stream_mode="values", **given)][-1]


def fence_in(prompt: str) -> ET.Element:
    return ET.fromstring(prompt[prompt.index("<memories>") :])  # noqa: S314  our own


def texts_in(prompt: str) -> list[str | None]:
    return [memory.text for memory in fence_in(prompt)]


WAYS = ["invoke", "ainvoke", "stream", "astream"]


@pytest.mark.parametrize("way", WAYS)
async def test_what_one_thread_said_another_recalls(store, model, way):
    agent = agent_of(model, store=store, checkpointer=InMemorySaver())

    await run(agent, said("Deploys are on Tuesday"), thread("one"), way=way)
    result = await run(agent, said("When are deploys?"), thread("two"), way=way)

    assert "<memories>" not in model.prompts[0]
    assert model.prompts[1].startswith("Be brief.")
    assert texts_in(model.prompts[1])[0] == "Deploys are on Tuesday"
    assert [m.type for m in result["messages"]] == ["human", "ai"]
    assert all("<memories>" not in m.text for m in result["messages"])


@pytest.mark.parametrize("way", WAYS)
async def test_both_sides_are_saved_and_linked_in_the_order_of_the_thread(store, model, way):
    agent = agent_of(model, store=store, checkpointer=InMemorySaver())

    for text in ("Deploys are on Tuesday", "Lunch is at noon"):
        await run(agent, said(text), thread("monday"), way=way)

    memories = list(store.iterate())
    assert [(m.text, m.role, m.session) for m in memories] == [
        ("Deploys are on Tuesday", "user", "monday"),
        ("Noted.", "assistant", "monday"),
        ("Lunch is at noon", "user", "monday"),
        ("Noted.", "assistant", "monday"),
    ]
    edges = {(e.source, e.target) for m in memories for e in store.edges(m.id) if e.type == "next"}
    ids = [m.id for m in memories]
    assert edges == set(pairwise(ids))


@pytest.mark.parametrize(("save", "roles"), [("user", ["user"]), ("none", []), ("all", None)])
def test_what_is_saved_is_chosen(store, model, save, roles):
    agent_of(model, store=store, save=save).invoke(said("Deploys are on Tuesday"))

    expected = ["user", "assistant"] if roles is None else roles
    assert [memory.role for memory in store.iterate()] == expected


def test_the_memories_come_after_all_that_the_system_message_says(store, model):
    store.add("Deploys are on Tuesday")
    cached = {"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}

    class Caching(AgentMiddleware):
        def wrap_model_call(self, request, handler):
            system = request.system_message.model_copy(update={"content": [cached]})
            return handler(request.override(system_message=system))

    create_agent(
        model,
        system_prompt="Long.",
        middleware=[Caching(), FeatherMemoryMiddleware(store=store, save="none")],
    ).invoke(said("deploys?"))

    first, memories = model.seen[0][0].content
    assert first == cached
    assert texts_in(memories["text"]) == ["Deploys are on Tuesday"]


@pytest.mark.parametrize("budget", [60, 120, 250])
def test_the_budget_holds_for_the_whole_text_and_keeps_the_best(store, model, budget):
    for number in range(12):
        store.add(f"deploy {number} " + "word " * (3 + 7 * (number % 3)))

    def characters(text: str) -> int:
        return len(text) // 4

    agent_of(
        model, store=store, k=12, max_tokens=budget, count_tokens=characters, save="none"
    ).invoke(said("deploy"))

    (prompt,) = model.prompts
    shown = prompt.removeprefix("Be brief.").strip()
    ranked = [hit.memory.text for hit in store.search("deploy", k=12)]
    if not shown:
        assert budget == 60
        return
    assert characters(shown) <= budget
    kept = texts_in(shown)
    assert kept == [text for text in ranked if text in kept]
    shorter = {len(text) for text in kept}
    left_out = [text for text in ranked[: ranked.index(kept[-1])] if text not in kept]
    assert all(len(text) > min(shorter) for text in left_out)


def test_a_superseded_fact_is_not_shown_and_neither_is_the_message_itself(store, model):
    store.add("Deploys are on Monday", key="deploys")
    store.add("Deploys are on Tuesday", key="deploys")
    agent = agent_of(model, store=store, checkpointer=InMemorySaver())

    agent.invoke(said("When are deploys?"), thread("one"))
    agent.invoke(said("When are deploys?"), thread("two"))
    agent.invoke(said("And when are deploys?"), thread("two"))

    assert texts_in(model.prompts[0]) == ["Deploys are on Tuesday"]
    assert "When are deploys?" not in texts_in(model.prompts[1])
    # What was asked in another thread answers nothing, nor does what the model said there.
    assert texts_in(model.prompts[2]) == ["Deploys are on Tuesday"]


def test_several_messages_at_once_are_one_turn(store, model):
    store.add("Deploys are on Tuesday")
    agent = agent_of(model, store=store, checkpointer=InMemorySaver())
    both = [HumanMessage("I have a question"), HumanMessage("When are deploys?")]

    for _ in range(2):
        agent.invoke({"messages": [m.model_copy() for m in both]}, thread("one"))

    said_so_far = ["I have a question", "When are deploys?", "Noted."]
    assert [m.text for m in store.iterate() if m.session] == said_so_far * 2
    assert [texts_in(prompt) for prompt in model.prompts] == [["Deploys are on Tuesday"]] * 2


def test_a_run_that_is_run_again_remembers_it_once(store, model):
    embedding = HashEmbeddings()
    agent = agent_of(model, store=store, embedding=embedding)
    model.script = [AIMessage("On Tuesday", id="a1"), AIMessage("On Tuesday", id="a1")]

    agent.invoke(said("When are deploys?", "q1"), thread("one"))
    agent.invoke(said("When are deploys?", "q1"), thread("one"))

    assert [memory.text for memory in store.iterate()] == ["When are deploys?", "On Tuesday"]
    assert embedding.calls.count("embed_documents") == 1


@pytest.mark.parametrize("way", WAYS)
async def test_a_loop_of_tools_recalls_once_and_shows_it_at_every_call(store, model, way):
    store.add("Deploys are on Tuesday", id="deploys")

    @tool
    def weather(city: str) -> str:
        """The weather."""
        return f"Rain in {city}"

    model.script = [calling("weather", city="Oslo"), AIMessage("Tuesday, and it rains.")]
    agent = agent_of(model, store=store, tools=[weather])

    result = await run(agent, said("Deploys on Tuesday, rain?"), way=way)

    assert [texts_in(p) for p in model.prompts] == [["Deploys are on Tuesday"]] * 2
    assert store.get("deploys").recalls == 1
    assert [m.type for m in result["messages"]] == ["human", "ai", "tool", "ai"]
    saved = [m.text for m in store.iterate() if m.session is None and m.role is not None]
    assert saved == ["Deploys on Tuesday, rain?", "Tuesday, and it rains."]


def test_the_state_is_private_json_and_begun_anew_each_turn(store, model):
    store.add("Deploys are on Tuesday")
    agent = agent_of(model, store=store, checkpointer=InMemorySaver())

    result = agent.invoke(said("deploys?"), thread("one"))
    first = agent.get_state(thread("one")).values["feather_memory"]
    agent.invoke(said("xyzzy"), thread("one"))
    second = agent.get_state(thread("one")).values["feather_memory"]

    assert set(result) == {"messages"}
    assert json.loads(json.dumps(first)) == first
    turn, later = first["FeatherMemoryMiddleware"], second["FeatherMemoryMiddleware"]
    assert [one["text"] for one in turn["asked"]] == ["deploys?"]
    assert [one["text"] for one in later["asked"]] == ["xyzzy"]
    assert later["turn"] != turn["turn"]


def test_the_options_reach_the_search(store, model):
    old = {"valid_from": 0.0}
    store.add("Deploys are on Tuesday", id="a", session="s1", metadata={"team": "web"}, **old)
    store.add("Deploys are on Friday", id="b", session="s2", metadata={"team": "ops"}, **old)
    store.add("Two people approve", id="c", session="s1", metadata={"team": "web"})
    store.link("a", "c", "leads_to")

    def recalled(**options):
        agent_of(model, store=store, save="none", **options).invoke(said("Deploys?"))
        return texts_in(model.prompts[-1])

    assert recalled(k=1, where={"team": "ops"}) == ["Deploys are on Friday"]
    assert recalled(k=1, where=F("id") == "a") == ["Deploys are on Tuesday"]
    assert recalled(k=1, session="s2") == ["Deploys are on Friday"]
    assert recalled(k=1, hops=1, session="s1") == ["Deploys are on Tuesday", "Two people approve"]
    newest = {"k": 2, "scoring": Scoring(time_weight=1.0)}
    assert recalled(min_relevance=0, **newest)[0] == "Two people approve"
    assert "Two people approve" not in recalled(**newest)


@pytest.mark.parametrize("save", ["user", "all"])
def test_by_default_what_the_user_said_is_all_that_is_remembered(store, save):
    """The assistant's words stay in the thread, and are no evidence of what is true."""
    model = ScriptedModel(script=[AIMessage("You drink coffee, I think.")])
    middleware = [
        FeatherMemoryMiddleware(store=store, **({} if save == "user" else {"save": save}))
    ]
    agent = create_agent(model, middleware=middleware)

    agent.invoke(said("I drink tea in the morning."))

    spoken = {memory.origin: memory.text for memory in store.iterate()}
    everything = {"user": "I drink tea in the morning.", "assistant": "You drink coffee, I think."}
    assert spoken == (everything if save == "all" else {"user": everything["user"]})


def test_questions_thanks_and_what_nobody_said_recall_nothing_of_each_other(store, model):
    agent = agent_of(model, store=store, save="user")
    talk = ["I drink green tea.", "What do I drink?", "Thanks!", "What do I drink?", "ok", "bye"]
    for number, text in enumerate([*talk, "What is my blood type?"]):
        agent.invoke(said(text), thread(str(number)))

    shown = [texts_in(prompt) if "<memories>" in prompt else [] for prompt in model.prompts]
    assert shown == [[], ["I drink green tea."], [], ["I drink green tea."], [], [], []]


def test_what_another_middleware_has_masked_is_saved_masked(store, model):
    class Masking(AgentMiddleware):
        def before_model(self, state, runtime):
            (message,) = state["messages"][-1:]
            return {"messages": [HumanMessage("My code is ****", id=message.id)]}

    create_agent(
        model, middleware=[Masking(), FeatherMemoryMiddleware(store=store, save="user")]
    ).invoke(said("My code is 1234"))

    assert [memory.text for memory in store.iterate()] == ["My code is ****"]


@pytest.mark.file
def test_two_memories_in_one_agent_keep_apart(store, model, tmp_path):
    store.add("Alice deploys on Tuesday", id="mine")
    with Store.open(tmp_path / "team.feather", embedder=HashEmbedder(128)) as team:
        team.add("The team deploys on Friday", id="ours")
        agent = create_agent(
            model,
            middleware=[
                FeatherMemoryMiddleware(store=store, name="own"),
                FeatherMemoryMiddleware(store=team, name="team", save="none"),
            ],
        )
        answer = agent.invoke(said("Who deploys when?"))["messages"][-1]
        MemoryFeedback(team).like(answer)
        MemoryFeedback(store).like(answer)

        assert "Alice deploys" in model.prompts[0]
        assert "The team deploys" in model.prompts[0]
        assert team.get("ours").importance == store.get("mine").importance == 0.55
        assert len(team) == 1
        assert team.check() == []


# Tenants


@dataclass
class Context:
    tenant: str | None = None


@pytest.mark.parametrize("way", WAYS)
async def test_the_tenant_is_named_by_field_then_configurable_then_context(pool, model, way):
    for tenant in ("field", "configurable", "context"):
        pool.get(tenant).add(f"Deploys: {tenant}", id="deploys")
    bound = agent_of(model, pool=pool, tenant="field", save="none", context=Context)
    free = agent_of(model, pool=pool, save="none", context=Context)
    keyed = agent_of(model, pool=pool, save="none", context=dict, tenant_key="user")
    named, context = thread("t", tenant="configurable"), Context("context")

    await run(bound, said("deploys"), named, way=way, context=context)
    await run(free, said("deploys"), named, way=way, context=context)
    await run(free, said("deploys"), thread("t"), way=way, context=context)
    await run(keyed, said("deploys"), thread("t"), way=way, context={"user": "context"})

    shown = [texts_in(prompt)[0] for prompt in model.prompts]
    assert shown == [f"Deploys: {t}" for t in ("field", "configurable", "context", "context")]


@pytest.mark.parametrize("way", WAYS)
async def test_a_run_without_a_tenant_is_refused_before_anything(pool, store, model, way):
    free = agent_of(model, pool=pool, context=Context)
    bound = agent_of(model, store=store)

    with pytest.raises(ParameterError, match="no tenant is named"):
        await run(free, said("x"), thread("t"), way=way, context=Context())
    with pytest.raises(WrongTenantError):
        await run(bound, said("x"), thread("t", tenant="bob"), way=way)

    assert model.seen == []
    assert pool.tenants() == []


class Keeping(ScriptedModel):
    """Keeps each prompt under the first word of the message that it answers: who asks."""

    prompts_of: dict[str, list[str]] = Field(default_factory=dict)

    def _generate(self, messages, *args, **given):
        self.prompts_of.setdefault(messages[-1].text.split()[0], []).append(messages[0].text)
        return super()._generate(messages, *args, **given)

    def leaks(self) -> int:
        """How many prompts name another tenant than the one that asks."""
        return sum(
            other in prompt
            for tenant, other in (("alice", "bob"), ("bob", "alice"))
            for prompt in self.prompts_of[tenant]
        )


@pytest.mark.parametrize("turns", [50, pytest.param(5000, marks=pytest.mark.long)])
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_two_tenants_on_one_agent_never_meet(pool, way, turns):
    for tenant in ("alice", "bob"):
        pool.get(tenant).add(f"canary of {tenant}")
    model, control = Keeping(), Keeping()
    agent = agent_of(model, pool=pool)
    who = [("alice", "bob")[n % 2] for n in range(turns)]

    def asking(number):
        return said(f"{who[number]} asks of the canary {number}"), thread("t", tenant=who[number])

    if way == "invoke":
        with ThreadPoolExecutor(4) as workers:
            list(workers.map(lambda n: agent.invoke(*asking(n)), range(turns)))
    else:
        for start in range(0, turns, 25):
            batch = range(start, min(start + 25, turns))
            await asyncio.gather(*(agent.ainvoke(*asking(n)) for n in batch))
    ignoring = agent_of(control, pool=pool, tenant="alice", save="none")
    for number in range(2):
        ignoring.invoke(*asking(number))

    assert [len(prompts) for prompts in model.prompts_of.values()] == [turns / 2] * 2
    assert model.leaks() == 0
    assert control.leaks() == 1
    for tenant in ("alice", "bob"):
        assert all(tenant in prompt for prompt in model.prompts_of[tenant])
        heard = {m.text for m in pool.get(tenant).iterate(F("role") == "user")}
        assert heard == {asking(n)[0]["messages"][0].text for n in range(turns) if who[n] == tenant}


def test_a_turn_that_goes_on_for_another_tenant_is_refused(pool, model):
    @tool
    def buy(what: str) -> str:
        """Buy it."""
        return what

    pool.get("alice").add("Alice likes tea")
    model.script = [calling("buy", what="tea")]
    agent = create_agent(
        model,
        [buy],
        middleware=[FeatherMemoryMiddleware(pool=pool)],
        checkpointer=InMemorySaver(),
        interrupt_before=["tools"],
    )
    agent.invoke(said("Buy tea"), thread("t", tenant="alice"))

    with pytest.raises(ParameterError, match="goes on for 'bob'"):
        agent.invoke(None, thread("t", tenant="bob"))
    assert len(model.seen) == 1  # nothing of Alice's was shown under Bob's name

    result = agent.invoke(None, thread("t", tenant="alice"))
    assert result["messages"][-1].text == "Noted."
    assert [memory.text for memory in pool.get("bob").iterate()] == []


# Feedback without any handler


@pytest.mark.file
@pytest.mark.parametrize("way", WAYS)
async def test_feedback_needs_no_handler_and_counts_once_by_any_name(store, model, way):
    store.add("Deploys are on Tuesday", id="deploys")
    agent, run_id = agent_of(model, store=store), uuid4()

    result = await run(agent, said("deploys?"), {"run_id": run_id}, way=way)
    answer = result["messages"][-1]
    with Store.open(store.path) as elsewhere:
        for name in (answer, answer.id, run_id, str(run_id), AIMessage("", id=answer.id)):
            MemoryFeedback(elsewhere).like(name)

    assert store.get("deploys").importance == 0.55


def test_a_correction_retires_the_answer_that_was_given_too(store, model):
    """Else the next run recalls what the model said wrong, beside what is right."""
    model.script = [AIMessage("On Friday."), AIMessage("At noon.")]
    agent = agent_of(model, store=store)
    store.add("Deploys are on Friday", id="fact")
    answer = agent.invoke(said("Deploys are on which day?"))["messages"][-1]
    other = agent.invoke(said("Lunch is at which hour?"))["messages"][-1]
    before = {memory.text for memory in store.iterate(F("role") == "assistant")}

    for _ in range(2):
        MemoryFeedback(store).corrected(
            answer, correction="Deploys are on Tuesday", memory_ids=["fact"]
        )

    assert before == {answer.text, other.text}
    found = {hit.memory.text for hit in store.search("Deploys answer lunch", k=99)}
    assert answer.text not in found
    assert {other.text, "Deploys are on Tuesday"} <= found
    assert "Deploys are on Friday" not in found
    (new,) = store.get("fact").superseded_by
    assert {m.text for m in store.history(new)} == {
        "Deploys are on Friday", "Deploys are on Tuesday", answer.text,
    }  # fmt: skip


def test_a_stream_of_messages_has_each_answer_once(store, model):
    store.add("Deploys are on Tuesday")
    agent = agent_of(model, store=store)

    chunks = [chunk for chunk, _ in agent.stream(said("deploys?"), stream_mode="messages")]

    assert [chunk.text for chunk in chunks] == ["Noted."]


async def test_a_stream_that_was_abandoned_can_be_judged_by_its_message(store, model):
    store.add("Deploys are on Tuesday", id="deploys")
    agent = agent_of(model, store=store)

    chunks = agent.stream(said("deploys?"), stream_mode="messages")
    chunk, _ = next(chunks)
    chunks.close()
    MemoryFeedback(store).dislike(chunk.id)

    assert store.get("deploys").importance == 0.25


def test_what_the_budget_left_out_gets_no_credit(store, model):
    store.add("deploys " * 400, id="long")
    store.add("Deploys are on Tuesday", id="short")
    agent = agent_of(model, store=store, max_tokens=200)

    answer = agent.invoke(said("deploys?"))["messages"][-1]
    (signal,) = MemoryFeedback(store).like(answer)

    assert signal.memory_id == "short"


# Not holding up the loop


class Blocking(FeatherMemoryMiddleware):
    """The negative control: a hook that does not let go of the loop."""

    async def abefore_agent(self, state, runtime):
        return self.before_agent(state, runtime)


@pytest.mark.parametrize("kind", ["embedding", "embedder"])
async def test_the_loop_ticks_on_while_a_slow_embedder_works(tmp_path, model, kind):
    slow = HashEmbeddings(seconds=0.01)

    def embedder(texts):
        time.sleep(0.01)
        return HashEmbedder(128)(texts)

    with Store.open(tmp_path / "a.feather", embedder=embedder) as store:
        options = {"store": store, "embedding": slow if kind == "embedding" else None}
        store.add("Deploys are on Tuesday")
        agent = agent_of(model, tools=[], **options)
        blocking = create_agent(model, middleware=[Blocking(**options)])
        asked = said("When are deploys?")

        assert await goes_on(lambda _: agent.ainvoke(asked))
        control = await held(lambda _: blocking.ainvoke(asked))

    assert "sleep" in control.by
    assert control.asks_database


@pytest.mark.parametrize(
    "wrong",
    [
        {"k": 0},
        {"max_tokens": 0},
        {"hops": -1},
        {"save": "both"},
        {"where": {"$x": 1}},
        {"k": True},
    ],
)
def test_what_means_nothing_is_refused_when_it_is_made(store, wrong):
    with pytest.raises(ParameterError):
        FeatherMemoryMiddleware(store=store, **wrong)


def test_exactly_one_source_is_taken(store, pool):
    for sources in ({}, {"store": store, "pool": pool}):
        with pytest.raises(ParameterError, match="store= or pool="):
            FeatherMemoryMiddleware(**sources)
    with pytest.raises(TypeError, match="max_token"):
        FeatherMemoryMiddleware(store=store, max_token=5)
