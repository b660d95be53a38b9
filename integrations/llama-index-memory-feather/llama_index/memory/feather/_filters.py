"""LlamaIndex's metadata filters in the store's filter language.

Where they differ it is LlamaIndex that counts: 1 equals true, a field that is null is one that is
missing, and a key is one key, dots and all. Unlike its own stores, groups may be nested, and
numbers and texts compare as unequal instead of failing.
"""

from __future__ import annotations

import operator as op
from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from typing import Any, Final

from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)
from llama_index.memory.feather._convert import REF_DOC_ID

from feather_memory import F, Filter, FilterError

_NEVER: Final = F("id").is_in([])
_IDENTITY: Final = frozenset({"ref_doc_id", "doc_id", "document_id"})
"""Keys that mean the document a node is from, unless the node's metadata has such a key."""


def to_filter(filters: MetadataFilters | None) -> Filter | None:
    """What the filters say; None if they say nothing.

    Raises:
        FilterError: An operator that has no meaning for its value.
        TypeError: Text is to be matched, and the value is no text.
    """
    if filters is None:
        return None
    parts = [part for each in filters.filters if (part := _part(each)) is not None]
    if not parts:
        return None
    match filters.condition or FilterCondition.AND:
        case FilterCondition.AND:
            return reduce(op.and_, parts)
        case FilterCondition.OR:
            return reduce(op.or_, parts)
        case FilterCondition.NOT:
            return ~reduce(op.or_, parts)
        case unknown:
            raise FilterError(f"there is no condition {unknown!r}")


def text_expected(filters: MetadataFilters | None) -> Filter | None:
    """Memories about which the filters cannot be asked: they match text, and there is none.

    LlamaIndex raises a TypeError where it meets one.
    """
    asked = [each for each in _leaves(filters) if each.operator in _TEXT_MATCHES]
    if not asked:
        return None
    return reduce(op.or_, (_on(each.key, _is_no_text) for each in asked))


def _leaves(filters: MetadataFilters | None) -> Iterator[MetadataFilter]:
    for each in filters.filters if filters is not None else ():
        if isinstance(each, MetadataFilters):
            yield from _leaves(each)
        else:
            yield each


def _part(each: MetadataFilter | MetadataFilters) -> Filter | None:
    if isinstance(each, MetadataFilters):
        return to_filter(each)
    build = _OPERATORS.get(each.operator)
    if build is None:
        raise FilterError(f"there is no filter operator {each.operator!r}")
    return _on(each.key, lambda field: build(field, each.value))


def _on(key: str, build: Callable[[F], Filter]) -> Filter:
    field = F(path=("metadata", key))
    if key not in _IDENTITY:
        return build(field)
    return (field.exists() & build(field)) | (~field.exists() & build(REF_DOC_ID))


def _equal(field: F, value: Any) -> Filter:
    return _NEVER if value is None else field.is_in(_with_truth([value]))


def _with_truth(values: Iterable[Any]) -> list[Any]:
    """The values, and true and false where 1 and 0 are among them."""
    listed = list(values)
    return [*listed, *(truth for truth in (False, True) if truth in listed)]


def _ordered(compare: Callable[[Any, Any], Any]) -> Callable[[F, Any], Filter]:
    def build(field: F, bound: Any) -> Filter:
        condition: Filter = compare(field, bound)
        if isinstance(bound, str):
            return condition
        return condition | field.is_in([truth for truth in (False, True) if compare(truth, bound)])

    return build


def _is_in(field: F, choices: Any) -> Filter:
    return field.is_in(_with_truth(_listed(choices, "in")))


def _has(field: F, item: Any) -> Filter:
    return reduce(op.or_, (field.contains(each) for each in _with_truth([item])))


def _has_any(field: F, items: Any) -> Filter:
    return reduce(op.or_, (_has(field, item) for item in _listed(items, "any")), _NEVER)


def _has_all(field: F, items: Any) -> Filter:
    return reduce(op.and_, (_has(field, item) for item in _listed(items, "all")), _is_there(field))


def _text_match(field: F, text: Any) -> Filter:
    return _is_text(field) & field.contains(_text(text, "text_match"))


def _text_match_insensitive(field: F, text: Any) -> Filter:
    return _is_text(field) & field.icontains(_text(text, "text_match_insensitive"))


def _is_empty(field: F, _: Any) -> Filter:
    return ~field.exists() | field.is_in([None, "", []])


def _is_text(field: F) -> Filter:
    return field >= ""  # only texts have an order with a text


def _is_no_text(field: F) -> Filter:
    return _is_there(field) & ~_is_text(field)


def _is_there(field: F) -> Filter:
    return field.exists() & (field != None)  # noqa: E711  a filter, not a comparison


def _listed(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise FilterError(f"the filter operator {name!r} takes a list, got {value!r:.80}")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"the filter operator {name!r} takes a text, got {value!r:.80}")
    return value


_OPERATORS: Final[dict[FilterOperator, Callable[[F, Any], Filter]]] = {
    FilterOperator.EQ: _equal,
    FilterOperator.NE: lambda field, value: ~_equal(field, value),
    FilterOperator.GT: _ordered(op.gt),
    FilterOperator.GTE: _ordered(op.ge),
    FilterOperator.LT: _ordered(op.lt),
    FilterOperator.LTE: _ordered(op.le),
    FilterOperator.IN: _is_in,
    FilterOperator.NIN: lambda field, choices: ~_is_in(field, choices),
    FilterOperator.CONTAINS: _has,
    FilterOperator.ANY: _has_any,
    FilterOperator.ALL: _has_all,
    FilterOperator.TEXT_MATCH: _text_match,
    FilterOperator.TEXT_MATCH_INSENSITIVE: _text_match_insensitive,
    FilterOperator.IS_EMPTY: _is_empty,
}
_TEXT_MATCHES: Final = (FilterOperator.TEXT_MATCH, FilterOperator.TEXT_MATCH_INSENSITIVE)
