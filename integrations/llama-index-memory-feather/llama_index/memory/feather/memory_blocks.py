"""A tenant's memory as a block of LlamaIndex's own `Memory`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any, Literal

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import BaseMemoryBlock
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from llama_index.memory.feather._conversation import (
    current_turn,
    note_said,
    said_in,
    unfenced,
)
from llama_index.memory.feather._extract import Extracting, TakingFacts, extraction_of
from llama_index.memory.feather._prompt import Question, Telling, tokens_of
from llama_index.memory.feather._source import Bound, chosen
from pydantic import ConfigDict, PrivateAttr
from typing_extensions import override

from feather_memory import ContextLayers, ParameterError, Store, TenantPool
from feather_memory.agent import (
    Extraction,
    Remembering,
    Said,
    remembered_of,
    remembering,
    without_last,
)


class FeatherMemoryBlock(TakingFacts, Telling, BaseMemoryBlock[str]):
    """What one tenant's memory knows of the user's last message, and remembers of all messages.

    For `Memory.from_defaults(memory_blocks=[FeatherMemoryBlock(…)])`. It does not wait for messages
    to fall out of the short-term memory: whatever it is shown when it is asked, it remembers at
    once, each message once: what the user says, and with `save="all"` what the assistant says, the
    last answer of a conversation when that is next read; `FeatherMemory` does not wait for that.

    The session comes with each call and is kept nowhere, so one block serves any number of them.
    What is recalled is of the whole tenant unless `recall_from="session"`.

    Args:
        store: An open store. The caller closes it.
        path: Instead, the file to open, which is made if there is none.
        pool: Instead, the open pool of a service with many tenants.
        layers: Instead, open stores that are read together; what is said goes to the nearest.
        tenant: Whose memory; needed with `pool`, checked with the others.
        embed_model: Embeds messages. Else the store's own embedder does, or the model set in
            `Settings`.
        extract: Takes keyed facts from what the user says, as in `FeatherMemory.from_defaults`.
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
    _taking: Extraction | None = PrivateAttr(default=None)

    def __init__(
        self,
        *,
        store: Store | BasePydanticVectorStore | None = None,
        path: str | os.PathLike[str] | None = None,
        pool: TenantPool | None = None,
        layers: ContextLayers | None = None,
        tenant: str | None = None,
        embed_model: BaseEmbedding | None = None,
        extract: Extracting | None = None,
        **fields: Any,
    ) -> None:
        source = chosen(
            "FeatherMemoryBlock", store=store, path=path, pool=pool, layers=layers, tenant=tenant
        )
        super().__init__(**fields)
        self._bound = Bound(source, embed_model)
        self._taking = None if extract is None else extraction_of(extract, self.save)

    @override
    async def aput(
        self,
        messages: list[ChatMessage],
        from_short_term_memory: bool = False,
        session_id: str | None = None,
    ) -> None:
        """Remember messages; those that are remembered already, once. They are not changed."""
        if not from_short_term_memory or self.accept_short_term_memory:
            with self.bearing("save", self._bound.source.tenant):
                await self._remember(self._said(messages), session_id)

    @override
    async def _aput(self, messages: list[ChatMessage]) -> None:
        await self.aput(messages)

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
        said = self._said(messages or ())
        question = Question.of([(each.role, each.text) for each in said], session_id)
        if question.text is None:
            return ""
        with self.bearing("save", self._bound.source.tenant):
            await self._remember(said, session_id)
        only = session_id if self.recall_from == "session" else None
        text = ""
        with self.bearing("recall", self._bound.source.tenant):
            vector = await self._bound.aquery_vector([question.text])
            text = await asyncio.to_thread(self._told, question, vector, only)
        return text  # noqa: RET504  an outage leaves it empty

    def _told(self, question: Question, vector: Sequence[float] | None, session: str | None) -> str:
        opened = self._bound.found()  # who has no memory yet gets none by asking
        return "" if opened is None else self.tell(opened, question, vector, session=session)

    @override
    async def atruncate(self, content: Any, tokens_to_truncate: int) -> str | None:
        """The content without its last memories, as many as have those tokens; None for nothing."""
        if not isinstance(content, str) or not content:  # LlamaIndex asks for [] to be truncated
            return None
        return without_last(content, tokens_to_truncate, tokens_of)

    def _said(self, messages: Sequence[ChatMessage]) -> list[Said]:
        return said_in(map(unfenced, messages), self.actor)

    async def _remember(self, said: Sequence[Said], session: str | None) -> None:
        if all(each.is_blank for each in remembered_of(said, self.save)):
            return
        new = await asyncio.to_thread(self._new, said, session)
        if (turn := current_turn()) is not None:
            note_said(turn, new.ids)
        if new.records:
            vectors = await self._bound.avectors(new.texts)
            written = await asyncio.to_thread(
                lambda: new.write(self._bound.opened().writes, vectors)
            )
            self._offer(self._bound.source.tenant, self._bound, written)

    @override
    def _extraction(self) -> Extraction | None:
        return self._taking

    def _new(self, said: Sequence[Said], session: str | None) -> Remembering:
        # A history is shown again and again: what was superseded since is not said again by that,
        # and in which turn any of it was said is not known.
        store = self._bound.opened().writes
        return remembering(
            store, remembered_of(said, self.save), session=session, are_said_now=False
        )
