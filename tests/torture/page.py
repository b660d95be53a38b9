"""The table of docs/reliability.md: a row for each fault, to which every run adds what it saw."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from torture import Told

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- torture: begin -->\n", "<!-- torture: end -->\n"
HEAD = """\
| fault | trials | of this code (by these seeds) | CPU minutes | how they ended | broken | control |
|---|--:|---|--:|---|--:|---|
"""
_SEEN, _NOT_SEEN = "seen", "**not seen**"


def code() -> str:
    """Which commit last changed the library; with a plus if there is more than it has.

    The version where there is no repository.
    """
    asked = ["git", "-C", str(ROOT)]
    try:
        last = subprocess.check_output([*asked, "log", "-1", "--format=%h", "--", "feather_memory"])
        more = subprocess.check_output([*asked, "status", "--porcelain", "--", "feather_memory"])
    except (OSError, subprocess.CalledProcessError):
        from feather_memory import __version__

        return __version__
    return last.decode().strip() + ("+" if more else "")


@dataclass
class Row:
    """What runs of one fault have shown.

    Attributes:
        name: Of the fault.
        what: That it does.
        runs: How many trials were made of which code (as `code` says it), by which seeds.
        cpu: Minutes of one processor.
        told: What was found; of what is broken, the page has the number.
        broken: How many of those there are.
        is_seen: Whether every negative control was.
    """

    name: str
    what: str
    runs: dict[str, tuple[int, list[int]]]
    cpu: float
    told: Told = field(default_factory=Told)
    broken: int = 0
    is_seen: bool = True

    @classmethod
    def read(cls, line: str) -> Self:
        """A row of the table."""
        fault, trials, runs, cpu, ended, broken, seen = line.strip("|\n ").split(" | ")
        name, _, what = fault.partition(": ")
        told = Told(trials=_number(trials))
        for count, how in re.findall(r"([\d,]+) ([^\d]+?)(?:, (?=\d)|$)", ended):
            told.counts[how] = _number(count)
        of = {
            of: (_number(count), list(map(int, seeds.split(", "))))
            for of, count, seeds in re.findall(r"(\S+): ([\d,]+) \(([\d, ]+)\)", runs)
        }
        return cls(name, what, of, float(cpu), told, _number(broken), is_seen=seen == _SEEN)

    def __str__(self) -> str:
        seen = _SEEN if self.is_seen else _NOT_SEEN
        runs = "; ".join(
            f"{of}: {count:,} ({', '.join(map(str, seeds))})"
            for of, (count, seeds) in self.runs.items()
        )
        return (
            f"| {self.name}: {self.what} | {self.told.trials:,} | {runs} | {self.cpu:.1f} "
            f"| {self.told} | {self.broken:,} | {seen} |\n"
        )

    def plus(self, other: Row) -> Row:
        """Both together. The same seed, of the same code, counts once."""
        runs = dict(self.runs)
        for of, (count, seeds) in other.runs.items():
            so_far, known = runs.get(of, (0, []))
            if not {*known}.isdisjoint(seeds):
                return self
            runs[of] = so_far + count, [*known, *seeds]
        told = Told(self.told.trials + other.told.trials, self.told.counts.copy())
        for how, count in other.told.counts.items():
            so_far = told.counts[how]
            told.counts[how] = max(so_far, count) if how.endswith("at most") else so_far + count
        return Row(
            self.name, other.what, runs, self.cpu + other.cpu, told, self.broken + other.broken,
            is_seen=self.is_seen and other.is_seen,
        )  # fmt: skip


def _number(said: str) -> int:
    return int(said.replace(",", ""))


def write(rows: list[Row], order: list[str], page: Path = PAGE) -> None:
    """Add rows to those of the page's table, which has them in this order."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    inside, _, after = rest.partition(END)
    lines = inside.splitlines()
    begins = next((at + 2 for at, line in enumerate(lines) if line.startswith("| fault")), None)
    there = [] if begins is None else lines[begins:]
    known = {row.name: row for row in map(Row.read, there)}
    for row in rows:
        known[row.name] = known[row.name].plus(row) if row.name in known else row
    about = (
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} "
        "cores, most of it beside much other work. Code is the commit that last changed the\n"
        "library; a run adds to what is here. CPU minutes are those of one processor.\n\n"
    )
    table = HEAD + "".join(str(known[name]) for name in order if name in known)
    page.write_text(before + BEGIN + about + table + END + after, encoding="utf-8")
