"""Flat files as records: one row a memory, with a reason for every refusal.

This is the one place where pydantic checks what comes from outside. Only the command line
imports it, so that `import feather_memory` stays quick.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from typing import IO, Annotated, Any, TypeAlias

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
from feather_memory.importers.fields import PARTS, Fields, placed, without
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


class _Line(BaseModel):
    """What both kinds of line share."""

    model_config = ConfigDict(coerce_numbers_to_str=True, extra="ignore")

    text: str
    id: _Name | None = None
    session: _Name | None = None
    actor: _Name | None = None
    role: _Name | None = None
    key: _Name | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)


class _ChatLine(_Line):
    """A line of somebody's chat."""

    time: _OrderedTime | None = None
    recorded: _OrderedTime | None = None


class _ExportLine(_Line):
    """A line of an export of version 1."""

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
    for line, row in rows:
        if isinstance(row, Refused):
            yield row
        else:
            yield _entry(line, row, fields, day_first=day_first)


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


def _entry(line: int, row: _Row, fields: Fields, *, day_first: bool) -> Entry | Refused:
    try:
        if _MAY_BE_NO_TEXT in repr(row):  # a tenth of the time
            json.dumps(row, ensure_ascii=False).encode()
        if MARK in row:
            return _exported(line, row, fields)
        return _chat(line, row, fields, day_first=day_first)
    except ValidationError as error:
        return Refused(line=line, reason=_first(error, fields))
    except UnicodeEncodeError:
        return Refused(line=line, reason="not UTF-8 text")
    except ParameterError as error:
        return Refused(line=line, reason=str(error))


def _chat(line: int, row: _Row, fields: Fields, *, day_first: bool) -> Entry:
    found, missing = placed(fields, tuple(row))
    if missing or "text" not in found:
        raise ParameterError(f"no field {(*missing, 'text')[0]!r}")
    taken = {part: path for part, path in found.items() if part != "per"}
    parts = {part: path.of(row) for part, path in taken.items()}
    parts["metadata"] = without(row, taken.values())
    record = _filled(_ChatLine.model_validate(parts, context=day_first))
    if "time" in record:
        record["valid_from"] = record.pop("time")
    if "recorded" in record:
        record["recorded_at"] = record.pop("recorded")
    return Entry(line=line, record=record, group=_group(row, fields), names=tuple(row))


def _exported(line: int, row: _Row, fields: Fields) -> Entry:
    if row[MARK] != MARK_VERSION:
        raise ParameterError(
            f"an export of version {row[MARK]!r}; this release reads {MARK_VERSION}"
        )
    record = _filled(_ExportLine.model_validate(row))
    links = record.pop("links", ())
    if "created_at" in record:
        record["recorded_at"] = record.pop("created_at")
    return Entry(line=line, record=record, group=_group(row, fields), links=links, names=tuple(row))


def _filled(checked: _Line) -> dict[str, Any]:
    if not checked.text.strip():
        raise ParameterError("the text is empty")
    return {name: value for name, value in checked if value not in (None, (), {})}


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
