"""A filter over arrays: which of many memories it lets through, answered for all at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from feather_memory.filters.language import And, Filter, Leaf, Not, Or, Path
from feather_memory.filters.values import MISSING, is_number
from feather_memory.types import Mask, Numbers

_WHOLE = 2**53  # up to here every integer is a float; beyond, numpy rounds a bound or refuses it


@dataclass(slots=True)
class Codes:
    """One field of many memories, as codes of its distinct values."""

    codes: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    """Which of the values each memory has, −1 for none. Shape (n,)."""
    values: list[Any] = field(default_factory=list)
    by_value: dict[tuple[str, Any], int] = field(default_factory=dict)

    def code(self, value: Any) -> int:
        """The code of a value; a new one for one that was not met before."""
        if value is MISSING:
            return -1
        code = self.by_value.setdefault(_distinct(value), len(self.values))
        if code == len(self.values):
            self.values.append(value)
        return code


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


def _over_numbers(values: Numbers, leaf: Leaf) -> Mask:
    """The leaf over a column of numbers: the few distinct answers are asked of the leaf itself."""
    is_float = is_number(leaf.operand) and abs(leaf.operand) <= _WHOLE
    if leaf.operator in {"<", "<=", ">", ">="} and is_float:
        compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
        return np.asarray(compare[leaf.operator](values, leaf.operand), np.bool_)
    distinct, codes = np.unique(values, return_inverse=True)
    holds = [leaf.matches_value(MISSING if v != v else v) for v in distinct.tolist()]  # noqa: PLR0124  NaN
    return np.array(holds, np.bool_)[codes] if holds else np.zeros(0, np.bool_)


def _over_codes(column: Codes, leaf: Leaf) -> Mask:
    """The leaf over codes: asked of each distinct value once, of equality not even that."""
    codes = column.codes
    if leaf.operator in {"==", "in"}:
        choices = leaf.operand if leaf.operator == "in" else (leaf.operand,)
        wanted = [column.by_value.get(_distinct(_listed(choice)), -2) for choice in choices]
        if len(wanted) == 1:
            return np.asarray(codes == wanted[0], np.bool_)
        return np.isin(codes, wanted)
    holds = np.array([*map(leaf.matches_value, column.values), False], np.bool_)
    return np.asarray(holds[codes], np.bool_)  # a missing field has code −1: the last, False


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
