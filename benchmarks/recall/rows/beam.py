"""BEAM: whether a search finds the user's messages that answer, and which of two values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from benchmarks.recall.bars import BEAM_TITLE, SUGGESTED, UPDATES_TITLE
from benchmarks.recall.bench import Bench, filled
from benchmarks.recall.corpora import Talk, Turn
from benchmarks.recall.measures import Answered, interval, mean, values
from benchmarks.recall.rows.locomo import BEFORE, COSINE, SCORINGS, WORDS
from benchmarks.recall.tables import Table, between
from feather_memory import EdgeType, Store

ROW: Final = "beam"


def measured(bench: Bench) -> Iterator[Table]:
    """What is found with and without the assistant's messages; and what of updates."""
    named, whole = bench.beam(), bench.beam(("user", "assistant"))
    apart = [replace(talk, turns=tuple(map(_alone, talk.turns))) for talk in named]
    talks = named if bench.has_vectors([*named, *whole]) else apart
    if not bench.has_vectors(talks):
        return
    with filled(talks, bench.folder / "user", bench.vectors) as held:
        default = held.answers()
    with filled(talks, bench.folder / "words", None) as silent:
        others = {"without an embedder": silent.answers()}
    with filled(apart, bench.folder / "apart", bench.vectors) as held:
        others |= {
            "no session named": held.answers(),
            f"{BEFORE}, likewise": held.answers(SCORINGS[BEFORE]),
            "BM25 alone, likewise": held.answers(WORDS),
            "cosine alone, likewise": held.answers(COSINE),
        }
    table = Table(ROW, BEAM_TITLE, ("R@10", "95 in 100", "R@1", "R@5", "MRR"), says=(
        f"{len(default)} questions over {len(talks)} chats. Only messages of the user are evidence."
    ))  # fmt: skip
    _line(table, "user's stored", default)
    both: list[Answered] = []
    if talks is named:
        table.says += " A chat is one session."
        both = _with_assistant(bench, whole, table)
        table.add("lost by that", mean(default, "R@10") - mean(both, "R@10"))
    else:
        table.says += (
            " No session is named: the file has vectors of the user's messages alone, and no model"
            " is installed for what follows what, or for the assistant's."
        )
    for name, answers in others.items():
        _line(table, name, answers)
    yield table
    yield _by_category(default, both)
    yield _updates(bench, talks)


def _alone(turn: Turn) -> Turn:
    """Likewise in no session, where a store embeds its text alone."""
    return replace(turn, session=None, in_context=turn.text)


def _with_assistant(bench: Bench, talks: Sequence[Talk], table: Table) -> list[Answered]:
    """What is found among the assistant's messages, too."""
    with filled(talks, bench.folder / "both", bench.vectors) as held:
        answers = held.answers()
        _line(table, "the assistant's stored, too", answers)
        _line(table, f"likewise, {BEFORE}", held.answers(SCORINGS[BEFORE]))
    return answers


def _line(table: Table, name: str, answers: Sequence[Answered]) -> None:
    found = values(answers, "R@10")
    within = between(*interval(found, [one.talk for one in answers]))
    rest = (mean(answers, each) for each in ("R@1", "R@5", "MRR"))
    table.add(name, float(found.mean()), within, *rest)


def _by_category(default: Sequence[Answered], both: Sequence[Answered]) -> Table:
    heads = ("questions", "user's stored", "the assistant's, too")
    table = Table(ROW, "BEAM: R@10 by what is asked", heads)
    for category in sorted({one.asked.category for one in default}):
        cells = [
            mean([one for one in answers if one.asked.category == category], "R@10")
            for answers in (default, both)
            if answers
        ]
        count = sum(one.asked.category == category for one in default)
        table.add(category.replace("_", " "), count, *cells)
    return table


HEADS: Final = ("stale@1", "stale@5", "new@1", "new@5", SUGGESTED)


def _updates(bench: Bench, talks: Sequence[Talk]) -> Table:
    """Before and after each update is told to its store, taken back afterwards."""
    before: list[list[bool]] = []
    after: list[list[bool]] = []
    suggested: list[bool] = []
    with filled(talks, bench.folder / "updates", bench.vectors) as held:
        for talk, store, _ in held.held:
            for asked in (each for each in talk.questions if each.old and each.new):
                before.append(_standing(store.search(asked.text, 5), asked.old, asked.new))
                suggested.append(any(_suggests(store, new, asked.old) for new in asked.new))
                pairs = [(new, old) for new in asked.new for old in asked.old]
                for new, old in pairs:
                    store.link(new, old, EdgeType.SUPERSEDES)
                after.append(_standing(store.search(asked.text, 5), asked.old, asked.new))
                for new, old in pairs:
                    store.unlink(new, old, EdgeType.SUPERSEDES)
    table = Table(ROW, UPDATES_TITLE, HEADS, says=(
        f"{len(before)} questions for something that changed, in per cent: whether a message with "
        "the old value, or one with the new, is the first, or among five. *Superseded* is what a "
        "store knows once it was told which message replaced which. *Old suggested*: whether the "
        "old message is among the three that the store suggests the new one may replace."
    ))  # fmt: skip
    if before:
        told = 100 * float(np.mean(suggested))
        table.add("not superseded", *map(float, 100 * np.mean(before, axis=0)), told)
        table.add("superseded", *map(float, 100 * np.mean(after, axis=0)))
    return table


def _suggests(store: Store, new: str, old: Sequence[str]) -> bool:
    return any(each.memory.id in old for each in store.suggest_supersedes(new))


def _standing(hits: Sequence[object], old: Sequence[str], new: Sequence[str]) -> list[bool]:
    ids = [hit.memory.id for hit in hits]  # type: ignore[attr-defined]
    return [bool({*side} & {*ids[:k]}) for side in (old, new) for k in (1, 5)]
