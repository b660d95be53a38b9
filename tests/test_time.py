"""What was true and what was known at any moment, against a replay of all that was done."""

import itertools
import math
import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import networkx as nx
import pytest
from oracle import RefusedError, Replay

from feather_memory import F, Memory, Store
from feather_memory.config import DAY
from feather_memory.errors import ParameterError, SupersedeCycleError, UnknownMemoryError
from feather_memory.testing import FrozenClock

PROBED_EVERY = 10
IDS = [f"m{at}" for at in range(150)]
KEYS = [f"k{at}" for at in range(12)]
OFTEN = {
    "add": 22, "update": 18, "supersede": 14, "link": 8, "supersedes": 8, "unsupersede": 10,
    "forget": 8, "expire": 6, "again": 4, "reopen": 0.2,
}  # fmt: skip


class Driver:
    """Does the same random things to a store and to its replay."""

    def __init__(self, path, clock, seed):
        self.random, self.clock, self.path = random.Random(seed), clock, path
        self.store, self.replay = Store.open(path, clock=clock), Replay()
        self.start = clock()
        self.done, self.refused = dict.fromkeys(OFTEN, 0), 0
        self.last, self.numbers = 0.0, itertools.count()

    def due(self):
        """When the next write is recorded: by the clock, but after the last."""
        return self.clock() if self.clock() > self.last else round(self.last + 1e-6, 6)

    def present(self):
        """What a search takes as now."""
        return max(self.clock(), self.last)

    def moment(self):
        """Now and then far away, often one at which something happened."""
        if self.random.random() < 0.2:
            return self.clock()
        return float(self.random.randint(int(self.start) - 500, int(self.clock()) + 300))

    def fact(self):
        """A text that nobody has said: what is said again is another test's."""
        return f"fact number {next(self.numbers)}"

    def any_id(self):
        known = list(self.replay.facts)
        return self.random.choice(known if known and self.random.random() < 0.98 else IDS)

    def given(self):
        given = {}
        if self.random.random() < 0.4:
            given["valid_from"] = self.moment()
        if self.random.random() < 0.15:
            given["valid_to"] = self.moment()
        if self.random.random() < 0.1:
            given["expires_at"] = self.moment()
        if self.random.random() < 0.4:
            given["key"] = self.random.choice(KEYS)
        return given

    def step(self):
        self.clock.advance(seconds=self.random.choice([0, 0, 1, 2, 5, -0.05]))
        (name,) = self.random.choices(list(OFTEN), list(OFTEN.values()))
        self.done[name] += 1
        getattr(self, f"do_{name}")()
        self.last = latest(self.path)

    def both(self, on_store, on_replay):
        """The store does it, or refuses it, as the replay does."""
        try:
            on_replay()
        except RefusedError:
            self.refused += 1
            with pytest.raises((ParameterError, UnknownMemoryError)):
                on_store()
        else:
            returned = on_store()
            if isinstance(returned, Memory):
                assert returned == self.store.get(returned.id)

    def do_add(self):
        id_, given, now = self.random.choice(IDS), self.given(), self.due()
        self.both(
            lambda: self.store.add(self.fact(), id=id_, **given),
            lambda: self.replay.put(id_, now, **given),
        )

    def do_again(self):
        if not self.replay.facts:
            return
        memory = self.store.get(self.any_known())
        generation = self.store.stats().generation
        self.store.add(memory.text, id=memory.id)
        assert self.store.get(memory.id) == memory
        assert self.store.stats().generation <= generation + 1

    def any_known(self):
        return self.random.choice(list(self.replay.facts))

    def do_update(self):
        id_, now, given = self.any_id(), self.due(), {}
        for name in ("valid_from", "valid_to"):
            if self.random.random() < 0.6:
                given[name] = self.moment()
        if self.random.random() < 0.2:
            given["valid_to"] = None
        if self.random.random() < 0.2:
            given["key"] = self.random.choice([*KEYS, None])
        if self.random.random() < 0.2:
            given["text"] = self.fact()

        def on_replay():
            if id_ not in self.replay.facts:
                raise RefusedError
            self.replay.put(id_, now, **{k: v for k, v in given.items() if k != "text"})

        self.both(lambda: self.store.update(id_, **given), on_replay)

    def do_supersede(self):
        old, new, given, now = self.any_id(), self.random.choice(IDS), self.given(), self.due()

        def on_replay():
            before = dict(self.replay.facts), list(self.replay.endings)
            try:
                self.replay.replace_fact(old, new, now, **given)
            except RefusedError:
                self.replay.facts, self.replay.endings = before
                raise

        self.both(lambda: self.store.supersede(old, self.fact(), id=new, **given), on_replay)

    def do_supersedes(self):
        new, old, now = self.any_id(), self.any_id(), self.due()
        self.both(
            lambda: self.store.link(new, old, "supersedes"),
            lambda: self.replay.supersede(new, old, now),
        )

    def do_unsupersede(self):
        ended = [e.old for e in self.replay.endings]
        old = self.random.choice(ended) if ended and self.random.random() < 0.9 else self.any_id()
        by = {e.new for e in self.replay.endings if e.old == old and e.new} or {"nobody"}
        new = self.random.choice([None, *sorted(by)])
        self.both(
            lambda: self.store.unsupersede(old, new), lambda: self.replay.unsupersede(old, new)
        )

    def do_link(self):
        a, b = self.any_id(), self.any_id()
        if a != b and {a, b} <= self.replay.facts.keys():
            self.store.link(a, b, self.random.choice(["leads_to", "contradicts", "mine"]))

    def do_forget(self):
        if self.replay.facts:
            id_ = self.any_known()
            self.store.forget(id_)
            self.replay.forget(id_)

    def do_expire(self):
        if self.replay.facts:
            id_, when = self.any_known(), self.random.choice([None, self.moment()])
            self.store.update(id_, expires_at=when)
            self.replay.put(id_, self.due(), expires_at=when)

    def do_reopen(self):
        self.store.close()
        self.store = Store.open(self.path, clock=self.clock)

    def probe(self):
        as_of = self.random.choice([None, self.moment()])
        known_at = self.random.choice([None, self.moment(), self.moment()])
        now, moments = self.present(), {"as_of": as_of, "known_at": known_at}
        hits = self.store.search("fact", k=10_000, distinct=False, **moments)
        expected = self.replay.eligible(
            now if as_of is None else as_of, math.inf if known_at is None else known_at
        )
        found = [hit.memory.id for hit in hits]
        assert len(found) == len(set(found))
        assert set(found) == expected
        id_ = self.any_id()
        verdict = self.store.why_not("fact", id_, k=10_000, distinct=False, **moments)
        assert verdict.is_returned == (verdict.gate is None) == (id_ in expected)
        hits = self.store.search("fact", k=10_000, distinct=False)
        assert {hit.memory.id for hit in hits} == self.replay.eligible(now)

    def probe_chain(self):
        reached = {hit.memory.id for hit in self.store.context_chain("fact", k=3, hops=3)}
        assert reached <= self.replay.eligible(self.present())
        for hit in self.store.search("fact", k=10_000, distinct=False):
            for ending in self.replay.endings:
                assert ending.old != hit.memory.id or ending.holds_from > self.present()


def latest(path):
    """The last moment that is recorded in a file."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("select latest from state").fetchone()[0]


@pytest.mark.file
@pytest.mark.parametrize(
    "operations", [1_000, pytest.param(10_000, marks=pytest.mark.long)], ids="{:,}".format
)
def test_random_operations_leave_what_their_replay_leaves(path, clock, operations):
    driver = Driver(path, clock, seed=7)
    for turn in range(operations):
        driver.step()
        if turn % PROBED_EVERY == 0:
            driver.probe()
        if turn % 100 == 0:
            driver.probe_chain()
    assert driver.store.check() == []
    driver.store.close()
    assert driver.refused > operations / 100
    assert all(driver.done.values())


# The rules one by one


def current(store, **asked):
    return {
        hit.memory.id for hit in store.search("tea coffee water", k=1_000, distinct=False, **asked)
    }


def test_a_replaced_fact_is_not_current_and_was_before(store, clock):
    start = clock()
    store.add("tea", id="a")
    clock.advance(days=10)
    new = store.supersede("a", "coffee", id="b")
    assert current(store) == {"b"}
    assert current(store, as_of=start + DAY) == {"a"}
    assert current(store, as_of=start + DAY, known_at=start + DAY) == {"a"}
    assert current(store, known_at=start + DAY) == {"a"}, "we did not know better then"
    old = store.get("a")
    assert new.supersedes == ("a",)
    assert old.superseded_by == ("b",)
    assert old.valid_to == new.valid_from


def test_a_replacement_that_holds_from_later_ends_the_old_one_only_then(store, clock):
    store.add("tea", id="a")
    store.supersede("a", "coffee", id="b", valid_from=clock() + 5 * DAY)
    assert current(store) == {"a"}
    assert current(store, as_of=clock() + 5 * DAY) == {"b"}
    clock.advance(days=5)
    assert current(store) == {"b"}


def test_a_replacement_learned_late_holds_from_when_it_was_true(store, clock):
    start = clock()
    store.add("tea", id="a")
    clock.advance(days=10)
    store.supersede("a", "coffee", id="b", valid_from=start + 3 * DAY)
    then = start + 5 * DAY
    assert current(store, as_of=then) == {"b"}
    assert current(store, as_of=then, known_at=then) == {"a"}


def test_forgetting_what_replaced_a_fact_leaves_it_replaced(store, clock, assert_sound):
    store.add("tea", id="a")
    clock.advance(days=1)
    store.supersede("a", "coffee", id="b")
    store.forget("b")
    assert current(store) == set()
    assert current(store, as_of=clock() - 1) == {"a"}
    store.add("water", id="b")
    assert current(store) == {"b"}
    assert_sound(store)


def test_unsupersede_undoes_it_exactly(store, clock):
    store.add("tea", id="a", key="drink", valid_to=clock() + 90 * DAY)
    before = store.get("a")
    clock.advance(days=1)
    store.supersede("a", "coffee", id="b")
    store.unsupersede("a", "b")
    assert store.get("a") == before
    assert store.edges("a") == []
    assert current(store) == {"a", "b"}
    with pytest.raises(ParameterError, match="'a'"):
        store.unsupersede("a")
    with pytest.raises(UnknownMemoryError, match="'x'"):
        store.unsupersede("x")


def test_unlinking_a_supersedes_edge_undoes_it_too(store):
    store.add("tea", id="a")
    store.add("coffee", id="b")
    store.link("b", "a", "supersedes")
    assert current(store) == {"b"}
    assert store.unlink("b", "a", "supersedes")
    assert current(store) == {"a", "b"}
    assert not store.unlink("b", "a", "supersedes")


def test_chains_and_branches_leave_their_heads(store, clock):
    store.add("tea", id="a")
    for old, new in (("a", "b"), ("b", "c"), ("a", "d")):
        clock.advance(days=1)
        store.supersede(old, f"tea {new}", id=new)
    assert current(store) == {"c", "d"}
    histories = {id_: "".join(memory.id for memory in store.history(id_)) for id_ in "abcd"}
    assert histories == {"a": "abcd", "b": "abc", "c": "abc", "d": "ad"}
    assert store.get("a").superseded_by == ("b", "d")
    store.unsupersede("a", "b")
    assert current(store) == {"c", "d"}, "d still replaces it"
    store.unsupersede("a")
    assert current(store) == {"a", "c", "d"}


def test_a_circle_of_replacements_is_refused_and_changes_nothing(store):
    store.add("tea", id="a")
    store.supersede("a", "coffee", id="b")
    store.supersede("b", "water", id="c")
    before = store.get_many(list("abc")), store.stats()
    for new, old in (("a", "c"), ("a", "b"), ("b", "c")):
        with pytest.raises(SupersedeCycleError, match=f"'{new}'"):
            store.link(new, old, "supersedes")
        with pytest.raises(SupersedeCycleError):
            store.supersede(old, "again", id=new)
    with pytest.raises(ParameterError):
        store.link("a", "a", "supersedes")
    with pytest.raises(SupersedeCycleError):
        store.supersede("a", "itself", id="a")
    assert (store.get_many(list("abc")), store.stats()) == before


@pytest.mark.parametrize("seed", range(8))
def test_supersessions_in_any_order_make_no_circle_and_leave_what_nothing_replaced(store, seed):
    chance = random.Random(seed)
    store.add_many({"text": "tea", "id": id_} for id_ in "abcdefgh")
    made = nx.DiGraph()
    made.add_nodes_from("abcdefgh")
    for _ in range(24):
        old, new = chance.sample("abcdefgh", 2)
        if nx.has_path(made, new, old):
            with pytest.raises(SupersedeCycleError):
                store.link(new, old, "supersedes")
        else:
            store.link(new, old, "supersedes")
            made.add_edge(old, new)

    assert current(store) == {id_ for id_ in made if made.out_degree(id_) == 0}
    for id_ in made:
        newer = nx.descendants(made, id_) | {id_}
        older = set().union(*(nx.ancestors(made, each) for each in newer))
        assert {memory.id for memory in store.history(id_)} == newer | older


def test_moving_what_replaced_a_fact_moves_its_end(store, clock):
    store.add("tea", id="a", valid_from=clock() - 10 * DAY)
    store.supersede("a", "coffee", id="b")
    store.update("b", valid_from=clock() - 5 * DAY)
    assert store.get("a").valid_to == store.get("b").valid_from
    assert current(store, as_of=clock() - 6 * DAY) == {"a"}
    assert current(store, as_of=clock() - 5 * DAY) == {"b"}


def test_a_stated_end_before_the_replacement_stands(store, clock):
    store.add("tea", id="a", valid_to=clock() + DAY)
    store.supersede("a", "coffee", id="b", valid_from=clock() + 9 * DAY)
    assert store.get("a").valid_to.timestamp() == clock() + DAY
    assert current(store, as_of=clock() + 2 * DAY) == set()


def test_expiry_ends_at_its_moment(store, clock):
    store.add("tea", id="a", expires_at=clock() + 60)
    clock.advance(seconds=59)
    assert current(store) == {"a"}
    clock.advance(seconds=1)
    assert current(store) == set()
    assert store.get("a").text == "tea"
    store.update("a", expires_at=None)
    assert current(store) == {"a"}


def test_aware_datetimes_and_seconds_are_the_same_moments(store, clock):
    moment = datetime(2025, 6, 1, 14, tzinfo=UTC)
    store.add("tea", id="a", valid_from=moment, valid_to=moment + timedelta(days=1))
    assert store.get("a").valid_from == moment
    assert current(store, as_of=moment) == current(store, as_of=moment.timestamp()) == {"a"}
    assert current(store, as_of=moment + timedelta(days=1)) == set()
    with pytest.raises(ParameterError, match="timezone"):
        store.search("tea", as_of=datetime(2025, 6, 1))  # noqa: DTZ001  naive on purpose


def test_the_epoch_is_a_moment_like_any_other(store):
    store.add("tea", id="a", valid_from=1_000.0)
    assert store.update("a", valid_from=0.0).valid_from.timestamp() == 0
    store.add("coffee", id="b", valid_from=0.0, valid_to=0.0)
    assert store.get("b").valid_to.timestamp() == 0
    assert current(store, as_of=0.0) == {"a"}


# Slots


def test_an_occupied_slot_is_taken_over(store, clock):
    store.add("3.11", id="a", key="python.version")
    clock.advance(days=1)
    store.add("3.12", id="b", key="python.version")
    clock.advance(days=1)
    new = store.add("3.13", id="c", key="python.version")
    assert new.supersedes == ("b",)
    assert current(store) == {"c"}
    assert [memory.text for memory in store.history("a")] == ["3.11", "3.12", "3.13"]
    assert current(store, where=F("key") == "python.version") == {"c"}


def test_a_slot_is_taken_over_within_one_batch(store):
    values = store.add_many([{"text": f"tea {n}", "key": "drink"} for n in range(4)])
    assert current(store) == {values[-1].id}
    assert values == store.get_many([memory.id for memory in values])


def test_superseding_takes_over_the_slot(store):
    store.add("tea", id="a", key="drink")
    assert store.supersede("a", "coffee", id="b").key == "drink"
    store.add("water", id="c", key="drink")
    assert current(store) == {"c"}
    assert store.get("c").supersedes == ("b",)


def test_changing_the_key_takes_over_the_other_slot(store):
    store.add("tea", id="a", key="morning")
    store.add("coffee", id="b", key="evening")
    store.update("b", key="morning")
    assert current(store) == {"b"}
    store.update("b", key=None)
    assert store.get("b").key is None
    assert current(store) == {"b"}, "what it replaced stays replaced"


def test_values_of_other_times_share_a_slot(store, clock):
    year = 365 * DAY
    store.add("tea", id="a", key="drink", valid_from=clock() - 2 * year, valid_to=clock() - year)
    store.add("coffee", id="b", key="drink", valid_from=clock() - year)
    assert store.get("b").supersedes == ()
    assert current(store, as_of=clock() - 1.5 * year) == {"a"}
    assert current(store) == {"b"}


def test_slots_are_of_no_concern_to_other_keys_and_to_none(store):
    for id_, key in (("a", "x"), ("b", "y"), ("c", None), ("d", None)):
        store.add("tea", id=id_, key=key)
    assert current(store) == set("abcd")


# A clock that goes back, or was ahead


@pytest.mark.parametrize("back", [0.00005, 0.05, 10, 3_600, 40 * DAY])
def test_a_clock_that_goes_back_brings_no_stale_fact_back(store, clock, back):
    store.add("home is Oslo", key="home")
    clock.advance(seconds=-back)
    store.add("home is Lisbon", key="home")
    for later in (0, back / 2, 2 * back):
        clock.advance(seconds=later)
        (hit,) = store.search("home")
        assert hit.memory.text == "home is Lisbon"
    assert [memory.text for memory in store.history(hit.memory.id)] == [
        "home is Oslo",
        "home is Lisbon",
    ]
    assert store.check() == []


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.add("new", id="new"),
        lambda store: store.add_many([{"text": "new", "id": "new"}])[0],
        lambda store: store.supersede("old", "new", id="new"),
        lambda store: store.update("old", text="new"),
    ],
)
def test_what_is_written_after_the_clock_went_back_is_the_later(store, clock, write):
    old = store.add("old", id="old")
    clock.advance(hours=-20)

    new = write(store)

    assert new.updated_at > old.updated_at
    assert store.search("new", k=1)[0].memory.id == new.id
    link = store.link("old", store.add("other").id)
    assert link.created_at > new.updated_at
    assert store.signal("old", "liked").at > link.created_at
    assert store.check() == []


def test_ids_that_the_store_draws_sort_by_time_though_the_clock_goes_back(store, clock):
    drawn = []
    for _ in range(5):
        drawn.append(store.add("tea").id)
        clock.advance(hours=-1)

    assert drawn == sorted(drawn)
    assert store.check() == []


def test_what_another_wrote_by_a_clock_that_is_ahead_is_found_at_once(path, clock):
    ahead = FrozenClock(clock() + 3_600)
    with Store.open(path, clock=ahead) as theirs, Store.open(path, clock=clock) as ours:
        assert ours.search("tea") == []
        theirs.add("tea", id="a", key="drink")
        assert [hit.memory.id for hit in ours.search("tea")] == ["a"]
        assert [hit.memory.id for hit in ours.context_chain("tea")] == ["a"]
        assert ours.why_not("tea", "a").is_returned
        assert ours.stats().current == 1
        assert ours.plumbing.held(["drink"], ["tea"]) == ({"drink"}, {"tea"})
        ours.add("coffee", id="b", key="drink")
        assert [hit.memory.id for hit in theirs.search("tea coffee")] == ["b"]
        assert ours.search("tea", now=clock()) == []  # who states a moment means it
        assert ours.check() == []


def test_a_stated_moment_never_moves_the_time(store, clock):
    start = clock()
    store.add("the moon base opens", valid_from=start + 400 * DAY)
    store.add("old news", valid_from=start - 400 * DAY)

    assert store.add("now").created_at.timestamp() - start < 1
    assert [hit.memory.text for hit in store.search("the moon base opens")].count("now") == 1
    assert "the moon base opens" not in {hit.memory.text for hit in store.search("moon base")}
    assert store.check() == []


def test_a_store_far_ahead_of_the_clock_says_so_and_can_be_dated_back(path, clock, caplog):
    ahead = FrozenClock(clock() + 40 * DAY)
    with Store.open(path, clock=ahead) as store:
        store.add("home is Oslo", id="a", key="home")
        store.add("home is Lisbon", id="b", key="home")
        store.add("planned", id="c", valid_from=ahead() + 9 * DAY)
        store.link("a", "c")
        store.signal("b", "liked")
        store.recall("home", turn="t")
    with Store.open(path, clock=clock) as store:
        assert "40.0 days ahead" in caplog.text
        (fault,) = store.check()
        assert "40.0 days ahead" in fault
        assert store.search("home")[0].memory.id == "b"  # it works all the same

        assert store.check(fix=True) == []

        assert {m.created_at.timestamp() for m in store.iterate()} == {clock()}
        assert store.get("c").valid_from.timestamp() == ahead() + 9 * DAY
        assert [hit.memory.id for hit in store.search("home")][:1] == ["b"]
        assert "a" not in {hit.memory.id for hit in store.search("home")}
        assert store.add("later").created_at.timestamp() - clock() < 1
        assert store.unsupersede("a") is None
        assert store.check() == []
    caplog.clear()
    with Store.open(path, clock=clock) as store:
        assert caplog.text == ""
        assert store.check() == []


def test_a_store_an_hour_ahead_is_sound(path, clock, caplog):
    with Store.open(path, clock=FrozenClock(clock() + 3_600)) as store:
        store.add("tea")
    with Store.open(path, clock=clock) as store:
        assert store.check() == []
        assert caplog.text == ""
