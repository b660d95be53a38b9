"""Indexes, pipelines and memories of LlamaIndex over the store, also after a restart."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core import (
    MockEmbedding,
    SimpleDirectoryReader,
    StorageContext,
    VectorStoreIndex,
    load_index_from_storage,
)
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.ingestion import DocstoreStrategy, IngestionCache, IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.memory import VectorMemory, VectorMemoryBlock
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document, ImageNode, IndexNode, TextNode
from llama_index.core.vector_stores.types import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from llama_index.memory.feather import FeatherKVStore, FeatherVectorStore

from feather_memory import (
    CorruptStoreError,
    ParameterError,
    Store,
    StoreAccessError,
    StoreFullError,
)
from feather_memory.truth.sqlite import erasure

if TYPE_CHECKING:
    from .conftest import HashEmbedding

TEA = "Tea comes from the highlands. It is drunk hot. Milk goes in first."
RUM = "Rum comes from the islands. It is drunk cold."


def sentences(text: str) -> list[str]:
    return re.findall(r"[^.!?]+[.!?]*\s*", text)


def splitter() -> SentenceSplitter:
    return SentenceSplitter(
        chunk_size=8,
        chunk_overlap=0,
        chunking_tokenizer_fn=sentences,
        id_func=lambda at, document: f"{document.id_}#{at}",
    )


def documents(**changed: str) -> list[Document]:
    texts = {"tea": TEA, "rum": RUM, **changed}
    return [Document(text=text, id_=id_, metadata={"name": id_}) for id_, text in texts.items()]


def texts(vectors: FeatherVectorStore) -> list[str]:
    return sorted(node.text for node in vectors.get_nodes())


@pytest.fixture
def vectors(store: Store) -> FeatherVectorStore:
    return FeatherVectorStore(store=store)


@pytest.fixture
def index(vectors: FeatherVectorStore, embed_model: HashEmbedding) -> VectorStoreIndex:
    return vectors.as_index(embed_model, transformations=[splitter()])


# Indexes


def test_an_index_over_a_store_finds_what_another_wrote(vectors, embed_model):
    context = StorageContext.from_defaults(vector_store=vectors)
    VectorStoreIndex.from_documents(
        documents(), storage_context=context, embed_model=embed_model, transformations=[splitter()]
    )

    index = VectorStoreIndex.from_vector_store(vectors, embed_model=embed_model)

    (best,) = index.as_retriever(similarity_top_k=1).retrieve("Milk goes in first.")
    assert best.text == "Milk goes in first."
    assert best.node.ref_doc_id == "tea"
    assert best.node.metadata == {"name": "tea"}
    assert best.node.start_char_idx == TEA.index("Milk")
    assert best.node.prev_node.node_id == "tea#1"
    assert 0.5 < best.score <= 1


async def test_an_async_index_does_the_same(vectors, embed_model):
    index = vectors.as_index(embed_model, transformations=[splitter()])
    for document in documents():
        await index.ainsert(document)

    (best,) = await index.as_retriever(similarity_top_k=1).aretrieve("Milk goes in first.")
    assert best.text == "Milk goes in first."
    await index.adelete_ref_doc("tea")
    assert texts(vectors) == ["It is drunk cold.", "Rum comes from the islands."]
    await index.adelete_nodes(["rum#0"])
    assert texts(vectors) == ["It is drunk cold."]
    assert await index.arefresh_ref_docs(documents()) == [True, False]


def test_a_query_engine_shows_the_model_what_was_found(index):
    index.refresh_ref_docs(documents())

    answer = index.as_query_engine(llm=MockLLM(), similarity_top_k=1).query("Milk goes in first?")

    assert "Milk goes in first." in str(answer)
    assert [node.node_id for node in answer.source_nodes] == ["tea#2"]


@pytest.mark.parametrize("mode", ["default", "mmr", "text_search", "sparse", "hybrid"])
def test_a_retriever_of_any_mode_passes_on_what_it_is_told(index, mode):
    index.refresh_ref_docs(documents())
    only = MetadataFilters(filters=[MetadataFilter(key="name", value="rum")])

    found = index.as_retriever(
        similarity_top_k=2, vector_store_query_mode=mode, filters=only, doc_ids=["rum", "tea"]
    ).retrieve("drunk from the islands")

    assert {node.node_id for node in found} == {"rum#0", "rum#1"}
    assert all(node.score is not None for node in found)


def test_arguments_of_the_retriever_reach_the_store_and_a_typo_does_not_pass(index):
    index.refresh_ref_docs(documents())
    threshold = {"mmr_threshold": 0.0}
    mmr = index.as_retriever(vector_store_query_mode="mmr", vector_store_kwargs=threshold)
    typo = index.as_retriever(vector_store_kwargs={"filter": {"name": "rum"}})

    assert len(mmr.retrieve("islands")) == 2
    with pytest.raises(TypeError, match="'filter'"):
        typo.retrieve("islands")


def test_refreshing_inserts_the_new_updates_the_changed_and_leaves_the_rest(index, vectors):
    assert index.refresh_ref_docs(documents()) == [True, True]
    assert index.refresh_ref_docs(documents()) == [False, False]
    assert index.refresh_ref_docs(documents(tea="Tea is from China.")) == [True, False]
    assert texts(vectors) == sorted(["Tea is from China.", *map(str.strip, sentences(RUM))])


@pytest.mark.file
def test_a_refresh_of_many_documents_does_not_pay_for_each_and_leaves_no_bytes(
    index: VectorStoreIndex, vectors: FeatherVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every second one erasure is tried, be the machine as slow as it likes."""
    names = [f"note{n}" for n in range(20)]

    def notes(said: str) -> list[Document]:
        return [Document(text=f"{name} says {said}.", id_=name) for name in names]

    index.refresh_ref_docs(notes("canary-4711"))
    monkeypatch.setattr("feather_memory.truth.sqlite.file._PAYS_EVERY", 3_600.0)
    paid, real = list[int](), erasure.pay

    def pay(*told: Any, **named: Any) -> None:
        paid.append(1)
        real(*told, **named)

    monkeypatch.setattr(erasure, "pay", pay)

    assert index.refresh_ref_docs(notes("nothing")) == [True] * len(names)

    assert len(paid) <= 1
    assert texts(vectors) == sorted(f"{name} says nothing." for name in names)
    assert vectors.client.check() == []
    folder = Path(vectors.path).parent
    vectors.close()
    held = {file.name for file in folder.iterdir() if b"canary-4711" in file.read_bytes()}
    assert held == set()


@pytest.mark.parametrize("from_docstore", [True, False])
def test_a_deleted_document_can_come_back(index, vectors, from_docstore):
    index.refresh_ref_docs(documents())
    before = texts(vectors)

    index.delete_ref_doc("tea", delete_from_docstore=from_docstore)

    assert len(texts(vectors)) == 2
    assert index.refresh_ref_docs(documents()) == [True, False]
    assert texts(vectors) == before


def test_a_cleared_store_takes_everything_once_more(index, vectors):
    index.refresh_ref_docs(documents())
    before = texts(vectors)

    vectors.clear()

    assert texts(vectors) == []
    assert index.refresh_ref_docs(documents()) == [True, True]
    assert texts(vectors) == before


def test_a_document_that_was_never_split_is_deleted_by_its_id(vectors, embed_model):
    index = vectors.as_index(embed_model)
    whole = [d.model_copy(update={"embedding": [1.0] * 128}) for d in documents()]
    vectors.add(whole)

    index.delete_ref_doc("tea")

    assert texts(vectors) == [RUM]


def test_images_and_index_nodes_come_back_through_an_index(vectors, embed_model):
    index = vectors.as_index(embed_model)
    inner = TextNode(text="All about cats", id_="inner")
    index.insert_nodes(
        [
            ImageNode(id_="i", text="a cat on a mat", image="aGk="),
            IndexNode(id_="x", text="cats in general", index_id="cats", obj=inner),
        ]
    )

    found = {n.node_id: n.node for n in index.as_retriever(similarity_top_k=5).retrieve("a cat")}

    assert found["i"].image == "aGk="
    assert found["inner"].text == "All about cats"  # what the index node stands for
    image, reference = vectors.get_nodes(["i", "x"])
    assert (type(image), type(reference), reference.obj.text) == (
        ImageNode,
        IndexNode,
        "All about cats",
    )


def test_a_folder_of_files_is_refreshed_file_by_file(tmp_path, vectors, embed_model):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "tea.txt").write_text(TEA)
    (folder / "rum.txt").write_text(RUM)
    index = vectors.as_index(embed_model, transformations=[splitter()])

    def read() -> list[Document]:
        return SimpleDirectoryReader(str(folder), filename_as_id=True).load_data()

    assert index.refresh_ref_docs(read()) == [True, True]
    (folder / "rum.txt").write_text("Rum is gone.")
    assert sorted(index.refresh_ref_docs(read())) == [False, True]
    assert "Rum is gone." in texts(vectors)
    assert not any("islands" in text for text in texts(vectors))


# A new process

RESTARTED = """
import json, sys
from conftest import HashEmbedding
from llama_index.core.schema import Document
from llama_index.memory.feather import FeatherVectorStore

path, texts, deleted = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
vectors = FeatherVectorStore(path)
index = vectors.as_index(HashEmbedding())
for id_ in deleted:
    index.delete_ref_doc(id_, delete_from_docstore=True)
documents = [Document(text=text, id_=id_) for id_, text in texts.items()]
refreshed = index.refresh_ref_docs(documents)
rows = len(vectors.get_nodes())
assert vectors.client.check() == []
vectors.close()
print(json.dumps([refreshed, rows]))
"""


def restarted(path: Path, told: dict[str, str], deleted: tuple[str, ...] = ()) -> Any:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RESTARTED, path, json.dumps(told),
         json.dumps(deleted)],
        capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_refresh_in_a_new_process_neither_doubles_nor_misses_anything(tmp_path):
    path, told = tmp_path / "alice.feather", {"tea": TEA, "rum": RUM}

    first = restarted(path, told)
    unchanged = restarted(path, told)
    changed = restarted(path, {**told, "rum": "Rum is gone."}, ("tea",))

    assert first == [[True, True], 2]
    assert unchanged == [[False, False], 2]
    assert changed == [[True, True], 2]


def test_without_the_document_store_in_the_file_a_refresh_doubles_everything(vectors, embed_model):
    """The negative control: what happens with a document store in memory."""
    for _ in range(2):
        index = VectorStoreIndex.from_vector_store(vectors, embed_model=embed_model)
        assert index.refresh_ref_docs(documents()) == [True, True]

    assert len(texts(vectors)) == 4


# Persisting


@pytest.mark.file
def test_an_index_is_persisted_and_loaded_elsewhere(tmp_path, index, vectors, embed_model):
    index.refresh_ref_docs(documents())
    there = tmp_path / "storage"

    index.storage_context.persist(there)
    index.storage_context.persist(there)
    index.delete_ref_doc("tea")

    snapshot = FeatherVectorStore.from_persist_dir(str(there))
    loaded = snapshot.as_index(embed_model)
    assert len(texts(snapshot)) == 5
    assert loaded.refresh_ref_docs(documents()) == [False, False]
    assert not (there / "default__vector_store.json").exists()
    assert snapshot.client.check() == []
    snapshot.close()


@pytest.mark.file
def test_load_index_from_storage_finds_what_was_persisted(tmp_path, vectors, embed_model):
    there = str(tmp_path / "storage")
    context = StorageContext.from_defaults(vector_store=vectors)
    VectorStoreIndex.from_documents(
        documents(), storage_context=context, embed_model=embed_model, transformations=[splitter()]
    )
    context.persist(there)

    for store in (vectors, FeatherVectorStore.from_persist_dir(there)):
        context = StorageContext.from_defaults(vector_store=store, persist_dir=there)
        index = load_index_from_storage(context, embed_model=embed_model)

        (best,) = index.as_retriever(similarity_top_k=1).retrieve("Milk goes in first.")
        assert best.node_id == "tea#2"
        assert index.refresh_ref_docs(documents()) == [False, False]
        assert store.client.check() == []
    store.close()


@pytest.mark.file
def test_persisting_where_the_store_lives_copies_nothing(tmp_path, index, vectors):
    index.refresh_ref_docs(documents())

    index.storage_context.persist(tmp_path)

    assert sorted(p.name for p in tmp_path.glob("*.feather")) == ["alice.feather"]
    assert len(texts(FeatherVectorStore(tmp_path / "alice.feather"))) == 5


def test_a_snapshot_replaces_nothing_of_the_user_s(tmp_path, vectors):
    target = tmp_path / "storage" / "default__vector_store.json"
    vectors.add([TextNode(text="x", id_="x", embedding=[1.0])])
    vectors.persist(str(target))
    snapshot = target.with_suffix(".feather").name
    for name in (f"{snapshot}.bak", f"{snapshot}-2025", f"{snapshot}.vectors"):
        target.with_name(name).write_bytes(b"?")

    vectors.persist(str(target))

    left = {path.name for path in target.parent.iterdir()}
    assert left == {snapshot, f"{snapshot}.bak", f"{snapshot}-2025"}


@pytest.mark.file
def test_a_snapshot_in_use_is_not_replaced(tmp_path, vectors):
    target = str(tmp_path / "storage" / "default__vector_store.json")
    vectors.add([TextNode(text="x", id_="x", embedding=[1.0])])
    vectors.persist(target)
    snapshot = FeatherVectorStore.from_persist_path(target)
    assert texts(snapshot) == ["x"]

    with pytest.raises(StoreAccessError, match="is open"):
        vectors.persist(target)

    snapshot.close()
    vectors.persist(target)
    assert texts(snapshot) == ["x"]
    snapshot.close()


@pytest.mark.file
def test_a_damaged_or_missing_snapshot_is_refused_and_left_alone(tmp_path, vectors):
    vectors.persist(str(tmp_path / "s" / "default__vector_store.json"))
    (snapshot,) = (tmp_path / "s").iterdir()
    damaged = b"not a store " * 1_000
    snapshot.write_bytes(damaged)

    with pytest.raises(CorruptStoreError):
        FeatherVectorStore.from_persist_dir(str(tmp_path / "s"))
    with pytest.raises(StoreAccessError, match="no snapshot"):
        FeatherVectorStore.from_persist_dir(str(tmp_path / "s"), namespace="other")

    assert snapshot.read_bytes() == damaged
    assert len(list((tmp_path / "s").iterdir())) == 1


@pytest.mark.parametrize("namespace", ["", "..", "../x", "a/b", "a\\b", "c:", "a\0", ".hidden"])
def test_a_namespace_that_leads_elsewhere_is_refused(tmp_path, namespace):
    with pytest.raises(ParameterError, match="namespace"):
        FeatherVectorStore.from_persist_dir(str(tmp_path), namespace=namespace)


def test_another_file_system_is_refused(vectors):
    class Bucket:
        protocol = ("s3", "s3a")

    class Local:
        protocol = ("file", "local")

    with pytest.raises(ParameterError, match="on this machine"):
        vectors.persist("bucket/default__vector_store.json", fs=Bucket())
    with pytest.raises(StoreAccessError, match="no snapshot"):
        FeatherVectorStore.from_persist_path("nowhere/x.json", fs=Local())


# Pipelines


@pytest.fixture(params=[False, True], ids=["run", "arun"])
def run(request, vectors, embed_model):
    """Runs a pipeline over documents, each time a new one, as after a restart."""

    def run_(told: list[Document], strategy: DocstoreStrategy, **fields: Any) -> list[Any]:
        values = FeatherKVStore(store=vectors.client)
        pipeline = IngestionPipeline(
            transformations=[splitter(), embed_model],
            vector_store=vectors,
            docstore=vectors.storage_context().docstore,
            docstore_strategy=strategy,
            cache=IngestionCache(cache=values),
            **fields,
        )
        if request.param:
            return asyncio.run(pipeline.arun(documents=told))
        return pipeline.run(documents=told)

    return run_


@pytest.mark.parametrize("strategy", list(DocstoreStrategy))
def test_a_pipeline_run_again_adds_nothing(run, vectors, strategy):
    assert len(run(documents(), strategy)) == 5
    before = texts(vectors)

    assert run(documents(), strategy) == []
    assert texts(vectors) == before


def test_upserts_replace_a_changed_document(run, vectors):
    run(documents(), DocstoreStrategy.UPSERTS)

    changed = run(documents(tea="Tea is from China."), DocstoreStrategy.UPSERTS)

    assert [node.text for node in changed] == ["Tea is from China."]
    assert texts(vectors) == sorted(["Tea is from China.", *map(str.strip, sentences(RUM))])
    assert run(documents()[:1], DocstoreStrategy.UPSERTS) != []
    assert len(texts(vectors)) == 5


def test_upserts_and_delete_removes_what_is_missing(run, vectors):
    run(documents(), DocstoreStrategy.UPSERTS_AND_DELETE)

    run(documents()[:1], DocstoreStrategy.UPSERTS_AND_DELETE)

    assert {node.ref_doc_id for node in vectors.get_nodes()} == {"tea"}
    assert len(run(documents(), DocstoreStrategy.UPSERTS_AND_DELETE)) == 2


def test_duplicates_only_skips_the_same_text_and_adds_the_changed(run, vectors):
    run(documents(), DocstoreStrategy.DUPLICATES_ONLY)

    run(documents(tea="Tea is from China."), DocstoreStrategy.DUPLICATES_ONLY)

    assert "Tea is from China." in texts(vectors)


def test_a_document_deleted_from_the_store_is_ingested_again(run, vectors):
    run(documents(), DocstoreStrategy.UPSERTS)

    vectors.delete("tea")

    assert {node.ref_doc_id for node in vectors.get_nodes()} == {"rum"}
    assert len(run(documents(), DocstoreStrategy.UPSERTS)) == 3


def test_a_cache_in_the_file_saves_the_embedding_when_what_was_interrupted_is_run_again(
    run, vectors, embed_model, monkeypatch
):
    def is_full(*_: object) -> None:
        raise StoreFullError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(FeatherVectorStore, "add", is_full)
        with pytest.raises(StoreFullError):
            run(documents(), DocstoreStrategy.UPSERTS)
    calls = len(embed_model.calls)

    assert len(run(documents(), DocstoreStrategy.UPSERTS)) == 5

    assert len(embed_model.calls) == calls
    assert len(texts(vectors)) == 5


def test_a_pipeline_with_workers_has_the_store_and_the_cache_with_it(tmp_path):
    vectors = FeatherVectorStore(tmp_path / "alice.feather")
    pipeline = IngestionPipeline(
        transformations=[MockEmbedding(embed_dim=4)],
        vector_store=vectors,
        docstore=vectors.storage_context().docstore,
        cache=IngestionCache(cache=FeatherKVStore(tmp_path / "alice.feather")),
    )

    done = pipeline.run(documents=documents(), num_workers=2)

    assert len(done) == 2
    assert texts(vectors) == sorted([TEA, RUM])
    assert vectors.client.check() == []
    vectors.close()


# LlamaIndex's own memories


def test_vector_memory_stands_on_it(vectors, embed_model):
    memory = VectorMemory.from_defaults(
        vector_store=vectors,
        embed_model=embed_model,
        retriever_kwargs={
            "similarity_top_k": 1,
            "filters": MetadataFilters(
                filters=[MetadataFilter(key="sub_dicts", value=None, operator="is_empty")],
                condition="not",
            ),
        },
    )
    vectors.add([TextNode(text="I love rum", id_="d", embedding=[0.1] * embed_model.dim)])
    for role, text in [
        ("user", "I love tea"),
        ("assistant", "Noted, tea it is"),
        ("user", "I hate rum"),
    ]:
        memory.put(ChatMessage(role=role, content=text))

    recalled = memory.get("who is it that does love tea")

    assert [(m.role.value, m.content) for m in recalled] == [
        ("user", "I love tea"),
        ("assistant", "Noted, tea it is"),
    ]
    assert len(vectors.get_nodes()) == 3
    memory.reset()
    assert vectors.get_nodes() == []


async def test_a_vector_memory_block_stands_on_it(vectors, embed_model):
    block = VectorMemoryBlock(vector_store=vectors, embed_model=embed_model, similarity_top_k=1)

    await block.aput([ChatMessage(role="user", content="I love tea")], session_id="s1")
    await block.aput([ChatMessage(role="user", content="I hate rum")], session_id="s2")
    told = await block.aget([ChatMessage(role="user", content="love tea?")], session_id="s1")

    assert "I love tea" in told
    assert "rum" not in told
    query = VectorStoreQuery(
        embed_model.get_query_embedding("rum"),
        filters=MetadataFilters(
            filters=[
                MetadataFilter(key="session_id", value=["s1"], operator=FilterOperator.NIN),
            ]
        ),
    )
    assert len((await vectors.aquery(query)).ids) == 1
