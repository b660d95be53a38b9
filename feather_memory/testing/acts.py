"""What every agent's adapter promises of what users do and of what it remembers, as tests."""
# ruff: noqa: S101 -- these are tests, which run under pytest

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from feather_memory.model.memory import EdgeType
from feather_memory.store.store import Store
from feather_memory.testing.doors import AgentDoor

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")

Test = TypeVar("Test", bound=Callable[..., None])


def needs(*asked: str) -> Callable[[Test], Test]:
    """A test of doors that can do that."""

    def needing(test: Test) -> Test:
        test.__dict__["needs"] = frozenset(asked)
        return test

    return needing


class ActsContract:
    """Tests of one door of an adapter, over a store with a fact `deploys` that another supports."""

    # What users do

    @needs("act", "take_back")
    @pytest.mark.parametrize(
        ("act", "kind", "expected"),
        [
            ("like", "liked", 0.55),
            ("dislike", "disliked", 0.25),
            ("saved", "saved", 0.8),
            ("copied", "copied", 0.5),
        ],
    )
    def test_an_act_counts_once_until_it_is_taken_back(
        self, store: Store, door: AgentDoor, act: str, kind: str, expected: float
    ) -> None:
        """Done thrice it is done once; taken back, it can be done again."""
        turn = door.recall("when are deploys?").turn

        for _ in range(3):
            door.act(act, turn, memory_ids=["deploys"])
        assert store.get("deploys").importance == expected

        door.take_back(turn, kind)
        assert store.get("deploys").importance == 0.4
        door.act(act, turn, memory_ids=["deploys"])
        assert store.get("deploys").importance == expected

    @needs("act")
    def test_a_verdict_takes_its_opposite_back(self, store: Store, door: AgentDoor) -> None:
        """Who changes their mind has one."""
        turn = door.recall("when are deploys?").turn

        for act, expected in (("like", 0.55), ("dislike", 0.25), ("like", 0.55)):
            door.act(act, turn, memory_ids=["deploys"])
            assert store.get("deploys").importance == expected
        assert store.get("approval").importance == 0.4

    @needs("a way")
    def test_a_correction_keeps_what_is_not_about_the_text(
        self, store: Store, door: AgentDoor, way: str
    ) -> None:
        """Whatever finds the wrong memory finds the correction: metadata, session, actor, links."""
        _corrected(door, way, "deploys", "Deploys are on Tuesday")

        wrong = store.get("deploys")
        (new,) = (store.get(id_) for id_ in wrong.superseded_by)
        assert wrong.importance == 0.2
        assert new.text == "Deploys are on Tuesday"
        assert (new.metadata, new.session, new.actor) == ({"team": "web"}, "s1", "alice")
        links = [(e.target, e.type, e.weight) for e in store.edges(new.id)]
        assert ("approval", "supports", 0.5) in links

    @needs("a way")
    def test_two_corrections_leave_one_current_fact(
        self, store: Store, door: AgentDoor, ways: tuple[str, str]
    ) -> None:
        """The second supersedes what is current by then, at whichever door it comes in."""
        turn = door.recall("when are deploys?").turn
        for way, text in zip(
            ways, ("Deploys are on Tuesday", "Deploys are on Friday"), strict=True
        ):
            _corrected(door, way, "deploys", text, turn=turn)

        assert _current(store) == {"Deploys are on Friday"}

    @needs("a way")
    def test_a_correction_of_what_was_replaced_meanwhile_is_the_one_that_holds(
        self, store: Store, door: AgentDoor, way: str
    ) -> None:
        """Somebody else was faster: there is one current fact all the same."""
        turn = door.recall("when are deploys?").turn
        store.supersede("deploys", "Deploys are on Thursday")

        _corrected(door, way, "deploys", "Deploys are on Friday", turn=turn)

        assert _current(store) == {"Deploys are on Friday"}

    @needs("a way")
    def test_the_same_correction_again_is_no_change(
        self, store: Store, door: AgentDoor, way: str
    ) -> None:
        """A retry, or an impatient user."""
        turn = door.recall("when are deploys?").turn
        counts = []
        for _ in range(3):
            _corrected(door, way, "deploys", "Deploys are on Tuesday", turn=turn)
            counts.append((len(store), store.get("deploys").importance, len(_current(store))))

        assert counts == [(counts[0][0], 0.2, 1)] * 3

    # What is remembered

    @needs("remember", "retry")
    def test_a_turn_that_is_run_again_is_remembered_once(
        self, store: Store, door: AgentDoor
    ) -> None:
        """Agents retry their steps."""
        for _ in range(2):
            door.remember("I drink tea", "Noted", session="s", message_ids=("q1", "a1"))

        said = [(m.text, m.role) for m in store.iterate() if m.session == "s"]
        assert said == [("I drink tea", "user"), ("Noted", "assistant")]

    @needs("remember")
    def test_what_is_said_is_linked_in_its_order(self, store: Store, door: AgentDoor) -> None:
        """The edges `next` lead through a conversation, from each turn to the one after it."""
        door.remember("one", "first", session="s", message_ids=("q1", "a1"))
        door.remember("two", "second", session="s", message_ids=("q2", "a2"))

        texts = {memory.id: memory.text for memory in store.iterate() if memory.session == "s"}
        links = {
            (texts[e.source], texts[e.target])
            for id_ in texts
            for e in store.edges(id_)
            if e.type == EdgeType.NEXT
        }
        assert links == {("one", "first"), ("first", "two"), ("two", "second")}

    @needs("remember", "act", "turn")
    def test_a_correction_retires_the_answer_that_was_given_too(
        self, store: Store, door: AgentDoor
    ) -> None:
        """Else the next turn recalls what the model said wrong, beside what is right."""
        turn = door.recall("when are deploys?").turn
        said = "They are on Monday, these deploys"
        ids = ("q1", "a1")
        door.remember("when are deploys?", said, session="s", message_ids=ids, turn=turn)

        door.act("corrected", turn, memory_ids=["deploys"], text="Deploys are on Friday")

        (answer,) = (memory for memory in store.iterate() if memory.text == said)
        assert answer.superseded_by
        assert _current(store) == {"Deploys are on Friday"}


def _corrected(
    door: AgentDoor, way: str, memory_id: str, text: str, *, turn: str | None = None
) -> None:
    """Correct a memory by what a turn showed, or by its id."""
    if way == "correct":
        door.correct(memory_id, text)
    else:
        turn = door.recall("when are deploys?").turn if turn is None else turn
        door.act("corrected", turn, memory_ids=[memory_id], text=text)


def _current(store: Store) -> set[str]:
    """The texts that say, as current, on which day deploys are."""
    found = {hit.memory.text for hit in store.search("deploys", k=99)}
    return {text for text in found if any(day in text for day in _WEEKDAYS)}
