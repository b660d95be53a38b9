"""A session's messages in one tenant's memory, for `RunnableWithMessageHistory`.

This interface is LangChain's past: it is deprecated since langchain-core 1.6.4. New agents keep
a thread in a checkpointer, and what is to outlast it in a `FeatherStore`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.embeddings import Embeddings
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict
from typing_extensions import override

from feather_memory import F, Filter, ParameterError, Store, TenantPool
from feather_memory.agent import Source, one_tenant, with_vectors


class FeatherChatMessageHistory(BaseChatMessageHistory):
    """The messages of one session, each a memory that a retriever over the store finds, too.

    Args:
        session_id: Of the conversation, inside the tenant's memory.
        store: An open store, of one tenant. The caller closes it.
        pool: Instead, the open stores of many tenants; together with `tenant`.
        tenant: Whose conversation it is; of a store, whose it must be.
        embedding: Embeds the messages; the store's own embedder does unless given.

    >>> import pathlib, tempfile
    >>> from feather_memory import Store
    >>> with Store.open(pathlib.Path(tempfile.mkdtemp()) / "alice.feather") as store:
    ...     history = FeatherChatMessageHistory("monday", store=store)
    ...     history.add_user_message("Deploys are on Tuesday")
    ...     [message.content for message in history.messages]
    ['Deploys are on Tuesday']
    """

    def __init__(
        self,
        session_id: str,
        *,
        store: Store | None = None,
        pool: TenantPool | None = None,
        tenant: str | None = None,
        embedding: Embeddings | None = None,
    ) -> None:
        if not isinstance(session_id, str) or not session_id:
            raise ParameterError(f"session_id must be a string that is not empty: {session_id!r}")
        super().__init__()
        self.session_id = session_id
        source = Source.chosen(
            "FeatherChatMessageHistory", store=store, pool=pool,
            tenant=one_tenant("FeatherChatMessageHistory", tenant), takes=("store", "pool"),
        )  # fmt: skip
        self._store = source.opened().writes
        self._embedding = embedding

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # there it is an attribute
        """The session's messages, oldest first."""
        found = sorted(self._store.iterate(self._meant), key=lambda memory: memory.id)
        kept = [cast("dict[str, Any]", memory.metadata["message"]) for memory in found]
        return messages_from_dict(kept)

    @override
    async def aget_messages(self) -> list[BaseMessage]:
        """As `messages`, in a thread."""
        return await asyncio.to_thread(lambda: self.messages)

    @override
    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add these messages in one transaction, or none.

        Raises:
            InvalidMetadataError: JSON cannot hold a message exactly, or it is over 1 MiB.
        """
        records = self._records(messages)
        if self._embedding is not None and records:
            texts = [record["text"] for record in records]
            records = with_vectors(records, self._embedding.embed_documents(texts))
        self._store.add_many(records)

    @override
    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """As `add_messages`; embeds with `aembed_documents` and writes in a thread."""
        records = self._records(messages)
        if self._embedding is not None and records:
            texts = [record["text"] for record in records]
            records = with_vectors(records, await self._embedding.aembed_documents(texts))
        await asyncio.to_thread(self._store.add_many, records)

    @override
    def clear(self) -> None:
        """Forget this session's messages for good, and nothing else."""
        self._store.forget(where=self._meant)

    @override
    async def aclear(self) -> None:
        """As `clear`, in a thread."""
        await asyncio.to_thread(self.clear)

    @property
    def _meant(self) -> Filter:
        return (F("session") == self.session_id) & F("message").exists()

    def _records(self, messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
        return [
            {
                "text": _said(message),
                "session": self.session_id,
                "role": message.type,
                "metadata": {"message": message_to_dict(message)},
            }
            for message in messages
        ]


def _said(message: BaseMessage) -> str:
    """What a search can find the message by; a call of a tool has no words of its own."""
    if message.text.strip():
        return str(message.text)
    calls = getattr(message, "tool_calls", None) or []
    return ", ".join(call["name"] for call in calls) or f"({message.type})"
