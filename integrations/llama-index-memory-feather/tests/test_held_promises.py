"""Small inputs that once failed, each with its siblings."""

from __future__ import annotations

import asyncio
import pickle
import threading
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import ContextChatEngine
from llama_index.core.llms import MockLLM
from llama_index.core.schema import ImageNode, IndexNode, QueryBundle, TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery
from llama_index.memory.feather import (
    FeatherChatStore,
    FeatherKVStore,
    FeatherMemory,
    FeatherMemoryBlock,
    FeatherRetriever,
    FeatherVectorStore,
    MemoryFeedback,
    feather_tools,
    feather_turn,
)

from feather_memory import F, InvalidMetadataError, ParameterError, TenantPool

if TYPE_CHECKING:
    from pathlib import Path

    from feather_memory import Store

    from .conftest import HashEmbedding

HALF = "half a smile \ud83d"


def user(text: str) -> ChatMessage:
    return ChatMessage(role="user", content=text)


# Image and index nodes hide nothing


@pytest.mark.parametrize("way", ["as_index", "storage_context"])
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("kind", [IndexNode, ImageNode])
def test_a_node_that_an_index_lists_hides_no_text(store, embed_model, kind, is_async, way):
    vectors = FeatherVectorStore(store=store)
    index = (
        vectors.as_index(embed_model)
        if way == "as_index"
        else VectorStoreIndex(
            [], storage_context=vectors.storage_context(), embed_model=embed_model
        )
    )
    own = {"index_id": "x"} if kind is IndexNode else {"image": "aGk="}
    nodes = [TextNode(text="cats sleep", id_="t"), kind(text="cats play", id_="k", **own)]

    if is_async:
        asyncio.run(index.ainsert_nodes(nodes))
    else:
        index.insert_nodes(nodes)

    assert {each.node_id for each in index.as_retriever().retrieve("cats")} == {"t", "k"}


def test_an_index_that_is_made_of_nodes_hides_none(store, embed_model):
    context = FeatherVectorStore(store=store).storage_context()
    nodes = [TextNode(text="cats sleep", id_="t"), IndexNode(text="cats", index_id="x", id_="k")]
    index = VectorStoreIndex(nodes, storage_context=context, embed_model=embed_model)
    assert {each.node_id for each in index.as_retriever().retrieve("cats")} == {"t", "k"}


def test_an_index_without_our_storage_context_lists_them_as_the_readme_says(store, embed_model):
    index = VectorStoreIndex.from_vector_store(
        FeatherVectorStore(store=store), embed_model=embed_model
    )
    index.insert_nodes(
        [TextNode(text="cats sleep", id_="t"), IndexNode(text="cats", index_id="x", id_="k")]
    )
    assert [each.node_id for each in index.as_retriever().retrieve("cats")] == ["k"]


# Order


def test_by_filters_alone_come_those_written_last_however_often_others_were_recalled(
    store, embed_model
):
    vectors = FeatherVectorStore(store=store)
    for name in "abcd":
        vectors.add([TextNode(text=f"node {name}", id_=name, embedding=[1.0, 0.0])])
    for turn in range(20):
        store.recall("node a", 1, turn=str(turn), where=F("id") == "a")

    found = vectors.query(VectorStoreQuery(similarity_top_k=2, node_ids=["a", "b", "c", "d"]))

    assert found.ids == ["d", "c"]
    assert [node.node_id for node in vectors.get_nodes()] == ["a", "b", "c", "d"]


def test_what_was_replaced_leaves_its_place_to_others(store):
    vectors = FeatherVectorStore(store=store)
    vectors.add([TextNode(text=name, id_=name, embedding=[1.0, 0.0]) for name in "abcdefgh"])
    for name in "efgh":
        store.link("a", name, "supersedes")

    found = vectors.query(VectorStoreQuery(similarity_top_k=3, node_ids=list("abcdefgh")))

    assert found.ids == ["d", "c", "b"]


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("names", ["abcde", "edcba", "caebd"])
def test_equally_near_nodes_come_in_the_order_of_insertion(store, names, k):
    vectors = FeatherVectorStore(store=store)
    for name in names:
        vectors.add([TextNode(text=name, id_=name, embedding=[1.0, 0.0])])

    found = vectors.query(VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=k))

    assert found.ids == list(names[:k])


# What chat engines hand on


@pytest.mark.parametrize("is_async", [False, True])
def test_a_chat_engine_takes_a_query_bundle(session, alice, embed_model, is_async):
    text = "I drink tea"
    alice.add(text, vector=embed_model.get_text_embedding(text))
    engine = ContextChatEngine.from_defaults(
        retriever=FeatherRetriever(store=alice, embed_model=embed_model),
        memory=session("s", on_error="raise"),
        llm=MockLLM(),
    )
    asked = QueryBundle("What do I drink?")
    answer = asyncio.run(engine.achat(asked)) if is_async else engine.chat(asked)
    assert "What do I drink?" in str(answer)


def test_a_question_that_is_no_text_is_refused(session):
    with pytest.raises(ParameterError, match="text"):
        session("s").get(input=7)


@pytest.mark.parametrize("is_async", [False, True])
def test_memories_stand_with_the_question_that_is_asked_now(session, is_async):
    session("monday").put(user("I drink green tea"))
    memory = session("tuesday")
    memory.put_messages([user("What is two and two?"), ChatMessage(role="assistant", content="4")])

    given = {"input": "What tea do I drink?"}
    told = asyncio.run(memory.aget(**given)) if is_async else memory.get(**given)

    assert [message.content for message in told[:2]] == ["What is two and two?", "4"]
    assert "I drink green tea" in str(told[2].content)
    assert len(told) == 3
    memory.put(user("What tea do I drink?"))
    assert "I drink green tea" in memory.get(input="What tea do I drink?")[2].blocks[0].text


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    "message",
    [
        user(HALF),
        ChatMessage(role="tool", content=HALF, additional_kwargs={"tool_call_id": HALF}),
        ChatMessage(role="assistant", content="", additional_kwargs={"calls": [{"x": HALF}]}),
    ],
)
def test_half_a_character_ends_no_run(session, message, is_async):
    memory = session("s", on_error="raise")
    asyncio.run(memory.aput(message)) if is_async else memory.put(message)
    memory.set([message, user("Hello")])

    (kept, _) = memory.get_all()

    assert "half a smile \ufffd" in str(kept.model_dump())
    assert message.model_dump() != kept.model_dump()  # what was given is not changed
    memory.get(input=HALF)


class Client:
    """What a provider may leave in a message."""

    def __repr__(self) -> str:
        return "<Client of a provider>"


def around() -> dict[str, Any]:
    itself: dict[str, Any] = {}
    itself["self"] = itself
    return itself


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (Client(), "<Client of a provider>"),
        ([{"deep": Client()}], [{"deep": "<Client of a provider>"}]),
        (threading.Lock(), "lock"),
        (b"\xff", "/w=="),
        (around(), None),
    ],
    ids=["object", "deep", "lock", "bytes", "itself"],
)
def test_what_json_cannot_hold_in_a_message_is_kept_as_it_is_printed(
    session, given, kept, is_async
):
    """It keeps neither the message nor those after it from being saved."""
    memory = session("s", on_error="raise")
    message = ChatMessage(role="user", content="Hello", additional_kwargs={"x": given, "n": 1})
    asyncio.run(memory.aput(message)) if is_async else memory.put(message)
    memory.put(user("And then?"))

    first, second = memory.get_all()
    assert (first.content, second.content) == ("Hello", "And then?")
    if kept is None:
        assert first.additional_kwargs == {}
    else:
        assert str(kept) in str(first.additional_kwargs["x"])
        assert first.additional_kwargs["n"] == 1
    assert message.additional_kwargs["x"] is given
    memory.set([message, user("And then?")])
    assert len(memory.get_all()) == 2


def test_half_a_character_ends_no_chat_store_and_no_retriever(alice, embed_model):
    chat = FeatherChatStore(store=alice)
    asyncio.run(chat.add_message("s", user(HALF)))
    assert asyncio.run(chat.get_messages("s"))[0].content == "half a smile \ufffd"
    assert FeatherRetriever(store=alice, embed_model=embed_model).retrieve(HALF) == []


# What is given


def test_metadata_that_json_cannot_hold_names_node_and_key(store):
    for bad in (
        float("nan"), {"deep": [float("inf")]}, b"\xff", object(), [Client()], HALF, around(),
    ):  # fmt: skip
        node = TextNode(text="x", id_="n7", metadata={"a": 1, "speed": bad}, embedding=[1.0])
        with pytest.raises(InvalidMetadataError, match=r"'speed' of node 'n7'"):
            FeatherVectorStore(store=store).add([node])


def test_one_string_is_no_list_of_ids(store):
    vectors = FeatherVectorStore(store=store)
    vectors.add([TextNode(text="x", id_="a", embedding=[1.0])])
    asked = {"query_embedding": [1.0], "similarity_top_k": 1}
    for call in (
        lambda: vectors.get_nodes("abc"),
        lambda: vectors.delete_nodes("abc"),
        lambda: vectors.query(VectorStoreQuery(node_ids="abc", **asked)),
        lambda: vectors.query(VectorStoreQuery(doc_ids="abc", **asked)),
    ):
        with pytest.raises(ParameterError, match="several strings, got 'abc'"):
            call()
    assert [node.node_id for node in vectors.get_nodes(["a"])] == ["a"]


def test_a_vector_store_is_taken_where_a_store_is(alice, embed_model):
    vectors: Any = FeatherVectorStore(store=alice)
    memory = FeatherMemory.from_defaults(store=vectors, session_id="s", embed_model=embed_model)
    memory.put(user("I drink green tea"))
    assert len(FeatherRetriever(store=vectors, embed_model=embed_model).retrieve("tea")) == 1
    for made in (
        FeatherMemoryBlock(store=vectors, embed_model=embed_model),
        FeatherKVStore(store=vectors),
        FeatherChatStore(store=vectors),
        FeatherVectorStore(store=vectors),
        MemoryFeedback(store=vectors, embed_model=embed_model),
        feather_tools(vectors),
    ):
        assert made


def test_a_correction_that_could_be_of_several_memories_lists_them(alice, embed_model):
    texts = ["Deploys are on Monday", "Deploys are at noon"]
    made = alice.add_many(
        [{"text": text, "vector": embed_model.get_text_embedding(text)} for text in texts]
    )
    feedback = MemoryFeedback(alice, embed_model=embed_model)
    with feather_turn() as turn:
        nodes = FeatherRetriever(store=alice, embed_model=embed_model).retrieve("deploys")

    for about in (turn, nodes):
        with pytest.raises(ParameterError) as refused:
            feedback.corrected(about, "Deploys are on Tuesday")
        assert all(each.id in str(refused.value) for each in made)
        assert all(each.text in str(refused.value) for each in made)
    assert all(alice.get(each.id).importance == each.importance for each in made)


def test_handles_of_a_directory_share_one_pool(tmp_path: Path, embed_model):
    """Three hundred of them, of which some are at work."""
    handles = [
        FeatherMemory.from_defaults(
            directory=tmp_path, tenant=f"t{number}", session_id="s", embed_model=embed_model
        )
        for number in range(300)
    ]
    working = handles[::25]
    for handle in working:
        handle.put(user(f"I am {handle.tenant}"))
    pools = {id(handle._bind().source.given) for handle in handles}
    assert len(pools) == 1
    for handle in working:
        assert [message.content for message in handle.get_all()] == [f"I am {handle.tenant}"]
    again = pickle.loads(pickle.dumps(handles[3]))
    assert again._bind().source.given is handles[3]._bind().source.given
    with TenantPool(tmp_path) as pool:
        assert pool.tenants() == sorted(handle.tenant for handle in working)
        assert all(pool.get(handle.tenant).check() == [] for handle in working)


def test_a_blank_question_finds_nothing(alice: Store, embed_model: HashEmbedding):
    alice.add("I drink tea", vector=embed_model.get_text_embedding("I drink tea"))
    for blank in ("", "  \n"):
        assert FeatherRetriever(store=alice, embed_model=embed_model).retrieve(blank) == []
        index = FeatherVectorStore(store=alice).as_index(embed_model)
        assert index.as_retriever().retrieve(blank) == []


def test_what_is_at_a_path_goes_through_pickle_and_what_is_open_elsewhere_says_what_to_do(
    tmp_path, embed_model
):
    place: dict[str, Any] = {"path": tmp_path / "a.feather"}
    for made in (
        FeatherVectorStore(**place),
        FeatherKVStore(**place),
        FeatherChatStore(**place),
        FeatherMemoryBlock(**place, embed_model=embed_model),
        FeatherRetriever(**place, embed_model=embed_model),
        MemoryFeedback(**place, embed_model=embed_model),
    ):
        assert type(pickle.loads(pickle.dumps(made))) is type(made)
    with TenantPool(tmp_path / "pool") as pool:
        for refused in (
            FeatherRetriever(pool=pool, tenant="alice", embed_model=embed_model),
            MemoryFeedback(pool=pool, tenant="alice"),
            FeatherChatStore(pool=pool, tenant="alice"),
        ):
            with pytest.raises(TypeError, match="path="):
                pickle.dumps(refused)
