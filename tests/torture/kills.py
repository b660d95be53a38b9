"""Eight processes write to one store, and are killed: what was acknowledged is there, and whole."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from feather_memory import Store
from feather_memory.testing import HashEmbedder
from torture import Run, Told

WRITERS = 8
CANARY = "canary-{}-must-not-be-left"
EMBED = HashEmbedder(dim=16)
_HERE = Path(__file__).parents[1]
_ROOT = Path(__import__("feather_memory").__file__).parents[1]

# Says for which tenant it begins what, and what was acknowledged; pairs are one transaction.
WRITER = """
import random, sys
from feather_memory import FeatherError, Store, TenantPool
from feather_memory.testing import HashEmbedder
path, name, seed, tenants = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
chance, kept = random.Random(seed), {}
embed = HashEmbedder(dim=16)
if tenants:
    pool = TenantPool(path, embedder=embed, max_open=max(1, tenants // 2))
    store_of = pool.get
else:
    alone = Store.open(path, embedder=embed)
    store_of = lambda tenant: alone
print("open", flush=True)
for n in range(100_000):
    tenant = f"t{chance.randrange(tenants or 1)}"
    own, store = kept.setdefault(tenant, []), store_of(tenant)
    say = lambda *words: print(tenant, *words, flush=True)
    id_ = f"{name}-{n}"
    verb = chance.choice(["add", "add", "pair", "supersede", "signal", "link", "forget"])
    if verb == "add" or len(own) < 4:
        store.add(f"text of {id_}", id=id_)
        own.append(id_)
        say("has", id_)
    elif verb == "pair":
        with store.transaction():
            store.add(f"one of {id_}", id=f"{id_}.1")
            store.add(f"other of {id_}", id=f"{id_}.2")
        say("has", f"{id_}.1"); say("has", f"{id_}.2")
    elif verb == "supersede":
        old = chance.choice(own)
        store.supersede(old, f"newer text of {id_}", id=id_)
        own.append(id_)
        say("has", id_); say("superseded", old, id_)
    elif verb == "signal":
        store.signal(chance.choice(own), "liked", event_id=id_)
        say("event", id_)
    elif verb == "link":
        one, other = chance.sample(own, 2)
        store.link(one, other, "next")
        say("linked", one, other)
    else:
        gone = f"{id_}.gone"
        store.add(f"canary-{gone}-must-not-be-left", id=gone)
        say("begins", gone)
        store.forget(gone)
        say("gone", gone)
"""


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{_ROOT}:{_HERE}", **more}


def cycle(
    path: Path, number: int, chance: random.Random, *, tenants: int = 0
) -> dict[str, list[list[str]]]:
    """Let them write for a moment, and kill them; what they were able to say, by tenant.

    Args:
        path: Of a store, or of the directory of a pool.
        number: Of the cycle.
        chance: By which they write.
        tenants: Of the pool; 0 for one store.
    """
    logs = [path.with_name(f"said-{number}-{each}") for each in range(WRITERS)]
    running = []
    for each, log in enumerate(logs):
        with log.open("wb") as said:
            seed = str(chance.randrange(1 << 30))
            asked = [str(path), f"{number}-{each}", seed, str(tenants)]
            command = [sys.executable, "-c", WRITER, *asked]
            running.append(subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT,
                                            env=environment()))  # fmt: skip
    deadline = time.monotonic() + 60
    while not all("open" in log.read_text() for log in logs) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(chance.uniform(0.0, 0.5))
    for process in running:
        process.kill()
    for process in running:
        process.wait()
    lines = [line.split() for log in logs for line in log.read_text().splitlines() if line]
    for log in logs:
        log.unlink()
    said: dict[str, list[list[str]]] = {}
    for tenant, *rest in lines:
        if tenant[:1] == "t" and tenant[1:].isdigit():
            said.setdefault(tenant, []).append(rest)
        elif tenant != "open":  # a traceback
            said.setdefault("t0", []).append([tenant, *rest])
    return said


def faults(path: Path, lines: list[list[str]]) -> list[str]:
    """What is lost, half there or left, of what was acknowledged."""
    found = []
    with Store.open(path, embedder=EMBED) as store:
        there = {memory.id: memory for memory in store.iterate()}
        for verb, *rest in lines:
            if verb == "has" and rest[0] not in there:
                found.append(f"lost: {rest[0]}")
            if verb == "superseded" and not (
                rest[0] in there and rest[1] in there[rest[0]].superseded_by
            ):
                found.append(f"lost: {rest[0]} superseded by {rest[1]}")
            if verb == "linked" and not (
                rest[0] in there and rest[1] in {edge.target for edge in store.edges(rest[0])}
            ):
                found.append(f"lost: {rest[0]} next {rest[1]}")
            if verb == "gone" and rest[0] in there:
                found.append(f"came back: {rest[0]}")
            if verb not in {"has", "superseded", "event", "linked", "gone", "begins"}:
                found.append(f"said: {' '.join([verb, *rest])}")
        events = {signal.event_id for id_ in there for signal in store.signals(id_)}
        found += [f"lost: event {rest[0]}" for verb, *rest in lines
                  if verb == "event" and rest[0] not in events]  # fmt: skip
        pairs = [id_ for id_ in there if id_.endswith((".1", ".2"))]
        found += [f"half there: {id_}" for id_ in pairs
                  if f"{id_[:-1]}{3 - int(id_[-1])}" not in there]  # fmt: skip
        found += store.check()
    # Owed erasures were paid when it was opened.
    gone = [rest[0] for verb, *rest in lines if verb in {"gone", "begins"}]
    left = b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))
    found += [f"left: {id_}" for id_ in gone
              if id_ not in there and f"canary-{id_}-".encode() in left]  # fmt: skip
    return found


def run(asked: Run) -> Told:
    """Cycles of writing and killing on one store."""
    return killed(asked, asked.folder / "killed.feather", tenants=0)


def killed(asked: Run, path: Path, *, tenants: int) -> Told:
    """Cycles of writing and killing, after each of which everything is looked at."""
    chance, told, goes_on = random.Random(asked.seed), Told(), asked.goes_on()
    lines: dict[str, list[list[str]]] = {}
    while goes_on(told.trials):
        for tenant, more in cycle(path, told.trials, chance, tenants=tenants).items():
            lines.setdefault(tenant, []).extend(more)
        found = []
        for tenant, said in lines.items():
            there = path / f"{tenant}.feather" if tenants else path
            found += [f"{tenant}: {each}" for each in faults(there, said)]
        told.broken += [f"cycle {told.trials}: {each}" for each in found]
        told.ended("broken" if found else "whole")
    told.counts["writes acknowledged"] = sum(map(len, lines.values()))
    return told


def control(asked: Run) -> bool:
    """Whether it is seen that an acknowledged write is not there, and that a canary is left."""
    path = asked.folder / "control.feather"
    with Store.open(path, embedder=EMBED) as store:
        store.add("text", id="here")
        store.add("one of a", id="a.1")
        store.add(CANARY.format("b.gone"), id="other")
    found = faults(path, [["has", "there"], ["has", "here"], ["gone", "b.gone"]])
    return sorted(found) == ["half there: a.1", "left: b.gone", "lost: there"]
