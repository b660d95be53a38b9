"""What recent searches leave for the next ones, until something is written.

The records that were read last; which memories are current, and what no question changes of their
scores: that depends on the time alone, and so little that one search's arrays serve many; and the
order of likenesses, by which it is told whether something is said twice.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from feather_memory import config
from feather_memory.filters.language import Filter
from feather_memory.model import formula
from feather_memory.model.fields import Record
from feather_memory.model.formula import Standing
from feather_memory.model.scoring import Scoring
from feather_memory.types import Mask, Numbers, Positions, Seconds, Vector

Likenesses: TypeAlias = npt.NDArray[np.int64]

_RECORD_BYTES: Final = 800  # of a record with short labels, and its place in a dict
_DRIFT: Final = 5e-6  # a tenth of what rounding may do to a score: six minutes by the defaults
_ALL: Final = slice(None)
_SCORINGS: Final = 4  # whose arrays are kept: an application has one or two
_FILTERS: Final = 4  # whose masks are kept: an adapter has one
_UNSORTED: Final = 256  # likenesses that are looked through, and a sixteenth of many


class Recent:
    """Records that were read last, by row, of one generation; as many as fit into some bytes.

    The content of a row never changes. What else of it does, a sync drops with it, and what is
    forgotten as well: nothing of that stays in reach.
    """

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._lock = threading.Lock()
        self._held: OrderedDict[int, Record] = OrderedDict()  # the one asked for last comes last
        self._sizes: dict[int, int] = {}
        self._bytes = 0

    def held(self, rows: Iterable[int], generation: int) -> dict[int, Record]:
        """Those of the rows that are here, by row; none for another generation."""
        found: dict[int, Record] = {}
        with self._lock:
            if generation != self._generation:
                return found
            held = self._held
            for row in rows:
                if (record := held.get(row)) is not None:
                    held.move_to_end(row)
                    found[row] = record
        return found

    def keep(self, records: Iterable[Record], generation: int) -> None:
        """Hold records that were read at that generation, and drop what was not asked for longest.

        They are not to be changed any more.
        """
        with self._lock:
            if generation != self._generation:
                return
            held, sizes = self._held, self._sizes
            for record in records:
                if (row := record.row) not in held:
                    held[row] = record
                    sizes[row] = size = _bytes_of(record)
                    self._bytes += size
            while self._bytes > config.RECENT_BYTES:
                self._drop(next(iter(self._held)))

    def advance(self, generation: int, stale: Iterable[int]) -> None:
        """Be of another generation, at which these rows are gone or no longer as they were."""
        with self._lock:
            self._generation = generation
            for row in stale:
                if row in self._held:
                    self._drop(row)

    @property
    def bytes(self) -> int:
        """What it holds takes about so many."""
        return self._bytes

    def _drop(self, row: int) -> None:
        del self._held[row]
        self._bytes -= self._sizes.pop(row)


def _bytes_of(record: Record) -> int:
    """What a record takes in memory: what can be long of it, and the rest with its place here."""
    vector = record.vector
    long = record.text.__sizeof__() + record.metadata.__sizeof__()
    return _RECORD_BYTES + long + (0 if vector is None else len(vector))


@dataclass(frozen=True, slots=True)
class Current:
    """Which memories hold from one moment until before another: nothing begins or ends between."""

    start: Seconds
    stop: Seconds
    mask: Mask
    """Read-only. Shape (n,)."""
    many: int


@dataclass(slots=True)
class Shared:
    """What the searches of the same arrays have found so far.

    It needs no lock: what is here never changes, and is replaced whole. Two threads may make the
    same thing at once; either one's is as good.
    """

    _current: Current | None = None
    _sample: tuple[int, Mask | slice] | None = None
    _standings: dict[Scoring, tuple[Seconds, Standing]] = field(default_factory=dict)
    _masks: tuple[tuple[Filter, Mask], ...] = ()

    def of_the_times(self) -> Shared:
        """What of it is so in another View, in which the same memories hold at the same times."""
        return Shared(self._current, self._sample, _masks=self._masks)

    def mask(self, where: Filter) -> Mask | None:
        """Which memories a filter lets through; None where it was not asked for recently.

        It is known by what it is, not by what it says: 1 and true are equal, and two.
        """
        return next((mask for known, mask in self._masks if known is where), None)

    def keep_mask(self, where: Filter, mask: Mask) -> None:
        """Hold that of a filter which reads only what never changes under a row."""
        mask.setflags(write=False)
        self._masks = ((where, mask), *self._masks[: _FILTERS - 1])

    def current(self, since: Numbers, until: Numbers, as_of: Seconds) -> Current:
        """Which memories hold at a moment, by when each begins to and ceases."""
        known = self._current
        if known is None or not known.start <= as_of < known.stop:
            known = self._current = _current(since, until, as_of)
        return known

    def sample(self, until: Numbers) -> tuple[int, Mask | slice]:
        """Of how many memories, and of which of those, cosines tell what is usual in the store.

        The first that are there.
        """
        if self._sample is None:
            is_there = until > -np.inf
            at = np.flatnonzero(is_there[: 2 * config.SCALE_SAMPLE])[: config.SCALE_SAMPLE]
            if len(at) < config.SCALE_SAMPLE:
                at = np.flatnonzero(is_there)[: config.SCALE_SAMPLE]
            window = int(at[-1]) + 1 if len(at) else 0
            self._sample = window, _ALL if window == len(at) else is_there[:window].copy()
        return self._sample

    def standing(
        self, since: Numbers, stretched: Vector, importance: Vector, scoring: Scoring, now: Seconds
    ) -> tuple[Standing, float]:
        """What of their scores no question changes, and how far each `rest` may be too high.

        It never is too low: what was taken a little earlier has decayed a little more since.
        """
        known = self._standings.get(scoring)
        if known is not None:
            drift = formula.drift(now - known[0], scoring)
            if 0 <= drift <= _DRIFT:
                return known[1], drift
        age = np.maximum(now - since, 0.0).astype(np.float32)
        made = Standing.of(age, stretched, importance, scoring)
        known_of = self._standings
        if scoring not in known_of and len(known_of) >= _SCORINGS:
            known_of = {}
        self._standings = {**known_of, scoring: (now, made)}
        return made, 0.0


def _current(since: Numbers, until: Numbers, as_of: Seconds) -> Current:
    has_begun, is_open = since <= as_of, as_of < until
    mask = has_begun & is_open
    mask.setflags(write=False)
    many = int(np.count_nonzero(mask))
    stop = float(until.min(where=is_open, initial=np.inf))
    if many < len(mask):
        stop = min(stop, float(since.min(where=~has_begun, initial=np.inf)))
    return Current(as_of, stop, mask, many)


class Recurring:
    """The likenesses of the first memories, in order, of some that only come to be more."""

    def __init__(self, first: Likenesses | None = None) -> None:
        self._sorted = np.empty(0, np.int64) if first is None else first

    def followed(self) -> Recurring:
        """That of these memories and others behind them: what it sorts is its own."""
        return Recurring(self._sorted)

    def may_recur(self, every: Likenesses, at: Positions) -> bool:
        """Whether one of the memories at some positions may say what another one says.

        False is certain, and the rule: most stores hold nothing twice.
        """
        known = self._sorted
        if len(every) - len(known) > max(_UNSORTED, len(known) // 16) or not len(known):
            known = self._sorted = np.sort(every)
        asked = every[at]
        first = known.searchsorted(asked)
        second = np.minimum(first + 1, len(known) - 1)
        is_twice = (known[second] == asked) & (second > first)
        if len(known) < len(every):
            new = (every[len(known) :, np.newaxis] == asked).sum(axis=0)
            is_twice |= new + (known[np.minimum(first, len(known) - 1)] == asked) > 1
        return bool((is_twice & (asked != 0)).any())
