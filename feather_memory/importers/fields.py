"""Which field of a flat file is which part of a memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

PARTS: Final = ("text", "id", "time", "recorded", "session", "actor", "role", "key")

_OBVIOUS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text", "content", "message", "body"),
    "time": ("time", "timestamp"),
    "recorded": ("recorded_at",),
}


class Path(NamedTuple):
    """Where a value is: in a field, or in what a field has within it."""

    names: tuple[str, ...]

    def of(self, row: Mapping[str, Any]) -> Any:
        """The value; None if there is none."""
        value: Any = row
        for name in self.names:
            if not isinstance(value, Mapping):
                return None
            value = value.get(name)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Under which name a file keeps what. None: under the obvious name, where a line has it.

    A name may be in any case, and a path such as `message.content`.
    """

    text: str | None = None
    id: str | None = None
    time: str | None = None
    recorded: str | None = None
    """When it was learned."""
    session: str | None = None
    actor: str | None = None
    role: str | None = None
    key: str | None = None
    per: str | None = None
    """Whose value says which store a line belongs to."""

    def named(self) -> set[str]:
        """The names the caller gave, which every line must have."""
        given = (getattr(self, part) for part in (*PARTS, "per"))
        return {name for name in given if name is not None}

    def name_of(self, part: str) -> str:
        """What the field of a part is called, as far as is known without a file."""
        return getattr(self, part) or obvious(part)[0]


def obvious(part: str) -> tuple[str, ...]:
    """The names that a part has where nobody says otherwise."""
    return _OBVIOUS.get(part, (part,))


@lru_cache(maxsize=256)
def placed(fields: Fields, names: tuple[str, ...]) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Where each part is in a row of these fields, and which of the names given are in none."""
    found: dict[str, Path] = {}
    missing: list[str] = []
    for part in (*PARTS, "per"):
        given = getattr(fields, part)
        tried = (given,) if given is not None else () if part == "per" else obvious(part)
        path = next((path for name in tried if (path := _path(name, names))), None)
        if path is not None:
            found[part] = path
        elif given is not None:
            missing.append(given)
    return found, tuple(sorted(missing))


def _path(name: str, names: Iterable[str]) -> Path | None:
    """Where a name leads: to a field of this name, in this case or another, or into one."""
    cases = {each.casefold(): each for each in reversed(tuple(names))}
    if name in cases.values():
        return Path((name,))
    if name.casefold() in cases:
        return Path((cases[name.casefold()],))
    first, dot, rest = name.partition(".")
    if dot and first.casefold() in cases:
        return Path((cases[first.casefold()], *rest.split(".")))
    return None


def without(row: Mapping[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    """The row less what these paths lead to, and what is null or left empty by that."""
    left = dict(row)
    for path in paths:
        _remove(left, path.names)
    return {name: value for name, value in left.items() if value is not None}


def _remove(row: dict[str, Any], names: tuple[str, ...]) -> None:
    first, *rest = names
    inner = row.get(first)
    if not rest:
        row.pop(first, None)
    elif isinstance(inner, Mapping):
        row[first] = dict(inner)
        _remove(row[first], tuple(rest))
        if not row[first]:
            del row[first]
