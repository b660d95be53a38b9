"""Eight processes write to one store, and are killed: what was acknowledged is there, and whole."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from feather_memory import BusyStoreError, Store, TenantPool, config
from feather_memory.testing import HashEmbedder
from torture import Run, Told

WRITERS = 8
CANARY = "canary-{}-must-not-be-left"
EMBED = HashEmbedder(dim=16)
CYCLES, QUESTIONS = 25, 200
"""After so many cycles a store is asked so many questions, and the next one is begun."""
MOST_BYTES, LONGEST = 1_000, 1.0
"""How much they tell at most, once all have opened it, before they are killed; and in what time."""
MAPPED_ROWS = 50
"""Memories from which a store has files beside it."""
_HERE = Path(__file__).parents[1]
_ROOT = Path(__import__("feather_memory").__file__).parents[1]

PATIENCE = 60.0
"""Seconds for all to have opened it."""


def write(path: str, name: str, seed: int, tenants: int) -> None:
    """Write for ever: says for which tenant it begins what, and what was acknowledged.

    Pairs are one transaction.
    """
    chance, kept = random.Random(seed), dict[str, list[str]]()
    if tenants:
        store_of: Callable[[str], Store] = TenantPool(
            path, embedder=EMBED, max_open=max(1, tenants // 2)
        ).get
    else:
        alone = Store.open(path, embedder=EMBED)
        store_of = lambda _: alone  # noqa: E731
    print("open", flush=True)
    for n in range(100_000):
        tenant = f"t{chance.randrange(tenants or 1)}"
        own, start = kept.setdefault(tenant, []), time.monotonic()
        say = partial(print, tenant, flush=True)
        try:
            written(store_of(tenant), own, f"{name}-{n}", chance, say)
        except BusyStoreError:
            if time.monotonic() - start < config.BUSY_SECONDS:
                raise
            say("busy")  # of eight who write on and on, one may have waited for as long as that


def written(
    store: Store, own: list[str], id_: str, chance: random.Random, say: Callable[..., None]
) -> None:
    """Write one thing by chance, and say so."""
    verb = chance.choice(["add", "add", "pair", "supersede", "signal", "link", "forget"])
    if verb == "add" or len(own) < 4:
        store.add(f"text of {id_}", id=id_)
        own.append(id_)
        say("has", id_)
    elif verb == "pair":
        with store.transaction():
            store.add(f"one of {id_}", id=f"{id_}.1")
            store.add(f"other of {id_}", id=f"{id_}.2")
        say("has", f"{id_}.1")
        say("has", f"{id_}.2")
    elif verb == "supersede":
        old = chance.choice(own)
        store.supersede(old, f"newer text of {id_}", id=id_)
        own.append(id_)
        say("has", id_)
        say("superseded", old, id_)
    elif verb == "signal":
        store.signal(chance.choice(own), "liked", event_id=id_)
        say("event", id_)
    elif verb == "link":
        one, other = chance.sample(own, 2)
        store.link(one, other, "next")
        say("linked", one, other)
    else:
        gone = f"{id_}.gone"
        store.add(CANARY.format(gone), id=gone)
        say("begins", gone)
        store.forget(gone)
        say("gone", gone)


def serve() -> None:
    """Start writers by forking when told to, and say which processes they are; until the end.

    So no cycle waits for eight interpreters that import everything.
    """
    config.SNAPSHOT_ROWS = MAPPED_ROWS
    for line in sys.stdin:
        path, number, tenants, *seeds = line.split()
        writers = [started(path, f"{number}-{at}", int(seed), int(tenants))
                   for at, seed in enumerate(seeds)]  # fmt: skip
        print(*writers, flush=True)
        for writer in writers:
            os.waitpid(writer, 0)
        print("ended", flush=True)


def started(path: str, name: str, seed: int, tenants: int) -> int:
    """A writer's process, which tells its log what it does."""
    writer = os.fork()
    if writer:
        return writer
    said = os.open(f"{path}.said-{name}", os.O_CREAT | os.O_WRONLY, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    try:
        write(path, name, seed, tenants)
    except BaseException as error:
        print("t0", "raised", f"{type(error).__name__}: {error!s:.200}".replace("\n", " "))
        raise
    finally:
        sys.stdout.flush()
        os._exit(1)


@contextlib.contextmanager
def serving() -> Iterator[subprocess.Popen[str]]:
    """What starts writers."""
    command = [sys.executable, "-c", "from torture import kills; kills.serve()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    server = subprocess.Popen(command, env=environment(), **pipes)  # type: ignore[call-overload]
    try:
        yield server
    finally:
        server.stdin.close()
        server.wait()
        server.stdout.close()


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{_ROOT}:{_HERE}", **more}


def cycle(
    server: subprocess.Popen[str],
    path: Path,
    number: int,
    chance: random.Random,
    *,
    tenants: int = 0,
) -> dict[str, list[list[str]]]:
    """Let them write for a moment, and kill them; what they were able to say, by tenant.

    Args:
        server: What starts them.
        path: Of a store, or of the directory of a pool.
        number: Of the cycle.
        chance: By which they write.
        tenants: Of the pool; 0 for one store.
    """
    assert server.stdin is not None
    assert server.stdout is not None
    logs = [path.with_name(f"{path.name}.said-{number}-{each}") for each in range(WRITERS)]
    seeds = [str(chance.randrange(1 << 30)) for _ in logs]
    print(path, number, tenants, *seeds, file=server.stdin, flush=True)
    writers, until = list(map(int, server.stdout.readline().split())), time.monotonic() + PATIENCE
    try:
        while time.monotonic() < until and not all(
            log.exists() and log.stat().st_size for log in logs
        ):
            time.sleep(0.005)
        enough, until = chance.randrange(MOST_BYTES), time.monotonic() + LONGEST
        while (
            time.monotonic() < until
            and sum(log.stat().st_size for log in logs if log.exists()) < enough
        ):
            time.sleep(chance.uniform(0.0, 0.005))
    finally:
        for writer in writers:
            with contextlib.suppress(ProcessLookupError):  # it failed, and says why
                os.kill(writer, signal.SIGKILL)
    assert server.stdout.readline() == "ended\n"
    told = [
        line for log in logs if log.exists() for line in log.read_text().split("\n")[:-1]
    ]  # whole ones
    lines = [line.split() for line in told]
    for log in logs:
        log.unlink(missing_ok=True)
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
            if verb not in {"has", "superseded", "event", "linked", "gone", "begins", "busy"}:
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


def otherwise(path: Path, spare: Path, questions: list[str]) -> list[str]:
    """Questions that a store answers otherwise beside what is derived than rebuilt without it."""
    spare.mkdir()
    with Store.open(path, embedder=EMBED) as store:
        store.backup(spare / path.name)
        now = store.latest(1)[0].created_at if questions else None
        found = [ranked(store, each, now) for each in questions]
    with Store.open(spare / path.name, embedder=EMBED) as rebuilt:
        right = [ranked(rebuilt, each, now) for each in questions]
    shutil.rmtree(spare)
    return [each for each, one, other in zip(questions, found, right, strict=True) if one != other]


def ranked(store: Store, question: str, now: Any) -> list[tuple[str, float]]:
    return [(hit.memory.id, round(hit.score.value, 9)) for hit in store.search(question, now=now)]


def run(asked: Run) -> Told:
    """Cycles of writing and killing on one store."""
    return killed(asked, tenants=0)


def killed(asked: Run, *, tenants: int) -> Told:
    """Cycles of writing and killing, after each of which everything is looked at."""
    with serving() as server:
        cycles = _Cycles(asked, server, tenants)
        while cycles.goes_on(cycles.told.trials):
            cycles.life()
    return cycles.told


class _Cycles:
    """Cycles of writing and killing, on one store or pool after the other."""

    def __init__(self, asked: Run, server: subprocess.Popen[str], tenants: int) -> None:
        self.chance, self.told, self.goes_on = random.Random(asked.seed), Told(), asked.goes_on()
        self.server, self.tenants = server, tenants
        self.path = asked.folder / ("pool" if tenants else "killed.feather")
        self.places = [self.path / f"t{at}.feather" for at in range(tenants)] or [self.path]

    def life(self) -> None:
        """One from its beginning: what was once acknowledged stays there, whatever comes."""
        if self.tenants:
            self.path.mkdir()
        lines: dict[str, list[list[str]]] = {}
        for at in range(CYCLES):
            number = self.told.trials
            more = cycle(self.server, self.path, number, self.chance, tenants=self.tenants)
            for tenant, said in more.items():
                lines.setdefault(tenant, []).extend(said)
            said_all = [verb for said in more.values() for verb, *_ in said]
            busy = said_all.count("busy")
            self.told.counts["writes acknowledged"] += len(said_all) - busy
            if busy:
                self.told.counts["told that others were busy for ten seconds"] += busy
            is_last = at == CYCLES - 1 or not self.goes_on(number + 1)
            self.look(number, {tenant: lines[tenant] for tenant in (lines if is_last else more)})
            if is_last:
                break
        self.ask(lines)
        for left in self.path.parent.glob("*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    def look(self, number: int, lines: dict[str, list[list[str]]]) -> None:
        """See what a cycle has left of what was acknowledged to these tenants."""
        found = []
        for tenant, said in lines.items():
            place = self.places[int(tenant[1:])]
            found += [f"cycle {number}: {tenant}: {each}" for each in faults(place, said)]
        self.told.broken += found
        self.told.ended("broken" if found else "whole")

    def ask(self, lines: dict[str, list[list[str]]]) -> None:
        """See that it answers beside what is derived as it does without."""
        for place in filter(Path.exists, self.places):
            said = lines.get(place.stem if self.tenants else "t0", [])
            known = [" ".join(rest) for _, *rest in said]
            many = QUESTIONS // len(self.places) if known else 0
            asks = [f"text of {self.chance.choice(known)}" for _ in range(many)]
            found = otherwise(place, self.path.with_name("rebuilt"), asks)
            self.told.broken += [f"{place.name} answers otherwise: {each}" for each in found]
            self.told.counts["questions answered as rebuilt"] += len(asks)


def control(asked: Run) -> bool:
    """Whether a lost write, a canary that is left, and a writer that failed are seen."""
    path = asked.folder / "control.feather"
    with Store.open(path, embedder=EMBED) as store:
        store.add("text", id="here")
        store.add("one of a", id="a.1")
        store.add(CANARY.format("b.gone"), id="other")
    said = [["has", "there"], ["has", "here"], ["gone", "b.gone"], ["busy"], ["raised", "it"]]
    found = sorted(faults(path, said))
    return found == ["half there: a.1", "left: b.gone", "lost: there", "said: raised it"]
