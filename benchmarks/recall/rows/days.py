"""The ninety days: what is shown for facts that changed, and for what nobody said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple
from typing import Any, Final

import numpy as np

from benchmarks.recall.bars import DAYS_TITLE
from benchmarks.recall.bench import Bench
from benchmarks.recall.doors import DOORS, Door
from benchmarks.recall.tables import Table
from feather_memory import Store
from feather_memory.testing import FrozenClock, HashEmbedder
from feather_memory.testing.days import BEGIN, SHOWN, Judgement, judged, script

ROW: Final = "days"
SEEDS: Final = (0, 1, 2)
HEADS: Final = (
    "current first", "among five", "stale first", "stale shown", "places", "duplicates",
    "questions", "silent",
)  # fmt: skip
"""As the fields of a Judgement."""


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
        "unanswerable questions for which nothing is shown."
    ))  # fmt: skip
    if "MiniLM" not in embedders:
        table.says += " No model is installed that could embed what is said."
    for door, tell in DOORS.items():
        for name, embedder in embedders.items():
            found = [astuple(_judged(bench, tell, embedder, seed)) for seed in seeds]
            table.add(f"{door}, {name}", *map(float, np.mean(found, axis=0)))
    yield table


def _judged(bench: Bench, tell: Door, embedder: Any, seed: int) -> Judgement:
    path = bench.folder / "days.feather"
    path.unlink(missing_ok=True)
    clock, said = FrozenClock(BEGIN), script(seed)
    with Store.open(path, embedder=embedder, clock=clock, tenant="alice") as store:
        found = judged(said, tell(store, clock, said))
        if findings := store.check():
            raise AssertionError(f"the store of the ninety days is damaged: {findings}")
    return found
