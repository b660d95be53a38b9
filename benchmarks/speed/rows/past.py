"""What only a memory is asked: what hangs together, what was known, why something is missing."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.contender import BESIDE, OURS
from benchmarks.speed.measure import Call
from benchmarks.speed.ours import EDGES
from benchmarks.speed.stand import Measured, Stand

BY_BOTH = "our search by words and vector"


def chain(stand: Stand) -> list[Measured]:
    """The five best and what is linked to them, two steps far, three edges a memory."""
    random = np.random.default_rng(7)
    n = stand.shape.n
    steps = random.integers(1, n, size=(n, EDGES))
    pairs = [(a, int((a + step) % n)) for a in range(n) for step in steps[a]]
    for link in stand.having("link").values():
        link(pairs)
    calls: dict[str, Call] = {
        name: lambda i, walk=walk: walk(stand.vector(i))
        for name, walk in stand.having("chain").items()
    }
    top = stand.having("top")[OURS]
    calls[BESIDE] = lambda i: top(stand.vector(i))
    return [stand.measure("chain", calls, beside="our search by vector, k = 5")]


def known_at(stand: Stand) -> list[Measured]:
    """By words and vector, of what was known when half of the memories were written."""
    calls: dict[str, Call] = {
        name: lambda i, ask=ask: ask(stand.question(i), stand.vector(i), stand.halfway)
        for name, ask in stand.having("known_at").items()
    }
    return [stand.measure("known_at", calls | _by_both(stand), beside=BY_BOTH)]


def why_not(stand: Stand) -> list[Measured]:
    """Why a memory is not among the ten best, by words and vector."""
    calls: dict[str, Call] = {
        name: lambda i, ask=ask: ask(stand.question(i), stand.vector(i), i)
        for name, ask in stand.having("why_not").items()
    }
    return [stand.measure("why_not", calls | _by_both(stand), beside=BY_BOTH)]


def _by_both(stand: Stand) -> dict[str, Call]:
    search = stand.having("hybrid")[OURS]
    return {BESIDE: lambda i: search(stand.question(i), stand.vector(i))}
