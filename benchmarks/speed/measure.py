"""How long calls take: wall and CPU time of every contender, query by query."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import numpy as np

import feather_memory

ROOT = Path(__file__).parents[2]
LEAST = 3  # rounds that even the slowest contender makes, unless a row says fewer


@dataclass(frozen=True, slots=True)
class Effort:
    """How long is measured."""

    rounds: int = 200
    seconds: float = 3.0  # of one contender in one row; it makes fewer rounds then
    starts: int = 3  # fresh processes
    start_seconds: float = 20.0  # of one contender's fresh processes in one row, likewise

    def at_most(self, rounds: int) -> Effort:
        return replace(self, rounds=min(rounds, self.rounds))


@dataclass(frozen=True, slots=True)
class Taken:
    """Milliseconds that each call of one contender took.

    `cpu` is that of all threads of the process: peers work in threads of their own. A busy
    machine lengthens `wall`, and `cpu` far less.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.wall)

    def quantile(self, share: float) -> float:
        return float(np.quantile(self.wall, share))

    @property
    def medians(self) -> tuple[float, float]:
        """Of wall and CPU."""
        return float(np.median(self.wall)), float(np.median(self.cpu))

    def add(self, wall: float, cpu: float) -> None:
        self.wall.append(wall)
        self.cpu.append(cpu)

    @contextmanager
    def timing(self, calls: int = 1) -> Iterator[None]:
        """What the block takes is added, shared among the calls that it makes."""
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        yield
        wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
        self.add(wall / 1e6 / calls, cpu / 1e6 / calls)


Call = Callable[[int], object]
"""What is measured; it is told the number of its round."""


def round_robin(
    calls: Mapping[str, Call], effort: Effort, *, warming: int = 3, least: int = LEAST,
    never_fails: Container[str] = (),
) -> tuple[dict[str, Taken], dict[str, str]]:  # fmt: skip
    """What each contender took for each round, in an order that every round draws anew.

    So no contender always finds the caches as the same other one left them. The warming rounds
    come first; calls are told the number of the round, those included.

    Returns:
        The times, by contender, and why those who raised take no part from then on.
    """
    taken = {name: Taken() for name in calls}
    failures: dict[str, str] = {}
    order, shuffle = list(calls), Random(7).shuffle
    gc.collect()
    gc.freeze()  # what the stores hold is not searched for cycles inside somebody's call
    try:
        for number in range(warming + effort.rounds):
            shuffle(order)
            for name in list(order):
                kept = taken[name] if number >= warming else Taken()
                try:
                    with kept.timing():
                        calls[name](number)
                except Exception as error:
                    # A peer that breaks ends its own figures, not a run of half an hour.
                    if name in never_fails:
                        raise
                    failures[name] = f"{type(error).__name__}: {error}"
                    order.remove(name)
                    continue
                spent = sum(taken[name].wall) / 1e3
                if spent > effort.seconds and len(taken[name]) >= least:
                    order.remove(name)
    finally:
        gc.unfreeze()
    return {name: each for name, each in taken.items() if name not in failures}, failures


def fresh(*arguments: str) -> dict[str, float]:
    """What Python prints as JSON when it is started with these arguments."""
    with started(*arguments) as process:
        return told(process)


def started(*arguments: str) -> subprocess.Popen[str]:
    """A Python process of its own that finds what we find."""
    home = Path(feather_memory.__file__).parents[1]
    usual = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    paths = [str(ROOT), str(home), *filter(None, [usual.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-P", *arguments],
        env={**usual, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def told(process: subprocess.Popen[str]) -> dict[str, float]:
    """The last line of what it prints, as JSON.

    Raises:
        ChildProcessError: It failed; what it said is on our own standard error.
    """
    printed = process.communicate()[0]
    if process.returncode != 0:
        raise ChildProcessError(f"its process ended with {process.returncode}")
    values: dict[str, float] = json.loads(printed.splitlines()[-1])
    return values
