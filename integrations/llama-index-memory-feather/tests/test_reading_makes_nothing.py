"""Whoever has no memory yet gets none by being asked about: no file is made by reading."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import VectorStoreQuery
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

from feather_memory import TenantPool, UnknownMemoryError, UnknownTurnError
from feather_memory.testing.absence import AbsenceContract

from .conftest import HashEmbedding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MODEL = HashEmbedding()
NEAR = VectorStoreQuery(query_embedding=[1.0, 0.0])
ASKED = [ChatMessage(role="user", content="What do I drink?")]


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[TenantPool]:
    with TenantPool(tmp_path / "tenants") as pool:
        yield pool


def of(pool: TenantPool) -> dict[str, Any]:
    return {"pool": pool, "tenant": "alice"}


def memory(pool: TenantPool) -> FeatherMemory:
    return FeatherMemory.from_defaults(**of(pool), session_id="monday", embed_model=MODEL)


def block(pool: TenantPool) -> FeatherMemoryBlock:
    return FeatherMemoryBlock(**of(pool), embed_model=MODEL, save="none")


def recall(pool: TenantPool) -> str:
    tool = feather_tools(**of(pool), embed_model=MODEL)[0]
    return tool.call(query="tea").content


def correction(pool: TenantPool) -> None:
    tool = feather_tools(**of(pool), embed_model=MODEL)[2]
    with pytest.raises(UnknownMemoryError):
        tool.call(text="coffee", memory_id="x")


def unseen(pool: TenantPool, document: str) -> None:
    documents(pool).delete_document(document, raise_error=False)


def chats(pool: TenantPool) -> FeatherChatStore:
    return FeatherChatStore(**of(pool))


def documents(pool: TenantPool) -> Any:
    return FeatherVectorStore(**of(pool)).storage_context().docstore


def oldest(pool: TenantPool) -> list[ChatMessage]:
    return asyncio.run(FeatherChatStore(**of(pool)).archive_oldest_messages("monday", 3))


READING: dict[str, tuple[Callable[[TenantPool], Any], Any]] = {
    "a query": (lambda p: FeatherVectorStore(**of(p)).query(NEAR).nodes, []),
    "nodes": (lambda p: FeatherVectorStore(**of(p)).get_nodes(["x"]), []),
    "deleting a document": (lambda p: FeatherVectorStore(**of(p)).delete("d"), None),
    "deleting nodes": (lambda p: FeatherVectorStore(**of(p)).delete_nodes(["x"]), None),
    "clearing": (lambda p: FeatherVectorStore(**of(p)).clear(), None),
    "a retrieval": (lambda p: FeatherRetriever(**of(p), embed_model=MODEL).retrieve("tea"), []),
    "a retrieval by words": (lambda p: FeatherRetriever(**of(p)).retrieve("tea"), []),
    "a recall": (recall, "Nothing is remembered about that."),
    "a value": (lambda p: FeatherKVStore(**of(p)).get("k"), None),
    "values": (lambda p: FeatherKVStore(**of(p)).get_all(), {}),
    "deleting a value": (lambda p: FeatherKVStore(**of(p)).delete("k"), False),
    "messages": (lambda p: memory(p).get(), []),
    "messages for a question": (lambda p: memory(p).get("What do I drink?"), []),
    "messages on the loop": (lambda p: asyncio.run(memory(p).aget("What do I drink?")), []),
    "all messages": (lambda p: memory(p).get_all(), []),
    "a reset": (lambda p: memory(p).reset(), None),
    "forgetting": (lambda p: memory(p).forget().ids, ()),
    "no messages": (lambda p: memory(p).set([]), None),
    "no messages on the loop": (lambda p: asyncio.run(memory(p).aset([])), None),
    "nothing said": (lambda p: memory(p).put_messages([]), None),
    "nothing said on the loop": (lambda p: asyncio.run(memory(p).aput_messages([])), None),
    "fields": (lambda p: memory(p).to_dict()["session_id"], "monday"),
    "a block": (lambda p: asyncio.run(block(p).aget(ASKED)), ""),
    "a correction": (correction, None),
    "no values": (lambda p: FeatherKVStore(**of(p)).put_all([]), None),
    "no nodes": (lambda p: FeatherVectorStore(**of(p)).add([]), []),
    "documents": (lambda p: documents(p).get_all_document_hashes(), {}),
    "deleting what was seen": (
        lambda p: documents(p).delete_document("d", raise_error=False),
        None,
    ),
    "no chat": (lambda p: asyncio.run(chats(p).set_messages("monday", [])), None),
    "nothing more": (lambda p: asyncio.run(chats(p).add_messages("m", [])), None),
    "deleting a chat": (
        lambda p: asyncio.run(chats(p).delete_messages("m")),
        None,
    ),
    "a chat": (lambda p: asyncio.run(chats(p).get_messages("monday")), []),
    "chats": (lambda p: asyncio.run(chats(p).get_keys()), []),
    "the oldest": (oldest, []),
}


class TestReading(AbsenceContract):
    reading = READING


@pytest.mark.file
def test_an_index_of_a_tenant_who_has_none_is_persisted_as_an_empty_one(pool, tmp_path):
    vectors = FeatherVectorStore(**of(pool))

    vectors.storage_context().persist(tmp_path / "there")

    assert pool.tenants() == []
    snapshot = FeatherVectorStore.from_persist_dir(str(tmp_path / "there"))
    assert snapshot.client.tenant == "alice"
    assert snapshot.get_nodes() == []
    assert snapshot.client.check() == []
    vectors.persist(str(tmp_path / "tenants" / "default__vector_store.json"))
    assert pool.tenants() == []


def test_feedback_makes_no_file_for_a_tenant_who_has_none(pool):
    feedback = MemoryFeedback(**of(pool), embed_model=MODEL)
    for act in (feedback.like, feedback.saved, lambda turn: feedback.corrected(turn, "coffee")):
        with pytest.raises(UnknownTurnError):
            act("some turn")

    assert pool.tenants() == []


def test_the_first_write_makes_the_file_and_is_read_by_what_was_made_before(pool):
    """What was made before the tenant had a file is bound to no absence."""
    vectors, talk = FeatherVectorStore(**of(pool)), memory(pool)
    retriever = FeatherRetriever(**of(pool), embed_model=MODEL)
    assert (vectors.get_nodes(["t"]), retriever.retrieve("tea"), talk.get()) == ([], [], [])

    talk.put(ASKED[0])
    FeatherVectorStore(**of(pool)).add(
        [TextNode(text="tea", id_="t", embedding=MODEL.get_text_embedding("tea"))]
    )

    assert [node.node_id for node in vectors.get_nodes(["t"])] == ["t"]
    assert "t" in [node.node_id for node in retriever.retrieve("tea")]
    assert [message.content for message in talk.get()] == ["What do I drink?"]
    assert pool.get("alice").check() == []
