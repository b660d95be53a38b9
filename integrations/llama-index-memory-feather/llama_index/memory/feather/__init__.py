"""Feather Memory for LlamaIndex."""

from llama_index.memory.feather.kv_stores import FeatherKVStore
from llama_index.memory.feather.vector_stores import FeatherVectorStore

__all__ = [
    "FeatherKVStore",
    "FeatherVectorStore",
]
