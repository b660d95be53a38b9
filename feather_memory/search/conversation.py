"""The ranking of what was said in conversations, or then, or liked for such a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from feather_memory.config import GATHER_SHARE
from feather_memory.model.formula import Parts
from feather_memory.model.structure import Said, terms
from feather_memory.search.ranking import Ranking
from feather_memory.types import Mask, Numbers, Positions


@dataclass(frozen=True, slots=True)
class _Scored:
    """The memories at some positions, all that may be returned among them, scored at once."""

    at: Positions
    """Ascending. Shape (m,)."""
    parts: Parts
    values: Numbers
    """Their scores, −inf for what may not be returned. Shape (m,)."""


@dataclass(slots=True)
class ConversationRanking(Ranking):
    """A Ranking in which neighbours, sessions, speakers, manner, likes and times count.

    All that may be returned is scored, for each needs its neighbours and the best of its session.
    Cosines are in single precision.
    """

    said: Said = field(kw_only=True)
    """Who said the memories, and beside what."""
    spoken: Mask | None = None
    """What the only speaker whom the question names said. Shape (n,)."""
    liked: Numbers | None = None
    """How much each was liked for questions like this one, in [0, 1]. Shape (n,)."""
    _scored: _Scored | None = None

    def _near(self, k: int, allowed: int) -> Positions:
        scored = self._all_scored()
        if k >= allowed:
            return scored.at[np.flatnonzero(scored.values > -np.inf)]
        kth_best = np.partition(scored.values, -k)[-k]
        return scored.at[np.flatnonzero(scored.values >= kth_best)]

    def place(self, position: int) -> int:
        """As `Ranking.place`."""
        scored = self._all_scored()
        mine = scored.values[np.searchsorted(scored.at, position)]
        ahead = np.count_nonzero(scored.values > mine)
        ahead += np.count_nonzero((scored.values == mine) & (scored.at > position))
        return 1 + int(ahead)

    def _exact(self, positions: Positions | Sequence[int]) -> Numbers:
        scored = self._all_scored()
        at = np.searchsorted(scored.at, np.asarray(positions, np.intp))
        return scored.parts.at(at).rows(*self._weighed)

    def _all_scored(self) -> _Scored:
        """All that may be returned; without the rest where that is most."""
        if self._scored is not None:
            return self._scored
        n, allowed = len(self.view.rows), int(np.count_nonzero(self.eligible))
        if allowed < GATHER_SHARE * n:
            at = np.flatnonzero(self.eligible)
            said, eligible = self.said.among(at), np.ones(allowed, np.bool_)
            cosines = self._cosines(at)
        else:
            at, said, eligible = np.arange(n), self.said, self.eligible
            cosines = self._cosines(None)
        parts = self._parts(at, cosines)
        spoken = None if self.spoken is None else self.spoken[at]
        liked = None if self.liked is None else self.liked[at]
        then = self._then(at)
        brevity = self.view.words.brevity()[at]
        own = parts.own(self.question.dense_weight)
        added = terms(own, said, spoken, eligible, liked, brevity, then)
        parts = replace(parts, terms=added)
        values = np.where(eligible, parts.values(*self._weighed), -np.inf)
        self._scored = _Scored(at, parts, values)
        return self._scored
