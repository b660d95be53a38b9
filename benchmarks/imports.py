"""A large chat, imported and imported again: lines a second, and the memory that it takes.

    python benchmarks/imports.py                    # a gigabyte, twice; 4 GB of disk meanwhile
    python benchmarks/imports.py --megabytes 50

Lines are made as chats have them (a few words to a few sentences, by eight people in sessions of
forty), so that none is said twice. The import is the command, in a process of its own, without an
embedder. Its memory is what the system says was resident at most; time is the clock's and the
processor's. The second import may change nothing: the store's export is the same after it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

MEGABYTE = 1_000_000
MOST_RESIDENT = 300
"""Megabytes that an import may take, however long the file is."""
LEAST_A_SECOND = 10_000
"""Lines that are imported, without an embedder."""

PEOPLE = ["Ada", "Bo", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana"]
SESSION = 40
WORDS = 20_000
LONGEST = 60


@dataclass(frozen=True)
class Run:
    """One process, and what it took."""

    seconds: float
    processor: float
    resident: float
    """Megabytes at most."""
    said: str


def rows(seed: int = 7) -> Iterator[dict[str, object]]:
    """Messages without an end."""
    draw = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(draw.choices(letters, k=draw.randint(2, 10))) for _ in range(WORDS)]
    weights = [1 / (rank + 1) for rank in range(WORDS)]  # as words are in any language
    several = draw.choices(words, weights, k=1 << 20)
    number = 0
    while True:
        start, length = draw.randrange(len(several) - LONGEST), draw.randint(4, LONGEST)
        yield {
            "text": f"{' '.join(several[start : start + length])} {number}",
            "time": 1_600_000_000 + 30 * number,
            "session": f"s{number // SESSION}",
            "actor": PEOPLE[number % len(PEOPLE)],
            "likes": number % 5,
        }
        number += 1


def written(path: Path, size: int) -> int:
    """A file of at least so many bytes; how many lines it has."""
    count = length = 0
    with path.open("w", encoding="utf-8") as stream:
        for row in rows():
            length += stream.write(json.dumps(row) + "\n")
            count += 1
            if length >= size:
                return count
    raise AssertionError


def measured(*arguments: object) -> Run:
    """A command of ours, run by itself; it must succeed."""
    command = [sys.executable, "-m", "feather_memory", *map(str, arguments)]
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with cast("IO[str]", child.stdout) as stream:
        said = stream.read()
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    kilobyte = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there
    return Run(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * kilobyte / MEGABYTE, said)


def kept(store: Path, export: Path) -> str:
    """A digest of all that a store keeps, without the line that says when it was told."""
    measured("export", store, "--out", export)
    digest = hashlib.blake2b()
    with export.open("rb") as stream:
        next(stream)
        for line in stream:
            digest.update(line)
    export.unlink()
    return digest.hexdigest()


def told(name: str, run: Run, lines: int) -> None:
    """Print a run beside the bars."""
    rate, busy = lines / run.seconds, lines / run.processor
    print(
        f"{name:8} {lines:>10,} lines {run.seconds:8.1f} s {rate:>8,.0f} lines/s "
        f"({busy:,.0f} a second of the processor) {run.resident:6.0f} MB resident"
    )
    for is_met, bar in (
        (rate >= LEAST_A_SECOND, f"at least {LEAST_A_SECOND:,} lines/s"),
        (run.resident <= MOST_RESIDENT, f"at most {MOST_RESIDENT} MB"),
    ):
        print(f"{'':8} {'met' if is_met else 'MISSED'}: {bar}")


def main(arguments: list[str] | None = None) -> None:
    """Make a chat, import it twice, and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=1000)
    parser.add_argument("--folder", help="where to work; else among the system's temporary files")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        chat, store, export = (Path(name) / each for each in ("c.jsonl", "c.feather", "e.jsonl"))
        lines = written(chat, round(asked.megabytes * MEGABYTE))
        print(f"{chat.stat().st_size / MEGABYTE:,.0f} MB of chat in {lines:,} lines")
        command = ("import", chat, "--store", store, "--embedder", "none", "--json")
        first = measured(*command)
        if sum(json.loads(first.said)["remembered"].values()) != lines:
            raise SystemExit(f"not every line was remembered: {first.said}")
        told("import", first, lines)
        print(f"{store.stat().st_size / MEGABYTE:,.0f} MB of store")
        before = kept(store, export)
        told("again", measured(*command), lines)
        is_same = kept(store, export) == before
        print("the second import changed nothing" if is_same else "THE SECOND IMPORT CHANGED IT")


if __name__ == "__main__":
    main()
