"""Warm start of ten large tenants, a thousand small ones, a merged search, and resident memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from feather_memory import ContextLayers, TenantPool

LARGE, ROWS, DIM, SMALL = 10, 10_000, 768, 1_000
HELD, HELD_ROWS, HELD_DIM, MAX_OPEN = 200, 2_000, 384, 5


def fill(directory: Path, random: np.random.Generator) -> None:
    """Write the tenants, and leave them closed."""
    with TenantPool(directory) as pool:
        for tenant in range(LARGE):
            vectors = random.standard_normal((ROWS, DIM), dtype=np.float32)
            pool.get(f"large{tenant}").add_many(
                {"text": f"fact {n} of {tenant}", "vector": vector}
                for n, vector in enumerate(vectors)
            )
        for tenant in range(SMALL):
            pool.get(f"small{tenant}").add(f"fact of {tenant}", vector=vectors[tenant % ROWS])


def median(function: object, times: int = 30) -> float:
    """Milliseconds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        function()  # type: ignore[operator]
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1_000


def warm_start(folder: str, query: np.ndarray) -> None:
    """The large ones, by workers, then the small ones."""
    large = [f"large{n}" for n in range(LARGE)]
    for workers in (1, 2, 8):
        with TenantPool(folder) as pool:
            start = time.perf_counter()
            pool.warm(large, workers=workers)
            for name in large:
                assert pool.get(name).search(vector=query, k=10)
            taken = (time.perf_counter() - start) * 1_000
            print(f"{LARGE} of {ROWS:,} x {DIM}, {workers} workers: {taken:.0f} ms (bar 100)")
    with TenantPool(folder) as pool:
        start = time.perf_counter()
        for n in range(SMALL):
            assert pool.get(f"small{n}").search(vector=query, k=1)
        print(f"{SMALL:,} small tenants: {time.perf_counter() - start:.2f} s (bar 5)")


def merged_search(folder: str, query: np.ndarray) -> None:
    """Three layers together, and one after the other."""
    with TenantPool(folder) as pool:
        user, team, shared = (pool.get(f"large{n}") for n in range(3))
        layers = ContextLayers(user=user, team=team, shared=shared)

        def apart() -> None:
            for store in (user, team, shared):
                store.search("fact of something", 10, vector=query)

        apart()
        one = median(apart)
        merged = median(lambda: layers.search("fact of something", 10, vector=query))
        print(f"three layers: {merged:.2f} ms, apart {one:.2f} ms: {merged / one:.2f} (bar 1.2)")


def private_megabytes() -> float:
    """Memory that is this process's own. Mapped files are shared, and not in it."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def hold_all(folder: str, max_open: int) -> None:
    """Ask every tenant, hold every store, and tell the most memory that there was."""
    with TenantPool(folder, max_open=max_open) as pool:
        before, most, held = private_megabytes(), 0.0, []
        for tenant in pool.tenants():
            held.append(pool.get(tenant))
            held[-1].search(vector=np.ones(HELD_DIM, np.float32), k=5)
            most = max(most, private_megabytes() - before)
        what = f"{len(held)} of {len(held[0]):,} x {HELD_DIM}, max_open={pool.max_open}"
        print(f"{what}: +{most:.0f} MB")


def many_in_memory(random: np.random.Generator) -> None:
    """Tenants too small to be mapped, so that their vectors are read: how long, and how much.

    The memory is that of processes that hold every store of a pool, by how many may be open.
    """
    if not Path("/proc/self/smaps_rollup").exists():
        print("skipped: resident memory is read from /proc")
        return
    with tempfile.TemporaryDirectory() as folder:
        vectors = random.standard_normal((HELD_ROWS, HELD_DIM), dtype=np.float32)
        with TenantPool(folder, max_open=1) as pool:
            for tenant in range(HELD):
                pool.get(f"t{tenant}").add_many(
                    {"text": f"fact {n}", "vector": vector} for n, vector in enumerate(vectors)
                )
        for workers in (1, 2, 8):
            with TenantPool(folder) as pool:
                taken = pool.warm(pool.tenants(), workers).milliseconds
                print(f"{HELD} of {HELD_ROWS:,} x {HELD_DIM}, {workers} workers: {taken:,.0f} ms")
        sys.stdout.flush()
        for max_open in (MAX_OPEN, HELD):
            subprocess.run([sys.executable, __file__, folder, str(max_open)], check=True)


def main() -> None:
    """Print the numbers."""
    random = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), random)
        query = random.standard_normal(DIM, dtype=np.float32)
        warm_start(folder, query)
        merged_search(folder, query)
    many_in_memory(random)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        hold_all(sys.argv[1], int(sys.argv[2]))
    else:
        main()
