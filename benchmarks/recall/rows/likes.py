"""What feedback on half of the questions does to them when they are asked again, and to others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final

import numpy as np

from benchmarks.recall.bars import LIKES_TITLE
from benchmarks.recall.bench import Bench, filled, searched
from benchmarks.recall.corpora import Asked
from benchmarks.recall.measures import K, interval, ndcg
from benchmarks.recall.tables import Table, between
from feather_memory import Store

ROW: Final = "likes"
Choice = Callable[[Asked, Sequence[str], Random], Sequence[str] | None]
"""Which of the shown are meant, of (question, ids shown, chance); None for the whole answer."""


def _evidence(asked: Asked, ids: Sequence[str], _: Random) -> list[str]:
    return [id_ for id_ in ids if id_ in asked.evidence]


HABITS: Final[dict[str, tuple[str, Choice]]] = {
    "evidence liked": ("liked", _evidence),
    "evidence saved": ("saved", _evidence),
    "answers with evidence liked, credit shared": (
        "liked", lambda asked, ids, _: None if asked.evidence & {*ids} else (),
    ),
    "all liked": ("liked", lambda *_: None),
    "the first clicked": ("liked", lambda _, ids, __: list(ids[:1])),
    "one of ten clicked": ("liked", lambda _, ids, chance: [chance.choice(ids)] if ids else ()),
}  # fmt: skip


def measured(bench: Bench) -> Iterator[Table]:
    """How much nDCG@10 is gained, in points."""
    talks = bench.locomo()
    if not bench.has_vectors(talks):
        return
    heads = ("repeats", "repeats, 95 in 100", "others", "others, 95 in 100")
    table = Table(ROW, LIKES_TITLE, heads, says=(
        "Half of the questions are recalled and get feedback; nDCG@10 of all is taken before and "
        "after. *Repeats* are those asked again, *others* are the other half. No recall is counted,"
        " so that only the feedback matters."
    ))  # fmt: skip
    for habit, (kind, choice) in HABITS.items():
        repeats: list[tuple[str, float]] = []
        others: list[tuple[str, float]] = []
        with filled(talks, bench.folder / habit, bench.vectors) as held:
            for talk, store, _ in held.held:
                chance = Random(f"{talk.name} {habit}")
                half = {asked for asked in talk.questions if chance.random() < 0.5}
                before = [worth(store, asked) for asked in talk.questions]
                for asked in (each for each in talk.questions if each in half):
                    like(store, asked, kind, choice, chance)
                for asked, usual in zip(talk.questions, before, strict=True):
                    side = repeats if asked in half else others
                    side.append((talk.name, worth(store, asked) - usual))
        table.add(habit, *_gained(repeats), *_gained(others))
    yield table


def worth(store: Store, asked: Asked) -> float:
    """nDCG@10 of a plain search, in per cent."""
    return 100 * ndcg(searched(store, asked), asked.evidence)


def like(store: Store, asked: Asked, kind: str, choice: Choice, chance: Random) -> None:
    """Recall a question, and give feedback on what of the answer is meant."""
    hits = store.recall(asked.text, K, reinforce=False)
    meant = choice(asked, [hit.memory.id for hit in hits], chance)
    if hits.turn is not None and (meant is None or meant):
        store.feedback(hits.turn, kind, memory_ids=meant)


def _gained(side: Sequence[tuple[str, float]]) -> tuple[float | None, str | None]:
    if not side:
        return None, None
    talks, values = [name for name, _ in side], np.array([value for _, value in side])
    return float(values.mean()), between(*interval(values, talks), signed=True)
