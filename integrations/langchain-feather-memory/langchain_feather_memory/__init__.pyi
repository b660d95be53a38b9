# The names of __init__.py, also those that are imported when they are first asked for.

from langchain_feather_memory.callbacks import FeedbackCallbackHandler as FeedbackCallbackHandler
from langchain_feather_memory.chat_history import (
    FeatherChatMessageHistory as FeatherChatMessageHistory,
)
from langchain_feather_memory.feedback import MemoryFeedback as MemoryFeedback
from langchain_feather_memory.memory import FeatherMemory as FeatherMemory
from langchain_feather_memory.middleware import FeatherMemoryMiddleware as FeatherMemoryMiddleware
from langchain_feather_memory.retrievers import FeatherRetriever as FeatherRetriever
from langchain_feather_memory.stores import FeatherStore as FeatherStore
from langchain_feather_memory.tools import memory_tools as memory_tools
from langchain_feather_memory.translators import FeatherTranslator as FeatherTranslator
from langchain_feather_memory.vectorstores import FeatherVectorStore as FeatherVectorStore
