"""The words of a question that name a date: they are found in when a memory holds, too.

"What did she paint in May 2023?" asks for a memory that nowhere says May: it was said in May.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from feather_memory.model.tokens import folded
from feather_memory.model.words import ENGLISH
from feather_memory.types import Numbers

Unit: TypeAlias = Literal["year", "month", "day"]

_MONTHS: Final = {
    ENGLISH: """january february march april may june july august september october november
        december""".split()  # noqa: SIM905
}
_SHORT: Final = 3  # letters of a month's short name; "sept" is one more
_ALSO_WORDS: Final = frozenset({"march", "sept"})  # and whatever is short: may, Jan, Mar, Dec
_BEFORE_A_MONTH: Final = frozenset(
    "in since last next until during between early late mid".split()  # noqa: SIM905
)
_BETWEEN_MONTHS: Final = frozenset("and or to till until through".split())  # noqa: SIM905
_YEARS: Final = range(1900, 2101)
_DAYS: Final = range(1, 32)
_NUMBER: Final = re.compile(r"(?:19|20)\d\d|2100|(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?")

MAY_NAME_A_DATE: Final = re.compile(
    r"\d\d\d\d|" + "|".join(name[:_SHORT] for months in _MONTHS.values() for name in months),
    re.IGNORECASE,
)
"""Found in every question that `dates_in` finds a date in, and not in most others."""


def dates_in(text: str, language: str) -> dict[str, tuple[Unit, int]]:
    """The folded words of a question that name a year, a month or a day of one.

    A number up to 31 is a day only beside a month: "5 apples" are none. Months are known by their
    English names, in a store whose language that is; years in any. What is also a word or a
    person's name ("may", "march", "Jan") is a month only beside a year or a day, or after "in",
    "since" and the like.
    """
    words = folded(text)
    months = _MONTHS.get(language, [])
    named = {name: number for number, name in enumerate(months, start=1)}
    named |= {name[:_SHORT]: number for name, number in named.items()}
    if months:
        named["sept"] = 9
    found: dict[str, tuple[Unit, int]] = {}
    for at, word in enumerate(words):
        if word in named and _is_a_month(words, at, found):
            found[word] = "month", named[word]
        elif word.isascii() and word.isdigit() and len(word) == 4 and int(word) in _YEARS:
            found[word] = "year", int(word)
    if any(unit == "month" for unit, _ in found.values()):
        found |= {
            word: ("day", int(word))
            for word in words
            if word.isascii() and word.isdigit() and len(word) < _SHORT and int(word) in _DAYS
        }
    return found


def _is_a_month(words: list[str], at: int, found: Collection[str]) -> bool:
    """Whether the name of a month there is one, by what stands beside it."""
    if len(words[at]) > _SHORT and words[at] not in _ALSO_WORDS:
        return True
    before, after = words[max(at - 2, 0) : at], words[at + 1 : at + 2]
    if any(_NUMBER.fullmatch(word) for word in (*before[-1:], *after)):
        return True
    if before[-1:] == ["of"]:  # the fifth of May
        return _NUMBER.fullmatch(before[0]) is not None
    is_after_a_month = len(before) > 1 and before[0] in found and before[1] in _BETWEEN_MONTHS
    return is_after_a_month or not _BEFORE_A_MONTH.isdisjoint(before[-1:])


def units_of(times: Numbers) -> dict[Unit, npt.NDArray[np.int64]]:
    """Year, month and day, in UTC, of moments in seconds. Shape (n,) each."""
    days = np.floor(times / 86_400.0).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    return {
        "year": days.astype("datetime64[Y]").astype(np.int64) + 1970,
        "month": months.astype(np.int64) % 12 + 1,
        "day": (days - months).astype(np.int64) + 1,
    }
