"""What a tenant's memory has to say to a question, as text that goes before a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llama_index.memory.feather._messages import fenced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from feather_memory import Filter, Hit, Scoring, Store


def found(
    store: Store,
    query: str | None,
    top_k: int,
    *,
    hops: int,
    types: Sequence[str] | None = None,
    limit: int = 50,
    **asked: Any,
) -> Sequence[Hit]:
    """The best memories, and with `hops` what is linked to them; see `Store.context_chain`."""
    if not hops:
        return store.search(query, top_k, **asked)
    return store.context_chain(query, top_k, hops, types=types, limit=limit, **asked).hits


@dataclass(frozen=True, slots=True, kw_only=True)
class Recollection:
    """How much is recalled, and how much of that is put before the model."""

    top_k: int
    hops: int
    min_relevance: float
    max_chars: int
    max_tokens: int | None
    scoring: Scoring | None
    reinforce: bool

    def text(
        self,
        store: Store,
        query: str,
        vector: list[float] | None,
        *,
        turn: str,
        where: Filter | None,
        session: str | None = None,
    ) -> str:
        """The memories that fit, fenced as data; "" for none. Those, and only those, are logged.

        Args:
            store: Of the tenant.
            query: What is asked.
            vector: Its embedding; without one the store embeds, or goes by words.
            turn: What it is logged and, once, counted under.
            where: Only memories this filter lets through.
            session: Only memories of this session.
        """
        hits = found(
            store,
            query,
            self.top_k,
            hops=self.hops,
            vector=vector,
            where=where,
            session=session,
            scoring=self.scoring,
        )
        hits = [h for h in hits if h.hop or h.score.relevance > self.min_relevance]
        text, fitting = fenced(hits, max_chars=self.max_chars, max_tokens=self.max_tokens)
        if fitting:
            store.log_recall(fitting, turn=turn, reinforce=self.reinforce)
        return text
