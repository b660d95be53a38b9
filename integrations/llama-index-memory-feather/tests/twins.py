"""One way to call a vector store that is really two: its methods, or their async twins."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llama_index.memory.feather import FeatherVectorStore

_TWINS = {
    "add": "async_add",
    "delete": "adelete",
    "delete_nodes": "adelete_nodes",
    "get_nodes": "aget_nodes",
    "clear": "aclear",
    "query": "aquery",
}


class Twins:
    """A vector store whose calls go to the sync methods, or through a loop to the async ones."""

    def __init__(self, vectors: FeatherVectorStore, *, is_async: bool) -> None:
        self.vectors = vectors
        self._is_async = is_async

    def __getattr__(self, name: str) -> Any:
        if not self._is_async or name not in _TWINS:
            return getattr(self.vectors, name)
        return lambda *given, **named: asyncio.run(
            getattr(self.vectors, _TWINS[name])(*given, **named)
        )
