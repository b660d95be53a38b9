"""Searches: by vector, by words, by both, and filtered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.speed.contender import BESIDE, OURS, SCAN
from benchmarks.speed.measure import Call
from benchmarks.speed.ours import Scan
from benchmarks.speed.stand import PROBES, Measured, Stand

COMMON = "the of and"
PERCENT = (1, 10, 50)
BY_VECTOR = "our search by vector"


def dense(stand: Stand) -> list[Measured]:
    """By vector; with how many of the nearest ten are among what each returns."""
    asked = stand.having("search")
    calls: dict[str, Call] = {
        name: lambda i, search=search: search(stand.vector(i)) for name, search in asked.items()
    }
    measured = stand.measure("dense", calls)
    scan = stand.held.get(SCAN)
    if isinstance(scan, Scan):
        exact = [set(scan.exact(stand.vector(i))) for i in range(PROBES)]
        for name in measured.taken.keys() - {SCAN}:
            found = [exact[i].intersection(asked[name](stand.vector(i))) for i in range(PROBES)]
            measured.found[name] = sum(map(len, found)) / sum(map(len, exact))
    return [measured]


def dims(stand: Stand) -> list[Measured]:
    """By vector, as a row of its own: how cost grows with the length of vectors."""
    measured = dense(stand)
    for one in measured:
        one.row = "dims"
    return measured


def words(stand: Stand) -> list[Measured]:
    """By eight words of which each is in some text."""
    return [_answered(stand, "words", "words", lambda i: (stand.question(i),))]


def common(stand: Stand) -> list[Measured]:
    """By words that are in nearly every text."""
    return [_answered(stand, "common", "words", lambda _: (COMMON,))]


def hybrid(stand: Stand) -> list[Measured]:
    """By eight words and a vector."""
    ours = stand.having("search")[OURS]
    beside: dict[str, Call] = {BESIDE: lambda i: ours(stand.vector(i))}
    measured = _answered(
        stand, "hybrid", "hybrid", lambda i: (stand.question(i), stand.vector(i)), beside
    )
    measured.beside = BY_VECTOR
    return [measured]


def filtered(stand: Stand) -> list[Measured]:
    """By vector, of a hundredth, a tenth and a half of the memories."""
    asked = stand.having("filtered")
    return [
        stand.measure(
            "filtered",
            {
                name: lambda i, search=search, most=percent: search(stand.vector(i), most)
                for name, search in asked.items()
            },
            variant=f"{percent} %",
            share=percent / 100,
        )
        for percent in PERCENT
    ]


def _answered(
    stand: Stand,
    row: str,
    verb: str,
    asks: Callable[[int], tuple[Any, ...]],
    beside: dict[str, Call] | None = None,
) -> Measured:
    """Of those who find anything: some leave common words out, and are done at once."""
    asked = stand.having(verb)
    calls: dict[str, Call] = {
        name: lambda i, search=search: search(*asks(i)) for name, search in asked.items()
    }
    measured = stand.measure(row, calls | (beside or {}))
    for name, search in asked.items():
        if name in measured.taken and not any(search(*asks(i)) for i in range(PROBES)):
            del measured.taken[name]
            stand.failed[f"{name}, {row}, {stand.shape}"] = "it finds nothing"
    return measured
