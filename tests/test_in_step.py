"""What an open store takes over from one search to the next is what a fresh store finds."""

import random
from itertools import count

import numpy as np
import pytest

from feather_memory import F, Store, config
from feather_memory.search import searcher
from feather_memory.testing import HashEmbedder
from feather_memory.truth.sqlite.handles import Handles

QUESTIONS = ["What does Ada drink?", "what does Bo Lee like", "tea", "who said it in May?"]
FACTS = ~F("manner").is_in(["question", "echo"]) | (F("origin") == "document")
FILTERS = [None, FACTS, F("n") == 1, F("n") == True, F("recalls") > 0, F("session") == "s1"]  # noqa: E712


class Counting(HashEmbedder):
    """Knows what it was asked."""

    def __init__(self):
        super().__init__(dim=16)
        self.asked = []

    def __call__(self, texts):
        self.asked += texts
        return super().__call__(texts)


@pytest.fixture
def asked():
    return Counting()


@pytest.fixture
def spoken(path, clock, asked):
    """A store with two who speak, and another process's."""
    with (
        Store.open(path, embedder=asked, clock=clock) as store,
        Store.open(path, embedder=HashEmbedder(dim=16), clock=clock) as others,
    ):
        store.add("I drink green tea", id="tea", actor="Ada", session="s1")
        store.add("I like trains", id="trains", actor="Bo Lee", session="s1")
        store.search("tea")
        asked.asked.clear()
        yield store, others
        assert store.check() == []


def answers(store):
    """Everything that searches say, to the last bit."""
    return [
        (hit.memory, hit.score.parts, hit.copies)
        for question in QUESTIONS
        for where in FILTERS
        for hit in store.search(question, 4, where=where)
    ]


def write(store, lucky, number):
    """Something that anybody may do."""
    held = [memory.id for memory in store.iterate()]
    some = lucky.choice(held) if held else None
    match lucky.randrange(9 if held else 1):
        case 0 | 1:
            who = lucky.choice([None, "Ada", "Bo Lee", "Cy"])
            what = lucky.choice(["I drink tea", "Ada likes milk?", "Bo drinks cocoa", "May 2024"])
            store.add(
                what, id=f"m{next(number)}", actor=who, session=lucky.choice([None, "s1", "s2"]),
                metadata={"n": lucky.choice([1, True, "one"])},
            )  # fmt: skip
        case 2:
            store.recall(lucky.choice(QUESTIONS), 2, turn=f"t{lucky.randrange(6)}")
        case 3 | 4:
            turn = f"t{lucky.randrange(6)}"
            if store.recall(lucky.choice(QUESTIONS), 2, turn=turn):
                store.feedback(turn, lucky.choice(["liked", "disliked"]))
        case 5:
            store.supersede(some, "Ada drinks water", id=f"m{next(number)}")
        case 6:
            store.forget([some])
        case 7:
            store.update(some, text="I drink nothing", importance=lucky.random())
        case 8:
            store.signal(some, "liked", event_id=f"e{next(number)}")


@pytest.mark.parametrize("seed", range(3))
def test_an_open_store_answers_as_a_fresh_one_whatever_others_did(seed, path, clock, monkeypatch):
    monkeypatch.setattr(config, "RECALL_TURNS", 3)  # turns fall out of the log, too
    lucky, number = random.Random(seed), count()
    open_ = {"embedder": HashEmbedder(dim=16), "clock": clock}
    with Store.open(path, **open_) as store, Store.open(path, **open_) as others:
        for _ in range(12):
            for _ in range(lucky.randrange(1, 4)):
                clock.advance(seconds=60)
                write(lucky.choice([store, others]), lucky, number)
            with Store.open(path, **open_, read_only=True) as fresh:
                assert answers(store) == answers(fresh)
        assert store.check() == []


def test_a_question_is_embedded_once_though_the_store_is_written_to(spoken, asked):
    store, others = spoken
    others.add("I like ships", actor="Cy", session="s2")

    store.search("What does Ada drink?")
    store.recall("What does Ada drink?")
    store.recall("What does Ada drink?")

    assert asked.asked == ["What does I drink?"] * 3


@pytest.fixture
def connected(monkeypatch):
    """The connections that were made to files."""
    made, connect = [], Handles.connect
    monkeypatch.setattr(Handles, "connect", lambda self: made.append(connect(self)) or made[-1])
    return made


@pytest.mark.file
def test_a_question_that_is_put_anew_keeps_the_connection_it_was_read_by(spoken, asked, connected):
    store, others = spoken
    for name in ("Cya", "Cyb", "Cyc"):
        others.add("I like ships", actor=name, session="s2")
        connected.clear()

        store.search(f"What does {name} like?")

        assert asked.asked[-1] == "What does I like?"
        assert connected == []


@pytest.mark.file
def test_a_question_that_others_write_amid_keeps_the_connection_it_was_read_by(
    spoken, connected, monkeypatch
):
    """They have written by the time it reads what is in no array, and it is asked once more."""
    store, others = spoken
    truth, known = store._core.truth, store._core.truth.generation

    def generation():
        found = known()
        others.add("Ada drinks cocoa", actor="Cy", session="s2")
        connected.clear()
        return found

    for n in range(3):
        monkeypatch.setattr(truth, "generation", generation)
        found = store.search("cocoa", where=F("n") != n)  # a filter that was never asked before
        monkeypatch.setattr(truth, "generation", known)

        assert "Ada drinks cocoa" in {hit.memory.text for hit in found}
        assert connected == []


@pytest.mark.parametrize("verb", ["search", "recall", "context_chain"])
def test_who_speaks_since_a_moment_ago_is_put_as_i(verb, spoken, asked, path, clock):
    store, others = spoken
    others.add("I like ships", actor="Cy", session="s2")

    found = getattr(store, verb)("What does Cy like?")

    assert asked.asked == ["What does Cy like?", "What does I like?"]
    with Store.open(path, embedder=HashEmbedder(dim=16), clock=clock, read_only=True) as fresh:
        again = fresh.search("What does Cy like?")
    assert np.array_equal(found.question, again.question)


def test_who_speaks_no_more_is_put_as_nobody(spoken, asked):
    store, others = spoken
    others.forget(["tea"])

    store.search("What does Ada drink?")

    assert asked.asked[-1] == "What does Ada drink?"


def test_a_recall_arranges_nothing_anew_but_a_write_does(spoken):
    store, others = spoken

    def arranged():
        with searcher.Searcher.over(store._core.truth, store._core.columns) as now:
            return now.turns

    store.recall("tea")
    before = arranged()
    others.recall("tea")
    assert arranged() is before

    others.add("I like ships", actor="Cy", session="s2")
    assert arranged() is not before


def test_one_look_is_enough_for_a_question(spoken, monkeypatch):
    """Of what others wrote: a worker knows at its next call, and looks once."""
    store, others = spoken
    looks = []
    known = type(store._core.truth).generation
    monkeypatch.setattr(
        type(store._core.truth), "generation", lambda self: looks.append(1) or known(self)
    )

    others.add("Cy drinks tea", id="new")
    found = store.search("tea")

    assert "new" in {hit.memory.id for hit in found}
    assert len(looks) == 1


@pytest.mark.parametrize("way", ["asked again after it fell out", "liked before it is asked"])
def test_a_like_of_a_turn_that_is_logged_later_counts_at_once(store, path, clock, way, monkeypatch):
    monkeypatch.setattr(config, "RECALL_TURNS", 3)
    for text in ("Alice likes green tea", "Bob drives a lorry", "new tyres in winter"):
        store.add(text, id=text.split()[0])
    question, bob = "who drives a lorry", F("id") == "Bob"
    if way == "liked before it is asked":
        store.signal("Alice", "liked", turn="t")
    else:
        store.recall(question, k=3, turn="t")
        store.feedback("t", "liked", memory_ids=["Alice"])
        for other in range(5):
            store.recall("tyres in winter", k=1, where=F("id") == "new", turn=f"other{other}")
    store.search(question)

    store.recall(question, k=1, where=bob, turn="t", reinforce=False)

    def liked(opened):
        return {hit.memory.id: hit.score.parts["liked"] for hit in opened.search(question)}

    with Store.open(path, embedder=HashEmbedder(dim=64), clock=clock) as fresh:
        assert liked(store) == liked(fresh)
    assert liked(store)["Alice"] > 0
