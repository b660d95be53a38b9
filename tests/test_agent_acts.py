"""What users do with an answer means one thing, for a store and for layers."""

from __future__ import annotations

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
    COMMENTS,
    Act,
    Opened,
    Said,
    acts_of,
    correct,
    done,
    logged,
    record,
    remembering,
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


# LangSmith's shape


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"key": "like", "score": 1}, LIKE),
        ({"key": "thumbs", "score": 0.5}, LIKE),
        ({"key": "user_score", "score": 0.49}, DISLIKE),
        ({"key": "thumbs", "score": False}, DISLIKE),
        ({"key": "thumbs", "value": True}, LIKE),
        ({"key": "copied"}, COPIED),
        ({"key": "copied", "value": "Deploys are on Tuesday"}, COPIED),
        ({"key": "copied", "score": 0}, 0.4),
        ({"key": "saved", "score": 1.0}, SAVED),
        ({"key": "correction", "correction": {"answer": "On Friday"}}, CORRECTED),
        ({"key": "corrected", "value": "On Friday"}, CORRECTED),
        ({"key": "thumbs", "score": 0, "correction": "On Friday"}, 0.05),
    ],
)
@pytest.mark.parametrize("feedback_id", [None, "8d1f"])
def test_langsmiths_shape_is_understood(opened, said, expected, feedback_id):
    given = {"score": None, "value": None, "correction": None, **said}
    for _ in range(2):
        record(opened, "run", acts_of(given.pop("key", said["key"]), **given),
               feedback_id=feedback_id)  # fmt: skip

    assert importance(opened) == [expected]


@pytest.mark.parametrize(
    "said",
    [
        {"key": "vibes", "score": 1},
        {"key": "like"},
        {"key": "like", "score": 5},
        {"key": "like", "score": float("nan")},
        {"key": "like", "value": "yes"},
        {"key": "saved", "value": "yes"},
        {"key": "correction"},
        {"key": "correction", "correction": {"a": "x", "b": "y"}},
        {"key": "correction", "correction": 7},
    ],
)
def test_what_means_nothing_is_refused(said):
    given = {"score": None, "value": None, "correction": None, **said}
    key = given.pop("key")

    with pytest.raises(ParameterError):
        acts_of(key, **given)


def test_a_correction_that_says_nothing_is_refused_before_the_verdict_beside_it(opened):
    acts = acts_of("thumbs", score=1, value=None, correction=" ")

    with pytest.raises(ParameterError):
        record(opened, "run", acts)
    assert importance(opened) == [0.4]


def test_each_feedback_is_one_that_may_change_its_mind(opened):
    logged(opened.reads, opened.reads.search("Lunch", 1), "run", reinforce=False)

    def thumbs(who, act):
        record(opened, "run", [act], feedback_id=who)
        return importance(opened, "lunch")

    # A like is shared over the two memories that were shown.
    assert thumbs("u1", LIKED) == [0.475]
    assert thumbs("u1", LIKED) == [0.475]
    assert thumbs("u2", LIKED) == [LIKE]
    assert thumbs("u1", DISLIKED) == [0.4]  # a like of one, a dislike of the other
    assert thumbs("u1", LIKED) == [LIKE]
    assert thumbs("u1", Act(kind=SignalKind.COPIED)) == [0.6]
    assert thumbs("u1", Act(kind=SignalKind.COPIED, is_done=False)) == [LIKE]


def test_a_correction_that_is_edited_holds_and_its_first_version_does_not_come_back(opened):
    for text in ("Deploys are on Friday", "Deploys are on Monday", "Deploys are on Friday"):
        acts = acts_of("correction", score=None, value=text, correction=None)
        record(opened, "run", acts, feedback_id="f1", memory_ids=["deploys"])

    assert current(opened) == {"Deploys are on Monday", "Lunch is at noon"}
    assert importance(opened) == [CORRECTED]


def test_a_feedback_of_another_turn_is_refused(opened):
    opened.reads.recall("Deploys", k=1, turn="another", reinforce=False)
    record(opened, "run", [LIKED], feedback_id="f1")

    with pytest.raises(ParameterError, match="another run"):
        record(opened, "another", [LIKED], feedback_id="f1")
    record(opened, "message", [LIKED], feedback_id="f1")  # the same turn, by its other name

    assert importance(opened) == [LIKE]


def test_a_comment_is_kept_beside_its_signals(opened):
    (signal,) = record(opened, "run", [DISLIKED], comment="It is Friday now")

    assert dict(opened.writes.plumbing.shelf(COMMENTS)) == {signal.event_id: "It is Friday now"}


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
        acts = acts_of("thumbs", score=0, value=None, correction="on Monday")
        store.recall("Friday", turn="t", vector=[0.0, 1.0])
        record(opened, "t", acts, vector=[0.6, 0.8])

        assert memory.vector.tolist() == [0.0, 1.0]
        (new,) = store.get(memory.id).superseded_by
        assert store.get(new).vector.tolist() == pytest.approx([0.6, 0.8])
        assert store.check() == []


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
