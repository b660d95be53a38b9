"""The smallest adapter there can be, made of the agent's room alone, keeps every promise."""

from __future__ import annotations

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

    contract = type("OfBad", (AdapterContract,), {"open": lambda _, **place: Bad(**place)})()

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


class Mute(AgentDoor):
    """A door that can only be asked, and makes no prompt."""

    def recall(self, question):
        return Shown(turn="t", texts=[])


class TestWhatADoorCannotDo:
    """It is not asked for, and the promises about it are skipped rather than kept."""

    @pytest.mark.parametrize("way", ["act", "correct"])
    def test_a_way_it_does_not_have(self, way):
        with pytest.raises(pytest.skip.Exception, match=f"a Mute has no {way}"):
            AdapterContract().test_the_same_correction_again_is_no_change([], Mute(), way)

    def test_a_prompt_it_does_not_make(self):
        class OfMute(AdapterContract):
            def open(self, **place):
                return Mute()

        with pytest.raises(pytest.skip.Exception, match="no prompt"):
            OfMute().test_memories_are_left_out_whole_to_keep_within_the_budget(Nothing(), 40)

    def test_layers_that_are_refused(self, pool):
        class WithoutLayers(AdapterContract):
            def open(self, **place):
                raise TypeError("there are no layers here")

        WithoutLayers().test_layers_are_read_together_or_refused(pool.get("alice"), pool)

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


class Nothing:
    """A store that takes everything and keeps nothing."""

    def add(self, text):
        pass


@pytest.fixture
def pool(tmp_path):
    with TenantPool(tmp_path / "tenants") as pool:
        yield pool
        for tenant in pool.tenants():
            assert pool.get(tenant).check() == []
