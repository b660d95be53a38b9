"""Embedding models as people have them, told by their methods: what they are as functions of texts.

None of their libraries is imported, nor needed, but where a model is given by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from inspect import ismethod
from typing import Any, Final, cast

from feather_memory.errors import MissingEmbedderError, quoted
from feather_memory.types import Embedder
from feather_memory.write import named


@dataclass(frozen=True, slots=True)
class OneByOne:
    """A method of one text, as a function of several."""

    method: Callable[[str], Any]

    def __call__(self, texts: list[str]) -> list[Any]:
        """What it makes of each text."""
        return [self.method(text) for text in texts]


@dataclass(frozen=True, slots=True)
class _Family:
    """How the models of a library are called."""

    documents: str
    """The method that takes the texts of documents."""
    queries: str
    """The one for queries."""
    takes_one: bool = False
    """Whether the latter takes a single text."""
    mark: str = ""
    """What else tells its models from a function that has such a method, too."""


_FAMILIES: Final = (
    _Family("embed_documents", "embed_query", takes_one=True),  # LangChain
    _Family("get_text_embedding_batch", "get_query_embedding", takes_one=True),  # LlamaIndex
    _Family("encode_document", "encode_query"),  # sentence-transformers from 5.0 on
    _Family("encode", "encode", mark="get_sentence_embedding_dimension"),  # and before
    _Family("passage_embed", "query_embed"),  # fastembed
)


_NAMES: Final = (
    ("model_name",),  # LlamaIndex, fastembed, and some of LangChain's
    ("model",),  # others of LangChain's
    ("model_card_data", "base_model"),  # sentence-transformers
    ("tokenizer", "name_or_path"),
)
_UNNAMED: Final = "unknown"  # what LlamaIndex says where nobody does


def known(given: Any) -> Any:
    """What was given, or the model whose name it is.

    Raises:
        MissingEmbedderError: There is no model of that name; MissingExtraError for its library.
    """
    return named.load(given) if isinstance(given, str) else given


def of_documents(given: Any) -> Embedder | None:
    """What makes vectors of documents: the function, or the model's method for it.

    Raises:
        MissingEmbedderError: It is neither; says what to write instead.
    """
    if (family := _family(given)) is not None:
        return cast("Embedder", getattr(given, family.documents))
    return _function(given)


def of_queries(given: Any) -> Embedder | None:
    """What makes vectors of queries: the model's own method for them, else as for documents.

    Raises:
        MissingEmbedderError: It is neither a function nor a model; says what to write instead.
    """
    if (family := _family(given)) is not None:
        method = getattr(given, family.queries)
        return OneByOne(method) if family.takes_one else method
    return _function(given)


def name_of(given: Any) -> str | None:
    """What the model is called, as its library says; None where nobody does.

    A model has one name whichever library it is called through.
    """
    owner = given.__self__ if ismethod(given) else given
    if owner is None or isinstance(owner, str | type):
        return None
    for path in _NAMES:
        found = reduce(lambda held, name: getattr(held, name, None), path, owner)
        if isinstance(found, str) and found.strip() and found != _UNNAMED:
            return found
    return None


def _family(given: Any) -> _Family | None:
    """Whose model it is. A function that has some such method is one of texts all the same.

    It has both methods, so that documents and queries are embedded alike. They are those of its
    class: what makes up every attribute, such as a mock, is no model of every library.
    """
    if given is None or isinstance(given, str | type):
        return None
    for family in _FAMILIES:
        needed = [family.documents, family.queries]
        if family.mark and callable(given):
            needed.append(family.mark)
        if all(callable(getattr(type(given), name, None)) for name in needed):
            return family
    return None


def _function(given: object) -> Embedder | None:
    if given is None:
        return None
    if isinstance(given, type) and any(hasattr(given, family.documents) for family in _FAMILIES):
        made = f"{given.__name__}(…)"
        raise MissingEmbedderError(f"{given.__name__} is a class; give one of it: {made}")
    if callable(given):
        return cast("Embedder", given)  # whether it takes texts shows when it is called
    for family in _FAMILIES:  # which has an `encode` of its own
        if callable(alone := getattr(given, family.documents, None)):
            return cast("Embedder", alone)
    raise MissingEmbedderError(
        "an embedder is a function of texts, or a SentenceTransformer, LangChain or LlamaIndex "
        f"model, or the name of one; got {quoted(given)}"
    )
