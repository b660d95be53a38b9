"""A shelf is a dict in the tenant's file: exact, ordered, durable, shared, erased when told."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from feather_memory import ParameterError, Store
from feather_memory.testing import HashEmbedder

CANARY = "canary-5d1f0c77aa"


def test_no_search_returns_what_is_on_a_shelf(store):
    store.add("Alice drinks tea")
    store.plumbing.shelf("notes")["a"] = "Alice drinks coffee"

    assert [hit.memory.text for hit in store.search("Alice coffee", k=9)] == ["Alice drinks tea"]
    assert store.stats().memories == 1


def test_values_come_back_as_they_were_and_are_nobodys_to_change(store):
    shelf = store.plumbing.shelf("notes")
    value = {"n": 1, "x": 0.1, "list": [None, True, "日本語"], "deep": {"": []}}
    shelf["a"] = value
    value["n"] = 2
    shelf["a"]["list"].append("mine")

    assert shelf["a"] == {"n": 1, "x": 0.1, "list": [None, True, "日本語"], "deep": {"": []}}


@pytest.mark.parametrize("key", [3, None, "\ud800", "", "a\0", ("3",), b"3"])
def test_what_can_be_no_key_is_on_no_shelf_and_takes_nothing_off_it(store, key):
    """SQL would take 3 for "3"."""
    shelf = store.plumbing.shelf("notes")
    shelf["3"] = "three"

    assert key not in shelf
    assert shelf.get(key) is None
    assert shelf.discard([key]) == 0
    with pytest.raises(KeyError):
        del shelf[key]
    assert dict(shelf) == {"3": "three"}


@pytest.mark.parametrize("value", [{1: "a"}, (1, 2), float("nan"), {"a": {2, 3}}, b"bytes"])
def test_a_value_that_json_cannot_hold_exactly_is_refused_with_all_beside_it(store, value):
    shelf = store.plumbing.shelf("notes")

    with pytest.raises(ParameterError, match="'b'"):
        shelf.update({"a": 1, "b": value})

    assert dict(shelf) == {}


@pytest.mark.parametrize("key", ["", 3, None, "a\0b", "k" * 600])
def test_a_key_that_is_no_short_text_is_refused(store, key):
    with pytest.raises(ParameterError, match="key"):
        store.plumbing.shelf("notes")[key] = 1
    assert key not in store.plumbing.shelf("notes")


def test_shelves_are_apart_and_known_by_name(store):
    store.plumbing.shelf("b")["k"] = 1
    store.plumbing.shelf("a")["k"] = 2

    assert store.plumbing.shelves() == ["a", "b"]
    store.plumbing.shelf("a").clear()
    assert store.plumbing.shelves() == ["b"]
    assert store.plumbing.shelf("b")["k"] == 1


def test_the_last_of_a_shelf_are_those_inserted_last(store):
    shelf = store.plumbing.shelf("notes")
    assert shelf.last(3) == []
    shelf.update({str(n): {"n": n} for n in range(5)})
    shelf["1"] = {"n": "again"}  # keeps its place
    shelf.discard(["3"])

    every = list(shelf.items())
    for count in (1, 2, 4, 10**30):
        assert shelf.last(count) == every[::-1][:count]
    assert {key: json.loads(text) for key, text in shelf.texts().items()} == dict(every)
    with pytest.raises(ParameterError, match="count must"):
        shelf.last(0)
    assert store.check() == []


def test_another_store_over_the_file_sees_it_at_once_and_after_a_restart(path):
    with Store.open(path) as one, Store.open(path) as other:
        one.plumbing.shelf("notes")["k"] = "said"
        assert other.plumbing.shelf("notes")["k"] == "said"
    with Store.open(path) as again:
        assert dict(again.plumbing.shelf("notes")) == {"k": "said"}
        assert again.check() == []


@pytest.mark.file
def test_what_is_deleted_is_in_none_of_the_files(path):
    with Store.open(path, embedder=HashEmbedder(16)) as store:
        store.add("beside it")
        for n in range(300):  # enough for pages to split and merge around it
            store.plumbing.shelf("notes")[f"k{n}"] = f"{CANARY}-{n}" * 20
        assert holding(path)

        assert store.plumbing.shelf("notes").discard([f"k{n}" for n in range(300)]) == 300

        assert holding(path) == set()
        assert store.check() == []


def holding(path):
    """The files in the store's folder that hold the canary's bytes."""
    return {
        f.name for f in path.parent.iterdir() if f.is_file() and CANARY.encode() in f.read_bytes()
    }


@pytest.mark.file
def test_a_killed_process_leaves_whole_updates_only(path):
    Store.open(path).close()
    code = (
        "import os, sys; from feather_memory import Store; "
        "shelf = Store.open(sys.argv[1]).plumbing.shelf('notes')\n"
        "for n in range(10_000):\n"
        "    shelf.update({f'{n}a': n, f'{n}b': n}); print(n, flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as writer:
        acknowledged = [int(writer.stdout.readline()) for _ in range(50)]
        writer.kill()

    with Store.open(path) as store:
        kept = dict(store.plumbing.shelf("notes"))
        assert {f"{n}a" for n in acknowledged} <= set(kept)
        assert len(kept) % 2 == 0
        assert store.check() == []


class ShelfAgreesWithADict(RuleBasedStateMachine):
    """A shelf and a dict, given the same orders, always agree, across reopens too."""

    keys = st.sampled_from(["a", "b", "ä", "a b", "%", "_"])
    values = st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
        max_leaves=4,
    )

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "s.feather"
        self.store = Store.open(self.path)
        self.expected = {}

    @rule(key=keys, value=values)
    def write(self, key, value):
        self.store.plumbing.shelf("s")[key] = value
        self.expected[key] = value

    @rule(values=st.dictionaries(keys, values))
    def write_many(self, values):
        self.store.plumbing.shelf("s").update(values)
        self.expected.update(values)

    @rule(keys=st.lists(keys, max_size=3))
    def discard(self, keys):
        gone = {key for key in keys if self.expected.pop(key, self) is not self}
        assert self.store.plumbing.shelf("s").discard(keys) == len(gone)

    @rule()
    def reopen(self):
        self.store.close()
        self.store = Store.open(self.path)

    @invariant()
    def they_agree(self):
        shelf = self.store.plumbing.shelf("s")
        assert list(shelf.items()) == list(self.expected.items())
        assert list(shelf) == list(self.expected)
        assert len(shelf) == len(self.expected)

    def teardown(self):
        assert self.store.check() == []
        self.store.close()
        self.folder.cleanup()


TestShelfAgreesWithADict = ShelfAgreesWithADict.TestCase
TestShelfAgreesWithADict.settings = settings(max_examples=20, stateful_step_count=15)
