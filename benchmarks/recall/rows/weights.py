"""What the formula's constants were chosen from, and whether other conversations choose alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final
from unittest import mock

import numpy as np

from benchmarks.recall.bench import Bench, Filled, filled
from benchmarks.recall.measures import values
from benchmarks.recall.tables import Table
from feather_memory import Scoring
from feather_memory.index import postings
from feather_memory.model import structure

ROW: Final = "weights"

GRIDS: Final[dict[str, tuple[Any, str, tuple[float, ...]]]] = {
    "neighbours": (structure, "NEIGHBOUR", (0.2, 0.3, 0.4, 0.5, 0.6)),
    "session": (structure, "SESSION", (0.2, 0.3, 1 / 3, 0.4, 0.5)),
    "speaker": (structure, "SPEAKER", (0.05, 0.1, 0.15, 0.2, 0.3)),
    "question": (structure, "QUESTION", (0.1, 0.15, 0.2, 0.25, 0.3)),
    "answer": (structure, "ANSWER", (0.0, 0.05, 0.1, 0.15, 0.2)),
    "BM25's b": (postings, "BM25_LENGTH_SHARE", (0.1, 0.2, 0.3, 0.4, 0.5)),
}
"""Constants that no caller sets: where each stands, and the values around it."""

SHARES: Final = (0.3, 0.4, 0.5, 0.6, 0.7)


def measured(bench: Bench) -> Iterator[Table]:
    """R@10 for each value of each constant, the others as they are."""
    talks = bench.locomo()
    if len(talks) < 2 or not bench.has_vectors(talks):  # of one talk there is none to leave out
        return
    heads = ("lower", "low", "**as it is**", "high", "higher", "values", "left out")
    table = Table(ROW, "LoCoMo: the weights around theirs", heads, says=(
        "R@10 for five values of each constant, the others as they are. *Left out* is R@10 where "
        "each conversation is ranked by the value that is best for the others: as much below the "
        "best of the five as was fitted, and above or below the default by what fitting is worth."
    ))  # fmt: skip
    with filled(talks, bench.folder / "weights", bench.vectors) as held:
        for name, (module, constant, grid) in GRIDS.items():
            found = [_with(held, module, constant, value) for value in grid]
            table.add(name, *_cells(found, grid, held))
        by_share = [values(held.answers(Scoring(dense_weight=d)), "R@10") for d in SHARES]
        table.add("`dense_weight`", *_cells(by_share, SHARES, held))
    yield table


def _with(held: Filled, module: Any, constant: str, value: float) -> np.ndarray:
    with mock.patch.object(module, constant, value):
        return values(held.answers(), "R@10")


def _cells(
    found: Sequence[np.ndarray], grid: Sequence[float], held: Filled
) -> list[float | str | None]:
    sizes = [len(talk.questions) for talk, *_ in held.held]
    of = np.repeat(np.arange(len(sizes)), sizes)  # (questions,)  which conversation's
    table = np.stack(found)  # (values, questions)
    chosen = [int(table[:, of != left].mean(axis=1).argmax()) for left in range(len(sizes))]
    left_out = np.mean([table[chosen[talk], at] for at, talk in enumerate(of)])
    told = ", ".join(f"{value:.2g}" for value in grid)
    return [*(float(one.mean()) for one in found), told, float(left_out)]
