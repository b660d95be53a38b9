"""What was corrected, to be found in longer texts that are not the user's: a summary, a refresh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from feather_memory.model.restating import Change, Told
from feather_memory.model.words import Tokenizer, tokenizer
from feather_memory.truth.contract import WriteTransaction
from feather_memory.truth.state import Fallen

MOST: Final = 8
"""Memories that one text is linked to as their echo."""


@dataclass(frozen=True, slots=True)
class Past:
    """Every change that holds by now, by one of the words that it took back."""

    speaks: Tokenizer
    changes: dict[int, list[tuple[str, Change]]]

    @classmethod
    def of(cls, transaction: WriteTransaction) -> Self:
        """That of a store: from each memory that was replaced to what stands in its place."""
        speaks = tokenizer(transaction.state.language)
        after = {each.old: each for each in transaction.edges.fallen(transaction.now)}
        changes: dict[int, list[tuple[str, Change]]] = {}
        for each in after.values():
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
            if change.is_undone_by(told, by_topic=True)
        ]
        return sorted(found)[:MOST]


def _last(each: Fallen, after: dict[str, Fallen]) -> Fallen:
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
