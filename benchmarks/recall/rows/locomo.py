"""LoCoMo: whether a search finds the turns that a question needs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Final
from unittest import mock

import numpy as np

from benchmarks.recall import peers
from benchmarks.recall.bars import BY_WORDS, DEFAULT, LOCOMO_TITLE, SPEED_TITLE
from benchmarks.recall.bench import Bench, Filled, filled, searched
from benchmarks.recall.corpora import CATEGORIES
from benchmarks.recall.measures import Answered, core, interval, mean, values
from benchmarks.recall.tables import Table, between
from feather_memory import Scoring
from feather_memory.index import postings
from feather_memory.model import structure
from feather_memory.search import searcher

ROW: Final = "locomo"
HEADS: Final = ("R@10", "95 in 100", "1–4", "R@1", "R@5", "MRR", "R@10 to the default")

PLAIN: Final = Scoring(time_weight=0, importance_weight=0, structure=False, scaled=False)
WORDS: Final = PLAIN.replace(dense_weight=0)
COSINE: Final = PLAIN.replace(dense_weight=1)

BEFORE: Final = "before: structure=False, scaled=False"
SCORINGS: Final = {
    BEFORE: Scoring(structure=False, scaled=False),
    "structure=False": Scoring(structure=False),
    "scaled=False": Scoring(scaled=False),
    **{f"dense_weight={d}": Scoring(dense_weight=d) for d in (0.3, 0.4, 0.6, 0.7)},
    **{f"time_weight={w}": Scoring(time_weight=w) for w in (0.0, 0.1, 0.3)},
    **{f"importance_weight={g}": Scoring(importance_weight=g) for g in (0.0, 1.0)},
    "Scoring.feather()": Scoring.feather(),
}
"""The default with one thing otherwise."""

TERMS: Final[dict[str, tuple[Any, dict[str, Any]]]] = {
    "without neighbours": (structure, {"NEIGHBOUR": 0.0}),
    "without sessions": (structure, {"SESSION": 0.0}),
    "without the speaker's term": (structure, {"SPEAKER": 0.0}),
    "without questions' terms": (structure, {"QUESTION": 0.0, "ANSWER": 0.0}),
    "without words of dates": (searcher, {"dates_in": lambda *_: {}}),
    "without the time that is named": (structure, {"PERIOD": 0.0}),
    "without the newer first": (searcher, {"newer_first": lambda hits, *_: hits}),
    "BM25's b = .75": (postings, {"BM25_LENGTH_SHARE": 0.75}),
}
"""Constants of the formula that no caller sets, each switched off where it stands."""


def without(term: str) -> AbstractContextManager[Any]:
    """The formula without one of TERMS, until the block ends."""
    module, constants = TERMS[term]
    return mock.patch.multiple(module, **constants)


def measured(bench: Bench) -> Iterator[Table]:
    """What the default finds, beside whom; what each part is worth; and how long it takes."""
    talks = bench.locomo()
    if not bench.has_vectors(talks):
        return
    with ExitStack() as stack:
        held = stack.enter_context(filled(talks, bench.folder, bench.vectors))
        default = held.answers()
        yield _beside(bench, held, default)
        yield _parts(held, default)
        yield _gap(default)
        yield _speed(held)


def _beside(bench: Bench, held: Filled, default: Sequence[Answered]) -> Table:
    table = Table(ROW, LOCOMO_TITLE, HEADS, says=(
        f"{len(default)} questions over {len(held.held)} conversations, each asked within its own. "
        "The evidence is turns; R@k is the share of it among the k best. Categories 1–4 leave out "
        "the fifth, which asks for what nobody said. The intervals are of conversations and "
        "questions drawn anew; the last one is paired."
    ))  # fmt: skip
    _line(table, DEFAULT, default, default)
    talks = [talk for talk, *_ in held.held]
    with filled(talks, bench.folder / "alone", bench.vectors, is_alone=True) as less:
        _line(table, "vectors of each turn alone", less.answers(), default)
        _line(table, f"{BEFORE}, likewise", less.answers(SCORINGS[BEFORE]), default)
        _line(table, "cosine alone, likewise", less.answers(COSINE), default)
    with filled(talks, bench.folder / "words", None) as silent:
        _line(table, BY_WORDS, silent.answers(), default)
    _line(table, "BM25 alone", held.answers(WORDS), default)
    for name, answers in peers.answers(bench, talks):
        _line(table, name, answers, default)
    return table


def _line(
    table: Table, name: str, answers: Sequence[Answered], default: Sequence[Answered]
) -> None:
    """One way to ask, and how it differs from the default on the same questions."""
    found, usual = values(answers, "R@10"), values(default, "R@10")
    talks = [one.talk for one in answers]
    table.add(
        name, float(found.mean()), between(*interval(found, talks)), mean(core(answers), "R@10"),
        *(mean(answers, each) for each in ("R@1", "R@5", "MRR")),
        None if answers is default else between(*interval(found - usual, talks), signed=True),
    )  # fmt: skip


def _parts(held: Filled, default: Sequence[Answered]) -> Table:
    table = Table(ROW, "LoCoMo: what each part is worth", HEADS, says=(
        "The default with one thing otherwise: first terms of the formula, each switched off where "
        "it stands, then what `Scoring` offers."
    ))  # fmt: skip
    _line(table, DEFAULT, default, default)
    for term in TERMS:
        with without(term):
            _line(table, term, held.answers(), default)
    for name, scoring in SCORINGS.items():
        _line(table, name, held.answers(scoring), default)
    return table


def _gap(default: Sequence[Answered]) -> Table:
    """By category and by conversation."""
    names = [name for name in CATEGORIES.values() if any(_is_of(one, name) for one in default)]
    table = Table(ROW, "LoCoMo: by conversation and category", ("questions", "all", *names), says=(
        "R@10 of the default. The gap between conversations is the gap to expect between yours."
    ))  # fmt: skip
    by_talk: dict[str, list[Answered]] = {}
    for one in default:
        by_talk.setdefault(one.talk, []).append(one)
    for name, answers in {**by_talk, "all": list(default)}.items():
        of_each = ([one for one in answers if _is_of(one, each)] for each in names)
        cells = [mean(some, "R@10") if some else None for some in of_each]
        table.add(name, len(answers), mean(answers, "R@10"), *cells)
    return table


def _is_of(one: Answered, category: str) -> bool:
    return one.asked.category == category


def _speed(held: Filled) -> Table:
    """Of the largest conversation; its questions' vectors are looked up, which is in it."""
    talk, store, _ = max(held.held, key=lambda each: len(each[0].turns))
    table = Table(ROW, SPEED_TITLE, ("turns", "p50 ms", "p90 ms"))
    taken = []
    for asked in talk.questions:
        began = time.perf_counter()
        searched(store, asked)
        taken.append(1_000 * (time.perf_counter() - began))
    table.add(DEFAULT, len(talk.turns), *map(float, np.quantile(taken, (0.5, 0.9))))
    return table
