"""Which of the memories near a query are unlike each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from feather_memory import Memory

    Vectors = npt.NDArray[np.float64]


def vector_of(memory: Memory, dim: int) -> Vectors:
    """The memory's vector, shape (dim,); zeros if it has none."""
    return np.zeros(dim) if memory.vector is None else memory.vector.astype(np.float64)


def diverse(query: Vectors, candidates: Vectors, k: int, *, relevance_share: float) -> list[int]:
    """Which candidates to take, first to last.

    Each step takes the candidate that is best by::

        relevance_share · cos(query, c) − (1 − relevance_share) · max over taken t of cos(c, t)

    Args:
        query: Shape (dim,).
        candidates: Shape (n, dim). A zero row is unlike everything.
        k: At most as many are taken.
        relevance_share: In [0, 1]; LangChain's `lambda_mult`. 1 is plain nearness.

    Source:
        Carbonell & Goldstein 1998. Of equals the first wins.
    """
    rows = _unit(candidates)  # (n, dim)
    nearness = rows @ _unit(query[None, :])[0]  # (n,)
    alike = np.full(len(rows), -np.inf)  # (n,)  cosine to the most similar one taken
    left = np.ones(len(rows), np.bool_)  # (n,)
    taken: list[int] = []
    while len(taken) < min(k, len(rows)):
        penalty = alike if taken else np.zeros(len(rows))
        value = relevance_share * nearness - (1 - relevance_share) * penalty  # (n,)
        best = int(np.argmax(np.where(left, value, -np.inf)))
        taken.append(best)
        left[best] = False
        np.maximum(alike, rows @ rows[best], out=alike)
    return taken


def _unit(rows: Vectors) -> Vectors:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)  # (n, 1)
    return rows / np.where(lengths > 0, lengths, 1.0)
