"""The names that signatures share: vectors, times, and the functions a caller brings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, NoReturn, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt


class Open:
    """What is open in this process: a copy of it is itself, and another process opens its own."""

    _opened_by: ClassVar[str]
    """How another opens it."""

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object = None) -> Self:
        return self

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} is open in this process, and not pickled: make it where it "
            f"is used, by {self._opened_by}; any number of processes may"
        )


class AsNumbers:
    """What a schema makes of an array: a list of numbers. Pydantic asks for it, if anybody does."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema as schema  # only where a schema is built

        numbers = schema.list_schema(schema.float_schema())
        array = schema.no_info_after_validator_function(_single_precision, numbers)
        return schema.json_or_python_schema(
            json_schema=array,
            python_schema=schema.union_schema([schema.is_instance_schema(np.ndarray), array]),
            serialization=schema.plain_serializer_function_ser_schema(
                np.ndarray.tolist, return_schema=numbers, when_used="json"
            ),
        )


def _single_precision(numbers: list[float]) -> npt.NDArray[np.float32]:
    return np.array(numbers, np.float32)


Vector: TypeAlias = Annotated[npt.NDArray[np.float32], AsNumbers()]
"""Single precision. Shape (dim,) for one memory, (n, dim) for many."""

Numbers: TypeAlias = npt.NDArray[np.float64]
"""Double precision, one number a memory. Shape (n,)."""

Mask: TypeAlias = npt.NDArray[np.bool_]
"""Which memories. Shape (n,)."""

Positions: TypeAlias = npt.NDArray[np.intp]
"""Where memories stand in the arrays of a View. Shape (m,)."""

Rows: TypeAlias = npt.NDArray[np.int64]
"""Numbers of memories' rows in the truth. Shape (m,)."""

Words: TypeAlias = npt.NDArray[np.uint64]
"""Digests of words. Shape (m,)."""

Seconds: TypeAlias = float
"""A moment as Unix time in UTC, or a duration."""

When: TypeAlias = datetime | date | str | float
"""A moment as callers give it: a timezone-aware datetime, a date (its midnight in UTC), either as
ISO 8601 text, or Unix seconds."""

Clock: TypeAlias = Callable[[], Seconds]
"""Tells the time as Unix seconds. `time.time` unless another is given."""

Embedder: TypeAlias = Callable[[list[str]], Any]
"""Texts to vectors: anything numpy can read as shape (len(texts), dim)."""


class _EmbedsDocuments(Protocol):
    """LangChain's `Embeddings`."""

    @property
    def embed_documents(self) -> Callable[..., Any]: ...


class _EmbedsBatches(Protocol):
    """LlamaIndex's `BaseEmbedding`."""

    @property
    def get_text_embedding_batch(self) -> Callable[..., Any]: ...


class _Encodes(Protocol):
    """A SentenceTransformer."""

    @property
    def encode(self) -> Callable[..., Any]: ...


class _EncodesDocuments(Protocol):
    """A SentenceTransformer from 5.0 on."""

    @property
    def encode_document(self) -> Callable[..., Any]: ...


class _EmbedsPassages(Protocol):
    """fastembed's `TextEmbedding`."""

    @property
    def passage_embed(self) -> Callable[..., Any]: ...


Model: TypeAlias = (
    _EmbedsDocuments | _EmbedsBatches | _Encodes | _EncodesDocuments | _EmbedsPassages | str
)
"""An embedding model as people have it, told by its methods; or its name, such as
`fastembed:BAAI/bge-small-en-v1.5`."""


class NamedVector(list[float]):
    """One vector that says by which model it was made; else it is taken for the store's own."""

    __slots__ = ("model",)

    def __init__(self, numbers: Iterable[float], model: str) -> None:
        super().__init__(numbers)
        self.model = model


VectorLike: TypeAlias = Sequence[float] | Annotated[npt.NDArray[Any], AsNumbers()]
"""One vector as callers give it."""
