"""The arrays that searches read, after they could not be brought up to date."""

import sqlite3
import sys
import threading
from contextlib import closing

import numpy as np
import pytest

from feather_memory import CorruptStoreError, F, Hit, Score, Store, config
from feather_memory.testing import HashEmbedder

STEP = "_advance"  # what brings the arrays from one generation to the next


class CutShortError(BaseException):
    """As an interrupt from the keyboard: at any moment, and no Exception."""


def cut_short(call, *, at):
    """Whether the call was cut short, which it is before the `at`-th call within the step."""
    calls = within = 0

    def watch(frame, event, _):
        nonlocal calls, within
        is_step = frame.f_code.co_name == STEP
        if event in {"call", "return"} and is_step:
            within += 1 if event == "call" else -1
        elif event in {"call", "c_call"} and within:
            calls += 1
            if calls == at:
                raise CutShortError

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        call()
    except CutShortError:
        return True
    finally:
        sys.setprofile(before)
    return False


@pytest.fixture
def opened(path, clock):
    """Opens the store once more, as another process would."""
    return lambda: Store.open(path, embedder=HashEmbedder(32), clock=clock)


def answers(store):
    """What a store answers to all kinds of questions, ties and all."""
    asked = [
        {"text": "tea"},
        {"vector": np.arange(1, 33)},
        {"text": "tea", "where": F("n") >= 2},
        {"text": "tea", "where": F("text").contains("number 1")},
        {"text": "tea", "where": F("recalls") >= 1},
    ]
    hits = [store.search(k=1_000, **one) for one in asked]
    return [[(hit.memory, hit.score) for hit in found] for found in hits]


def change(store, turn):
    """Something of everything: new rows, known rows with new numbers, rows that are gone."""
    for n in range(4):
        store.add(f"tea number {n}", id=f"{turn}.{n}", metadata={"n": n, "turn": turn})
    if turn:
        last = [store.get(f"{turn - 1}.{n}") for n in range(4)]
        store.plumbing.log_recall([Hit(memory=last[3], score=Score(value=1.0))], turn=str(turn))
        store.signal(last[3].id, "liked")
        store.supersede(last[1].id, "tea after all", metadata={"turn": turn})
        store.update(last[2].id, text="tea number 2, corrected")
        store.forget(last[0].id)
    store.forget(where=F("turn") < turn - 1)


@pytest.mark.parametrize("lines", [20, pytest.param(3, marks=pytest.mark.long)])
def test_arrays_cut_short_at_any_moment_are_begun_anew(opened, lines):
    """No row is there twice, none is missing, and no filter takes one row for another."""
    with opened() as store:
        change(store, 0)
        answers(store)
        turn = 1
        while True:
            change(store, turn)
            if not cut_short(lambda: store.search("tea"), at=lines * turn):
                break
            with opened() as fresh:
                assert answers(store) == answers(fresh), turn
            turn += 1

        assert turn > 60 / lines - 1, f"{STEP} is no longer what brings the arrays up to date"
        assert store.check() == []


def write(path, sql, *values):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql, values)


def test_a_damaged_vector_is_refused_and_once_mended_nothing_is_missing_or_twice(path, opened):
    with opened() as store:
        change(store, 0)
        answers(store)
        change(store, 1)
        whole = store.get("1.3").vector.tobytes()
        write(path, "update memory set vector = ? where id = '1.3'", whole[:-4])
        for _ in range(2):
            with pytest.raises(CorruptStoreError, match="vector"):
                store.search("tea")

        write(path, "update memory set vector = ? where id = '1.3'", whole)

        with opened() as fresh:
            assert answers(store) == answers(fresh)
        assert store.check() == []


def test_a_search_that_was_cut_short_is_noticed(opened):
    """The control of the first test: what cuts short does, and tells of it."""
    with opened() as store:
        change(store, 0)

        assert cut_short(lambda: store.search("tea"), at=1)
        assert not cut_short(lambda: store.search("tea"), at=1_000_000)
        assert not cut_short(lambda: store.search("tea"), at=1), "nothing was to be brought"
        assert store.check() == []


def test_arrays_that_are_dropped_amid_an_advance_stay_dropped(opened, monkeypatch):
    """Else a builder that was stopped, or a file that was discarded, would come back with them."""
    with opened() as store:
        change(store, 0)
        answers(store)
        change(store, 1)
        columns, inside, go_on = store._core.columns, threading.Event(), threading.Event()
        real = type(columns)._advance

        def slowly(*arguments):
            inside.set()
            go_on.wait(10)
            return real(*arguments)

        monkeypatch.setattr(type(columns), "_advance", slowly)
        asked = {"vector": np.ones(32)}  # by a text the arrays are looked at twice: whom it names
        searching = threading.Thread(target=store.search, kwargs=asked)
        dropping = threading.Thread(target=columns.unload)
        searching.start()
        inside.wait(10)
        dropping.start()
        go_on.set()
        searching.join()
        dropping.join()

        assert columns.view is None
        monkeypatch.undo()
        with opened() as fresh:
            assert answers(store) == answers(fresh)
        assert store.check() == []


def test_a_fork_begins_anew_from_whole_arrays_before_any_thread_uses_them(opened):
    """Also where the fork came while another thread was half way further."""
    with opened() as store:
        change(store, 0)
        expected = answers(store)
        columns = store._core.columns
        columns._rows.append(np.array([10_000]))  # as half an advance leaves them
        columns.view.matrix.append(np.ones((1, 32), np.float32))

        columns.start_over()

        change(store, 1)
        with opened() as fresh:
            assert answers(store) == answers(fresh) != expected
        assert store.check() == []


@pytest.mark.parametrize("snapshot_rows", [5, 10**9])
def test_what_is_written_again_and_again_makes_no_longer_arrays(opened, monkeypatch, snapshot_rows):
    monkeypatch.setattr(config, "BURIED_ROWS", 20)
    monkeypatch.setattr(config, "SNAPSHOT_ROWS", snapshot_rows)
    with opened() as store:
        for n in range(10):
            store.add(f"number {n}", id=str(n), metadata={"n": n})
    lengths = set()
    with opened() as store, opened() as other:
        for n in range(120):
            writer = other if n % 5 == 0 else store
            writer.add(f"tea {n}", id=str(n % 3), metadata={"n": n})
            store.link(str(n % 3), "9")
            assert [m.text for m in store.latest(1, where=F("n") == n)] == [f"tea {n}"]
            assert store.search(f"tea {n}", k=1)[0].memory.text == f"tea {n}"
            lengths.add(len(store._core.columns.view))
        assert len(store.context_chain("tea", k=3, hops=1)) == 4
        with opened() as third:
            assert answers(store) == answers(third)
        assert store.check() == []

    assert max(lengths) < 40
    assert len(lengths) > 10
