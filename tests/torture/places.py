"""A store's file is removed, replaced, renamed or linked, or its tenant forgotten, amid servers.

Nothing that was acknowledged after that is lost silently, and nothing forgotten is served.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from feather_memory import ForeignLogError, Store, TenantPool
from torture import Run, Told
from torture.kills import environment

SERVERS = 4
WAYS = ["forget_tenant", "forget_tenant", "remove", "replace", "rename", "link"]

# Serves one tenant after another until it is told to stop: says when each call began, and how it
# ended. Only after `forget_tenant` it begins anew.
SERVER = """
import sys, threading, time
from feather_memory import ClosedStoreError, GoneStoreError, TenantPool
from feather_memory.truth.sqlite.file import SqliteTruth
if sys.argv[2] == "unprotected":
    SqliteTruth.require_in_place = lambda _: None
    SqliteTruth.is_in_place = lambda _: True
pool = TenantPool(sys.argv[1])
said = []
def serve(name, tenant, begins_anew, stop):
    store, n, left = pool.get(tenant), 0, 3
    while left:
        n, left = n + 1, left - stop.is_set()  # each kind of call once more after the end
        if n == 4:
            print("serving", flush=True)
        start = time.monotonic()
        try:
            if n % 3:
                id_ = f"{name}-{n}"
                store.add(f"a secret, {id_}", id=id_)
                said.append(f"has {start} {time.monotonic()} {id_}")
            else:
                found = [hit.memory.id for hit in store.search("secret", 20)]
                said.append(f"saw {start} {time.monotonic()} {' '.join(found)}")
        except (ClosedStoreError, GoneStoreError):
            said.append(f"gone {start} {time.monotonic()}")
            if not begins_anew:
                return
            store = pool.get(tenant)
        except Exception as error:
            said.append(f"failed {start} {time.monotonic()} {type(error).__name__} {error!s:.90}")
            return
thread = None
for line in sys.stdin:
    word, *rest = line.split()
    if word == "serve":
        said.clear()
        stop = threading.Event()
        thread = threading.Thread(target=serve, args=(rest[0], rest[1], rest[2] == "anew", stop))
        thread.start()
    else:
        stop.set()
        thread.join()
        pool.close()  # what is in the log of a file that was moved goes with it
        pool = TenantPool(sys.argv[1])
        for each in said:
            print(each.replace(chr(10), " "))
        print("done", flush=True)
"""


@dataclass
class Servers:
    """Processes that serve the tenants of one directory."""

    running: list[subprocess.Popen[str]]

    def begin(self, number: int, tenant: str, *, anew: bool) -> None:
        for at, process in enumerate(self.running):
            assert process.stdin is not None
            process.stdin.write(f"serve {number}-{at} {tenant} {'anew' if anew else 'once'}\n")
            process.stdin.flush()
        for process in self.running:
            assert process.stdout is not None
            assert process.stdout.readline() == "serving\n"

    def end(self) -> list[list[str]]:
        """What they did, a line each."""
        lines = []
        for process in self.running:
            assert process.stdin is not None
            process.stdin.write("stop\n")
            process.stdin.flush()
        for process in self.running:
            assert process.stdout is not None
            while (line := process.stdout.readline()) != "done\n":
                lines.append(line.split() or ["died", "0", "0"])
                if not line:
                    break
        return lines


@contextlib.contextmanager
def serving(folder: Path, how: str = "protected") -> Iterator[Servers]:
    command = [sys.executable, "-c", SERVER, str(folder), how]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [
        subprocess.Popen(command, env=environment(), **pipes)  # type: ignore[call-overload]
        for _ in range(SERVERS)
    ]
    try:
        yield Servers(running)
    finally:
        for process in running:
            process.stdin.close()
            process.wait()
            process.stdout.close()


def done(way: str, pool: TenantPool, tenant: str) -> tuple[float, float]:
    """Do it; when it had not begun yet, and when it was done."""
    path = pool.path_of(tenant)
    spare = path.with_name("spare.feather")
    if way == "replace":
        with Store.open(spare, tenant=tenant) as store:
            store.add("what came into its place", id="other")
    start = time.monotonic()
    if way == "forget_tenant":
        pool.forget_tenant(tenant)
    elif way == "remove":
        path.unlink()
    elif way == "replace":
        spare.replace(path)
    elif way == "rename":
        path.rename(path.with_name("moved.feather"))
    else:
        os.link(path, path.with_name("linked.feather"))
    return start, time.monotonic()


def judged(way: str, path: Path, lines: list[list[str]], start: float, end: float) -> list[str]:
    """What was lost or served that may not be.

    Args:
        way: What was done.
        path: To the tenant's file.
        lines: What the servers did: which verb began and ended when, and with what.
        start: When that had not begun yet.
        end: When it was done.
    """
    found = [" ".join(line) for line in lines if line[0] not in {"has", "saw", "gone"}]
    acknowledged = [(float(line[1]), float(line[2]), line[3]) for line in lines if line[0] == "has"]
    early = {id_ for _, ended, id_ in acknowledged if ended < start}
    late = {id_ for began, _, id_ in acknowledged if began > end}
    seen = {id_ for line in lines if line[0] == "saw" and float(line[1]) > end for id_ in line[3:]}
    there = _ids(path) if path.exists() else set()
    if way == "forget_tenant":
        found += [f"lost: {id_}" for id_ in late - there]
        found += [f"served though forgotten: {id_}" for id_ in early & (seen | there)]
    elif way == "link":
        found += [f"lost: {id_}" for _, _, id_ in acknowledged if id_ not in there]
        found += [" ".join(line) for line in lines if line[0] == "gone"]
    else:
        found += [f"written to nowhere: {id_}" for id_ in late]
        found += [f"served from nowhere: {id_}" for id_ in seen]
        if way == "rename":
            moved = _ids(path.with_name("moved.feather"))
            found += [f"lost: {id_}" for id_ in early - moved]
        if way == "replace" and there != {"other"}:
            found.append(f"what came into its place has {sorted(there)}")
    return found


def _ids(path: Path) -> set[str]:
    try:
        Store.open(path, read_only=True).close()
    except ForeignLogError:  # that of what was there before
        Store.restore(path, path)
    with Store.open(path) as store:
        assert store.check() == []
        return {memory.id for memory in store.iterate()}


def trial(
    servers: Servers, pool: TenantPool, number: int, way: str, chance: random.Random
) -> list[str]:
    """Do it once to a tenant that is being served."""
    tenant = f"tenant-{number}"
    pool.get(tenant).add("a secret, the first", id="first")
    servers.begin(number, tenant, anew=way == "forget_tenant")
    time.sleep(chance.uniform(0.0, 0.03))
    start, end = done(way, pool, tenant)
    time.sleep(chance.uniform(0.01, 0.05))
    lines = servers.end()
    pool.close()
    return judged(way, pool.path_of(tenant), lines, start, end)


def run(asked: Run) -> Told:
    """Trials by chance, each on a tenant of its own."""
    chance, told, goes_on = random.Random(asked.seed), Told(), asked.goes_on()
    with serving(asked.folder) as servers:
        while goes_on(told.trials):
            way = chance.choice(WAYS)
            with TenantPool(asked.folder) as pool:
                found = trial(servers, pool, told.trials, way, chance)
            told.broken += [f"{way} of tenant-{told.trials}: {each}" for each in found]
            told.ended(way)
            for each in asked.folder.glob("*.feather*"):
                if not each.name.startswith(f"tenant-{told.trials}."):
                    each.unlink(missing_ok=True)
    return told


def control(asked: Run) -> bool:
    """Whether it is seen that servers which do not look where their file is write to nowhere."""
    with serving(asked.folder, "unprotected") as servers, TenantPool(asked.folder) as pool:
        found = trial(servers, pool, 0, "rename", random.Random(asked.seed))
    return any("nowhere" in each for each in found)
