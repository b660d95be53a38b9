"""What an adapter is bound to: a tenant's store, and what makes vectors of its texts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from llama_index.core import Settings

from feather_memory import MissingEmbedderError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.memory.feather._stores import StoreSource

    from feather_memory import Store

    Vectors = list[list[float]] | None
    """One a text; None where the store embeds by itself, or goes by words alone."""


class Bound:
    """A tenant's store with an embedding model. No model is ever made up.

    Texts are embedded by the model that was given, else by the store's own embedder, else by the
    model that the application has set in `Settings`. Where there is none, the store goes by words.
    """

    def __init__(self, source: StoreSource, embed_model: BaseEmbedding | None = None) -> None:
        self.source = source
        self._model = embed_model
        self._is_resolved = embed_model is not None

    def store(self) -> Store:
        """The store, open."""
        return self.source.store()

    def model(self) -> BaseEmbedding | None:
        """What embeds; None where the store does, or where there are only words.

        Raises:
            MissingEmbedderError: The store holds vectors, and nothing can make more of them.
        """
        if not self._is_resolved:
            store = self.store()
            self._model = _model_for(store)
            # No model is a finding of this moment: vectors or a setting may come later.
            self._is_resolved = self._model is not None or store.plumbing.query_embedder is not None
        return self._model

    async def amodel(self) -> BaseEmbedding | None:
        """As `model`. It leaves the loop until there is one, for the file may have to open."""
        return self._model if self._is_resolved else await asyncio.to_thread(self.model)

    def query_vector(self, texts: Sequence[str]) -> list[float] | None:
        """The vector of a query that may be put in several ways."""
        model = self.model()
        return None if model is None else model.get_agg_embedding_from_queries(list(texts))

    async def aquery_vector(self, texts: Sequence[str]) -> list[float] | None:
        """As `query_vector`, without holding up the loop."""
        model = await self.amodel()
        return None if model is None else await model.aget_agg_embedding_from_queries(list(texts))

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """The vectors of texts that are to be remembered."""
        model = self.model()
        if model is None or not texts:
            return None
        return model.get_text_embedding_batch(list(texts))

    async def avectors(self, texts: Sequence[str]) -> Vectors:
        """As `vectors`, without holding up the loop."""
        model = await self.amodel()
        if model is None or not texts:
            return None
        return await model.aget_text_embedding_batch(list(texts))


def _model_for(store: Store) -> BaseEmbedding | None:
    if store.plumbing.query_embedder is not None:
        return None
    # `Settings.embed_model` would make OpenAI's where the application has set none.
    model = Settings._embed_model  # noqa: SLF001
    if model is None and store.stats().dimension is not None:
        raise MissingEmbedderError(
            f"{str(store.path)!r} holds vectors, and there is nothing to embed with: give "
            "embed_model=, or set Settings.embed_model, before this is used"
        )
    return model
