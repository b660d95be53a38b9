"""`make torture`: every fault for a while, and what it was found to do."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import random
import sqlite3
import tempfile
import time
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
    "cuts": ("an exception at any bytecode of any write verb, or a signal in it", cuts),
    "damage": ("a bit flips, 512 bytes of garbage, a tail is missing, in the truth", damage),
    "derived": ("the same, in the mapped files beside the truth", derived),
    "disk": ("no room, a quota, a limit, EIO, a read-only disk, in any call", disk),
    "forgetters": ("four processes forget, three read, one writes", forgetters),
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


def row(name: str, told: Told, *, is_seen: bool) -> str:
    what, _ = FAULTS[name]
    seen = "seen" if is_seen else "**not seen**"
    return f"| {name}: {what} | {told.trials:,} | {told} | {len(told.broken)} | {seen} |\n"


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=12.0, help="for all faults together")
    asked.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    asked.add_argument("--only", choices=FAULTS, action="append")
    asked.add_argument("--write", action="store_true", help="the table of docs/reliability.md")
    said = asked.parse_args()
    names, rows, is_whole = said.only or list(FAULTS), "", True
    print(f"seed {said.seed}", flush=True)
    logging.getLogger("feather_memory").setLevel(logging.ERROR)  # it warns of each damaged file
    start = time.monotonic()
    for name in names:
        _, fault = FAULTS[name]
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            is_seen = fault.control(Run(Path(one), said.seed, 0))
            seconds = said.minutes * 60 / len(names)
            told = fault.run(Run(Path(other), said.seed, seconds))
        rows += row(name, told, is_seen=is_seen)
        is_whole = is_whole and is_seen and not told.broken
        seen = "seen" if is_seen else "NOT SEEN"
        print(f"{name}: {told.trials:,} trials: {told}; control {seen}", flush=True)
        for broken in told.broken[:20]:
            print(f"  {broken}")
    if said.write:
        minutes = (time.monotonic() - start) / 60
        about = (
            f"Seed {said.seed}, {minutes:.0f} minutes, {os.cpu_count()} cores, "
            f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}.\n\n"
        )
        head = "| fault | trials | how they ended | broken | control |\n|---|--:|---|--:|---|\n"
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        page = before + BEGIN + about + head + rows + END + rest.partition(END)[2]
        PAGE.write_text(page, encoding="utf-8")
    return 0 if is_whole else 1


if __name__ == "__main__":
    raise SystemExit(main())
