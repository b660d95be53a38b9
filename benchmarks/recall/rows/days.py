"""The ninety days: what is shown for facts that changed, and for what nobody said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple
from functools import cache
from typing import Any, Final

import numpy as np

from benchmarks.recall.bars import CARRIED, DAYS_TITLE
from benchmarks.recall.bench import Bench
from benchmarks.recall.doors import DOORS, UNPROMPTED, Door
from benchmarks.recall.tables import Table
from feather_memory import Store
from feather_memory.testing import FrozenClock, HashEmbedder
from feather_memory.testing.days import BEGIN, SHOWN, Judgement, carried, judged, script

ROW: Final = "days"
SEEDS: Final = (0, 1, 2)
HEADS: Final = (
    "current first", "among five", "stale first", "stale shown", "places", "duplicates",
    "questions", "silent", CARRIED,
)  # fmt: skip
"""As the fields of a Judgement, and of memories with a value that no longer holds the share, in per
cent, that says what followed."""


def measured(bench: Bench) -> Iterator[Table]:
    """Every door with every embedder there is."""
    embedders: dict[str, Any] = {"hashed words": HashEmbedder(), "no embedder": None}
    if bench.vectors.has(each.user for each in script().exchanges):
        embedders = {"MiniLM": bench.vectors, **embedders}
    seeds = SEEDS if bench.limit is None else SEEDS[:1]
    facts = script().facts
    table = Table(ROW, DAYS_TITLE, HEADS, says=(
        f"{len(facts)} facts with {sum(len(fact.values) for fact in facts)} values are told over "
        "ninety days, among chatter, small talk and questions for them; every turn goes through "
        f"the door, with its defaults. Then each fact is asked for once, {SHOWN} memories count of "
        f"what is shown, and {len(script().unanswerable)} questions that nothing answers. Means "
        f"over {len(seeds)} scripts. *Stale* tells a value that no longer holds; *silent* are "
        "unanswerable questions for which nothing is shown. *Says what followed* is the share of "
        "stale memories beside which the prompt tells the date, or the beginning, of a later value."
    ))  # fmt: skip
    if "MiniLM" not in embedders:
        table.says += " No model is installed that could embed what is said."
    for door, tell in DOORS.items():
        for name, embedder in embedders.items():
            found = [_judged(bench, tell, embedder, seed) for seed in seeds]
            counts = np.mean([astuple(judgement) for judgement, _ in found], axis=0)
            does, not_so = np.sum([followed for _, followed in found], axis=0)
            share = None if door in UNPROMPTED else float(100 * does / max(does + not_so, 1))
            table.add(f"{door}, {name}", *map(float, counts), share)
    yield table


def _judged(
    bench: Bench, tell: Door, embedder: Any, seed: int
) -> tuple[Judgement, tuple[int, int]]:
    path = bench.folder / "days.feather"
    path.unlink(missing_ok=True)
    clock, said = FrozenClock(BEGIN), script(seed)
    with Store.open(path, embedder=embedder, clock=clock, tenant="alice") as store:
        show = cache(tell(store, clock, said))  # what is asked again may be answered otherwise
        found = judged(said, lambda question: [line.text for line in show(question)])
        followed = carried(said, show)
        if findings := store.check():
            raise AssertionError(f"the store of the ninety days is damaged: {findings}")
    return found, followed
