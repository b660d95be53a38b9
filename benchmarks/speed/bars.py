"""What was promised of a row, and what doing it plainly takes of this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.speed.contender import APPROXIMATE, BESIDE, OURS, SCAN, Contender
from benchmarks.speed.machine import Limits
from benchmarks.speed.measure import Taken
from benchmarks.speed.stand import Measured, Sizes

SLOWER = 1.2  # a peer that is faster than us by more has to be named
FILTERED = {"1 %": 1.5, "10 %": 6.0, "50 %": 12.0}  # ms at the largest and widest

BY_VECTOR = (
    "dense", "dims", "hybrid", "filtered", "first filter", "chain", "frameworks", "add and search"
)  # fmt: skip
"""Rows whose answers an approximate index may shorten."""

Median = Callable[[str], float]
"""A contender's median, of wall or of CPU time."""


@dataclass(frozen=True, slots=True)
class Bar:
    """At most so many milliseconds (or whatever the row's unit is)."""

    says: str
    at_most: Callable[[Median], float]
    is_p99: bool = False


def bars(one: Measured, sizes: Sizes) -> list[Bar]:
    """Those of a row at its size; none where nothing was promised."""
    if one.row in ("dense", "hybrid") and not one.kind:
        return _searching(one, sizes)
    if one.row == "processes":
        return _crowded(one, sizes)
    is_large = one.n >= sizes.large
    is_wide = is_large and one.dim == sizes.wide
    by_row: dict[str, list[Bar]] = {
        "common": [_at_most(5)] if is_large else [],
        "filtered": [_at_most(most)] if is_wide and (most := FILTERED.get(one.variant)) else [],
        "first filter": [Bar("≤ 2 × the second", lambda of: 2 * of(BESIDE))],
        "chain": [Bar("≤ search + 1.5 ms", lambda of: of(BESIDE) + 1.5)],
        "known_at": [Bar("≤ search + 1 ms", lambda of: of(BESIDE) + 1)] if is_large else [],
        "why_not": [Bar("≤ 2 × search", lambda of: 2 * of(BESIDE))] if is_large else [],
        "frameworks": _frameworks(one, sizes),
        "add": [_at_most(0.5), Bar("p99 ≤ 5 ms", lambda _: 5, is_p99=True)],
        "add_many": [Bar("≥ 20,000/s", lambda _: 50)],
        "forget": [_at_most(60 if is_large else 20)],
        "open": [_at_most(50)] if is_wide else [],
        "open after forget": [Bar("as before: ≤ 1.2 ×", lambda of: 1.2 * of(BESIDE))],
        "tenants": [_at_most(100)],
        "small tenants": [Bar("≤ 2.5 s for 1,000", lambda _: 2.5)],
        "import": [_at_most(150)],
        "memory": [_resident(one)] if is_wide else [],
    }
    return by_row.get(one.row, [])


def _at_most(milliseconds: float) -> Bar:
    return Bar(f"≤ {milliseconds:g} ms", lambda _: milliseconds)


def _resident(one: Measured) -> Bar:
    return Bar("≤ 1.1 × the vectors", lambda _: 1.1 * one.n * one.dim * 4 / 2**20)


def _searching(one: Measured, sizes: Sizes) -> list[Bar]:
    if one.n > sizes.large:
        return []
    size = 0 if one.n <= sizes.small else 1 if one.n <= sizes.middle else 2
    if one.row == "hybrid":
        more = (0.15, 0.3, 1.0)[size]
        return [Bar(f"≤ by vector + {more:g} ms", lambda of: of(BESIDE) + more)]
    if size == 0:
        return [_at_most(0.2)]
    if size == 1:
        return [Bar("≤ plain scan + 0.2 ms", lambda of: of(SCAN) + 0.2)]
    return [Bar("≤ 0.5 × plain scan", lambda of: of(SCAN) / 2)]


def _frameworks(one: Measured, sizes: Sizes) -> list[Bar]:
    if one.n > sizes.small:
        return [_at_most(1.5)]
    return [Bar("≤ 1.2 × FAISS", lambda of: 1.2 * of("LangChain FAISS"))]


def _crowded(one: Measured, sizes: Sizes) -> list[Bar]:
    if one.variant == "a reader beside a writer":
        return [Bar("keeps ≥ 80 %", lambda of: of(BESIDE) / 0.8)]
    if one.variant == f"a writer beside {sizes.readers} readers":
        return [Bar("keeps ≥ 60 %", lambda of: of(BESIDE) / 0.6)]
    return []


def limit(one: Measured, of: Limits) -> tuple[float, str] | None:
    """What doing it plainly takes at least, and why; None where nothing simple says.

    Undercut only by who need not do it: who reads less than all vectors, for one.
    """
    n, dim = one.n, one.dim
    if one.row == "processes":
        return (of.commit, "a commit") if one.variant.startswith("a writer") else _scan(of, n, dim)
    if one.row in ("dense", "hybrid", "known_at", "why_not", "chain", "frameworks", "dims"):
        return _scan(of, n, dim)
    by_row: dict[str, tuple[float, str]] = {
        "filtered": (of.scan(n * one.share, dim), "those let through, once"),
        "first filter": (of.scan(n * 0.1, dim), "those let through, once"),
        "add": (of.commit, "a commit"),
        "add and search": (of.commit + of.scan(n, dim), "a commit, the vectors once"),
        "add_many": (of.inserts, "a thousand rows into SQLite"),
        "forget": (of.commit + of.scan(n, dim), "a commit, the file once"),
        "open": (of.faults(n, dim), "a page fault for each 4 KiB"),
        "open after forget": (of.faults(n, dim), "a page fault for each 4 KiB"),
        "tenants": (of.faults(n, dim), "a page fault for each 4 KiB"),
        "small tenants": (of.opening, "SQLite opens, reads and closes"),
        "tenant growth": (of.opening, "SQLite opens, reads and closes"),
        "memory": (n * dim * 4 / 2**20, "the vectors"),
    }
    return by_row.get(one.row)


def _scan(of: Limits, n: int, dim: int) -> tuple[float, str]:
    return of.scan(n, dim), "the vectors once"


def judged(
    one: Measured, sizes: Sizes, limits: Limits, kinds: dict[str, type[Contender]]
) -> dict[str, Any]:
    """One row at one size as JSON has it: figures, bars and verdicts, the limit, who is faster."""
    least = limit(one, limits)
    ours = one.taken.get(OURS)
    return {
        "row": one.row,
        "n": one.n,
        "dim": one.dim,
        "kind": one.kind,
        "variant": one.variant,
        "unit": one.unit,
        "beside": one.beside,
        "limit": None if least is None else {"ms": least[0], "of": least[1]},
        "figures": {name: _figures(one, name, taken) for name, taken in one.taken.items()},
        "bars": [] if ours is None else [_verdict(one, ours, bar) for bar in bars(one, sizes)],
        "faster": [] if ours is None else _faster(one, ours, kinds),
    }


def _figures(one: Measured, name: str, taken: Taken) -> dict[str, float | int | None]:
    wall, cpu = taken.medians
    ours = one.taken.get(OURS)
    return {
        "wall": wall,
        "cpu": cpu,
        "p99": taken.quantile(0.99),
        "times": len(taken),
        "ratio": None if ours is None else wall / max(ours.medians[0], 1e-9),
        "found": one.found.get(name),
    }


def _verdict(one: Measured, ours: Taken, bar: Bar) -> dict[str, Any]:
    """Met by wall time, by CPU time only (the machine was busy), or not."""
    try:
        wall, cpu = (bar.at_most(lambda name, at=at: one.taken[name].medians[at]) for at in (0, 1))
    except KeyError as missing:
        return {"says": bar.says, "met": f"no {missing.args[0]} to compare with"}
    wall *= one.crowd
    p99_cpu = Taken(ours.cpu, ours.wall).quantile(0.99)
    is_met = (ours.quantile(0.99) if bar.is_p99 else ours.medians[0]) <= wall
    is_met_by_cpu = (p99_cpu if bar.is_p99 else ours.medians[1]) <= cpu and one.unit != "MB"
    met = "yes" if is_met else "by CPU time" if is_met_by_cpu else "no"
    return {"says": bar.says, "wall": wall, "cpu": cpu, "met": met}


def _faster(one: Measured, ours: Taken, kinds: dict[str, type[Contender]]) -> list[dict[str, Any]]:
    """Peers that need less than we do, by more than a fifth, by wall and by CPU time."""
    found = []
    for name, taken in one.taken.items():
        if name in (OURS, SCAN, BESIDE):
            continue
        both = zip(ours.medians, taken.medians, strict=True)
        wall, cpu = (mine / max(theirs, 1e-9) for mine, theirs in both)
        if wall > SLOWER and cpu > SLOWER:
            why = one.because.get(name) or _because(one, kinds.get(name))
            found.append({"who": name, "times": wall, "because": why})
    return found


def _because(one: Measured, kind: type[Contender] | None) -> str:
    """What a contender leaves out that we do; in a search, it may be exactness."""
    if kind is None:
        return ""
    is_excuse = kind.is_approximate and one.row in BY_VECTOR
    return "; ".join(filter(None, [APPROXIMATE if is_excuse else "", kind.because]))
