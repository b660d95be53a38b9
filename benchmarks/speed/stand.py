"""A stand: the contenders of one size, filled with the same memories, and what they are asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.contender import BESIDE, OURS, SCAN, Contender
from benchmarks.speed.corpus import NOISE, SENTENCES, Corpus, Noise, Record, Sentences
from benchmarks.speed.measure import Call, Effort, Taken, round_robin

QUERIES = 300
WARMING = 3  # rounds before those that count
KEPT = 40  # records that a stand remembers, to be forgotten by the stores
PROBES = 20  # queries by which it is told how much of the exact answer is found


@dataclass(frozen=True, slots=True)
class Shape:
    """How many memories, how many numbers each, and what the vectors are of."""

    n: int
    dim: int
    kind: str = ""  # SENTENCES, NOISE, or clusters like those of real embeddings

    def __str__(self) -> str:
        return f"{self.n:,} × {self.dim} {self.kind}".rstrip()


@dataclass(frozen=True, slots=True)
class Sizes:
    small: int = 1_000
    middle: int = 10_000
    large: int = 100_000
    huge: int = 1_000_000
    narrow: int = 384
    wide: int = 768
    dims: tuple[int, ...] = (96, 192, 384, 768, 1_536)
    batch: int = 5_000
    batches: int = 4
    tenants: int = 10  # large ones
    small_tenants: int = 1_000
    tenant_rows: int = 100
    readers: int = 8
    seconds: float = 3.0  # that processes work beside each other
    fill_seconds: float = 120.0  # that a contender may take to be filled, by its second tenth
    limit_mib: int = 256


QUICK = Sizes(
    huge=0, tenants=4, small_tenants=100, dims=(96, 768), batch=2_000, batches=2,
    readers=4, seconds=0.5, fill_seconds=10.0,
)  # fmt: skip
TOY = Sizes(
    small=40, middle=60, large=80, huge=0, narrow=16, wide=24, dims=(8, 16), batch=20, batches=1,
    tenants=2, small_tenants=3, tenant_rows=5, readers=2, seconds=0.05, limit_mib=1,
)  # fmt: skip


@dataclass(slots=True)
class Measured:
    """What one row says of one shape; `taken` by contender, in milliseconds or in `unit`."""

    row: str
    n: int
    dim: int
    taken: dict[str, Taken]
    variant: str = ""  # what tells it from the row's other figures of this shape
    beside: str = ""  # what `taken[BESIDE]` is
    kind: str = ""  # as the shape's
    unit: str = "ms"
    share: float = 1.0  # of the memories, that has to be looked at
    crowd: float = 1.0  # how many processes there are for each core, if more than one
    found: dict[str, float] = field(default_factory=dict)  # share of the exact answer
    because: dict[str, str] = field(default_factory=dict)  # why a contender is faster here


@dataclass(slots=True)
class Stand:
    """Contenders are held open; who fails is dropped, and why is noted."""

    shape: Shape
    corpus: Corpus
    folder: Path
    effort: Effort
    sizes: Sizes
    failed: dict[str, str]  # by contender and shape; shared by all stands of a run
    held: dict[str, Contender] = field(default_factory=dict)
    vectors: np.ndarray = field(init=False)
    questions: list[str] = field(init=False)
    records: list[Record] = field(init=False)  # that are in no store yet
    first: list[Record] = field(default_factory=list)  # that all stores begin with
    halfway: float = 0.0  # when half of the memories were not yet known
    closed: dict[str, type[Contender]] = field(default_factory=dict)  # on disk, and not open
    before: dict[str, Taken] = field(default_factory=dict)  # opening, before anything is forgotten

    def __post_init__(self) -> None:
        self.vectors = self.corpus.queries(QUERIES).astype(np.float32)
        self.questions = self.corpus.questions(QUERIES)

    def path(self, name: str) -> Path:
        return self.folder / f"{name.replace(' ', '-')}.feather"

    def open(self, classes: Iterable[type[Contender]]) -> None:
        """Holds a store of each class."""
        for one in classes:
            self.attempt(one.name, lambda one=one: self._open(one))

    def fill(self, classes: Sequence[type[Contender]]) -> None:
        """Opens a store of each class, and writes the same memories into all."""
        self.open(classes)
        spent = dict.fromkeys(self.held, 0.0)
        chunk = min(50_000, max(1, self.shape.n // 10))
        for start in range(0, self.shape.n, chunk):
            records = self.corpus.records(min(chunk, self.shape.n - start))
            self.first = self.first or records[:KEPT]
            self.halfway = time.time() if start <= self.shape.n // 2 else self.halfway
            for name, contender in list(self.held.items()):
                taken = Taken()
                with taken.timing():
                    self.attempt(name, lambda it=contender, some=records: it.add_many(some))
                spent[name] += (last := taken.wall[0] / 1e3)
                left = (self.shape.n - start - len(records)) / chunk if start else 0.0
                # The rest takes as long, or longer: most get slower the more they hold.
                if spent[name] + last * left > self.sizes.fill_seconds and name not in (OURS, SCAN):
                    self.drop(name, f"to fill it takes over {self.sizes.fill_seconds:g} s")
        self.records = self.corpus.records(2 * (WARMING + self.effort.rounds))

    def _open(self, one: type[Contender]) -> None:
        self.held[one.name] = one(self.path(one.name), self.shape.dim)

    def attempt(self, name: str, call: Callable[[], object]) -> None:
        """Makes the call; whose call fails is dropped."""
        try:
            call()
        except Exception as error:
            # A peer that breaks ends its own figures, not a run of half an hour. We may not break.
            if name == OURS:
                raise
            self.drop(name, f"{type(error).__name__}: {error}")

    def drop(self, name: str, why: str) -> None:
        """It takes no further part in this stand."""
        self.failed[f"{name}, {self.shape}"] = why
        print(f"{name} is dropped at {self.shape}: {why}", file=sys.stderr)
        self.held.pop(name, None)

    def having(self, verb: str) -> dict[str, Callable[..., Any]]:
        """The verb of every contender that has it."""
        return {name: getattr(one, verb) for name, one in self.held.items() if one.has(verb)}

    def vector(self, number: int) -> np.ndarray:
        return self.vectors[number % QUERIES]

    def question(self, number: int) -> str:
        return self.questions[number % QUERIES]

    def measure(
        self, row: str, calls: dict[str, Call], *, variant: str = "", beside: str = "",
        share: float = 1.0, warming: int = WARMING, rounds: int | None = None,
    ) -> Measured:  # fmt: skip
        """Each call, round by round; who fails is dropped."""
        effort = self.effort if rounds is None else self.effort.at_most(rounds)
        taken, failures = round_robin(calls, effort, warming=warming, never_fails={OURS, BESIDE})
        for name, why in failures.items():
            self.failed[f"{name}, {row}, {self.shape}"] = why
        return Measured(
            row, self.shape.n, self.shape.dim, taken,
            variant=variant, beside=beside, share=share, kind=self.shape.kind,
        )  # fmt: skip

    def close(self) -> None:
        """Lets go of all files; what is durable can be opened again."""
        for name, contender in list(self.held.items()):
            self.attempt(name, contender.close)
        self.closed = {name: type(one) for name, one in self.held.items() if one.durable}
        self.held = {}

    def open_again(self) -> None:
        """Holds what was closed, each by a new object."""
        self.open(self.closed.values())


def corpus_of(shape: Shape, sentences: Sentences | None) -> Corpus:
    """Real sentences are asked for only where there are some."""
    if shape.kind == SENTENCES and sentences is not None:
        return sentences.again()
    if shape.kind == NOISE:
        return Noise(shape.dim, 1)
    return Corpus(shape.dim, shape.n // 100)
