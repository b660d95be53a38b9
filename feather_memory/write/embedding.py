"""From texts to vectors, by the function the caller brought."""

from __future__ import annotations

import math
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from inspect import isawaitable
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from feather_memory.checks import label, vector
from feather_memory.config import EMBED_BATCH
from feather_memory.errors import FeatherError, InvalidVectorError, MissingEmbedderError, quoted
from feather_memory.model.spoken import Anew
from feather_memory.progress import Progress, steps
from feather_memory.types import Embedder, Vector, VectorLike
from feather_memory.write import models
from feather_memory.write.draft import Draft


@dataclass(frozen=True, slots=True)
class Embedding:
    """How documents and queries become vectors; either may be None."""

    documents: Embedder | None
    queries: Embedder | None
    model: str | None = None
    """The model's name, if anybody said."""
    is_stated: bool = False
    """Whether the application said it: then it is that of every vector, whatever they say."""

    @classmethod
    def of(cls, embedder: Any, query_embedder: Any = None, name: str | None = None) -> Self:
        """By functions of texts, by models as people have them, or by their names.

        Args:
            embedder: Of documents, and of queries unless they have one of their own.
            query_embedder: Of queries.
            name: What the model is called; else as its library says.

        Raises:
            MissingEmbedderError: Neither a function nor a model, nor the name of one.
            MissingExtraError: The library of a named model is not installed.
        """
        embedder = models.known(embedder)
        asked = embedder if query_embedder is None else models.known(query_embedder)
        called = models.name_of(embedder) if name is None else label(name, "embedder_name")
        return cls(
            models.of_documents(embedder), models.of_queries(asked), called, name is not None
        )

    def complete(self, drafts: Sequence[Draft], progress: Progress) -> list[Draft]:
        """The drafts, with vectors for texts that have none.

        Args:
            drafts: What is to be written.
            progress: Told after each batch.
        """
        if self.documents is None:
            return [self._named(draft) for draft in drafts]
        first: dict[str, Draft] = {}
        for draft in drafts:
            text = _unembedded(draft)
            if text is not None:
                first.setdefault(text, draft)
        unique = list(first)
        fresh: dict[str, bytes] = {}
        starts: Iterable[int] = range(0, len(unique), EMBED_BATCH)
        if progress:
            starts = steps(len(unique), EMBED_BATCH, progress, label="embedding")
        for start in starts:
            batch = unique[start : start + EMBED_BATCH]
            asked = [first[text] for text in batch]
            for text, made in zip(batch, _of_drafts(self.documents, batch, asked), strict=True):
                fresh[text] = made.astype("<f4", copy=False).tobytes()
        return [
            self._named(draft)
            if (text := _unembedded(draft)) is None
            else self._named(draft.saying(vector=fresh[text]))
            for draft in drafts
        ]

    def of_anew(self, waiting: Sequence[Anew]) -> list[Anew]:
        """Those with their vectors; none without an embedder."""
        made = self.of_documents([each.spoken for each in waiting]) or []
        return [
            replace(each, vector=vector.astype("<f4", copy=False).tobytes(), model=self.model)
            for each, vector in zip(waiting, made, strict=bool(made))
        ]

    def _named(self, draft: Draft) -> Draft:
        """The draft; one that has a vector says by which model."""
        if draft.fields.get("vector") is None:
            return draft
        return replace(draft, model=self.name_of(draft.model))

    def name_of(self, said: str | None) -> str | None:
        """Which model a vector is by that says so, or does not: then it is taken for this one's."""
        return self.model if said is None or self.is_stated else said

    def of_documents(self, texts: list[str]) -> list[Vector] | None:
        """One vector a text, shape (dim,) each; None without an embedder."""
        if self.documents is None:
            return None
        batches = range(0, len(texts), EMBED_BATCH)
        return [v for at in batches for v in _embed(self.documents, texts[at : at + EMBED_BATCH])]

    def query(self, text: str | None, given: VectorLike | None) -> Vector | None:
        """The query's vector at unit length, shape (dim,); None if it has none."""
        if given is not None:
            asked = vector(given)
        elif text is not None and self.queries is not None:
            (asked,) = _embed(self.queries, [text])
        else:
            return None
        return _unit(asked)


def _unit(asked: Vector) -> Vector:
    """One vector divided by its length, as `matrix.unit` does with many; zeros stay zeros."""
    wide = asked.astype(np.float64)
    length = math.sqrt(np.vecdot(wide, wide))  # squares of float32 fit float64
    if length:
        wide /= length
    return wide.astype(np.float32)


def _unembedded(draft: Draft) -> str | None:
    if draft.is_held or "vector" in draft.fields:
        return None
    text: str | None = draft.spoken or draft.fields.get("text")
    return text


def _of_drafts(embedder: Embedder, texts: list[str], drafts: Sequence[Draft]) -> list[Vector]:
    """As `_embed`, for the texts of drafts, which are named in whatever is raised."""
    vectors: list[Vector] | None = None
    try:
        rows, vectors = _rows(embedder, texts), []
        for row in rows:
            vectors.append(_vector(row))
    except FeatherError as error:
        error.about(_names(drafts) if vectors is None else drafts[len(vectors)].name)
        raise
    except Exception as error:  # the caller's own embedder may raise anything
        if name := _names(drafts):
            error.add_note(f"while embedding {name}")
        raise
    return vectors


def _names(drafts: Sequence[Draft]) -> str:
    first, last = drafts[0].name, drafts[-1].name
    return first if first == last or not first else f"{first} to {last}"


def _embed(embedder: Embedder, texts: list[str]) -> list[Vector]:
    return [_vector(row) for row in _rows(embedder, texts)]


def _vector(row: object) -> Vector:
    return vector(row, "the embedder's vector")


def _rows(embedder: Embedder, texts: list[str]) -> npt.NDArray[Any]:
    """What the embedder makes of the texts, one row each."""
    made = embedder(texts)
    if isawaitable(made):
        if isinstance(made, Coroutine):
            made.close()
        raise MissingEmbedderError(
            f"the embedder is async and a store calls it at once: give its sync form, "
            f"not {quoted(made)}"
        )
    try:
        rows = np.asarray(list(made) if isinstance(made, Iterator) else made)
    except ValueError as error:  # rows of several lengths
        raise InvalidVectorError(f"the embedder must return one shape for all: {error}") from error
    if rows.ndim != 2 or len(rows) != len(texts):
        raise InvalidVectorError(
            f"the embedder must return shape ({len(texts)}, dim), got {rows.shape}"
        )
    return rows
