"""An embedding and a chat model for 03_llama_index: they need no network.

The embedding compares words and letters. The model reads aloud the line that it was shown which
shares the most words with the question, after it has called the tool `recall` if it has one.
"""

import re

from feather_memory import HashEmbedder
from llama_index.core import Settings, set_global_tokenizer
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.llms import ChatMessage
from llama_index.core.llms.mock import MockFunctionCallingLLM


class HashEmbedding(BaseEmbedding):
    """`HashEmbedder`, as LlamaIndex asks for an embedding."""

    def _get_text_embedding(self, text):
        return HashEmbedder(256)([text])[0].tolist()

    def _get_query_embedding(self, query):
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query):
        return self._get_text_embedding(query)


def read_aloud(messages, tools=None, **_):
    """The answer to the last question."""
    last = [message for message in messages if message.role == "user"][-1]
    questions = [line for line in last.content.splitlines() if line.endswith("?")]
    if not questions:
        return ChatMessage(role="assistant", content="Noted.")
    question = questions[-1]
    if tools and messages[-1].role != "tool":
        call = ToolCallBlock(tool_name="recall", tool_kwargs={"query": question}, tool_call_id="1")
        return ChatMessage(role="assistant", blocks=[call])
    best = max(_statements(messages), key=lambda line: len(_words(line) & _words(question)))
    knows = _words(best) & _words(question)
    return ChatMessage(role="assistant", content=best if knows else "I do not know.")


def _statements(messages):
    told = [line for message in messages for line in (message.content or "").splitlines()]
    told = [line for line in told if "?" not in line and "context" not in line]
    return [re.sub("</?memory[^>]*>", "", line.strip()) for line in told]


def _words(text):
    return {word[:5] for word in re.findall("[a-z]{3,}", text.lower())} - {"the", "does", "what"}


def use():
    """Have LlamaIndex use them wherever nothing else is said."""
    set_global_tokenizer(str.split)
    Settings.embed_model = HashEmbedding()
    Settings.llm = MockFunctionCallingLLM(response_generator=read_aloud, is_chat_model=True)
