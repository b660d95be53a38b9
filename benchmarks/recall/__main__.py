"""Measure, print, and keep what was measured.

python -m benchmarks.recall [--data FOLDER] [--quick] [--only ROW …]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.recall import peers
from benchmarks.recall.bars import BARS
from benchmarks.recall.bench import Bench
from benchmarks.recall.corpora import BEAM, LOCOMO
from benchmarks.recall.page import write
from benchmarks.recall.rows import aged, beam, days, lifts, likes, locomo, weights
from benchmarks.recall.tables import Table, printed
from benchmarks.recall.vectors import MODEL, Vectors
from benchmarks.speed import machine
from benchmarks.speed.measure import ROOT

FIGURES: Final = ROOT / "docs" / "recall.json"
UNKEPT: Final = ROOT / ".bench" / "recall.json"
CACHE: Final = Path.home() / ".cache" / "feather-memory" / "recall-minilm.npz"
QUICK: Final = 20  # questions of each conversation

ROWS: Final[dict[str, Callable[[Bench], Iterator[Table]]]] = {
    one.ROW: one.measured for one in (locomo, weights, beam, aged, likes, lifts, days)
}


def about(
    asked: argparse.Namespace, vectors: Vectors, began: datetime, seconds: float
) -> dict[str, Any]:
    """What a reader of the figures has to know."""
    flags = ["--data FOLDER"] * bool(asked.data) + ["--quick"] * asked.quick
    flags += [f"--only {row}" for row in asked.only or []]
    missing = [
        name for name in (LOCOMO, BEAM) if asked.data is None or not (asked.data / name).is_dir()
    ]
    return {
        "date": began.date().isoformat(),
        "command": " ".join(["python -m benchmarks.recall", *flags]),  # no path of this machine
        "minutes": round(seconds / 60, 1),
        "machine": machine.described(),
        "is_lacking": vectors.is_lacking,
        "missing": missing,
        "absent": peers.present()[1],
        "is_whole": not (asked.quick or asked.only or missing or vectors.is_lacking),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recall", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--data", type=Path, help="the folder of evaluation data")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} questions a conversation")
    parser.add_argument("--only", action="append", choices=ROWS, metavar="ROW",
                        help=f"one of: {', '.join(ROWS)}; may be given again")  # fmt: skip
    parser.add_argument("--cache", type=Path, default=CACHE, help="vectors that a model made")
    parser.add_argument("--out", type=Path, help="where the figures go")
    asked = parser.parse_args(arguments)
    began, start = datetime.now(UTC), time.perf_counter()
    files = [] if asked.data is None else sorted(asked.data.glob("*/minilm.npz"))
    vectors = Vectors(files, asked.cache)
    limit = QUICK if asked.quick else None
    tables: list[Table] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        bench = Bench(asked.data, Path(folder), vectors, limit)
        for row in asked.only or ROWS:
            for table in ROWS[row](bench):
                tables.append(table)
                print(printed(table), flush=True)
    vectors.keep()
    told = about(asked, vectors, began, time.perf_counter() - start)
    for name in told["missing"]:
        print(f"skipped what needs {name}: give --data the folder that holds it")
    if vectors.is_lacking:
        print(f"skipped what no file has a vector of: {MODEL} is not installed")
    figures = {"about": told, "tables": [table.to_dict() for table in tables], "bars": [
        {"says": bar.says, "value": value, "met": met}
        for bar in BARS
        for value, met in [bar.judged(tables)]
    ]}  # fmt: skip
    out: Path = asked.out or (FIGURES if told["is_whole"] else UNKEPT)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=1, ensure_ascii=False), encoding="utf-8")
    page = write(out, out.with_suffix(".md"))
    print(f"\n{out} and {page}, {told['minutes']} minutes")


if __name__ == "__main__":
    main()
