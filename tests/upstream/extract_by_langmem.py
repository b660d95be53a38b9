"""Facts that langmem's manager takes, given to the middleware's `extract=`, beside a function's.

langmem decides what is worth noting and asks the model for it; what becomes of that is the store's:
keys, origins, what is replaced, and from which turn it is derived.
"""

import re

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_feather_memory import FeatherMemoryMiddleware
from langmem import create_memory_manager
from pydantic import BaseModel

from feather_memory import EdgeType, F, Store

SAID = [
    "I live in Lisbon",
    "What is there to see in Oslo?",
    "My dog is called Pancho",
    "ok",
    "I live in Porto now",
]
CITY = re.compile(r"I live in (\w+)")
DOG = re.compile(r"My dog is called (\w+)")


class Fact(BaseModel):
    """One fact about the user."""

    key: str
    text: str


def facts_of(text):
    """What both take: the scripted part of either."""
    found = []
    if city := CITY.search(text):
        found.append({"key": "home.city", "text": f"The user lives in {city[1]}"})
    if dog := DOG.search(text):
        found.append({"key": "dog.name", "text": f"The user's dog is called {dog[1]}"})
    return found


class Noting(BaseChatModel):
    """Answers langmem's prompt by a call of the tool that its schema is, for each fact in it."""

    asked: list = []  # noqa: RUF012  a field of the model

    @property
    def _llm_type(self):
        return "noting"

    def bind_tools(self, tools, **_):
        return self

    def _generate(self, messages, stop=None, run_manager=None, **_):
        told = "\n".join(str(each.text) for each in messages)
        self.asked.append(told)
        calls = [
            {"name": "Fact", "args": fact, "id": f"call-{number}"}
            for number, fact in enumerate(facts_of(told))
        ]
        return ChatResult(generations=[ChatGeneration(message=AIMessage("", tool_calls=calls))])


class Answering(BaseChatModel):
    """The agent's own model."""

    @property
    def _llm_type(self):
        return "answering"

    def _generate(self, messages, stop=None, run_manager=None, **_):
        return ChatResult(generations=[ChatGeneration(message=AIMessage("I see."))])


def by_langmem(model):
    """As an application writes it: langmem's manager as a function of a turn."""
    manager = create_memory_manager(model, schemas=[Fact], enable_updates=False)

    def extract(turn, keys):
        noted = manager.invoke({"messages": [{"role": "user", "content": turn.text}]})
        return [each.content.model_dump() for each in noted]

    return extract


def told(path, extract):
    """What a store holds after the turns, each in a thread of its own."""
    with Store.open(path, tenant="ada") as store:
        memory = FeatherMemoryMiddleware(store=store, extract=extract)
        agent = create_agent(Answering(), [], middleware=[memory])
        for number, text in enumerate(SAID):
            thread = {"configurable": {"thread_id": f"thread-{number}"}}
            agent.invoke({"messages": [HumanMessage(text)]}, thread)
            assert memory.flush()  # so that the turns' facts come in their order
        held = {}
        for fact in store.iterate(F("key").exists()):
            derived = [e for e in store.edges(fact.id) if e.type == EdgeType.DERIVED_FROM]
            turns = [one.text for one in store.get_many([e.target for e in derived])]
            held[fact.text] = (fact.key, fact.origin, bool(fact.superseded_by), turns)
        found = [hit.memory.text for hit in store.search("Where does the user live?", 9)]
        assert store.check() == []
    return held, found


@pytest.fixture(scope="module")
def noted(tmp_path_factory):
    """What langmem's manager notes, and what its model was asked."""
    model = Noting()
    return *told(tmp_path_factory.mktemp("langmem") / "a.feather", by_langmem(model)), model.asked


def test_what_langmems_manager_notes_becomes_keyed_facts_of_their_turns(noted):
    held, found, asked = noted

    assert held == {
        "The user lives in Lisbon": ("home.city", "user", True, ["I live in Lisbon"]),
        "The user lives in Porto": ("home.city", "user", False, ["I live in Porto now"]),
        "The user's dog is called Pancho": ("dog.name", "user", False, ["My dog is called Pancho"]),
    }
    assert "The user lives in Porto" in found
    assert not {"The user lives in Lisbon", "I live in Lisbon"} & {*found}
    assert len(asked) == len(SAID) - 1, "what only acknowledges is not asked about"


def test_it_is_the_same_as_what_a_function_takes(noted, tmp_path):
    assert told(tmp_path / "b.feather", lambda turn, keys: facts_of(turn.text)) == noted[:2]
