"""What a search by filters and a listing of namespaces find is what a look at every item finds."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("langgraph.store.base")

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_feather_memory import FeatherStore, _items
from langgraph.store.base import PutOp

from feather_memory import F, Store
from feather_memory.testing import FrozenClock, HashEmbedder

labels = st.sampled_from(["a", "ab", "a/b", "b", "ü", "\U0010ffff", "A"])
namespaces = st.lists(labels, min_size=1, max_size=3).map(tuple)
numbers = st.sampled_from(
    [0, -0.0, 0.0, 5, 5.0, 5.5, 1e16, 10**16, 1e22, 10**22, 10**400, 2**53 + 1]
)
scalars = st.one_of(
    numbers, st.booleans(), st.none(), st.sampled_from(["x", 'x"y', "x\\", "ü", "\n", "5", "true"])
)
keys = st.sampled_from(["n", "n.m", "m", 'q"', "ü"])
fields = st.one_of(
    scalars, st.dictionaries(keys, scalars, max_size=2), st.lists(scalars, max_size=2)
)
values = st.dictionaries(keys, fields, max_size=3)
filters = st.dictionaries(
    st.one_of(keys, st.just("n.n")),
    st.one_of(
        scalars,
        st.builds(lambda value: {"$eq": value}, scalars),
        st.builds(lambda value: {"$ne": value}, scalars),
        st.builds(
            lambda sign, value: {sign: value},
            st.sampled_from(["$gt", "$gte", "$lt", "$lte"]),
            st.sampled_from([0, 5, 5.0, 10**400, "x", True, None]),
        ),
        st.builds(lambda value: {"$eq": value, "$ne": 5}, scalars),
        st.builds(lambda low, high: {"$gte": low, "$lt": high}, numbers, numbers),
        st.sampled_from([[5], [True], {"m": 5}, {}, float("nan"), (5,), "\ud800"]),
    ),
    min_size=1,
    max_size=2,
)


@settings(max_examples=60, deadline=None)
@given(
    items=st.lists(st.tuples(namespaces, values), max_size=8),
    asked=filters,
    prefix=st.one_of(st.just(()), namespaces),
    offset=st.integers(0, 4),
    limit=st.integers(1, 4),
)
def test_a_filter_finds_what_it_holds_for_and_a_prefix_what_is_under_it(
    items, asked, prefix, offset, limit
):
    with (
        tempfile.TemporaryDirectory() as folder,
        FeatherStore(Path(folder) / "a.feather", clock=FrozenClock()) as store,
    ):
        store.batch([PutOp(space, str(n), value) for n, (space, value) in enumerate(items)])

        found = {item.key for item in store.search(prefix, filter=asked, limit=99)}
        everything = {item.key for item in store.search(prefix, limit=99)}
        spaces = store.list_namespaces(prefix=prefix or None, limit=99)
        page = store.search(prefix, filter=asked, offset=offset, limit=limit)

    kept = [json.loads(json.dumps(value)) for _, value in items]
    under = {str(n) for n, (space, _) in enumerate(items) if space[: len(prefix)] == prefix}
    assert everything == under
    assert found == {key for key in under if _items.matches(kept[int(key)], asked)}
    latest_first = sorted(found, key=int, reverse=True)
    assert [item.key for item in page] == latest_first[offset : offset + limit]
    assert spaces == sorted({items[int(key)][0] for key in under})


def test_every_namespace_is_listed_however_unevenly_they_are_filled(tmp_path):
    clock = FrozenClock()
    with FeatherStore(tmp_path / "a.feather", clock=clock) as store:
        expected = sorted([("crowd",), *(("lone", str(n)) for n in range(700))])
        store.batch([PutOp(space, "k", {"x": 1}) for space in expected])
        store.batch([PutOp(("crowd",), str(n), {"x": 1}) for n in range(1_500)])
        store.batch([PutOp(("gone", str(n)), "k", {"x": 1}, ttl=1) for n in range(300)])
        clock.advance(hours=1)

        assert store.list_namespaces(limit=9_999) == expected
        assert store.list_namespaces(prefix=("lone",), limit=9_999) == expected[1:]
        assert store.list_namespaces(prefix=("*", "5")) == [("lone", "5")]
    with Store.open(tmp_path / "a.feather") as plain:
        assert plain.check() == []


@pytest.mark.parametrize("label", ["a", "x" * 600])
def test_items_without_a_mark_are_found_beside_those_that_have_one(tmp_path, label):
    """An earlier release wrote none, and a namespace may be too long for one."""
    path = tmp_path / "a.feather"
    with FeatherStore(path) as store:
        store.put((label, "old"), "k", {"x": 1})
    with Store.open(path) as plain:
        for memory in list(plain.iterate(F("langgraph") == "item")):
            plain.add(memory.text, id=memory.id, metadata=dict(memory.metadata), session=None)
    with FeatherStore(path) as store:
        store.put((label, "new"), "k", {"x": 1})

        assert len(store.search((label,))) == 2
        assert store.list_namespaces(prefix=(label,)) == [(label, "new"), (label, "old")]
        assert [item.key for item in store.search((label, "old"), filter={"x": 1})] == ["k"]
        store.put((label, "old"), "k", {"x": 2})
        assert store.get((label, "old"), "k").value == {"x": 2}


def test_a_page_holds_neither_what_has_expired_nor_what_was_deleted(tmp_path):
    clock = FrozenClock()
    with FeatherStore(tmp_path / "a.feather", clock=clock) as store:
        for n in range(12):
            store.put(("a",), str(n), {"n": n}, ttl=1 if n % 3 == 0 else None)
        store.put(("a",), "3", {"n": 3}, ttl=None)  # an immortal one now
        store.delete(("a",), "10")
        clock.advance(hours=1)

        pages = [store.search(("a",), limit=3, offset=at) for at in (0, 3, 6, 9)]
        ordered = store.search((), filter={"n": {"$lt": 8}}, limit=3, offset=2)

    assert [[item.key for item in page] for page in pages] == [
        ["3", "11", "8"], ["7", "5", "4"], ["2", "1"], [],
    ]  # fmt: skip
    assert [item.key for item in ordered] == ["5", "4", "2"]
    with Store.open(tmp_path / "a.feather") as plain:
        assert plain.check() == []


def test_a_query_with_a_filter_that_few_pass_compares_those_few(tmp_path):
    index = {"dims": 16, "embed": HashEmbedder(16), "fields": ["text"]}
    with FeatherStore(tmp_path / "a.feather", index=index) as store:
        store.batch(
            [PutOp(("a",), str(n), {"text": f"tea {n}", "n": n}) for n in range(700)]
            + [PutOp(("a",), "none", {"n": 3}, index=False)]
        )

        few = store.search((), query="tea 500", filter={"n": {"$lt": 5}}, limit=9)
        many = store.search((), query="tea 500", filter={"n": {"$gte": 5}}, limit=3)
        nothing = store.search((), query="tea 500", filter={"n": {"$lt": 0}})

    assert {item.key for item in few} == {"0", "1", "2", "3", "4", "none"}
    assert [item.score is None for item in few] == [False] * 5 + [True]
    assert many[0].key == "500"
    assert nothing == []
