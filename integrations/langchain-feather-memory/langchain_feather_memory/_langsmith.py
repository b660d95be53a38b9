"""Feedback in LangSmith's shape as what a user did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from feather_memory import ParameterError, SignalKind
from feather_memory.agent import Act

COMMENTS: Final = "feedback.comments"
"""The shelf that has what people wrote to their feedback, by the ids of its events."""

_VERDICTS: Final = ("like", "thumbs", "user_score")
_ACTS: Final = {"copied": SignalKind.COPIED, "saved": SignalKind.SAVED}
_CORRECTIONS: Final = ("correction", "corrected")


def acts_of(key: str, *, score: Any, value: Any, correction: Any) -> list[Act]:
    """What a user did, by LangSmith's key, score, value and correction.

    A verdict (`like`, `thumbs`, `user_score`) is a like from a score of ½. `copied` and `saved`
    are done unless the score is below it. A correction may come with any key.

    >>> [act.kind.value for act in acts_of("thumbs", score=0, value=None, correction="On Friday")]
    ['corrected', 'disliked']

    Raises:
        ParameterError: An unknown key, or nothing is said of it that means something.
    """
    acts: list[Act] = []
    if key in _VERDICTS:
        is_good = _is_yes(key, value if score is None else score)
        acts.append(Act(kind=SignalKind.LIKED if is_good else SignalKind.DISLIKED))
    elif key in _ACTS:
        text = value if key == "copied" and isinstance(value, str) else None
        said = (value if text is None else None) if score is None else score
        is_done = said is None or _is_yes(key, said)
        acts.append(Act(kind=_ACTS[key], is_done=is_done, copied_text=text))
    elif key in _CORRECTIONS:
        correction = value if correction is None else correction
        if correction is None:
            raise ParameterError(f"{key!r} needs a correction")
    else:
        known = ", ".join((*_VERDICTS, *_ACTS, *_CORRECTIONS))
        raise ParameterError(f"key must be one of {known}, got {key!r}")
    if correction is not None:  # first, for it is the one that may yet be refused
        acts.insert(0, Act(kind=SignalKind.CORRECTED, correction=_text(correction)))
    return acts


def _is_yes(key: str, said: Any) -> bool:
    if not isinstance(said, int | float) or not 0 <= said <= 1:
        raise ParameterError(f"{key!r} needs a score in [0, 1] or a bool, got {said!r}")
    return said >= 0.5


def _text(correction: Any) -> str:
    texts = list(correction.values()) if isinstance(correction, Mapping) else [correction]
    if len(texts) != 1 or not isinstance(texts[0], str):
        raise ParameterError(f"a correction is a text, or a dict with one in it: {correction!r}")
    return texts[0]
