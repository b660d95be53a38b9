"""How fast a store is, beside what the design promises (DESIGN.md, section 6).

    python benchmarks/speed.py [--small]

Vectors are clustered as real embeddings are, words are Zipfian, and embedding takes no time.
`wall` is what a caller waits; `cpu` is the calling thread's own time, which a busy machine
does not lengthen. The BLAS library's threads are left as they are.
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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import feather_memory
from feather_memory import F, Store

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
    batch: int = 20_000
    queries: int = 200
    adds: int = 1_000
    starts: int = 5


TINY = Sizes(small=50, middle=100, large=400, batch=200, queries=5, adds=5, starts=1)


# Data


class Corpus:
    """Vectors, texts and metadata without end, the same in every run."""

    def __init__(self, dim: int, clusters: int) -> None:
        self._random = np.random.default_rng(7)
        self._spectrum = np.arange(1, dim + 1, dtype=np.float32) ** -0.5
        self._mean = self._normal(1, dim)[0] * 0.5
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
        rows = (self._mean + 0.75 * centres + 0.55 * own) @ self._rotation
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


def fill(path: Path, corpus: Corpus, n: int) -> float:
    """Put n memories into a store; seconds spent in `add_many`."""
    spent = 0.0
    with Store.open(path) as store:
        for start in range(0, n, CHUNK):
            records = corpus.records(min(CHUNK, n - start))
            begin = time.perf_counter()
            store.add_many(records)
            spent += time.perf_counter() - begin
    return spent


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
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": home},
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


def searching(folder: Path, sizes: Sizes) -> None:
    """By vector and hybrid, at three sizes x 384."""
    targets = ((sizes.small, 0.25, None), (sizes.middle, 1, 3), (sizes.large, 8, 20))
    for n, by_vector, hybrid in targets:
        corpus = Corpus(384, n // 100)
        path = folder / f"search-{n}.feather"
        fill(path, corpus, n)
        queries, questions = corpus.vectors(sizes.queries), corpus.questions(sizes.queries)
        with Store.open(path) as store:
            report(
                f"search by vector, {n:,} x 384",
                by_vector,
                lambda i, s=store, q=queries: s.search(vector=q[i], k=10),
                sizes.queries,
            )
            report(
                f"search by text and vector, {n:,} x 384",
                hybrid,
                lambda i, s=store, q=queries, t=questions: s.search(t[i], vector=q[i], k=10),
                sizes.queries,
            )
        path.unlink()


def filtering(store: Store, corpus: Corpus, n: int, sizes: Sizes) -> None:
    queries = corpus.vectors(sizes.queries)
    before = time.perf_counter()
    store.search(vector=queries[0], k=10, where=F("share") < 1)
    first = 1e3 * (time.perf_counter() - before)
    line(f"first search that filters by a field, {n:,}", "", f"{first:.0f}")
    for percent, target in ((1, 1.5), (10, 6), (50, 12)):
        where = F("share") < percent
        report(
            f"search filtered to {percent} %, {n:,} x 768",
            target,
            lambda i, w=where: store.search(vector=queries[i], k=10, where=w),
            sizes.queries,
        )


def adding(store: Store, corpus: Corpus, n: int, sizes: Sizes) -> None:
    records = corpus.records(sizes.adds)
    report(f"durable add, {n:,} x 768", 0.5, lambda i: store.add(**records[i]), sizes.adds)
    query = corpus.vectors(1)[0]

    def add_and_search(i: int) -> None:
        store.add(**records[i])
        store.search(vector=query, k=10)

    report(f"add, then search, {n:,} x 768", None, add_and_search, sizes.queries)


def opening(path: Path, corpus: Corpus, n: int, sizes: Sizes) -> None:
    queries = path.with_suffix(".npy")
    np.save(queries, corpus.vectors(20))
    runs = [fresh(OPEN, str(path), str(queries)) for _ in range(sizes.starts)]
    report_starts(f"open and first answer, {n:,} x 768 (p99: max)", 50, runs)
    vectors = n * 768 * 4 / 2**20
    anon, file = (float(np.median([run[kind] for run in runs])) for kind in ("anon", "file"))
    ratio = (anon + file) / vectors
    line(f"resident ÷ vectors, {n:,} x 768", "1.1", f"{ratio:.2f}", "", "", "over" * (ratio > 1.1))
    print(f"    {anon:.0f} MB private, {file:.0f} MB file-backed; the vectors are {vectors:.0f} MB")


def batches(folder: Path, sizes: Sizes) -> None:
    for dim in (384, 768):
        spent = fill(folder / f"batch-{dim}.feather", Corpus(dim, 200), sizes.batch)
        rate = sizes.batch / spent
        verdict = "" if rate >= 20_000 else "under"
        line(
            f"add_many of {sizes.batch:,} x {dim}, per s", "20,000", f"{rate:,.0f}", "", "", verdict
        )


def wide_stores(folder: Path, sizes: Sizes) -> None:
    """Adds at two sizes x 768; at the larger also filters, opening and memory."""
    for n in (sizes.middle, sizes.large):
        corpus = Corpus(768, n // 100)
        path = folder / f"wide-{n}.feather"
        fill(path, corpus, n)
        if n == sizes.large:
            opening(path, corpus, n, sizes)
        with Store.open(path) as store:
            if n == sizes.large:
                filtering(store, corpus, n, sizes)
            adding(store, corpus, n, sizes)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--small", action="store_true", help="a few hundred memories: whether it runs, not how fast"
    )
    sizes = TINY if parser.parse_args(arguments).small else Sizes()
    line("", "target", "wall p50", "wall p99", "cpu p50")
    report_starts("import feather_memory (p99: max)", 150, [fresh(IMPORT) for _ in range(7)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        batches(folder, sizes)
        searching(folder, sizes)
        wide_stores(folder, sizes)


if __name__ == "__main__":
    main()
