"""Flat files: a row a memory, as lines of JSON, as an array of objects, or as a table."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import IO, Any, TypeAlias

from feather_memory.importers import chatlog
from feather_memory.importers.document import Document
from feather_memory.importers.entries import Entry, Refused, Remark
from feather_memory.importers.fields import placed
from feather_memory.importers.format import Format
from feather_memory.importers.lines import objects
from feather_memory.importers.source import Source
from feather_memory.importers.times import day_first, is_ambiguous

_Rows: TypeAlias = Iterator[tuple[int, dict[str, Any] | Refused]]

_DELIMITERS = ",;\t|"
_ENDINGS = (".csv", ".tsv", ".tab", ".csv.gz", ".tsv.gz")
_LOOK = 100
"""Rows that tell whether the times of a file are dates of which the day or the month is first."""


def _is_file(source: Source) -> bool:
    return source.members == ("",)


def _is_lines(source: Source) -> bool:
    return _is_file(source) and isinstance(source.prefix_of(), dict) and not _is_one(source)


def _is_one(source: Source) -> bool:
    """Whether the file is one object that is written over several lines, and so no row a line."""
    first = source.head_of().lstrip().partition("\n")[0].rstrip()
    return not first.endswith("}") and "\n" in source.head_of().strip()


def _is_array(source: Source) -> bool:
    value = source.prefix_of() if _is_file(source) else None
    return isinstance(value, list) and (not value or isinstance(value[0], dict))


def _is_table(source: Source) -> bool:
    if not _is_file(source) or not source.head_of().strip() or source.prefix_of() is not None:
        return False
    if source.name.lower().endswith(_ENDINGS):
        return True
    header = _header(source)
    return "text" in placed(source.fields, header)[0] and len(header) > 1


def _header(source: Source) -> tuple[str, ...]:
    first = source.head_of().lstrip("\ufeff").splitlines()[:1]
    return tuple(next(csv.reader(first, delimiter=_delimiter(source)), []))


def _delimiter(source: Source) -> str:
    """The one that the header has most of."""
    first = source.head_of().partition("\n")[0]
    return max(_DELIMITERS, key=first.count)


def _lines(_: Source, stream: IO[str]) -> _Rows:
    return objects(stream)


def _array(_: Source, stream: IO[str]) -> _Rows:
    document = Document(stream)
    for place in document.items():
        row = document.value()
        is_row = isinstance(row, dict)
        yield place + 1, row if is_row else Refused(line=place + 1, reason="not a JSON object")


def _table(source: Source, stream: IO[str]) -> _Rows:
    return chatlog.table(stream, source.fields, delimiter=_delimiter(source))


def _reader(
    rows_of: Callable[[Source, IO[str]], _Rows],
) -> Callable[[Source], Iterator[Entry | Refused | Remark]]:
    def read(source: Source) -> Iterator[Entry | Refused | Remark]:
        order = source.day_first
        if order is None:
            with source.text_of() as stream:
                order, remarks = _order(source, rows_of(source, stream))
            yield from remarks
            source.read_bytes = 0
        with source.text_of() as stream:
            yield from chatlog.read(rows_of(source, stream), source.fields, day_first=order)

    return read


def _order(source: Source, rows: _Rows) -> tuple[bool, list[Remark]]:
    """Whether the day is first in the dates of a file, by all of them; and what is to be told."""
    times = (_time(source, row) for _, row in rows if isinstance(row, dict))
    first = list(islice(times, _LOOK))
    if not any(isinstance(time, str) and ("/" in time or "-" in time) for time in first):
        return False, []
    unsure = [time for time in first if is_ambiguous(time)]
    if not unsure:
        return bool(day_first(first)), []
    found = day_first(chain(first, times))
    if found is None:
        return False, [ambiguous(unsure[0])]
    return found, []


def ambiguous(written: object) -> Remark:
    """What is to be told where no date says in which order they are written."""
    return Remark(
        said=f"Dates such as {written} are read with the month first: "
        "say --day-first if it is the day."
    )


def _time(source: Source, row: dict[str, Any]) -> Any:
    path = placed(source.fields, tuple(row))[0].get("time")
    return None if path is None else path.of(row)


JSONL = Format("jsonl", "lines of JSON, one memory each", _is_lines, _reader(_lines))
JSON = Format("json", "a JSON array, one memory each", _is_array, _reader(_array))
CSV = Format("csv", "a table with a header, one memory a row", _is_table, _reader(_table))
