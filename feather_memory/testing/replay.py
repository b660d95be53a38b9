"""Somebody who has only ever asked a truth for changes, and the records to change."""
# ruff: noqa: S101 -- it is a part of tests, which run under pytest

from __future__ import annotations

import random
from typing import Any

import numpy as np

from feather_memory.model.fields import COLUMNS, Record
from feather_memory.model.memory import EdgeType
from feather_memory.model.words import Tokenizer
from feather_memory.truth.contract import ReadTransaction, WriteTransaction
from feather_memory.truth.state import Changes, EdgeRow
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
        self.edges: set[EdgeRow] = set()

    def catch_up(self, moment: ReadTransaction) -> None:
        """Take in what happened since."""
        changes = self._changes(moment)
        for row, *said, _, _, words in changes.appended:
            self.known[row], self.words[row] = tuple(said[: len(COLUMNS)]), words
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
        told = moment.edges.changes(since=self.generation)
        left = {one for one in self.edges if {*told.stale}.isdisjoint(one[:2])}
        self.edges = left | {*told.edges}
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


def linked(moment: ReadTransaction) -> set[EdgeRow]:
    """The edges, asked of all memories at once."""
    rows = {each.id: each.row for each in moment.memories.stream()}
    return {
        (rows[edge.source], rows[edge.target], edge.type, edge.weight, edge.created_at.timestamp())
        for edge in moment.edges.touching(rows)
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


def do_something(
    transaction: WriteTransaction, draw: random.Random, held: dict[str, Record], step: int
) -> None:
    """One change of all kinds there are, drawn; `held` has the records by id, and is kept so."""
    memories = transaction.memories
    some = draw.choice(sorted(held)) if held else ""
    match draw.randrange(11) if some else 0:
        case 0 | 1:
            starts = {n: NOW + step + n / 4 for n in range(3)}  # by which they are told apart
            made = [
                record(f"m{step}.{n}", vector=vector(1, n), valid_from=starts[n]) for n in starts
            ]
            memories.insert(made)
            held |= {each.id: each for each in made}
        case 2:
            old = memories.by_ids([some])[some]
            held[some] = record(some, f"text {step}", valid_from=old.valid_from)
            memories.replace(old, held[some])
        case 3:
            memories.set_importance({some: draw.random()})
            memories.count_recall([some])
        case 4:
            transaction.edges.withhold(some, holds_from=NOW + step + 9, recorded_at=NOW + step)
        case 5 | 6:
            other = draw.choice(sorted(held))
            is_known = transaction.edges.find(some, other, EdgeType.SUPERSEDES) is not None
            if not is_known and not transaction.edges.replaces(other, some):
                at = held[some].valid_from
                transaction.edges.supersede(some, other, holds_from=at, recorded_at=NOW + step)
        case 7:
            transaction.edges.unsupersede(some, None)
        case 8:
            if not transaction.edges.remove(some, min(held), "next"):
                transaction.edges.put(some, min(held), "next", draw.random(), NOW)
        case _:
            memories.delete([memories.by_ids([some])[some]])
            del held[some]
