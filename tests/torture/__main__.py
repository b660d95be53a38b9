"""`make torture`: every fault for a while, and what it was found to do."""

from __future__ import annotations

import argparse
import logging
import os
import random
import tempfile
from pathlib import Path

from torture import (
    Run,
    arguments,
    cuts,
    damage,
    derived,
    disk,
    forgetters,
    guided,
    isolation,
    kills,
    page,
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


def cpu_seconds() -> float:
    """What this process and those that it has started have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=12.0, help="for all faults together")
    asked.add_argument("--trials", type=int, default=Run.most, help="of each fault at most")
    asked.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    asked.add_argument("--only", choices=FAULTS, action="append")
    asked.add_argument(
        "--write", action="store_true", help="add to the table of docs/reliability.md"
    )
    said = asked.parse_args()
    names, is_whole = said.only or list(FAULTS), True
    print(f"seed {said.seed}", flush=True)
    for name in names:
        found = tried(name, said.seed, said.minutes * 60 / len(names), said.trials)
        if found is None:
            print(f"{name}: nothing that it needs is here", flush=True)
            continue
        is_whole = is_whole and found.is_seen and not found.broken
        seen = "seen" if found.is_seen else "NOT SEEN"
        print(f"{name}: {found.told.trials:,} trials: {found.told}; control {seen}", flush=True)
        for broken in found.told.broken[:20]:
            print(f"  {broken}")
        if said.write:  # at once: a run may be ended
            page.write([found], list(FAULTS))
    return 0 if is_whole else 1


def tried(name: str, seed: int, seconds: float, most: int) -> page.Row | None:
    """What a fault was found to do; None if what it needs is not here."""
    what, fault = FAULTS[name]
    start = cpu_seconds()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        is_seen = fault.control(Run(Path(one), seed, 0))
        told = fault.run(Run(Path(other), seed, seconds, most))
    if not told.trials and not told.broken:
        return None
    cpu = (cpu_seconds() - start) / 60
    runs = {page.code(): (told.trials, [seed])}
    return page.Row(name, what, runs, cpu, told, len(told.broken), is_seen=is_seen)


if __name__ == "__main__":
    logging.getLogger("feather_memory").setLevel(logging.ERROR)  # it warns of each damaged file
    raise SystemExit(main())
