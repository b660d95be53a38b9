"""The ranking of many memories without looking at each: candidates first, then a proof.

Bounds on what has not been looked at say when nothing unseen could still be among the best. Where
they say it of too little, all is scanned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feather_memory.config import GATHER_SHARE, HNSW_RIVALS, SKETCH_RIVALS
from feather_memory.index.sketch import Drawn
from feather_memory.search.ranking import Ranking, contenders
from feather_memory.types import Positions, Vector

_CANDIDATES = (256, 1_024)  # asked of the index, one after the other; then all are scanned
_FIRST = 32  # of the highest bounds, looked at for the best cosine before the others
_LOWEST = np.finfo(np.float32).min
_FURTHER = 256  # of more rivals than that so many are looked at before the others
_SEEDS = 64  # looked at first after a scan of sketches: enough that the best k are nearly all there


@dataclass(slots=True)
class CertifiedRanking(Ranking):
    """A Ranking by way of sketches, or of an approximate index, where the View has them."""

    def _near(self, k: int) -> Positions:
        n, drawn = len(self.view.rows), self.view.lineage.sketch.drawn
        scanned = 1.0 if drawn is None else drawn.dim / len(drawn.axes)  # of a row's numbers
        if self.allowed < GATHER_SHARE * scanned * n:
            return self._contenders(np.flatnonzero(self.eligible), k)
        if (near := self._proposed(k)) is not None:
            return near
        if drawn is not None and (near := self._sketched(drawn, k)) is not None:
            return near
        return self._scanned(k)

    def _proposed(self, k: int) -> Positions | None:
        """Memories among which the k best are, by way of the approximate index; None without it.

        No memory it has not proposed should be nearer than the worst candidate, and if many could
        be among the best although they are as far as that, more candidates lower the bound.
        """
        asked, view = self.question, self.view
        near = view.lineage.approximation
        if asked.vector is None or near.index is None:
            return None
        for m in _CANDIDATES:
            found = near.near(asked.vector, max(m, 4 * k), len(view.rows))
            if found is None:
                return None
            positions, floor = found
            positions = positions[self.eligible[positions]]
            if not len(positions) or view.matrix is None:
                return None
            self._settle(view.matrix.products_at(asked.vector, positions), positions)
            highest = float(self.scale.most(np.array([floor]))[0])
            possible = self._shut_out(self._ceiling(highest))
            certain = self._certified(positions, possible, k, HNSW_RIVALS, self._slack)
            if certain is not None:
                return certain
        return None

    def _sketched(self, drawn: Drawn, k: int) -> Positions | None:
        """Memories among which the k best are, by way of the sketches of their vectors.

        None where no vector is asked, and where sketches leave too many memories in question.
        """
        asked, n = self.question, len(self.view.rows)
        seeds = max(_SEEDS, 4 * k)
        if asked.vector is None or seeds > SKETCH_RIVALS * n:
            return None
        bounds = drawn.bounds(asked.vector, n)
        if self._scale is None and not self._settled_within(bounds, drawn.slack):
            return None
        scale = self.scale
        bounds = (scale.similarity_of if scale.is_plain else scale.most)(bounds, out=bounds)
        possible = self._shut_out(self._ceiling(bounds, out=bounds))
        promising = contenders(possible, seeds)[:seeds]  # of equals, any will do
        return self._certified(promising, possible, k, SKETCH_RIVALS, self._slack + drawn.slack)

    def _certified(
        self, seen: Positions, possible: Vector, k: int, most: float, slack: float
    ) -> Positions | None:
        """Memories among which the k best are for certain; None where that is to look at many.

        Every memory's recency, importance and words are known, so each has a best possible score,
        given a bound on its similarity. The k best of those seen are k scores that the best k do
        not fall below; whatever could reach them is looked at, too.

        Args:
            seen: Eligible memories.
            possible: No unseen memory has a higher score, shape (n,). Written to.
            k: How many are wanted.
            most: Share of all memories up to which looking at them pays.
            slack: How far rounding may have set scores and bounds apart.
        """
        if len(seen) < k:
            return None
        values = self._quick_scores(seen)
        possible[seen] = -np.inf
        rivals = np.flatnonzero(possible >= np.partition(values, -k)[-k] - slack)
        if len(rivals) > _FURTHER:  # the best of them raise what the others have to reach
            first = np.argpartition(possible[rivals], -_FURTHER)[-_FURTHER:]
            further, rivals = rivals[first], np.delete(rivals, first)
            seen = np.concatenate([seen, further])
            values = np.concatenate([values, self._quick_scores(further)])
            rivals = rivals[possible[rivals] >= np.partition(values, -k)[-k] - slack]
        if len(rivals) > most * len(possible):
            return None
        seen = np.concatenate([seen, rivals])
        values = np.concatenate([values, self._quick_scores(rivals)])
        return seen[contenders(values, k, self._slack)]

    def _settled_within(self, bounds: Vector, slack: float) -> bool:
        """Settle the scale by bounds that no cosine exceeds; False where that is to look at many.

        The best is among the few whose bounds the best so far does not reach.

        Args:
            bounds: Shape (n,).
            slack: How far rounding may have set a bound too low.
        """
        query, matrix, asked = self.question.vector, self.view.matrix, self.question
        if query is None or matrix is None:
            return False
        if asked.scale is not None or not asked.scoring.scaled:
            self._settle(None, None)
            return True
        most = bounds if self.allowed == len(bounds) else np.where(self.eligible, bounds, _LOWEST)
        first = contenders(most, _FIRST)[:_FIRST]
        best = float(matrix.products_at(query, first).max(initial=-1.0))
        rivals = np.flatnonzero(most > best - slack)
        if len(rivals) > SKETCH_RIVALS * len(bounds):
            return False
        found = matrix.products_at(query, np.concatenate([first, rivals]))
        self._settle(found, rivals)
        return True
