"""LangGraph's configurations, whose keys are honoured or refused, and the tenant of a namespace."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, Op, PutOp, SearchOp

from feather_memory import ParameterError
from feather_memory.agent import CallFields, TenantRule, TenantTemplate, tenant_rule

Namespaces = Callable[[tuple[str, ...]], str]
"""From a namespace, or the labels that begin it, to the tenant."""

_INDEX: Final = frozenset({"dims", "embed", "fields", "text_fields", "distance_type"})
_TTL: Final = frozenset(
    {"refresh_on_read", "default_ttl", "sweep_interval_minutes", "omit_expired"}
)


def fields_of(index: Mapping[str, Any]) -> list[str]:
    """The paths of an index's texts; the whole value unless it says, and none where it says none.

    Raises:
        ParameterError: A key, or a value of one, that is not honoured here.
    """
    _refuse_others(index, _INDEX, "index")
    if (distance := index.get("distance_type", "cosine")) != "cosine":
        raise ParameterError(f"index['distance_type'] is 'cosine' here, got {distance!r}")
    said = [index[key] for key in ("fields", "text_fields") if index.get(key) is not None]
    if any(isinstance(paths, str) for paths in said):
        raise ParameterError(f"index['fields'] is a list of paths, got {said[0]!r}")
    if len(said) == 2 and list(said[0]) != list(said[1]):
        raise ParameterError("index has both 'fields' and 'text_fields', and they differ")
    return list(said[0]) if said else ["$"]


def check_ttl(ttl: Mapping[str, Any]) -> None:
    """Nothing, if all that a configuration of the time to live says is honoured here.

    Raises:
        ParameterError: A key that is not, or that expired items be returned.
    """
    _refuse_others(ttl, _TTL, "ttl")
    if ttl.get("omit_expired", True) is not True:
        raise ParameterError("what has expired is never returned: ttl['omit_expired'] is True here")


def check_paths(op: Op) -> None:
    """Nothing, if what an operation has for labels or paths is several, and no single string.

    Raises:
        ParameterError: It would be read letter by letter.
    """
    several: dict[str, object]
    match op:
        case GetOp(namespace=labels) | SearchOp(namespace_prefix=labels):
            several = {"a namespace": labels}
        case PutOp(namespace=labels, index=paths):
            several = {"a namespace": labels, "index": paths}
        case ListNamespacesOp():
            several = {}
    for name, given in several.items():
        if isinstance(given, str):
            raise ParameterError(f"{name} is several strings, got {given!r:.80}")


def with_labels(op: Op) -> Op:
    """The operation, in whose conditions of namespaces one string is one label.

    LangGraph's own tests have such; other stores read them letter by letter.
    """
    if not isinstance(op, ListNamespacesOp) or not op.match_conditions:
        return op
    return op._replace(match_conditions=tuple(map(_labelled_by, op.match_conditions)))


def check_lifetime(op: PutOp) -> None:
    """Nothing, if an item's time to live is a number of minutes, or none.

    Raises:
        ParameterError: It is something else; the item is named.
    """
    minutes: object = op.ttl
    if minutes is not None and (
        isinstance(minutes, bool)
        or not isinstance(minutes, int | float)
        or not math.isfinite(minutes)
    ):
        raise ParameterError(
            f"the ttl of {op.key!r} in {tuple(op.namespace)!r:.200} is minutes, got {minutes!r:.80}"
        )


def namespace_rule(given: str | Namespaces | None) -> TenantRule:
    """What `tenant=` says of a store's namespaces; their first label is the tenant unless it does.

    Raises:
        ParameterError: A template whose fields are no places of labels.
    """
    if given is None:
        return TenantRule(rule=lambda labels: labels[0] if labels else "")
    said = tenant_rule(given)
    if not isinstance(said.rule, TenantTemplate):
        return said
    template = said.rule
    if strange := [name for name in template.fields if not name.isdecimal()]:
        raise ParameterError(
            f"a namespace has no {strange[0]!r}: its labels are {{0}}, {{1}} and so on"
        )
    return TenantRule(rule=lambda labels: template(_labelled(labels)))


def _labelled_by(condition: MatchCondition) -> MatchCondition:
    path: object = condition.path
    return condition._replace(path=(path,)) if isinstance(path, str) else condition


def _labelled(labels: Sequence[str]) -> CallFields:
    return CallFields({"the namespace": {str(n): label for n, label in enumerate(labels)}})


def _refuse_others(given: Mapping[str, Any], known: frozenset[str], name: str) -> None:
    if unknown := sorted(map(str, given.keys() - known)):
        raise ParameterError(f"{name} does not take {', '.join(map(repr, unknown))}")
