"""Where things stand in arrays that ascend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from feather_memory.types import Positions


def positions_in(
    rows: npt.NDArray[np.int64], wanted: Sequence[int] | npt.NDArray[np.int64]
) -> Positions:
    """Where the wanted rows stand among ascending ones; those that are not there are left out."""
    asked = np.asarray(wanted, np.int64)
    if not len(rows):
        return np.empty(0, np.intp)
    found = np.minimum(np.searchsorted(rows, asked), len(rows) - 1)
    return np.asarray(found[rows[found] == asked], np.intp)


def spans(first: npt.NDArray[np.integer], last: npt.NDArray[np.integer]) -> Positions:
    """All numbers of some spans [first, last), one span after the other."""
    lengths = last - first
    total = int(lengths.sum())
    if not total:
        return np.empty(0, np.intp)
    begins = np.cumsum(lengths) - lengths  # where each span begins in the answer
    return np.asarray(np.arange(total) + np.repeat(first - begins, lengths), np.intp)


def distinct(numbers: Positions) -> Positions:
    """Each of the numbers once, ascending: as `np.unique`, whose first call imports numpy.ma."""
    ascending = np.sort(numbers)
    is_new = np.ones(len(ascending), np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=is_new[1:])
    return ascending[is_new]
