"""Whether a text says again what was corrected: by its words, never by likeness of meaning.

Of a memory and what replaced it, the words that only the old one has are what was *taken* back, and
those that only the new one has are what was *put* in its place. A text says the old value again if
one of its sentences has all that was taken, and the text has not all that was put: "Alice moved
from Oslo to Lisbon" tells both, and is no echo. Where nothing was taken, for the new one only adds
to the old, the old one's words are what is looked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from feather_memory.model.words import Tokenizer, folded

LONGEST: Final = 1_000
"""Characters of a text that is looked at. What is longer is a document, which says much else."""

_SENTENCES: Final = re.compile(r"[.!?;\n\u0964\u06d4\u3002\uff01\uff1f\uff1b]+")


@dataclass(frozen=True, slots=True)
class Change:
    """What a correction changed, as digests of words."""

    taken: frozenset[int]
    """What only the old one has; all its words where it has none of its own."""
    put: frozenset[int]
    """What only the new one has."""
    shared: frozenset[int]
    """What both have: what it is about."""

    @classmethod
    def between(cls, old: set[int], new: set[int]) -> Self | None:
        """From the words of the old one to those of the new; None where there is no change."""
        if old == new:
            return None
        taken = old - new
        shared = old & new if taken else set()
        return cls(frozenset(taken or old), frozenset(new - old), frozenset(shared))

    def is_undone_by(self, told: Told, *, by_topic: bool) -> bool:
        """Whether a text says the old value again.

        Args:
            told: The text.
            by_topic: Whether its sentence must have half of the shared words, too: where nothing
                but its words tells what the text is about.
        """
        if self.put and self.put <= told.words:
            return False
        needed = (len(self.shared) + 1) // 2 if by_topic else 0
        return any(
            self.taken <= sentence and len(self.shared & sentence) >= needed
            for sentence in told.sentences
        )


@dataclass(frozen=True, slots=True)
class Told:
    """A text's words as digests: of all of it, and sentence by sentence."""

    words: frozenset[int]
    sentences: tuple[frozenset[int], ...]

    @classmethod
    def of(cls, text: str, tokenizer: Tokenizer) -> Self:
        """Those of a text; of none that is longer than `LONGEST`."""
        parts = _SENTENCES.split(text) if len(text) <= LONGEST else []
        said = tuple(frozenset(content(part, tokenizer)) for part in parts if folded(part))
        return cls(frozenset[int]().union(*said), said)


def content(text: str, tokenizer: Tokenizer) -> set[int]:
    """The digests of the words of a text that say something."""
    return tokenizer.content(tokenizer.compact(text))
