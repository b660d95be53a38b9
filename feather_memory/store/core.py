"""What the parts of one open store share, and nobody outside sees."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from types import FunctionType
from typing import Self

from feather_memory.config import DAY, POOL_BYTES
from feather_memory.errors import ParameterError, WrongEmbedderError
from feather_memory.index.columns import Columns
from feather_memory.truth.contract import Truth
from feather_memory.write.embedding import Embedding
from feather_memory.write.repair import ahead

_log = logging.getLogger("feather_memory")


@dataclass(slots=True)
class Core:
    """One store: where its memories are, what is derived of them, what makes vectors."""

    truth: Truth
    columns: Columns
    embedding: Embedding

    @classmethod
    def over(
        cls, truth: Truth, embedding: Embedding, *, max_vector_bytes: int | None = None,
        max_bytes: int = POOL_BYTES,
    ) -> Self:  # fmt: skip
        """That of a truth which is open already.

        Args:
            truth: Where its memories are.
            embedding: What makes vectors.
            max_vector_bytes: As in `Store.open`.
            max_bytes: The same, where nobody has said it.

        Raises:
            WrongEmbedderError: Its vectors are by another model. It is closed.
            ParameterError: Vectors are to stay in a truth that cannot compare them. It is closed.
        """
        try:
            _require_fit(truth, embedding, max_vector_bytes)
        except BaseException:
            truth.close()
            raise
        if truth.latest > truth.now() + DAY:
            _log.warning("%s: %s", truth.place, ahead(truth.latest, truth.now()))
        most = max_bytes if max_vector_bytes is None else max_vector_bytes
        return cls(truth, Columns(truth.path, most), embedding)


def _require_fit(truth: Truth, embedding: Embedding, max_vector_bytes: int | None) -> None:
    if max_vector_bytes is not None:
        with truth.reading() as moment:
            compares = moment.comparing is not None
        if not compares:
            raise ParameterError(
                f"max_vector_bytes: {truth.place!r} compares no vectors itself; a database "
                "does, once `feather-memory migrate URL --pgvector` was run"
            )
    if None not in {truth.embedder, embedding.model} and truth.embedder != embedding.model:
        with truth.reading() as moment:
            is_mixed = moment.memories.has_vectors()  # else the next will be the first
        if is_mixed:
            raise WrongEmbedderError(expected=str(truth.embedder), got=str(embedding.model))


class Part:
    """One part of a store: its verbs about one noun. A Store joins them all.

    A verb is called by the name of what it is reached by, not of its part: so errors say it.
    """

    def __init_subclass__(cls, *, of: str = "Store") -> None:
        for name, verb in vars(cls).items():
            if isinstance(verb, FunctionType) and not name.startswith("_"):
                verb.__qualname__ = f"{of}.{name}"

    def __init__(self, core: Core) -> None:
        self._core = core
