"""LangGraph's contract, and above all what the in-memory reference gets wrong."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("langgraph.store.base")

from langchain_feather_memory import FeatherStore
from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)

from feather_memory import BusyStoreError, DimensionError, ParameterError, Store
from feather_memory.testing import FrozenClock

from .conftest import HashEmbeddings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NS = ("alice", "facts")


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def store(tmp_path: Path, clock: FrozenClock) -> Iterator[FeatherStore]:
    index: Any = {"dims": 128, "embed": HashEmbeddings(), "fields": ["text", "title"]}
    with FeatherStore(tmp_path / "x.feather", index=index, clock=clock) as store:
        yield store
        assert store._store.check() == []


def keys(items: list) -> list[str]:
    return [item.key for item in items]


def test_the_puts_and_deletes_of_a_batch_are_one_write(store):
    store.put(NS, "old", {"text": "tea"})
    store.put(NS, "kept", {"text": "green tea", "title": "tea"})
    before = store._store.stats().generation

    store.batch(
        [PutOp(NS, "old", None), PutOp(NS, "kept", {"text": "tea"}), PutOp(NS, "new", {"n": 1})]
    )

    assert store._store.stats().generation == before + 1
    assert sorted(keys(store.search(NS))) == ["kept", "new"]


def test_a_batch_that_fails_half_way_writes_nothing(store):
    """JSON may be of any length; the text of a memory may not."""
    store.put(NS, "old", {"text": "tea"})
    too_long = PutOp(NS, "long", {"n": "x" * (16 << 20)})

    with pytest.raises(ParameterError):
        store.batch([PutOp(NS, "old", None), PutOp(NS, "new", {"n": 1}), too_long])

    assert keys(store.search(NS)) == ["old"]


def test_what_was_refreshed_by_one_search_is_one_write(store):
    for n in range(5):
        store.put(NS, str(n), {"n": n}, ttl=1)
    before = store._store.stats().generation

    store.search(NS)

    assert store._store.stats().generation == before + 1


def test_a_batch_answers_in_order_and_reads_what_was_before_it(store):
    store.put(NS, "a", {"n": 1})

    results = store.batch(
        [
            PutOp(NS, "a", {"n": 2}),
            GetOp(NS, "a"),
            PutOp(NS, "a", {"n": 3}),
            SearchOp(NS),
            ListNamespacesOp(),
        ]
    )

    assert results[0] is results[2] is None
    assert results[1].value == results[3][0].value == {"n": 1}
    assert results[4] == [NS]
    assert store.get(NS, "a").value == {"n": 3}


@pytest.mark.parametrize("label", ["", "a.b", 7, None, "a\0b"])
def test_one_invalid_label_refuses_the_whole_batch(store, label):
    with pytest.raises((InvalidNamespaceError, ValueError)):
        store.batch([PutOp(NS, "a", {"n": 1}), PutOp(("x", label), "b", {"n": 2})])

    assert store.search(()) == []


def test_an_overwrite_keeps_created_at_and_moves_updated_at(store, clock):
    store.put(NS, "a", {"n": 1})
    first = store.get(NS, "a")
    clock.advance(seconds=60)
    store.put(NS, "a", {"n": 1})
    second = store.get(NS, "a")

    assert second.created_at == first.created_at == first.updated_at
    assert (second.updated_at - first.updated_at).total_seconds() == 60


def test_what_is_written_after_the_clock_went_back_is_none_the_earlier(store, clock):
    store.put(NS, "a", {"n": 1})
    first = store.get(NS, "a")
    clock.advance(hours=-1)
    store.put(NS, "a", {"n": 2})
    second = store.get(NS, "a")

    assert second.value == {"n": 2}
    assert second.created_at == first.created_at == second.updated_at


def test_a_get_makes_no_namespace_and_a_delete_leaves_none(store):
    assert store.get(("ghost",), "a") is None
    store.put(NS, "a", {"text": "tea"})
    store.delete(NS, "a")
    store.delete(NS, "a")

    assert store.list_namespaces() == []
    assert len(store._store) == 0


@pytest.mark.parametrize(
    "again", [{"index": False}, {"value": {"text": "coffee"}}, {"value": {"body": "tea"}}]
)
def test_an_overwrite_leaves_no_old_vector(store, again):
    store.put(NS, "a", {"text": "green tea", "title": "tea"})
    store.put(NS, "a", **{"value": {"text": "green tea"}, **again})

    (found,) = store.search(NS, query="green tea")

    assert found.score is None or found.score < 0.9


def test_an_item_is_found_once_by_its_nearest_field(store):
    store.put(NS, "a", {"text": "lunch is at noon", "title": "green tea"})
    store.put(NS, "b", {"text": "green"})
    store.put(NS, "c", {"text": "tea"}, index=False)

    found = store.search(NS, query="green tea")

    assert keys(found) == ["a", "b", "c"]
    assert found[0].score == pytest.approx(1, abs=1e-6)
    assert found[2].score is None


def test_namespaces_may_be_lists_and_keys_numbers_and_come_back_as_tuples_and_text(store):
    store.batch([PutOp(["alice", "facts"], 7, {"text": "tea"})])
    conditions = [MatchCondition("prefix", ["alice"])]

    found, listed, namespaces = store.batch(
        [GetOp(["alice", "facts"], 7), SearchOp(["alice"]), ListNamespacesOp(conditions)]
    )

    assert (found.namespace, found.key) == (NS, "7") == (listed[0].namespace, listed[0].key)
    assert namespaces == [NS]


def test_identical_texts_in_one_batch_are_two_items(store):
    store.batch([PutOp(NS, "a", {"text": "tea"}), PutOp(NS, "b", {"text": "tea"})])

    assert sorted(keys(store.search(NS, query="tea"))) == ["a", "b"]


def test_values_are_copied_in_and_out(store):
    value = {"list": [1]}
    store.put(NS, "a", value)
    value["list"].append(2)
    store.get(NS, "a").value["list"].append(3)

    assert store.get(NS, "a").value == {"list": [1]}


@pytest.mark.parametrize(
    "value", [{"x": {1, 2}}, {"x": (1, 2)}, {1: "x"}, {"x": float("nan")}, {"x": object()}]
)
def test_what_json_cannot_hold_is_refused_and_nothing_is_written(store, value):
    with pytest.raises(ParameterError):
        store.batch([PutOp(NS, "a", {"n": 1}), PutOp(NS, "b", value)])

    assert store.search(()) == []


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"n": {"$gt": 1}}, ["c"]),
        ({"n": {"$gte": 1, "$lt": 2}}, ["b"]),
        ({"n": {"$ne": 1}}, ["a", "c", "d"]),
        ({"a.b": 1}, ["a"]),
        ({"a": {"b": 1}}, ["a"]),
        ({"dotted.key": 1}, ["d"]),
        ({"n": True}, []),
        ({"n": {"$lte": "2"}}, []),
    ],
)
def test_filters_hold_exactly_and_survive_missing_fields(store, asked, expected):
    store.put(NS, "a", {"a": {"b": 1}})
    store.put(NS, "b", {"n": 1})
    store.put(NS, "c", {"n": 2.5})
    store.put(NS, "d", {"dotted.key": 1})

    assert sorted(keys(store.search(NS, filter=asked))) == expected


def test_an_unknown_operator_is_refused_even_where_nothing_is_stored(store):
    with pytest.raises(ValueError, match="regex"):
        store.search(NS, filter={"n": {"$regex": "x"}})


def test_filters_and_duplicates_are_taken_off_before_the_page(store):
    for n in range(40):
        store.put(NS, f"{n:02}", {"text": f"tea {n}", "title": f"tea {n}", "even": n % 2 == 0})

    pages = [
        store.search(NS, query="tea", filter={"even": True}, limit=6, offset=start)
        for start in range(0, 24, 6)
    ]

    found = [item.key for page in pages for item in page]
    assert len(found) == len(set(found)) == 20
    assert all(int(key) % 2 == 0 for key in found)


def test_a_prefix_is_whole_labels_and_a_limit_below_one_is_nothing(store):
    store.put(("user", "a"), "1", {})
    store.put(("users", "a"), "2", {})
    store.put(("user", "%"), "3", {})

    assert sorted(keys(store.search(("user",)))) == ["1", "3"]
    assert keys(store.search(("user", "%"))) == ["3"]
    assert store.search((), limit=-1) == []
    assert store.list_namespaces(prefix=("*", "a")) == [("user", "a"), ("users", "a")]
    assert store.list_namespaces(max_depth=1, limit=1, offset=1) == [("users",)]


def test_without_an_index_a_query_lists_the_latest_first(tmp_path):
    with FeatherStore(tmp_path / "plain.feather") as store:
        for key in "abc":
            store.put(NS, key, {"text": key})

        found = store.search(NS, query="a", limit=2)

    assert keys(found) == ["c", "b"]
    assert [item.score for item in found] == [None, None]


def test_a_vector_of_the_wrong_length_is_refused(tmp_path):
    index: Any = {"dims": 3, "embed": HashEmbeddings()}
    with (
        FeatherStore(tmp_path / "x.feather", index=index) as store,
        pytest.raises(DimensionError, match="3"),
    ):
        store.put(NS, "a", {"text": "tea"})


def test_what_has_expired_is_gone_before_it_is_swept_and_then_for_good(store, clock):
    store.put(NS, "short", {"text": "tea"}, ttl=1)
    store.put(NS, "long", {"text": "tea"}, ttl=10)
    store.put(NS, "ever", {"text": "tea"}, ttl=1)
    store.put(NS, "ever", {"text": "tea"}, ttl=None)
    clock.advance(seconds=61)

    assert store.get(NS, "short") is None
    assert sorted(keys(store.search(NS, query="tea"))) == ["ever", "long"]
    assert store.sweep_ttl() == 1
    assert sorted(keys(store.search(NS))) == ["ever", "long"]
    assert len(store._store) == 4  # two items with a vector each


def test_reading_starts_the_time_anew_unless_told_not_to(store, clock):
    store.put(NS, "read", {"n": 1}, ttl=1)
    store.put(NS, "seen", {"n": 1}, ttl=1)
    clock.advance(seconds=40)
    store.get(NS, "read")
    store.get(NS, "seen", refresh_ttl=False)
    clock.advance(seconds=40)

    assert keys(store.search(NS)) == ["read"]


def test_the_sweeper_sweeps_until_it_is_stopped(tmp_path):
    with FeatherStore(tmp_path / "x.feather", ttl={"sweep_interval_minutes": 1}) as store:
        store.put(NS, "a", {"n": 1}, ttl=0.0001)
        sweeping = store.start_ttl_sweeper(0.0005)
        assert store.start_ttl_sweeper() is sweeping
        deadline = time.monotonic() + 10
        while len(store._store) and time.monotonic() < deadline:
            sweeping.done()

        assert len(store._store) == 0
        assert store.stop_ttl_sweeper(timeout=10)
        assert sweeping.done()


async def test_the_async_twin_answers_alike_and_embeds_asynchronously(store):
    await store.aput(NS, "a", {"text": "green tea"})
    assert await store.abatch([GetOp(NS, "a")]) == store.batch([GetOp(NS, "a")])
    assert keys(await store.asearch(NS, query="tea")) == ["a"]
    await store.adelete(NS, "a")

    assert await store.aget(NS, "a") is None
    assert {name[:6] for name in store.embeddings.calls} == {"aembed"}


def test_it_is_there_again_after_a_reopen_and_is_a_plain_store_file(tmp_path):
    path = tmp_path / "x.feather"
    with FeatherStore(path) as store:
        store.put(NS, "a", {"n": 1})
    with FeatherStore(path) as store:
        assert store.get(NS, "a").value == {"n": 1}
    with Store.open(path) as plain:
        assert len(plain) == 1


def test_a_cancelled_sweep_stops_and_the_store_still_closes(tmp_path):
    """LangGraph's own stores say of the Future that it can be waited for or cancelled."""
    store = FeatherStore(tmp_path / "x.feather")
    sweeping = store.start_ttl_sweeper(60)

    assert sweeping.cancel()

    assert store.stop_ttl_sweeper(timeout=10)
    assert not [thread for thread in threading.enumerate() if thread.name == "feather-ttl"]
    store.close()


def test_a_sweep_that_finds_the_file_busy_is_not_the_last(tmp_path, caplog):
    class OnceBusy(FeatherStore):
        sweeps = 0

        def sweep_ttl(self) -> int:
            self.sweeps += 1
            if self.sweeps == 1:
                raise BusyStoreError("another process writes")
            return super().sweep_ttl()

    with OnceBusy(tmp_path / "x.feather") as store:
        store.put(NS, "gone", {"n": 1}, ttl=-1)
        sweeping = store.start_ttl_sweeper(0.0005)
        deadline = time.monotonic() + 10
        while store.sweeps < 3 and not sweeping.done() and time.monotonic() < deadline:
            threading.Event().wait(0.01)

        assert store.sweeps >= 3
        assert "was not swept" in caplog.text
        assert store.stop_ttl_sweeper(timeout=10)
        assert store._store.stats().memories == 0
        assert store._store.check() == []


@pytest.mark.parametrize("query", [None, "tea"])
def test_a_page_may_be_larger_than_any_number_of_items(store, query):
    store.put(NS, "tea", {"text": "tea"})

    assert keys(store.search(NS, query=query, limit=10**30)) == ["tea"]
    assert store.search(NS, query=query, offset=10**30) == []


def test_a_text_that_no_file_can_hold_is_refused_before_it_is_embedded(store):
    with pytest.raises(ParameterError, match="JSON can hold"):
        store.put(NS, "torn", {"text": "\ud800"})
    assert store.get(NS, "torn") is None
