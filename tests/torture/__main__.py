"""`make torture`: every fault for a while, and what it was found to do."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import random
import sqlite3
import tempfile
from pathlib import Path

from torture import (
    Run,
    Told,
    arguments,
    cuts,
    damage,
    derived,
    disk,
    forgetters,
    guided,
    isolation,
    kills,
    places,
    pooled,
)

FAULTS = {
    "arguments": (
        "every public verb, any arguments: refused in words of ours, nothing written",
        arguments,
    ),
    "cuts": ("a signal at every place where one can reach a write verb", cuts),
    "damage": (
        "a bit flips, 512 bytes of garbage, a tail is missing, in the truth or its log",
        damage,
    ),
    "derived": ("the same, in the mapped files beside the truth", derived),
    "disk": ("no room, a quota, a limit, EIO, a read-only disk, in any call", disk),
    "forgetters": ("four processes forget, three read, one writes", forgetters),
    "guided": ("the verbs of a store, by what leads the code where it has not been", guided),
    "isolation": (
        "tenants with hostile names, in files, layers, templates and adapters",
        isolation,
    ),
    "kills": ("SIGKILL of eight processes that write to one store", kills),
    "places": (
        "the open file is removed, replaced, renamed or linked, its tenant forgotten, amid servers",
        places,
    ),
    "pooled": ("SIGKILL of eight processes that write to twenty tenants of a pool", pooled),
}
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- torture: begin -->\n", "<!-- torture: end -->\n"


HEAD = """\
| fault | seed | CPU minutes | trials | how they ended | broken | control |
|---|--:|--:|--:|---|--:|---|
"""


def row(name: str, seed: str, cpu_minutes: float, told: Told, *, is_seen: bool) -> str:
    what, _ = FAULTS[name]
    seen = "seen" if is_seen else "**not seen**"
    return (
        f"| {name}: {what} | {seed} | {cpu_minutes:.0f} | {told.trials:,} | {told} "
        f"| {len(told.broken)} | {seen} |\n"
    )


def write(rows: dict[str, str]) -> None:
    """Put rows into the page's table, each in the place of the one of its fault."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    inside, _, after = rest.partition(END)
    lines = [line + "\n" for line in inside.splitlines() if line.startswith("| ")]
    rows = {line[2:].partition(":")[0]: line for line in lines if ": " in line[:14]} | rows
    about = (
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} "
        "cores; each fault in a run of its own, beside other work.\n\n"
    )
    table = about + HEAD + "".join(rows[name] for name in FAULTS if name in rows)
    PAGE.write_text(before + BEGIN + table + END + after, encoding="utf-8")


def cpu_seconds() -> float:
    """What this process and those that it has started have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=12.0, help="for all faults together")
    asked.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    asked.add_argument("--only", choices=FAULTS, action="append")
    asked.add_argument("--write", action="store_true", help="the table of docs/reliability.md")
    said = asked.parse_args()
    names, rows, is_whole = said.only or list(FAULTS), dict[str, str](), True
    print(f"seed {said.seed}", flush=True)
    logging.getLogger("feather_memory").setLevel(logging.ERROR)  # it warns of each damaged file
    for name in names:
        _, fault = FAULTS[name]
        start = cpu_seconds()
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            is_seen = fault.control(Run(Path(one), said.seed, 0))
            seconds = said.minutes * 60 / len(names)
            told = fault.run(Run(Path(other), said.seed, seconds))
        minutes = (cpu_seconds() - start) / 60
        if not told.trials:
            print(f"{name}: nothing that it needs is here", flush=True)
            continue
        rows[name] = row(name, str(said.seed), minutes, told, is_seen=is_seen)
        is_whole = is_whole and is_seen and not told.broken
        seen = "seen" if is_seen else "NOT SEEN"
        print(f"{name}: {told.trials:,} trials: {told}; control {seen}", flush=True)
        for broken in told.broken[:20]:
            print(f"  {broken}")
    if said.write:
        write(rows)
    return 0 if is_whole else 1


if __name__ == "__main__":
    raise SystemExit(main())
