from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.indexing import InMemoryRecordManager, aindex, index
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from langchain_feather_memory import FeatherVectorStore

from feather_memory import F, FilterError, ParameterError, Store
from feather_memory.agent import diverse

from .conftest import HashEmbeddings

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [
    "Deploys are on Tuesday",
    "Deploys need two reviews",
    "Deploys need two reviewers",
    "Lunch is at noon",
]
METADATAS = [{"n": n, "team": "web" if n % 2 else "ops"} for n in range(len(TEXTS))]
IDS = ["a", "b", "c", "d"]


@pytest.fixture
def filled(vectors: FeatherVectorStore) -> FeatherVectorStore:
    vectors.add_texts(TEXTS, METADATAS, ids=IDS)
    return vectors


async def every_search(vectors: FeatherVectorStore, k: int, **asked: Any) -> list[list[str]]:
    """The ids that each of the search methods answers with, sorted."""
    query = "Deploys need two reviews"
    vector = HashEmbeddings().embed_query(query)
    answers = [
        vectors.similarity_search(query, k, **asked),
        await vectors.asimilarity_search(query, k, **asked),
        vectors.similarity_search_by_vector(vector, k, **asked),
        await vectors.asimilarity_search_by_vector(vector, k, **asked),
        [d for d, _ in vectors.similarity_search_with_score(query, k, **asked)],
        [d for d, _ in await vectors.asimilarity_search_with_score(query, k, **asked)],
        [d for d, _ in vectors.similarity_search_with_relevance_scores(query, k, **asked)],
        [d for d, _ in await vectors.asimilarity_search_with_relevance_scores(query, k, **asked)],
        vectors.max_marginal_relevance_search(query, k, **asked),
        await vectors.amax_marginal_relevance_search(query, k, **asked),
        vectors.max_marginal_relevance_search_by_vector(vector, k, **asked),
        await vectors.amax_marginal_relevance_search_by_vector(vector, k, **asked),
        vectors.as_retriever(search_kwargs={"k": k, **asked}).invoke(query),
        await vectors.as_retriever(search_kwargs={"k": k, **asked}).ainvoke(query),
        vectors.as_retriever(search_type="mmr", search_kwargs={"k": k, **asked}).invoke(query),
        vectors.as_retriever(
            search_type="similarity_score_threshold",
            search_kwargs={"k": k, "score_threshold": 0.0, **asked},
        ).invoke(query),
    ]
    return [sorted(str(document.id) for document in answer) for answer in answers]


@pytest.mark.parametrize(
    "chosen",
    [{"team": "web"}, F("team") == "web", {"$or": [{"n": 1}, {"n": {"$gte": 3}}]}],
    ids=["dict", "F", "operators"],
)
async def test_every_search_honours_the_filter_and_fills_k(filled, chosen):
    answers = await every_search(filled, 2, filter=chosen)

    assert answers == [["b", "d"]] * len(answers)


async def test_every_search_returns_all_where_k_exceeds_them(filled):
    answers = await every_search(filled, 9)

    assert answers == [IDS] * len(answers)


@pytest.mark.parametrize("unknown", [{"filters": {}}, {"where": {"n": 1}}, {"top_k": 3}])
async def test_every_search_refuses_keywords_it_does_not_know(filled, unknown):
    for name in (
        "similarity_search",
        "similarity_search_with_score",
        "similarity_search_with_relevance_scores",
        "max_marginal_relevance_search",
    ):
        with pytest.raises(TypeError, match=next(iter(unknown))):
            getattr(filled, name)("x", **unknown)
        with pytest.raises(TypeError, match=next(iter(unknown))):
            await getattr(filled, f"a{name}")("x", **unknown)


def test_a_filter_with_an_unknown_operator_is_refused(filled):
    with pytest.raises(FilterError, match="regex"):
        filled.similarity_search("x", filter={"team": {"$regex": "w"}})


@pytest.mark.parametrize("name", ["id", "text", "role", "session", "importance", "created_at"])
def test_a_dict_filter_names_metadata_even_where_a_memory_has_a_field_of_that_name(vectors, name):
    vectors.add_texts(["one", "two"], [{name: "x"}, {name: "y"}], ids=["1", "2"])

    for asked in ({name: "x"}, {f"metadata.{name}": "x"}, {"$not": {name: "y"}}):
        assert [d.id for d in vectors.similarity_search("two", filter=asked)] == ["1"]


def test_the_score_is_the_cosine_distance_and_relevance_lies_between_0_and_1(tmp_path):
    """Half of all random vectors point away from the query, and are ordered all the same."""
    embedding = DeterministicFakeEmbedding(size=5)
    texts = [f"text {n}" for n in range(30)]
    rows, query = np.array(embedding.embed_documents(texts)), np.array(embedding.embed_query("q"))
    cosine = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
    nearest = np.argsort(-cosine)

    with FeatherVectorStore.from_texts(texts, embedding, path=tmp_path / "x.feather") as vectors:
        for k in (1, 5, 15, 25, 30, 99):
            found = vectors.similarity_search_with_score("q", k)
            relevant = vectors.similarity_search_with_relevance_scores("q", k)

            assert [d.page_content for d, _ in found] == [texts[at] for at in nearest[:k]]
            assert np.allclose([s for _, s in found], 1 - cosine[nearest[:k]], atol=1e-6)
            assert np.allclose([s for _, s in relevant], (1 + cosine[nearest[:k]]) / 2, atol=1e-6)
            assert all(0 <= share <= 1 for _, share in relevant)


def test_decay_importance_and_words_do_not_change_the_order(store, vectors):
    store.add("Deploys", id="old", importance=0.0, valid_from=0.0, vector=[1.0, 0.1] * 64)
    store.add("q", id="new", importance=1.0, vector=[1.0, 0.3] * 64)

    found = vectors.similarity_search_by_vector([1.0, 0.1] * 64, k=2)

    assert [d.id for d in found] == ["old", "new"]


def test_a_superseded_memory_is_not_found_and_is_still_there_by_its_id(store, filled):
    store.supersede("a", "Deploys are on Friday", id="e")

    found = [d.id for d in filled.similarity_search("Deploys are on Tuesday", k=9)]

    assert sorted(found) == ["b", "c", "d", "e"]
    assert filled.get_by_ids(["a"])[0].page_content == "Deploys are on Tuesday"


@pytest.mark.file
def test_a_memory_without_a_vector_is_found_as_unrelated(store, filled):
    Store.open(store.path).add("Deploys by word", id="words")

    scores = {d.id: s for d, s in filled.similarity_search_with_score("Deploys", k=9)}

    assert scores["words"] == 1.0
    assert len(filled.max_marginal_relevance_search("Deploys", k=9)) == 5


def test_mmr_takes_the_different_one_before_the_twin(filled):
    plain = filled.similarity_search("Deploys need two reviews", k=2)
    mixed = filled.max_marginal_relevance_search("Deploys need two reviews", k=2, lambda_mult=0.3)

    assert [d.id for d in plain] == ["b", "c"]
    assert mixed[0].id == "b"
    assert mixed[1].id != "c"


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 12),
    k=st.integers(1, 14),
    share=st.floats(0, 1),
)
def test_nearness_agrees_with_langchain(seed, n, k, share):
    """LangChain's own function is private to it, and the same for all but ties."""
    random = np.random.default_rng(seed)
    query, rows = random.normal(size=4), random.normal(size=(n, 4))

    ours = diverse(query, rows, k, relevance_share=share)

    assert len(set(ours)) == len(ours) == min(k, n)
    if share > 1e-3:
        assert ours == maximal_marginal_relevance(query, list(rows), share, k)


def test_mmr_refuses_a_lambda_outside_its_range(filled):
    with pytest.raises(ParameterError, match="lambda_mult"):
        filled.max_marginal_relevance_search("x", lambda_mult=1.5)


def test_documents_come_back_as_they_went_in_and_the_callers_are_untouched(vectors):
    given = [
        Document(id="x", page_content="one", metadata={"a": {"b": [1, None, "é"]}, "n": 1}),
        Document(page_content="two"),
    ]
    before = copy.deepcopy(given)

    ids = vectors.add_documents(given)
    returned = vectors.get_by_ids(ids)
    returned[0].metadata["a"]["b"].append("mine")

    assert given == before
    assert vectors.get_by_ids([ids[1], "nobody", "x"]) == [
        Document(id=ids[1], page_content="two"),
        before[0],
    ]


def test_texts_may_be_a_generator_and_ids_hold_none(vectors):
    ids = vectors.add_texts((t for t in ["one", "two", "three"]), ids=["x", None, ""])

    assert ids[0] == "x"
    assert len(set(ids)) == 3
    assert [d.page_content for d in vectors.get_by_ids(ids)] == ["one", "two", "three"]


def test_equal_texts_without_ids_are_documents_of_their_own(vectors):
    """One is deleted, and the other is still there."""
    first, second = vectors.add_texts(["The same chunk", "The same chunk"])
    (third,) = vectors.add_texts(["The same chunk"])

    assert first < second < third
    vectors.delete([first, third])
    assert [found.id for found in vectors.similarity_search("chunk", 9)] == [second]


def test_a_document_does_not_replace_what_the_user_stated(store, vectors):
    """Also under its id, unless whoever adds it speaks for the user."""
    store.add("Deploys are on Tuesday", id="mine", vector=HashEmbeddings().embed_query("x"))
    trusted = FeatherVectorStore(HashEmbeddings(), store=store, origin="user")

    vectors.add_texts(["Deploys are on Monday"], ids=["mine"])
    assert store.get("mine").text == "Deploys are on Tuesday"
    trusted.add_texts(["Deploys are on Friday"], ids=["mine"])
    assert store.get("mine").text == "Deploys are on Friday"
    (page,) = vectors.add_texts(["Lunch is at noon"])
    assert store.get(page).origin == "document"


def test_of_an_id_given_twice_the_last_text_stays(vectors):
    assert vectors.add_texts(["one", "two"], ids=["x", "x"]) == ["x", "x"]
    assert [d.page_content for d in vectors.similarity_search("one", k=5)] == ["two"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"ids": ["x"]},
        {"metadatas": [{}]},
        {"metadatas": [{}, {"when": object()}]},
        {"batch_size": 0},
    ],
)
async def test_a_refused_write_leaves_no_trace(vectors, wrong):
    with pytest.raises(ValueError, match=r"."):
        vectors.add_texts(["one", "two"], **wrong)
    with pytest.raises(ValueError, match=r"."):
        await vectors.aadd_texts(["one", "two"], **wrong)

    assert len(vectors.store) == 0


def test_adding_nothing_embeds_nothing(vectors, embedding):
    assert vectors.add_texts([]) == []
    assert vectors.add_documents([]) == []
    assert embedding.calls == []


def test_batch_size_is_how_many_texts_are_embedded_at_once(vectors, embedding):
    vectors.add_texts(TEXTS, batch_size=3)

    assert embedding.calls == ["embed_documents"] * 2


async def test_delete_refuses_to_remove_everything(filled):
    for ids in (None,):
        with pytest.raises(ValueError, match="never removes everything"):
            filled.delete(ids)
        with pytest.raises(ValueError, match="never removes everything"):
            await filled.adelete(ids)

    assert filled.delete([]) is True
    assert filled.delete(["a", "nobody", "a"]) is True
    assert await filled.adelete(["b", "nobody"]) is True
    assert len(filled.store) == 2


async def test_from_texts_and_from_documents_make_a_store_that_is_there_again(tmp_path, embedding):
    path = tmp_path / "x.feather"
    FeatherVectorStore.from_texts(["one"], embedding, [{"n": 1}], ids=["1"], path=path).close()
    (await FeatherVectorStore.afrom_texts(["two"], embedding, ids=["2"], path=path)).close()
    document = Document(id="3", page_content="three")
    FeatherVectorStore.from_documents([document], embedding, path=path).close()

    with FeatherVectorStore(embedding, path=path) as again:
        assert [d.metadata for d in again.get_by_ids(["1", "2", "3"])] == [{"n": 1}, {}, {}]
        assert again.embeddings is embedding


def test_it_takes_either_a_store_or_a_path(store, embedding, tmp_path):
    with pytest.raises(ParameterError, match="either"):
        FeatherVectorStore(embedding)
    with pytest.raises(ParameterError, match="either"):
        FeatherVectorStore(embedding, store=store, path=tmp_path / "x.feather")

    FeatherVectorStore(embedding, store=store).close()
    assert len(store) == 0  # the caller's store is still open


async def test_langchains_index_adds_updates_and_cleans_up(vectors):
    record_manager = InMemoryRecordManager("alice")
    record_manager.create_schema()
    asked = {"cleanup": "full", "source_id_key": "source", "key_encoder": "sha256"}
    pages = [Document(page_content=text, metadata={"source": text[:6]}) for text in TEXTS]

    first = index(pages, record_manager, vectors, batch_size=2, **asked)
    again = await aindex(pages, record_manager, vectors, batch_size=2, **asked)
    less = index(pages[:1], record_manager, vectors, **asked)

    assert (first["num_added"], again["num_skipped"], less["num_deleted"]) == (4, 4, 3)
    assert [d.page_content for d in vectors.similarity_search("x", k=9)] == TEXTS[:1]


async def test_async_methods_embed_asynchronously(vectors, embedding):
    await vectors.aadd_texts(["one"])
    await vectors.aadd_documents([Document(page_content="two")])
    await every_async_search(vectors)

    assert {name[:6] for name in embedding.calls} == {"aembed"}


async def every_async_search(vectors: FeatherVectorStore) -> None:
    await vectors.asimilarity_search("q")
    await vectors.asimilarity_search_with_score("q")
    await vectors.asimilarity_search_with_relevance_scores("q")
    await vectors.amax_marginal_relevance_search("q")
    await vectors.as_retriever().ainvoke("q")


def test_two_tenants_on_many_threads_never_see_each_other(tmp_path: Path):
    embedding = HashEmbeddings()
    stores = {
        name: FeatherVectorStore.from_texts(
            [f"{name} likes {n}" for n in range(20)],
            embedding,
            [{"owner": name}] * 20,
            path=tmp_path / f"{name}.feather",
        )
        for name in ("alice", "bob")
    }

    def ask(n: int) -> bool:
        name = ("alice", "bob")[n % 2]
        found = stores[name].similarity_search(f"likes {n % 20}", k=5)
        return len(found) == 5 and all(d.metadata == {"owner": name} for d in found)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(1_000)))
    for vectors in stores.values():
        vectors.close()
