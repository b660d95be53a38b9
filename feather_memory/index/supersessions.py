"""Which memory replaced which, as arrays beside the columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from feather_memory.index.positions import distinct, spans
from feather_memory.model.validity import Closing
from feather_memory.types import Mask, Numbers, Positions, Seconds

_NOBODY = -1


@dataclass(frozen=True, slots=True)
class Supersessions:
    """Which memory replaced which: arrays of length s, by position, that never change.

    Ordered by what was replaced.
    """

    old: Positions
    new: Positions
    """−1 where that was forgotten since."""
    holds_from: Numbers
    recorded_at: Numbers
    by_new: Positions
    """Their places in the order of what replaced."""
    members: bytes
    """By position, 1 for what takes part in any: as long as the last of them needs."""

    @classmethod
    def of(cls, old: Positions, new: Positions, holds_from: Numbers, recorded_at: Numbers) -> Self:
        """Those between these positions, given in any order."""
        order = np.lexsort((new, old))
        new = new[order]
        by_new = np.argsort(new, kind="stable")
        members = np.zeros(max(old.max(initial=-1), new.max(initial=-1)) + 1, np.bool_)
        members[old] = True
        members[new[new != _NOBODY]] = True
        held = (old[order], new, holds_from[order], recorded_at[order])
        return cls(*held, by_new, members.tobytes())

    @classmethod
    def none(cls) -> Self:
        """Those of a store in which nothing replaced anything."""
        nobody, never = np.empty(0, np.intp), np.empty(0)
        return cls(nobody, nobody, never, never, nobody, b"")

    @classmethod
    def told(
        cls,
        rows: npt.NDArray[np.int64],
        superseded: Sequence[tuple[int, int | None, Seconds, Seconds]],
    ) -> Self:
        """As `Changes` tell of them: by rows, which all stand among `rows`."""
        if not superseded:
            return cls.none()
        told = np.array(superseded, np.float64)  # NaN for None; rows stay below 2⁵³
        is_held = ~np.isnan(told[:, 1])
        new = np.full(len(told), _NOBODY, np.intp)
        new[is_held] = np.searchsorted(rows, told[is_held, 1].astype(np.int64))
        old = np.searchsorted(rows, told[:, 0].astype(np.int64))
        return cls.of(old, new, told[:, 2], told[:, 3])

    def without(self, positions: Positions) -> Self:
        """All but those in which one of these takes part."""
        if not len(self.old) or not len(positions):
            return self
        is_left = ~(np.isin(self.old, positions) | np.isin(self.new, positions))
        return self if is_left.all() else self._only(is_left)

    def _only(self, which: Mask | Positions) -> Self:
        of = self.of
        return of(self.old[which], self.new[which], self.holds_from[which], self.recorded_at[which])

    def joined(self, others: Self) -> Self:
        """These and others."""
        return self.of(
            np.concatenate([self.old, others.old]),
            np.concatenate([self.new, others.new]),
            np.concatenate([self.holds_from, others.holds_from]),
            np.concatenate([self.recorded_at, others.recorded_at]),
        )

    def forgetting(self, gone: Positions) -> Self:
        """All but those of what is gone; where that had replaced another, nobody has."""
        left = self._only(~np.isin(self.old, gone))
        new = np.where(np.isin(left.new, gone), _NOBODY, left.new)
        return self.of(left.old, new, left.holds_from, left.recorded_at)

    def among(self, live: Positions, n: int) -> Self:
        """Those between memories of which only the live ones, ascending of n, stay, moved up."""
        place = np.full(n + 1, _NOBODY, np.intp)  # the last is where −1 points
        place[live] = np.arange(len(live))
        return self.of(place[self.old], place[self.new], self.holds_from, self.recorded_at)

    def arrays(self) -> dict[str, npt.NDArray[np.intp] | Numbers]:
        """What `of` makes them of again, by name."""
        return {
            "old": self.old,
            "new": self.new,
            "holds_from": self.holds_from,
            "recorded_at": self.recorded_at,
        }

    def pairs_of(self, positions: Positions) -> list[tuple[int, int]]:
        """(new, old) of all in which one of these takes part and that nobody has forgotten."""
        as_old = _places(self.old, positions)
        as_new = self.by_new[_places(self.new[self.by_new], positions)]
        at = distinct(np.concatenate([as_old, as_new]))
        at = at[self.new[at] != _NOBODY]
        return list(zip(self.new[at].tolist(), self.old[at].tolist(), strict=True))

    def closings_of(self, position: int) -> tuple[Closing, ...]:
        """What closed one memory."""
        at = _places(self.old, np.array([position]))
        pairs = zip(self.recorded_at[at].tolist(), self.holds_from[at].tolist(), strict=True)
        return tuple(Closing(*pair) for pair in pairs)

    def heads(self, places: Iterable[int], which: Mask) -> dict[int, set[int]]:
        """What stands in the place of each: itself, or what replaced it through any steps.

        Args:
            places: Positions of memories.
            which: Of the supersessions, those that count. Shape (s,).
        """
        after = self._followed([*places], which, self.old, np.arange(len(self.old)), self.new)
        return {
            place: {each for each in _come_to(place, after) if each not in after}
            for place in places
        }

    def forerunners(self, places: Iterable[int], which: Mask) -> dict[int, set[int]]:
        """All that each replaced through any number of steps, and itself. Arguments as `heads`."""
        by_new = self.by_new
        before = self._followed([*places], which, self.new[by_new], by_new, self.old)
        return {place: _come_to(place, before) for place in places}

    def _followed(
        self, places: list[int], which: Mask, start: Positions, order: Positions, end: Positions
    ) -> dict[int, list[int]]:
        """From each place, and from all that is come to, where a supersession leads.

        Args:
            places: To start from.
            which: The supersessions that count.
            start: Where each starts, ascending.
            order: Which supersession each of those is.
            end: Where each supersession leads.
        """
        led: dict[int, list[int]] = {}
        while places:
            at = order[_places(start, np.array(sorted(set(places)), np.intp))]
            at = at[which[at]]
            one = self.old if end is self.new else self.new
            for here, there in zip(one[at].tolist(), end[at].tolist(), strict=True):
                led.setdefault(here, [])
                if there != _NOBODY:
                    led[here].append(there)
            places = [
                there for here in {*one[at].tolist()} for there in led[here] if there not in led
            ]
        return led

    def counting(self, *, as_of: Seconds, known_at: Seconds) -> Mask:
        """Which of them were known at `known_at` to hold at `as_of`. Shape (s,)."""
        return (self.recorded_at <= known_at) & (self.holds_from <= as_of)

    def closed(self, *, as_of: Seconds, known_at: Seconds) -> Positions:
        """What was known at `known_at` to be replaced at `as_of`."""
        return self.old[self.counting(as_of=as_of, known_at=known_at)]


def _come_to(place: int, led: Mapping[int, Collection[int]]) -> set[int]:
    """All that a place leads to through any number of steps, and itself."""
    found, waiting = {place}, [place]
    while waiting:
        more = set(led.get(waiting.pop(), ())) - found
        found |= more
        waiting.extend(more)
    return found


def _places(ordered: Positions, wanted: Positions) -> Positions:
    """Where the wanted values stand in an ordered array, each as often as it is in there."""
    first = np.searchsorted(ordered, wanted, "left")
    return spans(first, np.searchsorted(ordered, wanted, "right"))
