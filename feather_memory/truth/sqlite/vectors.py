"""How long the vectors of any truth are, and by which model."""

from __future__ import annotations

from feather_memory.errors import DimensionError, WrongEmbedderError
from feather_memory.model.fields import Record
from feather_memory.truth.state import State


def fits(state: State, record: Record, *, beside: Record, has_vectors: bool | None) -> bool:
    """Whether a record's vector is as long as the others; False where it says how long they are.

    Args:
        state: Of the truth that it is written to.
        record: With a vector.
        beside: The first with a vector of what is written with it.
        has_vectors: Whether the truth has any; None if nobody has looked, where it matters not.

    Raises:
        DimensionError: There are others, and it is not.
    """
    dimension = len(record.vector or b"") // 4
    if state.dimension == dimension:
        return True
    if state.dimension is not None:
        if record is not beside or has_vectors:
            raise DimensionError(state.dimension, dimension)
        state.remade += 1  # there are none any more; whoever holds arrays of them starts over
    state.dimension = dimension
    return False


def is_first_named(state: State, model: str, *, has_vectors: bool) -> bool:
    """Whether a model is to be named as the one that makes the vectors.

    Raises:
        WrongEmbedderError: They are by another.
    """
    if state.embedder is None or (state.embedder != model and not has_vectors):
        state.embedder = model
        return True
    if state.embedder != model:
        raise WrongEmbedderError(expected=state.embedder, got=model)
    return False
