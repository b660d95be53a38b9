"""What a transaction of any truth knows of itself: its state, and the time at which it records."""

from __future__ import annotations

from typing import Any

from feather_memory.checks import DECIMALS
from feather_memory.truth.nouns import Comparing
from feather_memory.truth.state import State
from feather_memory.types import Seconds

_TICK = 1e-6  # seconds: times are kept to the microsecond


class Recording:
    """A transaction of any truth: the time at which it records, and what a part of it undoes."""

    __slots__ = "_clock", "_moment", "_now"
    _moment: Any

    @property
    def comparing(self) -> Comparing | None:
        """None: whoever ranks compares the vectors itself."""
        return None

    def __init__(self, moment: object, write_at: Seconds | None) -> None:
        self._clock, self._moment = write_at or 0.0, moment
        self._now: Seconds | None = None

    @property
    def now(self) -> Seconds:
        """When what it writes is recorded: after all that is, whatever the clock says."""
        if self._now is None:
            last, clock = self._moment.state.latest, self._clock
            self._now = clock if clock > last else round(last + _TICK, DECIMALS)
        return self._now

    @now.setter
    def now(self, moment: Seconds) -> None:
        self._now = moment

    def go_on(self, clock: Seconds) -> None:
        """Have it be as late as the clock says, if that is later."""
        self._clock = max(self._clock, clock)
        self._now = None if self._now is None else max(self._now, clock)

    def advanced(self) -> tuple[int, int, Seconds, int]:
        """Generation, next row, last moment and what is owed, once it is committed."""
        state = self._moment.state
        latest = state.latest if self._now is None else self._now  # None: it recorded nothing
        return self._moment.generation, state.next_row, float(latest), state.owed

    def take_back(self, kept: State) -> None:
        """Have the truth say what it said then."""
        kept.next_row = self._moment.state.next_row  # none is given back: a gap harms nobody
        self._moment.state = kept
