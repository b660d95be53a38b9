"""A session's messages in one tenant's memory, for `RunnableWithMessageHistory`.

This interface is LangChain's past: it is deprecated since langchain-core 1.6.4. New agents keep
a thread in a checkpointer, and what is to outlast it in a `FeatherStore`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, cast

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.embeddings import Embeddings
from langchain_core.messages import BaseMessage, messages_from_dict
from typing_extensions import override

from feather_memory import F, Filter, ParameterError, Shelf, Store, TenantPool
from feather_memory.agent import Source, embedded, one_tenant, same_id, with_vectors
from langchain_feather_memory._conversation import role_of, whose
from langchain_feather_memory._messages import from_json, to_json
from langchain_feather_memory._source import Held, Naming

_LONGEST: Final = 200
"""Of a session's id that is in a shelf's name as it is."""
_SILENT: Final = "remove"
"""The type of a message that nobody says, and that becomes no memory: it takes another away."""


class FeatherChatMessageHistory(Held, BaseChatMessageHistory):
    """The messages of one session, each a memory that a retriever over the store finds, too.

    The message itself is on a shelf of the tenant's file, beside the memory of its words. A
    `RemoveMessage` is kept, and is no memory.

    A `HumanMessage` is the user's, whatever its `name`: nothing tells that an agent wrote it. What
    an agent says belongs in an `AIMessage`, or in a `ChatMessage` of a role of its own.

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
        self._source = Source.chosen(
            "FeatherChatMessageHistory", store=store, pool=pool,
            tenant=one_tenant("FeatherChatMessageHistory", tenant), takes=("store", "pool"),
        ).bound()  # fmt: skip
        self._embedding = None if embedding is None else Naming(embedding)

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # there it is an attribute
        """The session's messages, oldest first. One whose memory was forgotten is gone, too."""
        if self._source.found() is None:  # who has no memory yet gets none by asking
            return []
        older = sorted(self._store.iterate(self._older), key=lambda memory: memory.id)
        kept = [cast("dict[str, Any]", memory.metadata["message"]) for memory in older]
        by_id = dict(self._shelf.items())
        silent = {id_ for id_, message in by_id.items() if message["type"] == _SILENT}
        there = silent.union(self._store.plumbing.known(by_id))
        if forgotten := by_id.keys() - there:
            self._shelf.discard(forgotten)
        said = from_json(message for id_, message in by_id.items() if id_ in there)
        return [*messages_from_dict(kept), *said]

    @override
    async def aget_messages(self) -> list[BaseMessage]:
        """As `messages`, in a thread."""
        return await asyncio.to_thread(lambda: self.messages)

    @override
    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add these messages in one transaction, or none.

        They come back as the very same: what JSON cannot hold, such as bytes, tuples and numbers
        that are not finite, Documents and messages, is kept, too.

        Raises:
            InvalidMetadataError: A message holds an object that could not be made again.
            ParameterError: One has over 16 MiB.
        """
        records, kept = self._records(messages)
        vectors = None
        if self._embedding is not None and records:
            vectors = self._embedding.embed_documents([record["text"] for record in records])
        self._add(records, kept, vectors)

    @override
    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """As `add_messages`; embeds with `aembed_documents` and writes in a thread."""
        records, kept = await asyncio.to_thread(self._records, messages)
        vectors = None
        if self._embedding is not None and records:
            texts = [record["text"] for record in records]
            vectors = await self._embedding.aembed_documents(texts)
        await asyncio.to_thread(self._add, records, kept, vectors)

    @override
    def clear(self) -> None:
        """Forget this session's messages for good, and nothing else."""
        if self._source.found() is None:
            return
        self._store.forget(where=self._older | F("id").is_in(list(self._shelf)))
        self._shelf.clear()

    @override
    async def aclear(self) -> None:
        """As `clear`, in a thread."""
        await asyncio.to_thread(self.clear)

    @property
    def _store(self) -> Store:
        return self._source.opened().writes

    @property
    def _shelf(self) -> Shelf:
        """The session's messages by their memories' ids, in order."""
        name = self.session_id
        if len(name) > _LONGEST:
            name = same_id(name)
        kind = "chat" if name == self.session_id else "long chat"
        return self._store.plumbing.shelf(f"langchain {kind}: {name}")

    @property
    def _older(self) -> Filter:
        """The memories of an earlier release, which had the message in their metadata."""
        return (F("session") == self.session_id) & F("message").exists()

    def _records(
        self, messages: Sequence[BaseMessage]
    ) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
        """What `Store.add_many` takes of the messages, and the messages as JSON by their ids."""
        kept = [to_json(message) for message in messages]
        if not kept:  # of nothing no file is made
            return [], {}
        ids = self._store.plumbing.new_ids(len(kept))  # what is said twice is two messages
        records = [
            {
                "id": id_,
                "text": _said(message),
                "session": self.session_id,
                "role": role_of(message),
                "origin": whose(message),
            }
            for id_, message in zip(ids, messages, strict=True)
            if message.type != _SILENT
        ]
        return records, dict(zip(ids, kept, strict=True))

    def _add(
        self,
        records: list[dict[str, Any]],
        kept: dict[str, dict[str, Any]],
        vectors: list[list[float]] | None,
    ) -> None:
        if not kept:
            return
        texts = [record["text"] for record in records]
        made = embedded(self._store, texts) if vectors is None and texts else vectors
        ready = with_vectors(records, made)
        with self._store.transaction():
            self._store.add_many(ready)
            shelf = self._shelf
            shelf.update(kept)
            shelf.tie({record["id"]: [record["id"]] for record in records})


def _said(message: BaseMessage) -> str:
    """What a search can find the message by; a call of a tool has no words of its own."""
    text = str(message.text)
    if text.strip():
        return text.encode(errors="replace").decode()  # half a surrogate pair is no word
    calls = getattr(message, "tool_calls", None) or []
    return ", ".join(call["name"] for call in calls) or f"({message.type})"
