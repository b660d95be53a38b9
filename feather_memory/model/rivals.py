"""Which of some texts may be about the same as another, by the words they share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from feather_memory.model.words import Tokenizer, folded


class Rival(NamedTuple):
    """How much one text shares with another."""

    score: float
    """In [0, 1]."""
    shared: tuple[str, ...]
    """Folded words that both have, the rarest first."""
    numbers: tuple[tuple[str, ...], tuple[str, ...]]
    """Numbers that only the other text has, and only this one."""


def rivals(text: str, others: Sequence[str], tokenizer: Tokenizer) -> list[Rival]:
    """How much each of some texts shares with another, in their order.

    The score of each is ::

        score = Σ idf(both) ÷ √(Σ idf(one) · Σ idf(other))

    where idf = ln(1 + (n − h + ½) / (h + ½)) of a word that h of the n others have. On the updates
    of BEAM the text that was meant is among the three best of these in 14 of 18 cases, by vectors
    in 11; with vectors added to it in 11 to 12.
    """
    asked, told = _stems(text, tokenizer), [_stems(other, tokenizer) for other in others]
    held = Counter(word for words in told for word in words)
    weight = {
        word: math.log1p((len(told) - many + 0.5) / (many + 0.5)) for word, many in held.items()
    }
    unseen = math.log1p((len(told) + 0.5) / 0.5)

    def total(words: Iterable[str]) -> float:
        return sum(weight.get(word, unseen) for word in words)

    def rival(words: dict[str, str]) -> Rival:
        both = sorted(words.keys() & asked.keys(), key=lambda word: (-weight[word], word))
        of_all = math.sqrt(total(asked) * total(words))
        score = min(total(both) / of_all, 1.0) if of_all else 0.0
        return Rival(score, tuple(asked[word] for word in both), _numbers(asked, words))

    return [rival(words) for words in told]


def _stems(text: str, tokenizer: Tokenizer) -> dict[str, str]:
    """The words of a text that say something, by their stems."""
    return {tokenizer.stem(word): word for word in folded(text) if not tokenizer.is_stopped(word)}


def _numbers(one: Iterable[str], other: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    mine, yours = ({word for word in words if word.isdecimal()} for words in (one, other))
    return tuple(sorted(mine - yours)), tuple(sorted(yours - mine))
