"""What the memories that a walk meets score by their own merit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from feather_memory.model.scoring import Score
from feather_memory.search.ranking import Ranking
from feather_memory.types import Numbers


@dataclass(slots=True)
class Merits:
    """By one ranking."""

    ranking: Ranking
    _rows: dict[int, Numbers] = field(default_factory=dict)

    def values(self, places: Collection[int]) -> dict[int, float]:
        """The scores of those that may be returned, by position."""
        at = np.fromiter(places, np.intp, len(places))
        at = at[self.ranking.eligible[at]]
        rows = self.ranking.rows_at(at)
        self._rows.update(zip(at.tolist(), rows, strict=True))
        return dict(zip(at.tolist(), rows[:, 0].tolist(), strict=True))

    def scores(self, places: Sequence[int]) -> dict[int, Score]:
        """What a caller is shown of some of them, by position."""
        if not places:
            return {}
        rows = np.array([self._rows[at] for at in places])
        return dict(zip(places, self.ranking.scores_of(rows), strict=True))
