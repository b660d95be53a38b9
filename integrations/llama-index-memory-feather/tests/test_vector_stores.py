"""What every LlamaIndex vector store has to do, and what this one decides, sync and async."""

from __future__ import annotations

import copy
import math
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from llama_index.core import StorageContext
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQueryMode,
)
from llama_index.memory.feather import FeatherVectorStore
from pydantic import ValidationError

from feather_memory import (
    DimensionError,
    InvalidMetadataError,
    ParameterError,
    Store,
    StoreAccessError,
    TenantNameError,
    TenantPool,
    WrongTenantError,
)
from feather_memory.testing import HashEmbedder

from .twins import Twins

if TYPE_CHECKING:
    from pathlib import Path

Mode = VectorStoreQueryMode


def node(id_: str, *embedding: float, text: str = "", doc: str | None = None, **metadata: Any):
    related = {} if doc is None else {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=doc)}
    return TextNode(
        id_=id_,
        text=text or f"the text of {id_}",
        embedding=list(embedding) or None,
        metadata=metadata,
        relationships=related,
    )


def spelled(value: object) -> str:
    """A test's name for a value: the same in every process, which the order of a set is not."""
    return str(sorted(value) if isinstance(value, set) else value)


def only(**wanted: Any) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=k, value=v) for k, v in wanted.items()])


def asked(*embedding: float, k: int = 9, **fields: Any) -> VectorStoreQuery:
    vector = list(embedding) or None
    return VectorStoreQuery(query_embedding=vector, similarity_top_k=k, **fields)


def ids(nodes: Any) -> list[str]:
    return [each.node_id for each in nodes]


NODES = [
    node("a1", 1.0, 0.0, text="tea in the morning", doc="a", page=1, tag="x"),
    node("a2", 0.8, 0.6, text="coffee at noon", doc="a", page=2, tag="x"),
    node("b1", 0.0, 1.0, text="tea and coffee", doc="b", page=1, tag="y"),
    node("b2", -1.0, 0.0, text="no drinks at all", doc="b", page=2, tag="y"),
    node("lone", -0.6, 0.8, text="cake"),
]


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def empty(request: pytest.FixtureRequest, store: Store) -> Twins:
    return Twins(FeatherVectorStore(store=store), is_async=request.param)


@pytest.fixture
def vectors(empty: Twins) -> Twins:
    empty.add(NODES)
    return empty


# Adding and asking


def test_it_is_a_pydantic_vector_store():
    assert BasePydanticVectorStore.__name__ in [b.__name__ for b in FeatherVectorStore.__mro__]
    assert FeatherVectorStore.class_name() == "FeatherVectorStore"


def test_it_is_true_while_it_is_empty(store):
    """`if vector_store:` in LlamaIndex would replace it by one in memory."""
    vectors = FeatherVectorStore(store=store)

    assert bool(vectors)
    assert StorageContext.from_defaults(vector_store=vectors).vector_store is vectors


def test_adding_gives_the_ids_in_order_and_a_query_the_nodes(empty):
    assert empty.add(iter(NODES)) == ids(NODES)

    found = empty.query(asked(1.0, 0.0, k=1))

    assert (found.ids, found.similarities) == (["a1"], [1.0])
    (best,) = found.nodes
    assert (best.text, best.metadata, best.ref_doc_id) == (NODES[0].text, NODES[0].metadata, "a")
    assert best.embedding is None
    assert best.hash == NODES[0].hash


def test_all_rows_come_by_their_cosine_and_k_may_be_more_than_there_are(vectors):
    found = vectors.query(asked(2.0, 0.5, k=100))

    expected = sorted(NODES, key=lambda n: -cosine(n.embedding, [2.0, 0.5]))
    assert found.ids == ids(found.nodes) == ids(expected)
    assert found.similarities == pytest.approx([cosine(n.embedding, [2.0, 0.5]) for n in expected])
    assert min(found.similarities) < 0
    assert len(vectors.query(asked(2.0, 0.5, k=2)).nodes) == 2


def cosine(left: list[float], right: list[float]) -> float:
    return float(np.dot(left, right) / np.linalg.norm(left) / np.linalg.norm(right))


def test_age_and_importance_do_not_count(vectors):
    vectors.client.update("b2", importance=1.0)
    vectors.client.update("a1", importance=0.0, valid_from=0)

    assert vectors.query(asked(1.0, 0.0, k=1)).similarities == [1.0]


def test_an_empty_store_answers_with_empty_lists(empty):
    for mode in ("default", "mmr", "text_search", "sparse", "hybrid"):
        found = empty.query(asked(1.0, 0.0, query_str="tea", mode=Mode(mode)))
        assert (found.nodes, found.similarities, found.ids) == ([], [], [])
    assert empty.get_nodes() == []


def test_a_node_without_embedding_is_refused_with_the_whole_batch(empty):
    with pytest.raises(ValueError, match="embedding not set"):
        empty.add([NODES[0], node("bare")])

    assert empty.get_nodes() == []
    assert empty.add([]) == []


def test_adding_an_id_again_replaces_the_node_and_keeps_what_the_store_learned(vectors):
    vectors.client.signal("a1", "saved")
    before = vectors.client.get("a1")

    vectors.add([node("a1", 0.0, -1.0, text="chai", doc="c", page=7)])

    (after,) = vectors.get_nodes(["a1"])
    assert (after.text, after.metadata, after.embedding) == ("chai", {"page": 7}, [0.0, -1.0])
    assert after.ref_doc_id == "c"
    kept = vectors.client.get("a1")
    assert (kept.importance, kept.created_at) == (before.importance, before.created_at)
    assert len(vectors.get_nodes()) == len(NODES)
    assert vectors.query(asked(0.0, -1.0, k=1)).ids == ["a1"]


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (node("a2", 1.0, 2.0, 3.0), DimensionError),
        (node("a2", 1.0, 2.0, bad=math.nan), InvalidMetadataError),
        (node("a2", 1.0, 2.0, llama_index={}), InvalidMetadataError),
        (node("a2", 1.0, math.nan), ValueError),
    ],
    ids=["dimension", "metadata", "reserved key", "vector"],
)
def test_a_failed_upsert_leaves_every_row_as_it_was(vectors, bad, error):
    before = vectors.get_nodes()

    with pytest.raises(error) as refusal:
        vectors.add([node("a1", 0.5, 0.5, text="new"), bad])

    assert isinstance(refusal.value, ValueError)
    assert vectors.get_nodes() == before


def test_of_an_id_given_twice_in_one_batch_the_last_stays(empty):
    empty.add([node("n", 1.0, 0.0, text="first"), node("n", 0.0, 1.0, text="last")])

    (kept,) = empty.get_nodes()

    assert (kept.text, kept.embedding) == ("last", [0.0, 1.0])


def test_unknown_arguments_are_refused_and_not_ignored(vectors):
    for call in (
        lambda: vectors.query(asked(1.0, 0.0), filter={"page": 1}),
        lambda: vectors.query(asked(1.0, 0.0), mmr_threshold=0.5),
        lambda: vectors.add([NODES[0]], namespace="x"),
        lambda: vectors.delete("a", namespace="x"),
        lambda: vectors.delete_nodes(["a1"], namespace="x"),
    ):
        with pytest.raises(TypeError, match="does not take"):
            call()
    for fields in ({"output_fields": ["text"]}, {"embedding_field": "title"}, {"k": 0}):
        with pytest.raises(ParameterError):
            vectors.query(asked(1.0, 0.0, **fields))
    assert len(vectors.get_nodes()) == len(NODES)


def test_what_is_superseded_is_not_returned_and_its_correction_is(vectors):
    vectors.client.supersede("a1", "cocoa in the morning", id="new", vector=[1.0, 0.1])

    found = vectors.query(asked(1.0, 0.0, k=2))

    assert found.ids == ["new", "a2"]
    assert found.nodes[0].text == "cocoa in the morning"
    assert "a1" not in ids(vectors.get_nodes())
    assert vectors.get_nodes(["a1"]) == []


# Reading by id


def test_nodes_come_in_the_order_asked_with_their_embeddings(vectors):
    found = vectors.get_nodes(["b1", "gone", "a1"])

    assert ids(found) == ["b1", "a1"]
    assert [n.embedding for n in found] == [[0.0, 1.0], [1.0, 0.0]]
    assert found[0] == NODES[2]


def test_nodes_come_by_ids_and_filters_and_both(vectors):
    assert ids(vectors.get_nodes()) == ids(NODES)
    assert vectors.get_nodes([]) == []
    assert ids(vectors.get_nodes(filters=only(page=1))) == ["a1", "b1"]
    assert ids(vectors.get_nodes(["b2", "b1", "a1"], only(tag="y"))) == ["b2", "b1"]
    assert vectors.get_nodes([], only(tag="y")) == []


# Deleting


@pytest.mark.parametrize(
    ("arguments", "gone"),
    [
        ({"node_ids": ["a1", "b2"]}, {"a1", "b2"}),
        ({"node_ids": ["a1", "unknown"]}, {"a1"}),
        ({"filters": only(tag="y")}, {"b1", "b2"}),
        ({"node_ids": ["a1", "b1"], "filters": only(tag="y")}, {"b1"}),
        ({"node_ids": ["a1"], "filters": only(tag="y")}, set()),
        ({"node_ids": []}, set()),
        ({"node_ids": [], "filters": only(tag="y")}, set()),
        ({}, set()),
        ({"filters": MetadataFilters(filters=[])}, set()),
    ],
    ids=spelled,
)
def test_nodes_are_deleted_where_ids_and_filters_agree_and_never_all(vectors, arguments, gone):
    vectors.delete_nodes(**arguments)

    assert ids(vectors.get_nodes()) == [id_ for id_ in ids(NODES) if id_ not in gone]
    assert not gone & set(vectors.query(asked(1.0, 0.0)).ids)


@pytest.mark.parametrize(
    ("ref_doc_id", "gone"),
    [
        ("a", {"a1", "a2"}),
        ("a1", set()),
        ("lone", {"lone"}),
        ("unknown", set()),
        (None, set()),
        ("None", {"lone"}),
    ],
)
def test_a_document_is_deleted_with_all_its_nodes_and_nothing_else(vectors, ref_doc_id, gone):
    vectors.client.add("a memory that is no node", id="memory")

    vectors.delete(ref_doc_id)

    left = {*ids(NODES), "memory"} - gone
    assert set(ids(vectors.get_nodes())) == left
    assert set(vectors.query(asked(1.0, 0.0)).ids) == left


@pytest.mark.file
def test_deleted_text_is_in_none_of_the_files(vectors, tmp_path: Path):
    def holders() -> list[str]:
        files = [path for path in tmp_path.iterdir() if path.is_file()]
        return [path.name for path in files if b"tea in the morning" in path.read_bytes()]

    assert holders()

    vectors.delete("a")

    assert holders() == []


def test_clearing_leaves_no_node_and_the_store_usable(vectors):
    vectors.client.add("a memory that is no node")

    vectors.clear()

    (kept,) = vectors.get_nodes()
    assert kept.text == "a memory that is no node"
    vectors.add(NODES[:2])
    assert ids(vectors.get_nodes()) == [kept.node_id, "a1", "a2"]


# Restrictions


@pytest.mark.parametrize("mode", ["default", "mmr", "text_search", "sparse", "hybrid"])
@pytest.mark.parametrize(
    ("restriction", "expected"),
    [
        ({}, {"a1", "a2", "b1", "b2", "lone"}),
        ({"node_ids": None, "doc_ids": None}, {"a1", "a2", "b1", "b2", "lone"}),
        ({"node_ids": [], "doc_ids": []}, {"a1", "a2", "b1", "b2", "lone"}),
        ({"node_ids": ["a1", "b2", "gone"]}, {"a1", "b2"}),
        ({"doc_ids": ["a"]}, {"a1", "a2"}),
        ({"doc_ids": ["a", "b"]}, {"a1", "a2", "b1", "b2"}),
        ({"doc_ids": ["a1"]}, set()),
        ({"doc_ids": ["gone"]}, set()),
        ({"doc_ids": ["None"]}, {"lone"}),
        ({"doc_ids": ["a"], "node_ids": ["a1", "b1"]}, {"a1"}),
        ({"doc_ids": ["a"], "filters": only(page=2)}, {"a2"}),
        ({"doc_ids": ["a"], "node_ids": ["a1"], "filters": only(page=2)}, set()),
        ({"node_ids": ["a1", "b1", "b2"], "filters": only(page=1)}, {"a1", "b1"}),
    ],
    ids=spelled,
)
def test_every_restriction_holds_in_every_mode(vectors, mode, restriction, expected):
    query = asked(1.0, 0.5, query_str="tea coffee drinks cake", mode=Mode(mode), **restriction)

    assert set(vectors.query(query).ids) == expected


def test_k_is_filled_from_those_that_pass(vectors):
    query = asked(1.0, 0.0, k=2, filters=only(tag="y"))

    assert vectors.query(query).ids == ["b1", "b2"]
    assert vectors.query(asked(1.0, 0.0, k=1, doc_ids=["b"])).ids == ["b1"]


def test_filters_alone_find_the_newest_that_match(vectors):
    found = vectors.query(asked(filters=only(page=2), query_str="ignored"))

    assert found.ids == ["b2", "a2"]
    assert found.similarities == [1.0, 1.0]
    assert vectors.query(asked(k=1, doc_ids=["a"])).ids == ["a2"]
    with pytest.raises(ParameterError, match="embedding"):
        vectors.query(asked(query_str="nothing to go by"))


# Modes


def test_text_search_needs_no_embedding_and_finds_only_what_shares_a_word(vectors):
    for mode in (Mode.TEXT_SEARCH, Mode.SPARSE):
        found = vectors.query(asked(query_str="morning tea", mode=mode))
        assert found.ids == ["a1", "b1"]
        assert found.similarities[0] == 1.0 > found.similarities[1] > 0
        assert vectors.query(asked(query_str="whisky", mode=mode)).ids == []
        two = asked(query_str="tea coffee noon", mode=mode, k=1, sparse_top_k=2)
        assert len(vectors.query(two).ids) == 2
        with pytest.raises(ParameterError, match=f"{mode.name} needs a query_str"):
            vectors.query(asked(mode=mode))


def test_text_search_embeds_nothing_though_the_store_could(tmp_path):
    def refuse(_: list[str]) -> Any:
        raise AssertionError

    with Store.open(tmp_path / "s.feather", query_embedder=refuse) as store:
        vectors = FeatherVectorStore(store=store)
        vectors.add(NODES)

        assert vectors.query(asked(query_str="cake", mode=Mode.TEXT_SEARCH)).ids == ["lone"]
        assert ids(vectors.get_nodes()) == ids(NODES)
        assert store.check() == []


def test_hybrid_mixes_both_by_alpha(vectors):
    def hybrid(**fields: Any):
        return vectors.query(asked(0.0, 1.0, query_str="morning", mode=Mode.HYBRID, **fields))

    assert hybrid(alpha=1.0, k=1).ids == ["b1"]
    assert hybrid(alpha=0.0, k=1).ids == ["a1"]
    even = hybrid()
    scores = dict(zip(even.ids, even.similarities, strict=True))
    assert scores["a1"] == scores["b1"] == pytest.approx(0.5)
    assert scores["a2"] == pytest.approx(0.3)
    for alpha in (-0.1, 1.1, math.nan):
        with pytest.raises(ParameterError):
            hybrid(alpha=alpha)


def test_hybrid_may_return_more_than_dense_alone_and_default_works_after_it(vectors):
    query = asked(0.0, 1.0, k=1, query_str="morning", mode=Mode.HYBRID, hybrid_top_k=3)

    assert len(vectors.query(query).ids) == 3
    query.mode = Mode.DEFAULT
    assert vectors.query(query).ids == ["b1"]


def test_hybrid_with_sparse_top_k_chooses_among_the_best_of_either(vectors):
    query = asked(
        0.0, 1.0, k=1, query_str="morning noon", mode=Mode.HYBRID, sparse_top_k=1, hybrid_top_k=9
    )

    found = vectors.query(query)

    assert set(found.ids) == {"b1", "a2"}
    assert vectors.query(asked(0.0, 1.0, query_str="morning noon", mode=Mode.HYBRID)).ids


def test_a_mode_that_lacks_what_it_needs_says_so(vectors):
    for mode, fields in [(Mode.MMR, {}), (Mode.HYBRID, {"query_str": "tea"})]:
        with pytest.raises(ParameterError, match=f"{mode.name} needs an embedding"):
            vectors.query(asked(mode=mode, **fields))
    with pytest.raises(ParameterError, match="HYBRID needs a query_str"):
        vectors.query(asked(1.0, 0.0, mode=Mode.HYBRID))


@pytest.mark.parametrize(
    "mode", ["semantic_hybrid", "svm", "logistic_regression", "linear_regression"]
)
def test_a_mode_that_is_not_there_is_named(vectors, mode):
    with pytest.raises(NotImplementedError, match=mode.upper()):
        vectors.query(asked(1.0, 0.0, query_str="tea", mode=Mode(mode)))


# Maximal marginal relevance


@pytest.fixture
def crowd(empty: Twins) -> Twins:
    """Twenty near copies close to the query, and three strangers a little further off."""
    near = [node(f"n{at}", 1.0, 0.001 * at, 0.0, text="near") for at in range(20)]
    strangers = [node("up", 0.8, 0.6, 0.0), node("out", 0.8, 0.0, 0.6), node("off", 0.8, -0.6, 0.0)]
    empty.add([*near, *strangers])
    return empty


def mmr(vectors: Twins, k: int = 4, threshold: float | None = None, **asked_for: Any):
    query = asked(1.0, 0.0, 0.0, k=k, mode=Mode.MMR, mmr_threshold=threshold)
    return vectors.query(query, **asked_for)


def test_mmr_fills_k_with_nodes_unlike_each_other_and_tells_their_cosines(crowd):
    found = mmr(crowd, threshold=0.0, mmr_prefetch_k=23)

    assert len(found.ids) == len(set(found.ids)) == 4
    assert {"up", "out", "off"} < set(found.ids)
    vectors = {n.node_id: n.embedding for n in crowd.get_nodes()}
    assert found.similarities == pytest.approx(
        [cosine(vectors[id_], [1.0, 0.0, 0.0]) for id_ in found.ids], abs=1e-6
    )


def test_mmr_takes_its_threshold_from_the_argument_then_the_query_and_zero_is_one(crowd):
    far, alike = mmr(crowd, threshold=0.0, mmr_prefetch_k=23), mmr(crowd, threshold=1.0)

    assert alike.ids == crowd.query(asked(1.0, 0.0, 0.0, k=4)).ids
    assert far.ids != alike.ids
    assert mmr(crowd, mmr_threshold=0.0, mmr_prefetch_k=23).ids == far.ids
    assert mmr(crowd, threshold=1.0, mmr_threshold=0.0, mmr_prefetch_k=23).ids == far.ids
    assert mmr(crowd, threshold=0.0, mmr_threshold=1.0).ids == alike.ids
    assert mmr(crowd, threshold=0.0, mmr_threshold=None, mmr_prefetch_k=23).ids == far.ids
    half = mmr(crowd, threshold=0.5, mmr_prefetch_k=23)
    assert mmr(crowd, mmr_prefetch_k=23).ids == half.ids


def test_mmr_chooses_among_as_many_as_it_is_told(crowd):
    assert {"up", "out", "off"}.isdisjoint(mmr(crowd, threshold=0.0).ids)
    assert mmr(crowd, threshold=0.0, mmr_prefetch_factor=6).ids == (
        mmr(crowd, threshold=0.0, mmr_prefetch_k=24).ids
    )
    assert len(mmr(crowd, mmr_prefetch_k=1).ids) == 4
    with pytest.raises(ParameterError, match="not both"):
        mmr(crowd, mmr_prefetch_factor=2, mmr_prefetch_k=8)
    for wrong in ({"mmr_threshold": 1.5}, {"mmr_threshold": -0.1}, {"mmr_prefetch_k": 0}):
        with pytest.raises(ParameterError):
            mmr(crowd, **wrong)


def test_mmr_fills_k_also_with_memories_that_have_no_direction(vectors):
    vectors.client.add("a memory without a vector", id="bare")
    vectors.client.add("a vector of zeros", id="zero", vector=[0.0, 0.0])

    found = vectors.query(asked(1.0, 0.0, k=7, mode=Mode.MMR))

    assert set(found.ids) == {*ids(NODES), "bare", "zero"}
    assert all(math.isfinite(similarity) for similarity in found.similarities)


# Which store


def test_two_objects_of_one_path_share_a_store(tmp_path):
    path = tmp_path / "alice.feather"
    one, other = FeatherVectorStore(path), FeatherVectorStore(path=str(path), tenant=None)

    one.add(NODES[:1])

    assert other.client is one.client
    assert ids(other.get_nodes()) == ["a1"]
    one.close()
    assert ids(other.get_nodes()) == ids(one.get_nodes()) == ["a1"]
    assert one.client.check() == []
    one.client.close()
    assert ids(FeatherVectorStore(path).get_nodes()) == ["a1"]


def test_a_pickled_or_copied_store_is_not_empty(tmp_path):
    vectors = FeatherVectorStore(tmp_path / "alice.feather")
    vectors.add(NODES)

    for other in (
        pickle.loads(pickle.dumps(vectors)),
        copy.deepcopy(vectors),
        copy.copy(vectors),
        FeatherVectorStore.from_dict(vectors.to_dict()),
        FeatherVectorStore.from_json(vectors.to_json()),
    ):
        assert ids(other.get_nodes()) == ids(NODES)
    vectors.close()


@pytest.mark.file
def test_a_store_from_a_pool_is_the_tenants_and_no_others(tmp_path):
    with TenantPool(tmp_path / "pool") as pool:
        alice = FeatherVectorStore(pool=pool, tenant="alice")
        bob = FeatherVectorStore(pool=pool, tenant="bob")
        alice.add(NODES)

        assert bob.get_nodes() == []
        assert alice.client is pool.get("alice")
        assert copy.deepcopy(alice).client is pool.get("alice")
        again = pickle.loads(pickle.dumps(alice))
        assert (again.tenant, ids(again.get_nodes())) == ("alice", ids(NODES))
        with pytest.raises(WrongTenantError):
            FeatherVectorStore(alice.path, tenant="bob")
        with pytest.raises(WrongTenantError):
            FeatherVectorStore(store=pool.get("alice"), tenant="bob")
        assert pool.get("alice").check() == []
        alice.close()
        again.close()


@pytest.mark.parametrize("tenant", ["", "a\0b", "x" * 256])
def test_a_name_that_no_tenant_can_have_is_refused(tmp_path, tenant):
    with TenantPool(tmp_path / "pool") as pool, pytest.raises(TenantNameError):
        FeatherVectorStore(pool=pool, tenant=tenant)


def test_hostile_tenants_stay_in_their_directory(tmp_path):
    with TenantPool(tmp_path / "pool") as pool:
        for tenant in ("../../x", "..", "a/b", "CON"):
            FeatherVectorStore(pool=pool, tenant=tenant).add([node("n", 1.0)])
            assert pool.get(tenant).check() == []

    assert [path.name for path in tmp_path.iterdir()] == ["pool"]


@pytest.mark.file
def test_what_store_is_meant_has_to_be_clear(tmp_path, store):
    for arguments in (
        {},
        {"path": tmp_path / "a.feather", "store": store},
        {"pool": TenantPool(tmp_path / "pool")},
    ):
        with pytest.raises(ParameterError):
            FeatherVectorStore(**arguments)
    with pytest.raises(StoreAccessError):
        FeatherVectorStore(tmp_path / "no" / "such" / "folder.feather")


def test_what_it_is_cannot_be_said_otherwise(store):
    for wrong in ({"stores_text": False}, {"flat_metadata": True}, {"embedder": "x"}):
        with pytest.raises(ValidationError):
            FeatherVectorStore(store=store, **wrong)


def test_memories_of_the_store_are_nodes_and_nodes_are_memories(store):
    embed = HashEmbedder(16)
    vectors = FeatherVectorStore(store=store)
    vector = embed(["Alice likes tea"])[0]

    store.add("Alice likes tea", id="m", vector=vector, metadata={"topic": "drinks"})
    vectors.add([node("n", *embed(["Bob likes rum"])[0].tolist(), text="Bob likes rum", topic="x")])

    (found,) = vectors.query(asked(*vector.tolist(), k=1, filters=only(topic="drinks"))).nodes
    assert (found.node_id, found.text) == ("m", "Alice likes tea")
    (hit,) = store.search("rum", where={"topic": "x"})
    assert (hit.memory.id, hit.memory.text) == ("n", "Bob likes rum")


def test_conditions_nest_in_a_query(vectors):
    not_first = MetadataFilters(
        filters=[MetadataFilter(key="page", value=1)], condition=FilterCondition.NOT
    )
    filters = MetadataFilters(
        filters=[
            MetadataFilter(key="tag", value=["x", "y"], operator=FilterOperator.IN),
            not_first,
        ]
    )

    assert set(vectors.query(asked(1.0, 0.0, filters=filters)).ids) == {"a2", "b2"}


def test_a_node_of_an_earlier_release_is_written_again(store):
    """There, everything was the user's."""
    vectors = FeatherVectorStore(store=store)
    node = TextNode(text="Deploys are on Monday", id_="n", embedding=[1.0, 0.0])
    vectors.add([node])
    assert store.get("n").origin == "document"
    metadata = dict(store.get("n").metadata)
    store.forget(["n"])
    store.add(node.text, id="n", vector=[1.0, 0.0], metadata=metadata)

    vectors.add([TextNode(text="Deploys are on Friday", id_="n", embedding=[0.0, 1.0])])

    assert [memory.text for memory in store.iterate()] == ["Deploys are on Friday"]
