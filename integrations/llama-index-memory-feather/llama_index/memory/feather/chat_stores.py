"""LlamaIndex's chat store in the tenant's own file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore, MessageStatus
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from llama_index.memory.feather._conversation import CHATS, Transcript
from llama_index.memory.feather._source import one_store
from pydantic import ConfigDict, PrivateAttr
from typing_extensions import override

from feather_memory import Store, TenantPool
from feather_memory.agent import Opened, Source

_Answer = TypeVar("_Answer")


class FeatherChatStore(AsyncDBChatStore):
    """The messages of a tenant's conversations, each under a key, in the file of its memories.

    For LlamaIndex's own `Memory`: `Memory.from_defaults(chat_store=FeatherChatStore(path=…))`.
    Messages are kept as they are and are searched by nobody; `FeatherMemory` remembers, too.

    Args:
        store: An open store. The caller closes it.
        path: Instead, the file to open, which is made if there is none.
        pool: Instead, the open pool of a service with many tenants.
        tenant: Whose conversations; needed with `pool`, checked with the others.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    path: str | None = None
    """Where the file is."""
    tenant: str | None = None
    """Whose file it is."""
    _source: Source = PrivateAttr()

    def __init__(
        self,
        *,
        store: Store | BasePydanticVectorStore | None = None,
        path: Path | str | None = None,
        pool: TenantPool | None = None,
        tenant: str | None = None,
    ) -> None:
        source = one_store("FeatherChatStore", store=store, path=path, pool=pool, tenant=tenant)
        fields: dict[str, Any] = {"path": source.path, "tenant": source.owner}
        super().__init__(**fields)
        self._source = source

    @classmethod
    @override
    def class_name(cls) -> str:
        return "FeatherChatStore"

    @override
    async def get_messages(
        self,
        key: str,
        status: MessageStatus | None = MessageStatus.ACTIVE,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[ChatMessage]:
        """A conversation's messages of a status, or all for None, oldest first."""
        start = offset or 0
        stop = None if limit is None else start + limit
        entries = await self._in(key, lambda kept: kept.entries(status)) or []
        return [each.message for each in entries[start:stop]]

    @override
    async def count_messages(
        self, key: str, status: MessageStatus | None = MessageStatus.ACTIVE
    ) -> int:
        """How many messages of a status there are."""
        return len(await self.get_messages(key, status))

    @override
    async def add_message(
        self, key: str, message: ChatMessage, status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        """Put one message at the end."""
        await self.add_messages(key, [message], status)

    @override
    async def add_messages(
        self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        """Put messages at the end, all of them or none."""
        copies = list(messages)
        await self._in(key, lambda kept: kept.append(copies, status=status), is_made=bool(copies))

    @override
    async def set_messages(
        self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        """Put messages in the place of all there are, archived ones too, at once."""
        copies = list(messages)
        await self._in(key, lambda kept: kept.replace(copies, status=status), is_made=bool(copies))

    @override
    async def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Erase the message at a place, counted from 0 among all; None if there is none."""
        meant = slice(idx, idx + 1) if idx >= 0 else slice(0)
        erased = await self._in(key, lambda kept: kept.erase(kept.entries()[meant]))
        return erased[0] if erased else None

    @override
    async def delete_messages(self, key: str, status: MessageStatus | None = None) -> None:
        """Erase a conversation's messages of a status, or all."""
        await self._in(key, lambda kept: kept.erase(kept.entries(status)))

    @override
    async def delete_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Erase the oldest active messages; which they were."""
        active, oldest = MessageStatus.ACTIVE, slice(max(n, 0))
        return await self._in(key, lambda kept: kept.erase(kept.entries(active)[oldest])) or []

    @override
    async def archive_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Archive the oldest active messages; which they were."""
        return await self._in(key, lambda kept: kept.archive(n)) or []

    @override
    async def get_keys(self) -> list[str]:
        """The conversations that have messages, sorted."""
        return await asyncio.to_thread(lambda: _sessions(self._source.found()))

    async def _in(
        self, key: str, work: Callable[[Transcript], _Answer], *, is_made: bool = False
    ) -> _Answer | None:
        """What the work in a conversation gives, done in a thread: the file may have to open.

        None for a tenant of a pool who has no file, unless one is to be made.
        """

        def worked() -> _Answer | None:
            opened = self._source.opened() if is_made else self._source.found()
            return None if opened is None else work(Transcript(opened.writes, key))

        return await asyncio.to_thread(worked)


def _sessions(found: Opened | None) -> list[str]:
    """The conversations that have messages, sorted."""
    if found is None:
        return []
    store = found.writes
    return [name.removeprefix(CHATS) for name in store.plumbing.shelves() if name.startswith(CHATS)]
