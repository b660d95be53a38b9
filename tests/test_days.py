"""Ninety days of raw turns: the script, its judge, and what a Store makes of them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

import pytest

from feather_memory import EdgeType, F, Store
from feather_memory.testing import FrozenClock, HashEmbedder
from feather_memory.testing.days import BEGIN, END, SHOWN, Line, carried, judged, script
from feather_memory.testing.life import CHATTER, FACTS, REQUESTS, UNANSWERABLE

SEEDS = (0, 1, 2)


def tells(text, word):
    return re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) is not None


def test_a_seed_is_the_same_script_in_every_process():
    program = "from feather_memory.testing.days import script; print(script(3).exchanges)"
    command = [sys.executable, "-c", program]

    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert shown == str(script(3).exchanges)
    assert script(3) != script(4)


def test_twenty_facts_have_thirty_nine_values_and_each_is_told_by_its_own_word_alone():
    values = [value for fact in FACTS for value in fact.values]
    assert (len(FACTS), len(values)) == (20, 39)
    others = [text for pair in (*CHATTER, *REQUESTS) for text in pair]
    others += [question for fact in FACTS for question in fact.questions] + [*UNANSWERABLE]
    for value in values:
        assert tells(value.told, value.word)
        assert not [text for text in others if tells(text, value.word)]
    for fact in FACTS:
        *_, current = fact.values
        for other in values:
            if other is not current:
                assert not tells(other.told, current.word)  # so nothing else passes for current


@pytest.mark.parametrize("seed", SEEDS)
def test_every_value_is_told_once_in_order_and_asked_for_only_afterwards(seed):
    said = script(seed)
    assert [each.at for each in said.exchanges] == sorted(each.at for each in said.exchanges)
    assert len({each.at for each in said.exchanges}) == len(said.exchanges)
    assert said.exchanges[-1].at < END
    told = Counter()
    for each in said.exchanges:
        if each.fact is not None:
            assert each.user == FACTS[each.fact].values[told[each.fact]].told
            told[each.fact] += 1
        for number, fact in enumerate(FACTS):
            if each.user in fact.questions:
                assert tells(each.assistant, fact.values[told[number] - 1].word)
    assert told == Counter({number: len(fact.values) for number, fact in enumerate(FACTS)})


def of(question):
    """The values of the fact that is asked for; none where nobody said."""
    return next((fact.values for fact in FACTS if fact.questions[0] == question), ())


def test_who_knows_what_holds_and_nothing_else_is_judged_perfect():
    perfect = judged(script(), lambda question: [value.told for value in of(question)[-1:]])

    assert (perfect.current_first, perfect.current_shown) == (20, 20)
    assert (perfect.stale_first, perfect.stale_shown) == (0, 0)
    assert (perfect.places, perfect.duplicates, perfect.questions, perfect.silent) == (20, 0, 0, 20)


def test_who_shows_what_no_longer_holds_is_told_so():
    stale = judged(script(), lambda question: [value.told for value in of(question)])

    assert (stale.current_first, stale.stale_first) == (5, 15)  # five facts have one value
    assert (stale.current_shown, stale.stale_shown) == (20, 15)


def test_who_shows_questions_and_the_same_again_is_told_so():
    echoing = judged(script(), lambda question: [question, question.upper(), "ok"])

    assert (echoing.current_first, echoing.current_shown, echoing.silent) == (0, 0, 0)
    assert (echoing.places, echoing.duplicates, echoing.questions) == (60, 20, 40)


def test_what_no_longer_holds_says_what_followed_by_its_date_or_by_its_value():
    def shown(later_of, dates=("Monday", "Tuesday", "Friday")):
        def show(question):
            told = [value.told for value in of(question)]
            return [
                Line(text, date, later_of(told)) for text, date in zip(told, dates, strict=False)
            ]

        return carried(script(), show)

    assert shown(lambda told: "") == (0, 19)  # of 39 values 20 hold
    assert shown(lambda told: f"Friday {told[-1]}") == (19, 0)
    assert shown(lambda told: told[0]) == (0, 19)  # an older one has not followed
    assert shown(lambda told: "Tuesday | Friday") == (19, 0)
    assert shown(lambda told: "Monday") == (0, 19)
    assert carried(script(), lambda question: [Line(v.told) for v in of(question)[-1:]]) == (0, 0)


def test_only_five_memories_count():
    late = judged(script(), lambda question: ["so"] * SHOWN + [v.told for v in of(question)])

    assert late.current_shown == late.stale_shown == 0
    assert late.places == 20 * SHOWN


@pytest.mark.parametrize("embedder", [HashEmbedder(), None], ids=["hashed words", "no embedder"])
@pytest.mark.parametrize("seed", SEEDS)
def test_among_the_statements_of_ninety_days_what_holds_is_one_of_five_and_nothing_comes_twice(
    tmp_path, seed, embedder
):
    said, clock = script(seed), FrozenClock(BEGIN)
    with Store.open(tmp_path / "a.feather", embedder=embedder, clock=clock) as store:
        for each in said.exchanges:
            clock.set(each.at)
            store.add(each.user, role="user", session=each.session)
        clock.set(END)
        statement = F("manner") == "statement"

        def shown(question):
            return [hit.memory.text for hit in store.search(question, where=statement)]

        found = judged(said, shown)
        assert found.current_shown >= 17, found
        assert (found.duplicates, found.questions) == (0, 0), found
        assert store.check() == []


def test_what_was_superseded_as_it_changed_is_never_shown(tmp_path):
    said, clock = script(), FrozenClock(BEGIN)
    with Store.open(tmp_path / "a.feather", embedder=HashEmbedder(), clock=clock) as store:
        last = {}
        for each in said.exchanges:
            clock.set(each.at)
            new = store.add(each.user, role="user", session=each.session)
            if each.fact is not None:
                if each.fact in last:
                    store.link(new.id, last[each.fact], EdgeType.SUPERSEDES)
                last[each.fact] = new.id
        clock.set(END)

        found = judged(said, lambda question: [hit.memory.text for hit in store.search(question)])

        assert found.stale_shown == 0, found
        assert found.current_first == found.current_shown, found
        assert store.check() == []


@pytest.mark.parametrize("seed", SEEDS)
def test_beside_keyed_facts_the_turns_that_told_their_old_values_are_not_shown(tmp_path, seed):
    said, clock = script(seed), FrozenClock(BEGIN)
    with Store.open(tmp_path / "a.feather", embedder=HashEmbedder(), clock=clock) as store:
        for each in said.exchanges:
            clock.set(each.at)
            turn = store.add(each.user, role="user", session=each.session)
            if each.fact is not None:
                fact = store.add(each.user, key=f"fact-{each.fact}", origin="user")
                store.link(fact.id, turn.id, EdgeType.DERIVED_FROM)
        clock.set(END)
        statement = F("manner") == "statement"

        def shown(question):
            return [hit.memory.text for hit in store.search(question, where=statement)]

        found = judged(said, shown)
        assert found.stale_shown == 0, found
        assert found.current_first >= 17, found
        assert store.check() == []
