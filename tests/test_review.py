"""What a person needs to look a store over: what holds when, what was shown, what weighs."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feather_memory import ParameterError, Store, UnknownMemoryError
from feather_memory.testing import FrozenClock
from feather_memory.truth.sqlite.engagement import _USES

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
DAY = 86_400.0
HELD = {None, "irrelevant", "repeated"}
"""Gates that say nothing of when something holds."""

writes = st.lists(
    st.tuples(
        st.sampled_from(["home", "job", None]),  # the slot
        st.integers(0, 9),  # since which day
        st.one_of(st.none(), st.integers(1, 12)),  # for how many days
        st.integers(0, 2),  # days until the next write
    ),
    max_size=8,
)
days = st.one_of(st.none(), st.integers(-1, 20))


def seconds(day):
    return None if day is None else START + day * DAY


@given(writes, days, days)
@settings(max_examples=60)
def test_what_holds_and_what_does_not_are_all_that_was_known_told_apart_as_why_not_tells(
    tmp_path_factory, writes, as_of, known_at
):
    moment = {"as_of": seconds(as_of), "known_at": seconds(known_at)}
    clock = FrozenClock(START)
    path = tmp_path_factory.mktemp("review") / "a.feather"
    with Store.open(path, clock=clock) as store:
        for nth, (key, since, length, wait) in enumerate(writes):
            end = None if length is None else seconds(since + length)
            store.add(f"note {nth}", id=f"n{nth}", key=key, valid_from=seconds(since), valid_to=end)
            clock.advance(days=wait)
        everything = list(store.iterate())
        known = {m.id for m in everything
                 if known_at is None or m.created_at.timestamp() <= seconds(known_at)}  # fmt: skip
        held = {m.id for m in everything if store.why_not(m.text, m.id, **moment).gate in HELD}
        review = store.plumbing

        count, current = review.page(100, **moment)
        past_count, past = review.page(100, is_past=True, **moment)

        assert {m.id for m in current} == held
        assert {m.id for m in past} == known - held
        assert (count, past_count) == (len(current), len(past))
        assert review.holding([m.id for m in everything], **moment) == held
        since = [memory.valid_from for memory in current]
        assert since == sorted(since, reverse=True)
        one_by_one = [review.page(1, offset=nth, **moment)[1] for nth in range(count)]
        assert [memory for page in one_by_one for memory in page] == current
        assert store.check() == []


def test_a_page_takes_a_filter_and_refuses_numbers_outside_their_range(store):
    store.add("Ada rows", metadata={"by": "ada"})
    store.add("Bob rows", metadata={"by": "bob"})

    count, (only,) = store.plumbing.page(5, where={"by": "bob"})
    assert (count, only.text) == (1, "Bob rows")
    assert store.plumbing.page(5, offset=7) == (2, [])
    for wrong in ({"k": 0}, {"k": 1, "offset": -1}):
        with pytest.raises(ParameterError):
            store.plumbing.page(**wrong)


def test_what_does_not_exist_does_not_hold(store):
    memory = store.add("Ada rows")

    assert store.plumbing.holding([memory.id, "nobody"]) == {memory.id}
    assert store.plumbing.holding([]) == set()


def test_the_span_is_from_when_anything_is_true_to_what_was_recorded_last(store, clock):
    assert store.plumbing.span() is None
    store.add("Ada was born", valid_from=datetime(1990, 5, 1, tzinfo=UTC))
    clock.advance(days=3)
    store.add("Ada rows")

    assert store.plumbing.span() == (
        datetime(1990, 5, 1, tzinfo=UTC),
        datetime(2026, 1, 4, tzinfo=UTC),
    )


def test_turns_are_told_latest_first_with_their_names_and_without_what_is_forgotten(store, clock):
    rows = store.add("Ada rows on the fjord", id="rows")
    store.add("Ada rows on Sundays", id="sundays")
    store.recall("where does Ada row?", 2, turn="first")
    clock.advance(hours=1)
    hits = store.recall("Sundays", 1, turn="second")
    store.plumbing.name_turn("second", "message-2")
    store.forget(rows.id)

    total, (second, first) = store.plumbing.turns(5)

    assert total == 2
    assert (first.turn, first.names) == ("first", ())
    assert [id_ for id_, _ in first.memories] == ["sundays"]
    assert (second.turn, second.names) == ("second", ("message-2",))
    assert second.memories == (("sundays", hits[0].score.value),)
    assert second.at == datetime(2026, 1, 1, 1, tzinfo=UTC)


def test_a_page_of_turns_and_the_uses_of_a_memory_are_the_log_read_whole(store, clock):
    for nth in range(6):
        store.add(f"Ada rows boat {nth}", id=f"boat{nth}")
    for nth in (0, 1, 2, 3, 4, 5, 1):  # a turn that is shown more is as late as that
        clock.advance(hours=1)
        store.recall(f"boat {nth}", 1 + nth % 3, turn=f"t{nth}")
        store.plumbing.name_turn(f"t{nth}", f"message {nth}")
    with store._core.truth.reading() as moment:
        logged = {each.name: each.at for each in moment.engagement.turns()}
        names = [(each.turn, each.name) for each in moment.engagement.turn_names()]
        shown = [(s.turn, s.memory_id, s.score) for s in moment.engagement.shown()]
    latest_first = sorted(logged, key=logged.get, reverse=True)
    assert latest_first == ["t1", "t5", "t4", "t3", "t2", "t0"]

    for until in (None, min(logged.values()) - 1, logged["t3"], logged["t5"]):
        there = [turn for turn in latest_first if until is None or logged[turn] <= until]
        pages = [store.plumbing.turns(2, offset=at, until=until) for at in (0, 2, 4, 6)]
        assert {total for total, _ in pages} == {len(there)}
        told = [turn for _, page in pages for turn in page]
        assert [each.turn for each in told] == there
        for each in told:
            assert each.names == tuple(name for turn, name in names if turn == each.turn)
            assert each.memories == tuple((id_, s) for turn, id_, s in shown if turn == each.turn)
        for memory in store.iterate():
            used = {turn: score for turn, id_, score in shown if id_ == memory.id}
            expected = [(turn, used[turn]) for turn in there if turn in used]
            for k in (1, 100):
                found = store.plumbing.uses(memory.id, k, until=until)
                assert [(turn, score) for turn, _, score in found] == expected[:k]
                assert [at.timestamp() for _, at, _ in found] == [logged[t] for t, _, _ in found]
    assert store.plumbing.uses("nobody", 5) == []
    for wrong in ({"k": 0}, {"k": 1, "offset": -1}):
        with pytest.raises(ParameterError):
            store.plumbing.turns(**wrong)
    assert store.check() == []


@pytest.mark.file
def test_what_one_memory_was_used_for_is_found_by_an_index(tmp_path):
    """The log holds a thousand turns: nobody reads them all to see one memory."""
    with Store.open(tmp_path / "a.feather") as store:
        store.add("Ada rows")
    with closing(sqlite3.connect(tmp_path / "a.feather")) as connection:
        plan = connection.execute(f"explain query plan {_USES}", ("a", 0.0, 5)).fetchall()

    assert any("shown_memory" in step[-1] for step in plan)
    assert not any(step[-1].startswith("SCAN") for step in plan)


def test_importances_are_what_reading_the_log_to_each_signal_gives_without_those_taken_back(
    store, clock
):
    memory = store.add("Ada rows", importance=0.3)
    seen = [0.3]
    for kind in ("liked", "copied", "corrected"):
        clock.advance(days=1)
        store.signal(memory.id, kind, event_id=kind)
        seen.append(store.get(memory.id).importance)

    told = store.plumbing.importances(memory.id)
    assert [value for _, value in told] == pytest.approx(seen)
    assert [at.day for at, _ in told] == [1, 2, 3, 4]

    store.unsignal("copied")
    told = store.plumbing.importances(memory.id)
    assert [at.day for at, _ in told] == [1, 2, 4]
    assert told[-1][1] == store.get(memory.id).importance
    with pytest.raises(UnknownMemoryError):
        store.plumbing.importances("nobody")


def test_to_affirm_is_what_saying_the_same_again_is(store, clock):
    one = store.add("Ada rows", metadata={"n": 1})
    clock.advance(days=2)

    affirmed = store.plumbing.affirm(one.id, by="ada")

    assert (affirmed.affirmed, affirmed.affirmed_by) == (1, "ada")
    assert affirmed.affirmed_at == datetime(2026, 1, 3, tzinfo=UTC)
    again = store.add("Ada rows", metadata={"n": 1})
    assert (again.id, again.affirmed) == (one.id, 2)
    assert len(store) == 1
    with pytest.raises(UnknownMemoryError):
        store.plumbing.affirm("nobody")


def test_what_is_affirmed_is_taken_back_as_if_it_had_not_been_said(store, clock):
    memory = store.add("Ada rows", actor="ada")
    clock.advance(days=1)
    store.plumbing.affirm(memory.id, by="bob")
    before = store.get(memory.id)
    clock.advance(days=1)
    store.plumbing.affirm(memory.id, by="eve")

    assert store.plumbing.unaffirm(memory.id, before) == before == store.get(memory.id)
    assert store.plumbing.unaffirm(memory.id, memory) == memory == store.get(memory.id)
    assert store.plumbing.unaffirm(memory.id, memory) == memory, "there is nothing to take back"
    with pytest.raises(UnknownMemoryError):
        store.plumbing.unaffirm("nobody", memory)
    assert store.check() == []


def test_what_was_said_again_since_stays_when_an_earlier_time_is_taken_back(store, clock):
    memory = store.add("Ada rows")
    store.plumbing.affirm(memory.id, by="bob")
    clock.advance(days=1)
    later = store.plumbing.affirm(memory.id, by="eve")

    left = store.plumbing.unaffirm(memory.id, memory)

    assert (left.affirmed, left.affirmed_by) == (1, "eve")
    assert left.affirmed_at == later.affirmed_at
    assert store.check() == []
