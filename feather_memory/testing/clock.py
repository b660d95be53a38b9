"""A clock that stands still until it is told to move."""

from __future__ import annotations

from datetime import UTC, datetime

from feather_memory.checks import seconds as to_seconds
from feather_memory.config import DAY
from feather_memory.types import Seconds, When

START = datetime(2026, 1, 1, tzinfo=UTC)
"""Where a FrozenClock starts unless told otherwise."""


class FrozenClock:
    """A Clock for tests: gives the same time until `advance` or `set`.

    >>> clock = FrozenClock()
    >>> before = clock()
    >>> clock.advance(days=30) - before
    2592000.0
    """

    def __init__(self, start: When = START) -> None:
        self._now = to_seconds(start, "start")

    def __call__(self) -> Seconds:
        """The time, as Unix seconds."""
        return self._now

    def advance(self, *, seconds: float = 0.0, hours: float = 0.0, days: float = 0.0) -> Seconds:
        """The time after it moved by the sum of the arguments; negative ones move it back.

        Raises:
            ParameterError: that is no moment in the years 1 to 9999. The clock stays.
        """
        self._now = to_seconds(self._now + seconds + hours * 3_600 + days * DAY, "the new time")
        return self._now

    def set(self, when: When) -> None:
        """Move the clock to `when`, which may lie in its past."""
        self._now = to_seconds(when, "when")

    def __repr__(self) -> str:
        return f"FrozenClock({datetime.fromtimestamp(self._now, UTC).isoformat()!r})"
