"""What is made in a coroutine opens nothing there; its calls open files in threads of their own."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import threading
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.memory import feather as adapters
from llama_index.memory.feather import (
    FeatherChatStore,
    FeatherKVStore,
    FeatherMemory,
    FeatherMemoryBlock,
    FeatherRetriever,
    FeatherVectorStore,
    MemoryFeedback,
    feather_tools,
)

from feather_memory import CorruptStoreError, ParameterError, Store, TenantPool, WrongTenantError
from feather_memory.testing.openings import listening

from .conftest import HashEmbedding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


SAID = ChatMessage(role="user", content="I like green tea")
MODEL = HashEmbedding()


async def _converse(memory: FeatherMemory) -> None:
    await memory.aput(SAID)
    await memory.aget()
    await memory.aset([SAID, SAID])
    await memory.aget_all()
    await memory.areset()


async def _keep(vectors: FeatherVectorStore) -> None:
    await vectors.async_add([TextNode(text="tea", id_="t", embedding=[1.0, 0.0])])
    await vectors.aquery(VectorStoreQuery(query_embedding=[1.0, 0.0]))
    await vectors.aget_nodes(["t"])
    await vectors.adelete_nodes(["t"])
    await vectors.adelete("nothing")
    await vectors.aclear()


async def _index(vectors: FeatherVectorStore) -> None:
    index = vectors.as_index(MODEL)
    await index.ainsert_nodes([TextNode(text="tea", id_="t")])
    assert "t" in [each.node_id for each in await index.as_retriever().aretrieve("tea")]


async def _use(tools: list[Any]) -> None:
    for tool, said in zip(tools, ("recall", "remember"), strict=False):
        await tool.acall(**{"query" if said == "recall" else "text": "tea"})


# Where: path=, or pool= with tenant=.
MADE: dict[str, tuple[Callable[..., Any], Callable[[Any], Awaitable[object]] | None]] = {
    "FeatherMemory": (
        lambda **where: FeatherMemory.from_defaults(embed_model=MODEL, **where),
        _converse,
    ),
    "FeatherMemory without a model": (FeatherMemory.from_defaults, _converse),
    "FeatherMemoryBlock": (
        lambda **where: FeatherMemoryBlock(embed_model=MODEL, **where),
        lambda made: made.aget([SAID]),
    ),
    "FeatherRetriever": (
        lambda **where: FeatherRetriever(embed_model=MODEL, **where),
        lambda made: made.aretrieve("tea"),
    ),
    "FeatherVectorStore": (FeatherVectorStore, _keep),
    "FeatherVectorStore as an index": (FeatherVectorStore, _index),
    "FeatherChatStore": (FeatherChatStore, lambda made: made.add_message("monday", SAID)),
    "FeatherKVStore": (FeatherKVStore, lambda made: made.aput("k", {"v": 1})),
    "feather_tools": (lambda **where: feather_tools(embed_model=MODEL, **where), _use),
    "MemoryFeedback": (MemoryFeedback, None),  # its verbs have no async twins
}


def test_every_adapter_is_asked():
    taking = {"FeatherMemory"}
    for name in adapters.__all__:
        if callable(made := getattr(adapters, name)) and inspect.signature(
            made
        ).parameters.keys() & {"pool"}:
            taking.add(name)

    assert {name.partition(" ")[0] for name in MADE} == taking


@pytest.mark.file
@pytest.mark.parametrize("place", ["path", "pool"])
@pytest.mark.parametrize("name", MADE)
async def test_no_adapter_opens_a_file_on_the_loop(tmp_path, name, place):
    make, use = MADE[name]
    loop, path = threading.get_ident(), tmp_path / "alice.feather"
    with TenantPool(tmp_path / "tenants") as before:
        before.get("alice").add("Alice likes tea")
    with TenantPool(tmp_path / "tenants") as pool, listening(tmp_path) as threads:
        where: dict[str, Any] = {"path": path} if place == "path" else {"pool": pool}

        made = make(**where, tenant="alice")
        assert threads() == set()
        if use is not None:
            await use(made)
            assert threads()
        assert loop not in threads()

    with Store.open(path) if place == "path" else Store.open(pool.path_of("alice")) as store:
        assert store.check() == []


async def test_a_memory_of_a_directory_opens_no_file_on_the_loop(tmp_path):
    loop = threading.get_ident()
    with listening(tmp_path) as threads:
        memory = FeatherMemory.from_defaults(directory=tmp_path / "all", tenant="alice")
        assert threads() == set()

        await _converse(memory)
        await _converse(FeatherMemory.from_dict(memory.to_dict()))  # as a workflow's context does

        assert threads()
        assert loop not in threads()
    with TenantPool(tmp_path / "all") as pool:
        assert pool.get("alice").check() == []


HISTORY = [SAID, ChatMessage(role="assistant", content="Noted")]


@pytest.mark.parametrize("call", ["aget", "aget_all", "aput", "areset", "to_dict"])
async def test_a_history_that_is_given_on_the_loop_is_written_by_the_first_call(tmp_path, call):
    """In a thread, but where the fields are asked for: nobody who has those knows of it."""
    loop, path = threading.get_ident(), tmp_path / "alice.feather"
    with listening(tmp_path) as threads:
        memory = FeatherMemory.from_defaults(
            path=path, tenant="alice", session_id="monday", chat_history=HISTORY
        )
        assert threads() == set()
        assert not path.exists()

        if call == "to_dict":
            again = FeatherMemory.from_dict(memory.to_dict())
            assert await again.aget_all() == HISTORY
        else:
            await getattr(memory, call)(*[SAID] * (call == "aput"))
            assert loop not in threads()
    kept = {"areset": [], "aput": [*HISTORY, SAID]}.get(call, HISTORY)
    assert await memory.aget_all() == kept
    with Store.open(path, tenant="alice") as store:
        assert [each.text for each in store.iterate()] == ["I like green tea"]
        assert store.check() == []


async def test_of_two_histories_given_on_the_loop_the_last_holds(tmp_path):
    memory = FeatherMemory.from_defaults(
        path=tmp_path / "alice.feather", tenant="alice", chat_history=HISTORY
    )

    await memory.aset([SAID])

    assert await memory.aget_all() == [SAID]


def begun(place: Path | Store, **fields: Any) -> FeatherMemory:
    where = {"store": place} if isinstance(place, Store) else {"path": place}
    return FeatherMemory.from_defaults(
        **where, tenant="alice", session_id="monday", chat_history=HISTORY, **fields
    )


TEA, MILK = (ChatMessage(role="user", content=text) for text in ("Tea, please", "And milk"))
FIRST: dict[str, Callable[[FeatherMemory], list[Awaitable[Any]]]] = {
    "aput": lambda memory: [memory.aput(TEA), memory.aput(MILK)],
    "aget": lambda memory: [memory.aget(), memory.aput(TEA), memory.aput(MILK)],
    "aget_all": lambda memory: [memory.aget_all(), memory.aput(TEA), memory.aput(MILK)],
    "put": lambda memory: [
        asyncio.to_thread(memory.put, TEA),
        memory.aput(MILK),
        asyncio.to_thread(lambda: asyncio.run(memory.aget())),
    ],
}


@pytest.mark.parametrize("calls", FIRST)
async def test_what_is_said_at_once_comes_after_a_history_that_is_given_on_the_loop(
    tmp_path, calls
):
    """Be the first calls on a loop, on two, or in threads; and the history is embedded once."""
    model = HashEmbedding(seconds=0.05)
    with Store.open(tmp_path / "alice.feather", tenant="alice") as store:
        memory = begun(store, embed_model=model)

        await asyncio.gather(*FIRST[calls](memory))

        kept = await memory.aget_all()
        assert kept[:2] == HISTORY
        assert sorted(each.content or "" for each in kept[2:]) == ["And milk", "Tea, please"]
        assert len([*store.iterate()]) == 3
        if calls == "aput":
            assert model.calls == ["atexts"] * 3
        assert store.check() == []


async def test_the_fields_are_asked_for_on_the_loop_while_a_history_is_embedded(tmp_path):
    """Nothing on the loop could end the embedding, were it waited for there."""
    memory = begun(tmp_path / "alice.feather", embed_model=HashEmbedding(seconds=0.05))
    put = asyncio.create_task(memory.aput(TEA))
    await asyncio.sleep(0.01)

    again = FeatherMemory.from_dict(memory.to_dict())

    assert (await again.aget_all())[:2] == HISTORY
    await put
    assert await memory.aget_all() == [*HISTORY, TEA]
    with Store.open(tmp_path / "alice.feather", tenant="alice") as store:
        assert store.check() == []


async def test_a_call_that_is_given_up_leaves_the_history_to_the_next(tmp_path):
    memory = begun(tmp_path / "alice.feather", embed_model=HashEmbedding(seconds=0.2))

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(memory.aput(TEA), timeout=0.01)
    await memory.aput(MILK)

    assert await memory.aget_all() == [*HISTORY, MILK]


@pytest.mark.file
async def test_in_a_coroutine_the_first_call_says_what_is_wrong(tmp_path):
    path, alices = tmp_path / "a.feather", tmp_path / "alice.feather"
    path.write_bytes(b"no store" * 1000)
    with Store.open(alices, tenant="alice") as store:
        store.add("Alice likes tea")

        with pytest.raises(CorruptStoreError):
            await FeatherRetriever(path=path).aretrieve("tea")
        with pytest.raises(WrongTenantError, match="bob"):
            await FeatherRetriever(path=alices, tenant="bob").aretrieve("tea")
        memory = FeatherMemory.from_defaults(path=alices, tenant="bob")
        with pytest.raises(WrongTenantError, match="bob"):
            await memory.aput(SAID)
        for wrong in (":memory:", ""):  # what is wrong without looking
            with pytest.raises(ParameterError):
                FeatherRetriever(path=wrong)
        assert store.check() == []


@pytest.mark.file
def test_elsewhere_a_path_is_opened_at_once(tmp_path):
    path = tmp_path / "a.feather"
    path.write_bytes(b"no store" * 1000)

    for make in (FeatherRetriever, FeatherVectorStore, FeatherKVStore, FeatherChatStore):
        with pytest.raises(CorruptStoreError):
            make(path=path)


async def test_what_is_not_open_yet_is_pickled_too(tmp_path):
    path = tmp_path / "alice.feather"

    for made in (FeatherVectorStore(path, "alice"), FeatherKVStore(path, "alice")):
        again = pickle.loads(pickle.dumps(made))
        assert again._source.path == str(path)
        assert again._source.owner == "alice"
    assert list(tmp_path.iterdir()) == []
