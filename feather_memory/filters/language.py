"""The filter language: which memories a search may answer with.

A filter says something about the fields of one memory, and filters combine::

    F("channel") == "chat"             F("n") >= 3              F("tags").contains("red")
    F("channel").is_in(["a", "b"])     F("user.name").exists()  ~f    f & g    f | g

**Fields.** A dotted path leads into the metadata: `F("a.b")` is `metadata["a"]["b"]`. A name in
`BUILT_INS` is a field of the memory itself; metadata under such a name is
`F("metadata.importance")`, since `metadata.` always means the metadata. Keys that hold dots are
given one by one: `F(path=("a.b", "c"))`. Lists are not walked. A text that is a JSON object, as
some programs keep, has an inside: `F(path=("text", "cups"))`; any other text has no keys.

**Comparisons** are strict and never fail on a stored value:

- A field that is missing makes every comparison False. `!=` is exactly `~(==)`, and `~f` is
  the exact complement of `f`; so a memory that lacks the field matches `!=`.
- A bool equals only that bool. Integers and floats compare by value, exactly. Text equals text,
  code point by code point. None equals only a null that is present. A list equals a list of the
  same length and equal items. An object equals nothing.
- `<`, `<=`, `>`, `>=` hold between two numbers or two texts, otherwise they are False.
- `exists()` holds for a metadata key that is present, null included. A built-in field that is
  None does not exist.
- `contains(x)`: a list has an item that equals x; a text has the text x in it; otherwise False.
  `icontains(x)` is the same for texts, all of them in lower case (`str.lower`).
- A time field is compared with Unix seconds, or with what stands for them: a datetime with its
  time zone, a date (its midnight in UTC), or either as ISO text.
- A field of the memory itself has one kind of value. A comparison with what it can never be, such
  as `F("importance") >= "0.3"` or `F("session") == None`, is refused. Metadata can be anything.

`filter_parse.parse` reads filters from plain mappings, `filter_sql.to_sql` says them in SQL.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Literal, NoReturn, TypeAlias

from feather_memory.errors import FilterError, quoted
from feather_memory.filters.possible import possible, takes_texts
from feather_memory.filters.values import (
    HOLDS,
    MAX_DEPTH,
    MISSING,
    identity,
    inside,
    is_number,
    literal,
    named,
    unicode_text,
)
from feather_memory.model.fields import FIELDS, FILTERED

Path: TypeAlias = tuple[str, ...]
"""Where a field is: ("metadata", "a", "b"), or ("importance",) for a built-in."""

Operator: TypeAlias = Literal["==", "<", "<=", ">", ">=", "in", "contains", "icontains", "exists"]

BUILT_INS: Final = frozenset(FILTERED)
"""Fields of the memory itself."""

TIMES: Final = frozenset(name for name in FILTERED if FIELDS[name].kind == "time")
"""Those of them that are Unix seconds."""


class FilterTruthError(FilterError, TypeError):
    """A filter was used as a bool: `and`, `or`, `not`, `if` or a chained comparison."""


def _refuse_truth(self: object) -> NoReturn:
    raise FilterTruthError(
        f"{self!r} is neither true nor false by itself: combine filters with & | ~ and not with "
        "`and`, `or`, `not`, and put each comparison in parentheses",
    )


class Filter(ABC):
    """A statement about one memory. A value: hashable, and equal to one that says the same words.

    >>> (F("channel") == "chat") & ~F("user.muted").exists()
    (F('channel') == 'chat') & (~F('user.muted').exists())
    """

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """A Filter as it is; out of JSON the mapping that `parse_filter` reads."""
        from pydantic_core import core_schema  # only where a schema is built

        return core_schema.json_or_python_schema(
            json_schema=core_schema.dict_schema(core_schema.str_schema()),
            python_schema=core_schema.is_instance_schema(Filter),
            serialization=core_schema.to_string_ser_schema(when_used="json"),
        )

    @abstractmethod
    def matches(self, record: Mapping[str, Any]) -> bool:
        """Whether it holds for the record.

        A record has built-in fields by name, times as Unix seconds, and the metadata as a
        mapping under "metadata". What it lacks is missing.
        """

    @abstractmethod
    def fields(self) -> frozenset[Path]:
        """The paths it looks at."""

    def __and__(self, other: Filter) -> Filter:
        return And((*_parts(And, self), *_parts(And, other))) if _is(other) else NotImplemented

    def __or__(self, other: Filter) -> Filter:
        return Or((*_parts(Or, self), *_parts(Or, other))) if _is(other) else NotImplemented

    def __invert__(self) -> Filter:
        return self.part if isinstance(self, Not) else Not(self)

    __bool__ = _refuse_truth


def _is(other: object) -> bool:
    return isinstance(other, Filter)


def _parts(kind: type[And | Or], part: Filter) -> tuple[Filter, ...]:
    return part.parts if isinstance(part, And | Or) and type(part) is kind else (part,)


@dataclass(frozen=True, slots=True, repr=False)
class Leaf(Filter):
    """One comparison of one field. Made by `F`, which checks and normalises the operand.

    Lists are tuples here, datetimes Unix seconds. The operand of "in" is the tuple of choices,
    that of "exists" None.
    """

    path: Path
    operator: Operator
    operand: Any = field(default=None, compare=False)
    _identity: Any = field(init=False, repr=False)  # the operand, such that 1 is not True

    def __post_init__(self) -> None:
        object.__setattr__(self, "_identity", identity(self.operand))

    def matches_value(self, value: Any) -> bool:
        """Whether it holds where the field has this value, or `MISSING`."""
        return value is not MISSING and HOLDS[self.operator](value, self.operand)

    def matches(self, record: Mapping[str, Any]) -> bool:
        """Whether it holds for the record."""
        return self.matches_value(value_at(record, self.path))

    def fields(self) -> frozenset[Path]:
        """Its one path."""
        return frozenset({self.path})

    def __repr__(self) -> str:
        subject = repr(Field(path=self.path))
        match self.operator:
            case "exists":
                return f"{subject}.exists()"
            case "in" | "contains" | "icontains" as name:
                method = "is_in" if name == "in" else name
                return f"{subject}.{method}({_shown(self.operand)})"
            case sign:
                return f"{subject} {sign} {_shown(self.operand)}"


@dataclass(frozen=True, slots=True, repr=False)
class And(Filter):
    """Holds where all its parts do."""

    parts: tuple[Filter, ...]
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", _depth(self.parts))

    def matches(self, record: Mapping[str, Any]) -> bool:
        """Whether all parts hold for the record."""
        return all(part.matches(record) for part in self.parts)

    def fields(self) -> frozenset[Path]:
        """The paths of all parts."""
        return frozenset().union(*(part.fields() for part in self.parts))

    def __repr__(self) -> str:
        return " & ".join(f"({part!r})" for part in self.parts)


@dataclass(frozen=True, slots=True, repr=False)
class Or(Filter):
    """Holds where at least one of its parts does."""

    parts: tuple[Filter, ...]
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", _depth(self.parts))

    def matches(self, record: Mapping[str, Any]) -> bool:
        """Whether a part holds for the record."""
        return any(part.matches(record) for part in self.parts)

    def fields(self) -> frozenset[Path]:
        """The paths of all parts."""
        return frozenset().union(*(part.fields() for part in self.parts))

    def __repr__(self) -> str:
        return " | ".join(f"({part!r})" for part in self.parts)


@dataclass(frozen=True, slots=True, repr=False)
class Not(Filter):
    """Holds where its part does not."""

    part: Filter
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", _depth((self.part,)))

    def matches(self, record: Mapping[str, Any]) -> bool:
        """Whether the part does not hold for the record."""
        return not self.part.matches(record)

    def fields(self) -> frozenset[Path]:
        """The paths of its part."""
        return self.part.fields()

    def __repr__(self) -> str:
        if isinstance(self.part, Leaf) and self.part.operator == "==":
            return f"{Field(path=self.part.path)!r} != {_shown(self.part.operand)}"
        return f"~{self.part!r}" if _is_call(self.part) else f"~({self.part!r})"


def _is_call(part: Filter) -> bool:
    return isinstance(part, Leaf) and part.operator in {"in", "contains", "icontains", "exists"}


def _depth(parts: tuple[Filter, ...]) -> int:
    if not parts:
        raise FilterError("a filter needs at least one part to combine")
    depth = 1 + max(part.depth if isinstance(part, And | Or | Not) else 0 for part in parts)
    if depth > MAX_DEPTH:
        raise FilterError(f"a filter may be nested {MAX_DEPTH} deep, got {depth}")
    return depth


class Field:
    """A field by its dotted path, to be compared. Written `F`; the module says what holds when.

    Args:
        dotted: The path, its segments parted by dots.
        path: The segments themselves, instead; for keys that hold dots or are empty.

    Raises:
        FilterError: The path is empty, or leads into a built-in field that has no inside: the text
            alone has one, by `path`.
    """

    __slots__ = ("path",)
    __hash__ = None  # type: ignore[assignment]  # == makes a Filter, so no dict could find it

    def __init__(self, dotted: str | None = None, *, path: Path | None = None) -> None:
        self.path: Path = _path(dotted, path)

    def __eq__(self, other: object) -> Filter:  # type: ignore[override]
        return Leaf(self.path, "==", self._operand("==", other))

    def __ne__(self, other: object) -> Filter:  # type: ignore[override]
        return ~Leaf(self.path, "==", self._operand("!=", other))

    def __lt__(self, other: object) -> Filter:
        return self._ordered("<", other)

    def __le__(self, other: object) -> Filter:
        return self._ordered("<=", other)

    def __gt__(self, other: object) -> Filter:
        return self._ordered(">", other)

    def __ge__(self, other: object) -> Filter:
        return self._ordered(">=", other)

    def is_in(self, choices: list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any]) -> Filter:
        """Whether the field equals one of the choices. No choices: never."""
        if not isinstance(choices, list | tuple | set | frozenset):
            raise FilterError(f"is_in takes a list of values, got {named(choices)}")
        listed = self._texts(choices) or [self._operand("in", choice) for choice in choices]
        if isinstance(choices, set | frozenset):
            listed.sort(key=repr)  # a set's own order changes from process to process
        return Leaf(self.path, "in", tuple(listed))

    def contains(self, item: Any) -> Filter:
        """Whether the field is a list with such an item, or a text with this text in it."""
        return Leaf(self.path, "contains", self._operand("contains", item))

    def icontains(self, text: str) -> Filter:
        """As `contains`, upper and lower case alike."""
        if not isinstance(text, str):
            raise FilterError(f"icontains takes a text, got {named(text)}")
        return Leaf(self.path, "icontains", self._operand("icontains", text))

    def exists(self) -> Filter:
        """Whether the field is there."""
        return Leaf(self.path, "exists")

    def _ordered(self, sign: Literal["<", "<=", ">", ">="], bound: object) -> Filter:
        operand = self._operand(sign, bound)
        if not (is_number(operand) or isinstance(operand, str)):
            raise FilterError(f"{self!r} {sign} takes a number or a text, got {named(bound)}")
        return Leaf(self.path, sign, operand)

    def _texts(self, choices: Collection[Any]) -> list[Any]:
        """The choices where all are texts, and fit: often thousands. Else none."""
        fits = self.path[0] == "metadata" or len(self.path) > 1 or takes_texts(self.path[0])
        if fits and {*map(type, choices)} == {str}:
            with suppress(UnicodeEncodeError):
                "".join(choices).encode()
                return list(choices)
        return []

    def _operand(self, operator: str, value: object) -> Any:
        if self.path[0] != "metadata" and len(self.path) == 1:
            return possible(self.path[0], operator, value, self)
        if isinstance(value, date):  # a datetime is one
            times = ", ".join(sorted(TIMES))
            raise FilterError(f"{named(value)} compares with {times}, and {self!r} is none of them")
        return literal(value, self)

    __bool__ = _refuse_truth

    def __repr__(self) -> str:
        keys = self.path[1:] if self.path[0] == "metadata" else self.path
        if any("." in key or not key for key in keys) or self.path[:1] == ("text",) != self.path:
            return f"F(path={self.path!r})"
        is_shadowed = self.path[0] == "metadata" and keys[0] in BUILT_INS | {"metadata"}
        return f"F({'.'.join(self.path if is_shadowed else keys)!r})"


F = Field


def value_at(record: Mapping[str, Any], path: Path) -> Any:
    """The value at the path, or `MISSING`."""
    value: Any = record
    if path[0] != "metadata":
        value = record.get(path[0])
        if len(path) == 1 or value is None:
            return MISSING if value is None else value
        value, path = inside(value), path[1:]
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return MISSING
        value = value[key]
    return value


def _path(dotted: str | None, path: Path | None) -> Path:
    if (dotted is None) == (path is None):
        raise FilterError('a field is F("a.b") or F(path=("a", "b"))')
    if dotted is not None and not isinstance(dotted, str):
        raise FilterError(f"a path is a string, got {named(dotted)}")
    keys = tuple(dotted.split(".")) if dotted is not None else path
    if not isinstance(keys, tuple) or not keys or not all(isinstance(key, str) for key in keys):
        raise FilterError(f"path takes a tuple of strings that is not empty, got {quoted(path)}")
    if dotted is not None and not all(keys):
        raise FilterError(f"the path {dotted!r} has an empty segment")
    keys = tuple(unicode_text(key) for key in keys)
    if keys[0] in BUILT_INS:
        if len(keys) > 1 and (keys[0] != "text" or dotted is not None):
            meant = ".".join(keys)
            raise FilterError(f"{keys[0]!r} has no inside; for the metadata: 'metadata.{meant}'")
        return keys
    return keys if keys[0] == "metadata" and len(keys) > 1 else ("metadata", *keys)


def _shown(operand: Any) -> str:
    if isinstance(operand, tuple):
        return f"[{', '.join(map(_shown, operand))}]"
    return repr(operand)
