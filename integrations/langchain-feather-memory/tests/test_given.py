"""What callers give: kept by a stated rule, or refused by the name of what is wrong; never half."""

from __future__ import annotations

import asyncio
import copy
import pickle
from datetime import UTC, date, datetime
from pathlib import PurePosixPath
from typing import Any, ClassVar
from uuid import UUID

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.structured_query import (
    Comparator,
    Comparison,
    Operation,
    Operator,
    StructuredQuery,
)
from langchain_feather_memory import (
    FeatherChatMessageHistory,
    FeatherMemory,
    FeatherMemoryMiddleware,
    FeatherRetriever,
    FeatherStore,
    FeatherTranslator,
    FeatherVectorStore,
    FeedbackCallbackHandler,
    MemoryFeedback,
)
from langgraph.store.base import PutOp

from feather_memory import InvalidMetadataError, ParameterError, Store, TenantPool

from .conftest import HashEmbeddings

STRANGE = [
    (datetime(2024, 1, 1, tzinfo=UTC), "the datetime"),
    (date(2024, 1, 1), "the date"),
    (UUID(int=1), "the UUID"),
    (PurePosixPath("a"), "the PurePosixPath"),
    (float("nan"), "nan"),
    (float("-inf"), "-inf"),
    ((1, 2), "the tuple"),
    ({1}, "the set"),
    (b"a", "the bytes"),
    (np.zeros(2), "the ndarray"),
]


@pytest.mark.parametrize(("value", "named"), STRANGE, ids=lambda value: str(value)[:12])
@pytest.mark.parametrize("way", ["add_documents", "aadd_documents", "from_texts"])
async def test_one_bad_document_of_a_batch_names_itself_and_its_key(
    vectors, tmp_path, value, named, way
):
    bad = {"fine": 1, "seen": {"at": [0, value]}}
    documents = [Document("a"), Document("b", id="b7", metadata=bad)]
    expected = rf"document 1, with the id 'b7': metadata\['seen'\]\['at'\]\[1\] is {named}"

    path, made = tmp_path / "x.feather", HashEmbeddings()
    with pytest.raises(InvalidMetadataError, match=expected):
        await {
            "add_documents": lambda: asyncio.to_thread(vectors.add_documents, documents),
            "aadd_documents": lambda: vectors.aadd_documents(documents),
            "from_texts": lambda: FeatherVectorStore.afrom_documents(documents, made, path=path),
        }[way]()

    assert len(vectors.store) == 0


def test_what_json_can_hold_is_kept_as_it_is_and_is_the_stores_own(vectors):
    metadata: dict[str, Any] = {"a": [1, 2.5, None, True, {"b": "ü"}], "": {}}
    vectors.add_texts(["x"], [metadata], ids=["x"])
    metadata["a"].append("later")

    (found,) = vectors.get_by_ids(["x"])
    assert found.metadata == {"a": [1, 2.5, None, True, {"b": "ü"}], "": {}}


@pytest.mark.parametrize(
    "call",
    [
        lambda v: v.delete("abc"),
        lambda v: asyncio.run(v.adelete("abc")),
        lambda v: v.get_by_ids("abc"),
        lambda v: v.add_texts("abc"),
        lambda v: asyncio.run(v.aadd_texts("abc")),
        lambda v: v.add_texts(["x", "y", "z"], ids="abc"),
        lambda v: v.add_texts(["x", "y", "z"], "abc"),
    ],
)
def test_one_string_is_not_read_letter_by_letter(vectors, call):
    vectors.add_texts(["a", "b", "c"], ids=list("abc"))

    with pytest.raises(ParameterError, match="must be several"):
        call(vectors)

    assert len(vectors.store) == 3


class TestDots:
    """`{"a.b": 5}` is the key of that name where there is one, else the path."""

    DOCUMENTS: ClassVar = {
        "literal": {"a.b": 5},
        "nested": {"a": {"b": 5}},
        "both": {"a.b": 6, "a": {"b": 5}},
        "other": {"a.b": 6},
        "none": {},
    }

    def oracle(self, metadata, holds):
        if "a.b" in metadata:
            return holds(metadata["a.b"])
        return holds(metadata.get("a", {}).get("b"))

    @pytest.mark.parametrize(
        ("asked", "holds"),
        [
            (5, lambda x: x == 5),
            ({"$eq": 5}, lambda x: x == 5),
            ({"$ne": 5}, lambda x: x != 5),
            ({"$gt": 5}, lambda x: x is not None and x > 5),
            ({"$gte": 5, "$lt": 6}, lambda x: x is not None and 5 <= x < 6),
            ({"$in": [5, 7]}, lambda x: x in (5, 7)),
            ({"$nin": [5]}, lambda x: x != 5),
            ({"$exists": True}, lambda x: x is not None),
            ({"$exists": False}, lambda x: x is None),
        ],
    )
    def test_at_every_operator_and_inside_of_others(self, vectors, asked, holds):
        names, metadatas = list(self.DOCUMENTS), list(self.DOCUMENTS.values())
        vectors.add_texts(names, metadatas, ids=names)
        expected = {n for n, m in self.DOCUMENTS.items() if self.oracle(m, holds)}

        for given in (
            {"a.b": asked},
            {"$and": [{"a.b": asked}]},
            {"$not": {"$not": {"a.b": asked}}},
        ):
            found = vectors.similarity_search("x", k=9, filter=given)
            assert {document.id for document in found} == expected
        retriever = FeatherRetriever(store=vectors.store, k=9, filter={"a.b": asked})
        assert {document.id for document in retriever.invoke("x")} == expected

    def test_what_means_nothing_is_refused(self, vectors):
        for wrong in ({"a.b": {"$near": 1}}, {"a.b": {}}, {"$or": {"a.b": 1}}, {"$nor": []}):
            with pytest.raises(ParameterError):
                vectors.similarity_search("x", filter=wrong)


# Structured queries


def is_(attribute, comparator, value):
    return Comparison(comparator=comparator, attribute=attribute, value=value)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (is_("year", Comparator.GTE, 2020), {"new"}),
        (is_("year", Comparator.NE, 2020), {"old", "bare"}),
        (is_("tags", Comparator.CONTAIN, "x"), {"old"}),
        (is_("year", Comparator.IN, [1990, 2020]), {"old", "new"}),
        (is_("year", Comparator.NIN, [1990]), {"new", "bare"}),
        (is_("day", Comparator.LT, {"date": "2000-01-01", "type": "date"}), {"old"}),
        (
            Operation(
                operator=Operator.OR,
                arguments=[is_("year", Comparator.LT, 2000), is_("year", Comparator.GT, 2010)],
            ),
            {"old", "new"},
        ),
        (
            Operation(operator=Operator.NOT, arguments=[is_("year", Comparator.EQ, 1990)]),
            {"new", "bare"},
        ),
        (None, {"old", "new", "bare"}),
    ],
)
def test_what_a_model_asks_for_is_a_filter(vectors, asked, expected):
    vectors.add_texts(
        ["old", "new", "bare"],
        [{"year": 1990, "tags": ["x"], "day": "1990-05-01"}, {"year": 2020}, {}],
        ids=["old", "new", "bare"],
    )
    query = StructuredQuery(query="q", filter=asked, limit=None)

    text, keywords = FeatherTranslator().visit_structured_query(query)

    found = vectors.similarity_search(text, k=9, **keywords)
    assert {document.id for document in found} == expected


def test_a_query_that_no_filter_is_is_refused():
    translator = FeatherTranslator()
    for wrong in (
        is_("a", Comparator.LIKE, "x"),
        Operation(operator=Operator.NOT, arguments=[is_("a", Comparator.EQ, n) for n in (1, 2)]),
        Operation(operator=Operator.AND, arguments=[]),
    ):
        with pytest.raises(ValueError, match=r"(?i)like|one part|got none"):
            wrong.accept(translator)


# A drop-in


def test_a_memory_takes_messages_and_gives_them(store):
    memory = FeatherMemory(store=store, session="s", k=2, last_turns=1, return_messages=True)
    store.add("Lunch is at noon", role="system")

    memory.save_context({"input": "Deploys?"}, {"output": AIMessage("On Tuesday")})
    memory.save_context({"input": [HumanMessage("Bye")]}, {"output": [AIMessage("Bye then")]})

    texts = {m.text for m in store.iterate()}  # what the assistant said is in the transcript alone
    assert texts == {"Lunch is at noon", "Deploys?", "Bye"}
    history = memory.load_memory_variables({"input": [HumanMessage("Lunch and deploys?")]})[
        "history"
    ]
    assert history[-2:] == [HumanMessage("Bye"), AIMessage("Bye then")]
    assert HumanMessage("Lunch is at noon") in history  # what was remembered gives no orders
    with pytest.raises(ValueError, match="not both"):
        FeatherMemory(store=store, session="s", return_docs=True, return_messages=True)


# Copies, processes, loops


@pytest.fixture
def adapters(store, tmp_path):
    with FeatherStore(tmp_path / "items.feather") as items:
        yield [
            FeatherVectorStore(HashEmbeddings(), store=store),
            FeatherRetriever(store=store),
            FeatherChatMessageHistory("s", store=store),
            FeatherMemory(store=store, session="s"),
            FeatherMemoryMiddleware(store=store, tools=True),
            MemoryFeedback(store),
            FeedbackCallbackHandler(store),
            items,
        ]


def test_no_adapter_is_pickled_and_each_says_what_to_do_instead(adapters):
    for adapter in adapters:
        name = type(adapter).__name__
        with pytest.raises(TypeError, match=rf"a {name} is over open files.*from the same path="):
            pickle.dumps(adapter)


def test_a_copy_reads_what_the_adapter_reads(adapters):
    vectors, retriever, history, memory, *_, items = adapters
    vectors.add_texts(["Deploys are on Tuesday"])
    history.add_user_message("Hello")
    items.put(("a",), "k", {"x": 1})

    for copied in (copy.copy, copy.deepcopy):
        assert copied(vectors).similarity_search("deploys")
        assert copied(retriever).invoke("deploys")
        assert copied(history).messages == [HumanMessage("Hello")]
        assert copied(memory).load_memory_variables({"input": "deploys"})["history"]
        assert copied(items).get(("a",), "k").value == {"x": 1}
        for adapter in adapters:
            assert type(copied(adapter)) is type(adapter)
    other = retriever.model_copy(update={"k": 1}, deep=True)
    assert (other.k, retriever.k) == (1, 5)


async def test_what_opens_a_file_is_an_async_context_too(tmp_path):
    for make in (
        lambda: FeatherVectorStore(HashEmbeddings(), path=tmp_path / "a.feather"),
        lambda: FeatherRetriever(path=tmp_path / "b.feather"),
        lambda: FeatherStore(tmp_path / "c.feather"),
    ):
        async with make() as adapter:
            assert adapter is not None
    async with FeatherRetriever(path=tmp_path / "b.feather") as retriever:
        store = retriever.store
        assert await retriever.ainvoke("x") == []
    assert not store.plumbing.is_open
    with Store.open(tmp_path / "b.feather") as again:
        assert again.check() == []


# LangGraph's configurations


@pytest.mark.parametrize(
    ("index", "ttl"),
    [
        ({"distance_type": "l2"}, None),
        ({"distance_type": "inner_product"}, None),
        ({"ann_index_config": {"kind": "hnsw"}}, None),
        ({"fields": ["a"], "text_fields": ["b"]}, None),
        ({"fields": "text"}, None),
        (None, {"omit_expired": False}),
        (None, {"default": 5}),
    ],
)
def test_a_configuration_that_cannot_be_honoured_is_refused(tmp_path, index, ttl):
    full = None if index is None else {"dims": 128, "embed": HashEmbeddings(), **index}

    with pytest.raises(ParameterError, match=r"index|ttl"):
        FeatherStore(tmp_path / "a.feather", index=full, ttl=ttl)

    assert not (tmp_path / "a.feather").exists()


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"fields": []}, []),
        ({"fields": ["text"]}, ["k"]),
        ({"text_fields": ["text"]}, ["k"]),
        ({"fields": ["other"], "distance_type": "cosine"}, []),
        ({}, ["k"]),
    ],
)
def test_only_the_fields_of_the_index_are_indexed(tmp_path, fields, found):
    index: Any = {"dims": 128, "embed": HashEmbeddings(), **fields}
    with FeatherStore(tmp_path / "a.feather", index=index, ttl={"omit_expired": True}) as store:
        store.put(("a",), "k", {"text": "green tea"})
        store.put(("a",), "plain", {"text": "green tea"}, index=False)

        items = store.search(("a",), query="green tea")
        assert [item.key for item in items if item.score is not None] == found
        assert {item.key for item in items} == {"k", "plain"}


@pytest.mark.parametrize("value", [{"a": {1: 2}}, {"a": (1, 2)}, {"a": {1}}, {"a": float("nan")}])
def test_one_bad_item_of_a_batch_names_itself_and_nothing_is_written(tmp_path, value):
    with FeatherStore(tmp_path / "a.feather") as store:
        with pytest.raises(ParameterError, match=r"the value of 'bad' in \('a', 'b'\)"):
            store.batch([PutOp(("a", "b"), "ok", {"x": 1}), PutOp(("a", "b"), "bad", value)])

        assert store.search(()) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.put("abc", "k", {"x": 1}),
        lambda store: store.get("abc", "k"),
        lambda store: store.delete("abc", "k"),
        lambda store: store.search("abc"),
        lambda store: store.put(("a",), "k", {"text": "x"}, index="text"),
    ],
)
def test_one_string_is_no_namespace_and_no_list_of_paths(tmp_path, call):
    with FeatherStore(tmp_path / "a.feather") as store:
        with pytest.raises(ParameterError, match="several strings, got"):
            call(store)

        assert store.list_namespaces() == []


async def test_one_string_as_a_condition_of_namespaces_is_one_label(tmp_path):
    """LangGraph's own tests have it so."""
    with FeatherStore(tmp_path / "a.feather") as store:
        for labels in (("abc", "facts"), ("a", "b", "c"), ("facts", "abc")):
            store.put(labels, "k", {"x": 1})

        assert store.list_namespaces(prefix="abc") == [("abc", "facts")]
        assert store.list_namespaces(suffix="abc") == [("facts", "abc")]
        assert await store.alist_namespaces(prefix="abc") == [("abc", "facts")]
    with TenantPool(tmp_path / "pool") as pool, FeatherStore(pool=pool) as store:
        for labels in (("abc", "facts"), ("a", "b", "c")):
            store.put(labels, "k", {"x": 1})

        assert store.list_namespaces(prefix="abc") == [("abc", "facts")]


@pytest.mark.parametrize("minutes", [float("nan"), float("inf"), "5", True])
def test_a_time_to_live_that_is_none_is_refused_with_its_item(tmp_path, minutes):
    with FeatherStore(tmp_path / "a.feather") as store:
        with pytest.raises(ParameterError, match=r"the ttl of 'k' in \('a',\) is minutes"):
            store.put(("a",), "k", {"x": 1}, ttl=minutes)

        assert store.search(()) == []


@pytest.mark.parametrize("value", [[1], [["x", 1]], "x"])
def test_a_value_that_is_no_dict_is_refused_with_its_item(tmp_path, value):
    with (
        FeatherStore(tmp_path / "a.feather") as store,
        pytest.raises(ParameterError, match=r"the value of 'k' in \('a',\) must be a dict"),
    ):
        store.put(("a",), "k", value)


@pytest.mark.parametrize("asked", [{"$eq": 1, "y": 2}, {"$eq": 1, "$in": [1]}])
def test_operators_and_fields_are_not_mixed(tmp_path, asked):
    with FeatherStore(tmp_path / "a.feather") as store:
        store.put(("a",), "k", {"x": 1})

        with pytest.raises(ParameterError, match="unknown operator"):
            store.search((), filter={"x": asked})


@pytest.mark.parametrize("key", ["a..b", "a.", ".", "", "..", "a.b"])
def test_a_key_of_any_spelling_can_be_asked_for(vectors, key):
    vectors.add_documents(
        [Document("x", id="has", metadata={key: 5}), Document("y", id="lacks", metadata={"a": 5})]
    )

    for asked, expected in (
        ({key: 5}, {"has"}),
        ({key: {"$gte": 5}}, {"has"}),
        ({"$not": {key: {"$exists": True}}}, {"lacks"}),
        ({key: 6}, set()),
    ):
        found = vectors.similarity_search("x", k=5, filter=asked)
        assert {document.id for document in found} == expected, asked
    with pytest.raises(ValueError, match="unknown operator"):
        vectors.similarity_search("x", filter={key: {"$like": 5}})


@pytest.mark.parametrize("bad", [{"k": "\ud800"}, {"k": ["\ud800"]}, {"\ud800": 1}])
def test_half_a_character_in_metadata_names_document_and_key(vectors, bad):
    documents = [Document("x", id="ok"), Document("y", id="bad", metadata=bad)]
    with pytest.raises(InvalidMetadataError, match="document 1, with the id 'bad': metadata"):
        vectors.add_documents(documents)

    assert vectors.get_by_ids(["ok"]) == []


def test_an_id_that_is_no_string_is_refused(vectors):
    with pytest.raises(ParameterError, match="ids must be strings, got 5"):
        vectors.delete(["a", 5])
