"""Whose words stand over whose: a lower origin never supersedes a higher one, at any door."""

from __future__ import annotations

from itertools import product

import pytest

RANKS = {"user": 3, "document": 2, "import": 2, "tool": 1, "assistant": 0}
PAIRS = list(product(RANKS, RANKS))


def current(store):
    hits = store.search("home", k=99, distinct=False)
    return {hit.memory.id for hit in hits if "Home" in hit.memory.text}


DOORS = {
    "slot": lambda s, held, by: s.add("Home is Rome", key="home", origin=by),
    "slot, with an id": lambda s, held, by: s.add("Home is Rome", id="n", key="home", origin=by),
    "slot, in a batch": lambda s, held, by: s.add_many(
        [{"text": "tea"}, {"text": "Home is Rome", "key": "home", "origin": by}]
    )[1],
    "supersede": lambda s, held, by: s.supersede(held, "Home is Rome", origin=by),
    "link": lambda s, held, by: s.get(
        s.link(s.add("Home is Rome", origin=by).id, held, "supersedes").source
    ),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("held", "by"), PAIRS)
def test_equal_or_higher_origins_supersede_and_lower_ones_contest(store, door, held, by):
    old = store.add("Home is Oslo", key="home", origin=held)

    said = DOORS[door](store, old.id, by)

    edges = {(e.source, e.type, e.target) for e in store.edges(old.id)}
    assert (said.text, said.origin) == ("Home is Rome", by)
    if RANKS[by] >= RANKS[held]:
        assert edges == {(said.id, "supersedes", old.id)}
        assert current(store) == {said.id}
    else:
        assert edges == {(said.id, "contradicts", old.id)}
        assert current(store) == {old.id}
        assert said.valid_to == said.valid_from
        assert store.get(old.id) == old
        assert store.history(old.id) == [old]


@pytest.mark.parametrize(("held", "by"), PAIRS)
def test_an_id_that_is_written_again_keeps_the_words_of_the_higher_origin(store, held, by):
    store.add("Home is Oslo", id="a", origin=held)

    said = store.add("Home is Rome", id="a", origin=by)

    if RANKS[by] >= RANKS[held]:
        assert (said.id, said.origin, said.text) == ("a", by, "Home is Rome")
    else:
        assert (store.get("a").text, store.get("a").origin) == ("Home is Oslo", held)
        assert [(e.type, e.target) for e in store.edges(said.id)] == [("contradicts", "a")]
        assert current(store) == {"a"}
        assert store.add("Home is Rome", id="a", origin=by) == said, "a retry is no change"
        assert store.add("Home is Oslo", id="a", origin=by, valid_to=4e9) == store.get("a")
        assert store.get("a").valid_to is None


def test_a_later_word_of_a_lower_origin_does_not_end_an_older_one_that_is_written_late(store):
    """The order of writing is no door either."""
    later = store.add("Home is Rome", key="home", origin="assistant")
    older = store.add("Home is Oslo", key="home", valid_from="2020-01-01")

    assert current(store) == {older.id}
    assert [(e.source, e.type) for e in store.edges(older.id)] == [(later.id, "contradicts")]


def test_what_replaced_a_lower_origin_is_protected_as_itself(store):
    first = store.add("Home is Oslo", origin="assistant")
    stands = store.supersede(first.id, "Home is Bern")

    said = store.supersede(first.id, "Home is Rome", origin="assistant")

    assert current(store) == {stands.id}
    assert [(e.type, e.target) for e in store.edges(said.id)] == [("contradicts", stands.id)]


def test_a_suggestion_can_be_taken_up_and_falls_with_what_it_contests(store):
    oslo = store.add("Home is Oslo", key="home")
    rome = store.add("Home is Rome", key="home", origin="assistant")

    bern = store.add("Home is Bern", key="home")
    assert current(store) == {bern.id}
    taken = store.add("Home is Rome", key="home")
    assert (current(store), taken.supersedes) == ({taken.id}, (bern.id,))
    store.unsupersede(rome.id)
    assert current(store) == {taken.id, rome.id}
    assert store.get(oslo.id).superseded_by == (bern.id,)


# Derived


@pytest.mark.parametrize(("own", "of"), PAIRS)
def test_what_is_derived_comes_from_no_higher_origin_than_its_sources(store, own, of):
    turn = store.add("He said something", origin=of)
    fact = store.add("Home is Rome", origin=own)

    store.link(fact.id, turn.id, "derived_from")

    assert RANKS[store.get(fact.id).origin] == min(RANKS[own], RANKS[of])
    store.unlink(fact.id, turn.id, "derived_from")
    assert RANKS[store.get(fact.id).origin] == min(RANKS[own], RANKS[of]), "it is never raised"


def test_what_turns_out_to_be_derived_of_a_lower_origin_gives_back_what_it_replaced(store):
    oslo = store.add("Home is Oslo", key="home")
    rome = store.add("Home is Rome", key="home")
    store.add("Note: Rome", id="note")
    store.link(rome.id, "note", "derived_from")
    assert current(store) >= {rome.id}

    store.link("note", store.add("An answer", origin="assistant").id, "derived_from")

    assert [store.get(id_).origin for id_ in ("note", rome.id)] == ["assistant"] * 2
    assert oslo.id in current(store)
    assert rome.id not in current(store)
    assert ("contradicts", oslo.id) in {(e.type, e.target) for e in store.edges(rome.id)}


def test_what_has_replaced_a_laundered_fact_since_still_stands(store):
    oslo = store.add("Home is Oslo", key="home")
    rome = store.add("Home is Rome", key="home")
    bern = store.add("Home is Bern", key="home")

    store.link(rome.id, store.add("An answer", origin="tool").id, "derived_from")

    assert store.get(oslo.id).superseded_by == (bern.id,)
    assert current(store) == {bern.id}


def test_a_derived_memory_that_is_written_again_is_not_raised(store):
    store.add("Home is Rome", id="a")
    store.link("a", store.add("An answer", origin="assistant").id, "derived_from")

    assert store.add("Home is Bern", id="a").origin == "assistant"


@pytest.mark.parametrize("holder", RANKS)
@pytest.mark.parametrize("by", RANKS)
@pytest.mark.parametrize("how", ["above", "below", "beside", "twin"])
def test_what_falls_with_a_memory_is_what_its_successor_may_replace(store, clock, how, holder, by):
    """A memory of the assistant's, derived of what the user stated, is no way to retire that."""
    store.add("I have my Home in Oslo" if how != "twin" else "HOME is Oslo!", id="u", origin=holder)
    held = store.add("Home is Oslo", id="held", key="home", origin=by)
    if how == "beside":
        source = store.add("A Home", id="source")
        store.link(held.id, source.id, "derived_from")
        store.link("u", source.id, "derived_from")
    elif how == "above":
        store.link(held.id, "u", "derived_from")
    elif how == "below":
        store.link("u", held.id, "derived_from")
    lowered = store.get(held.id).origin
    holder = store.get("u").origin
    clock.advance(days=1)

    store.add("Home is Rome", key="home", origin=lowered)

    assert (store.get("u").valid_to is None) == (RANKS[holder] > RANKS[lowered])


# A person's own


def test_a_persons_correction_is_the_users(store):
    store.add("Home is Oslo", id="a", key="home", origin="user")
    store.recall("oslo home", turn="t")

    store.feedback("t", "corrected", memory_ids=["a"], correction="Home is Rome")

    (new,) = store.get("a").superseded_by
    assert store.get(new).origin == "user"


def test_a_correction_that_an_assistant_has_said_already_is_written_as_the_users(store):
    """What the assistant says may not replace what a user stated; the user's word may."""
    store.add("Home is Oslo", id="a")
    store.add("Home is Rome", id="b", origin="assistant")
    store.add("Home is Bern", id="c", origin="assistant")
    store.link("a", "c", "supersedes")
    store.link("b", "c", "supersedes")
    store.recall("oslo home", turn="t")

    store.feedback("t", "corrected", memory_ids=["a"], correction="Home is Rome")

    (new,) = store.get("a").superseded_by
    assert (store.get(new).text, store.get(new).origin) == ("Home is Rome", "user")


def test_what_contests_memories_is_told_of_all_that_are_there_at_once(store):
    held = [store.add(f"Home {nth} is Oslo", key=f"home {nth}") for nth in range(3)]
    for one in held[:2]:
        store.add(f"{one.text}, or Rome", key=one.key, origin="assistant")
    gone = store.add("Tea is green")
    store.forget([gone.id])
    ids = [*(one.id for one in held), gone.id, "nobody"]

    told = store.plumbing.contesting(ids)

    assert told == {one.id: [f"{one.text}, or Rome"] for one in held[:2]}
    assert store.plumbing.contesting([]) == {}
    assert store.check() == []
