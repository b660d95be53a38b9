"""Feather Memory for LangChain and LangGraph.

Empty so far. `FeatherVectorStore`, `FeatherRetriever` and LangGraph's `FeatherStore` come here;
each will convert in, make one call of a `feather_memory.Store`, and convert out.
"""

__all__: list[str] = []
