"""Which question each like answered: a like remembers it, for questions that are like it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from feather_memory.index.matrix import unit
from feather_memory.index.positions import positions_in
from feather_memory.model.structure import remembered
from feather_memory.types import Numbers, Positions, Vector


@dataclass(frozen=True, slots=True)
class Liked:
    """The likes of a View, with their questions' vectors. They never change."""

    at: Positions
    """Which memory each is of. Shape (m,)."""
    strength: Numbers
    """In (0, 1]. Shape (m,)."""
    asked: Vector
    """Of unit length. Shape (m, dim)."""

    @classmethod
    def told(
        cls, rows: npt.NDArray[np.int64], likes: Iterable[tuple[int, float, bytes]]
    ) -> Self | None:
        """Those of the memories in these rows; None where there are none.

        Args:
            rows: Of a View.
            likes: Row of the memory, strength, and the question's vector of each, all of a length.
        """
        if not (given := list(likes)):
            return None
        row = np.array([row for row, *_ in given], np.int64)
        known = np.isin(row, rows)
        if not known.any():
            return None
        vectors = np.frombuffer(b"".join(vector for *_, vector in given), "<f4")
        return cls(
            positions_in(rows, row[known]),
            np.array([strength for _, strength, _ in given])[known],
            unit(vectors.reshape(len(given), -1)[known]),
        )

    def without(self, at: Positions) -> Liked | None:
        """Those of other memories than the ones at some positions; None where there are none."""
        kept = ~np.isin(self.at, at)
        if kept.all():
            return self
        return Liked(self.at[kept], self.strength[kept], self.asked[kept]) if kept.any() else None

    def joined(self, others: Liked) -> Liked:
        """Those and others, of other memories: in the order of the memories."""
        at = np.concatenate([self.at, others.at])
        order = np.argsort(at, kind="stable")
        strength = np.concatenate([self.strength, others.strength])
        return Liked(at[order], strength[order], np.concatenate([self.asked, others.asked])[order])

    def of(self, query: Vector, n: int) -> Numbers | None:
        """How much each of n memories was liked for questions like this one, in [0, 1].

        None where none was.
        """
        if self.asked.shape[1] != len(query):
            return None
        weight: Numbers = self.strength * remembered((self.asked @ query).astype(np.float64))
        if not (weight > 0).any():
            return None
        most = np.zeros(n)
        np.maximum.at(most, self.at, weight)
        return most
