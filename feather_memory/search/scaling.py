"""How a question's scale is settled: by what is usual in the store, and by the best found."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from feather_memory.config import SCALE_SAMPLE, SKETCH_RIVALS
from feather_memory.index.view import View
from feather_memory.model.scale import PLAIN, Scale, low_of
from feather_memory.search.contenders import contenders
from feather_memory.search.question import Question
from feather_memory.types import Mask, Positions, Vector

_FIRST = 8  # of the highest bounds, looked at for the best cosine before the others
_LOWEST = np.finfo(np.float32).min


@dataclass(slots=True)
class Scaling:
    """The scale of one question over a View, once it is settled."""

    view: View
    question: Question
    eligible: Mask
    """Shape (n,)."""
    words: float
    """The highest BM25 of those."""
    scale: Scale | None = None
    """None until the best cosine is known."""

    def __post_init__(self) -> None:
        if self.question.scale is not None:
            self.scale = self.question.scale
        elif not self.question.scoring.scaled:
            self.scale = replace(PLAIN, words=self.words)

    def settle(self, cosines: Vector | None, pool: Positions | None) -> None:
        """By the cosines of a pool with all that is eligible, and nothing else, or of all.

        Args:
            cosines: Of the pool, or of all memories; None where no vectors are compared.
            pool: None for all.
        """
        if self.scale is not None:
            return
        if cosines is None:
            self.scale = Scale(0.0, 0.0, self.words)
            return
        is_every = pool is not None or bool(self.eligible.all())
        among = cosines if is_every else cosines[self.eligible]
        usual = self._usual() if pool is not None else cosines[self._sample()]
        self._settled(usual, float(among.max(initial=-1.0)))

    def settle_within(self, bounds: Vector, slack: float, allowed: int) -> bool:
        """By bounds that no cosine exceeds; False where that is to look at many.

        The best is among the few whose bounds the best so far does not reach.

        Args:
            bounds: Shape (n,).
            slack: How far rounding may have set a bound too low.
            allowed: How many are eligible.
        """
        query, matrix = self.question.vector, self.view.matrix
        if self.scale is not None or query is None or matrix is None:
            return self.scale is not None
        most = bounds if allowed == len(bounds) else np.where(self.eligible, bounds, _LOWEST)
        first = contenders(most, _FIRST)[:_FIRST]
        best = float(matrix.products_at(query, first).max(initial=-1.0))
        rivals = np.flatnonzero(most > best - slack)
        if len(rivals) > SKETCH_RIVALS * len(bounds):
            return False
        best = max(best, float(matrix.products_at(query, rivals).max(initial=-1.0)))
        self._settled(self._usual(), best)
        return True

    def _settled(self, usual: Vector, best: float) -> None:
        self.scale = Scale(low_of(usual), best, self.words)

    def _sample(self) -> Positions:
        """The first memories that are there: what is usual in the store is told by them."""
        live = self.view.until[: 2 * SCALE_SAMPLE] > -np.inf
        return np.flatnonzero(live)[:SCALE_SAMPLE]

    def _usual(self) -> Vector:
        """The cosines of that sample."""
        query, matrix = self.question.vector, self.view.matrix
        if query is None or matrix is None:
            return np.empty(0, np.float32)
        return matrix.products_at(query, self._sample())
