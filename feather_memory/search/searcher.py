"""What a read does inside its transaction: from a question to Hits, a chain, or a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from feather_memory.model import validity
from feather_memory.model.hits import ContextChain, Hit, Score, Verdict
from feather_memory.model.memory import when
from feather_memory.model.walk import walk
from feather_memory.search.ranking import Question, Ranking, eligible_now, lexical_shares
from feather_memory.truth.sqlite import edges, memories
from feather_memory.truth.sqlite import words as lexical

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from feather_memory.index.columns import Replica, View
    from feather_memory.model.memory import Edge, Memory
    from feather_memory.truth.sqlite.memories import Record
    from feather_memory.types import Mask

_REASONS = {
    "not_yet_recorded": "it was recorded on {created_at}, after `known_at`",
    "superseded": "another memory replaced it from {superseded_from} on",
    "ended": "it was true until {valid_to}",
    "expired": "it expired on {expires_at}",
    "not_yet_valid": "it is true from {valid_from} on",
}


class Reading:
    """One transaction's view of the store, and the answers it gives."""

    def __init__(self, connection: sqlite3.Connection, view: View, replica: Replica) -> None:
        self.connection = connection
        self.view = view
        self._replica = replica

    def eligible(self, question: Question) -> Mask:
        """Which memories may be returned: current for the question, and let through its filter."""
        if question.known_at is None:
            mask = eligible_now(self.view, question.as_of)
        else:
            rows = memories.known_rows(
                self.connection, as_of=question.as_of, known_at=question.known_at
            )
            mask = np.zeros(len(self.view), np.bool_)
            mask[self.view.positions(rows)] = True
        if question.where is not None:
            mask &= self._replica.mask(self.connection, self.view, question.where)
        return mask

    def held_keys(self, question: Question, keys: Collection[str]) -> set[str]:
        """Those of the slots that a memory holds at the question's moment."""
        if not keys:
            return set()
        holders = memories.rows_of_keys(self.connection, keys)
        return {holders[row] for row in self._let_through(question, list(holders))}

    def held_texts(self, question: Question, texts: Collection[str]) -> set[str]:
        """Those of the texts that a memory has which may be returned."""
        rows = {row for text in texts for row in lexical.holding(self.connection, text)}
        kept = self._let_through(question, sorted(rows)) if rows else []
        return {r.text for r in memories.by_rows(self.connection, kept)} & set(texts)

    def _let_through(self, question: Question, rows: list[int]) -> list[int]:
        at = self.view.positions(sorted(rows))
        return [int(row) for row in self.view.rows[at[self.eligible(question)[at]]]]

    def rank(self, question: Question) -> Ranking:
        """The ranking of all that may be returned."""
        eligible = self.eligible(question)
        shares = None
        if question.text is not None:
            matched = lexical.match(self.connection, question.text)
            shares = lexical_shares(self.view, eligible, matched)
        return Ranking(
            self.view, question, eligible, shares, approximation=self._replica.approximation
        )

    def search(self, question: Question, k: int) -> list[Hit]:
        """The k best, best first."""
        best = self.rank(question).best(k)
        rows = [int(self.view.rows[at]) for at, _ in best]
        found = self.memories_in(self.connection, memories.by_rows(self.connection, rows))
        return [
            Hit(memory=memory, score=score) for memory, (_, score) in zip(found, best, strict=True)
        ]

    def nearest(self, question: Question, k: int) -> list[tuple[Memory, float]]:
        """The k nearest with their cosines, nearest first."""
        near = self.rank(question).nearest(k)
        rows = [int(self.view.rows[at]) for at, _ in near]
        found = self.memories_in(self.connection, memories.by_rows(self.connection, rows))
        return [(memory, cosine) for memory, (_, cosine) in zip(found, near, strict=True)]

    @staticmethod
    def memories_in(connection: sqlite3.Connection, records: Collection[Record]) -> list[Memory]:
        """The records as callers see them, with what they replaced and what replaced them."""
        ids = [record.id for record in records]
        new, old = edges.replacements(connection, ids) if ids else ({}, {})
        return [memories.memory(r, new.get(r.id, ()), old.get(r.id, ())) for r in records]

    def context_chain(
        self,
        question: Question,
        k: int,
        *,
        hops: int,
        types: frozenset[str] | None,
        limit: int,
    ) -> ContextChain:
        """The k best and what is linked to them, within `hops` steps; at most `limit` in all."""
        ranking = self.rank(question)
        own: dict[str, Score] = {}

        def neighbours(ids: Collection[str]) -> Iterator[tuple[str, str, float]]:
            asked = set(ids)
            for edge in self._edges(ids, types):
                if edge.source in asked:
                    yield edge.source, edge.target, edge.weight
                if edge.target in asked:
                    yield edge.target, edge.source, edge.weight

        def own_scores(ids: Collection[str]) -> Mapping[str, float]:
            own.update(self._own_scores(ranking, ids))
            return {id_: own[id_].value for id_ in ids if id_ in own}

        best = ranking.best(min(k, limit))
        rows = [int(self.view.rows[at]) for at, _ in best]
        records = {r.id: r for r in memories.by_rows(self.connection, rows)}
        own.update(zip(records, (score for _, score in best), strict=True))
        seeds = {id_: own[id_].value for id_ in records}
        reached = walk(seeds, neighbours, own_scores, hops=hops, limit=limit)
        missing = [id_ for id_ in reached if id_ not in records]
        records.update(memories.by_ids(self.connection, missing))
        found = self.memories_in(self.connection, [records[id_] for id_ in reached])
        weight = question.layer_weight
        hits = tuple(
            Hit(
                memory=memory,
                hop=at.hop,
                score=Score(value=at.score, inherited=at.score / weight, layer_weight=weight)
                if at.inherited
                else own[memory.id],
            )
            for memory, at in zip(found, reached.values(), strict=True)
        )
        among = [e for e in self._edges(reached, types) if {e.source, e.target} <= reached.keys()]
        return ContextChain(hits=hits, edges=tuple(among))

    def _edges(self, ids: Collection[str], types: frozenset[str] | None) -> Iterable[Edge]:
        found = edges.touching(self.connection, ids)
        return found if types is None else [edge for edge in found if edge.type in types]

    def _own_scores(self, ranking: Ranking, ids: Collection[str]) -> dict[str, Score]:
        """Scores of those of the memories that may be returned."""
        rows = memories.rows_of(self.connection, ids)
        names = {row: id_ for id_, row in rows.items()}
        at = self.view.positions(sorted(names))
        at = at[ranking.eligible[at]]
        kept = [names[int(row)] for row in self.view.rows[at]]
        return dict(zip(kept, ranking.scores_at(at), strict=True))

    def why_not(self, question: Question, memory_id: str, k: int) -> Verdict:
        """The first gate that keeps a memory out of the answer, or its rank and margin."""
        record = memories.find(self.connection, memory_id)
        if record is None:
            return Verdict(memory_id=memory_id, gate="unknown", reason="no such memory")
        lifetime = validity.Lifetime(
            created_at=record.created_at,
            valid_from=record.valid_from,
            valid_to=record.stated_to,
            expires_at=record.expires_at,
            closings=tuple(
                validity.Closing(*closing) for closing in edges.closings(self.connection, memory_id)
            ),
        )
        gate = validity.gate(lifetime, as_of=question.as_of, known_at=question.known_at)
        if gate is not None:
            return Verdict(memory_id=memory_id, gate=gate, reason=_reason(gate, lifetime))
        if question.where is not None and not question.where.matches(record.fields()):
            return Verdict(
                memory_id=memory_id,
                gate="filtered",
                reason=f"the filter {question.where!r} does not hold for it",
            )
        return self._placed(question, record, k)

    def _placed(self, question: Question, record: Record, k: int) -> Verdict:
        ranking = self.rank(question)
        everything = ranking.best(len(self.view))
        (at,) = self.view.positions([record.row])
        place = next(i for i, (position, _) in enumerate(everything) if position == at)
        score = everything[place][1]
        rival = everything[min(k, len(everything)) - 1][1].value
        if place >= k:
            reason = f"it ranks {place + 1}, and {k} were asked for"
        else:
            reason = f"it is returned, at rank {place + 1}"
        return Verdict(
            memory_id=record.id,
            gate=None,
            reason=reason,
            rank=place + 1,
            score=score,
            margin=score.value - rival,
            is_returned=place < k,
        )


def _reason(gate: str, lifetime: validity.Lifetime) -> str:
    ended = min((c.holds_from for c in lifetime.closings), default=None)
    moments = {
        "created_at": lifetime.created_at,
        "superseded_from": ended,
        "valid_to": lifetime.valid_to,
        "expires_at": lifetime.expires_at,
        "valid_from": lifetime.valid_from,
    }
    return _REASONS[gate].format(
        **{
            name: "never" if m is None else f"{when(m):%Y-%m-%d %H:%M} UTC"
            for name, m in moments.items()
        }
    )
