"""Records that were read last are held by row: bounded, of one generation, and never stale."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from feather_memory import F, Store, config
from feather_memory.index.recent import Recent
from feather_memory.testing import HashEmbedder
from feather_memory.testing.replay import record

rows = st.lists(st.integers(0, 12), max_size=6)


class RecentAgreesWithADict(RuleBasedStateMachine):
    """What is held is what was kept and is not stale, as far as there is room."""

    @initialize()
    def begin(self):
        self.generation, self.kept = 0, {}
        self.recent = Recent(0)

    @rule(rows=rows, late=st.booleans(), size=st.integers(0, 3))
    def keep(self, rows, late, size):
        generation = self.generation - late
        made = [record(f"m{row}", "t" * 1_000 * size, row=row) for row in rows]
        self.recent.keep(made, generation)
        if not late:
            self.kept |= {each.row: each for each in reversed(made) if each.row not in self.kept}

    @rule(rows=rows)
    def advance(self, rows):
        self.generation += 1
        self.recent.advance(self.generation, rows)
        for row in rows:
            self.kept.pop(row, None)

    @rule(rows=rows, off=st.sampled_from([-1, 0, 1]))
    def ask(self, rows, off):
        found = self.recent.held(rows, self.generation + off)

        assert found.keys() <= (set(rows) & self.kept.keys() if off == 0 else set())
        assert all(found[row].text == self.kept[row].text for row in found)
        self.kept = {row: each for row, each in self.kept.items() if row not in rows or row in found
                     or off}  # fmt: skip

    @invariant()
    def it_is_bounded(self):
        assert self.recent._bytes <= config.RECENT_BYTES


RecentAgreesWithADict.TestCase.settings = settings(deadline=None, max_examples=40)
TestRecent = RecentAgreesWithADict.TestCase


def test_the_one_asked_for_last_stays_longest(monkeypatch):
    monkeypatch.setattr(config, "RECENT_BYTES", 6_000)
    recent = Recent(1)
    for row in range(4):
        recent.keep([record(f"m{row}", "t" * 1_000, row=row)], 1)
        recent.held([0], 1)

    assert recent.held(range(4), 1).keys() == {0, 3} | recent.held([2], 1).keys()
    assert 1 not in recent.held(range(4), 1)


def test_what_is_larger_than_the_room_is_not_held(monkeypatch):
    monkeypatch.setattr(config, "RECENT_BYTES", 3_000)
    recent = Recent(1)
    recent.keep([record("a", "t" * 5_000, row=1)], 1)

    assert recent.held([1], 1) == {}
    assert recent._bytes == 0


@pytest.fixture
def counted(store):
    """How many transactions were begun to read, counted by the store's own truth."""
    begun, truth = [], store._core.truth
    real = truth.reading

    def reading():
        begun.append(1)
        return real()

    truth.reading = reading
    return begun


def test_a_search_whose_memories_were_read_before_begins_no_transaction(store, counted):
    for n in range(20):
        store.add(f"tea number {n}", id=f"m{n}", metadata={"n": n})
    store.supersede("m3", "tea number three", id="three")
    vector = store.get("m5").vector
    asked = (
        lambda: store.search(vector=vector, k=5),
        lambda: store.search(vector=vector, k=5, where=F("n") >= 3),
        lambda: store.search(vector=vector, k=21, known_at=2e9),
        lambda: store.nearest(vector, 21),
    )
    for ask in asked:
        first = ask()
        del counted[:]

        assert ask() == first
        assert counted == []
    store.add("more tea")
    store.search(vector=vector)
    assert counted == [1], "what was written is noticed"
    assert store.check() == []


def test_what_is_held_is_what_a_fresh_store_reads(store, path, clock):
    """After everything that may change of a memory whose row stays, and of its neighbours."""
    for n in range(6):
        store.add(f"tea number {n}", id=f"m{n}")
    changes = (
        lambda: store.signal("m0", "liked"),
        lambda: store.recall("tea number 1", k=1),
        lambda: store.update("m2", importance=0.9, valid_to="2050-01-01"),
        lambda: store.update("m2", text="tea number two"),
        lambda: store.supersede("m3", "tea number three", id="three"),
        lambda: store.supersede("three", "tea number thirty", id="thirty"),
        lambda: store.update("three", text="tea number 3 again"),
        lambda: store.link("m4", "m5", "supersedes"),
        lambda: store.unlink("m4", "m5", "supersedes"),
        lambda: store.forget("three"),
        lambda: store.unsupersede("m3"),
        lambda: store.forget("m3"),
    )
    for change in changes:
        store.search("tea", k=20)
        change()
        for asked in ({}, {"as_of": "2030-01-01"}, {"as_of": "2026-01-01"}, {"known_at": clock()}):
            with Store.open(path, embedder=HashEmbedder(64), clock=clock) as fresh:
                assert store.search("tea", k=20, **asked) == fresh.search("tea", k=20, **asked)
        clock.advance(days=1)
    assert store.check() == []


def test_what_a_sync_does_not_drop_would_be_stale(store, monkeypatch):
    """The control of the one before."""
    store.add("tea is green", id="tea")
    store.search("tea")
    monkeypatch.setattr(Recent, "advance", lambda self, generation, _: setattr(
        self, "_generation", generation))  # fmt: skip
    store.signal("tea", "liked")

    assert store.search("tea")[0].memory != store.get("tea")
    assert store.check() == []


def test_a_write_between_the_look_and_the_answer_is_answered_as_one_moment(store, path, clock):
    """Another process's: the memories were ranked as they had been, and are no longer there."""
    for n in range(4):
        store.add(f"tea number {n}", id=f"m{n}")
    store.search("coffee", vector=HashEmbedder(64)(["coffee"])[0], k=1)
    truth = store._core.truth
    real = truth.generation

    with Store.open(path, embedder=HashEmbedder(64), clock=clock) as other:

        def generation():
            found = real()
            other.forget([memory.id for memory in other.iterate() if memory.text != "tea number 9"])
            other.add("tea number 9", id="m9")
            return found

        truth.generation = generation
        assert [hit.memory.id for hit in store.search("tea", k=9)] == ["m9"]
        assert other.check() == store.check() == []


def test_no_forgotten_text_is_held_after_the_next_search(store):
    store.add("the secret is 4711", id="secret")
    store.add("tea is green", id="tea")
    store.search("secret", k=2)
    recent = store._core.columns.recent
    assert "secret" in {each.id for each in recent._held.values()}, "the control: it was held"

    store.forget("secret")
    store.search("tea")

    assert store._core.columns.recent is recent
    assert {each.id for each in recent._held.values()} <= {"tea"}
    assert store.check() == []


def test_memory_is_given_back_with_the_arrays(store):
    store.add("tea is green", id="tea")
    store.search("tea")
    assert store._core.columns.recent._held

    store.plumbing.rest()

    assert not store._core.columns.recent._held
    assert [hit.memory.id for hit in store.search("tea")] == ["tea"]
    assert store.check() == []
