"""A like remembers its question: later questions that are like it profit, within a bound."""

import sqlite3

import numpy as np
import pytest

from feather_memory import ContextLayers, F, Scoring, Store, TenantPool, config
from feather_memory.agent import Opened, RecallOptions, recalled, told
from feather_memory.model.records import TurnRecord
from feather_memory.model.structure import remembered
from feather_memory.truth.sqlite import engagement

QUESTION = np.array([1.0, 0.0, 0.0, 0.0])
OTHER = np.array([0.0, 1.0, 0.0, 0.0])
PLAIN = Scoring(time_weight=0, importance_weight=0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.feather"


@pytest.fixture
def store(path):
    with Store.open(path) as opened:
        opened.add("first", id="first", vector=[0.8, 0.6, 0.1, 0.0])
        opened.add("second", id="second", vector=[0.79, 0.6, 0.1, 0.05])
        opened.add("far", id="far", vector=[-1.0, 0.0, 0.3, 0.0])
        yield opened
        assert opened.check() == []


def liked_in(store, vector, **options):
    hits = store.search(vector=vector, k=3, scoring=PLAIN, **options)
    return {hit.memory.id: round(hit.score.liked, 6) for hit in hits if hit.score.liked}


def like(store, memory_id, vector=QUESTION, **how):
    turn = store.recall(vector=vector, k=3).turn
    return store.feedback(turn, "liked", memory_ids=[memory_id], **how)


def test_a_second_like_counts_at_once_and_so_does_taking_it_back(store, path):
    """Although its importance stays as it is."""
    like(store, "second", vector=OTHER)
    assert liked_in(store, QUESTION) == {}
    given = like(store, "second")

    with Store.open(path) as again:
        assert liked_in(store, QUESTION) == liked_in(again, QUESTION) != {}
        for signal in given:
            store.unsignal(signal.event_id)
        assert liked_in(store, QUESTION) == liked_in(again, QUESTION) == {}


def test_a_like_counts_for_the_same_question_and_less_for_one_that_is_like_it(store):
    assert liked_in(store, QUESTION) == {}
    like(store, "second")

    assert liked_in(store, QUESTION) == {"second": 0.15}
    near = np.array([0.9, 0.4358899, 0.0, 0.0])
    assert liked_in(store, near) == {"second": pytest.approx(0.15 / 2, abs=1e-6)}
    assert liked_in(store, np.array([0.79, 0.6131, 0.0, 0.0])) == {}
    assert liked_in(store, OTHER) == {}
    best = store.search(vector=QUESTION, k=1, scoring=PLAIN)[0]
    assert best.memory.id == "second"
    assert sum(best.score.parts.values()) == pytest.approx(best.score, abs=1e-9)
    assert (
        store.search(vector=QUESTION, k=1, scoring=PLAIN.replace(structure=False))[0].memory.id
        == "first"
    )


def test_it_is_taken_back_with_the_like(store):
    (signal,) = like(store, "second")
    store.unsignal(signal.event_id)

    assert liked_in(store, QUESTION) == {}


def test_a_shared_like_counts_for_a_share(store):
    turn = store.recall(vector=QUESTION, k=3).turn
    store.feedback(turn, "liked")

    assert set(liked_in(store, QUESTION).values()) == {round(0.15 / 3, 6)}


def test_only_a_like_remembers(store):
    for kind in ("disliked", "copied", "saved", "used"):
        turn = store.recall(vector=QUESTION, k=3).turn
        store.feedback(turn, kind, memory_ids=["second"])

    assert liked_in(store, QUESTION) == {}


def test_another_process_sees_it_and_so_does_a_store_that_is_opened_again(store, path):
    like(store, "second")

    with Store.open(path) as again:
        assert liked_in(again, QUESTION) == {"second": 0.15}
        (signal,) = store.signals("second")
        store.unsignal(signal.event_id)
        assert liked_in(again, QUESTION) == {}


@pytest.mark.file
def test_forgetting_any_memory_of_the_turn_erases_what_was_asked(store, path):
    asked = np.array([0.123456, 0.654321, 0.111111, 0.222222], np.float32)
    like(store, "second", asked)
    wide = asked.astype(np.float64)
    kept = (wide / np.sqrt(wide @ wide)).astype(np.float32).tobytes()  # at unit length
    assert kept in everything(path), "the control: it is there before"

    store.forget("first")

    assert liked_in(store, asked) == {}
    assert kept not in everything(path)


def everything(path):
    return b"".join(each.read_bytes() for each in path.parent.iterdir())


def test_another_models_questions_are_not_compared(store):
    like(store, "second")

    store.reembed(lambda texts: np.ones((len(texts), 4)), embedder_name="other")

    assert liked_in(store, QUESTION) == {}


def kept_questions(path):
    """How many vectors of questions a file holds, read without the store."""
    with sqlite3.connect(path) as connection:
        return connection.execute("select count(vector) from turn").fetchone()[0]


def questions_of(store):
    """How many a store keeps, wherever it is."""
    with store.plumbing.everything() as records:
        turns = [each for each in records if isinstance(each, TurnRecord)]
    return sum(turn.vector is not None for turn in turns)


@pytest.mark.parametrize("known_as", ["turn", "also"])
def test_forgetting_the_message_that_asked_erases_what_was_asked(store, known_as):
    store.add("which was it?", id="message", vector=OTHER)
    store.add("which else?", id="another", vector=OTHER)
    turn = "message" if known_as == "turn" else "run"
    store.recall(vector=QUESTION, k=1, turn=turn)
    if known_as == "also":
        store.plumbing.name_turn("run", "message")
    store.feedback("message", "liked")

    store.forget("another")
    assert liked_in(store, QUESTION) == {"first": 0.15}, "the control: another's id erases nothing"
    store.forget("message")

    assert liked_in(store, QUESTION) == {}
    assert questions_of(store) == 0


def test_a_turn_that_was_shown_nothing_keeps_no_question(store):
    """No forgetting would erase it."""
    assert store.recall(vector=QUESTION, min_relevance=1.0, where={"id": "none"}) == []
    assert questions_of(store) == 0

    store.recall(vector=QUESTION)

    assert questions_of(store) == 1, "the control"


def test_of_layers_the_nearest_remembers_and_it_alone(tmp_path):
    """What its owner asked lies in no file that others own."""
    with TenantPool(
        tmp_path, embedder=lambda texts: np.eye(4)[[len(t) % 4 for t in texts]]
    ) as pool:
        layers = ContextLayers(user=pool.get("u"), team=pool.get("t"))
        layers["user"].add("tea", id="mine")
        layers["team"].add("milk", id="ours")
        turn = layers.recall("tea").turn
        layers.feedback(turn, "liked", memory_ids=["mine", "ours"])

        liked = {hit.memory.id: hit.score.liked for hit in layers.search("tea")}

        assert liked == {"mine": pytest.approx(0.075), "ours": 0}
        assert kept_questions(layers["user"].path) == 1
        assert kept_questions(layers["team"].path) == 0
        layers["user"].forget("mine")
        assert kept_questions(layers["user"].path) == 0
        assert layers.recall("milk").turn
        assert kept_questions(layers["team"].path) == 0
        assert all(pool.get(name).check() == [] for name in pool.tenants())


@pytest.mark.parametrize("hops", [0, 1])
@pytest.mark.parametrize("verb", [told, recalled])
def test_what_an_adapter_shows_remembers_its_question(tmp_path, verb, hops):
    def embed(texts):
        return np.eye(4)[[int("lake" in text) for text in texts]] + 0.1

    with Store.open(tmp_path / "b.feather", embedder=embed) as store:
        store.add("Alice paints lakes", id="a")
        verb(Opened.of(store), "who paints lakes", RecallOptions(hops=hops), turn="t")
        store.feedback("t", "liked")

        (hit,) = store.search("who paints lakes", k=1)
        assert hit.score.liked == pytest.approx(0.15)
        assert store.check() == []


def test_a_question_is_not_the_same_up_to_a_cosine_of_eight_tenths():
    given = np.array([-1.0, 0.0, 0.8, 0.9, 1.0])

    assert remembered(given).tolist() == pytest.approx([0, 0, 0, 0.5, 1])


def test_a_like_whose_turn_falls_out_of_the_log_counts_no_more_at_once(store, path, monkeypatch):
    """Although nothing that was liked then is shown since."""
    monkeypatch.setattr(config, "RECALL_TURNS", 2)
    like(store, "second")
    assert liked_in(store, QUESTION) == {"second": 0.15}

    for _ in range(3):
        store.recall(vector=-QUESTION, k=1, where=F("id") == "far")

    with Store.open(path) as again:
        assert liked_in(store, QUESTION) == liked_in(again, QUESTION) == {}


def test_a_turn_that_is_asked_something_else_remembers_that_at_once(store, path):
    """Although it is shown nothing that it was not shown before."""
    turn = store.recall(vector=QUESTION, k=3).turn
    store.feedback(turn, "liked", memory_ids=["second"])
    assert liked_in(store, QUESTION) == {"second": 0.15}

    store.recall(vector=OTHER, k=3, turn=turn)

    with Store.open(path) as again:
        assert liked_in(store, QUESTION) == liked_in(again, QUESTION) == {}
        assert liked_in(store, OTHER) == liked_in(again, OTHER) == {"second": 0.15}


def test_a_like_of_what_is_new_since_the_last_search_counts_at_once(store, path):
    assert liked_in(store, QUESTION) == {}
    with Store.open(path) as others:
        others.add("third", id="third", vector=[0.8, 0.6, 0.0, 0.1])
        turn = others.recall(vector=QUESTION, k=1, where=F("id") == "third").turn
        others.feedback(turn, "liked")

        assert liked_in(store, QUESTION) == liked_in(others, QUESTION) == {"third": 0.15}


@pytest.mark.file
def test_only_likes_of_what_was_touched_are_read_again(store, monkeypatch):
    like(store, "second")
    liked_in(store, QUESTION)
    asked = []
    known = engagement.SqliteEngagement.liked
    monkeypatch.setattr(
        engagement.SqliteEngagement, "liked",
        lambda self, **since: asked.append(known(self, **since)) or asked[-1],
    )  # fmt: skip

    store.recall(vector=QUESTION, k=1, where=F("id") == "far")

    assert liked_in(store, QUESTION) == {"second": 0.15}
    assert asked == [[]]
