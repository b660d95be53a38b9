"""LangGraph's items as memories: what an item is written as, and which items are meant.

An item is one memory with its value as JSON, and one more for each text of it that is indexed,
with that text's vector. The item says how many of those count, so an older one never does.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from hashlib import blake2b
from typing import Any, Final

from langgraph.store.base import Item, ListNamespacesOp, MatchCondition, SearchItem

from feather_memory import F, Filter, FilterError, Memory, ParameterError

Namespace = tuple[str, ...]

IS_ITEM = F("langgraph") == "item"
IS_VECTOR = F("langgraph") == "vector"

_LONGEST_MARK: Final = 512
"""Of a session's name."""


def item_id(namespace: Sequence[str], key: str) -> str:
    """The id of the item's memory: no two items have the same."""
    path = json.dumps([*namespace, key]).encode()
    return blake2b(path, digest_size=20).hexdigest()


def vector_ids(item: Memory, *, start: int = 0) -> list[str]:
    """The ids of the item's vectors, from the `start`-th on."""
    return [f"{item.id}:{n}" for n in range(start, item.metadata["vectors"])]


def to_records(
    namespace: Sequence[str],
    key: str,
    value: Mapping[str, Any],
    indexed: Sequence[tuple[str, Sequence[float]]],
    *,
    ttl: float | None,
    created: float,
    updated: float,
    now: float,
    origin: str,
) -> list[dict[str, Any]]:
    """What `Store.add_many` takes for one item: the item, then its indexed texts."""
    path = {str(n): label for n, label in enumerate(namespace)}
    id_, mark = item_id(namespace, key), mark_of(namespace)
    item = {
        "id": id_,
        "session": mark,
        "origin": origin,
        "text": json.dumps(dict(value), ensure_ascii=False),
        "metadata": {
            "langgraph": "item",
            "path": path,
            "depth": len(path),
            "key": key,
            "vectors": len(indexed),
            "ttl": ttl,
            "created": created,
            "updated": updated,
        },
        "expires_at": None if ttl is None else now + ttl * 60,
    }
    vectors = [
        {
            "id": f"{id_}:{n}",
            "session": mark,
            "origin": origin,
            "text": text,
            "metadata": {"langgraph": "vector", "path": path, "of": id_, "n": n},
            "vector": vector,
        }
        for n, (text, vector) in enumerate(indexed)
    ]
    return [item, *vectors]


def ties(records: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What of these goes with what: an item with each of its texts, and they with the item."""
    texts = [(each["id"], each["metadata"]["of"]) for each in records if "vector" in each]
    tied = {text: [item] for text, item in texts}
    for text, item in texts:
        tied.setdefault(item, []).append(text)
    return tied


def check_value(namespace: Sequence[str], key: str, value: Mapping[str, Any]) -> None:
    """Nothing, if JSON can hold the item's value exactly.

    Raises:
        ParameterError: It cannot; the item is named.
    """
    named = f"the value of {key!r} in {tuple(namespace)!r:.200}"
    if not isinstance(value, Mapping):
        raise ParameterError(f"{named} must be a dict, got {value!r:.80}")
    try:
        written = json.dumps(dict(value), ensure_ascii=False, allow_nan=False)
        written.encode()  # half a surrogate pair is no text
        is_same = json.loads(written) == dict(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError(f"{named} must be what JSON can hold: {error}") from error
    if not is_same:
        raise ParameterError(
            f"{named} would come back changed from JSON (keys must be strings, no tuples): "
            f"{value!r:.80}"
        )


def namespace_of(memory: Memory) -> Namespace:
    """The item's namespace."""
    path = memory.metadata["path"]
    return tuple(path[str(n)] for n in range(memory.metadata["depth"]))


def is_expired(memory: Memory, now: float) -> bool:
    """Whether the item's time is over. An `expires_at` left by an earlier value does not count."""
    ends = memory.expires_at
    if ends is None or ends.timestamp() > now:
        return False  # most items are immortal, and their metadata need not be read
    return memory.metadata["ttl"] is not None


def to_item(memory: Memory) -> Item:
    """The memory as LangGraph's item. Its value is the caller's own."""
    return Item(**_fields(memory))


def to_search_item(memory: Memory, score: float | None) -> SearchItem:
    """Likewise, with its cosine similarity to the query, if it was compared."""
    return SearchItem(**_fields(memory), score=score)


def _fields(memory: Memory) -> dict[str, Any]:
    return {
        "namespace": namespace_of(memory),
        "key": memory.metadata["key"],
        "value": value_of(memory),
        "created_at": datetime.fromtimestamp(memory.metadata["created"], UTC),
        "updated_at": datetime.fromtimestamp(memory.metadata["updated"], UTC),
    }


def mark_of(namespace: Sequence[str]) -> str | None:
    """What its memories have for a session, which is quick to look for; None for one too long.

    A label holds no dot, so that the mark of a prefix begins those of all namespaces under it.
    """
    mark = "".join(f"{label}." for label in namespace)
    return mark if 0 < len(mark) <= _LONGEST_MARK else None


def under(prefix: Sequence[str], kind: Filter) -> Filter:
    """Memories of that kind in namespaces that begin with these labels."""
    if not prefix:
        return kind
    unmarked = ~F("session").exists()  # an earlier release wrote it, or its mark were too long
    for n, label in enumerate(prefix):
        unmarked &= F(path=("path", str(n))) == label
    mark = mark_of(prefix)
    if mark is None:
        return unmarked & kind
    after = f"{mark[:-1]}/"  # the sign after the dot: all between begin with the mark
    return ((F("session") >= mark) & (F("session") < after) | unmarked) & kind


def living(now: float) -> Filter:
    """Whose time is not over. An `expires_at` left by an earlier value does not count."""
    return ~((F("expires_at") <= now) & ~(F("ttl") == None))  # noqa: E711  a null, as it is kept


def value_of(memory: Memory) -> dict[str, Any]:
    """The item's value, which is the caller's own."""
    value: dict[str, Any] = json.loads(memory.text)
    return value


# Filters


def matches(value: Mapping[str, Any], asked: Mapping[str, Any] | None) -> bool:
    """Whether every entry of LangGraph's filter holds for an item's value.

    A key is looked for literally, then as a dotted path. `$eq $ne $gt $gte $lt $lte` compare; a
    missing field equals nothing, differs from everything, and is neither more nor less.

    Raises:
        ParameterError: An unknown operator.
    """
    return all(_holds(_at(value, key), wanted) for key, wanted in (asked or {}).items())


def check_filter(asked: Mapping[str, Any] | None) -> None:
    """Nothing, if the filter means something, also where no item is there to be compared.

    Raises:
        ParameterError: An unknown operator.
    """
    for wanted in (asked or {}).values():
        unknown = set(wanted) - _OPERATORS if _is_compared(wanted) else ()
        if unknown:
            raise ParameterError(
                f"unknown operator {min(unknown, key=str)!r}; there are "
                f"{' '.join(sorted(_OPERATORS))}"
            )


def told(asked: Mapping[str, Any] | None) -> tuple[Filter | None, bool]:
    """What of LangGraph's filter can be asked of the store, and whether that is all of it."""
    found: Filter | None = None
    is_whole = True
    for key, wanted in (asked or {}).items():
        try:
            one = _told(key, wanted)
        except FilterError:  # a list, an object, or what JSON cannot hold: `matches` tells
            is_whole = False
        else:
            found = one if found is None else found & one
    return found, is_whole


def _told(key: str, wanted: Any) -> Filter:
    """One entry, over the key as it is where the value has it, else over the dotted path."""
    literal, parts = F(path=("text", key)), key.split(".")
    if len(parts) == 1:
        return _said(literal, wanted)
    along = _said(F(path=("text", *parts)), wanted)
    return literal.exists() & _said(literal, wanted) | ~literal.exists() & along


def _said(field: F, wanted: Any) -> Filter:
    if _is_compared(wanted):
        said = [_FIELDS[name](field, _plain(operand)) for name, operand in wanted.items()]
        return reduce(operator.and_, said)
    return _FIELDS["$eq"](field, _plain(wanted))


def _plain(operand: Any) -> Any:
    """The operand, which compares with what is stored as Python does.

    Raises:
        FilterError: Another may compare otherwise.
    """
    if isinstance(operand, str | int | float) or operand is None:
        return operand
    raise FilterError(f"{operand!r:.80} is no plain value")


class _Missing:
    """Equal to nothing but itself."""


_MISSING = _Missing()
_ORDERS = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}
_OPERATORS = frozenset({"$eq", "$ne", *_ORDERS})
_FIELDS: Final[Mapping[str, Callable[[F, Any], Filter]]] = {
    "$eq": F.__eq__, "$ne": F.__ne__, "$gt": F.__gt__, "$gte": F.__ge__, "$lt": F.__lt__,
    "$lte": F.__le__,
}  # fmt: skip


def _at(value: Any, key: str) -> Any:
    if isinstance(value, dict) and key in value:
        return value[key]
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return _MISSING
        value = value[part]
    return value


def _holds(found: Any, wanted: Any) -> bool:
    if _is_compared(wanted):
        return all(_compared(found, name, operand) for name, operand in wanted.items())
    return _equal(found, wanted)


def _is_compared(wanted: Any) -> bool:
    """Whether these are operators with their operands; else it is a value to equal."""
    return isinstance(wanted, dict) and any(str(key).startswith("$") for key in wanted)


def _compared(found: Any, name: str, operand: Any) -> bool:
    if name not in _OPERATORS:
        raise ParameterError(f"unknown operator {name!r}")
    if name in {"$eq", "$ne"}:
        return _equal(found, operand) == (name == "$eq")
    return _are_ordered(found, operand) and bool(_ORDERS[name](found, operand))


def _equal(found: Any, wanted: Any) -> bool:
    return isinstance(found, bool) == isinstance(wanted, bool) and bool(found == wanted)


def _are_ordered(one: Any, other: Any) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str)
    return all(isinstance(x, int | float) and not isinstance(x, bool) for x in (one, other))


# Namespaces


def listed(namespaces: Iterable[Namespace], op: ListNamespacesOp) -> list[Namespace]:
    """The namespaces that the operation asks for, sorted, each once, paginated last."""
    fit = {n for n in namespaces if all(_fits(n, c) for c in op.match_conditions or ())}
    if op.max_depth is not None:
        fit = {namespace[: op.max_depth] for namespace in fit}
    return page(sorted(fit), op.offset, op.limit)


def page(found: list[Any], offset: int, limit: int) -> list[Any]:
    """`limit` of them from `offset` on; none for a limit below 1."""
    start = max(0, offset)
    return found[start : start + max(0, limit)]


def _fits(namespace: Namespace, condition: MatchCondition) -> bool:
    labels = tuple(condition.path)
    if len(labels) > len(namespace):
        return False
    if condition.match_type == "prefix":
        part = namespace[: len(labels)]
    elif condition.match_type == "suffix":
        part = namespace[len(namespace) - len(labels) :]
    else:
        raise ParameterError(f"unknown match type {condition.match_type!r}")
    return all(label in ("*", has) for label, has in zip(labels, part, strict=True))
