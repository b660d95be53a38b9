"""Telling people how far long work has come."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

Progress: TypeAlias = bool | Callable[[int, int], None]
"""True for a bar on stderr, or a function that is told (done, total)."""

_WIDTH = 30
_EVERY = 0.1  # seconds between two drawings


def steps(total: int, step: int, progress: Progress, *, label: str = "") -> Iterator[int]:
    """0, step, 2·step … below `total`, telling `progress` after each."""
    tell = teller(progress, label=label)
    for start in range(0, total, step):
        yield start
        if tell:
            tell(min(start + step, total), total)


def teller(progress: Progress, *, label: str = "") -> Callable[[int, int], None] | None:
    """What to tell (done, total); None if nobody listens."""
    if progress is True:
        return _bar(label)
    return progress or None


def _bar(label: str) -> Callable[[int, int], None]:
    drawn = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal drawn
        now = time.monotonic()
        if done < total and now - drawn < _EVERY:
            return
        drawn = now
        filled = _WIDTH * done // total
        bar = "█" * filled + "·" * (_WIDTH - filled)
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r{label} {bar} {done:,} of {total:,}{end}")
        sys.stderr.flush()

    return tell
