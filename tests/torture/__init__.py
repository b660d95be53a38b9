"""What breaks a store, done to it on purpose: a module for each fault, each with its control.

`make torture` runs them one after the other for as long as it is given, prints the seed by which
the same is done again, and writes the table of docs/reliability.md.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Told:
    """What a fault was found to do: how many trials ended how, and those that may not end so."""

    trials: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def ended(self, how: str) -> None:
        self.trials += 1
        self.counts[how] += 1

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {how}" for how, count in self.counts.most_common())


@dataclass(frozen=True)
class Run:
    """Where and for how long a fault is done, by which chance."""

    folder: Path
    seed: int
    seconds: float
    most: int = 1_000_000

    def goes_on(self) -> Callable[[int], bool]:
        """Whether another trial is to be made, after so many."""
        until = time.monotonic() + self.seconds
        return lambda trials: trials < self.most and time.monotonic() < until
