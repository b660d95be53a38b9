"""What falls takes along what says the same because it is derived of the same, and nothing else."""

from __future__ import annotations

import random

import pytest

from feather_memory import Store
from feather_memory.agent import Opened, correct
from feather_memory.config import DAY

CITIES = "Oslo Lisbon Quito Hanoi Accra Turin Porto Kyiv Riga Split".split()  # noqa: SIM905


def current(store, **asked):
    return {
        hit.memory.id
        for hit in store.search("lives home summary tea", k=500, distinct=False, **asked)
    }


def a_chain(store, draw, depth, old):
    """A fact, and what says the same up to so many steps away, on either side, with bystanders.

    Returns:
        The fact's id, ids of what has to fall with it, of what must not.
    """
    n = draw.randrange(10**9)
    fact = store.add(f"Person{n} lives in {old}", id=f"fact-{n}").id
    dependants, bystanders = [], []
    for side in ("turn", "summary"):
        last = fact
        for step in range(depth):
            text = draw.choice(
                [
                    f"I have been in {old} since May",
                    f"Summary {n}: lives in {old}. Drinks tea.",
                    f"{old.upper()}! It is home.",
                ]
            )
            here = store.add(f"{text} {side} {step}", id=f"{side}-{n}-{step}").id
            store.link(*((last, here) if side == "turn" else (here, last)), "derived_from")
            dependants.append(here)
            key = draw.choice([None, f"home-of-other-{n}-{side}-{step}"])
            text = draw.choice([f"Other{n} lives in {old}", "Drinks tea"])
            name = f"beside-{side}-{n}-{step}"
            beside = store.add(f"{text} {side} {step}", id=name, key=key).id
            store.link(*((beside, here) if side == "turn" else (here, beside)), "derived_from")
            bystanders.append(beside)
            last = here
    bystanders.append(store.add(f"A summary of other things in {old} {n}", id=f"else-{n}").id)
    both = store.add(f"Moved from {old} to Bergen {n}", id=f"both-{n}").id
    store.link(both, fact, "derived_from")
    return fact, dependants, [*bystanders, both]


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("way", ["supersede", "link", "slot", "feedback"])
def test_all_that_says_the_same_falls_and_comes_back_and_no_bystander_does(
    store, clock, depth, way
):
    draw = random.Random(f"{depth}/{way}")
    for _ in range(3):
        fact, dependants, bystanders = a_chain(store, draw, depth, draw.choice(CITIES))
        if way == "slot":
            store.update(fact, key=f"home-{fact}")
        before, then = current(store), clock() + 1  # each write is after the one before
        clock.advance(days=1)

        if way == "supersede":
            new = store.supersede(fact, "They live in Bergen").id
        elif way == "link":
            new = store.add("They live in Bergen", metadata={"for": fact}).id
            store.link(new, fact, "supersedes")
        elif way == "slot":
            new = store.add("They live in Bergen", key=f"home-{fact}").id
        else:
            store.recall("x", turn=fact, vector=store.get(fact).vector, k=1, where={"id": fact})
            store.feedback(fact, "corrected", memory_ids=[fact], correction="They live in Bergen")
            (new,) = store.get(fact).superseded_by

        now = current(store)
        assert now.isdisjoint([fact, *dependants])
        assert now >= {*bystanders, new}
        assert current(store, as_of=then, known_at=then) == before
        assert current(store, as_of=then) >= {fact, *dependants}
        assert [memory.id for memory in store.history(fact)] == [fact, new]

        store.unsupersede(fact, new)
        assert current(store) == {*before, new}
        assert all(store.get(id_).valid_to is None for id_ in dependants)
        store.forget(new)
        clock.advance(days=1)


def test_what_is_linked_only_later_falls_as_if_it_had_been_before(store, clock):
    fact = store.add("Home is Oslo", key="home")
    turn = store.add("I moved to Oslo")
    clock.advance(days=1)
    new = store.add("Home is Bergen", key="home")
    assert turn.id in current(store)

    store.link(fact.id, turn.id, "derived_from")
    assert turn.id not in current(store)

    store.unsupersede(fact.id, new.id)
    assert turn.id in current(store)


def test_of_two_that_take_it_along_one_that_comes_back_leaves_it_withheld(store, clock):
    home = store.add("Home is Oslo", key="home")
    work = store.add("Work is Turin", key="work")
    both = store.add("Between Oslo and Turin")
    store.link(both.id, home.id, "derived_from")
    store.link(both.id, work.id, "derived_from")
    first = store.add("Home is Bergen", key="home")
    second = store.add("Work is Porto", key="work")

    store.unsupersede(home.id, first.id)
    assert both.id not in current(store)
    store.unsupersede(work.id, second.id)
    assert both.id in current(store)


def test_when_the_change_holds_from_another_moment_so_does_what_fell_with_it(store, clock):
    start = clock()
    home = store.add("Home is Oslo", key="home")
    turn = store.add("I moved to Oslo")
    store.link(home.id, turn.id, "derived_from")
    clock.advance(days=10)
    new = store.add("Home is Bergen", key="home")

    store.update(new.id, valid_from=start + 5 * DAY)
    assert store.get(turn.id).valid_to == store.get(home.id).valid_to
    assert turn.id in current(store, as_of=start + 4 * DAY)
    assert turn.id not in current(store, as_of=start + 6 * DAY)
    store.unsupersede(home.id)
    assert store.get(turn.id).valid_to is None


def test_what_denies_a_fact_takes_along_what_says_it(store):
    """Its words are all in the new one, which took none away."""
    dog = store.add("Rex is a dog", key="rex")
    turn = store.add("I have a dog called Rex")
    store.link(dog.id, turn.id, "derived_from")
    store.add("Rex is a dog no longer", key="rex")

    assert turn.id not in {hit.memory.id for hit in store.search("dog Rex", k=9)}


# Bystanders: what has the same value, and is about something else


PEOPLE = [
    ("english", "Alice lives in {}", "Bob lives in {}", "Alice and Bob live in {}", "Oslo", "Rome"),
    ("german", "Anna wohnt in {}", "Jens wohnt in {}", "Anna und Jens wohnen in {}", "Ulm", "Bonn"),
    ("russian", "Анна живёт в {}", "Иван живёт в {}", "Анна и Иван живут в {}", "Москве", "Риме"),
    ("simple", "田中さんは{}に住んでいます", "鈴木さんは{}に住んでいます",
     "田中さんと鈴木さんは{}に住んでいます", "大阪", "京都"),
    ("arabic", "سارة تسكن في {}", "خالد يسكن في {}", "سارة وخالد يسكنان في {}", "عمان", "دمشق"),
]  # fmt: skip


@pytest.mark.parametrize("has_keys", [True, False])
@pytest.mark.parametrize("joined_by", ["summary", "turn"])
@pytest.mark.parametrize(("language", "one", "other", "both", "old", "new"), PEOPLE)
def test_what_is_about_somebody_else_stays_though_it_came_of_the_same(
    tmp_path, clock, language, one, other, both, old, new, joined_by, has_keys
):
    key = (lambda name: name) if has_keys else (lambda name: None)
    with Store.open(tmp_path / "a.feather", clock=clock, language=language) as store:
        hers = store.add(one.format(old), key=key("hers"))
        his = store.add(other.format(old), key=key("his"))
        store.add(both.format(old), id="both")
        for fact in (hers, his):
            ends = (fact.id, "both") if joined_by == "turn" else ("both", fact.id)
            store.link(*ends, "derived_from")
        clock.advance(days=1)

        moved = store.supersede(hers.id, one.format(new))

        assert store.get(his.id).valid_to is None
        assert store.get("both").valid_to is not None, "it says her old home"
        store.unsupersede(hers.id, moved.id)
        assert store.get("both").valid_to is None
        assert store.check() == []


@pytest.mark.parametrize(
    ("lives", "knows", "again"),
    [
        ("Alice lives in {}", "Alice has a friend in {}", "Alice is living in {}"),
        ("Anna wohnt in {}", "Anna hat eine Freundin in {}", "Noch wohnt Anna in {}"),
        ("Анна живёт в {}", "Анна купила билет в {}", "Анна сейчас живёт в {}"),
    ],
)
@pytest.mark.parametrize("joined_by", ["summary", "turn"])
def test_what_the_same_person_has_to_do_with_the_value_otherwise_stays(
    store, clock, lives, knows, again, joined_by
):
    fact = store.add(lives.format("Oslo"), key="home")
    store.add(knows.format("Oslo"), id="bystander")
    store.add(again.format("Oslo"), id="same")
    store.add(f"{lives} {knows}".replace("{}", "Oslo"), id="both")
    for id_ in (fact.id, "bystander", "same"):
        ends = (id_, "both") if joined_by == "turn" else ("both", id_)
        store.link(*ends, "derived_from")
    clock.advance(days=1)

    store.add(lives.format("Rome"), key="home")

    assert store.get("bystander").valid_to is None
    assert store.get("both").valid_to is not None
    falls_by_the_turn = joined_by == "turn"  # what a summary was made of besides is beside nothing
    assert (store.get("same").valid_to is not None) == falls_by_the_turn


def test_a_slot_that_fell_and_was_taken_since_has_one_value_when_it_comes_back(store, clock):
    store.add("I live in Oslo", id="turn")
    old = store.add("The user lives in Oslo", key="home")
    store.link(old.id, "turn", "derived_from")
    clock.advance(days=1)
    corrected = store.supersede("turn", "I live in Lisbon")
    assert store.get(old.id).valid_to is not None
    new = store.add("The user lives in Lisbon", key="home")

    store.unsupersede("turn", corrected.id)

    assert (store.get(old.id).superseded_by, store.get(new.id).valid_to) == ((new.id,), None)


# Twins: what says the very same


@pytest.mark.parametrize("text", ["I live in Oslo", "Ich wohne in Ulm", "大阪に住んでいます"])
@pytest.mark.parametrize("way", ["supersede", "link", "slot", "feedback", "batch"])
def test_what_says_the_very_same_falls_with_it_and_comes_back_with_it(store, clock, way, text):
    store.add(text, id="m1", role="user", session="s1", metadata={"message_id": "1"})
    store.add(f"A summary: {text}", id="of m1")
    store.link("of m1", "m1", "derived_from")
    clock.advance(days=1)
    key = "home" if way in {"slot", "batch"} else None
    fact = store.add(f"{text}!", id="m2", key=key, role="user", session="s2")
    before = current(store)
    clock.advance(days=1)

    corrected = "I live in Lisbon, 京都"
    if way == "supersede":
        new = store.supersede(fact.id, corrected).id
    elif way == "link":
        new = store.add(corrected).id
        store.link(new, fact.id, "supersedes")
    elif way == "slot":
        new = store.add(corrected, key="home").id
    elif way == "batch":
        new = store.add_many([{"text": "tea"}, {"text": corrected, "key": "home"}])[1].id
    else:
        store.recall(text, turn="t", where={"id": fact.id})
        store.feedback("t", "corrected", correction=corrected)
        (new,) = store.get(fact.id).superseded_by

    held = {id_: store.get(id_).valid_to is None for id_ in ("m1", "m2", "of m1")}
    assert held == {"m1": False, "m2": False, "of m1": False}
    assert store.get("m1").superseded_by == ()
    store.unsupersede(fact.id, new)
    assert all(store.get(id_).valid_to is None for id_ in held)
    assert current(store) >= before


@pytest.mark.parametrize(
    "about",
    [
        {"key": "the key of something else"},
        {"actor": "bob"},
        {"metadata": {"user": "bob"}},
        {"text": "Do I live in Oslo?"},
        {"text": "I live in Oslo too"},
    ],
)
def test_who_may_be_somebody_else_does_not_fall_with_equal_words(store, clock, about):
    store.add(**{"text": "I live in Oslo", "id": "other", **about})
    store.add("I live in Oslo", id="fact", actor="alice", metadata={"turn": "t"})
    clock.advance(days=1)

    store.supersede("fact", "I live in Lisbon", actor="alice")

    assert store.get("other").valid_to is None


def test_what_is_said_after_the_change_does_not_fall_with_it(store, clock):
    store.add("I live in Oslo", id="fact", key="home")
    clock.advance(days=1)
    new = store.add("I live in Lisbon", key="home")
    clock.advance(days=1)
    store.add("I live in Oslo", id="said anew")
    store.update(new.id, valid_from=clock() - 1.5 * DAY)

    assert store.get("said anew").valid_to is None


@pytest.mark.parametrize("in_a_batch", [False, True])
def test_what_a_batch_replaces_takes_along_what_it_says_late(store, clock, in_a_batch):
    begun = clock() - 100 * DAY
    said = [
        {"id": "a", "text": "Alice lives in Paris", "key": "home", "valid_from": begun},
        {"id": "b", "text": "Alice lives in Rome", "key": "home", "valid_from": begun + 2 * DAY},
        {"id": "c", "text": "Alice lives in Paris", "valid_from": begun + DAY},
    ]
    if in_a_batch:
        store.add_many(said)
    else:
        for record in said:
            store.add(**record)

    assert store.get("c").valid_to == store.get("b").valid_from


def test_what_is_to_end_takes_along_what_is_said_late(store, clock):
    store.add("Alice lives in Paris", key="home", valid_from=clock() - 9 * DAY)
    new = store.add("Alice lives in Rome", key="home", valid_from=clock() + 5 * DAY)

    store.add_many([{"id": "c", "text": "Alice lives in Paris", "valid_from": clock() - DAY}])

    assert store.get("c").valid_to == new.valid_from


@pytest.mark.parametrize("in_a_batch", [False, True])
@pytest.mark.parametrize("said_after", [False, True])
def test_a_users_turn_that_is_written_late_falls_as_it_would_have_in_time(
    store, clock, in_a_batch, said_after
):
    """An old chat, imported after the correction: its date says that it was said before."""
    store.add("Alice lives in Oslo", key="home")
    clock.advance(days=9)
    before = clock() - DAY
    new = store.add("Alice lives in Lisbon", key="home")
    clock.advance(days=9)

    turn = {"text": "Alice lives in Oslo", "id": "turn", "role": "user",
            "valid_from": clock() - DAY if said_after else before}  # fmt: skip
    late = store.add_many([{"text": "tea"}, turn])[1] if in_a_batch else store.add(**turn)

    assert (late.manner, late.valid_to) == (
        ("statement", None) if said_after else ("statement", new.valid_from)
    )
    assert store.get("turn").valid_to == late.valid_to
    then = {hit.memory.id for hit in store.search("Oslo", as_of=before + 1, distinct=False)}
    assert ("turn" in then) != said_after


@pytest.mark.parametrize("of", [{"title": "Moving"}, {"model": "m-1"}, {"topic": "homes"}])
@pytest.mark.parametrize("turn_has_it", [True, False])
def test_a_turn_falls_with_the_same_words_whatever_title_the_two_have_of_it(store, of, turn_has_it):
    """A fact that was made of a turn has the turn's metadata and session, and no role."""
    beside = of if turn_has_it or "topic" in of else {}
    turn = store.add("I live in Oslo", role="user", session="s", metadata=beside)
    fact = store.add("I live in Oslo", key="home", session="s", metadata=of)
    other = store.add("I live in Oslo", metadata={"title": "On me"})

    new = store.add("I live in Lisbon", key="home")

    assert store.get(turn.id).valid_to is not None
    assert store.get(other.id).valid_to is None
    store.unsupersede(fact.id, new.id)
    assert store.get(turn.id).valid_to is None
    assert store.check() == []


@pytest.mark.parametrize("origin", ["user", "assistant"])
def test_a_turn_falls_with_a_correction_that_said_the_same(store, clock, origin):
    of = {"title": "Moving", "model": "m-1"}
    wrong = store.add("I live in Oslo", role="user", session="s", metadata=of, origin=origin)
    corrected = correct(Opened.of(store), wrong.id, "I live in Rome", origin=origin)
    assert (corrected.role, corrected.metadata["title"]) == (None, "Moving")
    turn = store.add(
        "I live in Rome", role="user", session="s", metadata=of, origin=origin, id="turn"
    )
    clock.advance(days=1)

    store.supersede(corrected.id, "I live in Lisbon", origin=origin)

    assert store.get(turn.id).valid_to is not None
    assert store.check() == []
