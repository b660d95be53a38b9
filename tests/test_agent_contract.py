"""The smallest adapter there can be, made of the agent's room alone, keeps every promise."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from feather_memory import SignalKind, TenantPool
from feather_memory.agent import (
    Act,
    Budget,
    RecallOptions,
    Said,
    Source,
    correct,
    done,
    ids_of,
    latest_known,
    remembering,
    take_back,
    told,
    unseen,
)
from feather_memory.testing.adapters import AdapterContract
from feather_memory.testing.doors import AgentDoor, Shown

if TYPE_CHECKING:
    from feather_memory.agent import Opened

EVERYTHING = {
    *("remember", "act", "take_back", "correct"),
    *("prompt", "budget", "retry", "turn"),
}
KINDS = {"like": SignalKind.LIKED, "dislike": SignalKind.DISLIKED}


class TinyDoor(AgentDoor):
    """No framework, no vectors of its own, and no state but its source and its last words."""

    def __init__(self, *, max_tokens: int | None = None, **place: Any) -> None:
        self._source = Source.chosen("TinyDoor", **place)
        self._budget = Budget(max_tokens=max_tokens)
        self._turns = count()
        self._last: dict[str, list[str]] = {}

    def _opened(self) -> Opened:
        return self._source.opened()

    def recall(self, question):
        recalled = told(
            self._opened(), question, RecallOptions(k=20), self._budget, with_ids=True,
            beyond=unseen(texts=[question]), turn=f"turn {next(self._turns)}",
        )  # fmt: skip
        texts = [hit.memory.text for hit in recalled.hits]
        return Shown(turn=recalled.turn or "", texts=texts, prompt=recalled.prompt)

    def remember(self, user, assistant, *, session, message_ids, turn=None):
        store = self._opened().writes
        asked, answered = message_ids
        said = [
            Said(role="user", text=user, message_id=asked),
            Said(role="assistant", text=assistant, message_id=answered),
        ]
        earlier = self._last.get(session, [])
        new = remembering(store, said, session=session, turn=turn, are_said_now=True)
        new.write(store, after=latest_known(store, earlier))
        self._last[session] = ids_of(reversed(said), session)

    def act(self, name, turn, *, memory_ids=None, text=None):
        kind = KINDS.get(name) or SignalKind(name)
        what = "correction" if kind is SignalKind.CORRECTED else "copied_text"
        act = Act(kind=kind, **{what: text})
        done(self._opened(), turn, act, memory_ids=memory_ids)

    def take_back(self, turn, kind):
        take_back(self._opened(), turn, kind)

    def correct(self, memory_id, text):
        correct(self._opened(), memory_id, text)


class TestTinyDoor(AdapterContract):
    can = EVERYTHING
    layers = "read"

    def open(self, **place):
        return TinyDoor(**place)


class Bad(TinyDoor):
    """Guesses a tenant, takes layers' first store alone, forgets opposites, duplicates a fact."""

    def __init__(self, *, pool=None, tenant="alice", layers=None, **place):
        store = None if layers is None else layers.layers[0].store
        if pool is not None:
            super().__init__(pool=pool, tenant=tenant, **place)
        else:
            super().__init__(**({"store": store} if store else {}), **place)

    def act(self, name, turn, *, memory_ids=None, text=None):
        kind = KINDS.get(name) or SignalKind(name)
        event = f"event {next(self._turns)}"
        self._opened().writes.feedback(turn, kind, memory_ids=memory_ids, event_id=event)

    def correct(self, memory_id, text):
        self._opened().writes.supersede(memory_id, text)

    def remember(self, user, assistant, **_):
        self._opened().writes.add_many([{"text": text} for text in (user, assistant)])


class TestTheContractNotices:
    """Negative controls: a promise that is broken fails its test."""

    contract = type(
        "OfBad",
        (AdapterContract,),
        {"can": EVERYTHING, "layers": "read", "open": lambda _, **place: Bad(**place)},
    )()

    @pytest.fixture
    def store(self, pool):
        store = pool.get("alice")
        store.add("Two people approve deploys", id="approval")
        store.add("Deploys are on Monday", id="deploys", metadata={"team": "web"}, session="s1")
        return store

    def test_a_guessed_tenant(self, pool):
        with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
            self.contract.test_of_a_pool_no_tenant_is_guessed(pool)

    @pytest.mark.parametrize(
        ("promise", "given"),
        [
            ("a_verdict_takes_its_opposite_back", {}),
            ("two_corrections_leave_one_current_fact", {"ways": ("correct", "correct")}),
            ("a_correction_keeps_what_is_not_about_the_text", {"way": "correct"}),
            ("the_same_correction_again_is_no_change", {"way": "correct"}),
            ("a_turn_that_is_run_again_is_remembered_once", {}),
            ("what_is_said_is_linked_in_its_order", {}),
        ],
    )
    def test_a_broken_promise(self, store, promise, given):
        with pytest.raises(AssertionError):
            getattr(self.contract, f"test_{promise}")(store, Bad(store=store), **given)

    def test_layers_that_are_ignored(self, store, pool):
        with pytest.raises(AssertionError):
            self.contract.test_layers_are_read_together_or_refused(store, pool)

    def test_layers_that_are_refused_though_they_are_to_be_read(self, store, pool):
        class OfBad(AdapterContract):
            can = EVERYTHING
            layers = "read"

            def open(self, **place):
                raise TypeError("there are no layers here")

        with pytest.raises(TypeError, match="no layers here"):
            OfBad().test_layers_are_read_together_or_refused(store, pool)
        OfBad.layers = "refused"
        OfBad().test_layers_are_read_together_or_refused(store, pool)

    def test_layers_that_are_read_though_they_are_to_be_refused(self, store, pool):
        class OfTiny(TestTinyDoor):
            layers = "refused"

        with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
            OfTiny().test_layers_are_read_together_or_refused(store, pool)

    @pytest.mark.parametrize(
        "said", [EVERYTHING - {"correct"}, EVERYTHING - {"prompt"}, EVERYTHING | {"fly"}, set()]
    )
    def test_a_door_that_can_something_else_than_is_said(self, store, said):
        contract = type("OfTiny", (AdapterContract,), {"can": said})()

        with pytest.raises(AssertionError):
            contract.test_the_door_can_what_is_said_of_it(TinyDoor(store=store))


MUTE = """
from feather_memory.testing.adapters import AdapterContract

class TestMute(AdapterContract):
    can = set()
    layers = "refused"

class TestActing(TestMute):
    can = {"act"}

    def test_what_is_said_is_linked_in_its_order(self):
        pass
"""


class TestWhatADoorCannotDo:
    """It is not asked for: there are no tests of it, rather than ones that are skipped."""

    def test_a_test_of_it_is_not_collected(self, tmp_path):
        (tmp_path / "test_mute.py").write_text(MUTE)
        options = (
            "--collect-only", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path),
            "-o", "asyncio_default_fixture_loop_scope=function",  # else it warns
        )  # fmt: skip
        found = subprocess.run(
            [sys.executable, "-m", "pytest", *options, str(tmp_path)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        tests = re.findall(r"::(\w+)::test_(\w+)(\S*)", found.stdout)
        mute, acting = (
            {name for class_, name, _ in tests if class_ == wanted}
            for wanted in ("TestMute", "TestActing")
        )

        assert mute == {
            "of_a_pool_no_tenant_is_guessed",
            "a_pool_is_asked_for_the_tenant_that_is_named",
            "the_store_of_another_tenant_is_refused",
            "layers_are_nothing_else",
            "layers_are_read_together_or_refused",
            "the_door_can_what_is_said_of_it",
            "only_what_is_current_is_shown",
            "a_turn_counts_what_it_shows_once",
        }
        assert acting - mute == {
            "a_verdict_takes_its_opposite_back",
            "a_correction_keeps_what_is_not_about_the_text",
            "two_corrections_leave_one_current_fact",
            "a_correction_of_what_was_replaced_meanwhile_is_the_one_that_holds",
            "the_same_correction_again_is_no_change",
            "what_is_said_is_linked_in_its_order",
        }
        assert [ways for _, name, ways in tests if "two_corrections" in name] == ["[act-act]"]

    def test_a_door_that_is_none(self):
        with pytest.raises(NotImplementedError):
            AdapterContract().open()
        for use in (
            lambda door: door.recall("x"),
            lambda door: door.remember("x", "y", session="s", message_ids=("a", "b")),
            lambda door: door.act("like", "t"),
            lambda door: door.take_back("t", "liked"),
            lambda door: door.correct("a", "x"),
        ):
            with pytest.raises(NotImplementedError):
                use(AgentDoor())


@pytest.fixture
def pool(tmp_path):
    with TenantPool(tmp_path / "tenants") as pool:
        yield pool
        for tenant in pool.tenants():
            assert pool.get(tenant).check() == []
