"""What a file keeps of documents beside their nodes goes with them, and twins are two documents."""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.ingestion import DocstoreStrategy, IngestionCache, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document, ImageNode, IndexNode
from llama_index.core.storage.docstore.keyval_docstore import KVDocumentStore
from llama_index.memory.feather import (
    FeatherKVStore,
    FeatherMemory,
    FeatherMemoryBlock,
    FeatherVectorStore,
    MemoryFeedback,
)

from feather_memory import Store

if TYPE_CHECKING:
    from .conftest import HashEmbedding

CANARY = "The canary sings at dawn"


@pytest.fixture
def pipeline(store: Store, embed_model: HashEmbedding) -> IngestionPipeline:
    """As the README recommends it: vectors, documents and cache in one file."""
    return made(store, embed_model)


def made(store: Store, embed_model: HashEmbedding, **options: Any) -> IngestionPipeline:
    vectors = FeatherVectorStore(store=store)
    return IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=64, chunk_overlap=0), embed_model],
        vector_store=vectors,
        docstore=vectors.storage_context().docstore,
        cache=IngestionCache(cache=FeatherKVStore(store=store)),
        **options,
    )


def documents(store: Store) -> list[str]:
    return sorted(node.ref_doc_id for node in FeatherVectorStore(store=store).get_nodes())


def is_on_disk(store: Store, text: str) -> bool:
    files = store.path.parent.glob(f"{store.path.name}*")
    return any(text.encode() in each.read_bytes() for each in files)


def run(pipeline: IngestionPipeline, is_async: bool, *given: Document) -> None:
    if is_async:
        asyncio.run(pipeline.arun(documents=list(given)))
    else:
        pipeline.run(documents=list(given))


def by_delete(vectors: FeatherVectorStore) -> None:
    vectors.delete("birds")


def by_adelete(vectors: FeatherVectorStore) -> None:
    asyncio.run(vectors.adelete("birds"))


def by_nodes(vectors: FeatherVectorStore) -> None:
    vectors.delete_nodes([node.node_id for node in vectors.get_nodes()])


def by_clear(vectors: FeatherVectorStore) -> None:
    vectors.clear()


GONE = [by_delete, by_adelete, by_nodes, by_clear]


@pytest.mark.file
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("go", GONE)
def test_deleted_text_is_in_no_cache_and_no_document_store(tmp_path, embed_model, go, is_async):
    with Store.open(tmp_path / "one.feather") as store:
        pipeline = made(store, embed_model)
        birds = Document(text=CANARY, id_="birds", metadata={"ring": "Ringed 4711"})
        run(pipeline, is_async, birds)

        go(pipeline.vector_store)

        assert store.check() == []
        kept = [dict(store.plumbing.shelf(n).items()) for n in store.plumbing.shelves()]
        assert CANARY not in str(kept)
    with Store.open(tmp_path / "one.feather") as store:
        assert not is_on_disk(store, CANARY)
        assert store.check() == []


@pytest.mark.file
def test_a_replaced_text_is_in_no_cache(pipeline, store):
    pipeline.run(documents=[Document(text=CANARY, id_="birds")])

    pipeline.run(documents=[Document(text="The owl does not", id_="birds")])

    assert [node.text for node in pipeline.vector_store.get_nodes()] == ["The owl does not"]
    store.plumbing.rest()
    assert not is_on_disk(store, CANARY)


def test_what_an_earlier_release_cached_goes_too(store, embed_model):
    pipeline = made(store, embed_model)
    pipeline.run(documents=[Document(text=CANARY, id_="birds")])
    store.plumbing.shelf("llama_index.origins").clear()

    pipeline.vector_store.delete("birds")

    assert list(store.plumbing.shelf("llama_index/llama_cache")) == []


def test_the_text_of_others_stays_cached(pipeline, store):
    for name in ("birds", "bees"):
        pipeline.run(documents=[Document(text=f"{CANARY}, say the {name}", id_=name)])
    cached = store.plumbing.shelf("llama_index/llama_cache")
    before = len(cached)

    pipeline.vector_store.delete("birds")

    assert 0 < len(cached) == before // 2
    assert documents(store) == ["bees"]


def test_images_and_index_nodes_leave_nothing_in_the_document_store(store, embed_model):
    index = FeatherVectorStore(store=store).as_index(embed_model)
    index.insert_nodes(
        [ImageNode(id_="i", text=CANARY, image="aGk="), IndexNode(text=CANARY, index_id="x")]
    )

    index.delete_nodes([node.node_id for node in index.vector_store.get_nodes()])

    shelves = [dict(store.plumbing.shelf(name)) for name in store.plumbing.shelves()]
    assert CANARY not in str(shelves)


@pytest.mark.parametrize("is_async", [False, True])
def test_identical_text_in_a_second_document_is_indexed(pipeline, store, is_async):
    for name in ("first", "second", "third"):
        run(pipeline, is_async, Document(text=CANARY, id_=name))

    assert documents(store) == ["first", "second", "third"]
    pipeline.vector_store.delete("first")
    assert documents(store) == ["second", "third"]


def test_documents_of_the_same_words_cut_otherwise_are_indexed(pipeline, store):
    run(pipeline, False, Document(text="ab", id_="a"), Document(text="c", id_="b"))
    run(pipeline, False, Document(text="a", id_="c"), Document(text="bc", id_="d"))

    assert documents(store) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("is_async", [False, True])
def test_of_twins_the_one_that_is_gone_is_deleted(store, embed_model, is_async):
    strategy = DocstoreStrategy.UPSERTS_AND_DELETE
    pipeline = made(store, embed_model, docstore_strategy=strategy)
    twins = [Document(text=CANARY, id_=name) for name in ("first", "second")]
    run(pipeline, is_async, *twins)

    run(pipeline, is_async, twins[0])

    assert documents(store) == ["first"]


def test_a_cache_answers_as_long_as_no_document_store_has_seen_the_document(store, embed_model):
    cache = IngestionCache(cache=FeatherKVStore(store=store))
    node = Document(text=CANARY, id_="birds")
    cache.put("key", [node])
    assert [each.id_ for each in cache.get("key")] == ["birds"]

    KVDocumentStore(FeatherKVStore(store=store)).add_documents([node])

    assert cache.get("key") is None


# Documents and conversations in one file


SAID = "The canaries sing when I come home."


@pytest.fixture
def talk(alice: Store, embed_model: HashEmbedding) -> FeatherMemory:
    """A conversation in the file in which the documents are."""
    memory = FeatherMemory.from_defaults(store=alice, session_id="s", embed_model=embed_model)
    memory.put(ChatMessage(role="user", content=SAID))
    return memory


@pytest.fixture
def birds(alice: Store, embed_model: HashEmbedding) -> FeatherVectorStore:
    vectors = FeatherVectorStore(store=alice)
    vectors.as_index(embed_model).insert(Document(text=CANARY, id_="birds"))
    return vectors


@pytest.mark.parametrize("mode", ["default", "mmr", "text_search", "hybrid"])
def test_an_index_returns_no_question_of_the_user(talk, birds, embed_model, mode):
    index = birds.as_index(embed_model)
    found = index.as_retriever(vector_store_query_mode=mode, similarity_top_k=9).retrieve(SAID)
    assert [node.text for node in found] == [CANARY]
    assert [node.text for node in birds.get_nodes()] == [CANARY]


def test_a_correction_of_what_was_said_is_no_document_either(talk, birds, alice, embed_model):
    (said,) = alice.iterate({"session": "s"})
    MemoryFeedback(alice, embed_model=embed_model).corrected(said.id, "Where do owls sing?")
    assert [node.text for node in birds.get_nodes()] == [CANARY]


def test_nodes_are_deleted_and_cleared_without_the_conversation(talk, birds, alice):
    (said,) = alice.iterate({"session": "s"})
    fact = alice.add("The cage is green")

    birds.delete_nodes([said.id])
    birds.delete("None")
    birds.clear()

    assert {memory.text for memory in alice.iterate()} == {SAID, fact.text}
    assert [message.content for message in talk.get_all()] == [SAID]


def test_a_conversation_is_told_no_documents(talk, birds, alice, embed_model):
    other = FeatherMemory.from_defaults(store=alice, session_id="t", embed_model=embed_model)
    other.put(ChatMessage(role="user", content="When do the canaries sing?"))
    block = FeatherMemoryBlock(store=alice, embed_model=embed_model)
    asked = [ChatMessage(role="user", content="When do the canaries sing?")]

    told = [other.get()[-1].blocks[0].text, asyncio.run(block.aget(asked, session_id="t"))]

    assert all(SAID in each and CANARY not in each for each in told)


def test_who_asks_for_everything_gets_it(talk, birds, alice, embed_model):
    whole = FeatherVectorStore(store=alice, reads="everything")
    other = FeatherMemory.from_defaults(
        store=alice, session_id="t", embed_model=embed_model, reads="everything"
    )
    other.put(ChatMessage(role="user", content="When do the canaries sing?"))

    assert {SAID, CANARY} < {node.text for node in whole.get_nodes()}
    assert CANARY in other.get()[-1].blocks[0].text
    assert pickle.loads(pickle.dumps(whole)).reads == "everything"
    whole.clear()
    assert list(alice.iterate()) == []
