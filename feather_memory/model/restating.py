"""Whether a text says again what was corrected: by its words, never by likeness of meaning.

Of a memory and what replaced it, the words that only the old one has are what was *taken* back, and
those that only the new one has are what was *put* in its place. Where nothing was taken, for the
new one only adds to the old, all words of the old one are. A text that has most of what was put
tells the change ("Alice moved from Oslo to Lisbon"), and says nothing again. Any other does if one
of its sentences has

* all that was taken, and half of what both share, where nothing but words joins it to the memory;
* what of the taken words the memory has from where it was derived, where an edge joins them; half
  of the taken ones, where it was derived of nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
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

    def is_undone_by(self, told: Told) -> bool:
        """Whether a text that nothing joins to the memory says the old value again."""
        return not self._is_told_by(told) and any(
            self.taken <= sentence and 2 * len(self.shared & sentence) >= len(self.shared)
            for sentence in told.sentences
        )

    def core_in(self, sources: Iterable[Told]) -> list[frozenset[int]]:
        """What of the taken words came from each of the sentences that have half of them."""
        return [
            self.taken & sentence
            for source in sources
            for sentence in source.sentences
            if self._is_half_in(sentence)
        ]

    def falls_with(self, told: Told, core: Collection[frozenset[int]]) -> bool:
        """Whether a text that is derived of the same says the old value.

        Args:
            told: The text.
            core: Of what the memory itself was derived of, as `core_in` has it.
        """
        return not self._is_told_by(told) and any(
            any(words <= sentence for words in core) if core else self._is_half_in(sentence)
            for sentence in told.sentences
        )

    def _is_half_in(self, sentence: frozenset[int]) -> bool:
        return 2 * len(self.taken & sentence) >= len(self.taken)

    def _is_told_by(self, told: Told) -> bool:
        return 2 * len(self.put & told.words) > len(self.put)


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
