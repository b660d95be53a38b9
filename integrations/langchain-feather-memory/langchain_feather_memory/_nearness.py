"""Which memories are near a vector, and which of those are unlike each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from feather_memory import Scoring

if TYPE_CHECKING:
    import numpy.typing as npt

    from feather_memory import Filter, Memory, Store

    Vectors = npt.NDArray[np.float64]

_SIMILARITY_ALONE: Final = Scoring(time_weight=0, importance_weight=0, dense_weight=1)


def nearest(
    store: Store, vector: list[float], k: int, where: Filter | None
) -> list[tuple[Memory, float]]:
    """The k nearest current memories with their cosine in [−1, 1], nearest first.

    The store ranks by max(0, cosine), so memories that point away from the query are equals
    to it. Only where they are needed to fill k are all looked at, to order them as well.
    """

    def ask(count: int) -> list[tuple[Memory, float]]:
        hits = store.search(vector=vector, k=count, where=where, scoring=_SIMILARITY_ALONE)
        return [(hit.memory, hit.score.similarity) for hit in hits]

    found = ask(k)
    if not found or found[-1][1] > 0:
        return found
    if len(found) == k:
        found = ask(max(k, len(store)))
    exact = [(memory, cosine or _cosine(vector, memory)) for memory, cosine in found]
    return sorted(exact, key=lambda pair: -pair[1])[:k]


def vector_of(memory: Memory, dim: int) -> Vectors:
    """The memory's vector, shape (dim,); zeros if it has none."""
    return np.zeros(dim) if memory.vector is None else memory.vector.astype(np.float64)


def _cosine(query: list[float], memory: Memory) -> float:
    asked = np.asarray(query, np.float64)
    kept = vector_of(memory, len(asked))
    lengths = float(np.linalg.norm(asked) * np.linalg.norm(kept))
    return max(-1.0, min(1.0, float(asked @ kept) / lengths)) if lengths else 0.0


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
