"""What was corrected, to be found in longer texts that are not the user's: a summary, a refresh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from feather_memory.config import ECHO_CORRECTIONS
from feather_memory.model.fields import Record
from feather_memory.model.origin import outranks
from feather_memory.model.restating import Change, Subject, Told, compact_first_person
from feather_memory.model.words import Tokenizer, entries, tokenizer
from feather_memory.truth.contract import WriteTransaction
from feather_memory.truth.state import Fallen

MOST: Final = 8
"""Memories that one text is linked to as their echo."""


@dataclass(frozen=True, slots=True)
class Past:
    """The changes that some texts may undo, by one of the words that each took back."""

    speaks: Tokenizer
    changes: Mapping[int, Sequence[tuple[str, str, Change]]]
    """(id of what was replaced, of what stands instead, how that differs)."""

    told: Sequence[bytes]
    """The words of the texts, in compact form; those of who says them may be among them."""
    texts: Sequence[str]
    """The same texts as they are written."""
    newest: Fallen | None
    """The last change of all when it was read."""

    @classmethod
    def near(cls, transaction: WriteTransaction, texts: Iterable[str]) -> Self:
        """Those that any of the texts may undo: from what was replaced to what stands instead."""
        speaks = tokenizer(transaction.state.language)
        texts = [*texts]
        return cls._of(transaction, speaks, [*map(speaks.compact, texts)], texts, 0)

    @classmethod
    def of(cls, transaction: WriteTransaction, told: Sequence[bytes], texts: Sequence[str]) -> Self:
        """The same, of texts whose words are known."""
        return cls._of(transaction, tokenizer(transaction.state.language), told, texts, 0)

    def brought_up(self, transaction: WriteTransaction, at: int) -> Past:
        """The same for the texts from one on, if something has been replaced since."""
        newest = transaction.edges.fallen(transaction.now, 1)
        is_same = newest[:1] == [self.newest] if newest else self.newest is None
        return self if is_same else self._of(transaction, self.speaks, self.told, self.texts, at)

    @classmethod
    def _of(
        cls,
        transaction: WriteTransaction,
        speaks: Tokenizer,
        told: Sequence[bytes],
        texts: Sequence[str],
        at: int,
    ) -> Self:
        fallen = transaction.edges.fallen(transaction.now, ECHO_CORRECTIONS)
        changes: dict[int, list[tuple[str, str, Change]]] = {}
        if fallen:
            pairs = _with_last(fallen)
            beside = (compact_first_person(text, speaks) for text in texts[at:])
            for first, last in _within(pairs, b"".join([*told[at:], *beside]), speaks):
                change = _between(speaks, first, last)
                if change is not None:
                    changes.setdefault(min(change.taken), []).append((first.old, last.new, change))
        return cls(speaks, changes, told, texts, fallen[-1] if fallen else None)

    def near_to(self, text: str) -> dict[str, tuple[str, Change]]:
        """The changes that a text may undo, by the id of what was replaced."""
        if not self.changes:
            return {}
        told = Told.of(text, self.speaks)
        return {
            old: (new, change)
            for word in told.words & self.changes.keys()
            for old, new, change in self.changes[word]
            if change.is_undone_by(told)
        }

    def repeated_in(self, transaction: WriteTransaction, record: Record) -> list[Record]:
        """What a record says again, though it was replaced; some, where there are many."""
        if not (near := self.near_to(record.text)):
            return []
        told = Told.of(record.text, self.speaks)
        found = transaction.memories.by_ids([*near, *(new for new, _ in near.values())])
        repeated = []
        for id_, (new, change) in sorted(near.items()):
            old = found[id_]
            subject = Subject.of(change, old.text, old.actor, self.speaks)
            if change.is_undone_by(told, subject) and not is_said_higher(record, old, [found[new]]):
                repeated.append(old)
        return repeated[:MOST]


def is_said_higher(record: Record, old: Record, heads: Iterable[Record]) -> bool:
    """Whether a record says what only somebody lower has said, and nobody higher replaced."""
    return outranks(record.origin, old.origin) and not any(
        outranks(head.origin, record.origin) for head in heads
    )


def _with_last(fallen: Sequence[Fallen]) -> list[tuple[Fallen, Fallen]]:
    """Each memory's change, and the last of the changes that followed it."""
    last: dict[str, Fallen] = {}
    for each in reversed(fallen):  # what replaced something falls after it did, if at all
        last.setdefault(each.old, last.get(each.new, each))
    return [(each, last[each.old]) for each in fallen if last[each.old].old != each.new]


def _within(
    pairs: Sequence[tuple[Fallen, Fallen]], told: bytes, speaks: Tokenizer
) -> list[tuple[Fallen, Fallen]]:
    """Those of which texts may have all words that were taken: a first sieve, over all at once.

    Args:
        pairs: The change of each memory, and the last that followed it.
        told: The words of the texts in compact form.
        speaks: Of the store's language.
    """
    held = [entries(first.old_words)["word"] for first, _ in pairs]
    whose = np.repeat(np.arange(len(held)), [len(words) for words in held])  # (w,)
    words = np.concatenate(held)  # (w,)
    # By sorting: numpy 2.0 counts from the smallest on where there is one, which may be over 2^63.
    is_told = np.isin(words, entries(told)["word"], kind="sort")
    shares = set(whose[is_told].tolist())
    stands: dict[str, set[int]] = {}
    for at, word in zip(whose[~is_told].tolist(), words[~is_told].tolist(), strict=True):
        if at in shares:
            first, last = pairs[at]
            if (kept := stands.get(last.new)) is None:
                kept = set(entries(last.new_words)["word"].tolist())
                stands[last.new] = kept
            is_anybodys = word in kept or first.old_actor != last.new_actor
            if not is_anybodys and not speaks.is_mere(word):
                shares.discard(at)
    return [pairs[at] for at in sorted(shares)]


def _between(speaks: Tokenizer, first: Fallen, last: Fallen) -> Change | None:
    old, new = speaks.content(first.old_words), speaks.content(last.new_words)
    if first.old_actor != last.new_actor:  # by whose names they are found, too
        names = f"{first.old_actor or ''} {last.new_actor or ''}"
        said = speaks.content(speaks.compact(names))
        old, new = old - said or old, new - said or new
    return Change.between(old, new)
