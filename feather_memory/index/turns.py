"""Who said what, in which session and in which order, as arrays in step with a View."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from feather_memory.filters.masks import Codes, Values
from feather_memory.index.fields import MappedFields
from feather_memory.model.manner import ANSWERED
from feather_memory.model.origin import ASSISTANT, TOOL
from feather_memory.model.structure import Said
from feather_memory.model.tokens import folded
from feather_memory.truth.contract import ReadTransaction
from feather_memory.types import Mask, Numbers, Positions


@dataclass(frozen=True, slots=True)
class Turns:
    """What a conversation says about the memories of a View. It never changes."""

    said: Said
    speakers: Codes
    """The actor of each memory."""
    heard: Sequence[int]
    """The codes of those who said a memory that is there."""

    def named(self, words: list[str]) -> list[int]:
        """The codes of the speakers that a question names, by its folded words in order.

        By the whole name, or by its first word where no other speaker's begins with it.
        """
        every = self.speakers.values.all
        names = [tuple(folded(str(every[code]))) for code in self.heard]
        firsts = [name[:1] for name in names]
        asked = {
            tuple(words[at : at + length])
            for length in {1, *map(len, names)}
            for at in range(len(words) - length + 1)
        }
        return [
            code
            for code, name, first in zip(self.heard, names, firsts, strict=True)
            if name and (name in asked or (first in asked and firsts.count(first) == 1))
        ]

    def names(self, words: list[str]) -> list[str]:
        """The names of those speakers."""
        return [str(self.speakers.values.all[code]) for code in self.named(words)]

    def spoken(self, words: list[str]) -> Mask | None:
        """What the only speaker whom a question names said; None where not one is named."""
        named = self.named(words)
        return self.speakers.codes == named[0] if len(named) == 1 else None


_NAMES: Final = ("session", "actor", "key", "origin", "manner")
_MACHINES: Final = frozenset({ASSISTANT, TOOL})
_IS_TURN, _IS_MACHINE, _IS_QUESTION = 1, 2, 4

Told: TypeAlias = tuple[str | None, str | None, int, int, int]
"""Of one memory: session, actor, whether it has no key, a machine said it, it is a question."""


Kept: TypeAlias = tuple[Positions, npt.NDArray[np.int32], list[Any]]
"""A field in the mapped file: positions of those that have it, their codes, the values."""


class _Chunk(NamedTuple):
    """What some memories say, those that say any of it."""

    at: Positions
    sessions: npt.NDArray[np.int32]
    actors: npt.NDArray[np.int32]
    flags: npt.NDArray[np.uint8]

    def of(self, live: Mask) -> _Chunk:
        """What those of them say that are there, among the first of all."""
        first = self.first(len(live))
        return first.kept(live[first.at])

    def first(self, n: int) -> _Chunk:
        """What those of them say that stand before the position n."""
        return self.kept(self.at < n)

    def kept(self, those: Mask) -> _Chunk:
        """What some of them say."""
        return _Chunk(self.at[those], self.sessions[those], self.actors[those], self.flags[those])


class TurnsInStep:
    """The turns of one lineage of Views, arranged when a search needs them first."""

    def __init__(self, mapped: MappedFields | None = None) -> None:
        """Those of nothing, or of the memories of a mapped file."""
        self._lock = threading.Lock()
        self._mapped = mapped
        self._sessions, self._actors = Values([]), Values([])
        self._chunks: list[_Chunk] = []
        self.is_silent = mapped is None
        """Whether no memory says by whom or in which session it was said."""
        self._timing: int | None = None
        self._turns: Turns | None = None

    def first(self, n: int) -> TurnsInStep:
        """Those of the first n memories, in a fork: others may have been half way further."""
        made = TurnsInStep(self._mapped)
        made._sessions, made._actors = self._sessions, self._actors
        made._chunks = [chunk.first(n) for chunk in self._chunks]
        made.is_silent = self.is_silent
        return made

    @property
    def is_read(self) -> bool:
        """Whether no mapped file is to be read yet, nor perhaps the truth in its place."""
        return self._mapped is None

    def follow(self, start: int, told: Sequence[Told]) -> None:
        """Take in what further memories say, the first of them at the position `start`."""
        with self._lock:
            self._chunks.append(self._chunk(range(start, start + len(told)), told))
            self.is_silent = False

    def _chunk(self, positions: Iterable[int], told: Sequence[Told]) -> _Chunk:
        spoken = [
            (at, self._code(self._sessions, session), self._code(self._actors, actor),
             _IS_TURN * is_turn | _IS_MACHINE * is_machine | _IS_QUESTION * is_question)
            for at, (session, actor, is_turn, is_machine, is_question)
            in zip(positions, told, strict=True)
            if session is not None or actor is not None or is_machine or is_question
        ]  # fmt: skip
        at, sessions, actors, flags = zip(*spoken, strict=True) if spoken else ((), (), (), ())
        return _Chunk(
            np.array(at, np.intp),
            np.array(sessions, np.int32),
            np.array(actors, np.int32),
            np.array(flags, np.uint8),
        )

    def _mapped_chunk(self, kept: Sequence[Kept], n: int) -> _Chunk:
        """What the n memories of a mapped file say, whose fields `_NAMES` it has."""
        session, actor, key, origin, manner = kept
        sessions = self._codes(self._sessions, session, n)
        actors = self._codes(self._actors, actor, n)
        is_machine = _held_by(origin, n, _MACHINES.__contains__)
        is_question = _held_by(manner, n, ANSWERED.__contains__)
        has_key = _held_by(key, n, lambda value: value is not None)
        flags = _IS_TURN * ~has_key | _IS_MACHINE * is_machine | _IS_QUESTION * is_question
        whole = _Chunk(np.arange(n), sessions, actors, flags.astype(np.uint8))
        return whole.kept((sessions >= 0) | (actors >= 0) | is_machine | is_question)

    def _codes(self, values: Values, kept: Kept, n: int) -> npt.NDArray[np.int32]:
        """The code of each of n memories, in the order in which values come first; −1 for none."""
        places, codes, distinct = kept
        first = np.full(len(distinct), n)
        first[codes[::-1]] = places[::-1]  # of several the last is kept, and so the first of all
        made = np.full(len(distinct), -1, np.int32)
        for code in np.argsort(first)[: np.count_nonzero(first < n)].tolist():
            made[code] = self._code(values, distinct[code])
        column = np.full(n, -1, np.int32)
        column[places] = made[codes]
        return column

    @staticmethod
    def _code(values: Values, value: str | None) -> int:
        return -1 if value is None else values.code(value)

    def at(
        self, begin: Callable[[], ReadTransaction], rows: npt.NDArray[np.int64], times: Numbers,
        until: Numbers, timing: int,
    ) -> Turns | None:  # fmt: skip
        """Those of a View; None where no memory says by whom or in which session it was said.

        Args:
            begin: Begins a transaction of its moment, where the mapped file cannot be read.
            rows: Its own.
            times: From when each memory holds.
            until: Until when, −inf for what is gone.
            timing: `View.timing`: while it is the same, so are they.
        """
        with self._lock:
            if self._timing == timing:
                return self._turns
            mapped = self._mapped
        found = [] if mapped is None else [mapped.read((name,)) for name in _NAMES]
        kept = [each for each in found if each is not None]
        if mapped is not None and len(kept) < len(found):  # too much for the file, or damaged there
            told = _told_of(begin().memories.values_of(*_NAMES, from_row=0), mapped.n, rows)
        with self._lock:
            if mapped is not None and self._mapped is not None:
                is_whole = len(kept) == len(found)
                first = self._mapped_chunk(kept, mapped.n) if is_whole else self._chunk(*told)
                self._chunks.insert(0, first)
                self._mapped = None
            if len(self._chunks) > 1:
                self._chunks = [_Chunk(*map(np.concatenate, zip(*self._chunks, strict=True)))]
            made = self._arranged(times, until > -np.inf)
            if self._timing is None or timing > self._timing:
                self._timing, self._turns = timing, made
            return made

    def _arranged(self, times: Numbers, live: Mask) -> Turns | None:
        n = len(times)
        if not self._chunks:
            return None
        at, sessions, actors, flags = self._chunks[0].of(live)  # what is gone is no turn of any
        if not len(at):
            return None
        session, actor = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
        said = np.full(n, _IS_TURN, np.uint8)
        session[at], actor[at], said[at] = sessions, actors, flags
        is_machine, is_question = (said & _IS_MACHINE) > 0, (said & _IS_QUESTION) > 0
        order, starts = _by_session(session, times, live)
        before, after = _beside(order, starts, (said & _IS_TURN) > 0)
        # Where answers are stored, too, the question before says what they are about.
        asks = bool(is_question.any()) and not (is_machine & live).any()
        arranged = Said(
            before=before,
            after=after,
            order=order,
            starts=starts,
            is_machine=is_machine if is_machine.any() else None,
            is_question=is_question if asks else None,
            is_answer=(before >= 0) & is_question[before] if asks else None,
        )
        heard = np.unique(actors[actors >= 0]).tolist()
        return Turns(arranged, Codes(actor, self._actors), heard)


def _told_of(
    values: Sequence[tuple[Any, ...]], n: int, rows: npt.NDArray[np.int64]
) -> tuple[list[int], list[Told]]:
    """Positions among the first n of a View, and what the memories there say.

    Args:
        values: Row, and what it has of `_NAMES`.
        n: How many are asked for.
        rows: Of the View.
    """
    at = np.searchsorted(rows, np.array([row for row, *_ in values], np.int64)).tolist()
    told = [(place, _told(*each)) for place, (_, *each) in zip(at, values, strict=True)]
    return [place for place in at if place < n], [each for place, each in told if place < n]


def _held_by(kept: Kept, n: int, is_meant: Callable[[Any], bool]) -> Mask:
    """Which of n memories have a value of a field that is meant."""
    places, codes, values = kept
    held = np.zeros(n, np.bool_)
    held[places] = np.array([is_meant(value) for value in values], np.bool_)[codes]
    return held


def _told(
    session: str | None, actor: str | None, key: str | None, origin: str | None, manner: str | None
) -> Told:
    return session, actor, key is None, origin in _MACHINES, manner in ANSWERED


def _by_session(
    sessions: npt.NDArray[np.int32], times: Numbers, live: Mask
) -> tuple[Positions, Positions]:
    """Those of a session, session by session and by time, and where each session begins."""
    at = np.flatnonzero((sessions >= 0) & live)
    order = at[np.lexsort((at, times[at], sessions[at]))]
    codes = sessions[order]
    starts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1])[: len(codes)])
    return order, starts


def _beside(
    order: Positions, starts: Positions, is_turn: Mask
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The turn before each, and the one after: −1 for none. What has a key is no turn."""
    before = np.full(len(is_turn), -1, np.int32)
    after = np.full(len(is_turn), -1, np.int32)
    session = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(order)))
    among = is_turn[order]
    turns, session = order[among], session[among]
    follows = session[1:] == session[:-1]
    before[turns[1:][follows]] = turns[:-1][follows]
    after[turns[:-1][follows]] = turns[1:][follows]
    return before, after
