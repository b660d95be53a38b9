"""Operands and stored values: what an operand may be, and which comparisons hold."""

from __future__ import annotations

import json
import math
import operator as op
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

import numpy as np

from feather_memory.errors import FilterError, quoted

MAX_DEPTH: Final = 12
"""Levels of `&`, `|`, `~` inside each other, and of lists inside lists. Chains of one operator are
one level. SQLite's parser holds 100 symbols, and a level takes up to four."""


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
"""Stands for the value of a field that is not there."""


def literal(value: object, subject: object, depth: int = 0) -> Any:
    """The value as an operand: plain and hashable."""
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        value = value.item()  # what an array or a data frame holds is the number that it is
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return unicode_text(value)
    if isinstance(value, int):
        return _integer(int.__int__(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise FilterError(f"{subject!r} cannot be compared with {quoted(value)}")
        return float.__float__(value)
    if isinstance(value, list | tuple):
        if depth == MAX_DEPTH:
            raise FilterError(f"lists may be nested {MAX_DEPTH} deep")
        return tuple(literal(item, subject, depth + 1) for item in value)
    raise FilterError(f"{subject!r} cannot be compared with {named(value)}")


def unicode_text(text: str) -> str:
    """The text as a plain `str`.

    Raises:
        FilterError: It holds half a surrogate pair, which UTF-8 cannot.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FilterError(f"{quoted(text)} is not valid Unicode") from error
    return str.__str__(text)


def _integer(value: int) -> int:
    try:
        str(value)
    except ValueError as error:
        raise FilterError("an integer with more digits than Python writes") from error
    return value


def named(value: object) -> str:
    """The value and its type, for an error message."""
    return f"{quoted(value)} ({type(value).__name__})"


def identity(operand: Any) -> Any:
    """What two operands share if they mean the same: in Python 1 == True, here it is not."""
    if isinstance(operand, tuple):
        is_plain = {*map(type, operand)} <= {str}
        return operand if is_plain else tuple(map(identity, operand))
    return (bool, operand) if isinstance(operand, bool) else operand


def is_number(value: object) -> bool:
    """Whether it is an integer or a float; a bool is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def inside(text: str) -> dict[str, Any] | None:
    """What a text says that is a JSON object, of valid Unicode and finite numbers; else None."""
    try:
        said = json.loads(text, parse_constant=_refused, parse_float=_finite)
        if "\\u" in text:
            json.dumps(said, ensure_ascii=False).encode()  # half a surrogate pair
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _refused(constant: str) -> Any:
    raise ValueError(constant)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(digits)
    return number


def _is_equal(value: Any, operand: Any) -> bool:
    if isinstance(value, list | tuple):
        return (
            isinstance(operand, tuple)
            and len(value) == len(operand)
            and all(map(_is_equal, value, operand))
        )
    if isinstance(value, bool) or value is None:
        return value is operand
    if isinstance(value, str):
        return isinstance(operand, str) and value == operand
    return is_number(value) and is_number(operand) and bool(value == operand)


def _ordered_by(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def holds(value: Any, operand: Any) -> bool:
        is_comparable = (is_number(value) and is_number(operand)) or (
            isinstance(value, str) and isinstance(operand, str)
        )
        return is_comparable and bool(compare(value, operand))

    return holds


def _has(value: Any, operand: Any) -> bool:
    if isinstance(value, str):
        return isinstance(operand, str) and operand in value
    return isinstance(value, list | tuple) and any(_is_equal(item, operand) for item in value)


def _has_alike(value: Any, operand: Any) -> bool:
    if isinstance(value, str):
        return operand.lower() in value.lower()
    texts = value if isinstance(value, list | tuple) else ()
    return any(isinstance(text, str) and text.lower() == operand.lower() for text in texts)


HOLDS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": _is_equal,
    "<": _ordered_by(op.lt),
    "<=": _ordered_by(op.le),
    ">": _ordered_by(op.gt),
    ">=": _ordered_by(op.ge),
    "in": lambda value, choices: any(_is_equal(value, choice) for choice in choices),
    "contains": _has,
    "icontains": _has_alike,
    "exists": lambda _value, _operand: True,
}


def _icontains(text: str | None, part: str) -> bool:
    return text is not None and HOLDS["icontains"](text, part)


def _json_icontains(text: str | None, part: str) -> bool:
    return text is not None and HOLDS["icontains"](json.loads(text), part)


def _inside(text: str, path: str) -> str | None:
    value: Any = inside(text)
    for key in json.loads(path):
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return json.dumps(value)


SQL_FUNCTIONS: Final[dict[str, Callable[[str | None, str], bool] | Callable[..., str | None]]] = {
    "icontains": _icontains,
    "json_icontains": _json_icontains,
    "inside": _inside,
}
"""What a connection must know to be asked: SQLite's own lower case ends with ASCII."""
