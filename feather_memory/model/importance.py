"""How much a memory matters, learned from what people do with it.

The numbers are those of the published Feather DB context-engine patterns, but for DISLIKED.
They are shares of an importance in [0, 1]: they have no other unit.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import fsum
from numbers import Integral, Real
from typing import Final, TypeVar

from feather_memory.checks import instance
from feather_memory.errors import ParameterError, quoted
from feather_memory.model.memory import Signal, SignalKind

Name = TypeVar("Name")

OPPOSITE: Final = {
    SignalKind.LIKED: SignalKind.DISLIKED,
    SignalKind.DISLIKED: SignalKind.LIKED,
}
"""What a verdict takes back where both are of one memory in one turn: the later holds."""

BASELINE = 0.4
"""Before anybody did anything. Source: published Feather DB context-engine patterns."""

SAVED = 0.4
"""Somebody saved it on purpose. Source: as above."""

LIKED = 0.15
"""Source: as above."""

DISLIKED = -LIKED
"""Ours, the pattern has none: a dislike undoes a like."""

COPIED = 0.1
"""Source: as above."""

CORRECTED = -0.2
"""Somebody said otherwise. Source: as above."""

REPETITION = 0.1
"""For each time it was said, once it was said more than once. Source: as above."""

REPETITION_MOST = 0.2
"""What repetition adds at most: reached at the second time. Source: as above."""

ENOUGH_WORDS = 0.5
"""Share of a copied text's words that a memory must hold to be what was copied."""

DECIMALS = 12
"""To which an importance is rounded, so that 0.4 + 0.4 + 0.1 is 0.9."""

_EFFECTS = {
    SignalKind.SAVED: SAVED,
    SignalKind.LIKED: LIKED,
    SignalKind.DISLIKED: DISLIKED,
    SignalKind.COPIED: COPIED,
    SignalKind.CORRECTED: CORRECTED,
    # USED is not here: it stays in the log, and the pattern gives it no number.
    # REPEATED is not here: it counts events, with a threshold.
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngagementSignals:
    """What is known of how people took one memory.

    Raises:
        ParameterError: a flag that is not a bool, or a count that is not a whole number ≥ 0.
    """

    explicit_save: bool = False
    was_liked: bool = False
    was_copied: bool = False
    was_corrected: bool = False
    repetition_count: int = 0
    """How often it was said. Once is no repetition and adds nothing."""

    def __post_init__(self) -> None:
        for name in ("explicit_save", "was_liked", "was_copied", "was_corrected"):
            flag: object = getattr(self, name)
            if not isinstance(flag, bool):
                raise ParameterError(f"{name} must be True or False, got {quoted(flag)}")
        count: object = self.repetition_count
        if isinstance(count, bool) or not isinstance(count, Integral) or count < 0:
            raise ParameterError(
                f"repetition_count must be a whole number ≥ 0, got {quoted(count)}"
            )


def compute_importance(signals: EngagementSignals, *, prior: float = BASELINE) -> float:
    """The importance that `signals` give to a memory that had `prior`, in [0, 1].

    >>> compute_importance(EngagementSignals(explicit_save=True, was_copied=True))
    0.9
    >>> compute_importance(EngagementSignals(was_corrected=True))
    0.2
    """
    instance(signals, "signals", EngagementSignals)
    effects = (
        SAVED * signals.explicit_save,
        LIKED * signals.was_liked,
        COPIED * signals.was_copied,
        CORRECTED * signals.was_corrected,
        _repetition(signals.repetition_count),
    )
    return _importance(prior, effects)


def fold(prior: float, events: Iterable[Signal]) -> float:
    """The importance of a memory that had `prior`, after all `events` about it, in [0, 1].

    Of the events of a kind the strongest counts, and no other: each kind is a flag, and a strength
    says how surely this memory was meant. A like shared over five memories counts 0.2 for each,
    however often those are shown and liked together; a like of one alone counts whole. What added
    up would measure how often a memory is shown: on LoCoMo, with every answer of ten liked, the
    sum costs 0.3 to 0.4 points of nDCG@10, the strongest less than 0.1. An event counts once
    however often it is given, and not at all once it was retracted. Order does not matter.
    With whole events it is `compute_importance` of the flags they stand for.

    Args:
        prior: Importance as the memory was written, in [0, 1].
        events: The memory's whole signal log, in any order.

    Raises:
        ParameterError: `prior` is outside [0, 1] or not a number.
    """
    strengths: dict[SignalKind, list[float]] = defaultdict(list)
    for event in _counted(events):
        strengths[event.kind].append(event.strength)
    effects = [effect * max(strengths[kind], default=0.0) for kind, effect in _EFFECTS.items()]
    effects.append(_repetition(len(strengths[SignalKind.REPEATED])))
    return _importance(prior, effects)


def _counted(events: Iterable[Signal]) -> Iterable[Signal]:
    """One event an id, without the retracted.

    Should an id come with two contents, a retraction stands, else the smaller of the two:
    whichever came first must not matter.
    """
    by_id: dict[str, Signal] = {}
    for event in events:
        known = by_id.get(event.event_id)
        if known is None or _precedence(event) < _precedence(known):
            by_id[event.event_id] = event
    return (event for event in by_id.values() if not event.retracted)


def _precedence(event: Signal) -> tuple[bool, str, float]:
    return not event.retracted, event.kind, event.strength


def _repetition(count: int) -> float:
    return min(REPETITION * count, REPETITION_MOST) if count > 1 else 0.0


def _importance(prior: float, effects: Iterable[float]) -> float:
    number: object = prior
    if isinstance(number, bool) or not isinstance(number, Real) or not 0 <= prior <= 1:
        raise ParameterError(f"prior must be a number in [0, 1], got {quoted(prior)}")
    # Clamped once, at the end: clamping in between would make the order matter.
    return round(min(1.0, max(0.0, fsum([prior, *effects]))), DECIMALS)


def copied_from(copied: str, texts: Mapping[Name, str]) -> list[Name]:
    """Which of the texts somebody copied from; none if none comes near.

    Those that hold what was copied or are held in it; else those that share the most of its
    words, at least half of them. Case and punctuation do not matter.

    >>> copied_from("On Fridays!", {"a": "we deploy on fridays", "b": "fridays are short"})
    ['a']
    """
    wanted = _folded(copied)
    words = set(wanted.split())
    if not words:
        return []
    folded = {name: _folded(text) for name, text in texts.items()}
    whole = [name for name, text in folded.items() if wanted in text or text in wanted]
    if whole:
        return whole
    shares = {name: len(words & set(text.split())) / len(words) for name, text in folded.items()}
    most = max(shares.values(), default=0.0)
    return [name for name, share in shares.items() if share == most >= ENOUGH_WORDS]


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
