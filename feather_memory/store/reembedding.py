"""The part of a store that moves to another embedding model."""

from __future__ import annotations

from feather_memory.config import EMBED_BATCH
from feather_memory.errors import MissingEmbedderError, ParameterError
from feather_memory.model.spoken import Anew
from feather_memory.progress import Progress, teller
from feather_memory.store.core import Part
from feather_memory.types import Embedder, Model
from feather_memory.write.embedding import Embedding


class Reembedding(Part):
    """All vectors made anew, while the store goes on answering with those it has."""

    def reembed(
        self,
        embedder: Embedder | Model,
        *,
        query_embedder: Embedder | Model | None = None,
        embedder_name: str | None = None,
        progress: Progress = False,
    ) -> int:
        """Make every memory's vector anew with another model; how many were made by this call.

        The new vectors are written beside the old ones, some hundreds at a time, and take their
        place in one step when all are there. Until then everybody searches with the old model;
        what was made before an interruption is not made again. From then on this store embeds
        with the new model, and others that have it open with the old one are told so.

        Args:
            embedder: As in `open`.
            query_embedder: For queries, where they are embedded differently.
            embedder_name: What the model is called, where the embedder does not say.
            progress: As in `add_many`.

        Raises:
            ParameterError: Nobody says what the model is called: without a name an interrupted
                run could not be told from that of another model. Or another run has begun since.
        """
        embedding = Embedding.of(embedder, query_embedder, embedder_name)
        if embedding.documents is None:
            raise MissingEmbedderError("reembed needs the embedder that is to make the vectors")
        model = embedding.model
        if model is None:
            raise ParameterError("reembed needs the model's name: embedder_name=…")
        made, tell = 0, teller(progress, label="embedding")
        while waiting := self._waiting(model):
            vectors = embedding.of_anew(waiting)
            made += len(vectors)
            with self._core.truth.writing() as transaction:
                is_first = transaction.memories.keep_successors(model, vectors)
                total = transaction.memories.count()
            if tell is not None:
                tell(min(made, total), total)
            if not is_first:
                break
        self._core.embedding = embedding
        return made

    def _waiting(self, model: str) -> list[Anew]:
        """What some are embedded as that have no new vector; where none, the new ones take over.

        In one transaction: nobody adds a memory in between.
        """
        with self._core.truth.writing() as transaction:
            memories = transaction.memories
            rows = memories.without_successor(model, EMBED_BATCH)
            if not rows:
                memories.succeed(model)
            before = memories.turns_before(rows)
            return [Anew.of(each, before.get(each.row)) for each in memories.by_rows(rows)]
