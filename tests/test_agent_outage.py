"""While the memory fails an agent goes on, and what it owes is kept until it can be written."""

from __future__ import annotations

import pytest

from feather_memory import (
    BusyStoreError,
    ParameterError,
    Store,
    StoreFullError,
    UnknownMemoryError,
    WrongTenantError,
)
from feather_memory.agent import Bearing, Exchange, Outbox, Said, checked_on_error
from feather_memory.testing import HashEmbedder


def exchange(number, **said):
    text = said.pop("text", f"Fact {number}")
    words = Said(role="user", text=text, message_id=f"m{number}")
    return Exchange(said=(words,), session="s", turn=f"t{number}", **said)


def unembedded(_):
    return None


@pytest.mark.parametrize(
    "error", [BusyStoreError("busy"), StoreFullError("full"), OSError(), RuntimeError("model")]
)
def test_an_outage_is_borne_logged_and_told_without_any_text(error, caplog):
    with Bearing("warn", "recall", "alice") as failed:
        assert failed == []
        raise error

    assert failed == [{"doing": "recall", "tenant": "alice", "error": type(error).__name__}]
    assert "alice" in caplog.text
    with pytest.raises(type(error)), Bearing("raise", "recall", "alice"):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        ParameterError("wrong"),
        WrongTenantError("x", expected="a", found="b"),
        UnknownMemoryError("x"),
        KeyboardInterrupt(),
    ],
)
def test_what_the_caller_gets_wrong_is_raised_in_any_case(error):
    with pytest.raises(type(error)), Bearing("warn", "recall", None):
        raise error


def test_there_are_two_ways_to_meet_an_outage():
    assert [checked_on_error(way) for way in ("warn", "raise")] == ["warn", "raise"]
    with pytest.raises(ParameterError, match="on_error"):
        checked_on_error("ignore")


def test_what_is_owed_is_written_in_order_and_once(store):
    box = Outbox()
    box.keep(None, [exchange(1), exchange(2)])
    box.keep("bob", [exchange(3)])

    assert box.owes(None)
    box.settle(None, store, unembedded)
    box.keep(None, [exchange(2)])
    box.settle(None, store, unembedded)

    assert [memory.text for memory in store.iterate()] == ["Fact 1", "Fact 2"]
    assert not box.owes(None)
    assert box.owes("bob")
    assert store.check() == []


def test_what_fails_stays_owed_with_all_after_it_and_what_is_wrong_does_not(store):
    box, broken = Outbox(), [True, True]
    box.keep(None, [exchange(1), exchange(2), exchange(3)])

    def embed(texts):
        if texts == ["Fact 2"] and broken:
            raise ConnectionError if broken.pop() else ParameterError("wrong")

    with pytest.raises(ConnectionError):
        box.settle(None, store, embed)
    kept = [memory.text for memory in store.iterate()]
    broken[:] = [False]
    with pytest.raises(ParameterError):
        box.settle(None, store, embed)
    box.settle(None, store, embed)

    assert kept == ["Fact 1"]
    assert [memory.text for memory in store.iterate()] == ["Fact 1", "Fact 3"]
    assert store.check() == []


def test_no_more_is_owed_than_fits_and_what_is_lost_is_logged(caplog):
    box = Outbox(most=2)

    box.keep("alice", [exchange(number) for number in range(3)])

    assert [owed.turn for owed in box.taken("alice")] == ["t1", "t2"]
    assert "lost" in caplog.text


def test_an_exchange_comes_after_what_was_said_before_it_and_with_its_vector(tmp_path):
    with Store.open(tmp_path / "a.feather") as store:
        first = store.add("Before", id="first")
        box, embed = Outbox(), HashEmbedder(8)
        box.keep(None, [exchange(1, before=("gone", first.id))])

        box.settle(None, store, embed)

        (edge,) = store.edges("first")
        assert edge.type == "next"
        assert len(store.nearest(embed(["Fact 1"])[0], 1)) == 1
        assert store.check() == []
