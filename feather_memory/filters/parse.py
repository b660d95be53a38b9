"""Filters from plain mappings, as adapters and configuration files hold them."""

from __future__ import annotations

import operator as op
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, Final

from feather_memory.errors import FilterError, quoted
from feather_memory.filters.language import Field, Filter
from feather_memory.filters.values import MAX_DEPTH, named


def parse(where: Filter | Mapping[str, Any] | None) -> Filter | None:
    """The filter that a mapping means, for callers that hold filters as plain data.

    `{"channel": "chat"}` is equality; `{"n": {"$gte": 3, "$lt": 9}}` uses operators: `$eq $ne
    $gt $gte $lt $lte $in $nin $contains $icontains $exists`. Several entries must all hold.
    `{"$and": [...]}`, `{"$or": [...]}` and `{"$not": {...}}` combine. Keys are paths as in `F`.
    A Filter is returned as it is; None and `{}` are no filter.

    Raises:
        FilterError: An operator, a key or an operand that means nothing; it is named.

    >>> parse({"channel": "chat", "n": {"$gte": 3, "$ne": 5}})
    (F('channel') == 'chat') & (F('n') >= 3) & (F('n') != 5)
    """
    if where is None or (isinstance(where, Mapping) and not where):
        return None
    return _parsed(where, 0)


def _parsed(where: object, depth: int) -> Filter:
    if isinstance(where, Filter):
        return where
    if not isinstance(where, Mapping) or not where:
        raise FilterError(f"a filter is a non-empty mapping or made with F, got {named(where)}")
    if depth > MAX_DEPTH:
        raise FilterError(f"a filter may be nested {MAX_DEPTH} deep")
    parts = [part for key, value in where.items() for part in _entry(key, value, depth + 1)]
    return reduce(op.and_, parts)


def _entry(key: object, value: object, depth: int) -> list[Filter]:
    if not isinstance(key, str):
        raise FilterError(f"a filter's keys are strings, got {named(key)}")
    if key in {"$and", "$or"}:
        if not isinstance(value, list | tuple) or not value:
            raise FilterError(f"{key} takes a non-empty list of filters, got {named(value)}")
        parts = [_parsed(part, depth) for part in value]
        return [reduce(op.and_ if key == "$and" else op.or_, parts)]
    if key == "$not":
        return [~_parsed(value, depth)]
    if key.startswith("$"):
        raise FilterError(f"unknown operator {quoted(key)}; there are $and, $or and $not")
    subject = Field(key)
    if not isinstance(value, Mapping):
        return [subject == value]
    if not value:
        raise FilterError(f"{quoted(key)} is compared with an empty mapping")
    return [_compared(subject, name, operand) for name, operand in value.items()]


def _compared(subject: Field, name: object, operand: Any) -> Filter:
    if name == "$exists":
        if not isinstance(operand, bool):
            raise FilterError(f"$exists takes true or false, got {named(operand)}")
        return subject.exists() if operand else ~subject.exists()
    if not isinstance(name, str) or name not in _COMPARISONS:
        known = " ".join((*_COMPARISONS, "$exists"))
        raise FilterError(f"unknown operator {quoted(name)} on {subject!r}; there are {known}")
    return _COMPARISONS[name](subject, operand)


_COMPARISONS: Final[dict[str, Callable[[Field, Any], Filter]]] = {
    "$eq": Field.__eq__,
    "$ne": Field.__ne__,
    "$gt": Field.__gt__,
    "$gte": Field.__ge__,
    "$lt": Field.__lt__,
    "$lte": Field.__le__,
    "$in": Field.is_in,
    "$nin": lambda subject, choices: ~subject.is_in(choices),
    "$contains": Field.contains,
    "$icontains": Field.icontains,
}
