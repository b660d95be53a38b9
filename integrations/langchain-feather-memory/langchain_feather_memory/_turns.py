"""How a run, its messages and the recalls under it know of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import BaseMessage

from feather_memory import ParameterError, UnknownTurnError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from feather_memory import Hit, Store

RECALLED: Final = "feather_memory.recalled"
"""The custom event of a recall: {turn, ids, scores, tenant}. It carries no text."""

STAMP: Final = "feather_memory"
"""Where a model's message says which turn it answers, in its `response_metadata`."""

TURN: Final = "turn"
"""Where a remembered answer says which turn it was given in, in its metadata."""

STATE: Final = "feather_memory"
"""The key of an agent's state under which `FeatherMemoryMiddleware` has the turn under way."""


def thread_of(config: Mapping[str, Any]) -> str | None:
    """The id of the thread that a run is in, if it is in one."""
    found = config.get("configurable", {}).get("thread_id")
    return None if found is None else str(found)


def recalled(turn: str, store: Store, hits: Sequence[Hit]) -> dict[str, Any]:
    """What the custom event `RECALLED` says."""
    return {
        "turn": turn,
        "ids": [hit.memory.id for hit in hits],
        "scores": [hit.score.value for hit in hits],
        "tenant": store.tenant,
    }


def stamp(turn: str, tenant: str | None) -> dict[str, str]:
    """What a message says of the turn it answers."""
    return {"turn": turn} if tenant is None else {"turn": turn, "tenant": tenant}


def stamp_of(message: BaseMessage) -> dict[str, str]:
    """The message's stamp; empty if it has none."""
    found = message.response_metadata.get(STAMP)
    if not isinstance(found, dict) or not isinstance(found.get("turn"), str):
        return {}
    return {name: said for name in ("turn", "tenant") if isinstance(said := found.get(name), str)}


def names_of(run: UUID | str | BaseMessage) -> list[str]:
    """The names under which a run's turn may be logged, the surest first.

    Raises:
        ParameterError: A message that has neither an id nor the stamp of a turn.
    """
    if not isinstance(run, BaseMessage):
        return [str(run)]
    names = [name for name in (stamp_of(run).get("turn"), run.id) if name]
    if not names:
        raise ParameterError(
            "the message has no id, and was made without a FeatherMemoryMiddleware or a "
            "FeedbackCallbackHandler: nothing says which run it answers"
        )
    return names


def named_too(store: Store, turn: str, also: str) -> bool:
    """Give the turn another name. False if the store has no such turn, or the name is taken."""
    try:
        store.plumbing.name_turn(turn, also)
    except (UnknownTurnError, ParameterError):
        return False
    return True
