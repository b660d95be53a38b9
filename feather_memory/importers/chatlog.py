"""Flat files as records: one row a memory, with a reason for every refusal.

This is the one place where pydantic checks what comes from outside. Only the command line
imports it, so that `import feather_memory` stays quick.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from typing import IO, Annotated, Any, Final, NamedTuple, Self, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    ValidationInfo,
)

from feather_memory.config import MAX_ID_LENGTH, MAX_TEXT_BYTES
from feather_memory.errors import ParameterError
from feather_memory.importers.entries import Entry, Link, Refused
from feather_memory.importers.fields import PARTS, Fields, Path, placed, without
from feather_memory.importers.times import parse_time

MARK = "feather_memory"
"""The key that tells a line of an export of version 1 from a line of somebody else's."""

MARK_VERSION = 1
"""What came after it is read by `exports`."""

_MAY_BE_NO_TEXT = r"\ud"
"""In how Python shows a text that has half a surrogate pair; and a few others."""

_Row: TypeAlias = dict[str, Any]


def _in_order(value: object, info: ValidationInfo) -> float:
    return parse_time(value, day_first=bool(info.context))


_Name = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH)]
_Time = Annotated[float, BeforeValidator(parse_time)]
_OrderedTime = Annotated[float, BeforeValidator(_in_order)]


class _ChatLine(BaseModel):
    """The parts of a line of somebody's chat."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    text: str
    id: _Name | None = None
    session: _Name | None = None
    actor: _Name | None = None
    role: _Name | None = None
    key: _Name | None = None
    time: _OrderedTime | None = None
    recorded: _OrderedTime | None = None


class _ExportLine(BaseModel):
    """A line of an export of version 1."""

    model_config = ConfigDict(coerce_numbers_to_str=True, extra="ignore")

    text: str
    id: _Name | None = None
    session: _Name | None = None
    actor: _Name | None = None
    role: _Name | None = None
    key: _Name | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    importance: float | None = None
    created_at: _Time | None = None
    valid_from: _Time
    valid_to: _Time | None = None
    expires_at: _Time | None = None
    links: tuple[Link, ...] = ()
    vector: list[float] | None = None


def read(
    rows: Iterable[tuple[int, _Row | Refused]], fields: Fields, *, day_first: bool = False
) -> Iterator[Entry | Refused]:
    """The rows of a flat file, in order, each as something to remember or as a refusal.

    Fields without a part to play become metadata; nulls and empty cells are left out.

    Args:
        rows: Each with its line, such as `table` and `lines.objects` make them.
        fields: Which are which.
        day_first: Whether 5/8/2023 is in August.
    """
    plans: dict[tuple[str, ...], _Plan] = {}
    for line, row in rows:
        if isinstance(row, Refused):
            yield row
            continue
        names = tuple(row)
        if (plan := plans.get(names)) is None:
            if len(plans) == _PLANS:
                plans.clear()
            plan = plans[names] = _Plan.of(fields, names)
        yield _entry(line, row, plan, day_first=day_first)


def table(
    stream: IO[str], fields: Fields, *, delimiter: str = ","
) -> Iterator[tuple[int, _Row | Refused]]:
    """The rows of a CSV, each with its line. Empty lines are skipped.

    Raises:
        ParameterError: It has no header, or one that lacks a field that was named.
    """
    # The limit is the process's; 131,072 characters would refuse texts that a store takes.
    csv.field_size_limit(MAX_TEXT_BYTES)
    reader = csv.reader(stream, delimiter=delimiter)
    header = _header(reader, fields)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, Refused(line=line, reason=f"not CSV: {error}")
            continue
        if len(cells) > len(header):
            said = f"{len(cells)} cells under a header of {len(header)}"
            yield line, Refused(line=line, reason=said)
        elif cells:
            padded = [*cells, *[""] * (len(header) - len(cells))]
            yield line, {name: cell or None for name, cell in zip(header, padded, strict=True)}


def _header(reader: Iterator[list[str]], fields: Fields) -> list[str]:
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise ParameterError(f"not CSV: {error}") from None
    found, missing = placed(fields, tuple(header))
    if missing or "text" not in found:
        seen = ", ".join(map(repr, header)) or "nothing"
        raise ParameterError(f"no column {(*missing, 'text')[0]!r}; the header has {seen}")
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise ParameterError(f"two columns are named {twice!r}")
    return header


class _Plan(NamedTuple):
    """How rows with certain fields are read."""

    fields: Fields
    names: tuple[str, ...]
    missing: str | None
    """The first field that they lack and need."""
    plain: tuple[tuple[str, str], ...]
    """Parts, each with the field that is it."""
    deep: tuple[tuple[str, Path], ...]
    """Parts, each with where it is within a field."""
    rest: tuple[str, ...]
    """Fields that have no part to play: metadata."""

    @classmethod
    def of(cls, fields: Fields, names: tuple[str, ...]) -> Self:
        found, missing = placed(fields, names)
        lacked = missing if "text" in found else (*missing, "text")
        parts = [(part, path) for part, path in found.items() if part != "per"]
        plain = tuple((part, path.names[0]) for part, path in parts if len(path.names) == 1)
        deep = tuple((part, path) for part, path in parts if len(path.names) > 1)
        taken = {name for _, name in plain}
        rest = tuple(name for name in names if name not in taken)
        return cls(fields, names, next(iter(lacked), None), plain, deep, rest)

    def parts_of(self, row: _Row) -> dict[str, Any]:
        """The parts that a row has, by name."""
        if self.missing is not None:
            raise ParameterError(f"no field {self.missing!r}")
        parts = {part: row[name] for part, name in self.plain}
        for part, path in self.deep:
            parts[part] = path.of(row)
        return parts

    def rest_of(self, row: _Row) -> dict[str, Any]:
        """What a row has beside its parts, but for nulls."""
        left = {name: value for name in self.rest if (value := row[name]) is not None}
        return without(left, (path for _, path in self.deep)) if self.deep else left


_PLANS: Final = 256
"""As many are kept: rows of a file nearly always have one of a few sets of fields."""


def _entry(line: int, row: _Row, plan: _Plan, *, day_first: bool) -> Entry | Refused:
    try:
        if _MAY_BE_NO_TEXT in repr(row):  # a tenth of the time
            json.dumps(row, ensure_ascii=False).encode()
        if MARK in row:
            return _exported(line, row, plan.fields)
        return _chat(line, row, plan, day_first=day_first)
    except ValidationError as error:
        return Refused(line=line, reason=_first(error, plan.fields))
    except UnicodeEncodeError:
        return Refused(line=line, reason="not UTF-8 text: --encoding says what it is")
    except ParameterError as error:
        return Refused(line=line, reason=str(error))


def _chat(line: int, row: _Row, plan: _Plan, *, day_first: bool) -> Entry:
    checked = _ChatLine.model_validate(plan.parts_of(row), context=day_first)
    _check_said(checked.text)
    record = {name: value for name, value in vars(checked).items() if value is not None}
    if "time" in record:
        record["valid_from"] = record.pop("time")
    if "recorded" in record:
        record["recorded_at"] = record.pop("recorded")
    if metadata := plan.rest_of(row):
        record["metadata"] = metadata
    return Entry(line=line, record=record, group=_group(row, plan.fields), names=plan.names)


def _exported(line: int, row: _Row, fields: Fields) -> Entry:
    if row[MARK] != MARK_VERSION:
        raise ParameterError(
            f"an export of version {row[MARK]!r}; this release reads {MARK_VERSION}"
        )
    checked = _ExportLine.model_validate(row)
    _check_said(checked.text)
    record = {name: value for name, value in checked if value not in (None, (), {})}
    links = record.pop("links", ())
    if "created_at" in record:
        record["recorded_at"] = record.pop("created_at")
    return Entry(line=line, record=record, group=_group(row, fields), links=links, names=tuple(row))


def _check_said(text: str) -> None:
    if not text or text.isspace():
        raise ParameterError("the text is empty")


def _group(row: _Row, fields: Fields) -> str | None:
    if fields.per is None:
        return None
    path = placed(fields, tuple(row))[0].get("per")
    value = None if path is None else path.of(row)
    if not isinstance(value, (str, int, float)) or value == "":
        raise ParameterError(f"{fields.per!r} is {value!r}, which names no store")
    return str(value)


def _first(error: ValidationError, fields: Fields) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    part = str(first["loc"][0])
    name = fields.name_of(part) if part in PARTS else part
    return f"{name!r}: {first['msg'].removeprefix('Value error, ')}"
