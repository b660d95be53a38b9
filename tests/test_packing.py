"""What of a recall fits a budget of tokens: distinct, the best, in the order of time."""

from __future__ import annotations

import pytest

from feather_memory import ContextLayers, ParameterError, Store


@pytest.fixture
def deploys(store, clock):
    """Three memories about deploys, the best of them in the middle, and one about lunch."""
    for id_, text in (
        ("first", "Deploys need two reviews " + "by somebody who knows the service " * 3),
        ("second", "Deploys are on Tuesday"),
        ("lunch", "Lunch is at noon"),
        ("third", "Deploys of the web team are on Friday afternoon"),
    ):
        store.add(text, id=id_)
        clock.advance(hours=1)
    return store


def ids(hits):
    return [hit.memory.id for hit in hits]


def test_the_best_that_fit_come_in_the_order_of_time(deploys):
    asked = {"where": {"id": {"$ne": "lunch"}}}
    best = ids(deploys.search("Deploys on Tuesday", 3, **asked))

    both = deploys.recall("Deploys on Tuesday", budget_tokens=6 + 8 + 12 + 8, **asked)
    one = deploys.recall("Deploys on Tuesday", budget_tokens=6 + 8 + 12 + 7, **asked)

    assert best[0] == "second"
    assert ids(both) == ["second", "third"]
    assert ids(one) == ["second"]
    every = deploys.recall("Deploys on Tuesday", budget_tokens=10_000, **asked)
    assert ids(every) == ["first", "second", "third"]
    assert ids(deploys.recall("Deploys on Tuesday", 1, budget_tokens=10_000)) == ["second"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Deploys are on Tuesday", 6),
        ("部署在星期二进行", 8),
        ("デプロイは火曜日です", 10),
        ("배포는화요일입니다", 9),
        ("วันอังคาร", 9),
        ("релиз во вторник", 8),
        ("café", 2),
        ("OK 好的", 3),
    ],
)
def test_a_script_without_spaces_takes_a_token_a_character(store, text, tokens):
    store.add(text, id="it")
    question = {"text": text, "k": 1}

    assert ids(store.recall(**question, budget_tokens=8 + tokens)) == ["it"]
    assert ids(store.recall(**question, budget_tokens=8 + tokens - 1)) == []
    assert store.check() == []


def test_only_what_fits_is_logged(deploys):
    hits = deploys.recall("Deploys on Tuesday", budget_tokens=14, turn="t")

    assert ids(hits) == [memory.id for memory in deploys.plumbing.shown("t")] == ["second"]
    assert deploys.get("third").recalls == 0


def test_a_recall_of_nothing_says_why(deploys):
    assert deploys.recall("deploys").reason is None
    assert deploys.recall("deploys", budget_tokens=1).reason == (
        "nothing that was found fits 1 tokens"
    )
    assert deploys.recall("a nuclear reactor", min_relevance=0.3).reason == (
        "nothing is as relevant as 0.3"
    )
    nobodys = deploys.recall("deploys", session="nobody's", min_relevance=0.3)
    assert nobodys.reason == "there is nothing that may be returned"


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "9"])
def test_a_budget_that_means_nothing_is_refused(deploys, wrong):
    with pytest.raises(ParameterError, match="budget_tokens"):
        deploys.recall("deploys", budget_tokens=wrong)


def test_a_recall_says_what_was_said_later_of_what_it_returns_whether_or_not_that_fits(
    store, clock
):
    old = store.add("We deploy on Monday")
    clock.advance(days=1)
    new = store.add("We deploy on Thursday, that is the day on which we deploy " + "so, " * 50)

    def later(question="On which day do we deploy?", **budget):
        hits = store.recall(question, **budget)
        return ids(hits), {id_: [one.id for one in news] for id_, news in hits.later.items()}

    both = [old.id, new.id]
    assert later(budget_tokens=500) == (both, {old.id: [new.id]})
    assert later(budget_tokens=20) == ([old.id], {old.id: [new.id]})
    assert later() == (sorted(both, key=later()[0].index), {old.id: [new.id]})
    assert later(budget_tokens=1) == ([], {})
    assert store.search("On which day do we deploy?").later == {}
    store.link(new.id, old.id, "supersedes")
    assert later(budget_tokens=500) == ([new.id], {})
    assert store.check() == []


def test_of_layers_the_later_one_may_be_another_layer_s(tmp_path, clock):
    with (
        Store.open(tmp_path / "alice.feather", clock=clock) as mine,
        Store.open(tmp_path / "team.feather", clock=clock) as team,
    ):
        old = mine.add("We deploy on Monday")
        clock.advance(days=1)
        new = team.add("We deploy on Thursday")

        hits = ContextLayers(user=mine, team=team).recall("When do we deploy?", budget_tokens=99)

        assert ids(hits) == [old.id, new.id]
        assert {id_: [one.id for one in news] for id_, news in hits.later.items()} == {
            old.id: [new.id]
        }
        assert mine.check() == team.check() == []
