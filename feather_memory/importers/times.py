"""Times as files have them: as counts, as ISO 8601, and as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from feather_memory.checks import FIRST, LAST
from feather_memory.errors import ParameterError
from feather_memory.types import Seconds

_UNITS: Final = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""From which count on it is of nanoseconds, micro-, milliseconds, and how many make a second. As of
the next larger unit it would lie after the year 5138."""

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_CLOCK = r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,6})\d*)?)?\s*([ap])?\.?\s?(?:m\.?)?"
_NUMERIC = re.compile(
    rf"(\d{{1,4}})([./-])(\d{{1,2}})\2(\d{{1,4}})(?:(?:,\s*|\s+|T)(?:{_CLOCK})?)?", re.IGNORECASE
)
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_WORD = re.compile(r"[^\W\d_]{3,}")
_MONTHS = 12


def parse_time(value: object, *, day_first: bool = False) -> Seconds:
    """A moment as Unix seconds.

    Takes ISO 8601; seconds, milli-, micro- or nanoseconds since 1970, as numbers or digits; and
    dates as people write them: "1:56 pm on 8 May, 2023", "5/8/2023 13:56", "8.5.23". A time without
    a zone is read as UTC.

    Args:
        value: A number, a text or a datetime.
        day_first: Whether 5/8/2023 is in August. With dots it always is.

    Raises:
        ParameterError: It is none of these, or lies outside the years 1 to 9999.

    >>> parse_time("2023-05-08T13:56:00+02:00") == parse_time("11:56 am on 8 May, 2023")
    True
    >>> parse_time(1683547000123), parse_time(1683547000123456789) // 1
    (1683547000.123, 1683547000.0)
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
        pass
    if found := _NUMERIC.fullmatch(text):
        return _seconds(_numeric(found, text, day_first=day_first))
    return _seconds(_worded(text))


def day_first(written: Iterable[object]) -> bool | None:
    """Whether dates such as 5/8/2023 have the day first; None where none of them tells.

    Args:
        written: All the times of a file. One that has a 13 or more in one place tells of all.

    Raises:
        ParameterError: They contradict each other.
    """
    seen: dict[bool, str] = {}
    for value in written:
        found = _NUMERIC.fullmatch(" ".join(value.split())) if isinstance(value, str) else None
        if found is None or found[2] == "." or len(found[1]) > 2:
            continue
        first, second = int(found[1]), int(found[3])
        if (first > _MONTHS) != (second > _MONTHS):
            seen.setdefault(first > _MONTHS, found[0])
    if len(seen) > 1:
        raise ParameterError(f"the dates are of two orders, such as {seen[True]} and {seen[False]}")
    return next(iter(seen), None)


def is_ambiguous(value: object) -> bool:
    """Whether a text is a date that could have the day or the month first."""
    found = _NUMERIC.fullmatch(" ".join(value.split())) if isinstance(value, str) else None
    return bool(
        found
        and found[2] != "."
        and len(found[1]) <= 2
        and max(int(found[1]), int(found[3])) <= _MONTHS
        and found[1] != found[3]
    )


def _numeric(found: re.Match[str], text: str, *, day_first: bool) -> datetime:
    first, separator, second, third = found[1], found[2], int(found[3]), found[4]
    if len(first) > 2:
        year, month, day = int(first), second, int(third)
    else:
        is_day = separator == "." or day_first
        day, month = (int(first), second) if is_day else (second, int(first))
        year = int(third) + ((2000 if int(third) < 70 else 1900) if len(third) <= 2 else 0)
    hour, minute, second_ = (int(each or 0) for each in found.group(5, 6, 7))
    if half := found[9]:
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    fraction = int((found[8] or "0").ljust(6, "0"))
    try:
        return datetime(year, month, day, hour, minute, second_, fraction, tzinfo=UTC)
    except ValueError as error:
        raise ParameterError(f"not a time: {text[:60]!r} ({error})") from None


def _worded(text: str) -> datetime:
    """A date that names its month. The parser guesses what is missing: it must have a year."""
    if _YEAR.search(text) and _WORD.search(text):
        from dateutil import parser  # only where a date has words

        try:
            found: datetime = parser.parse(text.replace(" on ", " ").replace(" at ", " "))
        except (ValueError, OverflowError, TypeError):
            pass
        else:
            return found
    raise ParameterError(
        f"not a time: {text[:60]!r} (ISO 8601, seconds or milliseconds since 1970, "
        "or like '1:56 pm on 8 May, 2023' or '5/8/2023 13:56')"
    )


def _from_number(number: float) -> Seconds:
    if not math.isfinite(number):
        raise ParameterError(f"not a time: {number}")
    seconds = number
    if abs(number) >= _UNITS[-1][0]:
        seconds = number / next(per for least, per in _UNITS if abs(number) >= least)
    if not FIRST <= seconds <= LAST:
        raise ParameterError(f"not a time in the years 1 to 9999: {number:g}")
    return seconds


def _seconds(moment: datetime) -> Seconds:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
