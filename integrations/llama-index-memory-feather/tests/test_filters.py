"""Metadata filters, against LlamaIndex's own filter function and a store's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)
from llama_index.core.vector_stores.utils import build_metadata_filter_fn
from llama_index.memory.feather import FeatherVectorStore
from llama_index.memory.feather._filters import to_filter

from feather_memory import FilterError

if TYPE_CHECKING:
    from feather_memory import Store

Op = FilterOperator


def leaf(key: str, value: Any = None, operator: Op = Op.EQ) -> MetadataFilter:
    return MetadataFilter(key=key, value=value, operator=operator)


def group(*filters: Any, condition: str | None = "and") -> MetadataFilters:
    return MetadataFilters(filters=list(filters), condition=condition)


# The oracle: LlamaIndex's function for one filter; where it fails on a comparison, we say no


def naive(filters: Any, metadata: dict[str, Any]) -> bool:
    if isinstance(filters, MetadataFilter):
        holds = build_metadata_filter_fn(lambda _: metadata, MetadataFilters(filters=[filters]))
        try:
            return holds("")
        except TypeError:
            return False
    answers = [naive(f, metadata) for f in filters.filters if not is_empty(f)]
    if not answers:
        return True
    return {
        FilterCondition.AND: all(answers),
        FilterCondition.OR: any(answers),
        FilterCondition.NOT: not any(answers),
    }[filters.condition or FilterCondition.AND]


def is_empty(filters: Any) -> bool:
    return isinstance(filters, MetadataFilters) and all(map(is_empty, filters.filters))


KEYS = ["a", "b", "a.b", "id", "text", "importance", "metadata", ""]
TEXTS = ["", "a", "A", "ab", "Straße", "STRASSE", "1", "é", "true"]
NUMBERS = [0, 1, 2, -1, 0.0, 1.0, 0.5, 2.5]
scalars = st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.sampled_from(TEXTS)
stored = scalars | st.lists(scalars, max_size=3)
bounds = st.sampled_from(NUMBERS) | st.sampled_from(TEXTS)
lists = st.lists(st.sampled_from(TEXTS), max_size=3) | st.lists(
    st.sampled_from([0, 1, 2, -1]), max_size=3
)


@st.composite
def leaves(draw: Any) -> MetadataFilter:
    operator = draw(st.sampled_from(list(Op)))
    if operator in {Op.IN, Op.NIN, Op.ANY, Op.ALL}:
        value = draw(lists)
    elif operator in {Op.TEXT_MATCH, Op.TEXT_MATCH_INSENSITIVE}:
        value = draw(st.sampled_from(TEXTS))
    elif operator is Op.IS_EMPTY:
        value = None
    else:
        value = draw(bounds)
    return leaf(draw(st.sampled_from(KEYS)), value, operator)


trees = st.recursive(
    st.lists(leaves(), max_size=3).map(lambda few: group(*few)),
    lambda inner: st.builds(
        lambda few, condition: group(*few, condition=condition),
        st.lists(leaves() | inner, max_size=3),
        st.sampled_from(["and", "or", "not", None]),
    ),
    max_leaves=4,
)


@settings(max_examples=600)
@given(st.dictionaries(st.sampled_from(KEYS), stored, max_size=4), trees)
def test_filters_mean_what_they_mean_to_llama_index_also_nested(metadata, filters):
    condition = to_filter(filters)

    said = True if condition is None else condition.matches({"id": "n", "metadata": metadata})

    assert said is naive(filters, metadata)


# Through a store, in both ways of asking

ROWS: dict[str, dict[str, Any]] = {
    "one": {"some_key": 1, "word": "Straße", "tags": ["red", "big"], "flag": True, "n": 1.5},
    "two": {"some_key": 2, "word": "weg", "tags": ["blue"], "flag": False, "n": 10},
    "three": {"some_key": "3", "word": "", "tags": [], "n": None},
    "four": {},
}
TABLE = [
    (leaf("some_key", 1), ["one"]),
    (leaf("some_key", "3"), ["three"]),
    (leaf("some_key", 3), []),
    (leaf("some_key"), []),
    (leaf("flag", 1), ["one"]),
    (leaf("flag", 0), ["two"]),
    (leaf("unknown", 1), []),
    (leaf("some_key", 1, Op.NE), ["two", "three", "four"]),
    (leaf("n", 10, Op.NE), ["one", "three", "four"]),
    (leaf("n", None, Op.NE), ["one", "two", "three", "four"]),
    (leaf("n", 1.5, Op.GT), ["two"]),
    (leaf("n", 1.5, Op.GTE), ["one", "two"]),
    (leaf("n", 10, Op.LT), ["one"]),
    (leaf("n", 10, Op.LTE), ["one", "two"]),
    (leaf("some_key", "1", Op.GT), ["three"]),
    (leaf("some_key", 0, Op.GT), ["one", "two"]),
    (leaf("flag", 0, Op.GT), ["one"]),
    (leaf("some_key", [1, 2], Op.IN), ["one", "two"]),
    (leaf("some_key", ["3"], Op.IN), ["three"]),
    (leaf("some_key", [], Op.IN), []),
    (leaf("flag", [1], Op.IN), ["one"]),
    (leaf("some_key", [1, 2], Op.NIN), ["three", "four"]),
    (leaf("some_key", ["3"], Op.NIN), ["one", "two", "four"]),
    (leaf("some_key", [], Op.NIN), ["one", "two", "three", "four"]),
    (leaf("tags", "red", Op.CONTAINS), ["one"]),
    (leaf("word", "raß", Op.CONTAINS), ["one"]),
    (leaf("some_key", 1, Op.CONTAINS), []),
    (leaf("tags", ["blue", "big"], Op.ANY), ["one", "two"]),
    (leaf("tags", [], Op.ANY), []),
    (leaf("tags", ["red", "big"], Op.ALL), ["one"]),
    (leaf("tags", [], Op.ALL), ["one", "two", "three"]),
    (leaf("word", "we", Op.TEXT_MATCH), ["two"]),
    (leaf("word", "WE", Op.TEXT_MATCH), []),
    (leaf("word", "WE", Op.TEXT_MATCH_INSENSITIVE), ["two"]),
    (leaf("word", "RAß", Op.TEXT_MATCH_INSENSITIVE), ["one"]),
    (leaf("word", None, Op.IS_EMPTY), ["three", "four"]),
    (leaf("tags", None, Op.IS_EMPTY), ["three", "four"]),
    (leaf("n", None, Op.IS_EMPTY), ["three", "four"]),
    (group(leaf("some_key", 1), leaf("word", "Straße")), ["one"]),
    (group(leaf("some_key", 1), leaf("some_key", 2)), []),
    (group(leaf("some_key", 1), leaf("some_key", 2), condition="or"), ["one", "two"]),
    (group(leaf("some_key", 1), leaf("some_key", 2), condition="not"), ["three", "four"]),
    (group(leaf("some_key", 1), condition=None), ["one"]),
    (
        group(leaf("flag", [0, 1], Op.IN), group(leaf("some_key", 1), condition="not")),
        ["two"],
    ),
    (
        group(
            group(leaf("some_key", 1), leaf("flag", 0)),
            group(leaf("n", 5, Op.GT), group(leaf("tags", "blue", Op.CONTAINS))),
            condition="or",
        ),
        ["two"],
    ),
    (group(group(), leaf("some_key", 2), group(group(), condition="not")), ["two"]),
    (group(), ["one", "two", "three", "four"]),
]


@pytest.fixture
def vectors(store: Store) -> FeatherVectorStore:
    vectors = FeatherVectorStore(store=store)
    vectors.add(
        [
            TextNode(id_=id_, text=f"number {id_}", metadata=metadata, embedding=[1.0, at])
            for at, (id_, metadata) in enumerate(ROWS.items())
        ]
    )
    return vectors


def asked(filters: Any) -> MetadataFilters:
    return filters if isinstance(filters, MetadataFilters) else group(filters)


@pytest.mark.parametrize(("filters", "expected"), TABLE, ids=lambda case: str(case)[:80])
def test_every_row_of_the_table_holds_in_queries_reads_and_deletions(vectors, filters, expected):
    found = vectors.query(VectorStoreQuery([1.0, 0.0], similarity_top_k=9, filters=asked(filters)))

    assert found.ids == expected
    assert [node.node_id for node in vectors.get_nodes(filters=asked(filters))] == expected
    if asked(filters).filters:
        vectors.delete_nodes(filters=asked(filters))
        assert {node.node_id for node in vectors.get_nodes()} == ROWS.keys() - set(expected)


async def test_the_async_twins_answer_alike(vectors):
    for filters, expected in TABLE:
        query = VectorStoreQuery([1.0, 0.0], similarity_top_k=9, filters=asked(filters))
        assert (await vectors.aquery(query)).ids == expected
        nodes = await vectors.aget_nodes(filters=asked(filters))
        assert [node.node_id for node in nodes] == expected


def test_the_best_are_chosen_among_those_that_match(vectors):
    filters = group(leaf("some_key", ["3"], Op.NIN))

    found = vectors.query(VectorStoreQuery([1.0, 9.0], similarity_top_k=2, filters=filters))

    assert found.ids == ["four", "two"]


def test_a_text_match_where_there_is_no_text_is_a_type_error(vectors):
    for operator in (Op.TEXT_MATCH, Op.TEXT_MATCH_INSENSITIVE):
        for filters in (leaf("some_key", "3", operator), leaf("tags", "red", operator)):
            nested = group(group(filters, condition="not"), leaf("n", 1), condition="or")
            for each in (group(filters), nested):
                with pytest.raises(TypeError, match="text is to be matched"):
                    vectors.query(VectorStoreQuery([1.0, 0.0], filters=each))
                with pytest.raises(TypeError, match="text is to be matched"):
                    vectors.delete_nodes(filters=each)
        with pytest.raises(TypeError, match="takes a text"):
            vectors.query(VectorStoreQuery([1.0, 0.0], filters=group(leaf("word", 1, operator))))
    assert len(vectors.get_nodes()) == len(ROWS)


@pytest.mark.parametrize(
    "meaningless",
    [
        leaf("n", None, Op.GT),
        leaf("n", [1], Op.LT),
        leaf("n", 1, Op.IN),
        leaf("word", "weg", Op.NIN),
        leaf("tags", "red", Op.ANY),
        leaf("tags", None, Op.ALL),
    ],
    ids=str,
)
def test_an_operator_without_meaning_for_its_value_is_refused(vectors, meaningless):
    with pytest.raises(FilterError):
        vectors.query(VectorStoreQuery([1.0, 0.0], filters=group(meaningless)))


def test_an_unknown_operator_or_condition_is_refused(vectors):
    unknown = MetadataFilter.model_construct(key="n", value=1, operator="sounds_like")
    either = MetadataFilters.model_construct(filters=[leaf("n", 1)], condition="xor")

    for filters in (group(leaf("n", 1)).model_copy(update={"filters": [unknown]}), either):
        with pytest.raises(FilterError, match="there is no"):
            vectors.query(VectorStoreQuery([1.0, 0.0], filters=filters))


def test_a_key_that_names_the_document_means_it_unless_the_metadata_has_such_a_key(store):
    vectors = FeatherVectorStore(store=store)
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="d1")}
    vectors.add(
        [
            TextNode(id_="a", text="a", relationships=source, embedding=[1.0]),
            TextNode(id_="b", text="b", metadata={"doc_id": "d1"}, embedding=[1.0]),
            TextNode(
                id_="c", text="c", metadata={"doc_id": "mine"}, relationships=source,
                embedding=[1.0],
            ),
        ]
    )  # fmt: skip

    def ids(key: str, value: str, operator: Op = Op.EQ) -> set[str]:
        return {n.node_id for n in vectors.get_nodes(filters=group(leaf(key, value, operator)))}

    assert ids("doc_id", "d1") == {"a", "b"}
    assert ids("doc_id", "d1", Op.NE) == {"c"}
    assert ids("ref_doc_id", "d1") == ids("document_id", "d1") == {"a", "c"}
