"""The turn that everything recalled in a block belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from llama_index.core.instrumentation.dispatcher import (  # type: ignore[attr-defined]
    active_instrument_tags,
    instrument_tags,
)
from llama_index.memory.feather._conversation import TURN_TAG

from feather_memory import ParameterError


@contextmanager
def feather_turn(turn_id: str | None = None) -> Iterator[str]:
    """Everything recalled inside the block belongs to one turn, whose id this gives.

    It reaches through query engines, chat engines, agents, tasks and threads, by the tags of
    LlamaIndex's instrumentation, and leaves other tags as they are.

    >>> from llama_index.memory.feather import current_turn
    >>> with feather_turn("message-17") as turn:
    ...     current_turn() == turn
    True
    >>> current_turn() is None
    True

    Args:
        turn_id: Such as the id of the message; drawn if not given.
    """
    if turn_id is not None and not turn_id:
        raise ParameterError("a turn's id must not be empty")
    turn = uuid4().hex if turn_id is None else turn_id
    with instrument_tags({**active_instrument_tags.get(), TURN_TAG: turn}):
        yield turn
