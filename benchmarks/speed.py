"""How fast a store is, beside what the design promises (DESIGN.md, section 6).

    python benchmarks/speed.py [--small | --index]

Vectors are clustered as real embeddings are, words are Zipfian, and embedding takes no time.
`wall` is what a caller waits; `cpu` is the calling thread's own time, which a busy machine
does not lengthen. The BLAS library's threads are left as they are. Searches are exact, and no
index is built beside them, except in what a new process opens, and with `--index`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import feather_memory
from feather_memory import F, Store, config

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WORDS = 20_000
CHUNK = 10_000  # memories in one `add_many` while a large store is filled
FUNCTION_WORDS = """the of and to a in is it you that he was for on are with as i his they be at
    one have this from or had by not but what all were we when your can said there use an each
    which she do how their if will up other about out many then them these so some her would
    make like him into time has look two more""".split()  # noqa: SIM905  a list of words reads as text
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]


@dataclass(frozen=True, slots=True)
class Sizes:
    small: int = 1_000
    middle: int = 10_000
    large: int = 100_000
    narrow: int = 384
    wide: int = 768
    batch: int = 20_000
    queries: int = 200
    adds: int = 1_000
    starts: int = 5


TINY = Sizes(
    small=50, middle=100, large=400, narrow=8, wide=16, batch=200, queries=5, adds=5, starts=1
)


# Data


class Corpus:
    """Vectors, texts and metadata without end, the same in every run."""

    def __init__(self, dim: int, clusters: int) -> None:
        self._random = np.random.default_rng(7)
        self._spectrum = np.arange(1, dim + 1, dtype=np.float32) ** -0.5
        mean = self._normal(1, dim)[0]
        length = 0.45 * np.linalg.norm(self._spectrum)
        self._mean = mean * length / np.linalg.norm(mean)
        self._centres = self._normal(max(1, clusters), dim)
        self._rotation = np.linalg.qr(self._random.standard_normal((dim, dim), np.float32))[0]
        share = 1.0 / np.arange(1, WORDS + 1)
        self._shares = np.cumsum(share / share.sum())
        made = (
            SYLLABLES[i % 70] + SYLLABLES[i // 70 % 70] + SYLLABLES[i // 4_900 % 70]
            for i in range(WORDS - len(FUNCTION_WORDS))
        )
        self._words = [*FUNCTION_WORDS, *made]

    def _normal(self, n: int, dim: int) -> np.ndarray:
        return self._random.standard_normal((n, dim), np.float32) * self._spectrum

    def vectors(self, n: int) -> np.ndarray:
        """Unit vectors around power-law centres with a common mean, shape (n, dim)."""
        centres = self._centres[self._random.integers(len(self._centres), size=n)]
        own = self._normal(n, centres.shape[1])
        rows = (self._mean + 0.62 * centres + 0.68 * own) @ self._rotation
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def texts(self, n: int) -> list[str]:
        """Twelve to 25 words each."""
        lengths = self._random.integers(12, 26, size=n).tolist()
        at = np.searchsorted(self._shares, self._random.random(sum(lengths))).tolist()
        words = iter([self._words[min(i, WORDS - 1)] for i in at])
        return [" ".join(next(words) for _ in range(length)) for length in lengths]

    def questions(self, n: int) -> list[str]:
        """The first eight words of texts that are in no store."""
        return [" ".join(text.split()[:8]) for text in self.texts(n)]

    def records(self, n: int) -> list[dict[str, Any]]:
        """What `add_many` takes; `share` is even over 0 … 99."""
        shares = self._random.integers(100, size=n).tolist()
        return [
            {"text": text, "vector": vector, "metadata": {"share": share}}
            for text, vector, share in zip(self.texts(n), self.vectors(n), shares, strict=True)
        ]


def fill(path: Path, corpus: Corpus, n: int) -> None:
    with Store.open(path) as store:
        for start in range(0, n, CHUNK):
            store.add_many(corpus.records(min(CHUNK, n - start)))


# Measuring


def line(name: str, target: str, *values: str) -> None:
    print(f"{name:44}{target:>10}" + "".join(f"{value:>10}" for value in values), flush=True)


def report(name: str, target: float | None, run: Callable[[int], object], times: int) -> None:
    """Run it with 0, 1, … and print wall p50 and p99 and CPU p50 in milliseconds."""
    for i in range(min(times, 5)):
        run(i)
    wall, cpu = np.empty(times), np.empty(times)
    for i in range(times):
        cpu_before, before = time.thread_time_ns(), time.perf_counter_ns()
        run(i)
        wall[i] = time.perf_counter_ns() - before
        cpu[i] = time.thread_time_ns() - cpu_before
    p50, p99 = np.quantile(wall / 1e6, (0.5, 0.99))
    verdict = "" if target is None or p50 <= target else "over"
    aim = "" if target is None else f"{target:g} ms"
    line(name, aim, f"{p50:.2f}", f"{p99:.2f}", f"{np.median(cpu) / 1e6:.2f}", verdict)


def fresh(script: str, *arguments: str) -> dict[str, float]:
    """What a new Python process prints as JSON."""
    home = str(Path(feather_memory.__file__).parents[1])
    usual = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, *arguments],
        env={**usual, "PYTHONPATH": home},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


IMPORT = """
import json, time
before = time.perf_counter(), time.process_time()
import feather_memory
after = time.perf_counter(), time.process_time()
print(json.dumps({"wall": 1e3 * (after[0] - before[0]), "cpu": 1e3 * (after[1] - before[1])}))
"""

OPEN = """
import json, sys, time
import numpy as np
from feather_memory import Store

def resident():
    lines = open("/proc/self/status").read().splitlines() if sys.platform == "linux" else []
    sizes = dict(line.split(":", 1) for line in lines)
    return [int(sizes.get(name, "0 kB").split()[0]) / 1024 for name in ("RssAnon", "RssFile")]

queries = np.load(sys.argv[2])
at_start = resident()
before = time.perf_counter(), time.process_time()
store = Store.open(sys.argv[1])
hits = store.search(vector=queries[0], k=10)
after = time.perf_counter(), time.process_time()
assert len(hits) == 10
for query in queries:
    store.search(vector=query, k=10)
anon, file = (now - then for now, then in zip(resident(), at_start))
store.close()
print(json.dumps({"wall": 1e3 * (after[0] - before[0]), "cpu": 1e3 * (after[1] - before[1]),
                  "anon": anon, "file": file}))
"""


def report_starts(name: str, target: float, runs: Sequence[dict[str, float]]) -> None:
    wall = np.array([run["wall"] for run in runs])
    cpu = np.median([run["cpu"] for run in runs])
    p50 = np.median(wall)
    verdict = "" if p50 <= target else "over"
    line(name, f"{target:g} ms", f"{p50:.1f}", f"{wall.max():.1f}", f"{cpu:.1f}", verdict)


# What is measured


def batches(folder: Path, sizes: Sizes) -> None:
    for dim in (sizes.narrow, sizes.wide):
        corpus = Corpus(dim, sizes.batch // 100)
        records = corpus.records(sizes.batch)
        with Store.open(folder / f"batch-{dim}.feather") as store:
            cpu_before, before = time.process_time(), time.perf_counter()
            store.add_many(records)
            wall, cpu = time.perf_counter() - before, time.process_time() - cpu_before
        line(
            f"add_many of {sizes.batch:,} x {dim}, per second",
            "20,000",
            f"{sizes.batch / wall:,.0f}",
            "",
            f"{sizes.batch / cpu:,.0f}",
            "" if sizes.batch / wall >= 20_000 else "under",
        )


def searching(folder: Path, sizes: Sizes) -> None:
    """By vector, and by text and vector, at three sizes."""
    targets = ((sizes.small, 0.25, None), (sizes.middle, 1, 3), (sizes.large, 8, 20))
    for n, by_vector, hybrid in targets:
        corpus = Corpus(sizes.narrow, n // 100)
        path = folder / f"search-{n}.feather"
        fill(path, corpus, n)
        vectors, texts = corpus.vectors(sizes.queries), corpus.questions(sizes.queries)
        with Store.open(path) as store:
            search = partial(store.search, k=10)
            shape = f"{n:,} x {sizes.narrow}"
            report(
                f"search by vector, {shape}",
                by_vector,
                lambda i, s=search, v=vectors: s(vector=v[i]),
                sizes.queries,
            )
            report(
                f"search by text and vector, {shape}",
                hybrid,
                lambda i, s=search, v=vectors, t=texts: s(t[i], vector=v[i]),
                sizes.queries,
            )


def unsketched(folder: Path, sizes: Sizes) -> None:
    """By vector once more, at the largest size, where sketches would not pay."""
    corpus, path = Corpus(sizes.narrow, sizes.large // 100), folder / "unsketched.feather"
    usual, config.SKETCH_ROWS = config.SKETCH_ROWS, sys.maxsize
    try:
        fill(path, corpus, sizes.large)
        vectors = corpus.vectors(sizes.queries)
        with Store.open(path) as store:
            report(
                f"search by vector, {sizes.large:,} x {sizes.narrow}, all scanned",
                None,
                lambda i: store.search(vector=vectors[i], k=10),
                sizes.queries,
            )
    finally:
        config.SKETCH_ROWS = usual


def scanning(sizes: Sizes) -> None:
    """What the memory of this machine allows: no search that reads all vectors can be faster."""
    for dim in (sizes.narrow, sizes.wide):
        rows = Corpus(dim, 1).vectors(sizes.large)
        scan = partial(np.vecdot, rows, rows[0].copy())
        report(f"(np.vecdot alone, {sizes.large:,} x {dim})", None, lambda _, s=scan: s(), 50)


def indexed(folder: Path, sizes: Sizes) -> None:
    """By vector once more, at the largest size, when the approximate index is built."""
    usual, config.HNSW_FLOATS = config.HNSW_FLOATS, 1
    try:
        n = sizes.large
        with Store.open(folder / f"search-{n}.feather") as store:
            vectors = Corpus(sizes.narrow, n // 100).vectors(sizes.queries)
            begin = time.perf_counter()
            store.search(vector=vectors[0])
            while store.stats().index != "hnsw":
                time.sleep(0.5)
            line("building the index", "", f"{1e3 * (time.perf_counter() - begin):,.0f}")
            report(
                f"search by vector, {n:,} x {sizes.narrow}, index",
                2,
                lambda i: store.search(vector=vectors[i], k=10),
                sizes.queries,
            )
    finally:
        config.HNSW_FLOATS = usual


def filtering(store: Store, corpus: Corpus, shape: str, sizes: Sizes) -> None:
    vectors = corpus.vectors(sizes.queries)
    before = time.perf_counter()
    store.search(vector=vectors[0], k=10, where=F("share") < 1)
    first = 1e3 * (time.perf_counter() - before)
    line(f"first search that filters by a field, {shape}", "", f"{first:.0f}")
    for percent, target in ((1, 1.5), (10, 6), (50, 12)):
        search = partial(store.search, k=10, where=F("share") < percent)
        report(
            f"search filtered to {percent} %, {shape}",
            target,
            lambda i, s=search: s(vector=vectors[i]),
            sizes.queries,
        )


def adding(store: Store, corpus: Corpus, shape: str, sizes: Sizes) -> None:
    records = corpus.records(sizes.adds)
    report(f"durable add, {shape}", 0.5, lambda i: store.add(**records[i]), sizes.adds)
    (query,) = corpus.vectors(1)

    def add_and_search(i: int) -> None:
        store.add(**records[i])
        store.search(vector=query, k=10)

    report(f"add, then search, {shape}", None, add_and_search, sizes.queries)


def opening(path: Path, corpus: Corpus, n: int, sizes: Sizes) -> None:
    queries = path.with_suffix(".npy")
    np.save(queries, corpus.vectors(20))
    runs = [fresh(OPEN, str(path), str(queries)) for _ in range(sizes.starts)]
    shape = f"{n:,} x {sizes.wide}"
    report_starts(f"open and first answer, {shape} (max)", 50, runs)
    vectors = n * sizes.wide * 4 / 2**20
    anon, file = (float(np.median([run[kind] for run in runs])) for kind in ("anon", "file"))
    ratio = (anon + file) / vectors
    line(f"resident / vectors, {shape}", "1.1", f"{ratio:.2f}", "", "", "over" * (ratio > 1.1))
    print(f"    {anon:.0f} MB private, {file:.0f} MB file-backed; the vectors are {vectors:.0f} MB")


def wide_stores(folder: Path, sizes: Sizes) -> None:
    """Adds at two sizes; at the larger also opening, memory and filters."""
    for n in (sizes.middle, sizes.large):
        corpus = Corpus(sizes.wide, n // 100)
        path = folder / f"wide-{n}.feather"
        fill(path, corpus, n)
        if n == sizes.large:
            opening(path, corpus, n, sizes)
        shape = f"{n:,} x {sizes.wide}"
        with Store.open(path) as store:
            if n == sizes.large:
                filtering(store, corpus, shape, sizes)
            adding(store, corpus, shape, sizes)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--small", action="store_true", help="a few hundred memories: whether it runs, not how fast"
    )
    parser.add_argument("--index", action="store_true", help="also with hnswlib; takes minutes")
    asked = parser.parse_args(arguments)
    sizes = TINY if asked.small else Sizes()
    usual, config.HNSW_FLOATS = config.HNSW_FLOATS, sys.maxsize
    try:
        line("", "target", "wall p50", "wall p99", "cpu p50")
        imports = [fresh(IMPORT) for _ in range(sizes.starts)]
        report_starts("import feather_memory (max)", 150, imports)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            batches(folder, sizes)
            scanning(sizes)
            searching(folder, sizes)
            unsketched(folder, sizes)
            wide_stores(folder, sizes)
            if asked.index:
                indexed(folder, sizes)
    finally:
        config.HNSW_FLOATS = usual


if __name__ == "__main__":
    main()
