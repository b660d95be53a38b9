"""A call is cut short wherever a signal can reach it: it leaves nothing open."""

from __future__ import annotations

import contextlib
import ctypes
import random
import shutil
import signal
import sqlite3
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import feather_memory
from feather_memory import FeatherError, Store, TenantPool
from feather_memory.config import BUSY_SECONDS
from feather_memory.truth.sqlite.forks import gate
from torture import Run, Told
from torture.disk import library

OURS = Path(feather_memory.__file__).parent
NEAR = (str(OURS / "truth" / "sqlite"), str(OURS / "store"), contextlib.__file__)


class Cut(BaseException):
    """As Ctrl-C: no `except Exception` stops it."""


def cut_at(step: int, act: Callable[[], object], where: tuple[str, ...]) -> Cut | int:
    """Do something, and raise at that line of some code; what was raised, or how many it has.

    A notebook keeps what was raised, with all its frames: so nothing is let go of by and by.
    """
    passed = 0

    def look(frame: FrameType, event: str, _: object) -> Any:
        nonlocal passed
        if not frame.f_code.co_filename.startswith(where) or is_finalizing(frame):
            return None
        if event in {"call", "line"}:
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
    return passed


class Signals:
    """Has a signal come at a step of the interpreter, whose handler raises.

    Python runs a handler only where it looks for one: when a function begins, when a loop begins
    anew, and when a call has ended. So a signal reaches nothing in between, as the end of a `with`
    after its block; and each of these places is reached by the signals at the steps before it.
    """

    def __init__(self, folder: Path) -> None:
        """Built for this Python; `is_built` is False where there is no compiler for it."""
        built = library(folder, "signals.c")
        self.is_built = built is not None
        if built is not None:
            self._steps = ctypes.PyDLL(str(built))
            self._steps.torture_begin.argtypes = [ctypes.c_long, ctypes.c_int]
            self._steps.torture_passed.restype = ctypes.c_long

    def cut_at(self, step: int, act: Callable[[], object]) -> tuple[Cut | None, int]:
        """Do something, and have the signal come at a step of it.

        Args:
            step: From 1, of all bytecodes, whoever's they are.
            act: What to do.

        Returns:
            What was raised, with its frames; None if it was ignored, as in a `__del__`. And at
            which step the handler ran; 0 if it ended before.
        """
        reached: list[int] = []

        def handle(*_: object) -> None:
            reached.append(self._steps.torture_passed())
            raise Cut

        sys._getframe().f_trace_opcodes = True  # from Python 3.12 on it is not looked for before
        before, tracing = signal.signal(signal.SIGALRM, handle), sys.gettrace()
        cut = None
        try:
            self._steps.torture_begin(step, signal.SIGALRM)
            try:
                act()
            finally:
                self._steps.torture_end()
        except Cut as raised:
            cut = raised
        finally:
            signal.signal(signal.SIGALRM, before)
            sys.settrace(tracing)
        return cut, reached[0] if reached else 0


def is_finalizing(frame: FrameType | None) -> bool:
    """Whether it lets go of what nobody holds: what is raised there, Python ignores."""
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def in_a_transaction(store: Store) -> None:
    with store.transaction():
        store.add("one of two")
        with contextlib.suppress(ValueError), store.transaction():
            store.add("neither")
            raise ValueError
        store.link("a", "c", "supports")


VERBS: dict[str, Callable[[Store], object]] = {
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


def begun(folder: Path) -> Path:
    """A pool's store with what the verbs need; its path."""
    with TenantPool(folder) as pool:
        store = pool.get("alice")
        for name in ("a", "b", "c", "old", "gone"):
            store.add(f"the fact {name}", id=name)
        store.add("its value", key="slot")
        store.supersede("old", "what replaced it", id="new")
        store.link("a", "c")
        store.signal("a", "saved", event_id="said")
        store.recall("fact", turn="turn")
        shelf = store.plumbing.shelf("transcript")
        shelf["1"] = "the fact gone"
        shelf.tie({"1": ["gone"]})
        return Path(store.path)


def _held(pool: TenantPool, store: Store) -> list[str]:
    truth = store._core.truth
    uses = [use for use in [*gate().inside] if getattr(use, "of", truth) is truth]
    seen = {
        "a transaction is open": truth.current is None,
        "a thread is inside SQLite": not uses,
        "the lock of writers is held": is_unlocked(truth.lock),
        "the pool's seat is taken": not pool.stats().in_use,
        "another cannot write": is_free(store.path),
    }
    return [what for what, is_well in seen.items() if not is_well]


def left_open(pool: TenantPool, store: Store, patience: float = BUSY_SECONDS) -> list[str]:
    """What a call that was cut short has left open, or lost.

    What it holds it holds for ever. For a moment the thread may hold it that folds the log of a
    store that nobody has written to for a second, and erases what is owed.
    """
    until = time.monotonic() + patience
    while (found := _held(pool, store)) and time.monotonic() < until:
        time.sleep(0.01)
    if not found:
        store.add("what comes after it", id="after")
        there = {memory.id for memory in store.iterate()}
        found += [f"{id_} is lost" for id_ in ("a", "b", "c", "after") if id_ not in there]
        found += store.check()
    return found


def is_free(path: Path) -> bool:
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


def is_unlocked(lock: Any) -> bool:
    """Whether another thread could take it."""
    found: list[bool] = []

    def look() -> None:
        found.append(lock.acquire(blocking=False))
        if found[0]:
            lock.release()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found[0]


class Cuts:
    """Verbs that are cut short, each time in a copy of one store."""

    def __init__(self, folder: Path, patience: float = BUSY_SECONDS) -> None:
        self.patience = patience
        (folder / "whole").mkdir()
        (folder / "cut").mkdir()
        self.whole, self.place = begun(folder / "whole"), folder / "cut"

    def each(self, signals: Signals, name: str, *, start: int = 1) -> Iterator[list[str]]:
        """What is left at each place where a signal can reach a verb, from a step on."""
        step = start
        while step:
            reached = 0

            def act(store: Store, step: int = step) -> object:
                nonlocal reached
                cut, reached = signals.cut_at(step, lambda: VERBS[name](store))
                return cut

            found = self.judged(act)
            yield [f"a signal at bytecode {step} of {name}: {each}" for each in found]
            step = reached and max(step, reached) + 1  # those between come at the same place

    def judged(self, do: Callable[[Store], object]) -> list[str]:
        """What is left where that was done to a fresh copy."""
        for old in self.place.iterdir():
            old.unlink()
        shutil.copy(self.whole, self.place / self.whole.name)
        with TenantPool(self.place) as pool:
            store = pool.get("alice")
            kept = do(store)  # with its frames
            try:
                return left_open(pool, store, self.patience)
            except (FeatherError, sqlite3.Error) as error:
                return [f"{type(error).__name__}: {error}"]
            finally:
                del kept


def run(asked: Run) -> Told:
    """Every verb, one after the other, at each place where a signal can reach it."""
    chance, told, goes_on = random.Random(asked.seed), Told(), asked.goes_on()
    signals, cuts = Signals(asked.folder), Cuts(asked.folder)
    names = chance.sample(list(VERBS), len(VERBS)) if signals.is_built else []
    with warnings.catch_warnings():  # a pipe may be left to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        for name in names:
            for found in cuts.each(signals, name):
                told.broken += found
                told.ended("places")
                if not goes_on(told.trials):
                    return told
            told.counts["verbs at every place"] += 1
    return told


def control(asked: Run) -> bool:
    """Whether it is seen that a transaction stays open, and that a memory is lost."""
    cuts = Cuts(asked.folder, patience=0.0)

    def held(store: Store) -> object:
        connection = sqlite3.connect(store.path, isolation_level=None)
        connection.execute("begin immediate")
        return connection

    return cuts.judged(held) == ["another cannot write"] and cuts.judged(
        lambda store: store.forget("a")
    ) == ["a is lost"]
