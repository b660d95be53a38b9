"""What is cut short at any point leaves nothing open: no transaction, no lock, no lease."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import sys
import threading
from pathlib import Path

import pytest

import feather_memory
from feather_memory import TenantPool
from feather_memory.truth.sqlite.forks import gate

OURS = Path(feather_memory.__file__).parent
NEAR = (str(OURS / "truth" / "sqlite"), str(OURS / "store"), contextlib.__file__)
ALL = (str(OURS), contextlib.__file__)


class Cut(BaseException):
    """As Ctrl-C: no `except Exception` stops it."""


def cut_at(step, act, where, *, by_opcode):
    """Do something, and raise at that step of some code; what was raised, None if it is through.

    A notebook keeps what was raised, with all its frames: so nothing is let go of by and by.
    """
    passed = 0

    def look(frame, event, _):
        nonlocal passed
        if not frame.f_code.co_filename.startswith(where) or is_finalizing(frame):
            return None
        frame.f_trace_opcodes = by_opcode
        if event in {"call", "opcode" if by_opcode else "line"}:
            passed += 1
            if passed == step:
                raise Cut
        return look

    before = sys.gettrace()  # whatever measures coverage goes on measuring
    sys.settrace(look)
    try:
        act()
    except Cut as cut:
        return cut
    finally:
        sys.settrace(before)
    return None


def is_finalizing(frame):
    """Whether it lets go of what nobody holds: what is raised there, Python ignores."""
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def in_a_transaction(store):
    with store.transaction():
        store.add("one of two")
        with contextlib.suppress(ValueError), store.transaction():
            store.add("neither")
            raise ValueError
        store.link("a", "c", "supports")


VERBS = {
    "add": lambda s: s.add("a new fact"),
    "add_many": lambda s: s.add_many([{"text": "one"}, {"text": "two"}]),
    "a slot": lambda s: s.add("its new value", key="slot"),
    "update": lambda s: s.update("a", text="the first fact, corrected"),
    "supersede": lambda s: s.supersede("a", "newer"),
    "unsupersede": lambda s: s.unsupersede("old"),
    "link": lambda s: s.link("a", "b"),
    "unlink": lambda s: s.unlink("a", "c"),
    "signal": lambda s: s.signal("a", "liked"),
    "unsignal": lambda s: s.unsignal("said"),
    "feedback": lambda s: s.feedback("turn", "liked"),
    "recall": lambda s: s.recall("fact"),
    "a shelf": lambda s: s.plumbing.shelf("notes").update({"a": 1}),
    "forget": lambda s: s.forget("gone"),
    "a transaction": in_a_transaction,
    "a read": lambda s: s.get("a"),
}


_EVERY = {"forget": 25}  # it starts a process each time


@pytest.fixture
def place(tmp_path):
    with TenantPool(tmp_path) as pool:
        store = pool.get("alice")
        for name in ("a", "b", "c", "old", "gone"):
            store.add(f"the fact {name}", id=name)
        store.add("its value", key="slot")
        store.supersede("old", "what replaced it", id="new")
        store.link("a", "c")
        store.signal("a", "saved", event_id="said")
        store.recall("fact", turn="turn")
        return store.path


def is_free(path):
    """Whether another connection can write at once."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        connection.execute("begin immediate")
        connection.execute("rollback")
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return True


def is_unlocked(lock):
    """Whether another thread could take it."""
    found = []

    def look():
        found.append(lock.acquire(blocking=False))
        if found[0]:
            lock.release()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found[0]


def cuts(place, spare, verb, where, *, by_opcode, every):
    """Cut a verb short at its steps, in a copy of the file each time; how many there were."""
    step, is_cut = 1, True
    while is_cut:
        shutil.copy(place, spare / place.name)
        with TenantPool(spare) as pool:
            store = pool.get("alice")
            cut = cut_at(step, lambda: verb(store), where, by_opcode=by_opcode)  # noqa: B023
            is_cut = cut is not None

            truth = store._core.truth
            assert truth.current is None, step
            assert not gate().inside, step
            assert is_unlocked(truth.lock), step
            assert not pool.stats().in_use, step
            assert is_free(store.path), step
            store.add("what comes after it", id="after")
            assert {"a", "b", "c", "after"} <= {memory.id for memory in store.iterate()}
            assert store.check() == []
        step += every
    return step // every


# A pipe to the process that erases may be left to the garbage collector: it holds nothing up.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", VERBS)
def test_a_call_that_is_cut_short_at_any_line_leaves_nothing_open(name, place, tmp_path):
    """Ctrl-C included, and although what was raised is kept."""
    spare = tmp_path / "spare"
    spare.mkdir()

    assert cuts(place, spare, VERBS[name], NEAR, by_opcode=False, every=_EVERY.get(name, 5)) > 5


@pytest.mark.long
@pytest.mark.parametrize("name", VERBS)
def test_a_call_that_is_cut_short_at_any_bytecode_leaves_nothing_open(name, place, tmp_path):
    """As the test before, at each step of the interpreter, everywhere."""
    spare = tmp_path / "spare"
    spare.mkdir()

    assert cuts(place, spare, VERBS[name], ALL, by_opcode=True, every=1) > 100
