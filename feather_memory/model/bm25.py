"""BM25: how much a word that is shared says."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from feather_memory.types import Mask, Numbers

_SATURATION: Final = 1.2
"""k₁: how soon a word that occurs again adds nothing more."""

_LENGTH_SHARE: Final = 0.3
"""b: how far a word counts for less in a text that is longer than the mean. 0.75, which is usual
for articles, costs 1.2 points of recall@10 on LoCoMo's turns."""

_LONG: Final = 75
"""Words, some 400 characters, beyond which a text's BM25 is divided by √(length ÷ 75): an answer
of pages holds a few of any question's words. On BEAM, where such answers are stored beside what
the user said, recall@10 of the latter rises by 4 points."""


def bm25(
    held: Iterable[tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]],
    lengths: npt.NDArray[np.int32],
    eligible: Mask,
) -> tuple[Numbers, float]:
    """BM25 of each of the texts that may be returned, as if there were no others, and of all words.

    Each word adds, to those that hold it ::

        idf · f · (k₁ + 1) / (f + k₁ · (1 − b + b · length ÷ mean)) / √max(1, length ÷ 75)
        idf = ln(1 + (n − h + ½) / (h + ½))

    where f is how often the text holds the word, and h of the n that may be returned do.

    Args:
        held: Of each word that is asked for, whether any text holds it or not: which texts do, and
            how often. Shape (h,) each.
        lengths: How many words each text has. Shape (n,).
        eligible: Shape (n,).

    Returns:
        Shape (n,), 0 where no word is shared, or the text is not eligible; and that of a text of
        mean length which holds every word once.

    Source:
        Robertson & Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009; the
        logarithm's 1 + is Lucene's, so that no word counts against a text.
    """
    total, many = np.zeros(len(eligible)), int(np.count_nonzero(eligible))
    words = int(np.sum(lengths, where=eligible, dtype=np.int64))
    if not words:
        return total, 0.0
    mean, whole = words / many, 0.0
    for places, counts in held:
        at, often = places, counts
        if many < len(eligible):
            is_asked = eligible[places]
            at, often = places[is_asked], counts[is_asked]
        rarity = math.log1p((many - len(at) + 0.5) / (len(at) + 0.5))
        whole += rarity
        if len(at):
            # A text holds a word once: none is lost.
            total[at] += (_SATURATION + 1) * rarity * _fullness(often, lengths[at], mean)
    return total, whole


def _fullness(
    counts: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int32], mean: float
) -> Numbers:
    """How much of a word's weight each of the texts that hold it gets, in (0, 1). Shape (h,)."""
    often = counts.astype(np.float64)
    damped = lengths * (_SATURATION * _LENGTH_SHARE / mean)
    damped += _SATURATION * (1 - _LENGTH_SHARE)
    damped += often
    often /= damped
    is_long = lengths > _LONG
    if is_long.any():
        often[is_long] /= np.sqrt(lengths[is_long] / _LONG)
    return often
