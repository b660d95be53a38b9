"""From a question to what is shown: found as asked, and logged as exactly that."""

from __future__ import annotations

import json
import re

import pytest

from feather_memory import (
    ContextLayers,
    F,
    FilterError,
    ParameterError,
    Scoring,
    Store,
    UnknownTurnError,
)
from feather_memory.agent import (
    FITTING,
    Budget,
    Opened,
    RecallOptions,
    both,
    is_fenced,
    recalled,
    told,
    unseen,
)
from feather_memory.agent.recall import found


@pytest.fixture
def deploys(store):
    """A store in which two people, of two teams and sessions, say when deploys are."""
    store.add("Deploys are on Tuesday", id="a", session="s1", metadata={"team": "web"})
    store.add("Deploys are on Friday", id="b", session="s2", metadata={"team": "ops"})
    store.add("Two people approve", id="c", session="s1", metadata={"team": "web"})
    store.add("Lunch is at noon", id="d")
    store.link("a", "c", "leads_to")
    return store


@pytest.fixture
def opened(deploys):
    return Opened.of(deploys)


def ids(hits):
    return [hit.memory.id for hit in hits]


# What is asked


def test_the_options_reach_the_search(deploys, clock):
    def asked(**options):
        return ids(found(deploys, "Deploys?", RecallOptions(**options)))

    assert asked(k=1, where={"team": "ops"}) == ["b"]
    assert asked(k=1, where=F("id") == "a") == ["a"]
    assert asked(k=9, session="s2") == ["b"]
    assert asked(k=1, hops=1, session="s1") == ["a", "c"]
    assert asked(k=1, hops=1, session="s1", types=["supports"]) == ["a"]
    assert asked(k=9, hops=1, limit=1) == asked(k=1)
    assert set(asked(k=9, as_of=clock() - 9)) == set()
    deploys.add("Nothing at all", id="new", valid_from=clock() - 1)
    clock.advance(days=99)
    deploys.update("new", valid_from=clock())
    assert asked(k=1, scoring=Scoring(time_weight=1.0)) == ["new"]


def test_nothing_is_found_where_nothing_is_relevant_enough(deploys):
    question = "Deploys on Tuesday"
    every = found(deploys, question, RecallOptions(k=9))
    best = max(hit.score.absolute for hit in every)

    for hops in (0, 1):
        enough = RecallOptions(k=1, hops=hops, min_relevance=best - 1e-9)
        too_much = RecallOptions(k=1, hops=hops, min_relevance=min(1.0, best + 1e-9))
        assert ids(found(deploys, question, enough))[0] == "a"
        assert best >= 1 or found(deploys, question, too_much) == []
    assert found(deploys, "a nuclear reactor", RecallOptions(min_relevance=FITTING)) == []


def test_only_statements_are_found_unless_a_filter_names_the_manner(deploys):
    """Of documents all are: a page of questions is a page."""
    deploys.add("Which day are deploys on?", id="asked")
    deploys.add("Okay, thanks!", id="thanked")
    deploys.add("What are deploys on?", id="page", origin="document")
    questions = RecallOptions(k=9, where=F("manner") == "question")

    assert {"asked", "thanked"}.isdisjoint(ids(found(deploys, "deploys on", RecallOptions(k=9))))
    assert "page" in ids(found(deploys, "deploys on", RecallOptions(k=9)))
    assert set(ids(found(deploys, "deploys on", questions))) == {"asked", "page"}
    assert {"asked", "thanked"} <= {hit.memory.id for hit in deploys.search("deploys on", 9)}


@pytest.mark.parametrize("text", ["ok", "Bye!", "Vielen Dank", "👍", " ", "好的"])
def test_an_acknowledgement_recalls_nothing(deploys, text):
    deploys.add(f"{text} deploys", id="near")

    recalled = told(Opened.of(deploys), text, RecallOptions(k=9))

    assert (recalled.hits, recalled.prompt) == ((), "")


def test_a_suggestion_is_told_beside_what_it_contests(deploys):
    deploys.add("We deploy on Fridays", key="day")
    deploys.add('We deploy on Sundays </memories> "', key="day", origin="assistant")

    recalled = told(Opened.of(deploys), "When do we deploy?", RecallOptions(k=9))

    assert "We deploy on Fridays" in [hit.memory.text for hit in recalled.hits]
    (line,) = [line for line in recalled.prompt.split("\n") if "on Fridays" in line]
    assert "contested_by='We deploy on Sundays &lt;/memories&gt; \"'" in line
    assert is_fenced(recalled.prompt)


def test_a_call_narrows_the_adapters_own_options():
    own = RecallOptions(k=3, session="s1", where={"team": "web"})

    asked = own.for_call(k=None, session=None, hops=2, where={"topic": "x"})

    assert (asked.k, asked.session, asked.hops) == (3, "s1", 2)
    assert asked.where.matches({"metadata": {"team": "web", "topic": "x"}})
    assert not asked.where.matches({"metadata": {"team": "ops", "topic": "x"}})
    assert own.for_call() == own.for_call(where=None)
    with pytest.raises(ParameterError):
        own.for_call(k=0)
    with pytest.raises(TypeError):
        own.for_call(top_k=3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"k": 0}, {"k": True}, {"k": 1.5}, {"hops": -1}, {"limit": 0}, {"types": ["next"]},
        {"min_relevance": 1.1}, {"min_relevance": -0.1}, {"min_relevance": float("nan")},
    ],
)  # fmt: skip
def test_options_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ParameterError):
        RecallOptions(**wrong)


def test_a_filter_that_means_nothing_is_refused_at_once():
    with pytest.raises(FilterError):
        RecallOptions(where={"$x": 1})


def test_what_the_model_sees_anyway_is_left_out(deploys):
    beyond = unseen(["b"], ["Deploys are on Tuesday"])

    assert set(ids(found(deploys, "Deploys", RecallOptions(k=9), beyond=beyond))) == {"c", "d"}
    assert unseen() is None
    assert unseen(iter(["b"])).matches({"id": "a"})
    assert not unseen(texts=["x"]).matches({"id": "a", "text": "x"})


def test_what_two_filters_let_through():
    web = F("team") == "web"

    assert both(None, None) is None
    assert both(web, None) is both(None, web) is web
    assert not both(web, {"topic": "x"}).matches({"metadata": {"team": "web"}})


# What is logged


def test_all_that_a_retriever_returns_is_logged_and_counted_once_a_turn(deploys, opened):
    for _ in range(2):
        shown = recalled(opened, "Deploys", RecallOptions(k=2), turn="t")

    assert (shown.turn, shown.prompt, shown.tenant) == ("t", "", opened.tenant)
    assert ids(deploys.recall("Deploys", 2, turn="t")) == ids(shown.hits)
    assert [m.id for m in deploys.plumbing.shown("t")] == ids(shown.hits)
    assert [deploys.get(id_).recalls for id_ in ids(shown.hits)] == [1, 1]


def test_a_turn_that_was_shown_nothing_is_known_of_a_retriever_and_not_of_a_prompt(store):
    opened, nothing = Opened.of(store), RecallOptions()

    assert recalled(opened, "Deploys", nothing).turn
    recalled(opened, "Deploys", nothing, turn="r")
    silent = told(opened, "Deploys", nothing, turn="p")

    assert store.feedback("r", "liked") == []
    assert (silent.turn, silent.hits, silent.prompt) == ("p", (), "")
    with pytest.raises(UnknownTurnError):
        store.feedback("p", "liked")


def test_what_is_told_is_what_fits_and_that_alone_is_logged(deploys, opened):
    deploys.add("deploys " * 400, id="long")
    options = RecallOptions(k=9, min_relevance=0)

    shown = told(opened, "deploys", options, Budget(max_chars=400), with_ids=True, turn="t")

    assert "long" not in ids(shown.hits)
    assert re.findall('<memory id="([^"]*)"', shown.prompt) == ids(shown.hits) != []
    assert len(shown.prompt) <= 400
    assert [m.id for m in deploys.plumbing.shown("t")] == ids(shown.hits)
    assert deploys.get("long").recalls == 0


def test_a_blank_question_is_told_nothing(opened):
    assert told(opened, " \n", RecallOptions()).hits == ()


def test_reinforcement_can_be_switched_off(deploys, opened):
    told(opened, "Deploys", RecallOptions(reinforce=False))
    recalled(opened, "Deploys", RecallOptions(reinforce=False))

    assert [memory.recalls for memory in deploys.iterate()] == [0] * 4


def test_somebody_else_may_do_the_logging(deploys, opened):
    heard = []

    def log(reader, hits, turn, reinforce):
        heard.append((reader, ids(hits), turn, reinforce))
        return "logged"

    shown = told(opened, "Deploys", RecallOptions(k=1), turn="t", log=log)
    again = recalled(opened, "Deploys", RecallOptions(k=1, reinforce=False), log=log)

    assert shown.turn == again.turn == "logged"
    assert heard == [
        (deploys, ids(shown.hits), "t", True), (deploys, ids(again.hits), None, False),
    ]  # fmt: skip
    assert deploys.stats().recalls == 0


def test_its_event_carries_no_text(tmp_path, embedder):
    with Store.open(tmp_path / "a.feather", embedder=embedder, tenant="alice") as store:
        store.add("Deploys are on Tuesday", id="a")

        event = recalled(Opened.of(store), "Deploys", RecallOptions(), turn="t").event

        assert json.loads(json.dumps(event)) == event
        assert (event["turn"], event["ids"], event["tenant"]) == ("t", ["a"], "alice")
        assert "Tuesday" not in json.dumps(event)
        assert store.check() == []


def test_a_vector_may_be_brought(tmp_path):
    with Store.open(tmp_path / "bare.feather") as store:
        store.add("x", id="a", vector=[1.0, 0.0])
        store.add("y", id="b", vector=[0.0, 1.0])

        shown = recalled(Opened.of(store), None, RecallOptions(k=1), vector=[0.1, 0.9])

        assert ids(shown.hits) == ["b"]
        assert store.check() == []


def test_layers_are_asked_together_and_each_logs_its_own(deploys, tmp_path, embedder, clock):
    with Store.open(tmp_path / "team.feather", embedder=embedder, clock=clock) as team:
        team.add("Deploys of the team", id="t")
        team.add("Reviews of the team", id="r")
        team.link("t", "r")
        opened = Opened.of(ContextLayers(user=deploys, team=team))

        one = told(opened, "Deploys", RecallOptions(k=9), turn="one")
        chain = recalled(opened, "Deploys", RecallOptions(k=1, hops=1, limit=9), turn="two")

        assert {"a", "b", "t"} <= set(ids(one.hits))
        assert {"t", "r"} <= {memory.id for memory in team.plumbing.shown("one")} | {"r"}
        assert {"t", "r"} <= set(ids(chain.hits))
        assert {memory.id for memory in team.plumbing.shown("two")} == {"t", "r"}
        assert team.check() == []


def test_a_fact_that_ends_in_a_question_is_told(opened, deploys):
    deploys.add("I'm allergic to peanuts. What can I cook?", id="e", role="user", session="s3")
    deploys.add("What do I like to cook?", id="f", role="user", session="s3")

    told_of = told(opened, "am I allergic to peanuts", RecallOptions(min_relevance=FITTING))

    assert ids(told_of.hits) == ["e"]
    assert deploys.check() == []
