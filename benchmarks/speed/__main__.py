"""Measure, print, and keep what was measured.

python -m benchmarks.speed [--quick] [--only ROW …] [--data FOLDER]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.speed import machine, peers
from benchmarks.speed.bars import judged
from benchmarks.speed.contender import Contender
from benchmarks.speed.corpus import Sentences
from benchmarks.speed.frameworks import FRAMEWORKS
from benchmarks.speed.measure import ROOT, Effort
from benchmarks.speed.ours import Feather, Scan
from benchmarks.speed.page import write
from benchmarks.speed.plan import ROWS, TITLES, Row, Stage, stages
from benchmarks.speed.report import line
from benchmarks.speed.stand import QUICK, TOY, Measured, Sizes, Stand, corpus_of

FIGURES = ROOT / "docs" / "performance.json"
UNKEPT = ROOT / ".bench" / "figures.json"
BYTES_HUGE = 8 * 2**30  # that have to be free for the largest size
EFFORTS = {
    "whole": Effort(),
    "quick": Effort(rounds=40, seconds=0.3, starts=1),
    "toy": Effort(rounds=2, seconds=0.1, starts=1),
}
SIZES = {"whole": Sizes(), "quick": QUICK, "toy": TOY}


class Run:
    """One run of the rows that were asked for."""

    def __init__(self, extent: str, only: Sequence[str], data: Path | None, folder: Path) -> None:
        self.extent, self.folder = extent, folder
        self.sizes, self.effort = SIZES[extent], EFFORTS[extent]
        if 0 < machine.memory() < BYTES_HUGE:
            self.sizes = replace(self.sizes, huge=0)
        self.rows = only or list(ROWS)
        self.sentences = None if data is None else Sentences.of(data)
        here, self.absent = peers.present()
        self.engines: list[type[Contender]] = [Feather, Scan, *here]
        self.failed: dict[str, str] = {}
        self.limits = machine.limits(self.sizes.limit_mib)

    def kinds(self) -> dict[str, type[Contender]]:
        """Every contender by its name; ours is the store, not a framework's."""
        return {one.name: one for one in (*FRAMEWORKS, *self.engines)}

    def measured(self) -> Iterator[dict[str, Any]]:
        """Every row at every size, as JSON has it."""
        sentences = 0 if self.sentences is None else len(self.sentences)
        for stage in stages(self.sizes, sentences):
            if (wanted := stage.of(self.rows)) is not None:
                began = time.perf_counter()
                for one in self._stage(wanted):
                    yield judged(one, self.sizes, self.limits, self.kinds())
                print(f"\n-- {stage.shape}: {time.perf_counter() - began:.0f} s", flush=True)

    def _stage(self, stage: Stage) -> Iterator[Measured]:
        classes = FRAMEWORKS if stage.is_framework else self.engines
        with tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as name:
            stand = Stand(
                shape=stage.shape, corpus=corpus_of(stage.shape, self.sentences),
                folder=Path(name), effort=self.effort, sizes=self.sizes, failed=self.failed,
            )  # fmt: skip
            takes = stage.takes(classes, is_quick=self.extent == "quick")
            if stage.is_filled:
                stand.fill(takes)
            else:
                stand.open(takes)
            yield from self._rows(stand, stage.held)
            stand.close()
            yield from self._rows(stand, stage.closed)
            if stage.reopened:
                stand.open_again()
                yield from self._rows(stand, stage.reopened)
                stand.close()
            yield from self._rows(stand, stage.closed_again)

    def _rows(self, stand: Stand, names: Sequence[str]) -> Iterator[Measured]:
        for name in names:
            row: Row = ROWS[name][0]
            yield from row(stand)

    def about(self, command: str, seconds: float, began: datetime) -> dict[str, Any]:
        """What a reader of the figures has to know."""
        kinds = self.kinds().values()
        return {
            "date": began.date().isoformat(),
            "command": command,
            "extent": self.extent,
            "minutes": round(seconds / 60, 1),
            "machine": machine.described(),
            "versions": {one.package: peers.version(one.package) for one in kinds},
            "contenders": {
                one.name: {
                    "about": one.about, "package": one.package, "most": one.most,
                }
                for one in kinds
            },
            "sentences": 0 if self.sentences is None else len(self.sentences),
            "absent": self.absent,
            "failed": {
                name: why.replace(str(self.folder), "FOLDER") for name, why in self.failed.items()
            },
            "limits": self.limits.to_dict(),
        }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", dest="extent", action="store_const", const="quick",
                        help="smaller stores and fewer rounds: under three minutes")  # fmt: skip
    extent.add_argument("--toy", dest="extent", action="store_const", const="toy",
                        help="sizes that say nothing about speed")  # fmt: skip
    parser.add_argument("--only", action="append", choices=ROWS, metavar="ROW",
                        help=f"one of: {', '.join(ROWS)}; may be given again")  # fmt: skip
    parser.add_argument("--data", type=Path, help="a folder of */minilm.npz: real sentences")
    parser.add_argument("--folder", type=Path, help="where the stores are made")
    parser.add_argument("--out", type=Path, help="where the figures go")
    asked = parser.parse_args(arguments)
    chosen = asked.extent or "whole"
    is_kept = chosen == "whole" and not asked.only
    out: Path = asked.out or (FIGURES if is_kept else UNKEPT)
    began, start = datetime.now(UTC), time.perf_counter()
    flags = [f"--{chosen}"] * (chosen != "whole") + ["--data FOLDER"] * bool(asked.data)
    flags += [f"--only {row!r}" for row in asked.only or []]
    command = " ".join(["python -m benchmarks.speed", *flags])  # no path of this machine
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        run = Run(chosen, asked.only or [], asked.data, Path(folder))
        for name, why in run.absent.items():
            print(f"{name} takes no part: {why}")
        if not run.sentences:
            print("synthetic vectors only: no --data with sentences was given")
        measured = []
        for one in run.measured():
            measured.append(one)
            print(line(one, TITLES[one["row"]]), flush=True)
        about = run.about(command, time.perf_counter() - start, began)
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"about": about, "rows": measured}, indent=1, ensure_ascii=False))
    pages = write(out, FIGURES.with_suffix(".md") if is_kept else out.with_suffix(".md"))
    print(f"\n{out} and {pages}, {about['minutes']} minutes")


if __name__ == "__main__":
    main()
