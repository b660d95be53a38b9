"""Feather Memory for LlamaIndex: adapters over a `feather_memory.Store`.

Each converts in, makes one call, and converts out.
"""

from llama_index.memory.feather._conversation import current_turn
from llama_index.memory.feather._prompt import MemoryOutage
from llama_index.memory.feather._turns import feather_turn
from llama_index.memory.feather.attribution import FeatherAttributionHandler
from llama_index.memory.feather.chat_stores import FeatherChatStore
from llama_index.memory.feather.feedback import MemoryFeedback
from llama_index.memory.feather.kv_stores import FeatherKVStore
from llama_index.memory.feather.memory import FeatherMemory
from llama_index.memory.feather.memory_blocks import FeatherMemoryBlock
from llama_index.memory.feather.retrievers import FeatherRetriever
from llama_index.memory.feather.tools import feather_tools
from llama_index.memory.feather.vector_stores import FeatherVectorStore

__all__ = [
    "FeatherAttributionHandler",
    "FeatherChatStore",
    "FeatherKVStore",
    "FeatherMemory",
    "FeatherMemoryBlock",
    "FeatherRetriever",
    "FeatherVectorStore",
    "MemoryFeedback",
    "MemoryOutage",
    "current_turn",
    "feather_tools",
    "feather_turn",
]
