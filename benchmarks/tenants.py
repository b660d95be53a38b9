"""Warm start of ten large tenants, a thousand small ones, and what a merged search costs."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from feather_memory import ContextLayers, TenantPool

LARGE, ROWS, DIM, SMALL = 10, 10_000, 768, 1_000


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
            pool.get(f"small{tenant}").add(f"fact of {tenant}", vector=vectors[tenant])


def median(function: object, times: int = 30) -> float:
    """Milliseconds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        function()  # type: ignore[operator]
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1_000


def main() -> None:
    """Print the numbers."""
    random = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), random)
        query = random.standard_normal(DIM, dtype=np.float32)
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
        with TenantPool(folder) as pool:
            user, team, shared = (pool.get(name) for name in large[:3])
            layers = ContextLayers(user=user, team=team, shared=shared)

            def apart() -> None:
                for store in (user, team, shared):
                    store.search("fact of something", 10, vector=query)

            apart()
            one = median(apart)
            merged = median(lambda: layers.search("fact of something", 10, vector=query))
            print(
                f"three layers: {merged:.2f} ms, apart {one:.2f} ms: {merged / one:.2f} (bar 1.2)"
            )


if __name__ == "__main__":
    main()
