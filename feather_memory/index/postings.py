"""Which memories hold a word: BM25 over arrays.

Entries lie in segments, each sorted by word. What is new is a small segment behind the others;
small ones are joined, so that there are never many. No segment ever changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from feather_memory.config import (
    BM25_LENGTH_SHARE,
    BM25_SATURATION,
    BRIEF_WORDS,
    LONG_WORDS,
)
from feather_memory.index.recent import Likenesses, Recurring
from feather_memory.model.words import ENTRY, entries
from feather_memory.truth.state import DamagedRowError
from feather_memory.types import Mask, Numbers, Positions, Words

_FEW = 8  # memories whose entries are looked for one memory after the other
_MANY = 1_000  # entries that are not cut out one by one
_WAITING = 256  # memories whose words may wait until somebody asks for words
_GROWTH = 4  # a segment has at least so many times the entries of the next

Counts = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int32]

_NONE: tuple[Places, Counts] = (np.empty(0, np.int32), np.empty(0, np.uint8))
_NOBODY: Mapping[int, Positions] = {}


@dataclass(frozen=True, slots=True)
class Segment:
    """Entries by word: those of `words[i]` are `places` and `counts` from `starts[i]` on."""

    words: Words
    """Each once, ascending. Shape (w,)."""
    starts: npt.NDArray[np.int64]
    """Shape (w + 1,)."""
    places: Places
    """Positions of the memories that hold the word. Shape (p,)."""
    counts: Counts
    """How often each holds it, at most 255. Shape (p,)."""

    @classmethod
    def of(cls, words: Words, places: Places, counts: Counts) -> Segment:
        """Entries in any order, sorted."""
        order = np.argsort(words)
        ascending = words[order]
        is_first = np.ones(len(ascending), np.bool_)
        np.not_equal(ascending[1:], ascending[:-1], out=is_first[1:])
        firsts = np.flatnonzero(is_first)
        starts = np.append(firsts, len(ascending)).astype(np.int64)
        return cls(ascending[firsts], starts, places[order], counts[order])

    def is_sound(self, n: int) -> bool:
        """Whether nothing in it points beyond n memories or out of order."""
        if not len(self.words):
            return True
        is_ascending = bool((self.words[1:] > self.words[:-1]).all())
        is_ascending &= bool((self.starts[1:] > self.starts[:-1]).all()) and not self.starts[0]
        return is_ascending and self.places.min() >= 0 and self.places.max() < n

    def spread(self) -> Words:
        """The word of every entry. Shape (p,)."""
        return np.repeat(self.words, np.diff(self.starts))

    def only(self, live: Mask, moved: Places) -> Segment:
        """The entries of some of the memories, at the positions that they move to."""
        kept = live[self.places]
        return Segment.of(self.spread()[kept], moved[self.places[kept]], self.counts[kept])

    def without(self, at: Positions) -> Segment:
        """The entries of all but the memories at some positions, none of which changes."""
        if len(at) < _FEW:
            is_dropped = np.zeros(len(self.places), np.bool_)
            for place in at:
                is_dropped |= self.places == place
        else:
            is_dropped = np.isin(self.places, at)
        dropped = np.flatnonzero(is_dropped)
        starts = self.starts - np.searchsorted(dropped, self.starts)
        is_held = np.diff(starts) > 0
        return Segment(
            self.words[is_held],
            np.append(starts[:-1][is_held], starts[-1]),
            _spared(self.places, dropped),
            _spared(self.counts, dropped),
        )

    def holding(self, asked: Words) -> Iterator[tuple[int, Places, Counts]]:
        """Of each of the words that is in it: its place among those asked, and its entries."""
        at = np.searchsorted(self.words, asked)
        np.minimum(at, len(self.words) - 1, out=at)
        numbers = (self.words[at] == asked).nonzero()[0]
        at = at[numbers]
        starts, stops = self.starts[at].tolist(), self.starts[at + 1].tolist()
        for number, start, stop in zip(numbers.tolist(), starts, stops, strict=True):
            yield number, self.places[start:stop], self.counts[start:stop]


@dataclass(frozen=True, slots=True)
class Held:
    """Which memories hold each of some words, and how often: the entries of word after word."""

    places: Places
    """Shape (h,)."""
    counts: Counts
    """Shape (h,)."""
    sizes: Places
    """How many of the entries are those of each word. Shape (words,)."""

    def also(self, further: Mapping[int, Positions]) -> Held:
        """The same, where by a word's place these memories, ascending, hold it once more."""
        within = np.cumsum(self.sizes)[:-1]
        parts = [*zip(np.split(self.places, within), np.split(self.counts, within), strict=True)]
        for number, at in further.items():
            parts[number] = _and_also(parts[number], at)
        sizes = np.array([len(places) for places, _ in parts], np.int32)
        return Held(*_one(parts), sizes)

    def at(self, positions: Positions, n: int) -> Mask:
        """Which of the words each of some memories, of n, holds. Shape (m, words)."""
        held = np.zeros((len(positions), len(self.sizes)), np.bool_)
        rank = np.full(n, -1, np.int32)  # of a memory among those asked for
        rank[positions] = np.arange(len(positions))
        ranks = rank[self.places]
        entries = (ranks >= 0).nonzero()[0]
        words = self.sizes.cumsum().searchsorted(entries, "right")
        held[ranks[entries], words] = True
        return held


@dataclass(frozen=True, slots=True)
class Postings:
    """The words of the memories of a View. It never changes."""

    segments: tuple[Segment, ...]
    """None without entries. The memories of each come after those of the one before."""
    lengths: Places
    """How many words each memory has, but for the fresh ones. Shape (n,)."""
    likenesses: Likenesses
    """What is equal for texts that say the same, 0 for those of which it is not known; likewise."""
    fresh: tuple[tuple[bytes, int], ...] = ()
    """The words, in compact form, and the likeness of the memories that come after those."""
    _settled: list[Postings] = field(default_factory=list, repr=False, compare=False)
    _recurring: Recurring = field(default_factory=Recurring, repr=False, compare=False)

    @classmethod
    def of_nothing(cls) -> Postings:
        """Those of no memories."""
        return cls((), np.empty(0, np.int32), np.empty(0, np.int64))

    def bm25(
        self, asked: Words, eligible: Mask, further: Mapping[int, Positions] = _NOBODY
    ) -> tuple[Numbers, float, Held]:
        """BM25 of every memory that may be returned, as if there were no others, and of all words.

        Args:
            asked: Each word once.
            eligible: Shape (n,).
            further: By a word's place among those asked, which memories hold it once more than
                their texts do.

        Returns:
            As `bm25`; and who holds each of the words.
        """
        known = self.settled()
        held = known.holding(asked)
        if further:
            held = held.also(further)
        return (*bm25(held, known.lengths, eligible), held)

    def holding(self, asked: Words) -> Held:
        """All entries of each of the words, but for the fresh memories'."""
        found = [entry for segment in self.segments for entry in segment.holding(asked)]
        found.sort(key=itemgetter(0))  # by word, and of each in the order of the segments
        sizes = [0] * len(asked)
        for number, places, _ in found:
            sizes[number] += len(places)
        return Held(*_one([entries[1:] for entries in found]), np.array(sizes, np.int32))

    def followed_by(
        self, compact: Sequence[bytes | None], likeness: Sequence[int | None] | None = None
    ) -> Postings:
        """These, with the words of further memories, in compact form, behind them.

        They are sorted in when somebody asks for words: who only compares vectors waits for none.

        Raises:
            DamagedRowError: One is cut short.
        """
        if any(len(each or b"") % ENTRY.itemsize for each in compact):
            raise DamagedRowError("the words of a memory are cut short")
        known = self._settled[0] if self._settled else self
        alike = [0] * len(compact) if likeness is None else [each or 0 for each in likeness]
        told = ((words or b"", like) for words, like in zip(compact, alike, strict=True))
        fresh = (*known.fresh, *told)
        begun = self._recurring.followed()
        made = Postings(known.segments, known.lengths, known.likenesses, fresh, _recurring=begun)
        return made.settled() if len(fresh) > _WAITING else made

    def settled(self) -> Postings:
        """The same without fresh ones."""
        if not self.fresh:
            return self
        if not self._settled:
            compact, alike = zip(*self.fresh, strict=True)
            every = entries(b"".join(compact))
            sizes = np.array([*map(len, compact)], np.int64) // ENTRY.itemsize
            within = np.repeat(np.arange(len(sizes)), sizes)  # (entries,)  which memory's each is
            lengths = np.bincount(within, weights=every["count"], minlength=len(sizes))
            segments = [*self.segments]
            if len(every):
                places = (within + len(self.lengths)).astype(np.int32)
                segments.append(Segment.of(every["word"], places, every["count"]))
            longer = np.append(self.lengths, lengths.astype(np.int32))
            likenesses = np.append(self.likenesses, np.array(alike, np.int64))
            again = tuple(_joined(segments))
            self._settled.append(Postings(again, longer, likenesses, _recurring=self._recurring))
        return self._settled[0]

    def brevity(self) -> Numbers:
        """How far each memory is short: 1 up to 30 words, 30 ÷ words beyond. Shape (n,)."""
        return np.minimum(1.0, BRIEF_WORDS / np.maximum(self.settled().lengths, 1))

    def alike(self, at: Positions) -> list[int]:
        """The likenesses of the memories at some positions."""
        found: list[int] = self._every_likeness()[at].tolist()
        return found

    def may_recur(self, at: Positions) -> bool:
        """As `Recurring.may_recur`."""
        return self._recurring.may_recur(self._every_likeness(), at)

    def copies(self, likenesses: Sequence[int], eligible: Mask) -> list[int]:
        """How many of the memories that may be returned have each likeness; 1 for 0, unknown."""
        every, asked = self._every_likeness(), np.array(likenesses, np.int64)
        is_asked = np.zeros(1 << 16, np.bool_)  # by the low bits: few of the others are left
        is_asked[asked & 0xFFFF] = True
        near = every[is_asked[every & 0xFFFF] & eligible]
        if len(near) == len({*likenesses}):  # each is there itself, and nothing else
            return [1] * len(asked)
        return [int(np.count_nonzero(near == one)) if one else 1 for one in asked]

    def twins(self, likeness: int, eligible: Mask) -> Positions:
        """Which of the memories that may be returned have a likeness, ascending."""
        return np.flatnonzero((self._every_likeness() == likeness) & eligible)

    def _every_likeness(self) -> Likenesses:
        if not self.fresh:
            return self.likenesses
        return np.append(self.likenesses, np.array([like for _, like in self.fresh], np.int64))

    def of_live(self, live: Mask) -> Postings:
        """Those of some of the memories alone, which close ranks, in one segment."""
        known = self.settled()
        moved = (np.cumsum(live) - 1).astype(np.int32)
        whole = _join([each.only(live, moved) for each in known.segments])
        segments = (whole,) if len(whole.places) else ()
        return Postings(segments, known.lengths[live], known.likenesses[live])

    def without(self, at: Positions) -> Postings:
        """These, of memories among which those at some positions have no words."""
        known = self.settled()
        lengths, likenesses = known.lengths.copy(), known.likenesses.copy()
        lengths[at] = likenesses[at] = 0
        kept = [each.without(at) for each in known.segments]
        return Postings(tuple(each for each in kept if len(each.places)), lengths, likenesses)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Of postings in one segment: what they are made of, by name."""
        (only,) = self.segments or (_join([]),)
        return {
            **{name: getattr(only, name) for name in Segment.__slots__},
            "lengths": self.lengths,
            "likenesses": self.likenesses,
        }

    @classmethod
    def over(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Postings | None:
        """Those over arrays as `arrays` gives them; None if they do not fit each other."""
        if not arrays.keys() >= {*Segment.__slots__, "lengths", "likenesses"}:
            return None
        only = Segment(*(arrays[name] for name in Segment.__slots__))
        many = len(only.places)
        if len(only.starts) != len(only.words) + 1 or int(only.starts[-1]) != many:
            return None
        n = len(arrays["lengths"])
        if many != len(only.counts) or not only.is_sound(n) or len(arrays["likenesses"]) != n:
            return None
        return cls((only,) if many else (), arrays["lengths"], arrays["likenesses"])


def _spared(array: npt.NDArray[Any], dropped: Positions) -> npt.NDArray[Any]:
    """The array without some of its places, ascending."""
    if len(dropped) > _MANY:
        return np.delete(array, dropped)
    first, *others = np.split(array, dropped)  # a third of the time, where they are few
    return np.concatenate([first, *(each[1:] for each in others)])


def _one(parts: Sequence[tuple[Places, Counts]]) -> tuple[Places, Counts]:
    """All of these entries, one after the other."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return _NONE
    places, counts = zip(*parts, strict=True)
    return np.concatenate(places), np.concatenate(counts)


def _and_also(held: tuple[Places, Counts], also: Positions) -> tuple[Places, Counts]:
    """The entries of a word that these memories, ascending, hold once more."""
    places, counts = held
    everywhere = np.union1d(places, also).astype(np.int32)
    often = np.zeros(len(everywhere), np.int64)
    often[np.searchsorted(everywhere, places)] += counts
    often[np.searchsorted(everywhere, also)] += 1
    return everywhere, np.minimum(often, 255).astype(np.uint8)


def _joined(segments: list[Segment]) -> list[Segment]:
    """The segments, the last ones as one where they are of like size."""
    while len(segments) > 1 and len(segments[-2].places) < _GROWTH * len(segments[-1].places):
        segments[-2:] = [_join(segments[-2:])]
    return segments


def _join(segments: Sequence[Segment]) -> Segment:
    """One segment of the entries of several."""
    none = (np.empty(0, np.uint64), np.empty(0, np.int32), np.empty(0, np.uint8))
    parts = [none, *((each.spread(), each.places, each.counts) for each in segments)]
    return Segment.of(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def bm25(held: Held, lengths: Places, eligible: Mask) -> tuple[Numbers, float]:
    """BM25 of each of the texts that may be returned, as if there were no others, and of all words.

    Each word adds, to those that hold it ::

        idf · f · (k₁ + 1) / (f + k₁ · (1 − b + b · length ÷ mean)) / √max(1, length ÷ 75)
        idf = ln(1 + (n − h + ½) / (h + ½))

    where f is how often the text holds the word, and h of the n that may be returned do.

    Args:
        held: Of each word that is asked for, whether any text holds it or not: which texts do, and
            how often.
        lengths: How many words each text has. Shape (n,).
        eligible: Shape (n,).

    Returns:
        Shape (n,), 0 where no word is shared, or the text is not eligible; and that of a text of
        mean length which holds every word once.

    Source:
        Robertson & Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009; the
        logarithm's 1 + is Lucene's, so that no word counts against a text.
    """
    n, many = len(eligible), int(np.count_nonzero(eligible))
    is_every = many == n
    words = int(lengths.sum(dtype=np.int64) if is_every else lengths[eligible].sum(dtype=np.int64))
    if not words:
        return np.zeros(n), 0.0
    at, often, sizes = held.places, held.counts, held.sizes
    if not is_every:
        is_asked = eligible[at]
        word = np.repeat(np.arange(len(sizes)), sizes)
        sizes = np.bincount(word[is_asked], minlength=len(sizes)).astype(np.int32)
        at, often = at[is_asked], often[is_asked]
    rarity = np.log1p((many - sizes + 0.5) / (sizes + 0.5))  # (words,)
    weights = np.repeat((BM25_SATURATION + 1) * rarity, sizes)  # (h,)
    weights *= _fullness(often, lengths[at], words / many)
    total = np.bincount(at, weights, n).astype(np.float64, copy=False)
    return total, float(rarity.sum())


def _fullness(counts: Counts, lengths: Places, mean: float) -> Numbers:
    """How much of a word's weight each of the texts that hold it gets, in (0, 1). Shape (h,)."""
    often = counts.astype(np.float64)
    damped = lengths * (BM25_SATURATION * BM25_LENGTH_SHARE / mean)
    damped += BM25_SATURATION * (1 - BM25_LENGTH_SHARE)
    damped += often
    often /= damped
    is_long = lengths > LONG_WORDS
    if is_long.any():
        often[is_long] /= np.sqrt(lengths[is_long] / LONG_WORDS)
    return often
