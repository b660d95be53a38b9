"""Who said what, in which session and in which order, as arrays in step with a View."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feather_memory.filters.masks import Codes
from feather_memory.index.fields import Fields
from feather_memory.model.manner import QUESTION
from feather_memory.model.origin import ASSISTANT, TOOL
from feather_memory.model.structure import Said
from feather_memory.model.words import folded
from feather_memory.truth.contract import ReadTransaction
from feather_memory.types import Mask, Numbers, Positions


@dataclass(frozen=True, slots=True)
class Turns:
    """What a conversation says about the memories of a View. It never changes."""

    said: Said
    speakers: Codes
    """The actor of each memory."""

    def named(self, words: list[str]) -> list[int]:
        """The codes of the speakers that a question names, by its folded words in order.

        By the whole name, or by its first word where no other speaker's begins with it.
        """
        names = [tuple(folded(str(name))) for name in self.speakers.values.all]
        firsts = [name[:1] for name in names]
        asked = {
            tuple(words[at : at + length])
            for length in {1, *map(len, names)}
            for at in range(len(words) - length + 1)
        }
        return [
            code
            for code, (name, first) in enumerate(zip(names, firsts, strict=True))
            if name and (name in asked or (first in asked and firsts.count(first) == 1))
        ]

    def names(self, words: list[str]) -> list[str]:
        """The names of those speakers."""
        return [str(self.speakers.values.all[code]) for code in self.named(words)]

    def spoken(self, words: list[str]) -> Mask | None:
        """What the only speaker whom a question names said; None where not one is named."""
        named = self.named(words)
        return self.speakers.codes == named[0] if len(named) == 1 else None


class TurnsInStep:
    """The turns of one lineage of Views, arranged when a search needs them first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generation: int | None = None
        self._turns: Turns | None = None

    def at(
        self,
        begin: Callable[[], ReadTransaction],
        fields: Fields,
        rows: npt.NDArray[np.int64],
        times: Numbers,
        live: Mask,
        generation: int,
    ) -> Turns | None:
        """Those of a View; None where no memory says by whom or in which session it was said.

        Args:
            begin: Begins a transaction of its moment.
            fields: What its memories say of themselves.
            rows: Its own, as are the rest.
            times: From when each memory holds.
            live: Which are there.
            generation: Of the View.
        """
        with self._lock:
            if self._generation == generation:
                return self._turns
        names = ("session", "actor", "role", "origin", "manner", "key")
        told = {name: fields.at(begin, rows, (name,)) for name in names}
        made = _turns(told, times, live)
        with self._lock:
            if self._generation is None or generation > self._generation:
                self._generation, self._turns = generation, made
        return made


def _turns(told: Mapping[str, Codes], times: Numbers, live: Mask) -> Turns | None:
    sessions, machines = told["session"].codes, _is_any(told["origin"], {ASSISTANT, TOOL})
    questions = _is_any(told["manner"], {QUESTION})
    is_told = (sessions >= 0).any() or (told["actor"].codes >= 0).any()
    if not is_told and machines is None and questions is None:
        return None
    order, starts = _by_session(sessions, times, live)
    before, after = _beside(order, starts, told["key"].codes < 0)
    answered = machines is not None and bool((machines & live).any())
    if answered:  # where answers are stored, too, the question before says what they are about
        questions = None
    answers = None if questions is None else (before >= 0) & questions[before]
    said = Said(before, after, order, starts, machines, questions, answers)
    return Turns(said, told["actor"])


def _is_any(field: Codes, wanted: set[str] | frozenset[str]) -> Mask | None:
    """Which memories have one of these values; None where none has."""
    codes = [code for value in wanted if (code := field.values.find(value)) is not None]
    found = np.isin(field.codes, codes) if codes else None
    return found if found is not None and found.any() else None


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
