"""The page about performance, made from the figures.

python -m benchmarks.speed.page [FIGURES.json PAGE.md]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.speed.contender import BESIDE, OURS, SCAN
from benchmarks.speed.plan import TITLES
from benchmarks.speed.plots import draw
from benchmarks.speed.report import amount, shape, verdict

Rows = list[dict[str, Any]]
NONE = "–"

HOW = """\
Every number is a median, in milliseconds unless its table says otherwise, and embedding takes no
time: the vectors are there already. All contenders answer the same query one after another, in an
order that is drawn anew for each query, in one process; so none finds the caches as it left them.
*wall* is what a caller waits. *cpu* is the time of all threads of the process, which a busy machine
lengthens far less. In brackets, and as *ratio*, is a peer's wall time by ours: above 1, we are
faster. A percentage says how many of the ten nearest by cosine a search returned; ours ranks by age
and importance, too. *The machine, plainly* is what a simple implementation takes at least: all
vectors read once, a commit, a page fault for each 4 KiB. It is undercut by reading less.
"""
LIMITS = {
    "mib": "a scan of 1 MiB of vectors, by one thread",
    "commit": "one row into SQLite, committed",
    "inserts": "a thousand rows into SQLite, in one transaction",
    "fault": "a thousand page faults of 4 KiB",
    "opening": "SQLite opens a file, reads a hundred rows, and closes it",
}


def write(figures: Path, page: Path) -> Path:
    """The page, with its plots in a folder of its name beside it."""
    whole = json.loads(figures.read_text("utf-8"))
    drawn = draw(whole["rows"], page.with_suffix(""))
    page.write_text(rendered(whole, drawn, page.stem), encoding="utf-8")
    return page


def rendered(whole: dict[str, Any], drawn: Sequence[tuple[str, str]], folder: str) -> str:
    """The text of the page."""
    about, rows = whole["about"], whole["rows"]
    plots = [f"![{caption}]({folder}/{name})" for name, caption in drawn]
    parts = [
        "# Performance",
        "This page is made by `make bench`; what is written here by hand is lost.",
        _taken(about),
        HOW,
        "## What was promised",
        promises(rows),
        "## Where a peer is faster",
        peers(rows),
        "## How cost grows",
        *plots,
        "## Every figure",
        *tables(rows),
        "## Who takes part",
        contenders(about),
        "## What the machine allows",
        allowed(about),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _taken(about: dict[str, Any]) -> str:
    of = about["machine"]
    load = "" if of["load"] is None else f" The load was {of['load']} when it began."
    data = (
        f"Sizes “of sentences” are of {about['sentences']:,} real ones (all-MiniLM-L6-v2)."
        if about["sentences"]
        else "Vectors are synthetic only: no data with real sentences was given."
    )
    extent = (
        "" if about["extent"] == "whole" else f" This is a {about['extent']} run, not a whole one."
    )
    return (
        f"Measured on {about['date']} by `{about['command']}` in {about['minutes']:g} minutes, on "
        f"{of['cores']} cores ({of['processor']}, {of['memory_gib']:g} GiB free, {of['system']}), "
        f"Python {of['python']}, SQLite {of['sqlite']}, numpy {of['numpy']}.{load}{extent} {data}"
    )


def table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """In Markdown. Where a head begins with a blank, its column stands to the right."""
    ruler = ["--:" if head.startswith(" ") else "---" for head in heads]
    trimmed = [head.strip() for head in heads]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (trimmed, ruler, *lines))


def promises(rows: Rows) -> str:
    """Every bar, and whether it was met."""
    lines = []
    for one in rows:
        for bar in one["bars"]:
            ours = one["figures"][OURS]
            value = ours["p99"] if bar["says"].startswith("p99") else ours["wall"]
            cells = [bar["says"], amount(value), amount(ours["cpu"]), verdict(bar)]
            lines.append([TITLES[one["row"]], shape(one), *cells])
    return table(["what", "size", "promised", " wall", " cpu", "met"], lines)


def peers(rows: Rows) -> str:
    """Whoever needs less than we do by more than a fifth, in wall and in CPU time."""
    lines = []
    for one in rows:
        for each in one["faster"]:
            theirs, ours = one["figures"][each["who"]]["wall"], one["figures"][OURS]["wall"]
            cells = [
                each["who"],
                amount(theirs),
                amount(ours),
                f"{each['times']:.1f}",
                each["because"] or NONE,
            ]
            lines.append([TITLES[one["row"]], shape(one), *cells])
    if not lines:
        return "Nowhere by more than a fifth, in wall and CPU time."
    heads = ["what", "size", "who", " theirs", " ours", " times", "because"]
    return "By more than a fifth, in wall and in CPU time:\n\n" + table(heads, lines)


def tables(rows: Rows) -> list[str]:
    """A heading and a table for each row: contenders down, sizes across."""
    parts = []
    for row, title in TITLES.items():
        some = [one for one in rows if one["row"] == row]
        if not some:
            continue
        unit = some[0]["unit"]
        head = "MB in all / private" if unit == "MB" else f"{unit}, wall / cpu / p99"
        parts += [f"### {title}", f"{head}.", _table(some, is_memory=unit == "MB")]
    return parts


def _table(some: Rows, *, is_memory: bool) -> str:
    names = {name: None for one in some for name in one["figures"] if name != BESIDE}
    order = sorted(names, key=lambda name: (name != OURS, name != SCAN))
    lines = [[name, *(_cell(one, name, is_memory=is_memory) for one in some)] for name in order]
    if any(one["beside"] for one in some):
        shown = next(one["beside"] for one in some if one["beside"])
        lines.append([f"({shown})", *(_cell(one, BESIDE, is_memory=is_memory) for one in some)])
    if any(one["limit"] for one in some):
        why = next(one["limit"]["of"] for one in some if one["limit"])
        limits = [NONE if one["limit"] is None else amount(one["limit"]["ms"]) for one in some]
        lines.append([f"*the machine, plainly: {why}*", *limits])
    return table(["", *(f" {shape(one)}" for one in some)], lines)


def _cell(one: dict[str, Any], name: str, *, is_memory: bool) -> str:
    each = one["figures"].get(name)
    if each is None:
        return NONE
    parts = [amount(each["wall"]), amount(each["cpu"])]
    parts += [] if is_memory else [amount(each["p99"])]
    cell = " / ".join(parts)
    if name not in (OURS, BESIDE) and each["ratio"] is not None:
        cell += f" ({each['ratio']:.2f})"
    if each["found"] is not None:
        cell += f", {100 * each['found']:.0f} %"
    return cell


def contenders(about: dict[str, Any]) -> str:
    """Who they are, and who takes no part for which reason."""
    lines = [
        [
            name,
            f"{one['package']} {about['versions'][one['package']]}".strip(),
            one["about"],
            f"{one['most']:,}",
        ]
        for name, one in about["contenders"].items()
    ]
    parts = [table(["who", "package", "what", " measured up to, × 384"], lines)]
    gone = about["absent"] | about["failed"]
    if gone:
        heading = f"“{NONE}” stands where somebody lacks a row. Others that are missing:"
        parts.append(heading + "\n\n" + table(["who", "why"], sorted(gone.items())))
    return "\n\n".join(parts)


def allowed(about: dict[str, Any]) -> str:
    """Measured in the same run, in CPU time; a row's limit is made of these."""
    return table(
        ["what", " ms"], [[LIMITS[name], f"{value:.4f}"] for name, value in about["limits"].items()]
    )


if __name__ == "__main__":
    write(*map(Path, sys.argv[1:] or ("docs/performance.json", "docs/performance.md")))
