"""Chat exports as records: JSONL or CSV in, one line at a time, with a reason for every refusal.

This is the one place where pydantic checks what comes from outside. Only the command line
imports it, so that `import feather_memory` stays quick.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Annotated, Any, NamedTuple, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from feather_memory.config import MAX_ID_LENGTH, MAX_TEXT_BYTES
from feather_memory.errors import ParameterError
from feather_memory.types import Seconds

MARK = "feather_memory"
"""The key that tells a line of an export of version 1 from a line of somebody else's."""

MARK_VERSION = 1
"""What came after it is read by `exports`."""

MILLISECONDS_FROM = 1e11
"""Numbers from here on are milliseconds: as seconds they would lie after the year 5138."""

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_SPOKEN_TIMES = ("%I:%M %p on %d %B, %Y", "%I:%M %p on %d %b, %Y")
_ROLES = ("text", "id", "time", "recorded", "session", "actor", "role", "key")
_OBVIOUS = {"recorded": "recorded_at"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Under which name a file keeps what. None: under the obvious name, where a line has it."""

    text: str = "text"
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
        given = (getattr(self, part) for part in (*_ROLES, "per"))
        return {name for name in given if name is not None}

    def sources(self) -> dict[str, str]:
        """For each part of a memory, the name the file keeps it under."""
        return {part: getattr(self, part) or _OBVIOUS.get(part, part) for part in _ROLES}


class Link(NamedTuple):
    """An edge as our own export names it, seen from its source."""

    type: str
    target: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line that can be remembered."""

    line: int
    record: dict[str, Any]
    """Arguments of `Store.add`, by name."""
    group: str | None = None
    """The value of the field that tells stores apart."""
    links: tuple[Link, ...] = ()
    """The edges that start at it; only a line of our own export names them."""
    names: tuple[str, ...] = field(default=(), compare=False)
    """The fields that the line has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One line that cannot be remembered, and why."""

    line: int
    reason: str


_Row: TypeAlias = dict[str, Any]


def parse_time(value: object) -> Seconds:
    """A moment as Unix seconds.

    Takes ISO 8601, Unix seconds or milliseconds (as numbers or digits), and times as chats
    write them: "1:56 pm on 8 May, 2023". A time without a zone is read as UTC.

    Raises:
        ParameterError: it is none of these, or lies outside the years 1 to 9999.

    >>> parse_time("2023-05-08T13:56:00+02:00") == parse_time("11:56 am on 8 May, 2023")
    True
    >>> parse_time(1683547000123)
    1683547000.123
    """
    if isinstance(value, datetime):
        return _seconds(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _from_number(float(value))
    if not isinstance(value, str):
        raise ParameterError(f"not a time: {value!r}")
    text = " ".join(value.split())
    # Numbers first: fromisoformat reads some counts of milliseconds as the seventeenth century.
    # Eight digits are a date, as ISO 8601 has it.
    if _NUMBER.fullmatch(text) and not (len(text) == 8 and text.isdigit()):
        return _from_number(float(text))
    try:
        return _seconds(datetime.fromisoformat(text))
    except ValueError:
        return _seconds(_spoken(text))


def _spoken(text: str) -> datetime:
    for pattern in _SPOKEN_TIMES:
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise ParameterError(
        f"not a time: {text[:60]!r} (ISO 8601, Unix seconds or milliseconds, "
        "or like '1:56 pm on 8 May, 2023')"
    )


def _from_number(number: float) -> Seconds:
    if not math.isfinite(number):
        raise ParameterError(f"not a time: {number}")
    seconds = number / 1000 if abs(number) >= MILLISECONDS_FROM else number
    try:
        datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise ParameterError(f"not a time in the years 1 to 9999: {number:g}") from None
    return seconds


def _seconds(moment: datetime) -> Seconds:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_Name = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH)]
_Time = Annotated[float, BeforeValidator(parse_time)]


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

    time: _Time | None = None
    recorded: _Time | None = None


class _ExportLine(_Line):
    """A line of an export of version 1."""

    importance: float | None = None
    created_at: _Time | None = None
    valid_from: _Time
    valid_to: _Time | None = None
    expires_at: _Time | None = None
    links: tuple[Link, ...] = ()
    vector: list[float] | None = None


def read(stream: IO[str], fields: Fields, *, is_csv: bool) -> Iterator[Entry | Refused]:
    """The file's lines, in order, each as something to remember or as a refusal.

    Empty lines are skipped. Fields without a part to play become metadata; nulls and empty
    cells are left out. Open the stream with ``encoding="utf-8-sig", errors="surrogateescape",
    newline=""``: a line that is not UTF-8 is then refused by itself.

    Raises:
        ParameterError: a CSV without a header, or whose header lacks a field that was named.
    """
    for line, row in _csv_rows(stream, fields) if is_csv else _json_rows(stream):
        if isinstance(row, str):
            yield Refused(line=line, reason=row)
        else:
            yield _entry(line, row, fields)


def _json_rows(stream: IO[str]) -> Iterator[tuple[int, _Row | str]]:
    for line, text in enumerate(stream, 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            yield line, f"not JSON: {error.msg} (column {error.colno})"
        except (ValueError, RecursionError) as error:
            yield line, f"not JSON: {error}"
        else:
            yield line, row if isinstance(row, dict) else "not a JSON object"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _csv_rows(stream: IO[str], fields: Fields) -> Iterator[tuple[int, _Row | str]]:
    # The limit is the process's; 131,072 characters would refuse texts that a store takes.
    csv.field_size_limit(MAX_TEXT_BYTES)
    reader = csv.reader(stream)
    header = _header(reader, fields)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"not CSV: {error}"
            continue
        if len(cells) > len(header):
            yield line, f"{len(cells)} cells under a header of {len(header)}"
        elif cells:
            padded = [*cells, *[""] * (len(header) - len(cells))]
            yield line, {name: cell or None for name, cell in zip(header, padded, strict=True)}


def _header(reader: Iterator[list[str]], fields: Fields) -> list[str]:
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise ParameterError(f"not CSV: {error}") from None
    if missing := sorted(fields.named().difference(header)):
        raise ParameterError(
            f"no column {missing[0]!r}; the header has {', '.join(map(repr, header)) or 'nothing'}"
        )
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise ParameterError(f"two columns are named {twice!r}")
    return header


def _entry(line: int, row: _Row, fields: Fields) -> Entry | Refused:
    try:
        json.dumps(row, ensure_ascii=False).encode()
        return _exported(line, row, fields) if MARK in row else _chat(line, row, fields)
    except ValidationError as error:
        return Refused(line=line, reason=_first(error, fields))
    except UnicodeEncodeError:
        return Refused(line=line, reason="not UTF-8 text")
    except ParameterError as error:
        return Refused(line=line, reason=str(error))


def _chat(line: int, row: _Row, fields: Fields) -> Entry:
    if missing := sorted(name for name in fields.named() if name not in row):
        raise ParameterError(f"no field {missing[0]!r}")
    sources = fields.sources()
    parts = {part: row.get(name) for part, name in sources.items()}
    taken = set(sources.values())
    parts["metadata"] = {k: v for k, v in row.items() if k not in taken and v is not None}
    record = _filled(_ChatLine.model_validate(parts))
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
    value = row.get(fields.per)
    if not isinstance(value, (str, int, float)) or value == "":
        raise ParameterError(f"{fields.per!r} is {value!r}, which names no store")
    return str(value)


def _first(error: ValidationError, fields: Fields) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    part = str(first["loc"][0])
    name = fields.sources().get(part, part)
    return f"{name!r}: {first['msg'].removeprefix('Value error, ')}"
