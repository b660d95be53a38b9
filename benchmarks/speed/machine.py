"""The machine: what it is, and what it allows. Every limit is measured on the spot."""

from __future__ import annotations

import mmap
import os
import platform
import sqlite3
import sys
import tempfile
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.speed.measure import Taken

PAGE = 4_096
ROW = 2_000  # bytes of a memory with 384 numbers and some words

_TABLE = """
    pragma journal_mode = wal;
    pragma synchronous = normal;
    create table row (id integer primary key, text text, vector blob);
"""
_INSERT = "insert into row (text, vector) values (?, ?)"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plain implementation does not undercut, in milliseconds."""

    mib: float
    """A scan of a mebibyte of float32 that is in memory and in no cache, by one thread."""
    commit: float
    """One row into SQLite, committed to a write-ahead log that is not synced."""
    inserts: float
    """A thousand such rows in one transaction, without an index."""
    fault: float
    """A thousand page faults of 4 KiB, in a file that the page cache holds."""
    opening: float
    """SQLite opens a file, reads a hundred rows of it and closes it."""

    def scan(self, n: float, dim: int) -> float:
        return self.mib * n * dim * 4 / 2**20

    def faults(self, n: int, dim: int) -> float:
        return self.fault / 1_000 * n * dim * 4 / PAGE

    def to_dict(self) -> dict[str, float]:
        return asdict(self)


def limits(mebibytes: int = 256, rounds: int = 200) -> Limits:
    """Medians of CPU time, which no other process lengthens much."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commit, inserts, opening = _sqlite(folder / "row.sqlite", rounds)
        return Limits(
            mib=_scan(mebibytes), commit=commit, inserts=inserts, opening=opening,
            fault=_fault(folder / "pages", mebibytes),
        )  # fmt: skip


def _scan(mebibytes: int) -> float:
    rows = np.ones((mebibytes * 2**20 // (4 * 384), 384), np.float32)
    query = np.ones(384, np.float32)
    taken = Taken()
    for _ in range(5):
        with taken.timing(mebibytes):
            np.vecdot(rows, query)
    return min(taken.cpu)


def _sqlite(path: Path, rounds: int) -> tuple[float, float, float]:
    row = ("word " * 20, bytes(ROW - 100))
    commit, inserts, opening = Taken(), Taken(), Taken()
    with closing(sqlite3.connect(path)) as file:
        file.executescript(_TABLE)
        for _ in range(5):
            with inserts.timing(), file:
                file.executemany(_INSERT, [row] * 1_000)
        for _ in range(rounds):
            with commit.timing(), file:
                file.execute(_INSERT, row)
    for _ in range(rounds):
        with opening.timing(), closing(sqlite3.connect(path)) as file:
            file.execute("select * from row limit 100").fetchall()
    return commit.medians[1], inserts.medians[1], opening.medians[1]


def _fault(path: Path, mebibytes: int) -> float:
    size = mebibytes * 2**20
    path.write_bytes(bytes(size))
    taken = Taken()
    for _ in range(3):
        with path.open("rb") as file, taken.timing(size // PAGE):
            _touch(file.fileno())
    return 1_000 * min(taken.cpu)


def _touch(file: int) -> int:
    """A byte of every page of a file, newly mapped."""
    with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as pages:
        return int(np.frombuffer(pages, np.uint8)[::PAGE].sum())


def described() -> dict[str, str | int | float | None]:
    """What the figures were taken on."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory() / 2**30, 1),
        "load": None if load is None else round(load, 1),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "numpy": np.__version__,
    }


def memory() -> int:
    """Bytes that are free for us; 0 where that cannot be told."""
    if sys.platform != "linux":
        return 0
    told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return int(told["MemAvailable"].split()[0]) * 1024


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model")):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
