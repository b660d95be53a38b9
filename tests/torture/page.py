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
| fault | code | seeds | CPU minutes | trials | how they ended | broken | control |
|---|---|---|--:|--:|---|--:|---|
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
    """What runs of one fault against the same code have shown.

    Attributes:
        name: Of the fault.
        what: That it does.
        code: As `code` says it.
        seeds: One for each run.
        cpu: Minutes of one processor.
        told: What was found; of what is broken, the page has the number.
        broken: How many of those there are.
        is_seen: Whether every negative control was.
    """

    name: str
    what: str
    code: str
    seeds: list[int]
    cpu: float
    told: Told = field(default_factory=Told)
    broken: int = 0
    is_seen: bool = True

    @classmethod
    def read(cls, line: str) -> Self:
        """A row of the table."""
        fault, of, seeds, cpu, trials, ended, broken, seen = line.strip("|\n ").split(" | ")
        name, _, what = fault.partition(": ")
        told = Told(trials=_number(trials))
        for count, how in re.findall(r"([\d,]+) ([^\d]+?)(?:, (?=\d)|$)", ended):
            told.counts[how] = _number(count)
        return cls(
            name, what, of, list(map(int, seeds.split(", "))), float(cpu), told, _number(broken),
            is_seen=seen == _SEEN,
        )  # fmt: skip

    def __str__(self) -> str:
        seeds, seen = ", ".join(map(str, self.seeds)), _SEEN if self.is_seen else _NOT_SEEN
        return (
            f"| {self.name}: {self.what} | {self.code} | {seeds} | {self.cpu:.1f} "
            f"| {self.told.trials:,} | {self.told} | {self.broken:,} | {seen} |\n"
        )

    def plus(self, other: Row) -> Row:
        """Both together; only the other where its code is another. A seed counts once."""
        if other.code != self.code:
            return other
        if not {*self.seeds}.isdisjoint(other.seeds):
            return self
        told = Told(self.told.trials + other.told.trials, self.told.counts.copy())
        for how, count in other.told.counts.items():
            so_far = told.counts[how]
            told.counts[how] = max(so_far, count) if how.endswith("at most") else so_far + count
        return Row(
            self.name, other.what, self.code, [*self.seeds, *other.seeds], self.cpu + other.cpu,
            told, self.broken + other.broken, is_seen=self.is_seen and other.is_seen,
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
        "cores, beside much other work. *Code* is the commit that last changed the library: runs\n"
        "of the same add up. CPU minutes are those of one processor.\n\n"
    )
    table = HEAD + "".join(str(known[name]) for name in order if name in known)
    page.write_text(before + BEGIN + about + table + END + after, encoding="utf-8")
