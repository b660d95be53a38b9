"""A tenant's memory as a block of LlamaIndex's own `Memory`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from llama_index.core.memory import BaseMemoryBlock
from llama_index.memory.feather._binding import Bound
from llama_index.memory.feather._messages import (
    Remembering,
    at_once,
    question,
    remembering,
    texts_of,
    turn_of,
    without_last,
)
from llama_index.memory.feather._recalling import Telling
from llama_index.memory.feather._stores import StoreSource
from llama_index.memory.feather.turns import current_turn, note_said
from pydantic import ConfigDict, PrivateAttr
from typing_extensions import override

from feather_memory import F, ParameterError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.base.llms.types import ChatMessage

    from feather_memory import Filter, Store, TenantPool


class FeatherMemoryBlock(Telling, BaseMemoryBlock[str]):
    """What one tenant's memory knows of the user's last message, and remembers of all messages.

    For `Memory.from_defaults(memory_blocks=[FeatherMemoryBlock(…)])`. It does not wait for messages
    to fall out of the short-term memory: whatever it is shown when it is asked, it remembers at
    once, each message once. The last answer of a conversation is remembered when the conversation
    is next read; `FeatherMemory` does not wait for that either.

    The session comes with each call and is kept nowhere, so one block serves any number of them.
    What is recalled is of the whole tenant unless `recall_from="session"`.

    Args:
        store: An open store. The caller closes it.
        path: Instead, the file to open, which is made if there is none.
        pool: Instead, the open pool of a service with many tenants.
        tenant: Whose memory; needed with `pool`, checked with the others.
        embed_model: Embeds messages. Else the store's own embedder does, or the model set in
            `Settings`.
        fields: The fields below.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    name: str = "feather_memory"
    """As which the prompt has it."""
    description: str | None = "What is remembered that bears on the last message"
    priority: int = 0
    """0: LlamaIndex never truncates it. It keeps to its own limits."""
    recall_from: Literal["tenant", "session"] = "tenant"
    """Whether memories of other sessions are recalled, too."""
    actor: str | None = None
    """Who the user is, to be noted with what they say."""
    _bound: Bound = PrivateAttr()

    def __init__(
        self,
        *,
        store: Store | None = None,
        path: str | os.PathLike[str] | None = None,
        pool: TenantPool | None = None,
        tenant: str | None = None,
        embed_model: BaseEmbedding | None = None,
        **fields: Any,
    ) -> None:
        source = StoreSource.chosen(path=path, store=store, pool=pool, tenant=tenant)
        super().__init__(**fields)
        self._bound = Bound(source, embed_model)

    @override
    async def aput(
        self,
        messages: list[ChatMessage],
        from_short_term_memory: bool = False,
        session_id: str | None = None,
    ) -> None:
        """Remember messages; those that are remembered already, once. They are not changed."""
        if not from_short_term_memory or self.accept_short_term_memory:
            await self._remembered(messages, session_id)

    @override
    async def _aput(self, messages: list[ChatMessage]) -> None:
        await self._remembered(messages, None)

    @override
    async def _aget(
        self,
        messages: list[ChatMessage] | None = None,
        session_id: str | None = None,
        **block_kwargs: Any,  # others' arguments: a Memory gives each block those of all
    ) -> str:
        """What is remembered that bears on the user's last message; "" for nothing."""
        if self.recall_from == "session" and session_id is None:
            raise ParameterError("a block that recalls from its session needs the session_id")
        given = list(messages or ())
        query = question(given)
        if query is None:
            return ""
        await self._remembered(given, session_id)
        turn = current_turn() or turn_of(session_id, given, query)
        vector = await self._bound.aquery_vector([query])
        return await asyncio.to_thread(
            self._recalled, query, vector, turn, self._beyond(given), session_id
        )

    @override
    async def atruncate(self, content: Any, tokens_to_truncate: int) -> str | None:
        """The content without its last memories, as many as have those tokens; None for nothing."""
        if not isinstance(content, str) or not content:  # LlamaIndex asks for [] to be truncated
            return None
        return without_last(content, tokens_to_truncate)

    async def _remembered(self, messages: Sequence[ChatMessage], session: str | None) -> None:
        copies = list(messages)
        if not texts_of(copies):
            return
        new = await asyncio.to_thread(self._new, copies, session)
        note_said(new.ids)
        if new.records:
            vectors = await self._bound.avectors(new.texts)
            await asyncio.to_thread(self._write, new, vectors)

    def _new(self, messages: Sequence[ChatMessage], session: str | None) -> Remembering:
        # A history is shown again and again: what was superseded since is not said again by that.
        return remembering(
            self._bound.store(), messages, session=session, actor=self.actor, are_said_now=False
        )

    def _write(self, new: Remembering, vectors: list[list[float]] | None) -> None:
        store = self._bound.store()
        with at_once(store, vectors):
            new.write(store, vectors)

    def _recalled(
        self, query: str, vector: list[float] | None, turn: str, where: Filter, session: str | None
    ) -> str:
        only = session if self.recall_from == "session" else None
        store = self._bound.store()
        return self.tell(store, query, vector, turn=turn, where=where, session=only)

    @staticmethod
    def _beyond(messages: Sequence[ChatMessage]) -> Filter:
        """Memories that say something else than the messages, which the model is shown anyway."""
        return ~F("text").is_in(texts_of(messages))
