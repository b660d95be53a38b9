"""Facts from turns through the middleware: whoever takes them, after the answer and beside it."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_feather_memory import FeatherMemoryMiddleware
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from feather_memory import EdgeType, ParameterError, Store, TenantPool
from feather_memory.testing import HashEmbedder

from .agents import ScriptedModel
from .test_middleware import WAYS, run, said, texts_in, thread
from .test_outages import Embedder, Told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FACT = {"key": "home.city", "text": "The user lives in Oslo"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "a.feather", embedder=HashEmbedder(128), tenant="alice") as store:
        yield store
        assert store.check() == []


class Notes(list):
    """A function that notes whom it was asked about, and takes one fact from what is of Oslo."""

    def __call__(self, turn, keys):
        self.append(turn.text)
        return [FACT] if "Oslo" in turn.text else []


async def awaited(turn, keys):
    return Notes()(turn, keys)


class Found(BaseModel):
    """What a model is asked for `with_structured_output`."""

    facts: list[dict[str, str]]


def answering(*answers):
    return ScriptedModel(script=[AIMessage(answer) for answer in answers])


EXTRACTORS = {
    "function": Notes,
    "coroutine": lambda: awaited,
    "chat model": lambda: answering(json.dumps({"facts": [FACT]}), '{"facts": []}'),
    "fenced": lambda: answering(f"```json\n{json.dumps([FACT])}\n```", "[]"),
    "structured": lambda: RunnableLambda(
        lambda asked: Found(facts=[FACT] if "in Oslo" in asked[1].text else [])
    ),
}


def facts(store):
    return [memory for memory in store.iterate() if memory.key is not None]


def agent_of(middleware, model=None, **options):
    return create_agent(model or ScriptedModel(), middleware=[middleware], **options)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", EXTRACTORS)
async def test_what_is_said_in_one_thread_is_a_fact_in_another(store, kind, way):
    model = ScriptedModel()
    middleware = FeatherMemoryMiddleware(store=store, extract=EXTRACTORS[kind]())
    agent = agent_of(middleware, model)

    await run(agent, said("I live in Oslo with my dog"), thread("one"), way=way)
    assert middleware.flush()
    await run(agent, said("Where does the user live?"), thread("two"), way=way)
    assert middleware.flush()

    (fact,) = facts(store)
    assert (fact.text, fact.key, fact.origin) == (FACT["text"], FACT["key"], "user")
    (edge,) = [edge for edge in store.edges(fact.id) if edge.type == EdgeType.DERIVED_FROM]
    assert store.get(edge.target).text == "I live in Oslo with my dog"
    assert FACT["text"] in texts_in(model.prompts[1])


def test_a_chat_model_is_told_what_the_user_said_and_the_keys_and_nothing_else(store):
    store.add("Alice drinks tea", key="drink")
    asked = answering("[]")
    middleware = FeatherMemoryMiddleware(store=store, extract=asked, save="all")

    agent_of(middleware).invoke(said("I live in Oslo"), thread("one"))
    assert middleware.flush()

    ((system, human),) = asked.seen
    told = json.loads(human.text)
    assert "JSON" in system.text
    assert (told["message"], told["keys_in_use"]) == ("I live in Oslo", ["drink"])
    assert "Noted." not in human.text


async def test_what_takes_the_facts_is_no_part_of_the_answers_stream(store):
    answer = json.dumps({"facts": [FACT]})
    middleware = FeatherMemoryMiddleware(store=store, extract=answering(answer))
    agent, told = agent_of(middleware), Told()

    config = {**thread("one"), "callbacks": [told]}
    stream = agent.astream(said("I live in Oslo"), config, stream_mode="messages")
    shown = "".join([message.text async for message, _ in stream])
    assert middleware.flush()

    assert "Noted." in shown
    assert FACT["text"] not in shown
    assert len(facts(store)) == 1


def test_the_answer_does_not_wait_for_it(store):
    gate, notes = threading.Event(), Notes()

    def slow(turn, keys):
        assert gate.wait(60)
        return notes(turn, keys)

    middleware = FeatherMemoryMiddleware(store=store, extract=slow)

    result = agent_of(middleware).invoke(said("I live in Oslo"), thread("one"))

    assert result["messages"][-1].text == "Noted."
    assert not middleware.flush(timeout=0)
    gate.set()
    assert middleware.flush()
    assert len(facts(store)) == 1


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
@pytest.mark.parametrize("on_error", ["warn", "raise"])
@pytest.mark.parametrize("failure", ["Here you are: Oslo!", ConnectionError("down")])
async def test_what_fails_ends_no_run_is_told_at_the_next_and_taken_then(
    store, failure, on_error, way
):
    notes, failures = Notes(), [failure]

    def failing(turn, keys):
        if not failures:
            return notes(turn, keys)
        if isinstance(one := failures.pop(), Exception):
            raise one
        return one

    told = Told()
    middleware = FeatherMemoryMiddleware(store=store, extract=failing, on_error=on_error)
    agent = agent_of(middleware)
    config = {**thread("one"), "callbacks": [told]}
    await run(agent, said("I live in Oslo"), config, way=way)
    for thread_ in threading.enumerate():
        if thread_.name == "feather-memory-extract":
            thread_.join(60)

    await run(agent, said("My dog is called Pancho"), config, way=way)

    (event,) = told.events
    assert (event["doing"], event["tenant"]) == ("extract", "alice")
    assert "Oslo" not in str(event)
    assert middleware.flush()
    assert [fact.text for fact in facts(store)] == [FACT["text"]]
    assert sorted(notes) == ["I live in Oslo", "My dog is called Pancho"]


def test_what_the_model_says_is_no_evidence_and_nothing_is_asked_twice(store):
    notes = Notes()
    middleware = FeatherMemoryMiddleware(store=store, extract=notes, save="all")
    agent = agent_of(middleware, checkpointer=InMemorySaver())

    for _ in range(2):  # the second is the same message again
        agent.invoke(said("I live in Oslo", "m1"), thread("one"))
    agent.invoke(said("Thanks!"), thread("one"))

    assert middleware.flush()
    assert notes == ["I live in Oslo"]
    assert len(facts(store)) == 1


class Masking(AgentMiddleware):
    """Masks what must not be kept, once the model has answered."""

    name = "masking"

    def after_model(self, state, runtime):
        first = state["messages"][0]
        masked = first.text.replace("4929", "****")
        return {"messages": [HumanMessage(masked, id=first.id)]}


def test_what_another_middleware_masked_is_what_facts_are_taken_from(store):
    notes = Notes()
    middleware = FeatherMemoryMiddleware(store=store, extract=notes)

    create_agent(ScriptedModel(), middleware=[middleware, Masking()]).invoke(
        said("My card is 4929"), thread("one")
    )

    assert middleware.flush()
    assert notes == ["My card is ****"]


def test_what_is_saved_after_an_outage_has_its_facts_taken_then(tmp_path):
    embedder, notes = Embedder(), Notes()
    with Store.open(tmp_path / "a.feather", embedder=embedder) as store:
        middleware = FeatherMemoryMiddleware(store=store, extract=notes)
        agent = agent_of(middleware)
        embedder.error = ConnectionError("down")
        agent.invoke(said("I live in Oslo"), thread("one"))
        assert middleware.flush()
        assert notes == []
        embedder.error = None

        agent.invoke(said("Hello!"), thread("one"))

        assert middleware.flush()
        assert notes == ["I live in Oslo"]
        assert len(facts(store)) == 1
        assert store.check() == []


def test_each_tenant_has_its_own_facts_and_is_offered_its_own_keys(tmp_path):
    keys_of = {}

    def noting(turn, keys):
        keys_of.setdefault(turn.text, list(keys))
        who = turn.text.split()[0]
        return [{"key": f"{who}.home", "text": turn.text}]

    with TenantPool(tmp_path / "pool", embedder=HashEmbedder(128)) as pool:
        middleware = FeatherMemoryMiddleware(pool=pool, extract=noting)
        agent = agent_of(middleware)
        for round_ in ("Oslo", "Porto"):
            for who in ("alice", "bob"):
                message = said(f"{who} lives in {round_}")
                agent.invoke(message, thread(f"{who} {round_}", tenant=who))
            assert middleware.flush()

        for who in ("alice", "bob"):
            store = pool.get(who)
            assert keys_of[f"{who} lives in Porto"] == [f"{who}.home"]
            assert [f.text for f in facts(store) if not f.superseded_by] == [
                f"{who} lives in Porto"
            ]
            assert store.check() == []


@pytest.mark.parametrize(
    "options", [{"extract": "gpt"}, {"extract": 7}, {"extract": Notes(), "save": "none"}]
)
def test_what_can_take_no_facts_is_refused(store, options):
    with pytest.raises(ParameterError, match="extract="):
        FeatherMemoryMiddleware(store=store, **options)


def test_without_it_nothing_is_taken_and_nothing_is_waited_for(store):
    middleware = FeatherMemoryMiddleware(store=store)

    agent_of(middleware).invoke(said("I live in Oslo"), thread("one"))

    assert middleware.flush()
    assert facts(store) == []
