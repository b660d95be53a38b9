"""What a turn is called, and how it is found by whichever name."""

from __future__ import annotations

import pytest

from feather_memory import ContextLayers, Store
from feather_memory.agent import (
    Opened,
    answer_of,
    known_turn,
    named_too,
    shown_too,
    stamp,
    stamp_in,
    turn_of,
)


@pytest.fixture
def tea(store):
    store.add("tea", id="tea")
    store.add("coffee", id="coffee")
    return Opened.of(store)


@pytest.fixture
def layered(store, tmp_path, clock):
    """Layers in both of which there is a memory `tea`, and one more in each."""
    store.add("tea", id="tea")
    store.add("mine", id="mine")
    with Store.open(tmp_path / "team.feather", clock=clock) as team:
        team.add("tea of the team", id="tea")
        team.add("ours", id="ours")
        yield Opened.of(ContextLayers(user=store, team=team))
        assert team.check() == []


@pytest.mark.parametrize("tenant", [None, "alice"])
def test_a_stamp_is_read_where_it_was_put(tenant):
    said = stamp("t", tenant)

    assert stamp_in({"feather_memory": said, "model": "x"}) == said


@pytest.mark.parametrize(
    "beside",
    [{}, {"feather_memory": "t"}, {"feather_memory": {"turn": 7}}, {"feather_memory": {}}],
)
def test_what_is_no_stamp_says_nothing(beside):
    assert stamp_in(beside) == {}


def test_a_tenant_that_is_no_text_is_not_read():
    assert stamp_in({"feather_memory": {"turn": "t", "tenant": 7}}) == {"turn": "t"}


def test_where_nobody_names_a_turn_it_is_the_same_until_the_user_speaks_again():
    assert turn_of("s", 1, "tea?") == turn_of("s", 1, "tea?") != turn_of("s", 2, "tea?")
    assert len({turn_of("s", 1, "tea?"), turn_of("t", 1, "tea?"), turn_of(None, 1, None)}) == 3
    assert turn_of("s", 1, "x") == "turn-4f2d4d6c9f560ffb97582430b4608a4f", "as in older files"


def test_another_answer_from_the_same_memories_is_another_turn():
    assert answer_of(["a", "b"], "yes") == answer_of(iter(["a", "b"]), "yes")
    assert len({answer_of(["a"]), answer_of(["a"], "yes"), answer_of(["a", "b"])}) == 3
    assert answer_of(["a"], "yes") == "answer-592fc91eda2fed57eee8c5f2", "as in older files"


def test_the_first_name_that_is_known_is_the_turns(store, tea):
    store.recall("tea", turn="t2")

    assert known_turn(tea, ["t1", "t2"]) == "t2"
    assert known_turn(tea, ["t1", "t3"]) == "t1"


def test_a_turn_is_given_another_name_unless_it_is_anothers(store, tea):
    store.recall("tea", turn="t1")
    store.recall("tea", turn="t2")

    assert named_too(tea, "t1", "message")
    assert named_too(tea, "t1", "message")
    assert not named_too(tea, "t2", "message")
    assert not named_too(tea, "nobody", "message")


def test_a_turn_is_shown_what_it_was_not_and_no_reinforcement_counts(store, tea):
    store.recall("tea", 1, turn="t")
    before = store.stats().generation

    assert [m.id for m in shown_too(tea, ["tea"], "t")] == ["tea"]
    assert store.stats().generation == before, "it was shown that"
    found = shown_too(tea, ["coffee", "nobody", "coffee"], "t")

    assert [m.id for m in found] == ["coffee"]
    assert [m.id for m in store.plumbing.shown("t")] == ["tea", "coffee"]
    assert store.get("coffee").recalls == 0
    assert shown_too(tea, ["nobody"], "u") == []


def test_of_layers_the_nearest_memory_is_meant_unless_another_was_shown(layered):
    user, team = layered.stores.values()

    shown_too(layered, ["tea", "ours"], "t1")
    team.recall("tea", turn="t2")
    shown_too(layered, ["tea"], "t2")

    assert [m.id for m in user.plumbing.shown("t1")] == ["tea"]
    assert [m.id for m in team.plumbing.shown("t1")] == ["ours"]
    assert known_turn(layered, ["t0", "t2"]) == "t2"
    assert named_too(layered, "t2", "message")
    assert not named_too(layered, "t3", "message")
    assert known_turn(layered, ["message"]) == "message"
