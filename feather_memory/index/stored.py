"""Vectors that stay in the truth, which compares them: of tenants too large for a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from feather_memory.errors import StoreAccessError
from feather_memory.index.matrix import Matrix, unit
from feather_memory.truth.contract import ReadTransaction
from feather_memory.truth.nouns import Comparing
from feather_memory.types import Numbers, Positions, Rows, Vector

_FEW: Final = 1_024
"""Rows that are brought to be compared here; of more the truth tells the products."""

_KEPT: Final = 4_096
"""Rows that were brought for a question, and are held until it is answered."""

_SHARE: Final = 4
"""One row in so many is asked for by its number; of more all are told."""


class StoredMatrix(Matrix):
    """Unit-length rows of which only the count is here, and the first ones once they are asked for.

    It answers by way of an `AskedMatrix`, which has a transaction.
    """

    is_rounded = True

    def __init__(self, dim: int) -> None:
        """Without a row."""
        super().__init__(dim)
        self.slack *= 2  # the truth's products are as far off as those taken here
        self.sampled = np.empty(0, np.intp), np.empty((0, dim), np.float32)
        """Some positions, and the rows there, of unit length. Replaced whole."""


class AskedMatrix(Matrix):
    """The rows of a `StoredMatrix`, for one question.

    The truth sums a product's numbers in an order of its own. So what an answer hangs on is taken
    here, of rows that are brought for it: from these on all is as if every row were here.
    """

    is_rounded = True

    def __init__(
        self, stored: StoredMatrix, begin: Callable[[], ReadTransaction], rows: Rows
    ) -> None:
        """For a question.

        Args:
            stored: What is asked.
            begin: Gives a transaction of the moment at which it is asked.
            rows: Of the memories, by position. Shape (n,).
        """
        super().__init__(stored.dim)
        self.slack = stored.slack
        self._stored, self._begin, self._rows = stored, begin, rows
        self._held: dict[int, Vector] = {}
        self._told: tuple[bytes, Vector] | None = None

    @property
    def _comparing(self) -> Comparing:
        comparing = self._begin().comparing
        if comparing is None:  # others have made its tables anew since
            raise StoreAccessError("the database compares no vectors any more: open it again")
        return comparing

    def products(self, query: Vector, n: int, out: Vector | None = None) -> Vector:
        """The product of the first n rows with the query, by the truth. Shape (n,)."""
        if self._told is None or self._told[0] != query.tobytes() or len(self._told[1]) != n:
            self._told = (query.tobytes(), self._compared(query, self._rows[:n], is_every=True))
        result = np.empty(n, np.float32) if out is None else out
        np.copyto(result, self._told[1])
        return result

    def products_at(self, query: Vector, positions: Positions) -> Vector:
        """The product of the rows at `positions`, ascending: by the truth where they are many."""
        if len(positions) <= _FEW:
            return self.sure_at(query, positions)
        rows = self._rows[positions]
        return self._compared(query, rows, is_every=len(rows) * _SHARE > len(self._rows))

    def sure_at(self, query: Vector, positions: Positions) -> Vector:
        """The products of the rows at `positions`, taken here."""
        self._bring(positions)
        return super().products_at(query, positions)

    def sampled_products(self, query: Vector, positions: Positions) -> Vector:
        """The products of a few rows that every question asks for, taken here and kept."""
        known, rows = self._stored.sampled
        if not np.array_equal(known, positions):
            rows = self._brought(positions)
            self._stored.sampled = positions, rows
        products: Vector = np.vecdot(rows, query)
        return products

    def exact_at(self, query: npt.ArrayLike, positions: Positions) -> Numbers:
        """The cosine in float64, taken here."""
        self._bring(positions)
        return super().exact_at(query, positions)

    def take(self, positions: Positions) -> Vector:
        """A copy of the rows at `positions`, in their order, shape (m, dim)."""
        held = self._held
        if all(at in held for at in positions.tolist()):
            rows = [held[at] for at in positions.tolist()]
            return np.stack(rows) if rows else np.empty((0, self.dim), np.float32)
        return self._brought(positions)

    def _bring(self, positions: Positions) -> None:
        """Have these rows here, if they are not too many, with one message."""
        missing = [at for at in positions.tolist() if at not in self._held]
        if missing and len(self._held) + len(missing) <= _KEPT:
            rows = self._brought(np.array(missing, np.intp))
            self._held.update(zip(missing, rows, strict=True))

    def _brought(self, positions: Positions) -> Vector:
        rows = self._rows[positions].tolist()
        found = self._comparing.vectors(rows)
        nothing = bytes(4 * self.dim)
        told = b"".join(found.get(row, nothing) for row in rows)
        return unit(np.frombuffer(told, "<f4").reshape(len(rows), self.dim))

    def _compared(self, query: Vector, rows: Rows, *, is_every: bool) -> Vector:
        """The products of some rows, ascending, as the truth tells them; 0 without a vector."""
        told, products = self._comparing.products(query, None if is_every else rows.tolist())
        result = np.zeros(len(rows), np.float32)
        if len(rows):
            at = np.minimum(np.searchsorted(rows, told), len(rows) - 1)
            is_asked = rows[at] == told
            result[at[is_asked]] = products[is_asked]
        return result
