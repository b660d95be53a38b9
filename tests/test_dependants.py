"""What falls takes along what says the same because it is derived of the same, and nothing else."""

from __future__ import annotations

import random

import pytest

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
            beside = store.add(f"Drinks tea {side} {step}", id=f"beside-{side}-{n}-{step}").id
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
