"""What users do turns into importance: once an event, shared, taken back, never by searching."""

import sqlite3
from contextlib import closing
from itertools import chain, count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feather_memory import (
    EngagementSignals,
    F,
    Hit,
    Score,
    SignalKind,
    Store,
    compute_importance,
)
from feather_memory.config import DAY, RECALL_TURNS
from feather_memory.errors import ParameterError, UnknownMemoryError, UnknownTurnError
from feather_memory.testing import FrozenClock

EFFECTS = {
    "saved": 0.4, "liked": 0.15, "disliked": -0.15, "copied": 0.1, "corrected": -0.2,
    "repeated": 0.0, "used": 0.0,
}  # fmt: skip


@pytest.fixture
def shown(store):
    """A store whose turn "t1" was shown four memories, and not a fifth."""
    for id_, text in {
        "tea": "Alice drinks green tea in the morning",
        "run": "Alice runs ten kilometres on Sundays",
        "car": "Alice drives an old red car",
        "cat": "Alice has a cat called Minka",
    }.items():
        store.add(text, id=id_)
    store.recall("Alice", k=10, turn="t1")
    store.add("Bob likes opera", id="bob")
    return store


def importance(store, *ids):
    return [store.get(id_).importance for id_ in ids]


def texts_found(store, query):
    return [hit.memory.text for hit in store.search(query, k=99)]


@pytest.mark.parametrize(("kind", "effect"), EFFECTS.items())
def test_each_kind_has_its_published_number(store, kind, effect):
    store.add("tea", id="a")
    store.signal("a", kind)
    assert importance(store, "a") == [round(0.4 + effect, 12)]


def test_importance_is_that_of_the_flags(store):
    store.add("tea", id="a")
    for kind in ("saved", "liked", "copied", "corrected", "repeated", "repeated", "repeated"):
        store.signal("a", kind)
    flags = EngagementSignals(
        explicit_save=True, was_liked=True, was_copied=True, was_corrected=True, repetition_count=3
    )
    assert importance(store, "a") == [compute_importance(flags)] == [1.0]


def test_saying_it_once_is_no_repetition(store):
    store.add("tea", id="a")
    found = []
    for _ in range(4):
        store.signal("a", "repeated")
        found += importance(store, "a")
    assert found == [0.4, 0.6, 0.6, 0.6]


def test_a_prior_is_kept_under_its_signals(store):
    store.add("tea", id="a", importance=0.7)
    store.signal("a", "liked", event_id="e")
    assert importance(store, "a") == [0.85]
    store.update("a", importance=0.2)
    assert importance(store, "a") == [0.35]
    store.unsignal("e")
    assert importance(store, "a") == [0.2]


def test_an_event_counts_once_however_often_it_comes(path, clock):
    with Store.open(path, clock=clock) as store:
        store.add("tea", id="a")
        first = store.signal("a", "liked", event_id="e1")
    clock.advance(days=1)
    with Store.open(path, clock=clock) as store:
        assert store.signal("a", "liked", event_id="e1") == first
        assert store.signals("a") == [first]
        assert importance(store, "a") == [0.55]
        for memory_id, kind in (("a", "saved"), ("b", "liked")):
            store.add("tea", id="b")
            with pytest.raises(ParameterError, match="e1"):
                store.signal(memory_id, kind, event_id="e1")
        assert importance(store, "a", "b") == [0.55, 0.4]
        assert store.check() == []


def test_a_like_can_be_taken_back_once_and_for_all(store):
    store.add("tea", id="a")
    store.signal("a", "liked", event_id="e1")
    assert store.unsignal("e1").retracted
    assert importance(store, "a") == [0.4]
    store.unsignal("e1")
    store.signal("a", "liked", event_id="e1")
    assert importance(store, "a") == [0.4], "a late replay does not bring it back"
    assert [signal.retracted for signal in store.signals("a")] == [True]
    with pytest.raises(ParameterError, match="e2"):
        store.unsignal("e2")


def test_the_order_of_signals_does_not_matter(tmp_path):
    kinds = ["saved", "corrected", "liked", "disliked", "copied", "repeated", "repeated"]
    found = set()
    for order in (kinds, kinds[::-1], sorted(kinds)):
        with Store.open(tmp_path / f"{len(found)}{order[0]}", clock=FrozenClock()) as store:
            store.add("tea", id="a")
            for at, kind in enumerate(order):
                store.signal("a", kind, event_id=f"{kind}{at}")
            found.add(store.get("a").importance)
    assert found == {0.9}


def test_many_likes_count_as_one(store):
    store.add("tea", id="a")
    for _ in range(20):
        store.signal("a", "liked")
    assert importance(store, "a") == [0.55]
    for _ in range(20):
        store.signal("a", "liked", strength=0.1)
    assert importance(store, "a") == [0.55]


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "loved"}, {"strength": 0}, {"strength": 1.1}, {"strength": float("nan")},
        {"event_id": ""}, {"at": float("inf")},
    ],
)  # fmt: skip
def test_a_signal_that_means_nothing_is_refused(store, given):
    store.add("tea", id="a")
    before = store.stats()
    with pytest.raises(ParameterError):
        store.signal("a", **{"kind": "liked", **given})
    assert store.stats() == before


def test_signals_about_strangers_are_refused(store):
    with pytest.raises(UnknownMemoryError, match="'x'"):
        store.signal("x", "liked")
    with pytest.raises(UnknownMemoryError, match="'x'"):
        store.signals("x")


def test_signals_stay_when_the_text_is_written_again(store):
    store.add("tea", id="a")
    store.signal("a", "saved")
    store.add("green tea", id="a")
    assert importance(store, "a") == [0.8]
    assert len(store.signals("a")) == 1


# Feedback on what a turn was shown


def test_credit_is_shared_over_what_was_shown(shown):
    given = shown.feedback("t1", "liked")
    assert sorted(signal.memory_id for signal in given) == ["car", "cat", "run", "tea"]
    assert {signal.strength for signal in given} == {0.25}
    assert {signal.turn for signal in given} == {"t1"}
    assert importance(shown, "tea", "run", "car", "cat", "bob") == [0.4375] * 4 + [0.4]


def test_less_credit_may_be_shared(shown):
    given = shown.feedback("t1", "saved", strength=0.5)
    assert {signal.strength for signal in given} == {0.125}
    for wrong in (0, 1.5, float("nan")):
        with pytest.raises(ParameterError, match="strength"):
            shown.feedback("t1", "liked", strength=wrong)


def test_what_a_turn_was_shown_can_be_looked_up_but_for_what_was_forgotten(shown):
    before = [memory.id for memory in shown.plumbing.shown("t1")]
    shown.forget("cat")

    assert sorted(before) == ["car", "cat", "run", "tea"]
    assert [memory.id for memory in shown.plumbing.shown("t1")] == [
        id_ for id_ in before if id_ != "cat"
    ]
    with pytest.raises(UnknownTurnError, match="'t9'"):
        shown.plumbing.shown("t9")


NUMBERS = count(1)  # a turn's name is used once


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from(["tea", "run", "car", "cat", "bob"]), unique=True)))
def test_what_a_turn_is_shown_later_comes_after_what_it_was_shown_before(shown, recalls):
    """Each memory once, where it was shown first; and counted once."""
    turn = f"turn {next(NUMBERS)}"
    before = {memory.id: memory.recalls for memory in shown.iterate()}

    for ids in recalls:
        shown.plumbing.log_recall(
            [Hit(memory=shown.get(i), score=Score(value=0.5)) for i in ids], turn=turn
        )

    expected = list(dict.fromkeys(chain(*recalls)))
    if recalls:
        assert [memory.id for memory in shown.plumbing.shown(turn)] == expected
    assert {memory.id: memory.recalls for memory in shown.iterate()} == {
        id_: count + (id_ in expected) for id_, count in before.items()
    }


def test_the_second_and_third_recall_of_a_turn_rank_after_the_first(shown):
    for ids in (["run", "tea"], ["tea", "car"], ["cat", "run"]):
        shown.recall("Alice", k=10, turn="t2", where=F("id").is_in(ids))

    first = [hit.memory.id for hit in shown.search("Alice", where=F("id").is_in(["run", "tea"]))]
    assert [memory.id for memory in shown.plumbing.shown("t2")] == [*first, "car", "cat"]
    assert [signal.memory_id for signal in shown.feedback("t2", "liked")] == [*first, "car", "cat"]


def test_credit_is_narrowed_by_id(shown):
    (signal,) = shown.feedback("t1", SignalKind.SAVED, memory_ids=["cat"])
    assert (signal.memory_id, signal.strength) == ("cat", 1.0)
    assert importance(shown, "cat", "tea") == [0.8, 0.4]
    with pytest.raises(ParameterError, match="'bob'"):
        shown.feedback("t1", "liked", memory_ids=["cat", "bob"])
    assert importance(shown, "cat", "bob") == [0.8, 0.4]


@pytest.mark.parametrize(
    ("copied", "credited"),
    [
        ("Green tea, in the MORNING!", ["tea"]),
        ("Note: Alice has a cat called Minka.", ["cat"]),
        ("the red car is old", ["car"]),
        ("nothing in common whatsoever", ["car", "cat", "run", "tea"]),
    ],
)
def test_credit_is_narrowed_by_the_copied_text(shown, copied, credited):
    given = shown.feedback("t1", "copied", copied_text=copied)
    assert sorted(signal.memory_id for signal in given) == credited


def test_feedback_in_another_process_later_knows_what_it_is_about(path, clock):
    with Store.open(path, clock=clock) as store:
        store.add("tea", id="a")
        turn = store.recall("tea").turn
    clock.advance(hours=1)
    with Store.open(path, clock=clock) as store:
        store.feedback(turn, "liked")
        assert importance(store, "a") == [0.55]


def test_the_same_feedback_again_changes_nothing(shown):
    first = shown.feedback("t1", "liked", event_id="f1")
    before = importance(shown, "tea", "run", "car", "cat")
    assert shown.feedback("t1", "liked", event_id="f1") == first
    assert importance(shown, "tea", "run", "car", "cat") == before
    shown.unsignal(first[0].event_id)
    assert importance(shown, first[0].memory_id) == [0.4]


def test_a_correction_lowers_and_supersedes_what_it_corrects(shown):
    (signal,) = shown.feedback(
        "t1", "corrected", memory_ids=["car"], correction="Alice drives a bicycle", event_id="c1"
    )
    assert signal.kind is SignalKind.CORRECTED
    old = shown.get("car")
    assert old.importance == 0.2
    (new,) = (shown.get(id_) for id_ in old.superseded_by)
    assert (new.text, new.supersedes, new.importance) == ("Alice drives a bicycle", ("car",), 0.4)
    found = {hit.memory.id for hit in shown.search("Alice drives a car", k=10)}
    assert new.id in found
    assert "car" not in found
    before = shown.stats()
    again = shown.feedback(
        "t1", "corrected", memory_ids=["car"], correction="Alice drives a bicycle", event_id="c1"
    )
    assert again == [signal]
    assert shown.stats().memories == before.memories


def test_a_correction_is_found_and_forgotten_by_what_it_corrects(store):
    fields = {"metadata": {"channel": "chat"}, "session": "s", "actor": "alice"}
    store.add("Alice drives a car", id="car", **fields)
    store.recall("car", turn="t1")

    store.feedback("t1", "corrected", correction="Alice drives a bicycle")

    (hit,) = store.search("", where={"channel": "chat"}, session="s")
    assert hit.memory.text == "Alice drives a bicycle"
    assert hit.memory.actor == "alice"
    store.forget(where=F("session") == "s")
    assert len(store) == 0


def test_a_correction_may_bring_its_vector(tmp_path):
    """Where an adapter embeds, the store has no embedder."""
    with Store.open(tmp_path / "bare.feather") as store:
        store.add("Alice drives a car", id="car", vector=[1.0, 0.0])
        turn = store.recall("car", vector=[1.0, 0.0]).turn

        store.feedback(turn, "corrected", correction="Alice cycles", vector=[0.0, 1.0])

        (new,) = store.get("car").superseded_by
        assert store.get(new).vector.tolist() == [0.0, 1.0]
        with pytest.raises(ParameterError, match="correction"):
            store.feedback(turn, "liked", vector=[0.0, 1.0])
        assert store.check() == []


def test_a_correction_takes_over_the_slot(store):
    store.add("Helix", id="a", key="editor")
    store.recall("Helix", turn="t")
    store.feedback("t", "corrected", correction="Zed")
    (current,) = store.search("editor", k=9)
    assert (current.memory.text, current.memory.key) == ("Zed", "editor")


def test_a_correction_keeps_what_does_not_depend_on_who_says_it(store, clock):
    week = clock() + 7 * DAY
    store.add(
        "Alice drives a car", id="car", role="assistant", importance=0.9, expires_at=week,
        key="way", metadata={"channel": "chat"}, session="s", actor="alice",
    )  # fmt: skip
    store.recall("car", turn="t1")

    store.feedback("t1", "corrected", correction="Alice drives a bicycle")

    (new,) = (store.get(id_) for id_ in store.get("car").superseded_by)
    assert (new.metadata, new.session, new.actor) == ({"channel": "chat"}, "s", "alice")
    assert (new.key, new.importance, new.expires_at.timestamp()) == ("way", 0.9, week)
    assert new.role is None


def test_the_correction_of_what_has_expired_does_not_expire_with_it(store, clock):
    store.add("Alice drives a car", id="car", expires_at=clock() + DAY)
    store.recall("car", turn="t1")
    clock.advance(days=2)

    store.feedback("t1", "corrected", correction="Alice drives a bicycle")

    assert texts_found(store, "Alice") == ["Alice drives a bicycle"]


def test_a_correction_keeps_the_links_of_what_it_corrects(shown):
    shown.link("tea", "car", "supports", 0.5)
    shown.link("car", "cat", "part_of", 0.25)
    shown.supersede("run", "Alice swims", id="swim")
    shown.link("swim", "car", "next")

    shown.feedback("t1", "corrected", memory_ids=["car"], correction="Alice drives a bicycle")

    (new,) = shown.get("car").superseded_by
    links = {(e.source, e.target, e.type, e.weight) for e in shown.edges(new)}
    assert links == {
        (new, "car", "supersedes", 1.0), ("tea", new, "supports", 0.5),
        (new, "cat", "part_of", 0.25), ("swim", new, "next", 1.0),
    }  # fmt: skip


def test_two_corrections_of_one_memory_leave_one_current_fact(shown, clock):
    shown.recall("Alice", k=10, turn="t2")
    for turn, text in (("t1", "Alice drives a bicycle"), ("t2", "Alice drives a tram")):
        clock.advance(days=1)
        shown.feedback(turn, "corrected", memory_ids=["car"], correction=text)

    assert importance(shown, "car") == [0.2]
    assert [memory.text for memory in shown.history("car")][1:] == [
        "Alice drives a bicycle", "Alice drives a tram",
    ]  # fmt: skip
    drives = [text for text in texts_found(shown, "Alice drives") if "drives" in text]
    assert drives == ["Alice drives a tram"]


def test_a_correction_of_what_was_replaced_meanwhile_supersedes_what_is_current(shown):
    """Also where it has two heads; what it keeps is of the current, else of what was wrong."""
    shown.update("car", metadata={"topic": "traffic"}, session="s1")
    shown.supersede("car", "Alice drives a bicycle", id="bike", session="s2")
    shown.supersede("car", "Alice drives a tram", id="tram")
    shown.link("car", "cat", "supports", 0.25)
    shown.link("bike", "cat", "supports", 0.75)
    shown.link("bike", "car", "references")

    shown.feedback("t1", "corrected", memory_ids=["car"], correction="Alice drives nothing")

    ((new,), (same,)) = (shown.get(id_).superseded_by for id_ in ("bike", "tram"))
    assert new == same
    assert (shown.get(new).session, shown.get(new).metadata) == ("s2", {"topic": "traffic"})
    assert [(e.target, e.weight) for e in shown.edges(new) if e.type != "supersedes"] == [
        ("cat", 0.75)
    ]
    drives = [text for text in texts_found(shown, "Alice drives") if "drives" in text]
    assert drives == ["Alice drives nothing"]


def test_a_correction_that_is_current_already_is_not_written_again(shown):
    shown.recall("Alice", k=10, turn="t2")
    shown.feedback("t1", "corrected", memory_ids=["car"], correction="Alice cycles")
    (new,) = shown.get("car").superseded_by
    shown.recall("Alice cycles", k=1, turn="t3")
    before = shown.stats().memories

    shown.feedback("t2", "corrected", memory_ids=["car"], correction="Alice cycles")
    nothing = shown.feedback("t3", "corrected", memory_ids=[new], correction="Alice cycles")

    assert nothing == []
    assert shown.stats().memories == before
    assert importance(shown, "car", new) == [0.2, 0.4]


def test_the_last_word_holds_also_where_it_was_said_before(shown, clock):
    for text in ("Alice cycles", "Alice walks", "Alice cycles", "Alice cycles"):
        clock.advance(days=1)
        shown.feedback("t1", "corrected", memory_ids=["car"], correction=text)

    assert [memory.text for memory in shown.history("car")][1:] == [
        "Alice cycles", "Alice walks", "Alice cycles",
    ]  # fmt: skip
    found = texts_found(shown, "Alice cycles walks")
    assert ("Alice walks" in found, found.count("Alice cycles")) == (False, 1)
    assert importance(shown, "car") == [0.2]


def test_a_correction_of_a_named_event_that_comes_late_changes_nothing(shown):
    for event, text in (("e1", "Alice cycles"), ("e2", "Alice walks"), ("e1", "Alice cycles")):
        shown.feedback("t1", "corrected", memory_ids=["car"], correction=text, event_id=event)

    found = texts_found(shown, "Alice cycles walks")
    assert ("Alice walks" in found, "Alice cycles" in found) == (True, False)


def test_a_correction_that_one_of_two_heads_says_leaves_that_one(shown):
    shown.supersede("car", "Alice drives a bicycle", id="bike")
    shown.supersede("car", "Alice drives a tram", id="tram")

    shown.feedback("t1", "corrected", memory_ids=["car"], correction="Alice drives a tram")

    assert shown.get("bike").superseded_by == ("tram",)
    assert shown.get("tram").superseded_by == ()


def test_what_is_to_replace_a_fact_later_replaces_its_correction_then(shown, clock):
    shown.supersede("car", "Alice drives a tram", id="tram", valid_from=clock() + 9 * DAY)

    shown.feedback("t1", "corrected", memory_ids=["car"], correction="Alice drives a bicycle")
    now = [text for text in texts_found(shown, "Alice drives") if "drives" in text]
    clock.advance(days=10)
    later = [text for text in texts_found(shown, "Alice drives") if "drives" in text]

    assert (now, later) == (["Alice drives a bicycle"], ["Alice drives a tram"])


def test_what_was_replaced_by_something_forgotten_can_be_corrected(shown):
    shown.supersede("car", "Alice drives a tram", id="tram")
    shown.forget("tram")

    shown.feedback("t1", "corrected", memory_ids=["car"], correction="Alice drives a bicycle")

    drives = [text for text in texts_found(shown, "Alice drives") if "drives" in text]
    assert drives == ["Alice drives a bicycle"]


def test_the_correction_of_what_was_forgotten_is_refused(shown):
    shown.forget("car")
    with pytest.raises(ParameterError, match="'car'"):
        shown.feedback("t1", "corrected", memory_ids=["car"], correction="Alice cycles")


def test_a_correction_that_could_mean_several_is_refused(shown):
    before = shown.stats()
    with pytest.raises(ParameterError, match="memory_ids"):
        shown.feedback("t1", "corrected", correction="Alice flies")
    with pytest.raises(ParameterError, match="corrected"):
        shown.feedback("t1", "liked", memory_ids=["car"], correction="Alice flies")
    with pytest.raises(ParameterError, match="text"):
        shown.feedback("t1", "corrected", memory_ids=["car"], correction=" ")
    assert shown.stats() == before


def test_feedback_on_an_unknown_turn_is_refused(shown):
    with pytest.raises(UnknownTurnError, match="'t9'"):
        shown.feedback("t9", "liked")


def test_feedback_on_an_empty_answer_is_no_signal(store):
    turn = store.recall("anything").turn
    assert store.feedback(turn, "liked") == []


def test_the_same_feedback_on_a_turn_is_the_same_event_unless_it_is_named(shown):
    for _ in range(3):
        shown.feedback("t1", "liked", memory_ids=["cat"])
        shown.feedback("t1", "copied", copied_text="green tea")
        shown.feedback("t1", "corrected", memory_ids=["car"], correction="Alice cycles")
    assert importance(shown, "cat", "tea", "car") == [0.55, 0.5, 0.2]
    assert [len(shown.signals(id_)) for id_ in ("cat", "tea", "car")] == [1, 1, 1]
    assert shown.stats().memories == 6
    shown.feedback("t1", "liked", memory_ids=["run"])
    assert importance(shown, "run") == [0.55], "another memory is another event"


def test_a_like_can_be_given_again_after_it_was_taken_back(shown):
    found = []
    for _ in range(3):
        shown.feedback("t1", "liked", memory_ids=["cat"])
        found += importance(shown, "cat")
        (signal,) = shown.unfeedback("t1", "liked")
        assert signal.retracted
        assert shown.unfeedback("t1", "liked") == []
        found += importance(shown, "cat")
    assert found == [0.55, 0.4] * 3
    with pytest.raises(UnknownTurnError, match="'t9'"):
        shown.unfeedback("t9", "liked")


@pytest.mark.parametrize("kinds", [("liked", "disliked"), ("disliked", "liked")])
@pytest.mark.parametrize("events", [(None, None), ("e1", None), (None, "e1")])
def test_of_a_like_and_a_dislike_in_a_turn_the_later_holds(shown, kinds, events):
    alone = {"liked": 0.55, "disliked": 0.25}
    shown.plumbing.name_turn("t1", "message-7")
    for kind, event, turn in zip(kinds, events, ("t1", "message-7"), strict=True):
        shown.feedback(turn, kind, memory_ids=["cat"], event_id=event)
        assert importance(shown, "cat") == [alone[kind]]
    assert {s.kind: s.retracted for s in shown.signals("cat")} == {kinds[0]: True, kinds[1]: False}


def test_verdicts_that_have_an_id_each_are_two_peoples(shown):
    shown.feedback("t1", "liked", memory_ids=["cat"], event_id="e1")
    shown.feedback("t1", "disliked", memory_ids=["cat"], event_id="e2")
    assert importance(shown, "cat") == [0.4]
    shown.feedback("t1", "disliked", memory_ids=["cat"])
    shown.feedback("t1", "liked", memory_ids=["cat"], event_id="e1")
    assert importance(shown, "cat") == [0.25], "an event that was taken back never counts again"


def test_feedback_of_an_event_that_is_anothers_in_part_is_refused(shown):
    """No signal is handed back that the log does not hold."""
    shown.feedback("t1", "liked", event_id="e", memory_ids=["cat"])
    shown.signal("car", "liked", event_id="late:tea")
    with pytest.raises(ParameterError, match="'late' of one of these memories is logged"):
        shown.feedback("t1", "disliked", event_id="late", memory_ids=["tea"])
    assert [signal.kind for signal in shown.signals("cat")] == ["liked"]
    assert shown.signals("tea") == []


def test_a_verdict_on_one_memory_or_turn_leaves_those_on_others(shown):
    shown.recall("Alice", k=10, turn="t2")
    shown.feedback("t1", "liked", memory_ids=["cat", "tea"])
    shown.feedback("t2", "disliked", memory_ids=["tea"])
    shown.feedback("t1", "disliked", memory_ids=["cat"])
    assert importance(shown, "cat") == [0.25]
    assert importance(shown, "tea") == [pytest.approx(0.4 + 0.075 - 0.15)]
    shown.feedback("t1", "liked", memory_ids=["cat", "tea"])
    assert importance(shown, "cat", "tea") == pytest.approx([0.475, 0.325]), "again about the cat"


def test_what_was_taken_back_may_be_about_some_of_the_memories(shown):
    shown.feedback("t1", "copied", memory_ids=["cat", "tea"])
    shown.feedback("t1", "copied", copied_text="an old red car")
    assert [s.memory_id for s in shown.unfeedback("t1", "copied", memory_ids=["tea"])] == ["tea"]
    assert importance(shown, "cat", "tea", "car") == [0.45, 0.4, 0.5]
    taken = shown.unfeedback("t1", "copied", copied_text="an old red car")
    assert [signal.memory_id for signal in taken] == ["car"]
    with pytest.raises(ParameterError, match="'bob'"):
        shown.unfeedback("t1", "copied", memory_ids=["cat", "bob"])
    assert importance(shown, "cat", "tea", "car") == [0.45, 0.4, 0.4]


def test_taking_back_one_kind_leaves_the_others_and_other_turns(shown):
    shown.recall("Alice", k=10, turn="t2")
    shown.feedback("t1", "saved", memory_ids=["cat"])
    shown.feedback("t1", "liked", memory_ids=["cat"])
    shown.feedback("t2", "liked", memory_ids=["tea"])
    shown.unfeedback("t1", "liked")
    assert importance(shown, "cat", "tea") == [0.8, 0.55]


def test_a_turn_is_found_by_each_of_its_names(shown):
    shown.plumbing.name_turn("t1", "message-7")
    shown.plumbing.name_turn("message-7", "message-8")
    shown.plumbing.name_turn("t1", "message-8")
    for name in ("t1", "message-7", "message-8"):
        given = shown.feedback(name, "liked", memory_ids=["cat"])
        assert [signal.turn for signal in given] == ["t1"]
    assert importance(shown, "cat") == [0.55]
    shown.recall("Bob", k=1, turn="message-8")
    assert len(shown.feedback("t1", "saved", memory_ids=["bob"])) == 1
    shown.unfeedback("message-7", "saved")
    assert importance(shown, "bob") == [0.4]


def test_a_name_of_two_turns_is_refused(shown):
    shown.recall("Bob", turn="t2")
    shown.plumbing.name_turn("t1", "message-7")
    for turn, also in (("t1", "t2"), ("t2", "message-7")):
        with pytest.raises(ParameterError, match=also):
            shown.plumbing.name_turn(turn, also)
    with pytest.raises(UnknownTurnError, match="'t9'"):
        shown.plumbing.name_turn("t9", "message-9")


# Recalls


def test_a_recall_counts_once_a_turn(store):
    store.add("tea", id="a")
    for _ in range(3):
        store.recall("tea", turn="t1")
    assert store.get("a").recalls == 1
    store.recall("tea", turn="t2")
    assert store.get("a").recalls == 2
    store.plumbing.log_recall(store.context_chain("tea"), turn="t2")
    assert store.get("a").recalls == 2
    store.plumbing.log_recall(store.context_chain("tea"), turn="t3")
    assert store.get("a").recalls == 3


def test_reinforcement_can_be_switched_off(store):
    store.add("tea", id="a")
    hits = store.recall("tea", turn="t1", reinforce=False)
    assert (hits.turn, store.get("a").recalls) == ("t1", 0)
    assert len(store.feedback("t1", "liked")) == 1


def test_a_turn_may_be_shown_more_by_a_second_recall(store):
    store.add("tea", id="a")
    store.add("coffee", id="b")
    store.recall("tea", k=1, turn="t")
    store.recall("coffee", k=1, turn="t")
    assert {signal.memory_id for signal in store.feedback("t", "liked")} == {"a", "b"}


def test_a_recall_returns_what_the_search_returns(store):
    for at in range(20):
        store.add(f"tea number {at}")
    searched = store.search("tea 7", k=6)
    assert list(store.recall("tea 7", k=6)) == list(searched)


def test_turns_that_are_not_named_are_told_apart(store):
    store.add("tea", id="a")
    turns = {store.recall("tea").turn for _ in range(5)}
    assert len(turns) == 5
    assert store.get("a").recalls == 5
    assert store.search("tea").turn is None


def test_the_recall_log_is_bounded_and_keeps_no_query(path, clock):
    with Store.open(path, clock=clock) as store:
        store.add("tea", id="a")
        for turn in range(RECALL_TURNS + 50):
            store.recall("secretquestion", turn=f"t{turn}")
        assert store.stats().recalls == RECALL_TURNS
        with pytest.raises(UnknownTurnError):
            store.feedback("t49", "liked")
        assert len(store.feedback("t50", "liked")) == 1
        assert store.get("a").recalls == RECALL_TURNS + 50
        assert store.check() == []
    with closing(sqlite3.connect(path)) as connection:
        assert "secretquestion" not in "".join(connection.iterdump())


def test_an_event_whose_name_begins_another_is_an_event_of_its_own(shown):
    shown.feedback("t1", "liked", event_id="run:7", memory_ids=["tea"])

    counted = shown.feedback("t1", "copied", event_id="run", memory_ids=["tea"])

    assert [signal.kind for signal in counted] == ["copied"]
    assert len(shown.signals("tea")) == 2
    assert shown.feedback("t1", "copied", event_id="run") == counted


def test_a_signal_that_names_its_turn_by_another_name_is_taken_back_with_it(shown):
    shown.plumbing.name_turn("t1", "message-1")
    signal = shown.signal("tea", "liked", turn="message-1")

    assert signal.turn == "t1"
    assert [s.event_id for s in shown.unfeedback("message-1", "liked")] == [signal.event_id]


@pytest.mark.parametrize("turn", [7, b"t1", ["t1"], "", "\ud800", "a\0"])
def test_a_signals_turn_is_a_name_or_is_refused(shown, turn):
    with pytest.raises(ParameterError):
        shown.signal("tea", "liked", turn=turn)
    with pytest.raises(ParameterError):
        shown.unsignal(turn)
    assert shown.signals("tea") == []


def test_forgetting_a_memory_takes_its_signals_and_recalls_along(shown):
    shown.feedback("t1", "liked")
    gone = shown.forget("tea", dry_run=True)
    assert (gone.signals, gone.recalls, gone.is_dry_run) == (1, 1, True)
    assert shown.forget("tea").ids == ("tea",)
    assert shown.stats().signals == 3
    assert len(shown.feedback("t1", "saved")) == 3
