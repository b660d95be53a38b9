"""What was corrected, to be found in longer texts that are not the user's: a summary, a refresh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from feather_memory.config import ECHO_CORRECTIONS
from feather_memory.model.restating import Change, Told
from feather_memory.model.words import Tokenizer, entries, tokenizer
from feather_memory.truth.contract import WriteTransaction
from feather_memory.truth.state import Fallen

MOST: Final = 8
"""Memories that one text is linked to as their echo."""


@dataclass(frozen=True, slots=True)
class Past:
    """The changes that some texts may undo, by one of the words that each took back."""

    speaks: Tokenizer
    changes: Mapping[int, Sequence[tuple[str, Change]]]

    @classmethod
    def near(cls, transaction: WriteTransaction, texts: Iterable[str]) -> Self:
        """Those that any of the texts may undo: from what was replaced to what stands instead."""
        speaks = tokenizer(transaction.state.language)
        after = {e.old: e for e in transaction.edges.fallen(transaction.now, ECHO_CORRECTIONS)}
        changes: dict[int, list[tuple[str, Change]]] = {}
        if after:
            for each in _sharing(list(after.values()), [speaks.compact(text) for text in texts]):
                change = _between(speaks, each, _last(each, after))
                if change is not None:
                    changes.setdefault(min(change.taken), []).append((each.old, change))
        return cls(speaks, changes)

    def repeated_in(self, text: str) -> list[str]:
        """Ids of what a text says again, though it was replaced; some, where there are many."""
        if not self.changes:
            return []
        told = Told.of(text, self.speaks)
        found = [
            id_
            for word in told.words & self.changes.keys()
            for id_, change in self.changes[word]
            if change.is_undone_by(told)
        ]
        return sorted(found)[:MOST]


def _sharing(fallen: Sequence[Fallen], texts: Iterable[bytes]) -> list[Fallen]:
    """Those that have a word in common with any of some texts in compact form."""
    words = entries(b"".join(each.old_words for each in fallen))["word"]
    whose = np.repeat(
        np.arange(len(fallen)), [len(entries(each.old_words)) for each in fallen]
    )  # (w,)  by word
    is_said = np.isin(words, entries(b"".join(texts))["word"])
    return [fallen[at] for at in np.unique(whose[is_said]).tolist()]


def _last(each: Fallen, after: Mapping[str, Fallen]) -> Fallen:
    """The last of the changes that follow one another."""
    while each.new in after:
        each = after[each.new]
    return each


def _between(speaks: Tokenizer, first: Fallen, last: Fallen) -> Change | None:
    old, new = speaks.content(first.old_words), speaks.content(last.new_words)
    if first.old_actor != last.new_actor:  # by whose names they are found, too
        names = f"{first.old_actor or ''} {last.new_actor or ''}"
        said = speaks.content(speaks.compact(names))
        old, new = old - said or old, new - said or new
    return Change.between(old, new)
