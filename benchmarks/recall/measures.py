"""What an answer is worth, and how far the mean of many may be off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.recall.corpora import ADVERSARIAL, Asked

K: Final = 10
DRAWS: Final = 2_000


def recall(ids: Sequence[str], evidence: frozenset[str], k: int) -> float:
    """|the k best ∩ evidence| ÷ |evidence|."""
    return len(evidence & set(ids[:k])) / len(evidence)


def reciprocal_rank(ids: Sequence[str], evidence: frozenset[str]) -> float:
    """1 ÷ the place of the first evidence; 0 for none."""
    return next((1 / place for place, id_ in enumerate(ids, 1) if id_ in evidence), 0.0)


def ndcg(ids: Sequence[str], evidence: frozenset[str]) -> float:
    """Of the ten best, where evidence is worth 1 and everything else nothing."""
    worth = 1 / np.log2(np.arange(2, K + 2))
    gained = sum(worth[place] for place, id_ in enumerate(ids[:K]) if id_ in evidence)
    return float(gained / worth[: len(evidence)].sum())


@dataclass(frozen=True, slots=True)
class Answered:
    """What one way to ask returned for one question."""

    talk: str
    asked: Asked
    ids: tuple[str, ...]
    """Of ten turns at most, best first."""


Measure = Callable[[Answered], float]

MEASURES: Final[dict[str, Measure]] = {
    "R@1": lambda one: recall(one.ids, one.asked.evidence, 1),
    "R@5": lambda one: recall(one.ids, one.asked.evidence, 5),
    "R@10": lambda one: recall(one.ids, one.asked.evidence, K),
    "MRR": lambda one: reciprocal_rank(one.ids, one.asked.evidence),
}


def values(answers: Sequence[Answered], measure: str) -> np.ndarray:
    """Per cent, one a question. Shape (n,)."""
    return 100 * np.array([MEASURES[measure](one) for one in answers])


def mean(answers: Sequence[Answered], measure: str) -> float:
    """Per cent, of all questions."""
    return float(values(answers, measure).mean())


def core(answers: Sequence[Answered]) -> list[Answered]:
    """Those of categories 1 to 4: the fifth asks for what nobody said."""
    return [one for one in answers if one.asked.category != ADVERSARIAL]


def interval(found: np.ndarray, talks: Sequence[str], seed: int = 0) -> tuple[float, float]:
    """Between which the mean lies in 95 of 100 draws of other conversations and questions.

    Conversations are drawn with replacement, then questions within each: questions of one
    conversation fare alike. Given differences of two ways to ask the same questions, it is the
    paired interval of their difference.

    Args:
        found: One value a question. Shape (n,).
        talks: Which conversation each is of.
        seed: Of the draws.
    """
    random = np.random.default_rng(seed)
    by_talk = [found[np.array(talks) == name] for name in dict.fromkeys(talks)]
    sums = np.empty((len(by_talk), DRAWS))
    for place, own in enumerate(by_talk):
        sums[place] = own[random.integers(len(own), size=(DRAWS, len(own)))].sum(axis=1)
    sizes = np.array([len(own) for own in by_talk])
    drawn = random.integers(len(by_talk), size=(DRAWS, len(by_talk)))
    means = sums[drawn, np.arange(DRAWS)[:, None]].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
