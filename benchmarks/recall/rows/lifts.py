"""How far a like lifts, and for which questions: chosen by conversations, told of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple
from unittest import mock

import numpy as np

from benchmarks.recall.bars import LEFT_OUT, LIFTS_TITLE
from benchmarks.recall.bench import Bench, Filled, filled
from benchmarks.recall.rows.likes import HABITS, like, worth
from benchmarks.recall.tables import Table
from feather_memory.model import structure

ROW: Final = "lifts"

EVIDENCE: Final = "evidence liked"
NOISE: Final = ("the first clicked", "one of ten clicked")

MOST_LOST: Final = 0.3
"""Points of nDCG@10 that likes that mean nothing may cost other questions."""


class Pair(NamedTuple):
    """What is chosen."""

    lift: float
    """For what was liked in answer to the same question."""
    same: float
    """Cosine up to which two questions are not the same."""


PAIRS: Final = tuple(
    Pair(lift, same) for lift in (0.05, 0.1, 0.15, 0.2) for same in (0.6, 0.7, 0.8, 0.9)
)
"""Round ones: twice as much, or a tenth of a cosine, apart."""


def measured(bench: Bench) -> Iterator[Table]:
    """Which pair each conversation's others choose, and what it does to that conversation."""
    talks = bench.locomo()
    if len(talks) < 2 or not bench.has_vectors(talks):
        return
    now = Pair(structure.LIKED, structure.SAME)
    pairs = PAIRS if now in PAIRS else (*PAIRS, now)
    gains = {}
    for habit in (EVIDENCE, *NOISE):
        with filled(talks, bench.folder / f"lifts {habit}", bench.vectors) as held:
            gains[habit] = _gains(held, habit, pairs)
    heads = ("lift", "from a cosine of", "repeats", "others", "others, first clicked",
             "others, clicked at random")  # fmt: skip
    table = Table(ROW, LIFTS_TITLE, heads, says=(
        f"Of {len(pairs)} pairs of a lift and a cosine, the one with which liked evidence gains "
        f"most when it is asked for again, among those with which neither noise costs other "
        f"questions more than {MOST_LOST} points of nDCG@10 (where there is none, the one that "
        "costs least). Each conversation is measured by what the others choose; *left out* is the "
        "mean of that over all questions, and the gap to *as it is* is what fitting is worth."
    ))  # fmt: skip
    names = [talk.name for talk in talks]
    chosen = {
        name: choice(gains, [each for each in names if each != name], pairs) for name in names
    }
    for name, pair in chosen.items():
        table.add(f"{name}, by the others", *_told(pair), *_cells(gains, {name: pair}))
    table.add(LEFT_OUT, None, None, *_cells(gains, chosen))
    of_all = choice(gains, names, pairs)
    table.add("chosen by all", *_told(of_all), *_cells(gains, dict.fromkeys(names, of_all)))
    table.add("as it is", *_told(now), *_cells(gains, dict.fromkeys(names, now)))
    yield table


@dataclass(frozen=True, slots=True)
class Gained:
    """Points of nDCG@10 that a habit gains with one pair, one a question of a conversation."""

    repeats: np.ndarray
    others: np.ndarray


Gains = Mapping[str, Mapping[tuple[Pair, str], Gained]]
"""By habit, then by pair and conversation."""


def choice(gains: Gains, talks: list[str], pairs: tuple[Pair, ...]) -> Pair:
    """The pair that some conversations choose, by the rule that the table states."""

    def lost(pair: Pair) -> float:
        return max(-_mean(gains, habit, "others", dict.fromkeys(talks, pair)) for habit in NOISE)

    harmless = [pair for pair in pairs if lost(pair) <= MOST_LOST]
    if not harmless:
        return min(pairs, key=lost)
    return max(
        harmless, key=lambda pair: _mean(gains, EVIDENCE, "repeats", dict.fromkeys(talks, pair))
    )


def _mean(gains: Gains, habit: str, side: str, pairs: Mapping[str, Pair]) -> float:
    """Over all questions of some conversations, each with its pair."""
    found = [getattr(gains[habit][pair, talk], side) for talk, pair in pairs.items()]
    return float(np.concatenate(found).mean())


def _cells(gains: Gains, pairs: Mapping[str, Pair]) -> list[float]:
    return [
        _mean(gains, EVIDENCE, "repeats", pairs),
        _mean(gains, EVIDENCE, "others", pairs),
        *(_mean(gains, habit, "others", pairs) for habit in NOISE),
    ]


def _told(pair: Pair) -> tuple[str, str]:
    return f"{pair.lift:g}", f"{pair.same:g}"


def _gains(held: Filled, habit: str, pairs: tuple[Pair, ...]) -> dict[tuple[Pair, str], Gained]:
    kind, meant = HABITS[habit]
    gained = {}
    for talk, store, _ in held.held:
        chance = Random(f"{talk.name} {habit}")
        half = {asked for asked in talk.questions if chance.random() < 0.5}
        before = np.array([worth(store, asked) for asked in talk.questions])
        for asked in (each for each in talk.questions if each in half):
            like(store, asked, kind, meant, chance)
        is_repeat = np.array([asked in half for asked in talk.questions])
        for pair in pairs:
            with (
                mock.patch.object(structure, "LIKED", pair.lift),
                mock.patch.object(structure, "SAME", pair.same),
            ):
                more = np.array([worth(store, asked) for asked in talk.questions]) - before
            gained[pair, talk.name] = Gained(more[is_repeat], more[~is_repeat])
    return gained
