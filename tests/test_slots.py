"""Of a slot, at most one memory is current at any moment, unless the user says otherwise."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feather_memory import Store
from feather_memory.config import DAY
from feather_memory.errors import ParameterError
from feather_memory.testing import FrozenClock

START = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = ("home", "work")
DAYS = range(-2, 5)
days = st.integers(DAYS.start, DAYS.stop - 1)
ends = st.sampled_from([None] * 14 + list(DAYS))
places = st.integers(0, 9)
keys = st.sampled_from(["home"] * 5 + ["work"])
RARE = st.one_of(
    st.tuples(st.just("unsupersede"), places, places),
    st.tuples(st.just("rekey"), places, st.none() | keys),
    st.tuples(st.just("forget"), places),
    st.tuples(st.just("wait"), places),
)
ADDED = st.tuples(st.just("add"), keys, st.none() | days, ends)
REPLACED = st.tuples(st.just("supersede"), places, st.none() | days, ends)
MOVED = st.tuples(st.just("move"), places, days, ends)
LINKED = st.tuples(st.just("link"), places, places)
STEPS = st.one_of(ADDED, ADDED, REPLACED, REPLACED, MOVED, LINKED, RARE)


def at(day):
    return None if day is None else START + timedelta(days=day)


class Slots:
    """Does random things to a store, and knows which pairs the user left side by side."""

    def __init__(self, store, clock):
        self.store, self.clock = store, clock
        self.ids, self.beside = [], set()
        self.known = []
        self.numbers = itertools.count()

    def do(self, step):
        name, *said = step
        self.clock.advance(seconds=1)
        if name in {"supersede", "unsupersede", "move", "rekey", "link", "forget"}:
            if not self.ids:
                return
            said[0] = self.ids[said[0] % len(self.ids)]
        getattr(self, name)(*said)
        self.known.append(self.clock())

    def rewritten(self):
        """A record that is corrected has no past: what was known before says nothing of it."""
        self.known.clear()

    def said(self, start, end):
        is_sound = start is None or end is None or start <= end
        to = at(end) if is_sound and start is not None else None
        return {"valid_from": at(start), "valid_to": to}

    def fact(self):
        return f"fact number {next(self.numbers)}"

    def add(self, key, start, end):
        self.ids.append(self.store.add(self.fact(), key=key, **self.said(start, end)).id)

    def supersede(self, old, start, end):
        new = self.store.supersede(old, self.fact(), **self.said(start, end))
        self.ids.append(new.id)

    def unsupersede(self, old, by):
        if newer := self.store.get(old).superseded_by:
            self.store.unsupersede(old, newer[by % len(newer)])
        else:
            with pytest.raises(ParameterError):
                self.store.unsupersede(old, "nobody")
            return
        self.beside |= {frozenset((old, other)) for other in self.ids if other != old}
        self.rewritten()

    def move(self, id_, start, end):
        given = self.said(start, end)
        if given["valid_from"] is not None:
            self.store.update(id_, **given)
            self.rewritten()

    def rekey(self, id_, key):
        self.store.update(id_, key=key)
        self.rewritten()

    def link(self, new, place):
        old = self.ids[place % len(self.ids)]
        if new != old and new not in {m.id for m in self.store.history(old)}:
            self.store.link(new, old, "supersedes")

    def forget(self, id_):
        self.store.forget(id_)
        self.ids.remove(id_)

    def wait(self, count):
        self.clock.advance(hours=count)

    def held_twice(self):
        """(slot, moment, what was known, ids) wherever more than one is current."""
        for day, known_at in itertools.product((*DAYS, None), (None, *self.known[-2:-1])):
            as_of = None if day is None else at(day) + timedelta(hours=1)
            hits = self.store.search("fact", k=99, distinct=False, as_of=as_of, known_at=known_at)
            for key in KEYS:
                of_slot = {hit.memory.id for hit in hits if hit.memory.key == key}
                pairs = map(frozenset, itertools.combinations(sorted(of_slot), 2))
                if twice := [pair for pair in pairs if pair not in self.beside]:
                    yield key, as_of, known_at, twice


def leave_one(steps):
    clock = FrozenClock(START)
    with (
        TemporaryDirectory() as folder,
        Store.open(Path(folder, "a.feather"), clock=clock) as store,
    ):
        slots = Slots(store, clock)
        for step in steps:
            slots.do(step)
        assert list(slots.held_twice()) == []
        assert store.check() == []


@settings(max_examples=50)
@given(steps=st.lists(STEPS, min_size=14, max_size=18))
def test_a_slot_holds_one_memory_at_any_moment_but_what_the_user_left_beside_it(steps):
    leave_one(steps)


@pytest.mark.long
@settings(max_examples=1_000)
@given(steps=st.lists(STEPS, min_size=10, max_size=30))
def test_a_slot_holds_one_memory_whatever_is_done(steps):
    leave_one(steps)


def current(store, **asked):
    hits = store.search("tea coffee water", k=99, distinct=False, **asked)
    return {hit.memory.id for hit in hits}


def planned(store, clock, **said):
    """A from tomorrow, which B ends in a hundred days, in whose place C stands now."""
    store.add("tea", id="a", valid_from=clock() + DAY, **said)
    if said:
        store.add("coffee", id="b", valid_from=clock() + 100 * DAY, **said)
    else:
        store.supersede("a", "coffee", id="b", valid_from=clock() + 100 * DAY)
    clock.advance(seconds=60)
    store.supersede("b", "water", id="c")


@pytest.mark.parametrize("said", [{"key": "drink"}, {}])
def test_what_replaces_what_was_still_to_come_ends_what_that_would_have_ended(store, clock, said):
    before = clock()
    planned(store, clock, **said)

    for day in (0, 1, 2, 50, 100, 200):
        assert current(store, as_of=before + day * DAY + 61) == {"c"}
    then = {"as_of": before + 2 * DAY, "known_at": before + 30}
    assert current(store, **then) == {"a"}, "so it was planned"
    assert {memory.id for memory in store.history("a")} == {"a", "b", "c"}
    assert store.get("a").superseded_by == ("b", "c")

    store.unsupersede("b", "c")
    store.unsupersede("a", "c")
    store.forget("c")
    assert current(store, as_of=before + 2 * DAY) == {"a"}
    assert current(store, as_of=before + 200 * DAY) == {"b"}


def test_a_correction_that_holds_from_earlier_ends_what_held_until_then(store, clock):
    """It was not in June that she moved, but in May."""
    start = clock()
    store.add("tea", id="a")
    store.supersede("a", "coffee", id="b", valid_from=start + 30 * DAY)
    store.supersede("b", "water", id="c", valid_from=start + 10 * DAY)

    days = {day: current(store, as_of=start + day * DAY) for day in (5, 15, 40)}

    assert days == {5: {"a"}, 15: {"c"}, 40: {"c"}}


def test_what_replaced_another_before_that_began_ends_what_it_is_said_to_replace(store, clock):
    start = clock()
    store.add("tea", id="a")
    store.add("coffee", id="b", valid_from=start + 30 * DAY)
    store.supersede("b", "water", id="c", valid_from=start + 10 * DAY)

    store.link("b", "a", "supersedes")

    assert current(store, as_of=start + 15 * DAY) == {"c"}
    assert current(store, as_of=start + 5 * DAY) == {"a"}


def test_what_holds_for_longer_since_its_successor_begins_later_leaves_the_slot_to_others(
    store, clock
):
    start = clock()
    store.add("tea", id="a", key="drink")
    store.add("coffee", id="b", key="drink", valid_from=start + 10 * DAY, valid_to=start + 20 * DAY)
    store.add("water", id="c", key="drink", valid_from=start + 20 * DAY)

    store.update("b", valid_from=start + 30 * DAY, valid_to=start + 40 * DAY)

    days = {day: current(store, as_of=start + day * DAY) for day in (5, 15, 25, 35, 45)}
    assert days == {5: {"a"}, 15: {"a"}, 25: {"c"}, 35: {"b"}, 45: set()}


def test_what_will_be_replaced_only_later_takes_over_the_slot_that_it_is_given_now(store, clock):
    start = clock()
    store.add("water", id="w", key="drink")
    clock.advance(days=1)
    store.add("tea", id="a")
    store.supersede("a", "coffee", id="b", valid_from=start + 10 * DAY)

    store.update("a", key="drink")

    assert current(store) == {"a"}
    assert store.get("a").supersedes == ("w",)


def test_what_is_dated_back_leaves_the_slot_to_what_was_there(path, clock):
    ahead = FrozenClock(clock() + 40 * DAY)
    with Store.open(path, clock=ahead) as store:
        begins, ends = clock() + 5 * DAY, clock() + 10 * DAY
        store.add("tea", id="a", key="drink", valid_from=begins, valid_to=ends)
        store.add("coffee", id="b", key="drink")
    with Store.open(path, clock=clock) as store:
        assert store.check(fix=True) == []
        assert current(store, as_of=begins + 60) == {"a"}
        assert current(store) == {"b"}


def test_what_the_user_lets_stand_beside_the_slots_value_is_no_fault(store, clock):
    store.add("tea", id="a", key="drink")
    clock.advance(days=1)
    store.add("coffee", id="b", key="drink")

    store.unsupersede("a", "b")

    assert store.check() == []
    assert store.check(fix=True) == []
    assert current(store) == {"a", "b"}


def test_a_long_chain_is_walked_however_long_it_is(store, clock):
    start = clock()
    store.add("value 0", id="v0", key="drink", valid_from=start - 2_000)
    store.add_many(
        {"text": f"value {n}", "id": f"v{n}", "key": "drink", "valid_from": start - 2_000 + n}
        for n in range(1, 1_100)
    )
    store.add("value to come", id="later", key="drink", valid_from=start + DAY)

    store.supersede("later", "now", id="now")

    assert current(store) == {"now"}
    assert current(store, as_of=start + 2 * DAY) == {"now"}
