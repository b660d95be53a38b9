"""What else says what a memory says goes with it: by ties, whoever keeps it, in either truth."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from remains import found

from feather_memory import EdgeType, ParameterError, Store, UnknownMemoryError
from feather_memory.testing import FrozenClock
from feather_memory.truth.sqlite.shelves import SqliteShelves

CANARY = "The PIN is canary-4711"
NEEDLES = {"the secret": b"canary-4711"}


@pytest.fixture
def shelf(store):
    return store.plumbing.shelf("transcript")


def test_a_value_goes_with_the_memory_that_it_is_tied_to(store, shelf):
    said = store.add(CANARY)
    shelf.update({"1": {"user": CANARY}, "2": {"user": "Good morning"}})
    shelf.tie({"1": [said.id]})

    gone = store.forget(said.id)

    assert gone.shelved == (("transcript", "1"),)
    assert dict(shelf) == {"2": {"user": "Good morning"}}
    assert store.check() == []


def test_a_value_that_says_more_loses_the_words_alone(store, shelf):
    said = store.add(CANARY)
    shelf["doc"] = {"text": f"Hello. {CANARY}. Bye.", "tags": [CANARY, 3, None], CANARY[:3]: True}
    shelf.tie({"doc": [said.id]}, is_whole=False)

    assert store.forget(said.id).shelved == (("transcript", "doc"),)

    assert shelf["doc"] == {"text": "Hello. . Bye.", "tags": ["", 3, None], "The": True}
    assert store.check() == []


def test_a_value_that_says_it_in_other_words_goes(store, shelf):
    """What the memory said before it was corrected, say."""
    said = store.add(CANARY)
    shelf["doc"] = f"Hello. {CANARY}. Bye."
    shelf.tie({"doc": [said.id]}, is_whole=False)
    store.update(said.id, text="The PIN is another")

    store.forget(said.id)

    assert dict(shelf) == {}
    assert store.check() == []


def test_of_several_memories_that_a_value_is_tied_to_any_takes_it_along(store, shelf):
    one, two, three = (store.add(f"fact {n}") for n in range(3))
    shelf["cached"] = ["fact 0", "fact 1"]
    shelf.tie({"cached": [one.id, two.id]})

    store.forget(three.id)
    assert "cached" in shelf

    store.forget(two.id)
    assert "cached" not in shelf
    assert store.check() == []


def test_a_memory_goes_with_another_and_what_is_tied_to_it_goes_too(store, shelf):
    for id_ in ("item", "text", "kept"):
        store.add(f"{id_} of the store", id=id_)
    shelf["1"] = "text"
    store.plumbing.tie({"text": ["item"], "item": ["text"]})
    shelf.tie({"1": ["text"]})

    planned = store.forget("item", dry_run=True)

    assert planned.is_dry_run
    assert len(store) == 3
    assert "1" in shelf
    gone = store.forget("item")
    assert (gone.ids, gone.shelved) == (planned.ids, planned.shelved)
    assert set(gone.ids) == {"item", "text"}
    assert [memory.id for memory in store.iterate()] == ["kept"]
    assert dict(shelf) == {}
    assert store.check() == []


def test_what_is_derived_is_named_and_stays_unless_it_is_asked_for(store, shelf):
    for id_ in ("turn", "fact", "summary", "other"):
        store.add(f"{id_} of the day", id=id_)
    store.link("fact", "turn", EdgeType.DERIVED_FROM)
    store.link("summary", "fact", EdgeType.DERIVED_FROM)
    store.link("other", "turn")
    shelf["1"] = "fact"
    shelf.tie({"1": ["fact"]})

    planned = store.forget("turn", dry_run=True)
    assert (planned.ids, planned.derived) == (("turn",), ("fact", "summary"))
    assert store.forget("turn", derived=True, dry_run=True).shelved == (("transcript", "1"),)

    gone = store.forget("turn", derived=True)

    assert set(gone.ids) == {"turn", "fact", "summary"}
    assert gone.derived == ("fact", "summary")
    assert [memory.id for memory in store.iterate()] == ["other"]
    assert dict(shelf) == {}
    assert store.check() == []


def test_what_is_derived_stays_where_it_was_not_asked_for(store):
    store.add("the turn", id="turn")
    store.add("the fact", id="fact")
    store.link("fact", "turn", EdgeType.DERIVED_FROM)

    assert store.forget("turn").derived == ("fact",)

    assert store.get("fact").text == "the fact"
    assert store.check() == []


def test_a_memory_may_come_after_the_tie(store, shelf):
    shelf["1"] = CANARY
    shelf.tie({"1": ["later"]})
    store.add(CANARY, id="later")

    store.forget("later")

    assert dict(shelf) == {}
    assert store.check() == []


def test_a_tie_ends_with_the_value_and_with_the_memory(store, shelf):
    for id_ in ("a", "b"):
        store.add(f"fact {id_}", id=id_)
    shelf.update({"1": 1, "2": 2})
    shelf.tie({"1": ["a"], "2": ["b"]})
    shelf.discard(["1"])
    store.forget("b")
    shelf.update({"1": "anew", "2": "anew"})
    store.add("fact b anew", id="b")

    assert store.forget(["a", "b"]).shelved == ()

    assert dict(shelf) == {"1": "anew", "2": "anew"}
    assert store.check() == []


def test_a_value_that_replaces_another_stays_tied(store, shelf):
    store.add(CANARY, id="a")
    shelf["1"] = {"status": "active", "text": CANARY}
    shelf.tie({"1": ["a"]})
    shelf["1"] = {"status": "archived", "text": CANARY}

    store.forget("a")

    assert dict(shelf) == {}


def test_who_drops_a_memory_sees_to_what_is_tied_to_it(store, shelf):
    store.add("the item", id="item")
    store.add("its old text", id="text")
    shelf["1"] = 1
    shelf.tie({"1": ["text"]})
    store.plumbing.tie({"item": ["text"]})

    store.plumbing.drop(["text"])

    assert store.get("item").text == "the item"
    assert dict(shelf) == {"1": 1}
    assert store.check() == []


def test_a_memory_is_dropped_with_what_is_tied_to_it_where_that_is_asked_for(store, shelf):
    store.add(CANARY, id="text")
    store.add(f"says {CANARY}", id="item")
    shelf.update({"1": {"said": CANARY}, "2": "stays"})
    shelf.tie({"1": ["text"]})
    store.plumbing.tie({"item": ["text"]})

    assert store.plumbing.drop(["text", "nobody"], tied=True) == 1

    assert store.plumbing.known(["text", "item"]) == {}
    assert dict(shelf) == {"2": "stays"}
    assert store.check() == []


def test_a_forgetting_that_is_taken_back_takes_nothing_along(store, shelf):
    store.add(CANARY, id="a")
    shelf["1"] = CANARY
    shelf.tie({"1": ["a"]})

    with pytest.raises(UnknownMemoryError):
        forget_and_fail(store)

    assert store.get("a").text == CANARY
    assert dict(shelf) == {"1": CANARY}
    assert store.forget("a").shelved == (("transcript", "1"),)


def forget_and_fail(store):
    with store.transaction():
        store.forget("a")
        store.update("nobody", text="fails")


@pytest.mark.parametrize("ties", [None, "ab", {"1": "a"}, {"1": [3]}, {3: ["a"]}, {"": ["a"]}])
def test_what_is_no_tie_is_refused(store, shelf, ties):
    for tie in (shelf.tie, store.plumbing.tie):
        with pytest.raises(ParameterError):
            tie(ties)


# The bytes


@pytest.fixture
def tied(tmp_path):
    """A store in a folder of its own, and the memory that a value of its shelf is tied to."""
    (folder := tmp_path / "memories").mkdir()
    with Store.open(folder / "alice.feather") as store:
        said = store.add(CANARY)
        shelf = store.plumbing.shelf("transcript")
        shelf.update({"whole": CANARY, "words": f"Hello. {CANARY}. " + "x" * 9_000})
        shelf.tie({"whole": [said.id]})
        shelf.tie({"words": [said.id]}, is_whole=False)
        yield store, said.id, folder


@pytest.mark.file
def test_no_byte_of_it_is_left_on_any_shelf(tied):
    store, said, folder = tied
    assert found(folder, NEEDLES), "the scan must find what is there"

    store.forget(said)

    assert found(folder, NEEDLES) == set()
    assert store.check() == []


@pytest.mark.file
def test_without_its_ties_it_would_be_left(tied, monkeypatch):
    """The negative control."""
    store, said, folder = tied
    monkeypatch.setattr(SqliteShelves, "tied", lambda *_: [])

    store.forget(said)

    assert found(folder, NEEDLES) != set()


NAMES = st.sampled_from("abcdef")


@pytest.mark.file
@settings(max_examples=20)
@given(
    values=st.sets(st.tuples(NAMES, NAMES), max_size=8),
    memories=st.sets(st.tuples(NAMES, NAMES), max_size=8),
    asked=st.sets(NAMES, min_size=1, max_size=3),
)
def test_what_goes_is_all_that_ties_lead_to(tmp_path_factory, values, memories, asked):
    path = tmp_path_factory.mktemp("ties") / "alice.feather"
    with Store.open(path, clock=FrozenClock(1.8e9)) as store:
        store.add_many([{"id": id_, "text": f"fact {id_}"} for id_ in "abcdef"])
        shelf = store.plumbing.shelf("s")
        shelf.update({key: key for key in "abcdef"})
        for id_, key in values:
            shelf.tie({key: [id_]})
        for id_, other in memories:
            store.plumbing.tie({other: [id_]})
        going = set(asked)
        for _ in "abcdef":  # no way is longer
            going |= {other for id_, other in memories if id_ in going}

        gone = store.forget(sorted(asked))

        assert set(gone.ids) == going
        assert {memory.id for memory in store.iterate()} == set("abcdef") - going
        assert set(shelf) == set("abcdef") - {key for id_, key in values if id_ in going}
        assert store.check() == []
