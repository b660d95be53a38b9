"""Feather Memory for LlamaIndex.

Empty so far. A memory block and a retriever over a `feather_memory.Store` come here;
each will convert in, make one call, and convert out.
"""

__all__: list[str] = []
