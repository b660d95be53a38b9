"""Feather Memory through LangChain's and LangGraph's own interfaces.

Each adapter converts in, makes one call, and converts out. What needs more than langchain-core is
imported when it is first asked for; `__init__.pyi` tells type checkers what that is.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from langchain_feather_memory.callbacks import FeedbackCallbackHandler
from langchain_feather_memory.chat_history import FeatherChatMessageHistory
from langchain_feather_memory.feedback import MemoryFeedback
from langchain_feather_memory.retrievers import FeatherRetriever
from langchain_feather_memory.translators import FeatherTranslator
from langchain_feather_memory.vectorstores import FeatherVectorStore

__all__ = [
    "FeatherChatMessageHistory",
    "FeatherMemory",
    "FeatherMemoryMiddleware",
    "FeatherRetriever",
    "FeatherStore",
    "FeatherTranslator",
    "FeatherVectorStore",
    "FeedbackCallbackHandler",
    "MemoryFeedback",
    "memory_tools",
]

_OPTIONAL = {
    "FeatherMemory": ("memory", "langchain_classic", "classic"),
    "FeatherMemoryMiddleware": ("middleware", "langchain", "agents"),
    "FeatherStore": ("stores", "langgraph", "langgraph"),
    "memory_tools": ("tools", "langchain", "agents"),
}
"""Name: its module, the package that needs, and the extra that brings it."""


def __getattr__(name: str) -> Any:
    """What is optional, when it is first asked for.

    Raises:
        ImportError: What it needs is not installed; says what to install.
    """
    if name not in _OPTIONAL:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, package, extra = _OPTIONAL[name]
    try:
        return getattr(import_module(f"{__name__}.{module}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != package:
            raise
        raise ImportError(
            f"{name} needs {package}: pip install 'langchain-feather-memory[{extra}]'"
        ) from error
