"""Embedding models as people have them, told by their methods: what they are as functions of texts.

None of their libraries is imported, nor needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from feather_memory.errors import MissingEmbedderError
from feather_memory.types import Embedder


@dataclass(frozen=True, slots=True)
class OneByOne:
    """A method of one text, as a function of several."""

    method: Callable[[str], Any]

    def __call__(self, texts: list[str]) -> list[Any]:
        """What it makes of each text."""
        return [self.method(text) for text in texts]


_DOCUMENTS: Final = (
    "embed_documents",  # LangChain
    "get_text_embedding_batch",  # LlamaIndex
    "encode_document",  # sentence-transformers from 5.0 on
    "encode",  # and before; Model2Vec
    "passage_embed",  # fastembed
)
"""Methods that take documents' texts, in the order in which they are looked for."""

_QUERIES: Final = ("encode_query", "query_embed")
"""Methods that take queries' texts."""

_QUERY: Final = ("embed_query", "get_query_embedding")
"""Methods that take one query's text."""


def of_documents(given: Any) -> Embedder | None:
    """What makes vectors of documents: the function, or the model's method for it.

    Raises:
        MissingEmbedderError: It is neither; says what to write instead.
    """
    return _found(given, _DOCUMENTS) or _function(given)


def of_queries(given: Any) -> Embedder | None:
    """What makes vectors of queries: the model's own method for them, else as for documents.

    Raises:
        MissingEmbedderError: It is neither a function nor a model; says what to write instead.
    """
    several: Embedder | None = _found(given, _QUERIES)
    if several is not None:
        return several
    if (single := _found(given, _QUERY)) is not None:
        return OneByOne(single)
    return of_documents(given)


def _found(given: Any, names: tuple[str, ...]) -> Any:
    if isinstance(given, str):  # which has an `encode` of its own
        return None
    if isinstance(given, type):
        if any(callable(getattr(given, name, None)) for name in (*_DOCUMENTS, *_QUERIES)):
            made = f"{given.__name__}(…)"
            raise MissingEmbedderError(f"{given.__name__} is a class; give one of it: {made}")
        return None
    methods = (getattr(given, name, None) for name in names)
    return next((method for method in methods if callable(method)), None)


def _function(given: object) -> Embedder | None:
    if given is None:
        return None
    if callable(given):
        return given  # whether it takes texts shows when it is called
    hint = ""
    if isinstance(given, str):
        hint = f", such as sentence_transformers.SentenceTransformer({given!r})"
    raise MissingEmbedderError(
        "an embedder is a function of texts, or a SentenceTransformer, LangChain or LlamaIndex "
        f"model{hint}; got {given!r:.80}"
    )
