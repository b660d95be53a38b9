"""Bits of a file flip, or a block of it is garbage: it is refused, or told, or answers alike."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from feather_memory import FeatherError, Store
from feather_memory.testing import FrozenClock, HashEmbedder
from feather_memory.truth.sqlite import words
from feather_memory.truth.sqlite.audit import SqliteAudit
from feather_memory.truth.sqlite.log import log_of
from torture import Run, Told

QUESTIONS = ["tea", "coffee in the morning", "where does Alice live", "what was said about milk"]
EMBED = HashEmbedder(dim=16)
START = 1.8e9


def story(path: Path, memories: int = 12) -> None:
    """A store with something in every table."""
    with Store.open(path, embedder=EMBED, clock=FrozenClock(START)) as store:
        ids = [
            store.add(
                f"Alice said number {n} about {['tea', 'coffee', 'milk'][n % 3]}",
                id=f"m{n}", session=f"s{n % 3}", actor="Alice", role="user",
                metadata={"n": n, "tags": ["x", str(n)]},
            ).id
            for n in range(memories)
        ]  # fmt: skip
        store.add("Alice lives in Oslo", id="oslo", key="home")
        store.add("Alice lives in Lisbon", id="lisbon", key="home", expires_at=START + 9e6)
        store.supersede(ids[0], "Alice takes no tea", id="no-tea")
        for one, other in pairwise(ids):
            store.link(one, other, "next", 0.5)
        store.recall("tea", turn="first")
        store.recall("coffee", turn="second")
        store.plumbing.name_turn("first", "also first")
        store.feedback("first", "liked", event_id="e1")
        store.signal(ids[3], "saved", event_id="e2")
        store.signal(ids[4], "disliked", event_id="e3")
        store.unsignal("e3")
        store.plumbing.shelf("hashes").update({"a": [1, 2], "b": {"c": "d"}})
        store.plumbing.shelf("hashes").tie({"a": [ids[3], ids[4]]})
        store.forget(ids[-1])


def answers(path: Path) -> list[Any]:
    """What a reader is told of all that is kept."""
    found: list[Any] = []
    with Store.open(path, embedder=EMBED, clock=FrozenClock(START + 1e6), read_only=True) as store:
        memories = list(store.iterate())
        for memory in memories:
            found.append(said(memory))
            found.append(sorted(map(repr, store.edges(memory.id))))
            found.append(list(map(repr, store.signals(memory.id))))
            found.append([each.id for each in store.history(memory.id)])
        one, other, third, last = QUESTIONS
        found.append([ranked(hit) for hit in store.search(one, 50)])
        found.append([ranked(hit) for hit in store.search(vector=EMBED([other])[0])])
        found.append([ranked(hit) for hit in store.context_chain(third)])
        found.append([ranked(hit) for hit in store.search(last, as_of=START - 5)])
        found.append([memory.id for memory in store.latest(50)])
        found.append([memory.id for memory in store.plumbing.shown("also first")])
        found.append([memory.id for memory in store.plumbing.shown("second")])
        found.append({name: dict(store.plumbing.shelf(name)) for name in store.plumbing.shelves()})
    return found


def said(memory: Any) -> list[Any]:
    """All fields, the vector as numbers; importance to what the audit compares of it."""
    names = [name for name in type(memory).__slots__ if not name.startswith("_")]
    told = [getattr(memory, name) for name in names]
    told = [round(each, 8) if isinstance(each, float) else each for each in told]
    return [each.tolist() if isinstance(each, np.ndarray) else repr(each) for each in told]


def ranked(hit: Any) -> tuple[str, float, int]:
    return hit.memory.id, round(hit.score.value, 9), hit.hop


def flipped(content: bytes, chance: random.Random) -> tuple[bytes, str]:
    """One bit, at a place by chance."""
    at, bit = chance.randrange(len(content)), chance.randrange(8)
    changed = bytearray(content)
    changed[at] ^= 1 << bit
    return bytes(changed), f"bit {bit} of byte {at}"


def garbled(content: bytes, chance: random.Random) -> tuple[bytes, str]:
    """512 bytes of garbage."""
    at = chance.randrange(max(1, len(content) - 512))
    garbage = chance.randbytes(min(512, len(content)))
    return content[:at] + garbage + content[at + len(garbage) :], f"512 bytes from {at}"


def truncated(content: bytes, chance: random.Random) -> tuple[bytes, str]:
    """A tail that is missing."""
    at = chance.randrange(len(content))
    return content[:at], f"all from {at}"


WAYS: list[Callable[[bytes, random.Random], tuple[bytes, str]]] = [
    *[flipped] * 8, garbled, truncated
]  # fmt: skip


class Damage:
    """One store in a folder, damaged again and again."""

    def __init__(self, folder: Path, memories: int = 12) -> None:
        self.sound, self.place = folder / "sound.feather", folder / "damaged.feather"
        story(self.sound, memories)
        self.content = self.sound.read_bytes()
        self.right = answers(self.sound)

    def trials(self, chance: random.Random) -> Iterator[tuple[str, str]]:
        """Endless: how a trial ended, and what was damaged."""
        while True:
            changed, what = chance.choice(WAYS)(self.content, chance)
            yield self.judged(changed), what

    def lay(self, content: bytes, log: bytes = b"") -> None:
        """Have this file be there, with that log."""
        for left in self.place.parent.glob(f"{self.place.name}*"):
            left.unlink()
        self.place.write_bytes(content)
        if log:
            log_of(self.place).write_bytes(log)

    def judged(self, changed: bytes) -> str:
        """How the store is read from this file."""
        self.lay(changed)
        return ended(self._compared)

    def _compared(self) -> str:
        if answers(self.place) == self.right:
            return "answered alike"
        with Store.open(self.place, embedder=EMBED, clock=FrozenClock(START + 1e6)) as store:
            return "told by check" if store.check() else "silent"


def ended(look: Callable[[], str]) -> str:
    """What a look at a damaged file comes to: an error of ours is a refusal, no other may be."""
    try:
        return look()
    except FeatherError:
        return "refused"
    except Exception as error:  # noqa: BLE001  that is what is looked for
        return f"untyped: {type(error).__name__}: {error!r:.80}"


class LogDamage(Damage):
    """The same store with a log beside it of some later commits, which is damaged."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.lay(self.content)
        clock = FrozenClock(START + 5e5)
        with (
            Store.open(self.place, embedder=EMBED, clock=clock) as store,
            store._core.truth.lock,  # so that nobody folds it
        ):
            store.add("Alice drinks juice", id="juice")
            store.add("Alice lives in Rome", id="rome", key="home")
            store.link("juice", "m3", "supports")
            store.signal("m5", "saved", event_id="e9")
            store.supersede("m6", "Alice said nothing", id="nothing")
            self.content = self.place.read_bytes()
            self.log = log_of(self.place).read_bytes()
        self.ends = _commits(self.log)
        self.prefixes = []
        for end in self.ends:
            self.lay(self.content, self.log[:end])
            self.prefixes.append(answers(self.place))

    def trials(self, chance: random.Random) -> Iterator[tuple[str, str]]:
        while True:
            changed, what = chance.choice(WAYS)(self.log, chance)
            yield self.judged(changed), f"log, {what}"

    def judged(self, changed: bytes) -> str:
        """How it is read: as it stood after one of the commits, and no other way."""
        self.lay(self.content, changed)
        return ended(self._compared)

    def _compared(self) -> str:
        now = answers(self.place)
        if now == self.prefixes[-1]:
            return "answered alike"
        return "as before the damaged commit" if now in self.prefixes else "silent"


def _commits(log: bytes) -> list[int]:
    """Where the log ends after each of its commits; and where none is left of it."""
    page_size = int.from_bytes(log[8:12])
    step = 24 + page_size
    starts = range(32, len(log) - step + 1, step)
    return [32, *(at + step for at in starts if any(log[at + 4 : at + 8]))]


def run(asked: Run) -> Told:
    """Trials on copies of one store; one in four of its log."""
    told, goes_on, chance = Told(), asked.goes_on(), random.Random(asked.seed)
    (asked.folder / "log").mkdir()
    warnings.simplefilter("error")  # none may leave, of numpy's, say; it would be an untyped error
    file, log = Damage(asked.folder).trials(chance), LogDamage(asked.folder / "log").trials(chance)
    while goes_on(told.trials):
        how, what = next(chance.choice([file, file, file, log]))
        told.ended(how.partition(":")[0])
        if how == "silent" or how.startswith("untyped"):
            told.broken.append(f"{what}: {how}")
    return told


def control(asked: Run) -> bool:
    """Whether it is seen that an answer changes which nothing tells."""
    damage, rows = Damage(asked.folder), SqliteAudit.rows
    changed = damage.content.replace(b"Alice said number 3", b"Alicf said number 3")
    try:
        SqliteAudit.rows = lambda _: []  # type: ignore[method-assign]
        words.faults, faults = lambda _: iter(()), words.faults  # type: ignore[assignment]
        return damage.judged(changed) == "silent"
    finally:
        SqliteAudit.rows, words.faults = rows, faults  # type: ignore[method-assign]
