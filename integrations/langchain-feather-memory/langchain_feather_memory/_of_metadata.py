"""Documents' metadata: what is kept of it, and what a dict over it asks for."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, Final

from feather_memory import F, Filter, InvalidMetadataError, parse_filter


def kept_metadata(given: Mapping[str, Any], document: str) -> dict[str, Any]:
    """A copy of the metadata, all of which JSON can hold exactly.

    Args:
        given: The caller's, which stays as it is.
        document: What to call it in an error: which of how many, and its id.

    Raises:
        InvalidMetadataError: A value that JSON cannot hold, named by its key: a datetime, a UUID, a
            path, NaN. What it stands for is the caller's to say: `isoformat()`, `str()`, None.
    """
    kept: dict[str, Any] = _kept(dict(given), f"{document}: metadata")
    return kept


def asked_of_metadata(given: Mapping[str, Any]) -> Filter | None:
    """What a dict over metadata means; None for an empty one.

    A key with a dot in it is the key of that name, where a document has one, else the path.

    Raises:
        FilterError: It means nothing, or has an unknown operator.
    """
    parts = [_entry(key, value) for key, value in given.items()]
    return reduce(operator.and_, parts) if parts else None


def _kept(value: Any, place: str) -> Any:
    if isinstance(value, str):
        _check_text(value, place)
    if value is None or type(value) in {str, int, bool}:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is list:
        return [_kept(each, f"{place}[{n}]") for n, each in enumerate(value)]
    if type(value) is dict:
        for key in value:
            if not isinstance(key, str):
                raise InvalidMetadataError(f"{place} has the key {key!r:.80}, which is no string")
            _check_text(key, place)
        return {key: _kept(each, f"{place}[{key!r}]") for key, each in value.items()}
    if isinstance(value, str | int) and not isinstance(value, bool):
        return _kept(int(value) if isinstance(value, int) else str.__str__(value), place)
    what = repr(value) if isinstance(value, float) else f"the {type(value).__name__} {value!r:.60}"
    otherwise = "its item()" if type(value).__module__ == "numpy" else "str(…)"
    raise InvalidMetadataError(
        f"{place} is {what}, which JSON cannot hold exactly: say what is kept of it, such as "
        f"{_INSTEAD.get(type(value).__name__, otherwise)}"
    )


def _check_text(text: str, place: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidMetadataError(
            f"{place} has {text!r:.60}, with half a surrogate pair, which no file can hold"
        ) from error


_INSTEAD: Final = {
    "datetime": "its isoformat()",
    "date": "its isoformat()",
    "tuple": "a list",
    "set": "a list",
    "float": "None",
    "ndarray": "its tolist()",
}


def _entry(key: Any, value: Any) -> Filter:
    if not isinstance(key, str) or key.startswith("$"):
        if key in {"$and", "$or"} and isinstance(value, list | tuple):
            value = [_part(each) for each in value]
        elif key == "$not":
            value = _part(value)
        return _parsed({key: value})
    if key.startswith("metadata."):
        return _parsed({key: value})
    literal = F(path=("metadata", key))
    if not all(key.split(".")):  # no path, but a key that some document may have
        _parsed({"metadata.key": value})
        return _compared(literal, value)
    nested = _parsed({f"metadata.{key}": value})
    if "." not in key:
        return nested
    return (literal.exists() & _compared(literal, value)) | (~literal.exists() & nested)


def _part(given: Any) -> Any:
    return asked_of_metadata(given) if isinstance(given, Mapping) and given else given


def _compared(field: F, value: Any) -> Filter:
    """As the nested path's, of which the parser has refused what means nothing."""
    if not isinstance(value, Mapping):
        return _OPERATORS["$eq"](field, value)
    parts: list[Filter] = [_OPERATORS[name](field, each) for name, each in value.items()]
    return reduce(operator.and_, parts)


def _parsed(given: Mapping[Any, Any]) -> Filter:
    parsed = parse_filter(given)
    assert parsed is not None  # noqa: S101  it is not empty, for mypy
    return parsed


_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Filter]]] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
    "$in": lambda field, choices: field.is_in(choices),
    "$nin": lambda field, choices: ~field.is_in(choices),
    "$contains": lambda field, item: field.contains(item),
    "$icontains": lambda field, text: field.icontains(text),
    "$exists": lambda field, there: field.exists() if there else ~field.exists(),
}
