"""Structured queries as filters, for a `SelfQueryRetriever` over a `FeatherVectorStore`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, Final

from langchain_core.structured_query import (
    Comparator,
    Comparison,
    Operation,
    Operator,
    StructuredQuery,
    Visitor,
)
from typing_extensions import override

from feather_memory import Filter, ParameterError
from langchain_feather_memory._of_metadata import asked_of_metadata

_SIGNS: Final[Mapping[Comparator, str]] = {
    Comparator.EQ: "$eq",
    Comparator.NE: "$ne",
    Comparator.GT: "$gt",
    Comparator.GTE: "$gte",
    Comparator.LT: "$lt",
    Comparator.LTE: "$lte",
    Comparator.CONTAIN: "$contains",
    Comparator.IN: "$in",
    Comparator.NIN: "$nin",
}
_JOINS: Final[Mapping[Operator, Callable[[Filter, Filter], Filter]]] = {
    Operator.AND: operator.and_,
    Operator.OR: operator.or_,
}


class FeatherTranslator(Visitor):
    """What a model asked for, as a filter over metadata.

    Give it as `structured_query_translator=`. A date is compared as ISO text, as metadata has it.

    >>> from langchain_core.structured_query import Comparison, Comparator
    >>> asked = Comparison(comparator=Comparator.GTE, attribute="year", value=2020)
    >>> FeatherTranslator().visit_comparison(asked)
    F('year') >= 2020
    """

    allowed_comparators = tuple(_SIGNS)
    allowed_operators = tuple(Operator)

    @override
    def visit_operation(self, operation: Operation) -> Filter:
        """All of its parts, any of them, or not its one part.

        Raises:
            ParameterError: None of them, or the opposite of several.
        """
        self._validate_func(operation.operator)
        parts: list[Filter] = [part.accept(self) for part in operation.arguments]
        if operation.operator == Operator.NOT:
            if len(parts) != 1:
                raise ParameterError(f"not takes one part, got {len(parts)}")
            return ~parts[0]
        if not parts:
            raise ParameterError(f"{operation.operator.value} takes parts, got none")
        return reduce(_JOINS[operation.operator], parts)

    @override
    def visit_comparison(self, comparison: Comparison) -> Filter:
        """One field of the metadata, compared."""
        self._validate_func(comparison.comparator)
        value = _plain(comparison.value)
        found = asked_of_metadata({comparison.attribute: {_SIGNS[comparison.comparator]: value}})
        assert found is not None  # noqa: S101  one was given, for mypy
        return found

    @override
    def visit_structured_query(
        self, structured_query: StructuredQuery
    ) -> tuple[str, dict[str, Any]]:
        """The query, and the search's keywords."""
        asked = structured_query.filter
        return structured_query.query, {} if asked is None else {"filter": asked.accept(self)}


def _plain(value: Any) -> Any:
    """A date of LangChain's query language as its text."""
    if isinstance(value, Mapping):
        kinds = [name for name in ("date", "datetime") if name in value]
        return value[kinds[0]] if kinds else value
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
