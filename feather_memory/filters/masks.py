"""A filter over arrays: which of many memories it lets through, answered for all at once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from feather_memory.filters.language import And, Filter, Leaf, Not, Or, Path
from feather_memory.filters.values import MISSING, is_number
from feather_memory.types import Mask, Numbers

_ORDERED: Final[Mapping[str, Callable[[Numbers, Any], Mask]]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
_WHOLE = 2**53  # up to here every integer is a float; beyond, numpy rounds a bound or refuses it


class Values:
    """The distinct values of a field, each of which has a place: its code. More may come."""

    def __init__(self, values: list[Any]) -> None:
        self.all = values
        self._known: dict[tuple[str, Any], int] = {}
        self._floats: Numbers | None = np.empty(0)

    def _places(self) -> dict[tuple[str, Any], int]:
        """By value, as far as anybody has asked: of many read at once, perhaps nobody does."""
        for code in range(len(self._known), len(self.all)):
            self._known[_distinct(self.all[code])] = code
        return self._known

    def code(self, value: Any) -> int:
        """The code of a value; a new one for one that was not met before."""
        known = self._places()
        code = known.setdefault(_distinct(value), len(self.all))
        if code == len(self.all):
            self.all.append(value)
        return code

    def find(self, values: Iterable[Any]) -> list[int]:
        """The codes of those of the values that are there."""
        find = self._places().get
        found = [find(("text", each) if type(each) is str else _distinct(each)) for each in values]
        return [code for code in found if code is not None]

    def floats(self) -> Numbers | None:
        """Every value as a number, NaN for one that is none; None if one is no exact float."""
        held = self._floats  # others may be asking, too
        if held is not None and (more := self.all[len(held) :]):
            if {*map(type, more)} != {float}:  # which is most often so where there are many
                if any(type(each) is int and abs(each) > _WHOLE for each in more):
                    self._floats = None
                    return None
                more = [each if is_number(each) else math.nan for each in more]
            self._floats = held = np.concatenate([held, more])
        return held


@dataclass(slots=True)
class Codes:
    """One field of many memories, as codes of its distinct values."""

    codes: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    """Which of the values each memory has, −1 for none. Shape (n,)."""
    values: Values = field(default_factory=lambda: Values([]))

    def code(self, value: Any) -> int:
        """The code of a value, which may be new, or −1 for none."""
        return -1 if value is MISSING else self.values.code(value)


def mask_of(
    where: Filter, numbers: Mapping[str, Numbers], codes_of: Callable[[Path], Codes]
) -> Mask:
    """Which memories the filter lets through, shape (n,), exactly as `Filter.matches` does.

    Args:
        where: The filter.
        numbers: The fields that are numbers, each of shape (n,), NaN for none.
        codes_of: Any other field.
    """
    match where:
        case And(parts=parts):
            masks = [mask_of(part, numbers, codes_of) for part in parts]
            return np.asarray(np.logical_and.reduce(masks), np.bool_)
        case Or(parts=parts):
            masks = [mask_of(part, numbers, codes_of) for part in parts]
            return np.asarray(np.logical_or.reduce(masks), np.bool_)
        case Not(part=part):
            return ~mask_of(part, numbers, codes_of)
        case Leaf(path=path) if path[0] in numbers:
            return _over_numbers(numbers[path[0]], where)
        case Leaf(path=path):
            return _over_codes(codes_of(path), where)
        case _:
            raise TypeError(where)


def _compared(values: Numbers | None, leaf: Leaf) -> Mask | None:
    """The leaf over numbers at once, where it orders them; None for another, or no exact float."""
    if values is None or leaf.operator not in _ORDERED or not is_number(leaf.operand):
        return None
    if abs(leaf.operand) > _WHOLE:
        return None
    return np.asarray(_ORDERED[leaf.operator](values, leaf.operand), np.bool_)  # NaN is in no order


def _over_numbers(values: Numbers, leaf: Leaf) -> Mask:
    """The leaf over a column of numbers: the few distinct answers are asked of the leaf itself."""
    if (compared := _compared(values, leaf)) is not None:
        return compared
    distinct, codes = np.unique(values, return_inverse=True)
    holds = [leaf.matches_value(MISSING if v != v else v) for v in distinct.tolist()]  # noqa: PLR0124  NaN
    return np.array(holds, np.bool_)[codes] if holds else np.zeros(0, np.bool_)


def _over_codes(column: Codes, leaf: Leaf) -> Mask:
    """The leaf over codes: asked of each distinct value once, of equality not even that."""
    codes, values = column.codes, column.values
    if leaf.operator == "exists":  # every value that is there, null included
        return np.asarray(codes >= 0, np.bool_)
    if leaf.operator in {"==", "in"}:
        choices = leaf.operand if leaf.operator == "in" else (leaf.operand,)
        wanted = values.find(map(_listed, choices))
        if len(wanted) == 1:
            return np.asarray(codes == wanted[0], np.bool_)
        held = np.zeros(len(values.all) + 1, np.bool_)  # the last is for −1
        held[wanted] = True
        return np.asarray(held[codes], np.bool_)
    holds = _compared(values.floats(), leaf) if leaf.operator in _ORDERED else None
    if holds is None:
        holds = np.array([*map(leaf.matches_value, values.all)], np.bool_)
    holds = np.append(holds, False)
    return np.asarray(holds[codes], np.bool_)


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
