"""Which of many scores the k best are among: found without sorting any."""

from __future__ import annotations

import numpy as np

from feather_memory.types import Positions, Vector

_BLOCK = 64  # scores in a group, of which the best stands for all
_FEW = 2_048  # scores that are partitioned as fast as grouped
_LOWEST = np.finfo(np.float32).min


def contenders(scores: Vector, k: int, slack: float = 0.0) -> Positions:
    """Every position whose score is at least the k-th best minus `slack`.

    The k-th best is first bounded from below: the scores are split into w groups, and the k-th
    largest of the groups' maxima cannot exceed it, because k different positions reach it. Only
    the few positions above that bound are then partitioned::

        bound = k-th largest group maximum − slack ≤ k-th best score − slack

    Args:
        scores: Shape (n,), without NaN. −inf marks what may not be returned.
        k: How many are wanted, ≥ 0.
        slack: How far below the k-th best still counts, ≥ 0. See `slack_for`.

    Returns:
        Positions in ascending order: at least k of them, or all eligible ones if there are fewer.

    >>> contenders(np.array([0.1, 0.9, -np.inf, 0.8, 0.79], np.float32), k=2, slack=0.05)
    array([1, 3, 4])
    """
    if k <= 0 or scores.size == 0:
        return np.empty(0, np.intp)
    positions = np.flatnonzero(scores >= _at_least(_lower_bound(scores, k), slack))  # (≥k,) or all
    if positions.size <= k:
        return positions
    shortlist = scores[positions]  # (≥k,)  every score that could be among the k best
    kth_best = np.partition(shortlist, -k)[-k]
    return positions[shortlist >= _at_least(float(kth_best), slack)]


def _lower_bound(scores: Vector, k: int) -> float:
    """A score that at least k positions reach; −inf if the k best are not all eligible."""
    if k >= scores.size:
        return -np.inf
    block = min(_BLOCK, scores.size // (4 * k))  # ≥ 4k groups keep the bound close
    if block < 2 or scores.size <= _FEW:
        return float(np.partition(scores, -k)[-k])
    width = scores.size // block
    # Group j is every width-th position: the maximum then runs along contiguous rows, which is
    # some ten times faster than along groups of neighbours. The remainder may stay out.
    maxima = scores[: width * block].reshape(block, width).max(axis=0)  # (width,)
    return float(np.partition(maxima, -k)[-k])


def _at_least(bound: float, slack: float) -> np.float32:
    """The smallest finite float32 that is not below `bound − slack`."""
    exact = max(bound - slack, float(_LOWEST))  # finite: −inf is never at least this
    near = np.float32(exact)
    return near if float(near) >= exact else np.nextafter(near, np.float32(np.inf))
