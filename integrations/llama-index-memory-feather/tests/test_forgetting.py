"""What is forgotten is in none of what LlamaIndex keeps beside the memories, by whatever door."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ToolCallBlock
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, Document, TextNode
from llama_index.memory.feather import FeatherKVStore, FeatherMemory, FeatherVectorStore

from feather_memory import F, Store
from feather_memory.testing.forgetting import (
    CANARY,
    SECRET,
    ForgettingContract,
    ids_of_secrets,
    is_kept,
)

from .conftest import HashEmbedding

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "The canteen opens at noon and closes at two on every working day of the week."


def conversation(store: Store) -> FeatherMemory:
    return FeatherMemory.from_defaults(
        store=store, session_id="monday", embed_model=HashEmbedding(), save="all"
    )


def said(store: Store) -> list[str]:
    """A conversation, one message of which is the secret."""
    memory = conversation(store)
    memory.put(ChatMessage(role="user", content="Good morning"))
    memory.put(ChatMessage(role="user", content=SECRET))
    return ids_of_secrets(store)


def rewritten(store: Store) -> list[str]:
    """The same, and the messages before it are others since."""
    ids = said(store)
    conversation(store).set(
        [ChatMessage(role="user", content=SECRET), ChatMessage(role="user", content="Bye")]
    )
    return ids


def ingested(store: Store) -> list[str]:
    """A document of two chunks, one of which is the secret, and all that a pipeline keeps."""
    vectors = FeatherVectorStore(store=store)
    IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=20, chunk_overlap=0), HashEmbedding()],
        vector_store=vectors,
        docstore=vectors.storage_context().docstore,
        cache=IngestionCache(cache=FeatherKVStore(store=store)),
    ).run(documents=[Document(text=f"{OTHER} {SECRET}", id_="notes")])
    return ids_of_secrets(store)


def indexed(store: Store) -> list[str]:
    """A document that an index keeps, and its nodes in a document store, too."""
    index = FeatherVectorStore(store=store).as_index(
        HashEmbedding(), transformations=[SentenceSplitter(chunk_size=20, chunk_overlap=0)]
    )
    index.insert(Document(text=f"{OTHER} {SECRET}", id_="notes"))
    index.docstore.add_documents([Document(text=f"{OTHER} {SECRET}", id_="notes")])
    index.docstore.add_documents(FeatherVectorStore(store=store).get_nodes())
    return ids_of_secrets(store)


def cached_before(store: Store) -> list[str]:
    """A cache of a pipeline that writes no nodes, which are written by another hand."""
    return _written(store, _cached(store))


def cached_after(store: Store) -> list[str]:
    """Nodes that are there already when a pipeline caches what it makes of their document."""
    ids = _written(store, _split())
    _cached(store)
    return ids


def cached_of_no_document(store: Store) -> list[str]:
    """Nodes that come from nowhere."""
    nodes = [TextNode(text=OTHER, id_="canteen"), TextNode(text=SECRET, id_="safe")]
    ids = _written(store, nodes)
    IngestionPipeline(
        transformations=[HashEmbedding()], cache=IngestionCache(cache=FeatherKVStore(store=store))
    ).run(nodes=nodes)
    return ids


def _split() -> list[BaseNode]:
    splitter = SentenceSplitter(chunk_size=20, chunk_overlap=0)
    return list(splitter([Document(text=f"{OTHER} {SECRET}", id_="notes")]))


def _cached(store: Store) -> list[BaseNode]:
    made = IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=20, chunk_overlap=0)],
        cache=IngestionCache(cache=FeatherKVStore(store=store)),
    ).run(documents=[Document(text=f"{OTHER} {SECRET}", id_="notes")])
    return list(made)


def _written(store: Store, nodes: list[BaseNode]) -> list[str]:
    FeatherVectorStore(store=store).add(HashEmbedding()(nodes))
    return ids_of_secrets(store)


@pytest.fixture
def opened(tmp_path: Path) -> Any:
    with Store.open(tmp_path / "one.feather", tenant="alice") as store:
        yield store


@pytest.mark.file
class TestForgetting(ForgettingContract):
    doors = (said, rewritten, ingested, indexed, cached_before, cached_after, cached_of_no_document)


def test_what_was_said_besides_stays(opened):
    opened.forget(said(opened))

    memory = conversation(opened)
    assert [message.content for message in memory.get_all()] == ["Good morning"]


def test_a_document_says_what_it_said_besides(opened):
    opened.forget(indexed(opened))

    kept = opened.plumbing.shelf("llama_index/docstore/data")["notes"]
    assert CANARY not in json.dumps(kept)
    assert "The canteen opens at noon" in json.dumps(kept)
    assert opened.check() == []


@pytest.mark.file
def test_a_call_of_a_tool_stays_for_its_result(opened):
    """A result without its call is an error at every provider."""
    memory = conversation(opened)
    call = ToolCallBlock(tool_call_id="1", tool_name="safe", tool_kwargs={"open": True})
    memory.put(ChatMessage(role="user", content="Open the safe"))
    memory.put(ChatMessage(role=MessageRole.ASSISTANT, blocks=[TextBlock(text=SECRET), call]))
    memory.put(ChatMessage(role=MessageRole.TOOL, content="It is open"))

    opened.forget(where=F("text") == SECRET)

    _, called, result = memory.get_all()
    assert [block for block in called.blocks if isinstance(block, ToolCallBlock)] == [call]
    assert result.content == "It is open"
    assert opened.check() == []
    assert not is_kept(opened)
