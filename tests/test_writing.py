"""What is written is kept, and what is refused leaves no trace, also after reopening."""

import math
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from feather_memory import F, Scoring, Store
from feather_memory.errors import (
    ClosedStoreError,
    CorruptStoreError,
    DimensionError,
    FeatherError,
    FilterError,
    InvalidMetadataError,
    InvalidVectorError,
    MissingEmbedderError,
    NewerFormatError,
    ParameterError,
    StoreAccessError,
    UnknownMemoryError,
    WrongTenantError,
)
from feather_memory.testing import HashEmbedder

VECTOR = [0.1, 0.2, 0.3, 0.4]


def everything(path):
    """Every row of every table."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


@pytest.fixture
def plain(path, clock):
    """A store without an embedder, of vectors of four numbers, with one memory."""
    with Store.open(path, clock=clock) as opened:
        opened.add("tea", id="a", vector=VECTOR, metadata={"n": 1}, key="drink", session="s")
        yield opened
        if opened.plumbing.is_open:
            assert opened.check() == []


def circular():
    nested = []
    nested.append(nested)
    return {"nested": nested}


BAD = {
    "a missing text": ({"text": None}, ParameterError, "text"),
    "a text that is a number": ({"text": 7}, ParameterError, "7"),
    "a text that is bytes": ({"text": b"tea"}, ParameterError, "tea"),
    "an empty text": ({"text": ""}, ParameterError, "''"),
    "a blank text": ({"text": " \n\t"}, ParameterError, "text"),
    "a lone surrogate": ({"text": "\ud800"}, ParameterError, "text"),
    "17 million letters": ({"text": "x" * 17_000_000}, ParameterError, "17,000,000"),
    "17 million bytes": ({"text": "語" * 5_700_000}, ParameterError, "17,100,000"),
    "too few numbers": ({"vector": [1, 2, 3]}, DimensionError, "4.*3"),
    "too many numbers": ({"vector": np.ones(5)}, DimensionError, "4.*5"),
    "no numbers": ({"vector": []}, InvalidVectorError, "0"),
    "NaN": ({"vector": [1, 2, math.nan, 4]}, InvalidVectorError, "nan at 2"),
    "infinity": ({"vector": [1, -math.inf, 3, 4]}, InvalidVectorError, "-inf at 1"),
    "too large for float32": ({"vector": [1e300, 1, 1, 1]}, InvalidVectorError, "1e\\+300"),
    "a table": ({"vector": np.ones((2, 2))}, InvalidVectorError, "2, 2"),
    "a column": ({"vector": np.ones((4, 1))}, InvalidVectorError, "4, 1"),
    "a ragged list": ({"vector": [1, [2], 3, 4]}, InvalidVectorError, "vector"),
    "texts for numbers": ({"vector": ["1", "2", "3", "4"]}, InvalidVectorError, "vector"),
    "complex numbers": ({"vector": np.ones(4, complex)}, InvalidVectorError, "complex"),
    "flags": ({"vector": [True, False, True, True]}, InvalidVectorError, "bool"),
    "one number": ({"vector": 3.5}, InvalidVectorError, "vector"),
    "metadata that is a list": ({"metadata": [1]}, InvalidMetadataError, "1"),
    "a set in the metadata": ({"metadata": {"x": {1}}}, InvalidMetadataError, "set"),
    "NaN in the metadata": ({"metadata": {"x": math.nan}}, InvalidMetadataError, "metadata"),
    "a tuple in the metadata": ({"metadata": {"x": (1, 2)}}, InvalidMetadataError, "changed"),
    "a number as a name": ({"metadata": {1: "x"}}, InvalidMetadataError, "changed"),
    "metadata that holds itself": ({"metadata": circular()}, InvalidMetadataError, "metadata"),
    "a surrogate in metadata": ({"metadata": {"x": "\ud800"}}, InvalidMetadataError, "metadata"),
    "2 MB of metadata": ({"metadata": {"x": "y" * 2_000_000}}, InvalidMetadataError, "2,000,0"),
    "importance above 1": ({"importance": 1.1}, ParameterError, "1.1"),
    "importance below 0": ({"importance": -0.1}, ParameterError, "-0.1"),
    "importance NaN": ({"importance": math.nan}, ParameterError, "nan"),
    "importance True": ({"importance": True}, ParameterError, "True"),
    "importance as a text": ({"importance": "high"}, ParameterError, "high"),
    "an empty id": ({"id": ""}, ParameterError, "id"),
    "a long id": ({"id": "x" * 513}, ParameterError, "513"),
    "an id that is a number": ({"id": 7}, ParameterError, "7"),
    "an empty key": ({"key": ""}, ParameterError, "key"),
    "a session that is a number": ({"session": 7}, ParameterError, "session"),
    "an empty actor": ({"actor": ""}, ParameterError, "actor"),
    "a role that is a list": ({"role": []}, ParameterError, "role"),
    "a text as a time": ({"valid_from": "today"}, ParameterError, "today"),
    "NaN as a time": ({"valid_from": math.nan}, ParameterError, "nan"),
    "the year 10000": ({"expires_at": 1e12}, ParameterError, "expires_at"),
    "an end before the start": ({"valid_from": 20.0, "valid_to": 10.0}, ParameterError, "10"),
    "an end before now": ({"valid_to": 10.0}, ParameterError, "10"),
    "a field that is none": ({"importence": 0.5}, ParameterError, "importence"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_refused_record_leaves_no_trace(plain, path, clock, what):
    given, error, named = BAD[what]
    record = {"text": "coffee", "vector": VECTOR, **given}
    before = everything(path)
    with pytest.raises(error, match=named) as caught:
        plain.add_many([{"text": "first", "id": "first"}, record, {"text": "last", "id": "last"}])
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, FeatherError)
    if "importence" not in given:
        with pytest.raises(error, match=named):
            plain.add(**record)
        if "text" in given or "id" not in given:
            with pytest.raises(error):
                plain.update("a", **{k: v for k, v in given.items() if k != "id"})
    # What is spelled in a signature is refused by Python itself.
    spelled = TypeError if "importence" in given else error
    with pytest.raises(spelled, match=named):
        plain.supersede("a", record["text"], **{k: v for k, v in record.items() if k != "text"})
    assert everything(path) == before
    plain.close()
    assert everything(path) == before
    with Store.open(path, clock=clock) as again:
        assert [hit.memory.id for hit in again.search("tea coffee first last", k=9)] == ["a"]
        assert again.check() == []


def test_a_batch_of_a_wrong_dimension_fixes_no_dimension(path, clock):
    with Store.open(path, clock=clock) as store:
        with pytest.raises(DimensionError, match=r"3.*4"):
            store.add_many([{"text": "a", "vector": [1, 2, 3]}, {"text": "b", "vector": VECTOR}])
        assert store.stats().dimension is None
        store.add("b", vector=VECTOR)
    with Store.open(path, clock=clock) as store:
        with pytest.raises(DimensionError, match=r"4.*3"):
            store.add("c", vector=[1, 2, 3])
        with pytest.raises(DimensionError, match=r"4.*3"):
            store.search(vector=[1, 2, 3])
        assert (len(store), store.stats().dimension) == (1, 4)


def test_another_embedder_of_another_dimension_is_refused(path, clock):
    with Store.open(path, clock=clock, embedder=lambda texts: [[1.0] * 64 for _ in texts]) as store:
        store.add("tea", id="a")
    with Store.open(path, clock=clock, embedder=lambda texts: [[1.0] * 32 for _ in texts]) as store:
        for do in (lambda: store.add("coffee"), lambda: store.search("tea")):
            with pytest.raises(DimensionError, match=r"64.*32"):
                do()
        assert len(store) == 1


@pytest.mark.parametrize(
    "embedder",
    [
        lambda texts: np.ones((len(texts) + 1, 4)), lambda _: np.ones(4),
        lambda texts: [[math.nan] * 4 for _ in texts], lambda texts: [[] for _ in texts],
    ],
)  # fmt: skip
def test_an_embedder_that_returns_nonsense_is_refused(path, clock, embedder):
    with Store.open(path, clock=clock, embedder=embedder) as store:
        with pytest.raises(InvalidVectorError, match="embedder"):
            store.add("tea")
        assert len(store) == 0


def test_an_embedder_that_cannot_be_called_is_refused(path, clock):
    with pytest.raises(MissingEmbedderError, match="a model's name"):
        Store.open(path, clock=clock, embedder="a model's name")

    assert not path.exists()


def test_an_embedder_that_fails_leaves_no_trace(path, clock):
    def fails(texts):
        if len(texts) < 256:
            raise OSError("no network")
        return np.ones((len(texts), 4))

    with Store.open(path, clock=clock, embedder=fails) as store:
        with pytest.raises(OSError, match="no network"):
            store.add_many({"text": f"tea {at}"} for at in range(300))
        assert (len(store), store.stats().dimension) == (0, None)


@pytest.mark.parametrize(
    ("asked", "error", "named"),
    [
        ({}, ParameterError, "text"), ({"text": 7}, ParameterError, "7"),
        ({"text": "tea", "k": 0}, ParameterError, "k.*0"),
        ({"text": "tea", "k": -1}, ParameterError, "-1"),
        ({"text": "tea", "k": 2.5}, ParameterError, "2.5"),
        ({"text": "tea", "k": True}, ParameterError, "True"),
        ({"vector": [1, 2, 3]}, DimensionError, "4.*3"),
        ({"vector": []}, InvalidVectorError, "0"),
        ({"vector": [1, math.nan, 1, 1]}, InvalidVectorError, "nan"),
        ({"text": "tea", "now": math.nan}, ParameterError, "now"),
        ({"text": "tea", "known_at": "then"}, ParameterError, "then"),
        ({"text": "tea", "as_of": 1e15}, ParameterError, "as_of"),
        ({"text": "tea", "session": ""}, ParameterError, "session"),
        ({"text": "tea", "scoring": 0.3}, ParameterError, "0.3"),
        ({"text": "tea", "where": "channel = chat"}, FilterError, "channel"),
    ],
)  # fmt: skip
def test_a_search_that_means_nothing_is_refused(plain, asked, error, named):
    with pytest.raises(error, match=named):
        plain.search(**asked)


@pytest.mark.parametrize(
    "given",
    [
        {"half_life": 0}, {"half_life": math.nan}, {"time_weight": 7}, {"time_weight": -0.1},
        {"importance_weight": 1.01}, {"dense_weight": math.inf}, {"time_weight": "much"},
    ],
)  # fmt: skip
def test_a_scoring_out_of_range_is_refused(given):
    with pytest.raises(ParameterError, match=next(iter(given))):
        Scoring(**given)


def test_k_beyond_the_number_of_memories_returns_them_all(plain):
    assert len(plain.search("tea", k=10**6)) == 1
    assert len(plain.search("nothing like it", k=10**6)) == 1


def test_strange_queries_are_queries(plain):
    for text in (
        "",
        " ",
        '"',
        "AND OR NOT",
        "a*",
        "(",
        "tea)",
        "'; drop table memory",
        "\x00",
        "😀",
    ):
        assert len(plain.search(text)) == 1
    assert len(plain.search(vector=[0, 0, 0, 0])) == 1


@pytest.mark.file
def test_strangers_are_refused_by_name(plain):
    calls = {
        "get": lambda: plain.get("nobody"),
        "update": lambda: plain.update("nobody", text="x"),
        "forget": lambda: plain.forget(["a", "nobody"]),
        "dry run": lambda: plain.forget("nobody", dry_run=True),
        "edges": lambda: plain.edges("nobody"),
        "history": lambda: plain.history("nobody"),
        "supersede": lambda: plain.supersede("nobody", "x"),
        "link to": lambda: plain.link("a", "nobody"),
        "link from": lambda: plain.link("nobody", "a"),
        "replace": lambda: plain.link("nobody", "a", "supersedes"),
    }
    before = everything(plain.path)
    for call in calls.values():
        with pytest.raises(UnknownMemoryError, match="'nobody'") as caught:
            call()
        assert isinstance(caught.value, LookupError)
        assert caught.value.memory_id == "nobody"
    assert everything(plain.path) == before
    assert [memory.id for memory in plain.get_many(["nobody", "a"])] == ["a"]


@pytest.mark.parametrize("weight", [0, -1, 1.5, math.nan, "heavy", True])
def test_an_edge_of_no_weight_is_refused(plain, weight):
    plain.add("coffee", id="b")
    with pytest.raises(ParameterError, match="weight"):
        plain.link("a", "b", weight=weight)
    assert plain.edges("a") == []


def test_edges_join_two_memories_and_are_linked_once(plain):
    plain.add("coffee", id="b")
    with pytest.raises(ParameterError, match="'a'"):
        plain.link("a", "a")
    with pytest.raises(ParameterError, match="type"):
        plain.link("a", "b", "")
    plain.link("a", "b", "mine", 0.5)
    edge = plain.link("a", "b", "mine", 0.7)
    assert plain.edges("a") == plain.edges("b") == [edge]
    assert edge.weight == 0.7
    plain.forget("b")
    assert plain.edges("a") == []


def test_forget_never_removes_everything_by_omission(plain):
    with pytest.raises(ParameterError, match="filter"):
        plain.forget()
    assert plain.forget([]).ids == ()
    assert plain.forget("a", where=F("session") == "other").ids == ()
    assert len(plain) == 1


# What is written


@pytest.mark.parametrize(
    "given",
    [
        np.array(VECTOR), np.array(VECTOR, np.float32), np.array(VECTOR, np.float16),
        np.repeat(np.array(VECTOR), 3)[::3], np.array([VECTOR, VECTOR], order="F")[1],
        np.array(VECTOR[::-1], np.float32)[::-1], np.array(VECTOR, ">f8"), tuple(VECTOR),
    ],
)  # fmt: skip
def test_vectors_are_copied_as_float32_however_they_lie(path, clock, given):
    expected = np.array([*given], np.float32)
    with Store.open(path, clock=clock) as store:
        store.add("tea", id="a", vector=given)
        if isinstance(given, np.ndarray):
            given[:] = 9
        assert store.get("a").vector.dtype == np.float32
        (hit,) = store.search(vector=expected.astype(np.float64)[::-1][::-1])
        assert abs(hit.score.similarity - 1) < 1e-6
    with Store.open(path, clock=clock) as store:
        assert np.array_equal(store.get("a").vector, expected)


def test_ten_megabytes_of_text_are_kept_and_found(path, clock):
    text = "lorem ipsum 語 " * 700_000 + "needle"
    assert len(text.encode()) > 10_000_000
    with Store.open(path, clock=clock) as store:
        store.add(text, id="a")
        store.add("straw", id="b")
    with Store.open(path, clock=clock) as store:
        hit = store.search("needle", k=1)[0]
        assert (hit.memory.id, hit.score.lexical) == ("a", 1.0)
        assert hit.memory.text == text


def test_every_field_comes_back_after_reopening(path, clock):
    given = {
        "id": "ä/\u0301\n'\"", "text": "Zoë said: 日本語 😀 \x00 end", "vector": VECTOR,
        "importance": 0.7, "key": "k k", "session": "s", "actor": "Zoë", "role": "user",
        "metadata": {"a": [1, 2.5, None, True, {"b": "ü"}], "big": 2**60, "": ""},
        "valid_from": 1_000.25, "valid_to": 4e9, "expires_at": 5e9,
    }  # fmt: skip
    with Store.open(path, clock=clock) as store:
        first = store.add(**given)
        assert first == store.get(given["id"])
    with Store.open(path, clock=clock) as store:
        again = store.get(given["id"])
        assert again == first
        for name in ("id", "text", "importance", "key", "session", "actor", "role", "metadata"):
            assert getattr(again, name) == given[name]
        for name in ("valid_from", "valid_to", "expires_at"):
            assert getattr(again, name).timestamp() == given[name]
        assert again.created_at.timestamp() == clock()
        assert store.check() == []


def test_adding_again_replaces_text_vector_and_metadata_and_keeps_the_past(store, clock):
    store.add("tea", id="a", metadata={"x": 1}, session="s", importance=0.6)
    store.add("pot", id="b")
    store.link("a", "b", "part_of")
    store.signal("a", "liked")
    before = store.get("a")
    clock.advance(days=1)
    after = store.add("green coffee", id="a", metadata={"y": 2})
    assert (after.text, after.metadata, after.session) == ("green coffee", {"y": 2}, "s")
    assert (after.created_at, after.importance) == (before.created_at, 0.75)
    assert after.updated_at > before.updated_at
    assert not np.array_equal(after.vector, before.vector)
    assert len(store.edges("a")) == 1
    assert len(store) == 2
    assert store.search("tea", k=1)[0].score.lexical == 0
    assert store.search("green coffee", k=1)[0].memory == after


def test_the_same_content_again_is_no_change(store, clock):
    given = {"text": "tea", "id": "a", "metadata": {"x": 1}, "key": "drink", "importance": 0.5}
    first = store.add(**given)
    clock.advance(days=1)
    assert store.add(**given) == first
    assert store.add_many([given, given]) == [first, first]
    assert store.update("a", text="tea", importance=0.5) == first
    assert len(store) == 1


def test_the_same_replacement_again_is_no_change(store, clock):
    store.add("tea", id="a", key="drink")
    batch = [{"id": "x", "text": "one", "key": "k"}, {"id": "y", "text": "two", "key": "k"}]
    store.add_many(batch)
    first = store.supersede("a", "coffee", id="b"), store.get_many(list("axy")), store.edges("a")
    clock.advance(days=1)
    assert store.add_many(batch)[1] == store.get("y")
    assert (
        store.supersede("a", "coffee", id="b"),
        store.get_many(list("axy")),
        store.edges("a"),
    ) == first


def test_a_retry_embeds_nothing(path, clock):
    embedded = []

    def embed(texts):
        embedded.extend(texts)
        return HashEmbedder(dim=8)(texts)

    with Store.open(path, clock=clock, embedder=embed) as store:
        store.add_many([{"id": "a", "text": "tea"}, {"id": "b", "text": "tea"}])
        store.add("tea", id="a")
        store.add("coffee", id="c", vector=np.ones(8))
        assert embedded == ["tea"]


def test_one_id_twice_in_a_batch_is_the_last(store):
    found = store.add_many([
        {"id": "a", "text": "tea"}, {"text": "water"}, {"id": "a", "text": "coffee"},
    ])  # fmt: skip
    assert [memory.text for memory in found] == ["coffee", "water", "coffee"]
    assert len(store) == 2
    assert {hit.memory.text for hit in store.search("tea", k=9)} == {"coffee", "water"}


def test_ids_that_are_not_given_sort_by_time(store, clock):
    ids = []
    for at in range(50):
        ids.append(store.add(f"cup {at}").id)
        clock.advance(seconds=0.5)
    ids += [memory.id for memory in store.add_many({"text": f"tea {at}"} for at in range(50))]
    assert ids == sorted(set(ids))


def test_update_leaves_out_what_is_not_given_and_clears_none(store):
    store.add("tea", id="a", key="k", session="s", metadata={"x": 1}, expires_at=4e9)
    updated = store.update("a", session=None, expires_at=None)
    assert (updated.session, updated.expires_at) == (None, None)
    assert (updated.text, updated.key, updated.metadata) == ("tea", "k", {"x": 1})
    with pytest.raises(ParameterError, match="valid_to"):
        store.update("a", valid_to=0.0)
    with pytest.raises(ParameterError, match="text"):
        store.update("a", text=None)
    assert store.get("a") == updated


def test_a_text_that_changes_loses_the_vector_that_was_of_the_old_one(plain):
    assert plain.update("a", text="coffee").vector is None
    assert np.allclose(plain.update("a", vector=VECTOR[::-1]).vector, VECTOR[::-1])
    assert plain.search(vector=VECTOR[::-1])[0].score.similarity > 0.999


def test_an_empty_batch_writes_nothing(store):
    assert store.add_many([]) == []
    assert len(store) == 0


# Files that cannot be opened


@pytest.mark.file
def test_a_directory_is_refused(tmp_path):
    with pytest.raises(StoreAccessError, match="irectory") as caught:
        Store.open(tmp_path)
    assert isinstance(caught.value, OSError)


@pytest.mark.file
def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(StoreAccessError, match="nowhere"):
        Store.open(tmp_path / "nowhere" / "a.feather")
    assert list(tmp_path.iterdir()) == []


def _other_database(path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table t (x)")


def _truncated(path):
    with Store.open(path) as store:
        store.add_many({"text": f"tea {at}" * 50} for at in range(100))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _newer(path):
    Store.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma user_version = 999")


@pytest.mark.file
@pytest.mark.parametrize(
    ("make", "error", "named"),
    [
        (lambda path: path.write_bytes(b""), CorruptStoreError, "empty"),
        (lambda path: path.write_bytes(b"short"), CorruptStoreError, "5 bytes"),
        (lambda path: path.write_text("a diary\n" * 100), CorruptStoreError, "not a SQLite"),
        (_other_database, CorruptStoreError, "another application"),
        (_truncated, CorruptStoreError, "truncated"),
        (_newer, NewerFormatError, "999"),
    ],
)
def test_a_file_that_is_not_a_sound_store_is_refused_and_left_alone(path, make, error, named):
    make(path)
    before = path.read_bytes()
    with pytest.raises(error, match=named):
        Store.open(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.file
def test_anothers_file_is_refused(path):
    Store.open(path, tenant="alice").close()
    with pytest.raises(WrongTenantError, match=r"'alice'.*'bob'"):
        Store.open(path, tenant="bob")
    with Store.open(path, tenant="alice") as store:
        assert store.tenant == "alice"


def test_a_closed_store_says_so(path):
    store = Store.open(path)
    store.add("tea", id="a")
    store.close()
    store.close()
    calls = [
        lambda: store.add("x"), lambda: store.search("tea"), lambda: store.get("a"),
        lambda: store.forget("a"), store.stats, store.check,
        lambda: store.recall("tea"), lambda: store.link("a", "b"), lambda: list(store.iterate()),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ClosedStoreError, match="alice"):
            call()
    assert "closed" in repr(store)


def test_an_unknown_durability_is_refused(path):
    with pytest.raises(ParameterError, match="eventual"):
        Store.open(path, durability="eventual")
    assert not path.exists()


def test_a_fact_from_the_past_that_is_imported_late_does_not_retire_a_newer_one(store, clock):
    newer = store.add("Mia works in Basel", key="work", valid_from=clock() - 10 * 86_400)
    older = store.add("Mia works in Bern", key="work", valid_from=clock() - 100 * 86_400)

    assert {hit.memory.id for hit in store.search("Mia")} == {newer.id}
    assert store.get(older.id).valid_to == newer.valid_from
    assert store.search("Mia", as_of=clock() - 50 * 86_400)[0].memory.id == older.id


def test_a_change_that_is_planned_survives_a_new_value_until_then(store, clock):
    store.add("Mia lives in Basel", key="home")
    planned = store.add("Mia lives in Rome", key="home", valid_from=clock() + 86_400)
    clock.advance(hours=1)
    until_then = store.add("Mia lives in Bern", key="home")

    assert {hit.memory.id for hit in store.search("Mia")} == {until_then.id}
    clock.advance(days=2)
    assert {hit.memory.id for hit in store.search("Mia")} == {planned.id}


def test_a_replacement_that_was_true_earlier_still_replaces(store, clock):
    wrong = store.add("Mia lives in Basel", key="home")
    right = store.supersede(wrong.id, "Mia lives in Bern", valid_from=clock() - 86_400)

    assert {hit.memory.id for hit in store.search("Mia")} == {right.id}


def test_a_slot_whose_value_is_reopened_still_has_one_value_at_a_time(store, clock):
    store.add("tea", id="a", key="drink", valid_to=clock() + 10)
    clock.advance(seconds=20)
    store.add("coffee", id="b", key="drink")
    store.update("a", valid_to=None)

    assert {hit.memory.id for hit in store.search("drink")} == {"b"}


def test_texts_are_embedded_beforehand_as_they_would_be_when_added(store, path, tmp_path):
    texts = ["Deploys are on Tuesday", "Lunch is at noon"]

    vectors = store.plumbing.embed_documents(texts)

    written = store.add_many([{"text": text} for text in texts])
    assert vectors is not None
    assert all(map(np.array_equal, vectors, (memory.vector for memory in written)))
    with Store.open(tmp_path / "plain.feather") as plain:
        assert plain.plumbing.embed_documents(texts) is None


@pytest.mark.parametrize(
    ("record", "said"),
    [("text", "a dict"), (None, "a dict"), ({"foo": 1}, "'foo'"), ({3: 1}, "'3'"), ({}, "a text")],
)
def test_what_is_no_record_is_refused_by_what_is_wrong_with_it(plain, record, said):
    with pytest.raises(ParameterError, match=said):
        plain.add_many([record])


def test_errors_name_the_store_and_not_one_of_its_parts(plain):
    with pytest.raises(TypeError, match=r"^Store\.add\(\)"):
        plain.add("tea", wherever=1)
    with pytest.raises(TypeError, match=r"^Store\.plumbing\.shown\(\)"):
        plain.plumbing.shown()
    with pytest.raises(ParameterError, match=r"^id must be a string"):
        plain.get(3)
