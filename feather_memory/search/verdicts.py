"""Why a memory is where it is in an answer: the gate that keeps it out, or its rank."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from feather_memory.checks import when
from feather_memory.model.fields import filtered_of
from feather_memory.model.hits import Hit, Verdict
from feather_memory.model.validity import Lifetime, gate
from feather_memory.search.chosen import AMONG, voices
from feather_memory.search.question import Question
from feather_memory.search.searcher import Searcher
from feather_memory.types import Mask

_REASONS = {
    "not_yet_recorded": "it was recorded on {created_at}, after `known_at`",
    "superseded": "another memory replaced it from {superseded_from} on",
    "ended": "it was true until {valid_to}",
    "expired": "it expired on {expires_at}",
    "not_yet_valid": "it is true from {valid_from} on",
}


def why_not(searcher: Searcher, question: Question, memory_id: str, k: int) -> Verdict:
    """The first gate that keeps a memory out of the answer, or its rank and margin."""
    searcher.check_fits(question)
    record = searcher.transaction.memories.find(memory_id)
    if record is None:
        return Verdict(memory_id=memory_id, gate="unknown", reason="no such memory")
    (at,) = searcher.view.positions([record.row]).tolist()
    lifetime = Lifetime(
        created_at=record.created_at,
        valid_from=record.valid_from,
        valid_to=record.stated_to,
        expires_at=record.expires_at,
        closings=searcher.view.supersessions.closings_of(at),
    )
    kept_by = gate(lifetime, as_of=question.as_of, known_at=question.known_at)
    if kept_by is not None:
        reason = _reason(kept_by, lifetime)
        return Verdict(memory_id=memory_id, gate=kept_by, reason=reason)
    if question.where is not None and not question.where.matches(filtered_of(record)):
        return Verdict(
            memory_id=memory_id,
            gate="filtered",
            reason=f"the filter {question.where!r} does not hold for it",
        )
    return _placed(searcher, question, memory_id, at, k)


def _placed(searcher: Searcher, question: Question, memory_id: str, at: int, k: int) -> Verdict:
    ranking = searcher.rank(question)
    if not ranking.eligible[at]:
        return Verdict(
            memory_id=memory_id,
            gate="irrelevant",
            reason=f"less of it is relevant than {question.min_relevance:g}",
        )
    before, (score,) = ranking.place(at), ranking.scores_of(ranking.rows_at([at]))
    best = searcher.found(ranking, question, max(k, AMONG))
    found = next((hit for hit in best if hit.memory.id == memory_id), None)
    same = None if found else _instead(searcher, at, best[:k], ranking.eligible)
    rank = best.index(found) + 1 if found else before
    is_returned = found is not None and rank <= k
    if is_returned:
        reason = f"it is returned, at rank {rank}"
    elif same is not None:
        reason = f"{same!r} is returned, which says the same"
    elif before <= k:
        reason = f"it ranks {before}, and newer ones that say it anew go before it"
    else:
        reason = f"it ranks {rank}, and {k} were asked for"
    score = score if found is None else found.score
    return Verdict(
        memory_id=memory_id,
        gate=None if same is None else "repeated",
        reason=reason,
        rank=rank,
        score=score,
        margin=score.value - best[min(k, len(best)) - 1].score.value,
        is_returned=is_returned,
    )


def _instead(searcher: Searcher, at: int, hits: Sequence[Hit], eligible: Mask) -> str | None:
    """The id of what an answer holds that says the same as the memory there."""
    words, view = searcher.view.words, searcher.view
    (like,) = words.alike(np.array([at]))
    if not like:
        return None
    told = voices(searcher.records_at(words.twins(like, eligible).tolist()))
    shown = searcher.transaction.memories.rows_of([hit.memory.id for hit in hits])
    for memory_id, row in shown.items():
        (other,) = view.positions([row]).tolist()
        if other in told and told[other] == told[at]:
            return memory_id
    return None


def _reason(gate: str, lifetime: Lifetime) -> str:
    """Why the gate is closed to a memory of that lifetime, as a sentence."""
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
