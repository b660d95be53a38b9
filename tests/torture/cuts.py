"""A call is cut short, by an exception at any bytecode or by a signal: it leaves nothing open."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import sqlite3
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import feather_memory
from feather_memory import FeatherError, Store, TenantPool
from feather_memory.truth.sqlite.forks import gate
from torture import Run, Told

OURS = Path(feather_memory.__file__).parent
NEAR = (str(OURS / "truth" / "sqlite"), str(OURS / "store"), contextlib.__file__)
ALL = (str(OURS), contextlib.__file__)


class Cut(BaseException):
    """As Ctrl-C: no `except Exception` stops it."""


def cut_at(
    step: int, act: Callable[[], object], where: tuple[str, ...], *, by_opcode: bool
) -> Cut | int:
    """Do something, and raise at that step of some code; what was raised, or how many steps it has.

    A notebook keeps what was raised, with all its frames: so nothing is let go of by and by.
    """
    passed = 0

    def look(frame: FrameType, event: str, _: object) -> Any:
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
    return passed


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


def left_open(pool: TenantPool, store: Store) -> list[str]:
    """What a call that was cut short has left open, or lost."""
    truth = store._core.truth
    uses = [use for use in [*gate().inside] if getattr(use, "of", truth) is truth]
    seen = {
        "a transaction is open": truth.current is None,
        "a thread is inside SQLite": not uses,
        "the lock of writers is held": is_unlocked(truth.lock),
        "the pool's seat is taken": not pool.stats().in_use,
        "another cannot write": is_free(store.path),
    }
    found = [what for what, is_well in seen.items() if not is_well]
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


def after_signal(seconds: float, act: Callable[[], object]) -> Cut | None:
    """Do something, and have a signal's handler raise so much later; what was raised."""

    def handle(*_: object) -> None:
        raise Cut

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
        try:
            act()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Cut as cut:
        return cut
    finally:
        signal.signal(signal.SIGALRM, before)
    return None


class Cuts:
    """Verbs that are cut short by chance, each in a copy of one store."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        (folder / "whole").mkdir()
        (folder / "cut").mkdir()
        self.whole, self.place = begun(folder / "whole"), folder / "cut"
        self.chance = chance
        self.steps: dict[str, int] = {}
        self.seconds: dict[str, float] = {}

    def trial(self, name: str) -> tuple[str, list[str]]:
        """How the verb was cut short, and what that has left."""
        act = VERBS[name]
        if name not in self.steps:
            self.judged(lambda store: self._measured(name, lambda: act(store)))
        if self.chance.random() < 0.3:
            seconds = self.chance.uniform(0, self.seconds[name] * 1.1)
            how = f"a signal after {1e6 * seconds:.0f} µs of {name}"
            return how, self.judged(lambda store: after_signal(seconds, lambda: act(store)))
        step = self.chance.randrange(1, self.steps[name] + 1)
        how = f"at bytecode {step} of {name}"
        return how, self.judged(lambda store: cut_at(step, lambda: act(store), ALL, by_opcode=True))

    def _measured(self, name: str, act: Callable[[], object]) -> object:
        start = time.perf_counter()
        passed = cut_at(-1, act, ALL, by_opcode=True)
        self.steps[name] = int(passed) if isinstance(passed, int) else 1
        self.seconds[name] = (time.perf_counter() - start) / 20  # without looking at each step
        return passed

    def judged(self, do: Callable[[Store], object]) -> list[str]:
        """What is left where that was done to a fresh copy."""
        for old in self.place.iterdir():
            old.unlink()
        shutil.copy(self.whole, self.place / self.whole.name)
        with TenantPool(self.place) as pool:
            store = pool.get("alice")
            kept = do(store)  # with its frames
            try:
                return left_open(pool, store)
            except (FeatherError, sqlite3.Error) as error:
                return [f"{type(error).__name__}: {error}"]
            finally:
                del kept


def run(asked: Run) -> Told:
    """Calls that are cut short, by chance."""
    chance, told, goes_on = random.Random(asked.seed), Told(), asked.goes_on()
    with warnings.catch_warnings():  # a pipe may be left to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        cuts = Cuts(asked.folder, chance)
        while goes_on(told.trials):
            how, found = cuts.trial(chance.choice(list(VERBS)))
            told.broken += [f"{how}: {each}" for each in found]
            told.ended("by a signal" if how.startswith("a signal") else "by an exception")
    return told


def control(asked: Run) -> bool:
    """Whether it is seen that a transaction stays open, and that a memory is lost."""
    cuts = Cuts(asked.folder, random.Random(asked.seed))

    def held(store: Store) -> object:
        connection = sqlite3.connect(store.path, isolation_level=None)
        connection.execute("begin immediate")
        return connection

    return cuts.judged(held) == ["another cannot write"] and cuts.judged(
        lambda store: store.forget("a")
    ) == ["a is lost"]
