from __future__ import annotations

import subprocess
import sys
from uuid import uuid4

import pytest
from langchain_core.messages import AIMessage
from langchain_feather_memory import FeatherRetriever, MemoryFeedback

from feather_memory import (
    ContextLayers,
    ParameterError,
    Store,
    TenantPool,
    UnknownTurnError,
    WrongTenantError,
)

LIKE, DISLIKE, SAVED, COPIED, CORRECTED = 0.55, 0.25, 0.8, 0.5, 0.2


@pytest.fixture
def turn(store: Store) -> str:
    """A turn that was shown one memory."""
    store.add("Deploys are on Tuesday", id="deploys")
    store.add("Lunch is at noon", id="lunch")
    store.recall("Deploys", k=1, turn="run", reinforce=False)
    store.plumbing.name_turn("run", "message")
    return "run"


@pytest.fixture
def feedback(store: Store) -> MemoryFeedback:
    return MemoryFeedback(store)


def importance(store: Store) -> float:
    assert store.get("lunch").importance == 0.4
    return store.get("deploys").importance


@pytest.mark.parametrize(
    ("act", "expected"),
    [("like", LIKE), ("dislike", DISLIKE), ("saved", SAVED), ("copied", COPIED)],
)
def test_each_kind_moves_importance_once_until_it_is_taken_back(
    store, turn, feedback, act, expected
):
    kind = {"like": "liked", "dislike": "disliked"}.get(act, act)
    for name in (turn, "message", AIMessage("", id="message")):
        (signal,) = getattr(feedback, act)(name)
        assert signal.kind == kind
    assert importance(store) == expected

    feedback.take_back("message", kind)
    assert importance(store) == 0.4

    getattr(feedback, act)(turn)
    assert importance(store) == expected


def test_a_like_remembers_what_was_asked(store, feedback):
    store.add_many([{"text": "Alice paints lakes"}, {"text": "Bob bakes bread"}])
    FeatherRetriever(store=store, k=1).invoke("who paints lakes", turn="run")
    assert store.search("who paints lakes", k=1)[0].score.liked == 0

    feedback.like("run")

    assert store.search("who paints lakes", k=1)[0].score.liked == pytest.approx(0.15)
    assert store.check() == []


def test_a_verdict_on_one_memory_leaves_that_on_another(store, turn, feedback):
    store.recall("Lunch", k=1, turn=turn, reinforce=False)

    feedback.dislike(turn, memory_ids=["deploys"])
    feedback.like("message", memory_ids=["lunch"])

    assert [store.get(id_).importance for id_ in ("deploys", "lunch")] == [DISLIKE, LIKE]


def test_a_verdict_takes_its_opposite_back(store, turn, feedback):
    for act, expected in (("like", LIKE), ("dislike", DISLIKE), ("like", LIKE)):
        getattr(feedback, act)(turn)
        assert importance(store) == expected


def test_a_correction_lowers_and_supersedes_and_the_same_one_counts_once(store, turn, feedback):
    for name in (turn, "message"):
        feedback.corrected(name, correction="Deploys are on Friday")

    assert importance(store) == CORRECTED
    assert store.search("Deploys", k=1)[0].memory.text == "Deploys are on Friday"
    assert len(store) == 3


def test_credit_is_narrowed_by_id_or_by_the_copied_text(store, feedback, turn):
    store.recall("Deploys lunch", k=2, turn="both")

    assert [s.memory_id for s in feedback.like("both", memory_ids=["deploys"])] == ["deploys"]
    copied = feedback.copied("both", text="deploys are on tuesday")
    assert [signal.memory_id for signal in copied] == ["deploys"]
    with pytest.raises(ParameterError, match="which one"):
        feedback.corrected("both", correction="x")


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
def test_langsmiths_shape_is_understood(store, turn, feedback, said, expected, feedback_id):
    for _ in range(2):
        feedback.record(turn, **said, feedback_id=feedback_id)

    assert importance(store) == expected


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
        {"key": "thumbs", "score": 1, "correction": " "},
    ],
)
def test_what_means_nothing_is_refused_and_changes_nothing(store, turn, feedback, said):
    with pytest.raises(ParameterError):
        feedback.record(turn, **said)

    assert importance(store) == 0.4
    assert store.signals("deploys") == []


def test_each_feedback_id_is_one_feedback_that_may_change_its_mind(store, feedback, turn):
    store.recall("Deploys lunch", k=2, turn="both", reinforce=False)

    def record(user, score):
        feedback.record("both", "thumbs", score=score, feedback_id=user)
        return store.get("lunch").importance

    # A like is shared over the two memories that were shown, whoever likes them.
    assert record("u1", 1) == 0.475
    assert record("u1", 1) == 0.475
    assert record("u2", 1) == 0.475
    assert record("u1", 0) == 0.4  # a like of one, a dislike of the other
    assert record("u1", 1) == 0.475
    feedback.record("both", "copied", feedback_id="u1")
    feedback.record("both", "copied", score=0, feedback_id="u1")
    assert store.get("lunch").importance == 0.475


@pytest.mark.parametrize("said", [{"key": "thumbs", "score": 1}, {"key": "saved"}])
def test_a_feedback_id_of_another_run_is_refused(store, feedback, turn, said):
    store.recall("Deploys", k=1, turn="another", reinforce=False)
    feedback.record(turn, **said, feedback_id="f1")
    before = importance(store)

    with pytest.raises(ParameterError, match="another run"):
        feedback.record("another", **said, feedback_id="f1")

    feedback.record("message", **said, feedback_id="f1")  # the same run, by its other name
    assert importance(store) == before


@pytest.mark.parametrize("feedback_id", [None, "f1"])
def test_what_is_taken_back_is_so_of_the_memories_that_are_named(
    store, turn, feedback, feedback_id
):
    store.recall("Lunch", k=1, turn=turn, reinforce=False)
    feedback.record(turn, "copied", feedback_id=feedback_id)

    undone = {"score": 0, "feedback_id": feedback_id}
    (taken,) = feedback.record(turn, "copied", memory_ids=["deploys"], **undone)

    assert taken.memory_id == "deploys"
    assert [store.get(id_).importance for id_ in ("deploys", "lunch")] == [0.4, 0.45]
    with pytest.raises(ParameterError, match="'nope'"):
        feedback.record(turn, "copied", memory_ids=["nope"], **undone)


@pytest.mark.parametrize(
    "doors",
    [
        ("button", "record"),
        ("record", "button"),
        ("core", "button"),
        ("button", "core"),
        ("core", "record"),
        ("record", "core"),
    ],
)
def test_a_verdict_takes_its_opposite_back_whichever_way_each_came(store, turn, feedback, doors):
    say = {
        "button": lambda good: (feedback.like if good else feedback.dislike)("message"),
        "record": lambda good: feedback.record(turn, "thumbs", score=good, feedback_id="F1"),
        "core": lambda good: store.feedback(turn, "liked" if good else "disliked"),
    }
    found = []
    for door, good in ((doors[0], True), (doors[1], False), (doors[0], True)):
        say[door](good)
        found.append(importance(store))

    assert found == [LIKE, DISLIKE, LIKE]


def test_of_a_source_that_is_none_the_error_says_the_parameters_there_are(store):
    with pytest.raises(
        ParameterError, match="either source= or layers=, and one of them; got none"
    ):
        MemoryFeedback()
    with pytest.raises(ParameterError, match=r"the source= of a MemoryFeedback .* by layers="):
        MemoryFeedback(ContextLayers(user=store))


def test_a_comment_is_kept_beside_its_signals(store, turn, feedback):
    (signal,) = feedback.record(turn, "thumbs", score=0, comment="It is Friday now")

    assert dict(store.plumbing.shelf("feedback.comments")) == {signal.event_id: "It is Friday now"}


def test_what_is_unknown_is_a_typed_error(store, feedback):
    for run in (uuid4(), "nobody", AIMessage("hello", id="nobody")):
        with pytest.raises(UnknownTurnError):
            feedback.like(run)
        with pytest.raises(UnknownTurnError):
            feedback.take_back(run, "liked")
    with pytest.raises(ParameterError, match="nothing says which run"):
        feedback.like(AIMessage("hello"))


def test_a_tenant_is_named_by_the_call_the_object_or_the_message(tmp_path):
    with TenantPool(tmp_path / "memories") as pool:
        for tenant in ("alice", "bob"):
            pool.get(tenant).add("Deploys are on Tuesday", id="deploys")
            pool.get(tenant).recall("deploys", turn="answer-1")
        stamped = AIMessage(
            "", response_metadata={"feather_memory": {"turn": "answer-1", "tenant": "alice"}}
        )

        MemoryFeedback(pool).like(stamped)
        MemoryFeedback(pool, tenant="bob").saved("answer-1")
        MemoryFeedback(pool, tenant="bob").copied("answer-1", tenant="alice")

        assert pool.get("alice").get("deploys").importance == 0.65
        assert pool.get("bob").get("deploys").importance == SAVED
        with pytest.raises(ParameterError, match="no tenant is named"):
            MemoryFeedback(pool).like("answer-1")
        with pytest.raises(ParameterError, match="of tenant 'alice', not of 'bob'"):
            MemoryFeedback(pool).like(stamped, tenant="bob")
        with pytest.raises(WrongTenantError):
            MemoryFeedback(pool.get("bob")).like(stamped)
        assert pool.get("alice").check() == pool.get("bob").check() == []


@pytest.mark.file
def test_another_process_gives_the_same_feedback_once(store, turn, feedback):
    feedback.like(turn)
    code = (
        "import sys\n"
        "from feather_memory import Store\n"
        "from langchain_feather_memory import MemoryFeedback\n"
        "with Store.open(sys.argv[1]) as store:\n"
        "    MemoryFeedback(store).like('message')\n"
        "    MemoryFeedback(store).saved('message')\n"
    )

    subprocess.run([sys.executable, "-c", code, str(store.path)], check=True)

    assert importance(store) == 0.95
