"""What a memory may replace is said, with reasons, and nothing is replaced."""

from __future__ import annotations

import pytest

from feather_memory import ParameterError, UnknownMemoryError


def ids(suggestions):
    return [suggestion.memory.id for suggestion in suggestions]


@pytest.fixture
def facts(store, clock):
    """A few facts of long ago, and the day after."""
    for id_, text in {
        "home": "My flat in Oslo costs 900 euros a month",
        "work": "I work as a nurse at the harbour clinic",
        "cat": "Our cat is called Miro",
        "plan": "We plan to deploy the api on Friday",
    }.items():
        store.add(text, id=id_)
    clock.advance(days=1)


def test_what_says_the_same_of_something_else_comes_first_with_its_reasons(store, facts):
    new = store.add("The flat in Oslo now costs 1100 euros", actor="alice")

    best = store.suggest_supersedes(new.id)[0]

    assert best.memory.id == "home"
    assert 0 < best.score <= 1
    assert best.reasons[0].startswith("both say ")
    assert {"flat", "oslo"} & set(best.reasons[0].removeprefix("both say ").split(", "))
    assert best.reasons[1] == "it says 1100 where the older one says 900"
    assert store.get("home").superseded_by == ()


def test_what_shares_no_word_is_not_suggested(store, facts):
    new = store.add("Tomorrow it rains")

    assert store.suggest_supersedes(new.id) == []


def test_what_is_not_older_or_not_current_is_not_suggested(store, facts, clock):
    store.supersede("cat", "Our cat is called Mira", id="cat 2")
    new = store.add("Our cat is called Max", id="cat 3")
    clock.advance(days=1)
    store.add("Our cat is called Mo", id="cat 4")

    assert ids(store.suggest_supersedes(new.id, k=9)) == ["cat 2"]
    store.link("cat 3", "cat 2", "supersedes")
    assert store.suggest_supersedes(new.id) == []


def test_what_an_origin_may_not_replace_is_not_suggested(store, facts):
    new = store.add("Our cat is called Max", origin="assistant")

    assert store.suggest_supersedes(new.id) == []


def test_a_judge_decides_of_what_would_be_suggested(store, facts):
    new = store.add("The flat of our cat Miro in Oslo costs 1100 euros", id="new")
    asked = []

    def judge(one, other):
        asked.append((one.id, other.id))
        return other.id == "home"

    assert ids(store.suggest_supersedes(new.id, k=2, judge=judge)) == ["home"]
    assert set(asked) == {("new", "home"), ("new", "cat")}
    assert len(ids(store.suggest_supersedes(new.id, k=1, judge=lambda *_: False))) == 0


def test_what_makes_no_sense_is_refused(store, facts):
    with pytest.raises(UnknownMemoryError):
        store.suggest_supersedes("nobody")
    with pytest.raises(ParameterError, match="k must be"):
        store.suggest_supersedes("home", k=0)
    with pytest.raises(ParameterError, match="judge must be a function"):
        store.suggest_supersedes("home", judge="yes")
