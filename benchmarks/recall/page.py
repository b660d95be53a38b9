"""The page about recall, made from the figures.

python -m benchmarks.recall.page [FIGURES.json PAGE.md]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.recall.tables import NONE, Table, markdown

HOW: Final = """\
Every figure is of the public API with its default settings, in one run, in per cent unless its
table says otherwise. Embedding is all-MiniLM-L6-v2 unless a line says so. The data is not part of
the repository: its licences forbid it, or are unclear.
"""

WEIGHTS: Final = Path(__file__).with_name("weights.md")
"""What no run measures: where the weights come from, and what was tried."""


def write(figures: Path, page: Path) -> Path:
    """The page beside the figures."""
    page.write_text(rendered(json.loads(figures.read_text("utf-8"))), encoding="utf-8")
    return page


def rendered(whole: dict[str, Any]) -> str:
    """The text of the page."""
    tables = [Table(**each) for each in whole["tables"]]
    parts = [
        "# Recall",
        "This page is made by `make bench`; what is written here by hand is lost.",
        _taken(whole["about"]),
        HOW,
        "## What was promised",
        promises(whole["bars"]),
        "## Every figure",
        *map(markdown, tables),
        WEIGHTS.read_text("utf-8"),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _taken(about: dict[str, Any]) -> str:
    of = about["machine"]
    taken = (
        f"Measured on {about['date']} by `{about['command']}` in {about['minutes']:g} minutes, on "
        f"{of['cores']} cores ({of['processor']}), Python {of['python']}, SQLite {of['sqlite']}, "
        f"numpy {of['numpy']}."
    )
    parts = [taken]
    if not about["is_whole"]:
        parts.append("This is not a whole run.")
    parts += [f"Without `{name}`, what needs it was not measured." for name in about["missing"]]
    if about["is_lacking"]:
        parts.append(
            "No model was installed: what needs vectors of texts that are in no file was not "
            "measured."
        )
    parts += [f"{name} takes no part: {why}." for name, why in about["absent"].items()]
    return " ".join(parts)


def promises(bars: list[dict[str, Any]]) -> str:
    """Every bar, what was measured, and whether it is met."""
    lines = ["| promised | measured | met |", "|---|--:|---|"]
    for bar in bars:
        value = NONE if bar["value"] is None else f"{bar['value']:.1f}"
        met = {True: "yes", False: "**no**", None: "not measured"}[bar["met"]]
        lines.append(f"| {bar['says']} | {value} | {met} |")
    return "\n".join(lines)


if __name__ == "__main__":
    write(*map(Path, sys.argv[1:] or ("docs/recall.json", "docs/recall.md")))
