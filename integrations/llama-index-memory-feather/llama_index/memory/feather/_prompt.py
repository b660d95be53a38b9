"""How much a memory tells a model, as fields that LlamaIndex's classes have."""

from __future__ import annotations

from collections.abc import Sequence

from llama_index.core.utils import get_tokenizer
from llama_index.memory.feather._conversation import Question
from llama_index.memory.feather.attribution import log_shown
from pydantic import BaseModel, Field

from feather_memory import Scoring
from feather_memory.agent import Budget, Opened, RecallOptions, told


def tokens_of(text: str) -> int:
    """How many tokens a text is, by LlamaIndex's tokenizer."""
    return len(get_tokenizer()(text))


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
        opened: Opened,
        question: Question,
        vector: Sequence[float] | None,
        *,
        session: str | None = None,
    ) -> str:
        """The memories that fit, fenced as data; "" for none. Those, and only those, are logged.

        Args:
            opened: What is read.
            question: What is asked.
            vector: Its embedding; without one the store embeds, or goes by words.
            session: Only memories of this session.
        """
        options = RecallOptions(
            k=self.similarity_top_k,
            hops=self.hops,
            scoring=self.scoring,
            session=session,
            min_relevance=self.min_relevance,
            reinforce=self.reinforce,
        )
        budget = Budget(
            max_tokens=self.max_tokens, max_chars=self.max_chars, count_tokens=tokens_of
        )
        return told(
            opened,
            question.text or "",
            options,
            budget,
            vector=vector,
            beyond=question.beyond,
            turn=question.turn,
            log=log_shown,
        ).prompt
