"""While the embedding or the file fails, an agent goes on, and no message is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.memory.feather import FeatherMemory, FeatherMemoryBlock, feather_tools
from pydantic import PrivateAttr

from feather_memory import ParameterError, Store, StoreFullError, TenantPool, WrongTenantError
from feather_memory.testing import HashEmbedder

from .conftest import HashEmbedding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TEA = "I drink green tea"


class Failing(HashEmbedding):
    """An embedding model that is sometimes down."""

    _is_down: bool = PrivateAttr(default=False)

    def _vectors(self, texts: list[str]) -> list[list[float]]:
        if self._is_down:
            raise ConnectionError("the model is down")
        return super()._vectors(texts)


class Heard(BaseEventHandler):
    """Keeps what it is told."""

    _events: list[Any] = PrivateAttr(default_factory=list)

    def handle(self, event: Any, **_: Any) -> None:
        if type(event).__name__ == "MemoryOutage":
            self._events.append(event)


def user(text: str) -> ChatMessage:
    return ChatMessage(role="user", content=text)


@pytest.fixture
def model() -> Failing:
    return Failing()


@pytest.fixture
def heard() -> Iterator[list[Any]]:
    root, handler = get_dispatcher(), Heard()
    root.add_event_handler(handler)
    yield handler._events
    root.event_handlers = [each for each in root.event_handlers if each is not handler]


def put(memory: FeatherMemory, is_async: bool, *texts: str) -> None:
    messages = [user(text) for text in texts]
    asyncio.run(memory.aput_messages(messages)) if is_async else memory.put_messages(messages)


def get(memory: FeatherMemory, is_async: bool) -> list[ChatMessage]:
    return asyncio.run(memory.aget()) if is_async else memory.get()


def said(memory: FeatherMemory) -> list[str | None]:
    return [message.content for message in memory.get_all()]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("on_error", ["warn", "raise"])
def test_a_message_that_cannot_be_embedded_is_kept_and_embedded_later(
    alice, model, on_error, is_async, heard
):
    memory = FeatherMemory.from_defaults(
        store=alice, session_id="s", embed_model=model, on_error=on_error
    )
    put(memory, is_async, "Hello")
    model._is_down = True

    if on_error == "raise":
        with pytest.raises(ConnectionError):
            put(memory, is_async, TEA)
    else:
        put(memory, is_async, TEA)
        assert [message.content for message in get(memory, is_async)] == ["Hello", TEA]
        assert {(each.doing, each.error) for each in heard} >= {("save", "ConnectionError")}
        assert TEA not in str(heard)

    assert said(memory) == ["Hello", TEA]
    model._is_down = False
    put(memory, is_async, "And you?")
    assert said(memory) == ["Hello", TEA, "And you?"]
    kept = sorted(alice.iterate(), key=lambda each: said(memory).index(each.text))
    assert [each.text for each in kept] == said(memory)
    assert all(each.vector is not None for each in kept)
    links = {(edge.source, edge.target) for each in kept for edge in alice.edges(each.id)}
    assert links == {(kept[0].id, kept[1].id), (kept[1].id, kept[2].id)}
    assert alice.plumbing.shelf("llama_index.owed") == {}


def test_another_handle_in_another_process_embeds_what_was_owed(tmp_path, model):
    place = {"path": tmp_path / "a.feather", "tenant": "alice", "session_id": "s"}
    model._is_down = True
    FeatherMemory.from_defaults(**place, embed_model=model).put(user(TEA))
    model._is_down = False

    later = FeatherMemory.from_json(FeatherMemory.from_defaults(**place).to_json())
    later.get(input="tea")

    with Store.open(tmp_path / "a.feather", tenant="alice") as store:
        (memory,) = store.iterate()
        assert (memory.text, memory.vector is not None) == (TEA, True)
        assert store.check() == []


@pytest.mark.parametrize("is_async", [False, True])
def test_so_it_is_where_the_store_embeds(tmp_path, is_async):
    embed, down = HashEmbedder(16), [True]

    def sometimes(texts: list[str]) -> Any:
        if down[0]:
            raise ConnectionError
        return embed(texts)

    with Store.open(tmp_path / "s.feather", tenant="alice", embedder=sometimes) as store:
        memory = FeatherMemory.from_defaults(store=store, session_id="s")
        put(memory, is_async, TEA)
        assert [message.content for message in get(memory, is_async)] == [TEA]
        down[0] = False
        put(memory, is_async, "Hello")
        assert [each.text for each in store.iterate()] == [TEA, "Hello"]
        assert store.check() == []


@pytest.mark.parametrize("is_async", [False, True])
def test_messages_wait_while_the_file_fails(alice, session, monkeypatch, is_async, heard):
    memory = session("s")
    put(memory, is_async, "Hello")
    with monkeypatch.context() as patched:
        patched.setattr(type(alice), "transaction", is_full)
        put(memory, is_async, TEA)
        put(memory, is_async, "And milk")
        assert [m.content for m in get(memory, is_async)] == ["Hello", TEA, "And milk"]
    assert {each.error for each in heard} == {"StoreFullError"}

    get(memory, is_async)

    assert said(memory) == ["Hello", TEA, "And milk"]
    assert {each.text for each in alice.iterate()} == {"Hello", TEA, "And milk"}


def is_full(*_: Any, **__: Any) -> None:
    raise StoreFullError("the disk is full")


ENDS: dict[str, tuple[Callable[[FeatherMemory], object], list[str]]] = {
    "reset": (lambda memory: memory.reset(), []),
    "forget": (lambda memory: memory.forget(), []),
    "set": (lambda memory: memory.set([user("Good morning")]), ["Good morning"]),
    "aset": (lambda memory: asyncio.run(memory.aset([user("Good morning")])), ["Good morning"]),
}


@pytest.mark.parametrize("name", ENDS)
def test_what_waited_goes_with_the_conversation_that_it_was_of(alice, session, monkeypatch, name):
    """Else it would come back with the next message, after its conversation was erased."""
    memory, (end, left) = session("s"), ENDS[name]
    put(memory, False, "Hello")
    with monkeypatch.context() as patched:
        patched.setattr(Store, "transaction", is_full)
        put(memory, False, TEA)

    end(memory)

    assert said(memory) == left
    put(memory, False, "And you?")
    assert said(memory) == [*left, "And you?"]
    assert TEA not in [each.text for each in alice.iterate()]
    assert alice.check() == []


class Gated(HashEmbedding):
    """Begins to embed a text when it is asked for it, and ends when it is told how."""

    _asked: dict[str, asyncio.Event] = PrivateAttr(default_factory=dict)
    _told: dict[str, asyncio.Future[None]] = PrivateAttr(default_factory=dict)

    def gate(self, text: str) -> None:
        self._asked[text] = asyncio.Event()
        self._told[text] = asyncio.get_running_loop().create_future()

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        for text in texts:
            if text in self._asked:
                self._asked[text].set()
                await self._told[text]
        return self._vectors(texts)


MORNING = "Good morning"


@pytest.mark.parametrize(
    ("end", "left"),
    [("refused", [TEA]), ("set", [MORNING]), ("reset", []), ("forget", [])],
)
async def test_what_fails_while_its_conversation_ends_is_of_that_one(alice, monkeypatch, end, left):
    """It waits on if another was refused, and else comes back with no later message."""
    model = Gated()
    memory = FeatherMemory.from_defaults(store=alice, session_id="s", embed_model=model)
    model.gate(TEA)
    model.gate(MORNING)
    saving = asyncio.create_task(memory.aput(user(TEA)))
    await model._asked[TEA].wait()
    if end in {"refused", "set"}:
        giving = asyncio.create_task(memory.aset([user(MORNING)]))
        await model._asked[MORNING].wait()
    else:
        getattr(memory, end)()

    with monkeypatch.context() as patched:
        patched.setattr(Store, "transaction", is_full)
        model._told[TEA].set_result(None)
        await saving
    if end == "refused":
        model._told[MORNING].set_exception(ParameterError("no such text"))
        with pytest.raises(ParameterError):
            await giving
    elif end == "set":
        model._told[MORNING].set_result(None)
        await giving

    await memory.aput(user("And you?"))
    assert said(memory) == [*left, "And you?"]
    assert {each.text for each in alice.iterate()} == {*left, "And you?"}
    assert alice.check() == []


async def test_what_is_said_behind_a_history_that_is_refused_waits_on(alice, monkeypatch):
    model = Gated()
    memory = FeatherMemory.from_defaults(store=alice, session_id="s", embed_model=model)
    with monkeypatch.context() as patched:
        patched.setattr(Store, "transaction", is_full)
        memory.put(user("Hello"))
    model.gate(MORNING)
    giving = asyncio.create_task(memory.aset([user(MORNING)]))
    await model._asked[MORNING].wait()
    with monkeypatch.context() as patched:
        patched.setattr(Store, "transaction", is_full)
        memory.put(user(TEA))

    model._told[MORNING].set_exception(ParameterError("no such text"))
    with pytest.raises(ParameterError):
        await giving

    await memory.aput(user("And you?"))
    assert said(memory) == ["Hello", TEA, "And you?"]
    assert alice.check() == []


def test_what_waited_is_forgotten_of_a_tenant_who_has_no_file_yet(tmp_path, monkeypatch):
    with TenantPool(tmp_path / "tenants") as pool:
        memory = FeatherMemory.from_defaults(
            pool=pool, tenant="alice", session_id="s", embed_model=HashEmbedding()
        )
        with monkeypatch.context() as patched:
            patched.setattr(TenantPool, "get", is_full)
            put(memory, False, TEA)
        assert pool.tenants() == []

        memory.forget()

        put(memory, False, "Hello")
        assert said(memory) == ["Hello"]
        assert pool.get("alice").check() == []


def test_a_history_that_is_refused_leaves_what_waited(alice, session, monkeypatch):
    memory = session("s")
    with monkeypatch.context() as patched:
        patched.setattr(Store, "transaction", is_full)
        put(memory, False, TEA)
    with pytest.raises(ParameterError):
        memory.set([object()])

    put(memory, False, "And you?")

    assert said(memory) == [TEA, "And you?"]
    assert alice.check() == []


def test_a_file_that_cannot_be_read_leaves_the_turn(alice, session, monkeypatch):
    memory = session("s")
    memory.put(user("Hello"))
    memory.put(user(TEA))
    memory.put(ChatMessage(role="assistant", content="Noted"))

    def is_locked(*_: Any, **__: Any) -> None:
        raise StoreFullError("locked")

    with monkeypatch.context() as patched:
        patched.setattr("llama_index.memory.feather._conversation.Transcript.texts", is_locked)
        assert [message.content for message in memory.get()] == [TEA, "Noted"]


@pytest.mark.parametrize("is_async", [False, True])
def test_messages_that_are_none_are_no_outage(session, is_async):
    memory: Any = session("s")
    for wrong in (None, 5):
        with pytest.raises(TypeError):
            asyncio.run(memory.aset(wrong)) if is_async else memory.set(wrong)
    assert memory.get_all() == []


def test_what_is_erased_is_owed_no_more(alice, model):
    memory = FeatherMemory.from_defaults(store=alice, session_id="s", embed_model=model)
    model._is_down = True
    memory.put(user(TEA))
    memory.reset()
    model._is_down = False

    memory.put(user("Hello"))

    assert [each.text for each in alice.iterate()] == ["Hello"]
    assert TEA not in str([dict(alice.plumbing.shelf(n)) for n in alice.plumbing.shelves()])


@pytest.mark.file
def test_wrong_tenants_and_arguments_are_raised_in_any_case(alice, session):
    stranger = FeatherMemory(path=str(alice.path), tenant="bob", session_id="s")
    for call in (lambda: stranger.get(input="x"), lambda: stranger.put(user(TEA))):
        with pytest.raises(WrongTenantError):
            call()
    with pytest.raises(ParameterError):
        session("s").get(input=7)
    with pytest.raises(ValueError, match="on_error"):
        session("s", on_error="ignore")


def test_a_history_that_is_set_is_kept_without_an_embedding(alice, model):
    memory = FeatherMemory.from_defaults(store=alice, session_id="s", embed_model=model)
    memory.put(user("Hello"))
    model._is_down = True

    memory.set([user("Hello"), user(TEA)])
    memory.set([user(TEA)])

    assert said(memory) == [TEA]
    model._is_down = False
    memory.get()
    assert {each.text for each in alice.iterate()} == {"Hello", TEA}


def test_a_block_that_fails_says_nothing_and_remembers_when_it_is_asked_again(
    tmp_path: Path, alice, model
):
    block = FeatherMemoryBlock(store=alice, embed_model=model)
    model._is_down = True
    assert asyncio.run(block.aget([user(TEA)], session_id="s")) == ""
    asyncio.run(block.aput([user(TEA)], session_id="s"))
    model._is_down = False

    asyncio.run(block.aget([user(TEA)], session_id="s"))

    assert [each.text for each in alice.iterate()] == [TEA]
    raising = FeatherMemoryBlock(store=alice, embed_model=model, on_error="raise")
    model._is_down = True
    with pytest.raises(ConnectionError):
        asyncio.run(raising.aget([user("Hello")], session_id="s"))


class Choosy(HashEmbedding):
    """Refuses one text for ever, as a model does that is shown more than it takes."""

    def _vectors(self, texts: list[str]) -> list[list[float]]:
        if any("refused" in text for text in texts):
            raise ValueError("too long")
        return super()._vectors(texts)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_what_cannot_be_embedded_holds_up_nothing_else(alice, is_async, at_once, heard):
    memory = FeatherMemory.from_defaults(store=alice, session_id="s", embed_model=Choosy())
    spoken = ["Hello there", "This is refused", TEA, "And milk"]

    if at_once:
        put(memory, is_async, *spoken)
    else:
        for text in spoken:
            put(memory, is_async, text)
    get(memory, is_async)

    assert said(memory) == spoken
    assert [each.text for each in alice.iterate()] == ["Hello there", TEA, "And milk"]
    assert {each.error for each in heard} <= {"ValueError"}
    owed = alice.plumbing.shelf("llama_index.owed")["s"]
    assert [record["text"] for record in owed.values()] == ["This is refused"]
    memory.reset()
    assert alice.plumbing.shelf("llama_index.owed") == {}
    assert alice.check() == []


@pytest.mark.parametrize("is_async", [False, True])
def test_what_was_refused_is_raised_once_and_ends_no_later_call(tmp_path, is_async, heard):
    """It was raised to whoever said it. What is said later of something else is raised again."""
    place = {"tenant": "alice", "session_id": "s", "on_error": "raise", "embed_model": Choosy()}
    with Store.open(tmp_path / "a.feather", tenant="alice") as store:
        memory = FeatherMemory.from_defaults(store=store, **place)
        with pytest.raises(ValueError, match="too long"):
            put(memory, is_async, "This is refused")
        reply = ChatMessage(role="assistant", content="Pardon?")
        asyncio.run(memory.aput(reply)) if is_async else memory.put(reply)
        put(memory, is_async, TEA)
        for _ in range(2):
            assert get(memory, is_async)[-1].content == TEA
        with pytest.raises(ValueError, match="too long"):
            put(memory, is_async, "This is refused, too")
        put(memory, is_async, "And milk")
    with Store.open(tmp_path / "a.feather", tenant="alice") as store:
        again = FeatherMemory.from_defaults(store=store, **place)
        assert get(again, is_async)[-1].content is not None
        spoken = ["This is refused", "Pardon?", TEA, "This is refused, too", "And milk"]
        assert said(again) == spoken
        assert [each.text for each in store.iterate()] == [TEA, "And milk"]
        assert {(each.doing, each.error) for each in heard} == {("save", "ValueError")}
        assert store.check() == []


@pytest.mark.parametrize("is_async", [False, True])
def test_a_history_waits_while_the_file_fails_and_what_is_said_waits_behind_it(
    alice, session, monkeypatch, is_async, heard
):
    memory = session("s")
    put(memory, is_async, "Before")
    history = [user("Hello"), user("I am back")]
    with monkeypatch.context() as patched:
        patched.setattr(type(alice), "transaction", is_full)
        asyncio.run(memory.aset(history)) if is_async else memory.set(history)
        put(memory, is_async, TEA)
        assert [m.content for m in get(memory, is_async)][-3:] == ["Hello", "I am back", TEA]
    assert {each.error for each in heard} == {"StoreFullError"}

    put(memory, is_async, "And milk")

    assert said(memory) == ["Hello", "I am back", TEA, "And milk"]


def test_a_history_that_is_refused_changes_nothing_and_is_not_tried_again(
    alice, session, monkeypatch
):
    memory: Any = session("s", on_error="raise")
    memory.set([user("Hello")])
    with pytest.raises(ParameterError):
        memory.set(["no message"])
    with monkeypatch.context() as patched:
        patched.setattr(type(alice), "transaction", is_full)
        with pytest.raises(StoreFullError):
            memory.set([user(TEA)])

    memory.put(user("And milk"))

    assert said(memory) == ["Hello", "And milk"]


def test_while_the_model_is_out_no_message_is_tried_by_itself(alice, model):
    """Each would wait for a model that answers none."""
    memory = FeatherMemory.from_defaults(store=alice, session_id="s", embed_model=model)
    model._is_down = True
    put(memory, False, *(f"I drink tea {n}" for n in range(9)))
    tried: list[list[str]] = []
    whole = type(model)._vectors

    class Counting(Failing):
        def _vectors(self, texts: list[str]) -> list[list[float]]:
            tried.append(texts)
            return whole(self, texts)

    again = FeatherMemory.from_defaults(store=alice, session_id="s", embed_model=Counting())
    again._bind().model()._is_down = True  # type: ignore[union-attr]

    put(again, False, "And milk")

    assert len(tried) <= 2


@pytest.mark.parametrize("is_async", [False, True])
def test_what_is_longer_than_a_search_takes_is_answered_and_kept(alice, session, is_async):
    """What is looked for is its beginning."""
    memory, block = session("s"), FeatherMemoryBlock(store=alice, embed_model=HashEmbedding())
    alice.add("Deploys are on Tuesday", session="t")
    pasted = "When are deploys? " + "long words " * 100_000
    put(memory, is_async, pasted)

    (message,) = get(memory, is_async)
    text = asyncio.run(block.aget([user(pasted)], session_id="u"))

    assert (message.content or "").endswith(pasted)
    assert isinstance(text, str)


def test_half_a_character_costs_neither_a_block_nor_a_tool_its_memory(alice):
    block = FeatherMemoryBlock(store=alice, embed_model=HashEmbedding(), on_error="raise")
    tools = feather_tools(alice, embed_model=HashEmbedding(), origin="user")
    recall, remember, correct = tools

    asyncio.run(block.aput([user("I drink tea \ud83d")], session_id="s"))
    asyncio.run(block.aget([user("Which tea? \ud83d")], session_id="s"))
    saved = remember.call(text="Alice uses Vim \ud83d")
    recall.call(query="Vim \ud83d")
    found = recall.call(query="Vim").raw_output[0].node_id
    asyncio.run(correct.acall(memory_id=found, text="Alice uses Emacs \ud83d"))

    assert saved.content.startswith("Saved")
    assert {memory.text for memory in alice.iterate()} >= {
        "I drink tea \ufffd", "Alice uses Emacs \ufffd",
    }  # fmt: skip
    assert alice.check() == []
