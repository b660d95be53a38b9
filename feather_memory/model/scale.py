"""Between which cosines a question's similarities lie: the same ranking whatever the embedder.

Cosines of one model lie between 0 and 0.6, those of another between 0.7 and 0.9. What is usual in
the store counts as nothing in common, and the question's best as all of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from feather_memory.types import Numbers, Vector

Floats = TypeVar("Floats", Vector, Numbers)

NARROWEST: Final = 0.1
"""A scale is at least so wide: where all cosines are alike, their differences say little."""

_SPREAD: Final = 2.5  # standard deviations: of some 600 cosines the least lies about there
_STEP: Final = 0.01  # on a grid, so that rounding elsewhere does not move a whole scale


@dataclass(frozen=True, slots=True)
class Scale:
    """What is usual and what is best for one question: its similarities lie between.

    Merged stores are read by one scale, so that their hits compare.
    """

    low: float = 0.0
    """The cosine that counts as nothing in common."""
    best: float = 1.0
    """The highest cosine of those that may be returned."""
    words: float = 0.0
    """The highest BM25 of those; 0 where no word is shared."""

    @property
    def stretch(self) -> float:
        """What a cosine's distance from `low` is multiplied by, in [½, 10]."""
        return 1.0 / max(self.best - self.low, NARROWEST)

    def similarity_of(self, cosine: Floats, *, out: Floats | None = None) -> Floats:
        """The cosine on this scale, in [0, 1]. `out` may be `cosine` itself.

        On the plain scale it is max(0, cosine): what points away is as unrelated as what is
        orthogonal. Also takes off the 1e-7 by which a rounded cosine exceeds 1.
        """
        scaled: Floats
        if self.low == 0.0 and self.best == 1.0:
            scaled = np.clip(cosine, 0.0, 1.0, out=out)
            return scaled
        scaled = np.subtract(cosine, cosine.dtype.type(self.low), out=out)
        np.multiply(scaled, cosine.dtype.type(self.stretch), out=scaled)
        np.clip(scaled, 0.0, 1.0, out=scaled)
        return scaled

    def joined(self, other: Scale) -> Scale:
        """One scale for two stores."""
        return Scale(
            low=min(self.low, other.low),
            best=max(self.best, other.best),
            words=max(self.words, other.words),
        )


PLAIN: Final = Scale()
"""That of `Scoring(scaled=False)`: the cosine as it is."""


def low_of(cosines: Vector) -> float:
    """The cosine that counts as nothing in common, by the cosines of a sample of the store.

    2.5 standard deviations below the mean, rounded down to 0.01. As good as the least of all
    cosines (LoCoMo recall@10 within 0.1 points), and an outlier does not move it. Memories
    without a vector, whose cosine is 0, are left out.

    Args:
        cosines: Shape (m,).
    """
    told = cosines[cosines != 0].astype(np.float64)
    if not len(told):
        return 0.0
    mean = float(told.sum()) / len(told)
    spread = math.sqrt(max(0.0, float(told @ told) / len(told) - mean * mean))
    return max(-1.0, math.floor((mean - _SPREAD * spread) / _STEP) * _STEP)
