"""The terminal's table of what was measured."""

from __future__ import annotations

from typing import Any

from benchmarks.speed.contender import BESIDE, OURS

WIDTH = 34


def shape(one: dict[str, Any]) -> str:
    """How large a row's stores are, and which of its figures these are."""
    size = f"{one['n']:,} × {one['dim']}" if one["n"] else ""
    parts = [size, one["kind"], one["variant"]]
    return ", ".join(part for part in parts if part)


def amount(value: float) -> str:
    """Three digits that say something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def line(one: dict[str, Any], title: str) -> str:
    """One row at one size: every contender, best first, and whether the bars are met."""
    heads = "".join(f"{head:>10}" for head in ("wall", "p99", "cpu", "ratio", "found"))
    printed = [f"\n{title}: {shape(one)} ({one['unit']})", f"  {'':{WIDTH}}{heads}"]
    for name, each in sorted(one["figures"].items(), key=lambda item: item[1]["wall"]):
        cells = [amount(each["wall"]), amount(each["p99"]), amount(each["cpu"])]
        is_peer = name not in (OURS, BESIDE) and each["ratio"] is not None
        cells += [f"{each['ratio']:.2f}" if is_peer else ""]
        cells += ["" if each["found"] is None else f"{100 * each['found']:.0f} %"]
        shown = f"({one['beside']})" if name == BESIDE else name
        printed.append(f"  {shown:{WIDTH}}" + "".join(f"{cell:>10}" for cell in cells))
    if one["limit"] is not None:
        what = f"(plainly: {one['limit']['of']})"
        printed.append(f"  {what:{WIDTH}}{amount(one['limit']['ms']):>10}")
    printed += [f"  bar {bar['says']}: {verdict(bar)}" for bar in one["bars"]]
    printed += [f"  faster: {faster(each)}" for each in one["faster"]]
    return "\n".join(printed)


def verdict(bar: dict[str, Any]) -> str:
    """`no (at most 0.20)`, or the like."""
    return f"{bar['met']} (at most {amount(bar['wall'])})" if "wall" in bar else str(bar["met"])


def faster(each: dict[str, Any]) -> str:
    """A peer, by how much, and the reason if there is one."""
    return ", ".join([f"{each['who']}, {each['times']:.1f} ×", *filter(None, [each["because"]])])
