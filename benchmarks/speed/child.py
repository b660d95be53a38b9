"""What a fresh process measures.

python -m benchmarks.speed.child open|first|tenants|work …  (each prints its figures as JSON)
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from benchmarks.speed.contender import OURS, Contender
from benchmarks.speed.corpus import Corpus, Record
from benchmarks.speed.measure import Taken
from benchmarks.speed.ours import Feather
from benchmarks.speed.peers import MODULES
from feather_memory import TenantPool


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what one verb measures."""
    verb, *rest = sys.argv[1:] if arguments is None else arguments
    measured = {"open": opened, "first": first, "tenants": tenants, "work": work}[verb](*rest)
    print(json.dumps(measured))


def named(name: str) -> type[Contender]:
    """The contender of that name, with nothing loaded for the others."""
    if name == OURS:
        return Feather
    names = vars(importlib.import_module(f"benchmarks.speed.peers.{MODULES[name]}"))
    return next(one for one in names.values() if getattr(one, "name", None) == name)


def asked(path: str) -> tuple[list[str], np.ndarray]:
    """The questions that a row has left in a file."""
    with np.load(path) as file:
        return file["texts"].tolist(), file["vectors"]


def opened(name: str, path: str, questions: str) -> dict[str, float]:
    """The way to the first answer, all imports done; and what memory is held after all."""
    kind = named(name)
    texts, vectors = asked(questions)
    at_start, taken = resident(), Taken()
    with taken.timing():
        store = kind(Path(path), vectors.shape[1])
        found = store.answer(texts[0], vectors[0])
    if not found:
        raise SystemExit(f"{name} finds nothing in {path}")
    with closing(store):
        for text, vector in zip(texts, vectors, strict=True):
            store.answer(text, vector)
        private, mapped = (now - then for now, then in zip(resident(), at_start, strict=True))
    return {**_figures(taken), "private": private, "mapped": mapped}


def first(name: str, path: str, questions: str) -> dict[str, float]:
    """The first filtered search of a process that has searched before, and the second."""
    texts, vectors = asked(questions)
    times = Taken(), Taken()
    with closing(named(name)(Path(path), vectors.shape[1])) as store:
        store.answer(texts[0], vectors[0])
        for taken, vector in zip(times, vectors[1:3], strict=True):
            with taken.timing():
                store.filtered(vector, 10)  # type: ignore[attr-defined]
    return {**_figures(times[0]), "then": times[1].wall[0], "then_cpu": times[1].cpu[0]}


def tenants(name: str, folder: str, count: str, questions: str) -> dict[str, float]:
    """So many stores of a folder opened and asked, one after the other, and all held."""
    kind, many = named(name), int(count)
    texts, vectors = asked(questions)
    taken = Taken()
    held = ExitStack()
    with held, taken.timing(many):
        if name == OURS:
            pool = held.enter_context(TenantPool(folder, max_open=many))
            for tenant in range(many):
                pool.get(f"t{tenant}").search(vector=vectors[0], k=10)
        else:
            for tenant in range(many):
                store = kind(Path(folder) / f"t{tenant}", vectors.shape[1])
                held.callback(store.close)
                store.answer(texts[0], vectors[0])
    return _figures(taken)


def work(name: str, path: str, questions: str, role: str, seconds: str) -> dict[str, float]:
    """A reader's or a writer's calls in so many seconds, once it is told to begin."""
    texts, vectors = asked(questions)
    dim = vectors.shape[1]
    records = Corpus(dim, 10).records(500) if role == "writer" else []
    taken, new = Taken(), time.time_ns() // 1_000  # a number that no writer before has reached
    with closing(named(name)(Path(path), dim)) as store:
        store.answer(texts[0], vectors[0])
        print("ready", flush=True)
        sys.stdin.readline()
        until = time.perf_counter() + float(seconds)
        calls = 0
        while time.perf_counter() < until:
            with taken.timing():
                if role == "writer":
                    own = records[calls % len(records)]
                    store.add(Record(new + calls, own.text, own.vector, own.share))  # type: ignore[attr-defined]
                else:
                    at = calls % len(texts)
                    store.answer(texts[at], vectors[at])
            calls += 1
    return {**_figures(taken), "p99": taken.quantile(0.99)}


def resident() -> list[float]:
    """Megabytes of this process: its own, and those of mapped files. Zeros elsewhere."""
    told = Path("/proc/self/status")
    lines = told.read_text("utf-8").splitlines() if told.exists() else []
    sizes = dict(line.split(":", 1) for line in lines)
    return [int(sizes.get(name, "0 kB").split()[0]) / 1_024 for name in ("RssAnon", "RssFile")]


def _figures(taken: Taken) -> dict[str, float]:
    """Milliseconds a call, on the mean."""
    return {"wall": float(np.mean(taken.wall)), "cpu": float(np.mean(taken.cpu))}


if __name__ == "__main__":
    main()
