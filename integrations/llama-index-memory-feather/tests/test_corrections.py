"""A correction is the user's: it outlives whatever happens to the document that it corrects."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document, TextNode
from llama_index.memory.feather import FeatherVectorStore, MemoryFeedback, feather_tools

if TYPE_CHECKING:
    from collections.abc import Callable

    from llama_index.core import VectorStoreIndex

    from feather_memory import Store

    from .conftest import HashEmbedding

WRONG, OTHER = "Deploys are on Monday.", "Lunch is at noon."
RIGHT = "Deploys are on Tuesday."


def sentences(text: str) -> list[str]:
    return re.findall(r"[^.!?]+[.!?]*\s*", text)


def splitter(**options: Any) -> SentenceSplitter:
    return SentenceSplitter(
        chunk_size=7,
        chunk_overlap=0,
        include_metadata=False,
        chunking_tokenizer_fn=sentences,
        **options,
    )


def handbook(*said: str, **metadata: Any) -> Document:
    return Document(text=" ".join(said), id_="handbook", metadata=metadata)


def told(index: VectorStoreIndex, question: str = "When are deploys?") -> list[str]:
    return [node.text for node in index.as_retriever(similarity_top_k=9).retrieve(question)]


def by_feedback(store: Store, wrong: str, embed_model: HashEmbedding) -> None:
    MemoryFeedback(store, embed_model=embed_model).corrected(wrong, RIGHT)


def by_tool(store: Store, wrong: str, embed_model: HashEmbedding) -> None:
    (correct,) = feather_tools(store, names=["correct"], origin="user", embed_model=embed_model)
    correct.call(memory_id=wrong, text=RIGHT)


def by_store(store: Store, wrong: str, embed_model: HashEmbedding) -> None:
    store.supersede(wrong, RIGHT, vector=embed_model.get_text_embedding(RIGHT))


def refreshed(index: VectorStoreIndex, document: Document) -> None:
    assert index.refresh_ref_docs([document]) == [True]


def refreshed_async(index: VectorStoreIndex, document: Document) -> None:
    assert asyncio.run(index.arefresh_ref_docs([document])) == [True]


def updated(index: VectorStoreIndex, document: Document) -> None:
    index.update_ref_doc(document)


def deleted_and_inserted(index: VectorStoreIndex, document: Document) -> None:
    index.delete_ref_doc(document.id_, delete_from_docstore=True)
    index.insert(document)


def upserted(index: VectorStoreIndex, document: Document) -> None:
    pipeline = IngestionPipeline(
        transformations=[splitter(), index._embed_model],
        vector_store=index.vector_store,
        docstore=index.docstore,
        docstore_strategy=DocstoreStrategy.UPSERTS,
    )
    pipeline.run(documents=[document])


def inserted_once_more(index: VectorStoreIndex, document: Document) -> None:
    index.insert(document)


def added_where_only_duplicates_are_noticed(index: VectorStoreIndex, document: Document) -> None:
    IngestionPipeline(
        transformations=[splitter(), index._embed_model],
        vector_store=index.vector_store,
        docstore=index.docstore,
        docstore_strategy=DocstoreStrategy.DUPLICATES_ONLY,
    ).run(documents=[document])


CORRECTED = [by_feedback, by_tool, by_store]
WAYS = [refreshed, refreshed_async, updated, deleted_and_inserted, upserted]


@pytest.fixture
def index(store: Store, embed_model: HashEmbedding) -> VectorStoreIndex:
    return FeatherVectorStore(store=store).as_index(embed_model, transformations=[splitter()])


@pytest.fixture
def correct(
    index: VectorStoreIndex, store: Store, embed_model: HashEmbedding
) -> Callable[..., None]:
    """Has a user correct what the handbook says of deploys."""

    def make(by: Callable[..., None] = by_feedback) -> None:
        index.insert(handbook(WRONG, OTHER))
        (wrong,) = [m.id for m in store.iterate() if m.text == WRONG]
        by(store, wrong, embed_model)
        assert told(index)[0] == RIGHT
        assert WRONG not in told(index)

    return make


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("by", CORRECTED)
def test_a_correction_outlives_every_way_to_write_the_document_again(index, correct, by, way):
    correct(by)

    way(index, handbook(WRONG, "Lunch is at one."))

    assert told(index)[0] == RIGHT
    assert WRONG not in told(index)
    assert "Lunch is at one." in told(index)


@pytest.mark.parametrize("way", [inserted_once_more, added_where_only_duplicates_are_noticed])
@pytest.mark.parametrize("by", CORRECTED)
def test_a_document_that_is_written_beside_itself_stays_corrected(index, correct, store, by, way):
    """Nothing of it is deleted before, as by scripts that build their index at every start."""
    correct(by)
    for n in range(2):
        way(index, handbook(WRONG, OTHER, read=n))

        assert told(index)[0] == RIGHT
        assert WRONG not in told(index)
        assert told(index).count(OTHER) == n + 2
    way(index, handbook("Deploys are on Sunday.", OTHER, read=3))
    assert told(index)[:2] == ["Deploys are on Sunday.", RIGHT]
    assert store.check() == []


def test_it_outlives_any_number_of_them(index, correct):
    correct()

    for hour in ("one", "two", "three"):
        refreshed(index, handbook(f"Lunch is at {hour}.", WRONG))

    assert set(told(index)) == {RIGHT, "Lunch is at three."}


def test_what_did_not_change_but_its_metadata_stays_corrected(index, correct):
    correct()

    refreshed(index, handbook(WRONG, OTHER, edition=2))

    assert set(told(index)) == {RIGHT, OTHER}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("by", CORRECTED)
def test_a_passage_that_the_document_changes_itself_is_told_before_the_correction(
    index, correct, by, way
):
    correct(by)

    way(index, handbook("Deploys are on Thursday now.", OTHER))

    assert told(index, RIGHT)[:2] == ["Deploys are on Thursday now.", RIGHT]
    assert OTHER in told(index)


@pytest.mark.parametrize("by", CORRECTED)
def test_a_node_that_is_written_again_under_its_id_is_corrected_while_it_says_the_same(
    store, embed_model, by
):
    vectors = FeatherVectorStore(store=store)

    def write(text: str) -> list[str]:
        embedding = embed_model.get_text_embedding(text)
        vectors.add([TextNode(text=text, id_="n", embedding=embedding)])
        return sorted(node.text for node in vectors.get_nodes())

    write(WRONG)
    by(store, "n", embed_model)

    assert write(WRONG) == [RIGHT]
    assert write("Deploys are on Thursday.") == ["Deploys are on Thursday.", RIGHT]
    assert write(WRONG) == [RIGHT]


def test_what_was_corrected_and_is_now_a_part_of_a_longer_node_is_told_after_the_correction(
    store, embed_model, correct
):
    correct()
    whole = FeatherVectorStore(store=store).as_index(embed_model)

    refreshed(whole, handbook(WRONG, OTHER, edition=2))

    assert told(whole, WRONG) == [RIGHT, f"{WRONG} {OTHER}"]


def test_a_correction_of_a_correction_stands(index, correct, store, embed_model):
    correct()
    (right,) = [m.id for m in store.iterate() if m.text == RIGHT]
    MemoryFeedback(store, embed_model=embed_model).corrected(right, "Deploys are on Friday.")

    for edition in (2, 3):
        refreshed(index, handbook(WRONG, OTHER, edition=edition))

    assert set(told(index)) == {"Deploys are on Friday.", OTHER}


def test_another_document_that_says_the_same_is_withheld_as_long_as_it_is_corrected(index, correct):
    correct()

    index.insert(Document(text=WRONG, id_="minutes"))

    assert RIGHT in told(index)
    assert WRONG not in told(index)


def test_a_deleted_document_leaves_its_corrections_unless_they_are_to_go(index, correct, store):
    correct()

    index.delete_ref_doc("handbook")

    assert told(index) == [RIGHT]
    index.delete_ref_doc("handbook", corrections=True)
    assert list(store.iterate()) == []


def test_a_node_that_another_document_s_replaces_goes_with_its_own_document(
    index, vectors_of, store
):
    index.insert(handbook(WRONG))
    index.insert(Document(text=RIGHT, id_="minutes"))
    old, new = vectors_of("handbook"), vectors_of("minutes")
    store.link(new, old, "supersedes")

    index.delete_ref_doc("minutes")

    assert [memory.text for memory in store.iterate()] == [WRONG]


@pytest.fixture
def vectors_of(store: Store) -> Callable[[str], str]:
    """The id of the one node of a document."""

    def find(document: str) -> str:
        (found,) = store.iterate({"llama_index.relationships.1.node_id": document})
        return found.id

    return find


def test_a_correction_that_was_forgotten_corrects_nothing(index, correct, store):
    correct()
    (right,) = [m.id for m in store.iterate() if m.text == RIGHT]
    refreshed(index, handbook(WRONG, OTHER, edition=2))
    store.forget(right)

    refreshed(index, handbook(WRONG, OTHER, edition=3))

    assert set(told(index)) == {WRONG, OTHER}


def test_a_correction_that_is_written_as_a_node_stays_the_users(index, correct, store):
    """It is found as a node, with all that one has: who writes it back writes a document."""
    correct()
    found = index.as_retriever(similarity_top_k=9).retrieve("When are deploys?")
    (node,) = [each.node for each in found if each.text == RIGHT]
    other = {"text": "Deploys are never.", "id_": node.node_id, "metadata": node.metadata}

    index.insert_nodes([TextNode(**other, relationships=node.relationships)])
    index.delete_ref_doc("handbook")
    index.insert_nodes([TextNode(**other, relationships=node.relationships)])

    assert store.get(node.node_id).text == RIGHT
    assert "Deploys are never." not in told(index)
