"""Feather Memory through LangChain's own interfaces.

Each adapter converts in, makes one call of a `feather_memory.Store`, and converts out.
"""

from langchain_feather_memory.retrievers import FeatherRetriever
from langchain_feather_memory.vectorstores import FeatherVectorStore

__all__ = ["FeatherRetriever", "FeatherVectorStore"]
