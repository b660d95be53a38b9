"""The time that a question names: by the calendar, or by what happened then."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from feather_memory.config import DAY
from feather_memory.index.view import View
from feather_memory.model.anchors import Anchor, anchor_in
from feather_memory.model.periods import FIRST, Period, end_of_day, period_in
from feather_memory.model.words import tokenizer
from feather_memory.search.question import Question
from feather_memory.types import Mask, Positions, Seconds

_MOST: Final = 8
"""Memories that may tell of one day's event. What more hold is a word of many."""


@dataclass(frozen=True, slots=True)
class NamedTime:
    """A time that a question names, and how that is known."""

    period: Period
    dated_by: Sequence[int] = ()
    """Positions of the memories by which it is dated; none where it is by the calendar."""

    @property
    def start(self) -> Seconds:
        """When it begins."""
        return self.period.start

    @property
    def stop(self) -> Seconds:
        """Before when it ends."""
        return self.period.stop

    @property
    def moments(self) -> tuple[datetime, datetime]:
        """Both as times of UTC."""
        return self.period.moments


def named_time(view: View, question: Question, eligible: Mask) -> NamedTime | None:
    """The time that a question names for sure; None where it names none.

    Args:
        view: Of the store, whose memories tell what happened when.
        question: With what it asks, and when.
        eligible: Which memories may be returned. Shape (n,).
    """
    if (text := question.text) is None:
        return None
    language, now = view.state.language, question.now
    if (period := period_in(text, now, language)) is not None:
        return NamedTime(period)
    if (anchor := anchor_in(text, language)) is not None:
        return _time_by(view, anchor, eligible, now)
    return None


def _time_by(view: View, anchor: Anchor, eligible: Mask, now: Seconds) -> NamedTime | None:
    """The time on one side of an event; None where it is not sure which was meant.

    It is sure where all memories that hold every word of the clause hold since one day.
    """
    at = _telling(view, anchor.clause, eligible)
    since = view.columns["valid_from"][at]
    if not 0 < len(at) <= _MOST or np.ptp(np.floor(since / DAY)) > 0:
        return None
    first, last = float(since.min()), float(since.max())
    if anchor.side == "before":
        period = Period(FIRST, first)
    else:
        start = first if anchor.side == "since" else math.nextafter(last, math.inf)
        period = Period(start, end_of_day(now))
    return NamedTime(period, at.tolist()) if period.start < period.stop else None


def _telling(view: View, clause: str, eligible: Mask) -> Positions:
    """Which of the memories hold every word of a clause that says something."""
    speaks = tokenizer(view.state.language)
    words = sorted(speaks.content(speaks.compact(clause)))
    if all(map(speaks.is_mere, words)):
        return np.empty(0, np.intp)
    held = view.words.settled().holding(np.array(words, np.uint64))
    of_each = np.bincount(held.places, minlength=len(eligible))  # (n,)  each word counts once
    return np.flatnonzero(eligible & (of_each == len(words)))
