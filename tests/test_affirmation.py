"""Saying the same again of a slot is no change: it is counted, and its history stays one."""

from __future__ import annotations

import pytest

from feather_memory import DimensionError, Store
from feather_memory.testing import FrozenClock


@pytest.fixture
def clock():
    return FrozenClock()


@pytest.fixture
def store(tmp_path, clock):
    with Store.open(tmp_path / "alice.feather", clock=clock) as store:
        yield store
        assert store.check() == []


@pytest.mark.parametrize(
    ("held", "new"),
    [
        ("My name is Muller", "My name is Müller"),
        ("Tôi tên là Ha", "Tôi tên là Hà"),
        ("Balance: $5", "Balance: -$5"),
        ("The freezer is at 5 °C", "The freezer is at –5 °C"),
        ("Python 3, 11", "Python 3.11"),
        ("Blood type A", "Blood type A-"),
        ("6' wide", '6" wide'),
    ],
)
def test_another_value_is_never_taken_for_the_same_said_again(store, clock, held, new):
    store.add(held, key="slot")
    clock.advance(days=1)

    said = store.add(new, key="slot")

    assert said.text == new
    assert [hit.memory.text for hit in store.search(new, k=9)] == [new]
    assert store.check() == []


@pytest.mark.parametrize(
    "again",
    [
        "Home is Oslo",
        "home is oslo",
        "  Home is  Oslo. ",
        "HOME IS OSLO!",
        "Home-is-Oslo",
    ],
)
def test_the_same_value_again_affirms_what_the_slot_holds(store, clock, again):
    first = store.add("Home is Oslo", key="home")
    clock.advance(days=30)

    said = store.add(again, key="home", actor="alice")

    assert said.id == first.id
    assert (said.text, said.valid_from, said.created_at) == (
        "Home is Oslo", first.valid_from, first.created_at
    )  # fmt: skip
    assert (said.affirmed, said.affirmed_at.timestamp(), said.affirmed_by) == (1, clock(), "alice")
    assert [memory.id for memory in store.history(first.id)] == [first.id]
    assert len(store) == 1
    assert store.search("home", k=1)[0].memory.affirmed == 1


@pytest.mark.parametrize(
    "other",
    [
        {"text": "Home is Lisbon"},
        {"text": "Home is not Oslo"},
        {"text": "Home is Oslo 2"},
        {"metadata": {"source": "mail"}},
        {"id": "mine"},
        {"valid_to": "2027-01-01"},
        {"expires_at": "2027-01-01"},
        {"valid_from": "2025-06-01"},
    ],
)
def test_what_differs_in_anything_is_a_memory_of_its_own(store, other):
    first = store.add("Home is Oslo", key="home")

    said = store.add(**{"text": "Home is Oslo", "key": "home", **other})

    assert said.id != first.id
    assert said.affirmed == 0
    assert len(store) == 2


@pytest.mark.parametrize("again", ["Home is Oslo", "home is oslo", " Home: is Oslo! "])
def test_the_same_text_again_without_a_slot_affirms_the_memory_there_is(store, clock, again):
    first = store.add("Home is Oslo", metadata={"a": 1}, session="s", actor="alice", role="user")
    clock.advance(days=1)

    said = store.add(again, metadata={"a": 1}, session="s", actor="alice", role="user")

    assert (said.id, said.text, said.affirmed) == (first.id, "Home is Oslo", 1)
    assert (said.affirmed_at.timestamp(), said.affirmed_by) == (clock(), "alice")
    assert said.created_at == first.created_at
    assert len(store) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"text": "Home is Lisbon"},
        {"text": "Home is not Oslo"},
        {"id": "mine"},
        {"key": "home"},
        {"metadata": {"source": "mail"}},
        {"session": "t"},
        {"actor": "bob"},
        {"role": "assistant"},
        {"origin": "user"},
        {"valid_from": "2025-06-01"},
        {"valid_to": "2027-01-01"},
        {"expires_at": "2027-01-01"},
        {"importance": 0.9},
        {"vector": [1.0, 2.0]},
    ],
)
def test_what_differs_in_anything_without_a_slot_is_a_memory_of_its_own(store, other):
    """Of a text without a slot nothing but what is said of it tells whose it is."""
    about = {"session": "s", "actor": "alice", "origin": "tool"}
    first = store.add("Home is Oslo", **about)

    said = store.add(**{"text": "Home is Oslo", **about, **other})

    assert said.id != first.id
    assert (said.affirmed, store.get(first.id).affirmed) == (0, 0)
    assert len(store) == 2


def test_a_question_is_no_statement_of_the_same_words(store):
    said = store.add("Home is Oslo")
    asked = store.add("Home is Oslo?")

    assert (said.id != asked.id, asked.manner) == (True, "question")
    assert store.add("home is oslo ?").id == asked.id
    store.supersede(said.id, "Home is Rome")
    assert store.add("Home is Oslo?").echo_of is None
    assert store.add("Home is Oslo.").echo_of == said.id


def test_in_another_slot_a_text_is_a_memory_of_its_own(store):
    ids = {store.add("tea").id, store.add("tea", key="a").id, store.add("tea", key="b").id}

    assert len(ids) == 3


def test_a_batch_affirms_what_is_held_and_what_it_said_itself(store):
    first = store.add("tea")
    texts = ["coffee", "Tea!", "water", "COFFEE", "tea", "coffee."]

    said = store.add_many({"text": text} for text in texts)

    assert [memory.text for memory in said] == ["coffee", "tea", "water", "coffee", "tea", "coffee"]
    assert said[1].id == said[4].id == first.id
    assert (store.get(first.id).affirmed, store.get(said[0].id).affirmed) == (2, 2)
    assert len(store) == 3


def test_who_has_less_to_say_affirms_nothing_and_writes_nothing(store):
    first = store.add("Home is Oslo", key="home")
    second = store.add("tea")

    assert store.add("home is oslo", key="home", origin="assistant").id == first.id
    assert store.add("Tea", origin="tool").id == second.id
    assert {memory.affirmed for memory in store.iterate()} == {0}
    assert len(store) == 2


def test_what_a_user_says_after_an_assistant_is_the_users_own(store):
    """An origin is never raised: the user's words are written, and take over the slot."""
    said = store.add("Home is Oslo", key="home", origin="assistant")

    own = store.add("Home is Oslo", key="home")

    assert (own.origin, own.supersedes) == ("user", (said.id,))


def test_a_text_that_is_given_its_vector_is_the_same_with_the_same_vector_only(store):
    first = store.add("tea", vector=[1.0, 2.0])

    assert store.add("tea", vector=[1.0, 2.0]).id == first.id
    assert store.add("tea", vector=[2.0, 1.0]).id != first.id


def test_a_batch_and_supersede_affirm_as_add_does(store):
    first = store.add("Home is Oslo", key="home")
    batch = store.add_many([{"text": "home is oslo", "key": "home"}] * 2)
    again = store.supersede(first.id, "Home is Oslo")

    assert {memory.id for memory in [*batch, again]} == {first.id}
    assert store.get(first.id).affirmed == 3
    assert again.superseded_by == ()


def test_an_older_value_said_again_is_a_change_back(store, clock):
    store.add("Home is Oslo", key="home")
    clock.advance(days=1)
    store.add("Home is Lisbon", key="home")
    clock.advance(days=1)

    back = store.add("Home is Oslo", key="home")

    assert [m.text for m in store.history(back.id)] == [
        "Home is Oslo", "Home is Lisbon", "Home is Oslo"
    ]  # fmt: skip


def test_a_successor_inherits_what_its_forerunner_has_earned(store):
    store.add("Home is Oslo", id="a", key="home", importance=0.8)
    store.signal("a", "liked")
    earned = store.get("a").importance
    assert earned > 0.8

    assert store.add("Home is Lisbon", id="b", key="home").importance == earned
    assert store.supersede("b", "Home is Rome", id="c").importance == earned
    assert store.supersede("c", "Home is Bonn", importance=0.1).importance == 0.1
    assert store.add("Home is Bern", key="home", importance=0.5).importance == 0.5
    assert store.add("Tea", key="drink").importance == 0.4


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("the language is C++", "the language is C#"),
        ("the language is C++", "the language is C"),
        ("status: ✅ done", "status: ❌ done"),
        ("the mood is 😀", "the mood is 😢"),
        ("the flag is 🇩🇪", "the flag is 🇫🇷"),
        ("it costs $5", "it costs €5"),
        ("a > b", "a < b"),
        ("x = 1", "x ≠ 1"),
        ("the balance is -5", "the balance is 5"),
        ("the balance is −5", "the balance is 5"),
        ("the grade is A+", "the grade is A"),
        ("50 % off", "50 off"),
    ],
)
def test_a_sign_says_something(store, first, second):
    store.add(first, key="it")

    store.add(second, key="it")

    assert len(store) == 2
    assert [hit.memory.text for hit in store.search(second)] == [second]


def test_what_is_stated_otherwise_is_a_change(store):
    first = store.add("Home is Oslo", key="home", importance=0.5, metadata={"a": 1, "b": 2})
    assert store.add("Home is Oslo", key="home", metadata={"b": 2, "a": 1}).id == first.id
    for stated in (
        {"importance": 0.9},
        {"session": "s9"},
        {"role": "user"},
        {"vector": [1.0, 2.0]},
    ):
        last = store.add("Home is Oslo", key="home", metadata={"a": 1, "b": 2}, **stated)
        assert last.affirmed == 0
    with pytest.raises(DimensionError):
        store.add("Home is Oslo", key="home", metadata={"a": 1, "b": 2}, vector=[1.0])


def test_a_past_version_is_not_affirmed(store):
    oslo = store.add("Home is Oslo", key="home")
    store.add("Home is Rome", key="home")

    back = store.supersede(oslo.id, "Home is Oslo")

    assert back.id != oslo.id
    assert store.get(oslo.id).affirmed == 0


@pytest.mark.parametrize(
    ("wrong", "right"), [("home is oslo", "home is Oslo"), ("5", "-5"), ("C++", "C#")]
)
def test_a_correction_is_always_written(store, wrong, right):
    old = store.add(wrong, key="it")
    store.recall(wrong, turn="t")

    store.feedback("t", "corrected", correction=right)

    assert [memory.text for memory in store.history(old.id)] == [wrong, right]
    assert [hit.memory.text for hit in store.search(right)] == [right]


def test_a_batch_that_changes_a_slot_twice_has_its_history_in_order(store):
    store.add_many(
        [
            {"text": "Home is Oslo", "id": "z", "key": "h"},
            {"text": "Home is Rome", "id": "a", "key": "h"},
        ]
    )

    assert [memory.id for memory in store.history("a")] == ["z", "a"]


# What does not hold at the moment is not affirmed


def test_what_holds_only_later_is_not_affirmed_by_who_says_that_it_holds(store, clock):
    later = store.add("Alice lives in Rome", valid_from=clock() + 30 * 86_400)

    said = store.add("Alice lives in Rome")

    assert (said.id != later.id, store.get(later.id).affirmed) == (True, 0)
    assert [hit.memory.id for hit in store.search("Alice Rome")] == [said.id]


def test_what_stands_instead_but_has_expired_is_not_returned_for_what_is_said_again(store, clock):
    old = store.add("I am in Oslo")
    clock.advance(days=1)
    store.supersede(old.id, "I am on holiday in Rome", expires_at=clock() + 86_400)
    clock.advance(days=9)

    said = store.add("I am in Oslo")

    assert (said.text, said.echo_of) == ("I am in Oslo", None)
    assert [hit.memory.id for hit in store.search("Oslo")] == [said.id]


def test_until_its_replacement_holds_a_fact_is_affirmed_and_not_doubled(store, clock):
    old = store.add("I live in Oslo", key="home")
    store.add("I live in Rome", key="home", valid_from=clock() + 9 * 86_400)

    again = store.add("I live in Oslo", key="home")
    beside = store.add("I live in Oslo!", session="s", role="user")

    assert (again.id, again.affirmed, len(store)) == (old.id, 1, 3)
    assert beside.valid_to == store.get(old.id).valid_to
    clock.advance(days=10)
    assert [hit.memory.text for hit in store.search("live", distinct=False)] == ["I live in Rome"]
