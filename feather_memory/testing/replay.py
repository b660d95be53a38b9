"""Somebody who has only ever asked a truth for changes, and the records to change."""
# ruff: noqa: S101 -- it is a part of tests, which run under pytest

from __future__ import annotations

from typing import Any

import numpy as np

from feather_memory.model.fields import COLUMNS, Record
from feather_memory.model.words import Tokenizer
from feather_memory.truth.contract import ReadTransaction
from feather_memory.truth.state import Changes
from feather_memory.types import Seconds

NOW = 1_700_000_000.0


def record(id_: str, text: str = "tea", **fields: Any) -> Record:
    """A memory as `write` makes one, valid from NOW."""
    times = {"created_at": NOW, "updated_at": NOW, "valid_from": NOW}
    return Record(**{"id": id_, "text": text, "prior": 0.4, "importance": 0.4, **times, **fields})


def vector(*numbers: float) -> bytes:
    """Numbers as a Record keeps them."""
    return np.array(numbers, np.dtype("<f4")).tobytes()


class Replayed:
    """What somebody knows who has only ever asked for changes."""

    def __init__(self) -> None:
        self.generation = 0
        self.known: dict[int, tuple[Any, ...]] = {}
        self.words: dict[int, bytes] = {}
        self.superseded: set[tuple[int, int | None, Seconds, Seconds]] = set()

    def catch_up(self, moment: ReadTransaction) -> None:
        """Take in what happened since."""
        changes = self._changes(moment)
        for row, *numbers, _, words in changes.appended:
            self.known[row], self.words[row] = tuple(numbers), words
        for row, *numbers in changes.touched:
            assert row in self.known, "a touched row is one that was known"
            self.known[row] = tuple(numbers)
        for row in changes.gone:
            self.known.pop(row, None)
            self.words.pop(row, None)
        stale = {*changes.gone, *(row for row, *_ in changes.touched)}
        self.superseded = {one for one in self.superseded if stale.isdisjoint(one[:2])}
        assert self.superseded.isdisjoint(changes.superseded), "none is told twice"
        self.superseded.update(changes.superseded)
        self.generation = moment.state.generation

    def _changes(self, moment: ReadTransaction) -> Changes:
        next_row = max(self.known, default=0) + 1
        return moment.memories.changes(since=self.generation, next_row=next_row)


def said(moment: ReadTransaction) -> dict[int, bytes]:
    """The words of each memory by its row, made of its text and its actor again."""
    tokenizer = Tokenizer(moment.state.language)
    return {each.row: tokenizer.kept(each.text, each.actor)[1] for each in moment.memories.stream()}


def told(moment: ReadTransaction) -> dict[int, tuple[Any, ...]]:
    """The same, read from the records themselves."""
    return {
        each.row: tuple(getattr(each, name) for name in COLUMNS)
        for each in moment.memories.stream()
    }


def superseded(moment: ReadTransaction) -> set[tuple[int, int | None, Seconds, Seconds]]:
    """The supersessions, asked of each memory: of edges by whom, else only that somebody did."""
    found: set[tuple[int, int | None, Seconds, Seconds]] = set()
    records = list(moment.memories.stream())
    rows = {each.id: each.row for each in records}
    starts = {each.id: each.valid_from for each in records}
    for record, memory in zip(records, moment.memories.shown(records), strict=True):
        left = moment.edges.closings(record.id)
        for by in memory.superseded_by:
            one = next(closing for closing in left if closing[1] == starts[by])
            left.remove(one)
            found.add((record.row, rows[by], one[1], one[0]))
        found |= {(record.row, None, holds, recorded) for recorded, holds in left}
    return found
