"""The file's memories as arrays, kept in step with it, whoever writes."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from feather_memory.approximate import Approximation
from feather_memory.db import memories, schema
from feather_memory.filter_values import MISSING, is_number
from feather_memory.filters import BUILT_INS, And, Leaf, Not, Or, value_at
from feather_memory.index import Matrix
from feather_memory.scoring import stretch

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from feather_memory.filters import Filter, Path
    from feather_memory.types import Mask, Numbers, Positions, Vector

COLUMNS = (
    "created_at", "updated_at", "valid_from", "valid_to", "expires_at", "importance", "recalls",
)  # fmt: skip
"""What a View holds of each memory, in double precision; NaN stands for none."""

_SOME = 64
_WHOLE = 2**53  # up to here every integer is a float; beyond, numpy rounds a bound or refuses it


@dataclass(frozen=True, slots=True)
class View:
    """All memories at one generation, as arrays of length n in order of their rows.

    It never changes: later writes make another View, which shares what they left alone.
    """

    generation: int
    rows: npt.NDArray[np.int64]
    columns: Mapping[str, Numbers]
    until: Numbers
    """The first of valid_to and expires_at, inf if open, −inf for a row that is gone."""
    stretched: Vector
    importance: Vector
    """In single precision, for ranking."""
    matrix: Matrix | None
    """None while no memory has a vector."""

    def __len__(self) -> int:
        return len(self.rows)

    def positions(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Positions:
        """Where these rows stand; those the View does not have are left out."""
        wanted = np.asarray(rows, np.int64)
        if not len(self.rows):
            return np.empty(0, np.intp)
        found = np.minimum(np.searchsorted(self.rows, wanted), len(self.rows) - 1)
        return np.asarray(found[self.rows[found] == wanted], np.intp)


def _empty() -> View:
    nothing = np.empty(0)
    return View(
        generation=0,
        rows=np.empty(0, np.int64),
        columns=dict.fromkeys(COLUMNS, nothing),
        until=nothing,
        stretched=np.empty(0, np.float32),
        importance=np.empty(0, np.float32),
        matrix=None,
    )


class _Growing:
    """An array that is appended to in place; what was handed out keeps its length."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self._block = values
        self._length = len(values)

    def append(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        length = self._length + len(values)
        if length > len(self._block):
            block = np.empty(max(_SOME, length + length // 2), self._block.dtype)
            block[: self._length] = self._block[: self._length]
            self._block = block
        self._block[self._length : length] = values
        self._length = length
        return self._block[:length]

    def changed(self, at: Positions, values: npt.NDArray[Any] | float) -> npt.NDArray[Any]:
        """As after the change; earlier readers keep what they had."""
        self._block = self._block.copy()
        self._block[at] = values
        return self._block[: self._length]


class Replica:
    """The current View, and the columns that filters have asked for."""

    def __init__(
        self, view: View | None = None, approximation: Approximation | None = None
    ) -> None:
        self.approximation = approximation or Approximation()
        self._lock = threading.Lock()
        self._fields: dict[Path, _FieldColumn] = {}
        self._start(view or _empty())

    def _start(self, view: View) -> None:
        self._view = view
        self._rows = _Growing(view.rows)
        self._columns = {name: _Growing(values) for name, values in view.columns.items()}
        self._until = _Growing(view.until)
        self._stretched = _Growing(view.stretched)
        self._importance = _Growing(view.importance)

    def _restart(self) -> None:
        """Forget everything that knows memories by their position."""
        self._fields = {}
        self.approximation.stop()
        self.approximation = Approximation()
        self._start(_empty())

    def twin(self) -> Replica:
        """Another with the same View, and locks of its own."""
        return Replica(self._view)

    def sync(self, connection: sqlite3.Connection, refresh: Callable[[], None]) -> View:
        """The View of the moment that the connection's transaction sees.

        `refresh` moves that transaction to the present; it is called if another thread has
        brought the arrays further than this one's moment.
        """
        while True:
            state = schema.read_state(connection)
            view = self._view
            if view.generation == state.generation:
                return view
            with self._lock:
                if self._view.generation < state.generation:
                    try:
                        self._advance(connection, state)
                    except BaseException:
                        self._restart()  # half an advance must not be built upon
                        raise
                    self.approximation.follow(self._view)
                    return self._view
            refresh()

    def _advance(self, connection: sqlite3.Connection, state: schema.State) -> None:
        view = self._view
        next_row = int(view.rows[-1]) + 1 if len(view) else 0
        changes = memories.changes(connection, since=view.generation, next_row=next_row)
        matrix = self._append(changes.appended, state.dimension)
        if changes.touched:
            self._touch(changes.touched)
        if changes.gone:
            self._bury(changes.gone)
        self._view = View(
            generation=state.generation,
            rows=self._rows.append(np.empty(0, np.int64)),
            columns={name: column.append(np.empty(0)) for name, column in self._columns.items()},
            until=self._until.append(np.empty(0)),
            stretched=self._stretched.append(np.empty(0, np.float32)),
            importance=self._importance.append(np.empty(0, np.float32)),
            matrix=matrix,
        )

    def _append(self, appended: list[tuple[Any, ...]], dimension: int | None) -> Matrix | None:
        matrix = self._view.matrix
        if dimension is not None and matrix is None:
            matrix = Matrix(dimension)
            matrix.append(np.zeros((len(self._view), dimension), np.float32))
        if not appended:
            return matrix
        rows, *numbers, vectors = zip(*appended, strict=True)
        if matrix is not None and dimension is not None:
            nothing = bytes(4 * dimension)
            blob = b"".join(vector or nothing for vector in vectors)
            if len(blob) != len(vectors) * len(nothing):
                raise schema.DamagedRowError(f"a vector has not {dimension} numbers")
            matrix.append(np.frombuffer(blob, np.dtype("<f4")).reshape(-1, dimension))
        self._rows.append(np.array(rows, np.int64))
        columns = dict(zip(COLUMNS, (np.array(n, np.float64) for n in numbers), strict=True))
        for name, values in columns.items():
            self._columns[name].append(values)
        until, stretched, importance = _derived(columns)
        self._until.append(until)
        self._stretched.append(stretched)
        self._importance.append(importance)
        return matrix

    def _touch(self, touched: list[tuple[Any, ...]]) -> None:
        rows, *numbers = zip(*touched, strict=True)
        at = np.searchsorted(self._view.rows, np.array(rows, np.int64))
        columns = dict(zip(COLUMNS, (np.array(n, np.float64) for n in numbers), strict=True))
        for name, values in columns.items():
            self._columns[name].changed(at, values)
        until, stretched, importance = _derived(columns)
        self._until.changed(at, until)
        self._stretched.changed(at, stretched)
        self._importance.changed(at, importance)

    def _bury(self, gone: list[int]) -> None:
        rows = self._rows.append(np.empty(0, np.int64))
        wanted = np.array(gone, np.int64)
        at = np.searchsorted(rows, wanted)
        at = (
            at[(at < len(rows)) & (rows[np.minimum(at, len(rows) - 1)] == wanted)]
            if len(rows)
            else at[:0]
        )
        self._until.changed(at, -np.inf)

    def mask(self, connection: sqlite3.Connection, view: View, where: Filter) -> Mask:
        """Which memories the filter lets through, shape (n,)."""
        match where:
            case And(parts=parts):
                masks = [self.mask(connection, view, part) for part in parts]
                return np.asarray(np.logical_and.reduce(masks), np.bool_)
            case Or(parts=parts):
                masks = [self.mask(connection, view, part) for part in parts]
                return np.asarray(np.logical_or.reduce(masks), np.bool_)
            case Not(part=part):
                return ~self.mask(connection, view, part)
            case Leaf(path=path) if path[0] in COLUMNS:
                return _number_mask(view.columns[path[0]], where)
            case Leaf(path=path):
                with self._lock:
                    column = self._fields.setdefault(path, _FieldColumn(path))
                    return column.mask(connection, view, where)
            case _:
                raise TypeError(where)


def _derived(columns: Mapping[str, Numbers]) -> tuple[Numbers, Vector, Vector]:
    """`until`, `stretched` and `importance` of a View, from its columns."""
    until = np.fmin(columns["valid_to"], columns["expires_at"])
    until[np.isnan(until)] = np.inf
    stretched = stretch(columns["recalls"]).astype(np.float32)
    return until, stretched, columns["importance"].astype(np.float32)


def view_of(
    generation: int,
    rows: npt.NDArray[np.int64],
    columns: Mapping[str, Numbers],
    matrix: Matrix | None,
) -> View:
    """A View of live memories, from what a mapped file holds."""
    until, stretched, importance = _derived(columns)
    return View(
        generation=generation,
        rows=rows,
        columns=dict(columns),
        until=until,
        stretched=stretched,
        importance=importance,
        matrix=matrix,
    )


def _number_mask(values: Numbers, leaf: Leaf) -> Mask:
    """The leaf over a column of numbers: the few distinct answers are asked of the leaf itself."""
    is_float = is_number(leaf.operand) and abs(leaf.operand) <= _WHOLE
    if leaf.operator in {"<", "<=", ">", ">="} and is_float:
        compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
        return np.asarray(compare[leaf.operator](values, leaf.operand), np.bool_)
    distinct, codes = np.unique(values, return_inverse=True)
    holds = [leaf.matches_value(MISSING if v != v else v) for v in distinct.tolist()]  # noqa: PLR0124  NaN
    return np.array(holds, np.bool_)[codes] if holds else np.zeros(0, np.bool_)


class _FieldColumn:
    """One field of every memory as codes of its distinct values."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: list[Any] = []
        self._codes_of: dict[tuple[str, Any], int] = {}
        self._codes = _Growing(np.empty(0, np.int32))
        self._length = 0

    def mask(self, connection: sqlite3.Connection, view: View, leaf: Leaf) -> Mask:
        if self._length < len(view):
            self._catch_up(connection, view)
        codes = self._codes.append(np.empty(0, np.int32))[: len(view)]
        if leaf.operator in {"==", "in"}:
            choices = leaf.operand if leaf.operator == "in" else (leaf.operand,)
            wanted = [self._codes_of.get(_distinct(_listed(choice)), -2) for choice in choices]
            if len(wanted) == 1:
                return np.asarray(codes == wanted[0], np.bool_)
            return np.isin(codes, wanted)
        holds = np.array([*map(leaf.matches_value, self._values), False], np.bool_)
        return np.asarray(holds[codes], np.bool_)  # a missing field has code −1: the last, False

    def _catch_up(self, connection: sqlite3.Connection, view: View) -> None:
        from_row = int(view.rows[self._length])
        if self._path[0] in BUILT_INS:
            found = memories.column_of(connection, self._path[0], from_row=from_row)
            values = [(row, MISSING if value is None else value) for row, value in found]
        else:
            values = [
                (row, value_at({"metadata": json.loads(text)}, self._path))
                for row, text in memories.metadata_of(connection, from_row=from_row)
            ]
        codes = np.full(len(view) - self._length, -1, np.int32)
        at = np.searchsorted(view.rows, np.array([row for row, _ in values], np.int64))
        codes[at - self._length] = [self._code(value) for _, value in values]
        self._codes.append(codes)
        self._length = len(view)

    def _code(self, value: Any) -> int:
        if value is MISSING:
            return -1
        code = self._codes_of.setdefault(_distinct(value), len(self._values))
        if code == len(self._values):
            self._values.append(value)
        return code


def _listed(operand: Any) -> Any:
    return [*map(_listed, operand)] if isinstance(operand, tuple) else operand


def _distinct(value: Any) -> tuple[str, Any]:
    """The value as a key: 1 and 1.0 are one, 1 and true are two."""
    match value:
        case bool() | None:
            return "constant", value
        case int() | float():
            return "number", value
        case str():
            return "text", value
        case list():
            return "list", tuple(map(_distinct, value))
        case _:
            return "object", json.dumps(value, sort_keys=True)
