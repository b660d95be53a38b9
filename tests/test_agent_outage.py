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


def test_what_cannot_be_embedded_waits_alone_and_what_is_wrong_waits_no_more(store):
    box, broken = Outbox(), [ConnectionError]
    box.keep(None, [exchange(1), exchange(2), exchange(3)])

    def embed(texts):
        if texts == ["Fact 2"]:
            raise broken[0]

    box.settle(None, store, embed)
    kept, is_owing = [memory.text for memory in store.iterate()], box.owes(None)
    broken[0] = ParameterError
    with pytest.raises(ParameterError):
        box.settle(None, store, embed)

    assert kept == ["Fact 1", "Fact 3"]
    assert is_owing
    assert not box.owes(None)
    assert [memory.text for memory in store.iterate()] == kept
    assert store.check() == []


def test_texts_that_are_refused_for_ever_do_not_starve_what_an_outage_left_behind_them(store):
    box, is_out = Outbox(), [True]
    box.keep(None, [exchange(number, text=f"Too long {number}") for number in range(3)])
    box.keep(None, [exchange(number) for number in range(3, 6)])

    def embed(texts):
        if is_out or "Too long" in texts[0]:
            raise RuntimeError

    box.settle(None, store, embed)
    is_out.clear()
    for _ in range(4):
        box.settle(None, store, embed)

    assert [memory.text for memory in store.iterate()] == ["Fact 3", "Fact 4", "Fact 5"]
    assert box.owes(None)
    assert store.check() == []


def test_where_the_file_fails_all_stays_owed_in_its_order(store, monkeypatch):
    box = Outbox()
    box.keep(None, [exchange(1), exchange(2)])
    with monkeypatch.context() as patched:

        def is_full(*_, **__):
            raise StoreFullError("the disk is full")

        patched.setattr(type(store), "transaction", is_full)
        with pytest.raises(StoreFullError):
            box.settle(None, store, unembedded)

    box.settle(None, store, unembedded)

    assert [memory.text for memory in store.iterate()] == ["Fact 1", "Fact 2"]
    assert store.check() == []


def test_while_an_embedder_is_out_few_are_tried_and_all_stay_owed_in_their_order(store):
    box, tried, is_out = Outbox(), [], [True]
    box.keep(None, [exchange(number) for number in range(9)])

    def embed(texts):
        tried.extend(texts)
        if is_out:
            raise ConnectionError

    box.settle(None, store, embed)
    during, least = len(store), list(tried)
    is_out.clear()
    box.settle(None, store, embed)

    assert (during, least) == (0, ["Fact 0", "Fact 1"])
    assert [memory.text for memory in store.iterate()] == [f"Fact {n}" for n in range(9)]
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
