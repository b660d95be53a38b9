"""How cost grows, drawn from the figures: small SVG files beside the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.speed.contender import BESIDE, OURS, SCAN
from benchmarks.speed.peers import MODULES

# Text stays text, and the same figures give the same bytes.
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "feather", "font.size": 9, "axes.grid": True}
COLOURS = {name: f"C{at}" for at, name in enumerate((OURS, SCAN, *MODULES))}  # in every plot
Rows = list[dict[str, Any]]


def draw(rows: Rows, folder: Path) -> list[tuple[str, str]]:
    """Writes what there are figures for; the file names and captions, in order."""
    drawn = []
    for name, caption, rowed, axes in PLOTS:
        if some := [one for one in rows if one["row"] == rowed and not one["kind"]]:
            _save(folder / name, lambda at, draw=axes, some=some: draw(at, some))
            drawn.append((name, caption))
    return drawn


def _save(path: Path, draw: Callable[[Axes], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 4), layout="constrained")
        draw(figure.subplots())
        figure.savefig(path, format="svg", metadata={"Date": None})


def by_number(axes: Axes, rows: Rows, across: str, label: str) -> None:
    """One curve for each contender, over a row's sizes; dashed, what the machine takes."""
    names = {name: None for one in rows for name in one["figures"] if name != BESIDE}
    for name in names:
        points = sorted(
            (one[across], one["figures"][name]["wall"]) for one in rows if name in one["figures"]
        )
        style = {"color": COLOURS.get(name), "linewidth": 2.5 if name == OURS else 1.2}
        axes.plot(*zip(*points, strict=True), "o-", markersize=3, label=name, **style)
    allowed = sorted((one[across], one["limit"]["ms"]) for one in rows if one["limit"])
    if allowed:
        axes.plot(*zip(*allowed, strict=True), "k--", linewidth=1, label="the machine, plainly")
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel=rows[0]["unit"])
    measured = sorted({one[across] for one in rows})
    axes.set_xticks(measured, [f"{number:,}" for number in measured])
    axes.minorticks_off()
    axes.legend(fontsize=7, ncols=2)


def by_tenants(axes: Axes, rows: Rows) -> None:
    """Milliseconds a tenant, by how many are opened."""
    points = sorted((int(one["variant"]), one["figures"][OURS]["wall"]) for one in rows)
    axes.plot(*zip(*points, strict=True), marker="o", label=OURS, linewidth=2.5)
    if limit := rows[0]["limit"]:
        axes.axhline(limit["ms"], color="k", linestyle="--", linewidth=1, label=limit["of"])
    axes.set(xscale="log", xlabel="tenants opened", ylabel="ms a tenant", ylim=(0, None))
    axes.legend()


def by_process(axes: Axes, rows: Rows) -> None:
    """A call's wall and CPU time, alone and beside others."""
    labels = [one["variant"] for one in rows]
    for at, measure in enumerate(("wall", "cpu")):
        places = [number + 0.4 * at for number in range(len(rows))]
        values = [one["figures"][OURS][measure] for one in rows]
        axes.barh(places, values, height=0.4, label=measure)
    axes.set_yticks([number + 0.2 for number in range(len(rows))], labels)
    axes.set(xlabel="ms a call")
    axes.invert_yaxis()
    axes.legend()


PLOTS: list[tuple[str, str, str, Callable[[Axes, Rows], None]]] = [
    ("memories.svg", "Search by vector, by how many memories there are", "dense",
     lambda axes, rows: by_number(axes, rows, "n", "memories")),
    ("length.svg", "Search by vector, by the length of vectors", "dims",
     lambda axes, rows: by_number(axes, rows, "dim", "numbers in a vector")),
    ("words.svg", "Search by words and vector, by how many memories there are", "hybrid",
     lambda axes, rows: by_number(axes, rows, "n", "memories")),
    ("add.svg", "Durable add, by how many memories there are", "add",
     lambda axes, rows: by_number(axes, rows, "n", "memories")),
    ("tenants.svg", "Small tenants opened and asked, by how many there are", "tenant growth",
     by_tenants),
    ("processes.svg", "A call of ours, alone and beside other processes", "processes", by_process),
]  # fmt: skip
