"""What a conversation adds to the relevance of what was said in it.

::

    near    = own + λ · max(0, the better of the turns before and after − own) · brevity
    said    = near + speaker + manner
    lifted  = said + σ · (the best of its session − said)
    whole   = lifted + what it was liked for questions like this one + period

`own` is what words and vectors say of the memory alone, less a share of it where a machine said
it. Each term is 0 where what it reads is missing: a store without sessions and actors ranks by
words and vectors alone. docs/scoring.md has the evidence for each.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from feather_memory.types import Mask, Numbers, Positions

NEIGHBOUR: Final = 0.4
"""λ: a turn is lifted so far towards the better of its neighbours, if that is above it. What is
long says itself what it is about, and is lifted less: `brevity` is 1 up to 30 words, and 30 ÷ words
beyond."""

SESSION: Final = 1 / 3
"""σ: what was said is lifted so far towards the best of its session."""

SPEAKER: Final = 0.15
"""For what was said by the only speaker whom the question names."""

QUESTION: Final = 0.2
"""Off a short question: it asks for what another turn says."""

ANSWER: Final = 0.1
"""For the turn after a short question."""

PERIOD: Final = 0.15
"""For what holds since the time that the question names; see model/periods.py."""

LIKED: Final = 0.15
"""For what was liked in answer to the same question; see `remembered`."""

SAME: Final = 0.8
"""Cosine up to which two questions are not the same. With MiniLM less than 1 of 100 pairs of
questions to one LoCoMo conversation have more, 1 to 5 more than 0.7, and 14 to 35 more than 0.5,
from which on what is liked at random costs other questions 0.3 to 0.5 points of nDCG@10. Of the
ninety days' questions, put in other words, 6 of 20 have more, 11 more than 0.7."""

MACHINE: Final = 0.2
"""Share of its own relevance that what an assistant or a tool said loses."""


@dataclass(frozen=True, slots=True)
class Said:
    """Who said each of n memories, in which session, and beside what. It never changes."""

    before: npt.NDArray[np.int32]
    """Position of the turn before, −1 for none. Shape (n,)."""
    after: npt.NDArray[np.int32]
    """Likewise of the turn after."""
    order: Positions
    """Those that are of a session, session by session. Shape (m,)."""
    starts: Positions
    """Where each session begins in `order`. Shape (sessions,)."""
    is_machine: Mask | None = None
    """What an assistant or a tool said; None where none did. Shape (n,)."""
    is_question: Mask | None = None
    """Short questions; None where none is to count less. Shape (n,)."""
    is_answer: Mask | None = None
    """What follows one; likewise."""

    @classmethod
    def nothing(cls, n: int) -> Self:
        """Of n memories, none of which says by whom or in which session it was said."""
        nobody, none = np.full(n, -1, np.int32), np.empty(0, np.intp)
        return cls(nobody, nobody, none, none)

    def among(self, at: Positions) -> Said:
        """That of the memories at some positions, ascending, as if there were no others."""
        place = np.full(len(self.before), -1, np.int32)
        place[at] = np.arange(len(at))
        sessions = np.repeat(
            np.arange(len(self.starts)), np.diff(self.starts, append=len(self.order))
        )
        order = place[self.order]
        kept = order >= 0
        codes = sessions[kept]
        return Said(
            before=_moved(self.before[at], place),
            after=_moved(self.after[at], place),
            order=order[kept].astype(np.intp),
            starts=np.flatnonzero(np.append(True, codes[1:] != codes[:-1])[: len(codes)]),
            is_machine=None if self.is_machine is None else self.is_machine[at],
            is_question=None if self.is_question is None else self.is_question[at],
            is_answer=None if self.is_answer is None else self.is_answer[at],
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """What each term adds to the relevance of each memory, shape (n,) each."""

    origin: Numbers
    """In [−0.2, 0]."""
    neighbours: Numbers
    """In [0, 0.4]."""
    speaker: Numbers
    """0 or 0.15."""
    manner: Numbers
    """In [−0.2, 0.1]; never below what the other terms add up to."""
    session: Numbers
    """In [0, 0.42]."""
    liked: Numbers
    """In [0, 0.15]."""
    period: Numbers
    """0 or 0.15."""

    def at(self, positions: Positions) -> Terms:
        """Those of some of the memories."""
        return Terms(*(getattr(self, each.name)[positions] for each in fields(self)))

    def total(self) -> Numbers:
        """What they add up to. Shape (n,)."""
        total: Numbers = self.origin + self.neighbours + self.speaker + self.manner
        total += self.session + self.liked + self.period
        return total


def remembered(cosine: Numbers) -> Numbers:
    """How much a question is the one that a like answered, in [0, 1]: from a cosine of `SAME` on.

    Args:
        cosine: Of the two questions. Shape (n,).
    """
    shared: Numbers = ((cosine - SAME) / (1 - SAME)).clip(0.0, 1.0)
    return shared


def terms(
    own: Numbers,
    said: Said,
    spoken: Mask | None,
    eligible: Mask,
    liked: Numbers | None = None,
    brevity: Numbers | None = None,
    then: Mask | None = None,
) -> Terms:
    """What who said a memory, when and where adds to its relevance.

    Only memories that may be returned count as neighbours and for their session: it is as if
    there were no others.

    Args:
        own: What words and vectors say of each memory, in [0, 1]. Shape (n,).
        said: Of the same memories.
        spoken: What the only named speaker said; None where not one is named. Shape (n,).
        eligible: Which memories may be returned. Shape (n,).
        liked: How much each was liked for questions like this one, in [0, 1]; None for nothing.
            Shape (n,).
        brevity: How far each is short, in [0, 1]; None where all are. Shape (n,).
        then: What holds since the time that the question names; None where it names none.
            Shape (n,).

    Returns:
        Terms that, added to `own`, are in [0, 1.55].
    """
    origin = np.zeros(len(own))
    if said.is_machine is not None:
        np.multiply(own, -MACHINE, out=origin, where=said.is_machine)
    alone = np.where(eligible, own + origin, 0.0)
    beside = np.zeros(len(own))
    for near in (said.before, said.after):
        np.maximum(beside, np.where(near >= 0, alone[near], 0.0), out=beside)
    neighbours = NEIGHBOUR * np.maximum(beside - alone, 0.0)
    if brevity is not None:
        neighbours *= brevity
    speaker = np.zeros(len(own))
    if spoken is not None:
        speaker[spoken] = SPEAKER
    level = alone + neighbours + speaker
    manner = np.maximum(_manner(said), -level)
    level += manner
    session = _session(level, said, eligible)
    remembers = np.zeros(len(own)) if liked is None else LIKED * liked
    period = np.zeros(len(own))
    if then is not None:
        period[then] = PERIOD
    return Terms(origin, neighbours, speaker, manner, session, remembers, period)


def _moved(
    neighbours: npt.NDArray[np.int32], place: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    moved: npt.NDArray[np.int32] = np.where(neighbours >= 0, place[neighbours], np.int32(-1))
    return moved


def _manner(said: Said) -> Numbers:
    manner = np.zeros(len(said.before))
    if said.is_answer is not None:
        manner[said.is_answer] = ANSWER
    if said.is_question is not None:
        manner[said.is_question] -= QUESTION
    return manner


def _session(level: Numbers, said: Said, eligible: Mask) -> Numbers:
    """How far each is lifted towards the best of its session."""
    lift = np.zeros(len(level))
    if len(said.starts):
        among = np.where(eligible, level, 0.0)[said.order]
        best = np.maximum.reduceat(among, said.starts)
        sizes = np.diff(said.starts, append=len(said.order))
        lift[said.order] = SESSION * np.maximum(np.repeat(best, sizes) - level[said.order], 0.0)
    return lift
