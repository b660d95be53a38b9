"""Whether a text says again what was corrected: by its words, never by likeness of meaning.

Of a memory and what replaced it, the words that only the old one has are what was *taken* back, and
those that only the new one has are what was *put* in its place. Where nothing was taken, for the
new one only adds to the old, all words of the old one are. A text that has most of what was put
tells the change ("Alice moved from Oslo to Lisbon"), and says nothing again. Any other does if one
of its sentences has

* all that was taken, and half of what both share, where nothing but words joins it to the memory;
* what of the taken words the memory has from where it was derived, where an edge joins them; half
  of the taken ones, where it was derived of nothing.

Many things have the same value. So what is not derived of the memory itself is about the same only
if it names the same, too: the words that both share and the old one writes with a capital or a
digit. Where it has none of those, or only a number was taken, that is all that both share. And the
same person has to do with a value in many ways. So it says of what is named half of the other words
that both share, too ("lives", not "has a friend"), or only what it is ("Alice is a nurse").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

from feather_memory.model.addressed import first_person, may_have_first_person
from feather_memory.model.denied import denied_in
from feather_memory.model.labels import without_labels
from feather_memory.model.tokens import folded
from feather_memory.model.words import ENGLISH, Tokenizer

LONGEST: Final = 1_000
"""Characters of a text that is looked at. What is longer is a document, which says much else."""

_IS: Final = {"is", "are", "am"}
_ARTICLES: Final = {"a", "an", "the", "still", "now"}
"""English, as the words that questions leave out are: without such a table nothing only "is"."""
_SHORT: Final = 2
"""Letters of what joins words in most languages ("in", "de", "в", "في"), and says nothing else."""

_QUOTES: Final = "\"'»”’*_"
_CALLS: Final = {",", ":", "，", "：", "、", "،"}
"""What parts a name from what is said to whom it names."""

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

    def is_undone_by(self, told: Told, subject: Subject | None = None) -> bool:
        """Whether a text that nothing joins to the memory says the old value again.

        Args:
            told: The text.
            subject: What the memory is about; without it, some are found that are about others.
        """
        return not self._is_told_by(told) and any(
            self.taken <= sentence
            and 2 * len(self.shared & sentence) >= len(self.shared)
            and (subject is None or subject.is_in(told, at))
            for at, sentence in enumerate(told.sentences)
        )

    def core_in(self, sources: Iterable[Told]) -> list[frozenset[int]]:
        """What of the taken words came from each of the sentences that have half of them."""
        return [
            self.taken & sentence
            for source in sources
            for sentence in source.sentences
            if self._is_half_in(sentence)
        ]

    def falls_with(
        self,
        told: Told,
        core: Collection[frozenset[int]],
        subject: Subject | None = None,
        *,
        spares: Callable[[str], bool] | None = None,
    ) -> bool:
        """Whether a text that is derived of the same says the old value.

        Args:
            told: The text.
            core: Of what the memory itself was derived of, as `core_in` has it.
            subject: What the memory is about, where the text is not derived of it, nor it of that.
            spares: Which sentences do not count, as they are written.
        """
        return not self._is_told_by(told) and any(
            (any(words <= sentence for words in core) if core else self._is_half_in(sentence))
            and (subject is None or subject.is_in(told, at))
            and not (spares is not None and spares(told.parts[at]))
            for at, sentence in enumerate(told.sentences)
        )

    def _is_half_in(self, sentence: frozenset[int]) -> bool:
        return 2 * len(self.taken & sentence) >= len(self.taken)

    def _is_told_by(self, told: Told) -> bool:
        return 2 * len(self.put & told.words) > len(self.put)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a memory that was replaced is about, by which it is told from others of its value."""

    words: frozenset[int]
    """Which have to be told."""
    known: frozenset[int]
    """What may be told without being about anything else."""
    is_named: bool
    """Whether it has names, or numbers, by which to know it."""
    how: frozenset[int]
    """What is said of those: half of it has to be told. None where all is to be told anyway."""
    taken: frozenset[int]
    """What was taken back of it."""
    speaks: Tokenizer

    @classmethod
    def of(cls, change: Change, text: str, actor: str | None, speaks: Tokenizer) -> Self:
        """That of the text which was replaced, and who said it."""
        stays = change.shared or change.taken  # where nothing was taken back, all of it
        named = stays & _named(text, speaks)
        is_number = change.taken <= _named(text, speaks, _is_number)
        known = stays | change.taken | change.put | content(actor or "", speaks)
        words = stays if is_number or not named else named
        how = stays - words
        short = frozenset[int]().union(
            *(content(word, speaks) for word in folded(text) if len(word) <= _SHORT)
        )
        return cls(words, known, bool(named), how - short or how, change.taken, speaks)

    def is_in(self, told: Told, at: int) -> bool:
        """Whether one of a text's sentences is about it.

        It says so itself; or names nothing else, and the text has said so: "Alice is a nurse. She
        lives in Oslo".
        """
        if self._is_denied(told, at):
            return False
        says_so = self.words <= told.sentences[at]
        if not (self._says_how(told.sentences[at]) or (says_so and self._is_all(told.parts[at]))):
            return False
        beside = told.sentences[at] - told.written[at]
        is_turned = says_so and not beside.isdisjoint(self.words | self.how)
        if is_turned and not self.how <= told.sentences[at]:
            return False
        if says_so and self.is_named and not is_turned:
            return True
        if self._names_another(told, at, is_told_to=is_turned or self._is_told_to(told, at)):
            return False
        return says_so or (self.is_named and self.words <= told.words)

    def _is_denied(self, told: Told, at: int) -> bool:
        """Whether a sentence says that it is not so, and what was replaced did not."""
        said = self.how | self.taken | self.words
        for negation, word in denied_in(told.parts[at]):
            digests = content(word, self.speaks)
            digests = digests.union(*(told.turned[at].get(each, ()) for each in digests))
            if not self._has(self.known, negation) and digests & said:
                return True
        return False

    def _is_told_to(self, told: Told, at: int) -> bool:
        """Whether it is said of who is spoken to: "you live"."""
        said = folded(told.parts[at])
        return any(
            content(one, self.speaks) & told.turned[at].keys()
            and content(other, self.speaks) & (self.words | self.how)
            for one, other in pairwise(said)
        )

    def _names_another(self, told: Told, at: int, *, is_told_to: bool) -> bool:
        """Whether a sentence names what the memory is not about.

        A label as "Note:" is no name. Of a sentence that is said to the user the first word only
        begins it, unless a comma parts it from the rest: that is whom it is said to.
        """
        part = without_labels(told.parts[at])
        first, _, rest = part.strip().partition(" ")
        if is_told_to and first.rstrip(_QUOTES)[-1:] not in _CALLS:
            part = rest
        spoken = {word for word, firsts in told.turned[at].items() if firsts & self.known}
        return not _named(part, self.speaks) <= self.known | spoken

    def _says_how(self, sentence: frozenset[int]) -> bool:
        return 2 * len(self.how & sentence) >= len(self.how)

    def _is_all(self, sentence: str) -> bool:
        """Whether a sentence says of what it names that it is what was taken back, and no more."""
        said = [word for word in folded(sentence) if word not in _ARTICLES]
        return self.speaks.language == ENGLISH and any(
            joint in _IS and self._has(self.words, one) and self._has(self.taken, other)
            for one, joint, other in zip(said, said[1:], said[2:], strict=False)
        )

    def _has(self, words: frozenset[int], word: str) -> bool:
        return not words.isdisjoint(content(word, self.speaks))


@dataclass(frozen=True, slots=True)
class Told:
    """A text's words as digests: of all of it, and sentence by sentence."""

    words: frozenset[int]
    sentences: tuple[frozenset[int], ...]
    """With the first person's words beside those by which the user is spoken to, or of."""
    written: tuple[frozenset[int], ...]
    """Without those."""
    turned: tuple[Mapping[int, frozenset[int]], ...]
    """Of the words that have others beside them, which."""
    parts: tuple[str, ...]
    """The sentences as they are written."""

    @classmethod
    def of(cls, text: str, tokenizer: Tokenizer) -> Self:
        """Those of a text; of none that is longer than `LONGEST`."""
        parts = _SENTENCES.split(text) if len(text) <= LONGEST else []
        parts = [part for part in parts if folded(part)]
        written = tuple(frozenset(content(part, tokenizer)) for part in parts)
        turns = [first_person(part) for part in parts]
        turned = tuple({} if not each.words else _digests(each.words, tokenizer) for each in turns)
        said = tuple(
            own.union(*beside.values(), *(content(each, tokenizer) for each in turn.readings))
            for own, beside, turn in zip(written, turned, turns, strict=True)
        )
        return cls(frozenset[int]().union(*said), said, written, turned, tuple(parts))


def _digests(
    turned: Mapping[str, Collection[str]], tokenizer: Tokenizer
) -> dict[int, frozenset[int]]:
    return {
        digest: frozenset(content(" ".join(firsts), tokenizer))
        for word, firsts in turned.items()
        for digest in content(word, tokenizer)
    }


def compact_first_person(text: str, tokenizer: Tokenizer) -> bytes:
    """What `Told` has of a text beside its own words, in their compact form; often nothing."""
    if len(text) > LONGEST or not may_have_first_person(text):
        return b""
    turns = [first_person(part) for part in _SENTENCES.split(text)]
    firsts = (first for each in turns for firsts in each.words.values() for first in firsts)
    readings = (reading for each in turns for reading in each.readings)
    return tokenizer.compact("\n".join([*firsts, *readings]))


def content(text: str, tokenizer: Tokenizer) -> set[int]:
    """The digests of the words of a text that say something."""
    return tokenizer.content(tokenizer.compact(text))


def _has_name(word: str) -> bool:
    return word != word.lower() or any(map(str.isdecimal, word))


def _is_number(word: str) -> bool:
    return any(map(str.isdecimal, word)) and not any(map(str.isalpha, word))


def _named(
    text: str, tokenizer: Tokenizer, is_meant: Callable[[str], bool] = _has_name
) -> frozenset[int]:
    """The words of a text that are written with a capital or a digit, as digests."""
    meant = [word for word in text.split() if is_meant(word)]
    found = frozenset[int]().union(*(content(word, tokenizer) for word in meant))
    return frozenset(digest for digest in found if not tokenizer.is_mere(digest))
