"""The time that a question names, as people say it: an interval, where it is sure.

"What did she paint last week?" asks for what was said in that week, whatever its words. "Last
week" is the calendar's week before this one, "last March" the latest that is over, "on 7 May" the
latest that has begun, and "since May" goes on until today; days are those of UTC. What two readers
might take otherwise is no interval: seasons, which half of the world has when the other has not,
"recently", "before May", which may be one to come, two dates that are not joined by "between".
"Before I moved" is dated by what was said of it: see anchors.py.

A table of our own, for it has to be sure and quick: parsers of dates find one in "may", "second" or
"sat", give a moment instead of an interval, and take a millisecond or more to find none.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from feather_memory.config import DAY
from feather_memory.model.words import ENGLISH
from feather_memory.types import Seconds


class Period(NamedTuple):
    """From a moment until before another, in seconds, UTC."""

    start: Seconds
    stop: Seconds

    @property
    def moments(self) -> tuple[datetime, datetime]:
        """The same as times of UTC."""
        return datetime.fromtimestamp(self.start, UTC), datetime.fromtimestamp(self.stop, UTC)


FIRST: Final = datetime(1, 1, 1, tzinfo=UTC).timestamp()
"""When a time begins of which only the end is known."""

_Span = tuple[datetime, datetime]
_DAY_LONG: Final = timedelta(days=1)

_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_COUNTS: Final = {
    "a": 1, "an": 1, "one": 1, "two": 2, "a couple of": 2, "three": 3, "four": 4, "five": 5,
    "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip
_VERBS: Final = {"may", "march"}
"""Months that are verbs, too: "may 3 people come?"."""

_MONTH: Final = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?"
)
_DAY: Final = r"(?:3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?\b"
_YEAR: Final = r"(?:19|20)\d\d\b"
_UNIT: Final = r"(?:day|week|month|year)"
_COUNT: Final = rf"(?:\d{{1,3}}|{'|'.join(sorted(_COUNTS, key=len, reverse=True))})"
_WEEKDAY: Final = r"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_END: Final = rf"((?:\b(?:{_MONTH}|{_DAY}|{_YEAR})[\s,]*)+)"

LONGEST: Final = 500
"""Characters of a question; what is longer tells more than it asks."""

MAY_NAME_A_TIME: Final = re.compile(
    rf"\b(?:{_YEAR}|{_MONTH}|{_UNIT}s?\b|last\b|this\b|yesterday|today)"
)
"""Found in every question, in small letters, that `period_in` finds a period in, and not in most
others: that takes 2 µs, where to look for what is found takes 50."""

_DATE: Final = re.compile(
    rf"\b(?=[\djfmasondtil])(?:(?P<iso>{_YEAR}-\d\d-\d\d)\b"
    rf"|(?P<day>{_DAY})\s+(?:of\s+)?(?P<month>{_MONTH})(?:,?\s*(?P<year>{_YEAR}))?"
    rf"|(?P<month2>{_MONTH})\s+(?:the\s+)?(?P<day2>{_DAY})(?:,?\s*(?P<year2>{_YEAR}))?"
    rf"|(?P<month3>{_MONTH}),?\s+(?:of\s+)?(?P<year3>{_YEAR})"
    rf"|(?P<which>in|during|of|this|last|since)\s+(?P<month4>{_MONTH})"
    rf"(?!\.?,?\s+(?:of\s+|the\s+)?\d)"
    rf"|(?P<which2>in|during|of|since)\s+(?P<year4>{_YEAR}))",
    re.IGNORECASE,
)
_BETWEEN: Final = re.compile(rf"\bbetween\s+{_END}and\s+{_END}", re.IGNORECASE)
_SPOKEN: Final = re.compile(
    rf"\b(?:(?P<ago>{_COUNT})\s+(?P<ago_unit>{_UNIT})s?\s+ago"
    rf"|the\s+(?:past|last)\s+(?:(?P<past>{_COUNT})\s+)?(?P<past_unit>{_UNIT})s?"
    rf"|(?:last|previous)\s+(?P<last>{_UNIT})|this\s+(?P<this>{_UNIT})"
    rf"|last\s+(?P<weekday>{_WEEKDAY})|last\s+(?P<weekend>weekend)|last\s+(?P<night>night)"
    rf"|the\s+day\s+before\s+(?P<before>yesterday)|(?P<yesterday>yesterday)"
    rf"|(?P<today>today|this\s+(?:morning|afternoon|evening)))\b",
    re.IGNORECASE,
)
_IS_AN_END: Final = re.compile(
    r"\b(?:before|after|since|until|till|by|than|as\s+of|following|next|every|each)"
    r"\s+(?:(?:the|about|around|early|late|mid|on)\s+)*$",
    re.IGNORECASE,
)
"""What, before a date, makes of it a moment at which something begins or ends."""
_IS_SINCE: Final = re.compile(r"\bsince\s+(?:(?:the|on)\s+)?$", re.IGNORECASE)
"""What makes of it the beginning of a time that goes on."""
_IS_A_BEGINNING: Final = re.compile(r"\bfrom\s+(?:the\s+)?$", re.IGNORECASE)
"""Likewise, but not before "two weeks ago"."""


def period_in(text: str, now: Seconds, language: str = ENGLISH) -> Period | None:
    """The interval of time that a question is about; None where it names none for sure.

    Args:
        text: The question.
        now: When it is asked.
        language: Of the store. English is read.

    >>> day = 86_400.0
    >>> period_in("What did I eat yesterday?", 20 * day + 7_200)
    Period(start=1641600.0, stop=1728000.0)
    >>> period_in("What did I eat?", 20 * day)
    """
    if language != ENGLISH or len(text) > LONGEST or not MAY_NAME_A_TIME.search(text.lower()):
        return None
    try:
        today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        found = _named(text, today)
    except (ValueError, OverflowError):  # 31 February, or beyond the calendar
        return None
    return None if found is None else Period(found[0].timestamp(), found[1].timestamp())


def end_of_day(now: Seconds) -> Seconds:
    """When the day of a moment ends, in UTC."""
    return (now // DAY + 1) * DAY


def _named(text: str, today: datetime) -> _Span | None:
    if (joined := _BETWEEN.search(text)) is not None:
        return _between(joined[1], joined[2], today)
    dates = list(_DATE.finditer(text))
    spoken = [] if dates else list(_SPOKEN.finditer(text))
    found = [*dates, *spoken]
    if any(_goes_on(match, text) for match in found):
        return _until_today(found, text, today) if len(found) == 1 else None
    if any(_IS_AN_END.search(text[: match.start()]) for match in found):
        return None
    if any(_IS_A_BEGINNING.search(text[: match.start()]) for match in dates):
        return None
    spans = {_dated(match, text, today) for match in dates}
    spans |= {_spoken(match, today) for match in spoken}
    return spans.pop() if len(spans) == 1 else None


def _goes_on(match: re.Match[str], text: str) -> bool:
    """Whether what is named is the beginning of a time that goes on until today."""
    within = match[0].lower().startswith("since")
    return within or _IS_SINCE.search(text[: match.start()]) is not None


def _until_today(found: Sequence[re.Match[str]], text: str, today: datetime) -> _Span | None:
    (match,) = found
    span = _dated(match, text, today) if match.re is _DATE else _spoken(match, today)
    tomorrow = today + _DAY_LONG
    return (span[0], tomorrow) if span is not None and span[0] < tomorrow else None


def _dated(match: re.Match[str], text: str, today: datetime) -> _Span | None:
    if match["iso"]:
        start = datetime.fromisoformat(match["iso"]).replace(tzinfo=UTC)
        return start, start + _DAY_LONG
    said = {name.rstrip("234"): value for name, value in match.groupdict().items() if value}
    if "day" in said and "year" not in said and said["month"].lower() in _VERBS:
        before = text[: match.start()].rstrip()
        is_named = said["month"].istitle() and before != ""
        if not is_named and re.search(r"\b(?:on|of)$", before, re.IGNORECASE) is None:
            return None
    which = said.get("which", "").lower()
    year = _number(said.get("year"))
    month, day = _month(said.get("month")), _number(said.get("day"))
    if year is None:
        is_over = month is None or month < today.month
        is_this_years = is_over if which == "last" else not _is_ahead(month, day, today)
        year = today.year if which == "this" or is_this_years else today.year - 1
    return _whole_of(year, month, day)


def _month(said: str | None) -> int | None:
    return None if said is None else _MONTHS.index(said[:3].lower()) + 1


def _number(said: str | None) -> int | None:
    return None if said is None else int(re.sub(r"\D", "", said))


def _is_ahead(month: int | None, day: int | None, today: datetime) -> bool:
    """Whether this year's has not begun."""
    return (month or 1, day or 1) > (today.month, today.day)


def _whole_of(year: int, month: int | None, day: int | None) -> _Span:
    start = datetime(year, month or 1, day or 1, tzinfo=UTC)
    if day is not None:
        return start, start + _DAY_LONG
    return start, _later(start, "year" if month is None else "month", 1)


def _between(first: str, second: str, today: datetime) -> _Span | None:
    """From the beginning of the one to the end of the other; what one does not say the other does.

    None where either says anything twice.
    """
    one, other = _said(first), _said(second)
    if one is None or other is None:
        return None
    month = one.month or other.month
    ends_in = other.month or (None if other.day is None else month)
    if (month is None) != (ends_in is None) or (one.day is None) != (other.day is None):
        return None
    year = other.year or one.year
    if year is None:
        year = today.year - _is_ahead(ends_in, other.day, today)
    begins = one.year or year - ((month or 1) > (ends_in or 1))
    start, stop = _whole_of(begins, month, one.day)[0], _whole_of(year, ends_in, other.day)[1]
    return (start, stop) if start < stop else None


class _Said(NamedTuple):
    year: int | None
    month: int | None
    day: int | None


def _said(end: str) -> _Said | None:
    """What one end of an interval says of its date; None where it says anything twice."""
    found = [re.findall(rf"\b{part}", end, re.IGNORECASE) for part in (_YEAR, _MONTH, _DAY)]
    if any(len(each) > 1 for each in found):
        return None
    year, month, day = (each[0] if each else None for each in found)
    return _Said(_number(year), _month(month), _number(day))


def _spoken(match: re.Match[str], today: datetime) -> _Span:
    said = {name: value.lower() for name, value in match.groupdict().items() if value}
    if unit := said.get("ago_unit"):
        return _whole(_later(today, unit, -_count(said["ago"])), unit)
    if unit := said.get("past_unit"):
        return _later(today, unit, -_count(said.get("past", "one"))), today + _DAY_LONG
    if unit := said.get("last"):
        start, _ = _whole(today, unit)
        return _later(start, unit, -1), start
    return _whole(today, said["this"]) if "this" in said else _day(said, today)


def _day(said: Mapping[str, str], today: datetime) -> _Span:
    """One day, by its name, or about one."""
    if "weekend" in said:
        monday, _ = _whole(today, "week")
        return monday - 2 * _DAY_LONG, monday
    if "night" in said:  # from noon to noon
        return today - _DAY_LONG / 2, today + _DAY_LONG / 2
    if "weekday" in said:
        back = (today.weekday() - _WEEKDAYS.index(said["weekday"][:3]) - 1) % 7 + 1
    else:
        back = 2 if "before" in said else 1 if "yesterday" in said else 0
    return today - back * _DAY_LONG, today - (back - 1) * _DAY_LONG


def _count(said: str) -> int:
    return int(said) if said.isdigit() else _COUNTS[" ".join(said.split())]


def _whole(at: datetime, unit: str) -> _Span:
    """The calendar's day, week, month or year in which a day is."""
    if unit == "week":
        at -= at.weekday() * _DAY_LONG
    elif unit == "month":
        at = at.replace(day=1)
    elif unit == "year":
        at = at.replace(month=1, day=1)
    return at, _later(at, unit, 1)


def _later(at: datetime, unit: str, count: int) -> datetime:
    """So many units later; of a month that has no such day, its last."""
    if unit in {"day", "week"}:
        return at + count * (7 if unit == "week" else 1) * _DAY_LONG
    year, month = divmod(at.year * 12 + at.month - 1 + count * (12 if unit == "year" else 1), 12)
    last = calendar.monthrange(year, month + 1)[1]
    return at.replace(year=year, month=month + 1, day=min(at.day, last))
