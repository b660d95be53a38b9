"""The ranking of what was said in conversations, or then, or liked for such a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from feather_memory.config import GATHER_SHARE
from feather_memory.model.formula import Parts
from feather_memory.model.structure import Said, terms
from feather_memory.search.ranking import Ranking
from feather_memory.types import Mask, Numbers, Positions, Vector


@dataclass(frozen=True, slots=True)
class _Scored:
    """The memories at some positions, all that may be returned among them, scored at once."""

    at: Positions
    """Ascending. Shape (m,)."""
    said: Said
    """Of these."""
    eligible: Mask
    """Which of them may be returned."""
    cosines: Vector | None
    """None where no vectors are compared."""
    is_sure: Mask | None
    """Whose cosines were taken here; None for all."""
    parts: Parts
    values: Numbers
    """Their scores, −inf for what may not be returned. Shape (m,)."""


@dataclass(slots=True)
class ConversationRanking(Ranking):
    """A Ranking in which neighbours, sessions, speakers, manner, likes and times count.

    All that may be returned is scored, for each needs its neighbours and the best of its session.
    Cosines are in single precision. Where the truth told them, what a score hangs on is taken here.
    """

    said: Said = field(kw_only=True)
    """Who said the memories, and beside what."""
    spoken: Mask | None = None
    """What the only speaker whom the question names said. Shape (n,)."""
    liked: Numbers | None = None
    """How much each was liked for questions like this one, in [0, 1]. Shape (n,)."""
    _scored: _Scored | None = None

    def _near(self, k: int) -> Positions:
        scored = self._all_scored()
        if k >= self.allowed:
            return scored.at[np.flatnonzero(scored.values > -np.inf)]
        if scored.is_sure is not None:
            kth_best = np.partition(scored.values, -k)[-k]
            scored = self._surely_scored(scored.values >= kth_best - self._slack)
        kth_best = np.partition(scored.values, -k)[-k]
        return scored.at[np.flatnonzero(scored.values >= kth_best)]

    def place(self, position: int) -> int:
        """As `Ranking.place`."""
        scored = self._all_scored()
        mine = scored.values[np.searchsorted(scored.at, position)]
        if scored.is_sure is not None:
            scored = self._surely_scored(abs(scored.values - mine) <= self._slack)
            mine = scored.values[np.searchsorted(scored.at, position)]
        ahead = np.count_nonzero(scored.values > mine)
        ahead += np.count_nonzero((scored.values == mine) & (scored.at > position))
        return 1 + int(ahead)

    def rows_at(self, positions: Positions | Sequence[int]) -> Numbers:
        """As `Ranking.rows_at`."""
        scored = self._all_scored()
        at = np.searchsorted(scored.at, np.asarray(positions, np.intp))
        if scored.is_sure is not None:
            wanted = np.zeros(len(scored.at), np.bool_)
            wanted[at] = True
            scored = self._surely_scored(wanted)
        return scored.parts.at(at).rows(*self._weighed)

    def _all_scored(self) -> _Scored:
        """All that may be returned; without the rest where that is most."""
        if self._scored is not None:
            return self._scored
        n, allowed = len(self.view.rows), self.allowed
        if allowed < GATHER_SHARE * n:
            at = np.flatnonzero(self.eligible)
            said, eligible = self.said.among(at), np.ones(allowed, np.bool_)
            cosines = self._cosines(at)
        else:
            at, said, eligible = np.arange(n), self.said, self.eligible
            cosines = self._cosines(None)
        matrix, is_sure = self.view.matrix, None
        if cosines is not None and matrix is not None and matrix.is_rounded:
            is_sure = np.zeros(len(at), np.bool_)
        self._scored = self._scored_by(at, said, eligible, cosines, is_sure)
        return self._scored

    def _scored_by(
        self,
        at: Positions,
        said: Said,
        eligible: Mask,
        cosines: Vector | None,
        is_sure: Mask | None,
    ) -> _Scored:
        parts = self._parts(at, cosines)
        spoken = None if self.spoken is None else self.spoken[at]
        liked = None if self.liked is None else self.liked[at]
        then = self._then(at)
        brevity = self.view.words.brevity()[at]
        own = parts.own(self.question.dense_weight)
        added = terms(own, said, spoken, eligible, liked, brevity, then)
        parts = replace(parts, terms=added)
        values = np.where(eligible, parts.values(*self._weighed), -np.inf)
        return _Scored(at, said, eligible, cosines, is_sure, parts, values)

    def _surely_scored(self, wanted: Mask) -> _Scored:
        """All, where the scores of those that are wanted hang on no cosine that is rounded.

        Args:
            wanted: Of those in `_all_scored`. Shape (m,).
        """
        scored, query, matrix = self._all_scored(), self.question.vector, self.view.matrix
        if scored.is_sure is None or scored.cosines is None or query is None or matrix is None:
            return scored
        missing = np.flatnonzero(self._counting_for(wanted, scored) & ~scored.is_sure)
        if len(missing):
            cosines, is_sure = scored.cosines.copy(), scored.is_sure.copy()
            cosines[missing] = matrix.sure_at(query, scored.at[missing])
            is_sure[missing] = True
            self._scored = self._scored_by(
                scored.at, scored.said, scored.eligible, cosines, is_sure
            )
        return self._scored or scored

    def _counting_for(self, wanted: Mask, scored: _Scored) -> Mask:
        """Which memories' cosines some scores hang on.

        Their own, those of what may be the best of their sessions, and of the neighbours of all.
        """
        said, added, counting = scored.said, scored.parts.terms, wanted & scored.eligible
        if added is not None and len(said.starts):
            level = scored.parts.own(self.question.dense_weight) + added.total()
            level -= added.session + added.liked + added.period
            among = np.where(scored.eligible, level, 0.0)[said.order]
            sizes = np.diff(said.starts, append=len(said.order))
            best = np.repeat(np.maximum.reduceat(among, said.starts), sizes)
            concerns = np.logical_or.reduceat(counting[said.order], said.starts)
            counting[said.order[np.repeat(concerns, sizes) & (among >= best - self._slack)]] = True
        for beside in (said.before[counting], said.after[counting]):
            counting[beside[beside >= 0]] = True
        return counting & scored.eligible
