"""Facts from turns through LlamaIndex's memory and its block: beside the answer, by whoever can."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.llms import MockLLM
from llama_index.memory.feather import FeatherMemory, FeatherMemoryBlock
from pydantic import PrivateAttr

from feather_memory import EdgeType, ParameterError, Store, TenantPool

from .conftest import HashEmbedding
from .conversation import assistant, user
from .test_outages import Failing, heard  # noqa: F401  a fixture

if TYPE_CHECKING:
    from collections.abc import Sequence

FACT = {"key": "home.city", "text": "The user lives in Oslo"}
OSLO = "I live in Oslo with my dog"


class Answering(MockLLM):
    """Answers what it is told to, in turn; keeps what it was asked."""

    _answers: list[str] = PrivateAttr(default_factory=list)
    _asked: list[list[ChatMessage]] = PrivateAttr(default_factory=list)

    @classmethod
    def of(cls, *answers: str) -> Answering:
        made = cls()
        made._answers = list(answers)
        return made

    def chat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponse:
        self._asked.append(list(messages))
        return ChatResponse(message=assistant(self._answers.pop(0)))


class Notes(list):
    """A function that notes whom it was asked about, and takes one fact from what is of Oslo."""

    def __call__(self, turn, keys):
        self.append(turn.text)
        return [FACT] if "Oslo" in turn.text else []


async def awaited(turn, keys):
    return Notes()(turn, keys)


EXTRACTORS = {
    "function": Notes,
    "coroutine": lambda: awaited,
    "llm": lambda: Answering.of(json.dumps({"facts": [FACT]}), "[]"),
    "fenced": lambda: Answering.of(f"```json\n{json.dumps([FACT])}\n```", "[]"),
}


def facts(store: Store):
    return [memory for memory in store.iterate() if memory.key is not None]


def put(memory: FeatherMemory, is_async: bool, *messages: ChatMessage) -> None:
    said = list(messages)
    asyncio.run(memory.aput_messages(said)) if is_async else memory.put_messages(said)


def settled() -> None:
    for thread in threading.enumerate():
        if thread.name == "feather-memory-extract":
            thread.join(60)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("kind", EXTRACTORS)
def test_what_is_said_in_one_session_is_a_fact_in_another(alice, session, kind, is_async):
    monday = session("monday", extract=EXTRACTORS[kind]())

    put(monday, is_async, user(OSLO), assistant("Noted, Oslo."))
    assert monday.flush()

    (fact,) = facts(alice)
    assert (fact.text, fact.key, fact.origin) == (FACT["text"], FACT["key"], "user")
    assert (fact.session, fact.vector is None) == ("monday", False)
    (edge,) = [edge for edge in alice.edges(fact.id) if edge.type == EdgeType.DERIVED_FROM]
    assert alice.get(edge.target).text == OSLO
    told = session("tuesday").get(input="Where does the user live?")
    assert FACT["text"] in str([message.content for message in told])


def test_an_llm_is_told_what_the_user_said_and_the_keys_and_nothing_else(alice, session):
    alice.add("Alice drinks tea", key="drink")
    llm = Answering.of("[]")
    memory = session("s", extract=llm)

    memory.put_messages([user(OSLO), assistant("What a city.")])
    assert memory.flush()

    ((system, asked),) = llm._asked
    told = json.loads(asked.content)
    assert "JSON" in system.content
    assert (told["message"], told["keys_in_use"]) == (OSLO, ["drink"])


def test_a_handle_that_comes_back_takes_facts_by_what_this_process_has(alice, session):
    notes = Notes()
    memory = session("s", extract=notes)

    restored = FeatherMemory.from_json(memory.to_json())
    restored.put(user(OSLO))

    assert restored.flush()
    assert notes == [OSLO]
    other = session("other")  # says of itself that it takes none
    other.put(user("I moved from Oslo"))
    assert other.flush()
    assert notes == [OSLO]
    assert "Notes" not in memory.to_json()


def test_a_handle_of_a_process_that_has_nothing_to_take_facts_takes_none(tmp_path):
    fields = {"path": str(tmp_path / "b.feather"), "tenant": "bob", "session_id": "s"}
    memory = FeatherMemory(**fields, extracts=True)

    memory.put(user(OSLO))

    assert memory.flush()
    with Store.open(tmp_path / "b.feather", tenant="bob") as store:
        assert facts(store) == []
        assert store.check() == []


@pytest.mark.parametrize("is_async", [False, True])
def test_the_answer_does_not_wait_for_it(alice, session, is_async):
    gate, notes = threading.Event(), Notes()

    def slow(turn, keys):
        assert gate.wait(60)
        return notes(turn, keys)

    memory = session("s", extract=slow)

    put(memory, is_async, user(OSLO))

    assert memory.get()[-1].content == OSLO
    assert not memory.flush(timeout=0)
    gate.set()
    assert memory.flush()
    assert len(facts(alice)) == 1


@pytest.mark.parametrize("failure", ["Here you are: Oslo!", ConnectionError("down")])
@pytest.mark.parametrize("on_error", ["warn", "raise"])
def test_what_fails_is_told_and_taken_after_the_next_turn(
    alice,
    session,
    failure,
    on_error,
    heard,  # noqa: F811
):
    notes, failures = Notes(), [failure]

    def failing(turn, keys):
        if not failures:
            return notes(turn, keys)
        if isinstance(one := failures.pop(), Exception):
            raise one
        return one

    memory = session("s", extract=failing, on_error=on_error)
    memory.put(user(OSLO))
    settled()
    (event,) = heard
    assert (event.doing, event.tenant) == ("extract", "alice")
    assert "Oslo" not in str(event)

    memory.put(user("My dog is called Pancho"))

    assert memory.flush()
    assert [fact.text for fact in facts(alice)] == [FACT["text"]]
    assert sorted(notes) == [OSLO, "My dog is called Pancho"]


def test_what_could_not_be_embedded_has_its_facts_taken_when_it_is_saved(alice):
    model, notes = Failing(), Notes()
    memory = FeatherMemory.from_defaults(
        store=alice, session_id="s", embed_model=model, extract=notes
    )
    model._is_down = True
    memory.put(user(OSLO))
    assert memory.flush()
    assert notes == []
    model._is_down = False

    memory.put(user("Hello!"))

    assert memory.flush()
    assert notes == [OSLO]
    assert len(facts(alice)) == 1


def test_a_history_that_is_set_has_its_facts_taken_once(alice, session):
    notes = Notes()
    memory = session("s", extract=notes)
    history = [user(OSLO), assistant("Nice."), user("My dog is called Pancho")]

    memory.set(history)
    memory.set(history)

    assert memory.flush()
    assert notes == [OSLO, "My dog is called Pancho"]


def test_what_a_session_is_forgotten_with_are_its_facts_too(alice, session):
    memory = session("s", extract=Notes())
    memory.put(user(OSLO))
    assert memory.flush()

    memory.forget()

    assert list(alice.iterate()) == []


def test_a_pools_tenants_have_their_own_facts(tmp_path):
    with TenantPool(tmp_path / "pool") as pool:
        for who in ("alice", "bob"):
            memory = FeatherMemory.from_defaults(
                pool=pool, tenant=who, session_id="s", embed_model=HashEmbedding(),
                extract=lambda turn, _: [{"key": "home", "text": turn.text}],
            )  # fmt: skip
            memory.put(user(f"{who} lives in Oslo"))
            assert memory.flush()
        for who in ("alice", "bob"):
            assert [fact.text for fact in facts(pool.get(who))] == [f"{who} lives in Oslo"]
            assert pool.get(who).check() == []


def test_a_block_takes_facts_of_what_it_is_shown(alice, embed_model):
    notes = Notes()
    block = FeatherMemoryBlock(store=alice, embed_model=embed_model, extract=notes)

    async def talk() -> None:
        for _ in range(2):  # it is shown a history again and again
            await block.aget([user(OSLO), assistant("Nice.")], session_id="s")

    asyncio.run(talk())

    assert block.flush()
    assert notes == [OSLO]
    assert [fact.text for fact in facts(alice)] == [FACT["text"]]


@pytest.mark.parametrize(
    "options", [{"extract": "gpt"}, {"extract": 7}, {"extract": Notes(), "save": "none"}]
)
def test_what_can_take_no_facts_is_refused(alice, options):
    with pytest.raises(ParameterError, match="extract="):
        FeatherMemory.from_defaults(store=alice, session_id="s", **options)
    with pytest.raises(ParameterError, match="extract="):
        FeatherMemoryBlock(store=alice, **options)
