"""Under which turn what is recalled is logged, so that feedback finds it later."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

from llama_index.core.instrumentation.dispatcher import (  # type: ignore[attr-defined]
    active_instrument_tags,
    instrument_tags,
)

from feather_memory import ParameterError

TURN_TAG: Final = "feather.turn_id"
RUN_TAG: Final = "llamaindex.run_id"

_TURNS_UNDER_WAY: Final = 1024
"""Of how many turns this process knows what was said in them; they take seconds each."""
_said: OrderedDict[str, frozenset[str]] = OrderedDict()


@contextmanager
def feather_turn(turn_id: str | None = None) -> Iterator[str]:
    """Everything recalled inside the block belongs to one turn, whose id this gives.

    It reaches through query engines, chat engines, agents, tasks and threads, by the tags of
    LlamaIndex's instrumentation, and leaves other tags as they are.

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


def current_turn() -> str | None:
    """The turn of the innermost `feather_turn`, else the id of the workflow's run, else None."""
    return turn_in(active_instrument_tags.get())


def turn_in(tags: Mapping[str, Any]) -> str | None:
    """The turn that an event's tags name."""
    turn = tags.get(TURN_TAG) or tags.get(RUN_TAG)
    return None if turn is None else str(turn)


def note_said(turn: str, memory_ids: Iterable[str | None]) -> None:
    """Note that these memories are what is being said in a turn."""
    _said[turn] = _said.get(turn, frozenset()) | {id_ for id_ in memory_ids if id_ is not None}
    while len(_said) > _TURNS_UNDER_WAY:
        _said.popitem(last=False)


def said_now() -> frozenset[str]:
    """The memories that are being said in the current turn: who asks need not be told of them."""
    turn = current_turn()
    return frozenset() if turn is None else _said.get(turn, frozenset())
