"""The messages of one conversation, in the tenant's file beside the memories."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.storage.chat_store.base_db import MessageStatus

from feather_memory import ParameterError, Shelf, Store

_PREFIX: Final = "llama_index.chat:"


@dataclass(frozen=True, slots=True)
class Entry:
    """One message as it is kept."""

    key: str
    message: ChatMessage
    status: MessageStatus
    memory_id: str | None
    """The memory that it became, if it did."""


class Transcript:
    """The messages of a conversation, in their order, some of them archived.

    Every change is one transaction. Two processes may write to one conversation at once.
    """

    def __init__(self, store: Store, session: str) -> None:
        if not session:
            raise ParameterError("a conversation's id must not be empty")
        self._shelf: Shelf = store.plumbing.shelf(f"{_PREFIX}{session}")

    def entries(self, status: MessageStatus | None = None) -> list[Entry]:
        """Those of a status, or all."""
        return [
            Entry(key, ChatMessage.model_validate(kept["message"]), found, kept.get("memory"))
            for key, kept in self._shelf.items()
            # What was replaced stays as null until it is erased.
            if kept is not None and (found := MessageStatus(kept["status"])) == (status or found)
        ]

    def last_memory_id(self) -> str | None:
        """The last memory that a message of the conversation became."""
        for key in reversed(list(iter(self._shelf))):  # a list of the shelf asks for its length
            kept = self._shelf.get(key)
            if kept and kept.get("memory"):
                found: str = kept["memory"]
                return found
        return None

    def append(
        self,
        messages: Sequence[ChatMessage],
        *,
        memory_ids: Sequence[str | None] | None = None,
        status: MessageStatus = MessageStatus.ACTIVE,
    ) -> None:
        """Put messages at the end."""
        if messages:
            self._shelf.update(_fresh(messages, memory_ids, status))

    def replace(
        self,
        messages: Sequence[ChatMessage],
        *,
        memory_ids: Sequence[str | None] | None = None,
        status: MessageStatus = MessageStatus.ACTIVE,
    ) -> None:
        """Put messages in the place of all there are. The same again changes nothing."""
        now = self.entries()
        same = [
            (each.status, dumped(each.message)) == (status, dumped(message))
            for each, message in zip(now, messages, strict=False)
        ]
        if all(same) and len(now) <= len(messages):
            rest = None if memory_ids is None else memory_ids[len(now) :]
            self.append(messages[len(now) :], memory_ids=rest, status=status)
            return
        gone = [each.key for each in now]
        # In one transaction; what is erased afterwards is nothing any more.
        self._shelf.update({**dict.fromkeys(gone), **_fresh(messages, memory_ids, status)})
        self._shelf.discard(gone)

    def archive(self, number: int) -> list[ChatMessage]:
        """Archive the oldest active messages; which they were."""
        oldest = self.entries(MessageStatus.ACTIVE)[: max(number, 0)]
        if oldest:
            self._shelf.update(
                {e.key: _kept(e.message, e.memory_id, MessageStatus.ARCHIVED) for e in oldest}
            )
        return [each.message for each in oldest]

    def erase(self, entries: Sequence[Entry]) -> list[ChatMessage]:
        """Erase messages for good; which they were."""
        if entries:
            self._shelf.discard(each.key for each in entries)
        return [each.message for each in entries]


def sessions(store: Store) -> list[str]:
    """The conversations that have messages, sorted."""
    return [
        name.removeprefix(_PREFIX) for name in store.plumbing.shelves() if name.startswith(_PREFIX)
    ]


def dumped(message: ChatMessage) -> str:
    """The message as text, the same for equal messages."""
    return json.dumps(message.model_dump(mode="json"), sort_keys=True)


def _fresh(
    messages: Sequence[ChatMessage],
    memory_ids: Sequence[str | None] | None,
    status: MessageStatus,
) -> dict[str, Any]:
    """The messages under keys of their own, which sort by the time of writing."""
    prefix = f"{time.time_ns():020}-{os.urandom(4).hex()}"
    ids = [None] * len(messages) if memory_ids is None else memory_ids
    return {
        f"{prefix}-{number:06}": _kept(message, memory_id, status)
        for number, (message, memory_id) in enumerate(zip(messages, ids, strict=True))
    }


def _kept(message: ChatMessage, memory_id: str | None, status: MessageStatus) -> dict[str, Any]:
    kept = {"status": status.value, "message": message.model_dump(mode="json")}
    return kept if memory_id is None else {**kept, "memory": memory_id}
