"""Four processes forget, three read and one writes: all is forgotten, and no log grows."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from feather_memory import Store
from torture import Run, Told
from torture.kills import CANARY, EMBED, environment, faults

ROLES = ["forget"] * 4 + ["read"] * 3 + ["write"]
MOST_LOG = 64 * 1024 * 1024
ROUND = 20.0
"""Seconds, after which they end and everything is looked at."""

WORKER = """
import random, sys, time
from feather_memory import BusyStoreError, FeatherError, Store
from feather_memory.config import BUSY_SECONDS
from feather_memory.testing import HashEmbedder
path, role, name, seed, seconds = sys.argv[1], sys.argv[2], sys.argv[3], *map(float, sys.argv[4:])
chance, until = random.Random(seed), time.monotonic() + seconds
say = lambda *words: print(*words, flush=True)
with Store.open(path, embedder=HashEmbedder(dim=16)) as store:
    n = 0
    while time.monotonic() < until:
        n += 1
        id_, start = f"{name}-{n}", time.monotonic()
        try:
            if role == "write":
                store.add_many([{"text": f"{id_}.{m} " + "and so on " * 40} for m in range(20)])
                time.sleep(chance.uniform(0, 0.02))
            elif role == "read":
                store.search("and so on", 10)
                for _ in store.iterate():
                    if chance.random() < 0.01:
                        break
            else:
                gone = f"{id_}.gone"
                store.add(f"canary-{gone}-must-not-be-left", id=gone)
                say("begins", gone)
                start = time.monotonic()
                store.forget(gone)
                say("gone", gone)
        except FeatherError as error:
            if isinstance(error, BusyStoreError) and time.monotonic() - start >= BUSY_SECONDS:
                say("busy", role)
                continue
            say("failed", role, type(error).__name__, str(error)[:120].replace(chr(10), " "))
"""


def round_of(path: Path, number: int, seconds: float, seed: int) -> tuple[list[list[str]], int]:
    """What the workers said, and how long the log was at most."""
    logs = [path.with_name(f"said-{number}-{at}") for at in range(len(ROLES))]
    running, longest = [], 0
    for at, (role, log) in enumerate(zip(ROLES, logs, strict=True)):
        with log.open("wb") as said:
            asked = [str(path), role, f"{number}-{at}", str(seed + at), str(seconds)]
            command = [sys.executable, "-c", WORKER, *asked]
            running.append(subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT,
                                            env=environment()))  # fmt: skip
    wal = path.with_name(f"{path.name}-wal")
    while any(process.poll() is None for process in running):
        if wal.exists():
            longest = max(longest, wal.stat().st_size)
        time.sleep(0.05)
    lines = [line.split() for log in logs for line in log.read_text().splitlines() if line]
    for log in logs:
        log.unlink()
    return lines, longest


def judged(path: Path, lines: list[list[str]], longest: int) -> list[str]:
    """What failed, came back or is left, and whether the log grew too long."""
    found = [" ".join(line) for line in lines if line[0] not in {"begins", "gone", "busy"}]
    found += faults(path, [line for line in lines if line[0] in {"begins", "gone"}])
    if longest > MOST_LOG:
        found.append(f"the log had {longest:,} bytes")
    return found


def run(asked: Run) -> Told:
    """Rounds of forgetting amid readers and a writer."""
    chance, told, goes_on = random.Random(asked.seed), Told(), asked.goes_on()
    path, longest, number = asked.folder / "shared.feather", 0, 0
    while number < asked.most and (goes_on(number) or not number):
        seconds = min(ROUND, max(asked.seconds, 1.0))
        lines, length = round_of(path, number, seconds, chance.randrange(1 << 30))
        told.broken += [f"round {number}: {each}" for each in judged(path, lines, length)]
        for line in lines:
            if line[0] == "gone":
                told.ended("forgotten")
            if line[0] == "busy":  # and what it owed is paid by the end of the round
                told.ended("told that others were busy for ten seconds")
        longest, number = max(longest, length), number + 1
        if len(lines) and path.stat().st_size > 1 << 28:  # the next begin with a small one
            for each in path.parent.glob(f"{path.name}*"):
                each.unlink()
    told.counts["bytes of the log at most"] = longest
    return told


def control(asked: Run) -> bool:
    """Whether a failure, a canary that is left and a long log are seen."""
    path = asked.folder / "control.feather"
    with Store.open(path, embedder=EMBED) as store:
        store.add(CANARY.format("b.gone"), id="other")
    lines = [["failed", "forget", "BusyStoreError"], ["gone", "b.gone"]]
    found = judged(path, lines, MOST_LOG + 1)
    return len(found) == 3 and "left: b.gone" in found
