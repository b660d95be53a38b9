"""A memory that a store shows is a value like any other, though its fields are decoded late."""

import copy
import dataclasses
import json
import pickle
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feather_memory import CorruptStoreError, Memory, Store
from feather_memory.model.fields import DECODERS, Record
from feather_memory.model.memory import shown

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAMES = [field.name for field in dataclasses.fields(Memory)]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
some = st.none() | st.text(min_size=1, max_size=5)
moments = st.integers(-(10**9), 4 * 10**9)
ids = st.lists(st.text(min_size=1, max_size=3), max_size=2).map(tuple)


@st.composite
def pairs(draw):
    """A memory as a store shows it, and the same one made by hand, out of plain values."""
    said = {"id": draw(st.text(min_size=1, max_size=5)), "text": draw(st.text(max_size=9))}
    said |= {name: draw(some) for name in ("key", "session", "actor", "role")}
    said |= {"importance": draw(st.floats(0, 1)), "recalls": draw(st.integers(0, 9))}
    times = {name: draw(moments) for name in ("created_at", "updated_at", "valid_from")}
    times |= {name: draw(st.none() | moments) for name in ("valid_to", "expires_at")}
    metadata = draw(st.dictionaries(st.text(max_size=3), json_values, max_size=3))
    vector = draw(st.none() | st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=4))
    new, old = draw(ids), draw(ids)
    array = None if vector is None else np.array(vector, np.float32)
    by_hand = Memory(
        **said,
        metadata=metadata,
        **{n: None if t is None else EPOCH + timedelta(seconds=t) for n, t in times.items()},
        supersedes=new,
        superseded_by=old,
        vector=array,
    )
    kept = Record(
        **said,
        metadata=json.dumps(metadata),
        **{n: None if t is None else float(t) for n, t in times.items()},
        prior=0.4,
        vector=None if array is None else array.astype("<f4").tobytes(),
    )

    def show():
        (memory,) = shown([(kept, new, old)], DECODERS)
        return memory

    return show, by_hand


def said_of(memory):
    """Everything it says, by name, with a vector as a list."""
    said = {name: getattr(memory, name) for name in NAMES}
    return {**said, "vector": None if said["vector"] is None else said["vector"].tolist()}


@given(pair=pairs())
def test_what_is_shown_equals_what_is_made_by_hand(pair):
    show, by_hand = pair

    assert said_of(show()) == said_of(by_hand)
    assert show() == by_hand
    assert by_hand == show()
    assert repr(show()) == repr(by_hand)
    assert type(show()) is Memory


@given(pair=pairs(), read=st.sets(st.sampled_from(NAMES)))
def test_copies_are_whole_whatever_was_read_before(pair, read):
    show, by_hand = pair
    for copied in (
        copy.copy,
        copy.deepcopy,
        lambda memory: pickle.loads(pickle.dumps(memory)),
        dataclasses.replace,
    ):
        memory = show()
        for name in read:
            getattr(memory, name)

        assert said_of(copied(memory)) == said_of(by_hand)
    assert dataclasses.replace(show(), text="other") == dataclasses.replace(by_hand, text="other")
    assert dataclasses.asdict(show()).keys() == dataclasses.asdict(by_hand).keys()


@given(pair=pairs())
def test_a_field_is_decoded_once(pair):
    memory = pair[0]()

    assert all(getattr(memory, name) is getattr(memory, name) for name in NAMES)


@given(pair=pairs(), name=st.sampled_from(NAMES))
def test_nothing_of_it_can_be_set_or_deleted(pair, name):
    memory = pair[0]()

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(memory, name, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(memory, name)


@pytest.mark.parametrize("name", ["nothing", "_kept", "__deepcopy__", "row", "prior"])
def test_it_has_no_attribute_but_its_fields(name):
    by_hand = Memory(id="a", text="tea")

    assert not hasattr(by_hand, name)
    with pytest.raises(AttributeError, match=name):
        getattr(by_hand, name)


def test_one_that_is_empty_has_nothing_to_read():
    """As `copy` and `pickle` make one before they fill it."""
    with pytest.raises(AttributeError, match="_kept"):
        _ = object.__new__(Memory).text


@pytest.fixture
def answered(store):
    """All ways to come by a memory that says something in every field."""
    store.add("old tea", id="old", vector=np.ones(64))
    store.supersede(
        "old",
        "tea",
        id="tea",
        metadata={"n": [1]},
        session="s",
        actor="ada",
        valid_to="2040-01-01",
        expires_at="2041-01-01",
        vector=np.arange(64),
    )
    store.supersede("tea", "green tea", id="green", valid_from="2035-01-01", vector=np.ones(64))

    def answer():
        (hit,) = [hit for hit in store.search("tea", 9) if hit.memory.id == "tea"]
        (linked,) = [hit for hit in store.context_chain("tea", 9) if hit.memory.id == "tea"]
        (past,) = [memory for memory in store.iterate() if memory.id == "tea"]
        (known,) = [memory for memory in store.history("old") if memory.id == "tea"]
        (near,) = [m for m, _ in store.nearest(np.arange(64), 9) if m.id == "tea"]
        return [hit.memory, linked.memory, past, known, near, store.get("tea")]

    return answer


def test_all_verbs_show_the_same(store, answered):
    first, *others = answered()

    assert said_of(first)["metadata"] == {"n": [1]}
    assert (first.supersedes, first.superseded_by) == (("old",), ("green",))
    assert np.array_equal(first.vector, np.arange(64))
    assert not first.vector.flags.writeable
    assert all(said_of(other) == said_of(first) for other in others)
    assert store.check() == []


def test_what_was_shown_stays_as_it_was_shown(store, answered):
    """Whatever becomes of the memory, of its store, and of what others do with theirs."""
    expected = said_of(answered()[0])
    before = answered()
    for memory in answered():
        memory.metadata["n"].append("mine")
    store.update("tea", text="other tea", metadata={"n": 2}, vector=np.ones(64))
    store.signal("tea", "liked")
    store.unsupersede("tea")
    store.forget("tea")
    assert store.check() == []
    store.close()

    assert [said_of(memory) for memory in before] == [expected] * len(before)


@pytest.mark.file
def test_metadata_that_is_no_json_is_refused_when_it_is_fetched(path, clock):
    """Not when it is read, by whoever was handed the memory."""
    with Store.open(path, clock=clock) as store:
        store.add("tea", id="tea", metadata={"n": 1})
        store.add("coffee", id="coffee", metadata={"n": 1})
        assert store.check() == []
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("update memory set metadata = '{\"n\":' where id = 'tea'")

        for call in (lambda: store.search("tea"), lambda: store.get("tea")):
            with pytest.raises(CorruptStoreError, match="'tea' is no JSON"):
                call()
        assert store.get("coffee").metadata == {"n": 1}
        (fault,) = store.check()
        assert "'tea'" in fault
