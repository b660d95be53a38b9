"""Which of the memories near a query are unlike each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from feather_memory.errors import ParameterError, quoted
from feather_memory.model.memory import Memory

Rows = npt.NDArray[np.float64]


def vectors_of(memories: Sequence[Memory], dim: int) -> Rows:
    """The memories' vectors, shape (n, dim); a row of zeros for one that has none."""
    rows = np.zeros((len(memories), dim))
    for row, memory in zip(rows, memories, strict=True):
        if memory.vector is not None:
            row[:] = memory.vector
    return rows


def diverse(query: Rows, candidates: Rows, k: int, *, relevance_share: float) -> list[int]:
    """Which candidates to take, first to last: near the query, and unlike each other.

    Each step takes the candidate that is best by::

        relevance_share · cos(query, c) − (1 − relevance_share) · max over taken t of cos(c, t)

    Args:
        query: Shape (dim,).
        candidates: Shape (n, dim). A row of zeros has cosine 0 to everything: it is unlike all.
        k: At most as many are taken.
        relevance_share: In [0, 1]; 1 is plain nearness.

    Raises:
        ParameterError: `relevance_share` is outside its range.

    Source:
        Carbonell & Goldstein 1998. Of equals the first wins.
    """
    if not 0 <= relevance_share <= 1:
        raise ParameterError(f"relevance_share must be in [0, 1], got {quoted(relevance_share)}")
    rows = _unit(candidates)  # (n, dim)
    nearness = rows @ _unit(query[None, :])[0]  # (n,)
    alike = np.full(len(rows), -np.inf)  # (n,)  cosine to the most similar one taken
    left = np.ones(len(rows), np.bool_)  # (n,)
    taken: list[int] = []
    while len(taken) < min(k, len(rows)):
        penalty = alike if taken else np.zeros(len(rows))  # (n,)
        value = relevance_share * nearness - (1 - relevance_share) * penalty  # (n,)
        best = int(np.argmax(np.where(left, value, -np.inf)))
        taken.append(best)
        left[best] = False
        np.maximum(alike, rows @ rows[best], out=alike)
    return taken


def diverse_by_direction(
    query: Rows, candidates: Rows, k: int, *, relevance_share: float
) -> list[int]:
    """As `diverse`, among the candidates that have a direction; where too few do, then the others.

    Those whose row is zeros come last, in their order: they are unlike all only by default.
    """
    with_direction = candidates.any(axis=1)  # (n,)
    placed, others = np.flatnonzero(with_direction), np.flatnonzero(~with_direction)
    chosen = diverse(query, candidates[placed], k, relevance_share=relevance_share)
    return [*placed[chosen].tolist(), *others.tolist()][:k]


def _unit(rows: Rows) -> Rows:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)  # (n, 1)
    return rows / np.where(lengths > 0, lengths, 1.0)
