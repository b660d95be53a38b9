"""What a turn is called: by a run, by its messages, and by an answer that belongs to none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from feather_memory.agent.recall import logged
from feather_memory.agent.source import Opened
from feather_memory.checks import stable_id
from feather_memory.errors import ParameterError, UnknownMemoryError, UnknownTurnError
from feather_memory.model.hits import Hit
from feather_memory.model.memory import Memory
from feather_memory.model.scoring import Score

RECALLED: Final = "feather_memory.recalled"
"""What a recall is announced as, to callbacks that have names; it goes with a `RecallEvent`."""

STAMP: Final = "feather_memory"
"""Under which key a message says which turn it answers, beside its content."""


def stamp(turn: str, tenant: str | None) -> dict[str, str]:
    """What a message says of the turn it answers."""
    return {"turn": turn} if tenant is None else {"turn": turn, "tenant": tenant}


def stamp_in(beside: Mapping[str, object]) -> dict[str, str]:
    """The stamp among what comes with a message beside its content; empty if there is none."""
    found = beside.get(STAMP)
    if not isinstance(found, Mapping) or not isinstance(found.get("turn"), str):
        return {}
    return {name: said for name in ("turn", "tenant") if isinstance(said := found.get(name), str)}


def turn_of(session: str | None, asked: int, question: str | None) -> str:
    """The turn where nobody named one: the same however often an agent looks while it works.

    Args:
        session: Of the conversation.
        asked: How many messages of the user there are in it by now.
        question: The last of them.
    """
    return f"turn-{stable_id(session, asked, question, size=16)}"


def answer_of(memory_ids: Iterable[str], said: str = "") -> str:
    """The turn that an answer outside of any turn is by itself.

    Args:
        memory_ids: What it was made of, best first.
        said: Its words, so that another answer from the same memories is another turn.
    """
    return f"answer-{stable_id(*memory_ids, said)}"


def known_turn(opened: Opened, names: Sequence[str]) -> str:
    """The first of these names under which something was logged; else the first of them."""
    return next((name for name in names if _shown(opened, name) is not None), names[0])


def named_too(opened: Opened, turn: str, also: str) -> bool:
    """Give a turn another name, wherever it was logged.

    False where nothing was logged under it, or the name is taken by another turn.
    """
    named = False
    for store in opened.stores.values():
        with suppress(UnknownTurnError, ParameterError):
            store.plumbing.name_turn(turn, also)
            named = True
    return named


def shown_too(opened: Opened, memory_ids: Iterable[str], turn: str) -> list[Memory]:
    """The memories with these ids, which the turn was shown from now on if not before.

    It counts for no reinforcement: whoever put them before a model has counted that. An id that
    is unknown is left out; of layers, the nearest memory of that id is meant.
    """
    hits = [hit for id_ in dict.fromkeys(memory_ids) if (hit := _hit(opened, id_)) is not None]
    already = _shown(opened, turn) or set()
    if new := [hit for hit in hits if hit.memory.id not in already]:
        logged(opened.reads, new, turn, reinforce=False)
    return [hit.memory for hit in hits]


def shown_in(opened: Opened, turn: str) -> list[str]:
    """Ids of what a turn was shown, sorted; none where nothing was logged under it."""
    return sorted(_shown(opened, turn) or ())


def _hit(opened: Opened, memory_id: str) -> Hit | None:
    for layer, store in opened.stores.items():
        with suppress(UnknownMemoryError):
            return Hit(memory=store.get(memory_id), score=Score(value=1.0), layer=layer)
    return None


def _shown(opened: Opened, turn: str) -> set[str] | None:
    """Ids of what the turn was shown; None where nothing was logged under it."""
    shown: set[str] | None = None
    for store in opened.stores.values():
        with suppress(UnknownTurnError):
            shown = (shown or set()) | {memory.id for memory in store.plumbing.shown(turn)}
    return shown
