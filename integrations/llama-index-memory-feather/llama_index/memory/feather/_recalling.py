"""What a tenant's memory has to say to a question, as text that goes before a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.memory.feather._messages import fenced
from llama_index.memory.feather.attribution import log_shown
from pydantic import BaseModel, Field

from feather_memory import Scoring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from feather_memory import Filter, Hit, Store


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


class Telling(BaseModel):
    """What a memory tells a model: how much it recalls, and how much of that fits."""

    similarity_top_k: int = Field(default=5, ge=1)
    """How many memories a message recalls."""
    hops: int = Field(default=0, ge=0)
    """How far to walk from those along the edges; `next` leads through a conversation."""
    min_relevance: float = Field(default=0.0, ge=0, lt=1)
    """Memories are told that are more relevant than this; by default, relevant at all."""
    max_chars: int = Field(default=2000, ge=1)
    """How long the memories' text may be. They are left out whole."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Likewise in tokens."""
    scoring: Scoring | None = None
    """How relevance, age and importance weigh; the store's default unless given."""
    reinforce: bool = True
    """Whether being recalled slows a memory's decay, once a turn."""

    def tell(
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
            self.similarity_top_k,
            hops=self.hops,
            vector=vector,
            where=where,
            session=session,
            scoring=self.scoring,
        )
        relevant = [h for h in hits if h.hop or h.score.relevance > self.min_relevance]
        text, fitting = fenced(relevant, max_chars=self.max_chars, max_tokens=self.max_tokens)
        if fitting:
            log_shown(store, fitting, turn=turn, reinforce=self.reinforce)
        return text
