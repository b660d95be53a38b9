"""What searches share while nothing is written: time goes by all the same."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from feather_memory import Scoring, Store
from feather_memory.index.postings import Postings
from feather_memory.index.weight import bytes_of
from feather_memory.testing import FrozenClock

START = datetime(2026, 1, 1, tzinfo=UTC)
seconds = st.integers(0, 40)
SCORINGS = (
    Scoring(),
    Scoring.feather().replace(half_life=timedelta(seconds=7)),
    Scoring(time_weight=0.5, half_life=timedelta(days=3)),
)
held = st.tuples(seconds, st.none() | seconds, st.none() | seconds)
asked = st.tuples(seconds, st.none() | seconds, st.sampled_from(SCORINGS))


def at(second: int | None) -> datetime | None:
    return None if second is None else START + timedelta(seconds=second)


@settings(max_examples=25)
@given(
    memories=st.lists(held, min_size=1, max_size=8),
    questions=st.lists(asked, min_size=2, max_size=8),
)
def test_a_search_is_what_it_would_be_as_the_first_one_however_many_went_before(
    memories, questions
):
    """What begins, ends, expires and decays between two searches does so without any write."""
    vectors = np.random.default_rng(5).standard_normal((len(memories) + 1, 8)).astype(np.float32)
    clock = FrozenClock(START + timedelta(seconds=60))
    with (
        TemporaryDirectory() as folder,
        Store.open(Path(folder, "a.feather"), clock=clock) as store,
    ):
        for number, (since, length, expiry) in enumerate(memories):
            store.add(
                f"m{number}",
                vector=vectors[number],
                valid_from=at(since),
                valid_to=None if length is None else at(since + length + 1),
                expires_at=at(expiry),
                recorded_at=START,
            )

        def found(now, as_of, scoring):
            hits = store.search(
                vector=vectors[-1], k=9, now=at(now), as_of=at(as_of if as_of is not None else now),
                scoring=scoring,
            )  # fmt: skip
            return [(hit.memory.text, hit.score.value, hit.score.parts) for hit in hits]

        for now, as_of, scoring in questions:
            warm = found(now, as_of, scoring)
            store._core.columns.unload()

            assert found(now, as_of, scoring) == warm
            for before in questions:  # so that the next one does not come first
                found(*before)
        assert store.check() == []


likenesses = st.lists(st.integers(0, 30) | st.integers(1, 1 << 60), min_size=1, max_size=400)


@settings(max_examples=50)
@given(batches=st.lists(likenesses, min_size=1, max_size=4), data=st.data())
def test_whether_something_is_said_twice_is_told_rightly_as_memories_come(batches, data):
    words, every = Postings.of_nothing(), []
    for batch in batches:
        words = words.followed_by([None] * len(batch), batch)
        every += batch
        places = data.draw(st.lists(st.integers(0, len(every) - 1), min_size=1, max_size=10))
        many = Counter(every)

        told = words.may_recur(np.array(places, np.intp))

        assert told == any(every[place] and many[every[place]] > 1 for place in places)
        if data.draw(st.booleans()):
            words = words.settled()


def test_what_went_on_otherwise_from_one_beginning_is_told_apart():
    """As in a fork: what another branch has sorted is not taken for one's own."""
    begun = Postings.of_nothing().followed_by([None] * 2, [1, 2])
    one, other = (begun.followed_by([None] * 2, alike) for alike in ([3, 4], [5, 5]))

    assert not one.may_recur(np.arange(4))
    assert other.may_recur(np.arange(4))
    assert not begun.may_recur(np.arange(2))
    assert begun.followed_by([None] * 2, [6, 6]).may_recur(np.arange(4))


def test_whatever_is_written_between_two_searches_counts_in_the_second(tmp_path):
    vectors = np.random.default_rng(7).standard_normal((7, 8)).astype(np.float32)
    clock = FrozenClock(START)
    with Store.open(tmp_path / "a.feather", clock=clock) as store:
        ids = [store.add(f"m{at}", vector=vectors[at]).id for at in range(5)]

        def found():
            hits = store.search(vector=vectors[-1], k=4, scoring=Scoring.feather())
            return [(hit.memory.text, hit.score.value) for hit in hits]

        for write in (
            lambda: store.update(ids[0], importance=0.1),
            lambda: store.signal(ids[1], "disliked"),
            lambda: store.forget([ids[2]]),
            lambda: store.supersede(ids[3], "new", vector=vectors[5]),
            lambda: store.add("another", vector=vectors[6]),
        ):
            before = found()
            write()
            warm = found()
            store._core.columns.unload()

            assert found() == warm
            assert warm != before
        assert store.check() == []


def test_what_searches_leave_for_the_next_ones_is_counted_as_memory(tmp_path):
    """Else a pool would hold more than it is allowed."""
    n = 2_000
    vectors = np.random.default_rng(7).standard_normal((n, 2))
    with Store.open(tmp_path / "a.feather") as store:
        store.add_many([{"text": f"m{at}", "vector": vectors[at]} for at in range(n)])
        store.search(vector=[1, 0], k=1)
        columns = store._core.columns
        before = bytes_of(columns)

        store.search(vector=[1, 0], k=1, scoring=Scoring.feather())

        assert bytes_of(columns) >= before + 2 * 4 * n  # two numbers of each, in single precision
        assert store.check() == []
