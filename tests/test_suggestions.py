"""What a memory may replace is said, with reasons, and nothing is replaced."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feather_memory import ParameterError, UnknownMemoryError
from feather_memory.model.rivals import rivals
from feather_memory.model.words import tokenizer


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


def test_of_long_messages_it_counts_what_is_said_about_the_number_that_differs(store, clock):
    """Most of both asks for something; what may have changed is one clause of each."""
    store.add(
        "I want to write a test for the login form with Jest, can you show me how to mock the "
        "server, how to fill in the form and how to check the message that it shows?",
        id="form",
    )
    store.add("The coverage of our integration module is at 65% after the first run", id="65")
    clock.advance(days=1)
    new = store.add(
        "I want to write another test for the form, can you show me how to mock the server with "
        "Jest and how to check the message? The coverage of the integration module is at 78%"
    )

    best = store.suggest_supersedes(new.id)[0]

    assert best.memory.id == "65"
    assert "it says 78 where the older one says 65" in best.reasons


def test_what_says_the_same_number_has_changed_nothing(store, facts, clock):
    store.add("The kitchen has a budget of 35,000", id="other")
    store.add("The kitchen has a budget of 40,000", id="same")
    clock.advance(days=1)
    new = store.add("Our kitchen has a budget of 40,000")

    other, same = store.suggest_supersedes(new.id, k=2)

    assert (other.memory.id, same.memory.id) == ("other", "same")
    assert other.reasons[1] == "it says 40,000 where the older one says 35,000"
    assert same.score <= 0.5 < other.score


words = st.lists(
    st.sampled_from(["flat", "oslo", "costs", "costing", "7", "8.5", "9", "rent", "of", "Ann"]),
    max_size=12,
).map(" ".join)


@given(new=words, others=st.lists(words, min_size=1, max_size=5), around=st.integers(1, 4))
def test_the_score_is_that_of_the_definition_looked_up_word_by_word(new, others, around):
    speaks = tokenizer("english")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("feather_memory.model.rivals.AROUND", around)
        found = [rival.score for rival in rivals(new, others, speaks)]

    assert found == pytest.approx([defined(new, others, other, around) for other in others])
    assert all(0 <= score <= 1 for score in found)


def stems(text):
    """By hand: all the words the test draws from."""
    table = {"flat": "flat", "oslo": "oslo", "costs": "cost", "costing": "cost", "rent": "rent"}
    table |= {"ann": "ann", "7": "7", "8.5": "8 5", "9": "9", "of": ""}
    return {stem for word in text.split() for stem in table[word.lower()].split()}


def defined(new, others, other, around):
    def idf(said):
        many = [sum(word in stems(each) for each in others) for word in said]
        return sum(math.log(1 + (len(others) - h + 0.5) / (h + 0.5)) for h in many)

    def share(one, two):
        of_all = math.sqrt(idf(one) * idf(two))
        return idf(one & two) / of_all if of_all else 0.0

    def near(text):
        said = text.split()
        for at, word in enumerate(said):
            if word[0].isdigit():
                beside = said[max(at - around, 0) : at + around + 1]
                yield word, stems(" ".join(each for each in beside if not each[0].isdigit()))

    whole = share(stems(new), stems(other))
    if not any(map(str.isdigit, new)):
        return whole
    changes = [
        share(mine, yours)
        for number, mine in near(new)
        for value, yours in near(other)
        if number not in other.split() and value not in new.split()
    ]
    return (whole + max(changes, default=0.0)) / 2


def test_of_a_table_only_the_first_numbers_are_compared():
    """All pairs of the numbers of a hundred tables would take minutes."""
    plain = "filler words stand in between here and there again and again " * 2
    early, late = (f"{3 * table} {plain} the rent of our flat is {3}" for table in ("", "11 12 "))
    speaks = tokenizer("english")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("feather_memory.model.rivals.MOST_NUMBERS", 6)
        first, behind = rivals("The rent of our flat is 4", [early, late], speaks)

    assert first.score > behind.score + 0.2
