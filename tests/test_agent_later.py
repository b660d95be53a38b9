"""What is shown, and may no longer hold, carries what was said later on the same question."""

from __future__ import annotations

import html
import re

import pytest

from feather_memory import Store
from feather_memory.agent import FITTING, Budget, Opened, RecallOptions, is_fenced, told
from feather_memory.model.later import followed
from feather_memory.testing import FrozenClock, HashEmbedder
from feather_memory.testing.days import BEGIN, END, script

OPTIONS = RecallOptions(min_relevance=FITTING)
QUESTION = "On which day do we deploy?"


def lines_of(prompt):
    """Each memory's attributes and text, as a reader of the prompt has them."""
    assert is_fenced(prompt)
    return [
        (dict(re.findall(r'([a-z_]+)="([^"]*)"', said)), html.unescape(text))
        for said, text in re.findall(r"<memory\b([^>]*)>([^<]*)</memory>", prompt)
    ]


def later_in(store, question=QUESTION, budget=None, **options):
    """By text, what is told to be later."""
    asked = RecallOptions(**options) if options else OPTIONS
    prompt = told(Opened.of(store), question, asked, budget or Budget()).prompt
    return {text: said.get("later") for said, text in lines_of(prompt)}


def test_an_older_memory_carries_the_date_of_what_fits_and_was_said_later(store, clock):
    store.add("We deploy on Monday", role="user")
    clock.advance(days=40, seconds=3_660)
    store.add("Releases were shifted: we deploy on Thursday", role="user")

    assert later_in(store) == {
        "Releases were shifted: we deploy on Thursday": None,
        "We deploy on Monday": "2026-02-10T01:01",
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, {"role": "assistant"}),
        ({}, {"origin": "tool"}),
        ({}, {"origin": "document"}),
        ({"origin": "document"}, {}),
        ({"role": "assistant"}, {}),
        ({"origin": "user"}, {"origin": "import"}),
        ({"actor": "alice"}, {"actor": "bob"}),
        ({"key": "deploys"}, {}),
        ({"key": "deploys"}, {"key": "releases"}),
    ],
)
def test_what_cannot_have_taken_its_place_is_not_told_as_later(store, clock, old, new):
    store.add("We deploy on Monday", **old)
    clock.advance(days=1)
    store.add("We deploy on Thursday", **new)

    shown = later_in(store)

    assert shown == {"We deploy on Monday": None, "We deploy on Thursday": None}


def test_a_value_of_a_key_may_follow_what_was_said_without_one(store, clock):
    store.add("We deploy on Monday", actor="alice")
    clock.advance(days=1)
    store.add("We deploy on Thursday", key="deploys")

    assert later_in(store)["We deploy on Monday"] == "2026-01-02T00:00"


def test_what_does_not_fit_the_question_by_itself_follows_nothing(store, clock):
    store.add("We deploy on Monday")
    clock.advance(days=1)
    store.add("The printer ate a sheet of paper")

    found = later_in(store, min_relevance=0)

    assert len(found) == 2
    assert set(found.values()) == {None}


def test_what_follows_is_told_in_short_where_it_is_not_shown_and_there_is_room(store, clock):
    store.add("We deploy on Monday")
    clock.advance(days=1)
    store.add("We deploy on Thursday, that is the day on which we deploy " + "so, " * 100)

    def told_within(characters):
        found = later_in(store, budget=Budget(max_chars=characters))
        assert list(found) == ["We deploy on Monday"]
        return found["We deploy on Monday"]

    brief = told_within(550)
    assert brief.startswith("2026-01-02T00:00 We deploy on Thursday, that is the day on which")
    assert brief.endswith("so, …")
    assert told_within(320) == "2026-01-02T00:00"


def test_what_the_store_knows_to_be_replaced_is_not_shown_at_all(store, clock):
    old = store.add("We deploy on Monday")
    clock.advance(days=1)
    store.supersede(old.id, "We deploy on Thursday")

    assert later_in(store) == {"We deploy on Thursday": None}


def test_nothing_follows_itself_or_what_is_of_the_same_moment(store):
    store.add_many([{"text": f"We deploy on {day}"} for day in ("Monday", "Thursday", "Friday")])
    hits = store.search(QUESTION, 9)

    assert len(hits) == 3
    assert followed(hits, 0.0) == {}


@pytest.mark.parametrize("embedder", [HashEmbedder(), None], ids=["hashed words", "no embedder"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_after_ninety_days_every_stale_memory_carries_what_followed_it(tmp_path, seed, embedder):
    """Of those that are found. By hashed words one of fifty does not fit the question by itself."""
    said, clock = script(seed), FrozenClock(BEGIN)
    carried = stale = 0
    with Store.open(tmp_path / "a.feather", embedder=embedder, clock=clock) as store:
        for each in said.exchanges:
            clock.set(each.at)
            store.add(each.user, role="user", session=each.session)
        clock.set(END)
        for fact in said.facts:
            lines = lines_of(told(Opened.of(store), fact.questions[0], OPTIONS).prompt)
            dates = {text: about["date"] for about, text in lines}
            later = {text: about.get("later", "").split(" | ") for about, text in lines}
            shown = [value.told for value in fact.values if value.told in dates]
            for place, text in enumerate(shown[:-1]):
                stale += 1
                carried += any(dates[newer] in later[text] for newer in shown[place + 1 :])
        assert store.check() == []

    assert stale >= 13
    assert carried >= stale - (embedder is not None)
