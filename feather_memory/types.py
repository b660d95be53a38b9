"""The names that signatures share: vectors, times, and the functions a caller brings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Vector: TypeAlias = npt.NDArray[np.float32]
"""Single precision. Shape (dim,) for one memory, (n, dim) for many."""

Numbers: TypeAlias = npt.NDArray[np.float64]
"""Double precision, one number a memory. Shape (n,)."""

Mask: TypeAlias = npt.NDArray[np.bool_]
"""Which memories. Shape (n,)."""

Positions: TypeAlias = npt.NDArray[np.intp]
"""Where memories stand in the arrays of a View. Shape (m,)."""

Seconds: TypeAlias = float
"""A moment as Unix time in UTC, or a duration."""

When: TypeAlias = datetime | float
"""A moment as callers give it: a timezone-aware datetime, or Unix seconds."""

Clock: TypeAlias = Callable[[], Seconds]
"""Tells the time as Unix seconds. `time.time` unless another is given."""

Embedder: TypeAlias = Callable[[list[str]], Any]
"""Texts to vectors: anything numpy can read as shape (len(texts), dim)."""

VectorLike: TypeAlias = Sequence[float] | npt.NDArray[Any]
"""One vector as callers give it."""
