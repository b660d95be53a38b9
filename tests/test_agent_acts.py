"""What users do with an answer means one thing, for a store and for layers."""

from __future__ import annotations

from itertools import count

import pytest

from feather_memory import (
    ContextLayers,
    MissingEmbedderError,
    ParameterError,
    SignalKind,
    Store,
    UnknownMemoryError,
    UnknownTurnError,
)
from feather_memory.agent import (
    Act,
    Opened,
    Said,
    correct,
    done,
    logged,
    remembering,
    save_fact,
    take_back,
)

LIKE, DISLIKE, SAVED, COPIED, CORRECTED = 0.55, 0.25, 0.8, 0.5, 0.2
LIKED, DISLIKED = Act(kind=SignalKind.LIKED), Act(kind=SignalKind.DISLIKED)


@pytest.fixture
def team(tmp_path, clock, embedder):
    with Store.open(tmp_path / "team.feather", embedder=embedder, clock=clock) as team:
        yield team
        assert team.check() == []


@pytest.fixture(params=["store", "layers"])
def opened(request, store, team):
    """Turn "run" was shown one memory, of the store or of the nearest of two layers."""
    store.add("Deploys are on Tuesday", id="deploys")
    store.add("Lunch is at noon", id="lunch")
    layers = ContextLayers(user=store, team=team)
    reader = store if request.param == "store" else layers
    reader.recall("Deploys", k=1, turn="run", reinforce=False)
    store.plumbing.name_turn("run", "message")
    return Opened.of(reader)


def importance(opened, *ids):
    return [opened.writes.get(id_).importance for id_ in ids or ("deploys",)]


def current(opened):
    return {hit.memory.text for hit in opened.reads.search("deploys", 99)}


# Verdicts


def test_a_verdict_takes_its_opposite_back_by_whichever_name(opened):
    found = []
    for name, act in (("run", LIKED), ("message", DISLIKED), ("run", LIKED), ("message", LIKED)):
        done(opened, name, act)
        found += importance(opened)

    assert found == [LIKE, DISLIKE, LIKE, LIKE]


def test_a_verdict_on_one_memory_leaves_that_on_another(opened):
    logged(opened.reads, opened.reads.search("Lunch", 1), "run", reinforce=False)

    done(opened, "run", DISLIKED, memory_ids=["deploys"])
    done(opened, "message", LIKED, memory_ids=["lunch"])

    assert importance(opened, "deploys", "lunch") == [DISLIKE, LIKE]


def test_the_same_act_changes_nothing_until_it_is_taken_back(opened):
    act = Act(kind=SignalKind.COPIED, copied_text="deploys are on tuesday")
    for _ in range(2):
        done(opened, "run", act)
        done(opened, "message", act)
        assert importance(opened) == [COPIED]
        (signal,) = take_back(opened, "run", "copied")
        assert signal.retracted
        assert importance(opened) == [0.4]


def test_an_act_that_is_not_done_is_taken_back(opened):
    done(opened, "run", Act(kind=SignalKind.SAVED))
    done(opened, "run", Act(kind=SignalKind.SAVED, is_done=False))

    assert importance(opened) == [0.4]


def test_a_turn_that_was_shown_nothing_is_unknown(opened):
    for name in ("nobody", ""):
        with pytest.raises((UnknownTurnError, ParameterError)):
            done(opened, name, LIKED)
    with pytest.raises(UnknownTurnError):
        take_back(opened, "nobody", "liked")


def test_credit_is_shared_over_all_layers_and_taken_back_in_all(store, team):
    store.add("Deploys are on Tuesday", id="same")
    team.add("Deploys of the team", id="same")
    opened = Opened.of(ContextLayers(user=store, team=team))
    opened.reads.recall("deploys", turn="t")

    done(opened, "t", LIKED)
    liked = [each.get("same").importance for each in (store, team)]
    done(opened, "t", DISLIKED)
    disliked = [each.get("same").importance for each in (store, team)]

    assert (liked, disliked) == ([0.475, 0.475], [0.325, 0.325])
    done(opened, "t", Act(kind=SignalKind.SAVED), event="e")
    done(opened, "t", Act(kind=SignalKind.SAVED, is_done=False), event="e")
    assert [each.get("same").importance for each in (store, team)] == [0.325, 0.325]


@pytest.mark.parametrize("one", ["core", "done", "event"])
@pytest.mark.parametrize("other", ["core", "done", "event"])
def test_a_verdict_takes_its_opposite_back_at_whichever_door(opened, one, other):
    say = {
        "core": lambda act: opened.reads.feedback("run", act.kind),
        "done": lambda act: done(opened, "run", act, memory_ids=["deploys"]),
        "event": lambda act: done(opened, "message", act, event="f1"),
    }
    found = []
    for door, act in ((one, LIKED), (other, DISLIKED), (one, LIKED), (other, DISLIKED)):
        say[door](act)
        found += importance(opened)

    assert found == [LIKE, DISLIKE, LIKE, DISLIKE]


def test_what_is_taken_back_of_some_memories_stays_of_the_others(opened):
    logged(opened.reads, opened.reads.search("Lunch", 1), "run", reinforce=False)
    copied, undone = Act(kind=SignalKind.COPIED), Act(kind=SignalKind.COPIED, is_done=False)
    for event in (None, "f1"):
        done(opened, "run", copied, event=event)
        (taken,) = done(opened, "run", undone, memory_ids=["deploys"], event=event)

        assert taken.memory_id == "deploys"
        with pytest.raises(ParameterError, match="'nope'"):
            done(opened, "run", undone, memory_ids=["nope"], event=event)
    # Half of a copy, twice: as surely as once.
    assert importance(opened, "deploys", "lunch") == [0.4, 0.45]


def test_what_a_text_was_copied_from_is_what_is_taken_back_by_that_text(opened):
    logged(opened.reads, opened.reads.search("Lunch", 1), "run", reinforce=False)
    done(opened, "run", Act(kind=SignalKind.COPIED))

    act = Act(kind=SignalKind.COPIED, is_done=False, copied_text="Lunch is at noon")
    done(opened, "run", act)

    assert importance(opened, "deploys", "lunch") == [0.45, 0.4]


# One feedback that says several things


def test_each_feedback_is_one_that_may_change_its_mind(opened):
    logged(opened.reads, opened.reads.search("Lunch", 1), "run", reinforce=False)

    def thumbs(who, act):
        done(opened, "run", act, event=who)
        return importance(opened, "lunch")

    # A like is shared over the two memories that were shown, whoever likes them.
    assert thumbs("u1", LIKED) == [0.475]
    assert thumbs("u1", LIKED) == [0.475]
    assert thumbs("u2", LIKED) == [0.475]
    assert thumbs("u1", DISLIKED) == [0.4]  # a like of one, a dislike of the other
    assert thumbs("u1", LIKED) == [0.475]
    assert thumbs("u1", Act(kind=SignalKind.COPIED)) == [0.525]
    assert thumbs("u1", Act(kind=SignalKind.COPIED, is_done=False)) == [0.475]


def test_a_correction_that_is_edited_holds_and_its_first_version_does_not_come_back(opened):
    for text in ("Deploys are on Friday", "Deploys are on Monday", "Deploys are on Friday"):
        act = Act(kind=SignalKind.CORRECTED, correction=text)
        done(opened, "run", act, event="f1", memory_ids=["deploys"])

    assert current(opened) == {"Deploys are on Monday", "Lunch is at noon"}
    assert importance(opened) == [CORRECTED]


def test_a_feedback_of_another_turn_is_refused(opened):
    opened.reads.recall("Deploys", k=1, turn="another", reinforce=False)
    done(opened, "run", LIKED, event="f1")

    with pytest.raises(ParameterError, match="another run"):
        done(opened, "another", LIKED, event="f1")
    done(opened, "message", LIKED, event="f1")  # the same turn, by its other name

    assert importance(opened) == [LIKE]


# Corrections


def test_a_correction_by_id_is_a_correction_of_what_was_shown(opened, clock):
    first = correct(opened, "deploys", "Deploys are on Friday")
    clock.advance(hours=1)
    again = correct(opened, "deploys", "Deploys are on Friday")
    done(opened, "run", Act(kind=SignalKind.CORRECTED, correction="Deploys are on Friday"))

    assert first == again
    assert first.text == "Deploys are on Friday"
    assert importance(opened) == [CORRECTED]
    assert current(opened) == {"Deploys are on Friday", "Lunch is at noon"}
    assert len(opened.writes) == 3


def test_the_last_of_several_corrections_holds_whichever_memory_they_name(opened, clock):
    named = "deploys"
    for number, text in enumerate(("on Friday", "on Monday", "on Friday", "on Thursday")):
        clock.advance(hours=1)
        memory = correct(opened, named, text)
        assert memory.text == text
        assert not memory.superseded_by
        named = "deploys" if number % 2 else memory.id

    assert current(opened) == {"on Thursday", "Lunch is at noon"}


def test_a_correction_by_id_belongs_to_the_turn_that_is_named(opened):
    correct(opened, "deploys", "Deploys are on Friday", turn="run")
    correct(opened, "lunch", "Lunch is at one", turn="new")

    (signal,) = opened.writes.signals("deploys")
    assert (signal.turn, signal.kind) == ("run", "corrected")
    assert [memory.id for memory in opened.writes.plumbing.shown("new")] == ["lunch"]


def test_what_says_the_correction_already_stays_as_it_is(opened):
    memory = correct(opened, "deploys", "Deploys are on Tuesday")

    assert (memory.id, memory.importance, memory.superseded_by) == ("deploys", 0.4, ())


def test_a_correction_of_nothing_or_by_nothing_is_refused_and_logs_nothing(opened):
    before = opened.writes.stats()
    with pytest.raises(UnknownMemoryError, match="'nobody'"):
        correct(opened, "nobody", "x")
    with pytest.raises(ParameterError, match="say something"):
        correct(opened, "deploys", " ")

    assert opened.writes.stats() == before


def test_a_correction_may_bring_its_vector(tmp_path):
    with Store.open(tmp_path / "bare.feather") as store:
        store.add("Deploys are on Tuesday", id="deploys", vector=[1.0, 0.0])
        opened = Opened.of(store)

        memory = correct(opened, "deploys", "on Friday", vector=[0.0, 1.0])
        act = Act(kind=SignalKind.CORRECTED, correction="on Monday")
        store.recall("Friday", turn="t", vector=[0.0, 1.0])
        done(opened, "t", act, vector=[0.6, 0.8])

        assert memory.vector.tolist() == [0.0, 1.0]
        (new,) = store.get(memory.id).superseded_by
        assert store.get(new).vector.tolist() == pytest.approx([0.6, 0.8])
        assert store.check() == []


def test_a_correction_of_what_two_layers_know_by_one_id_is_of_the_nearest(store, team):
    store.add("Deploys are on Monday", id="deploys")
    team.add("Deploys of the team are on Monday", id="deploys")
    opened = Opened.of(ContextLayers(user=store, team=team))
    opened.reads.recall("deploys", turn="run")

    for turn in ("run", None):
        new = correct(opened, "deploys", "Deploys are on Friday", turn=turn)
        assert store.get("deploys").superseded_by == (new.id,)
    assert team.get("deploys").superseded_by == ()
    assert store.get("deploys").importance == CORRECTED


def test_a_correction_through_layers_is_in_the_layer_of_what_it_corrects(store, team):
    team.add("Deploys of the team are on Monday", id="t")
    store.add("Alice likes tea", id="tea")
    opened = Opened.of(ContextLayers(user=store, team=team))
    opened.reads.recall("deploys", turn="run")

    memory = correct(opened, "t", "Deploys of the team are on Friday")

    assert team.get("t").superseded_by == (memory.id,)
    assert len(store) == 1
    assert team.get("t").importance == CORRECTED


# The answer that was wrong


def remember_answer(store, text, turn):
    said = [
        Said(role="user", text="When are deploys?", message_id=turn),
        Said(role="assistant", text=text, message_id=f"{turn}-answer"),
    ]
    new = remembering(store, said, session="s", turn=turn, are_said_now=True)
    new.write(store)
    return new.ids[1]


@pytest.mark.parametrize("name", ["run", "message"])
def test_a_correction_retires_the_answer_of_its_turn_and_no_other(opened, name):
    store = opened.writes
    wrong = remember_answer(store, "Deploys? On Tuesday!", name)
    other = remember_answer(store, "At noon.", "another")
    act = Act(kind=SignalKind.CORRECTED, correction="Deploys are on Friday")

    for _ in range(2):
        done(opened, name, act)

    (new,) = store.get("deploys").superseded_by
    assert store.get(wrong).superseded_by == (new,)
    assert store.get(other).superseded_by == ()
    assert store.get("deploys").superseded_by == (new,)
    texts = {memory.text for memory in store.history(new)}
    assert texts == {"Deploys are on Tuesday", "Deploys are on Friday", "Deploys? On Tuesday!"}


def test_a_correction_by_id_retires_no_answer_of_the_turn_in_which_it_is_made(opened):
    said = remember_answer(opened.writes, "Thanks! Deploys need two approvals.", "run")

    correct(opened, "deploys", "Deploys are on Friday", turn="run")

    assert opened.writes.get(said).superseded_by == ()


def test_an_answer_that_is_remembered_by_another_name_is_retired_where_that_is_said(opened):
    wrong = remember_answer(opened.writes, "Deploys? On Tuesday!", "plain")
    act = Act(kind=SignalKind.CORRECTED, correction="Deploys are on Friday")

    done(opened, "run", act, said_in=["plain"])

    assert opened.writes.get(wrong).superseded_by == opened.writes.get("deploys").superseded_by


def test_an_answer_in_another_layer_than_its_mistake_is_no_longer_current(store, team, clock):
    team.add("Deploys of the team are on Sunday", id="ours")
    layers = ContextLayers(user=store, team=team)
    layers.recall("deploys", turn="run")
    said = remember_answer(store, "Deploys of the team: Sundays", "run")
    other = remember_answer(store, "Deploys of mine: Mondays", "another")
    before = clock()
    clock.advance(hours=1)
    act = Act(kind=SignalKind.CORRECTED, correction="Deploys of the team are on Tuesday")

    for _ in range(2):
        done(Opened.of(layers), "run", act, memory_ids=["ours"])

    found = {hit.memory.text for hit in layers.search("deploys", 99)}
    assert found & {"Deploys of the team: Sundays", "Deploys of the team are on Sunday"} == set()
    assert {"Deploys of mine: Mondays", "Deploys of the team are on Tuesday"} <= found
    assert store.get(other).valid_to is None
    assert said in {hit.memory.id for hit in store.search("deploys", 99, as_of=before)}


def test_an_answer_that_was_replaced_before_is_left_alone(opened):
    store = opened.writes
    answer = remember_answer(store, "Deploys? On Tuesday!", "run")
    better = store.supersede(answer, "Deploys? On Friday!")

    done(opened, "run", Act(kind=SignalKind.CORRECTED, correction="Deploys are on Friday"))

    assert store.get(answer).superseded_by == (better.id,)


def test_an_answer_that_is_itself_corrected_is_retired_once(opened):
    store = opened.writes
    answer = remember_answer(store, "Deploys? On Tuesday!", "run")

    new = correct(opened, answer, "Deploys are on Friday", turn="run")

    assert store.get(answer).superseded_by == (new.id,)
    assert store.get(new.id).session == "s"
    assert store.get(new.id).role is None


def test_where_the_embedder_cannot_be_used_the_correction_is_refused(path):
    async def later(texts):
        return [[1.0] for _ in texts]

    with Store.open(path) as store:
        store.add("Deploys are on Tuesday", id="deploys")
    with Store.open(path, embedder=later) as store:
        with pytest.raises(MissingEmbedderError):
            correct(Opened.of(store), "deploys", "On Friday")
        assert store.get("deploys").superseded_by == ()
        assert store.check() == []


# A fact that is saved


def test_a_step_that_is_run_again_saves_its_fact_once(opened):
    for _ in range(2):
        first = save_fact(opened, "Alice likes tea", step=["call-1"], session="s", actor="alice")
    other = save_fact(opened, "Alice likes tea", step=["call-2"], session="s", actor="alice")

    assert first.id != other.id
    assert (first.text, first.session, first.actor) == ("Alice likes tea", "s", "alice")
    assert len(opened.writes) == 4


def before_look(monkeypatch, store, nth, act):
    """Have another process act just before the store is looked at for the nth time from now on."""
    truth, looks = store._core.truth, count()
    reading = truth.reading

    def read():
        if next(looks) == nth:
            act()
        return reading()

    monkeypatch.setattr(truth, "reading", read)


@pytest.mark.parametrize("nth", range(5))
@pytest.mark.parametrize("other", ["forgets it", "says it first"])
def test_whatever_another_process_does_meanwhile_a_fact_is_saved_by_who_says_it(
    path, store, clock, embedder, monkeypatch, other, nth
):
    """It may go, or be there, from one moment to the next: before any look that is taken of it."""
    said = {"text": "Alice likes tea", "key": "drink"}
    with Store.open(path, embedder=embedder, clock=clock) as there:
        if other == "forgets it":
            held = save_fact(Opened.of(store), origin="document", **said)
            before_look(monkeypatch, store, nth, lambda: there.forget(held.id))
        else:
            before_look(
                monkeypatch, store, nth,
                lambda: save_fact(Opened.of(there), origin="tool", **said),
            )  # fmt: skip
        memory = save_fact(Opened.of(store), origin="document", **said)
        monkeypatch.undo()

    assert memory.origin == "document"
    assert (memory.text, memory.key) == ("Alice likes tea", "drink")
    if other == "says it first":
        assert store.get(memory.id) == memory
        assert not memory.superseded_by


@pytest.mark.parametrize("nth", range(8))
def test_whatever_an_agent_says_meanwhile_a_correction_is_by_who_says_it(
    path, store, clock, embedder, monkeypatch, nth
):
    fact = store.add("Alice likes coffee", key="drink", origin="document")
    with Store.open(path, embedder=embedder, clock=clock) as there:
        before_look(
            monkeypatch, store, nth,
            lambda: correct(Opened.of(there), fact.id, "Alice likes tea", origin="tool"),
        )  # fmt: skip
        memory = correct(Opened.of(store), fact.id, "Alice likes tea", origin="document")
        monkeypatch.undo()

    assert (memory.origin, memory.superseded_by) == ("document", ())
    assert store.get(fact.id).superseded_by == (memory.id,)


def test_a_retry_does_not_bring_back_what_was_superseded_since(opened):
    old = save_fact(opened, "The theme is dark", step=["call-1"], key="theme")
    new = save_fact(opened, "The theme is light", step=["call-2"], key="theme")
    again = save_fact(opened, "The theme is dark", step=["call-1"], key="theme")

    assert (again.id, again.superseded_by) == (old.id, (new.id,))


def test_without_a_step_the_same_words_are_one_fact_until_they_are_superseded(opened):
    texts = ("The theme is dark", "The theme is dark", "The theme is light", "The theme is dark")
    facts = [save_fact(opened, text, key="theme") for text in texts]

    assert facts[0].id == facts[1].id != facts[3].id
    assert [fact.text for fact in opened.writes.iterate({"key": "theme"})][-1] == texts[-1]
    assert facts[3].superseded_by == ()
