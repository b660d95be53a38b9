"""A conversation by its exchanges, for interfaces that tell both sides at once and no message's id.

What was said is a transcript, on a shelf of the tenant's file; what of it is worth remembering is
a memory besides, whose words the transcript has from there: what is forgotten is in neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from feather_memory.agent.conversation import (
    Said,
    Save,
    embedded,
    record_of,
    remembered_of,
    same_id,
    with_vectors,
)
from feather_memory.filters.language import F, Filter
from feather_memory.model.memory import EXCHANGE, EdgeType, Memory
from feather_memory.store.shelf import Shelf
from feather_memory.store.store import Store
from feather_memory.types import VectorLike


def exchanged(
    store: Store,
    said: Sequence[Said],
    *,
    session: str,
    mark: str,
    save: Save = "user",
    vectors: Sequence[VectorLike] | None = None,
) -> list[Memory]:
    """Keep one exchange after the last of its session; the memories that are made of it.

    Args:
        store: Of the tenant. It embeds, before the write begins, unless vectors are given.
        said: In order; what is blank is left out.
        session: The conversation.
        mark: What this exchange is known by, unlike any other.
        save: What of it is remembered. All of it is in the transcript.
        vectors: One for each that is remembered.
    """
    spoken = [each for each in said if not each.is_blank]
    if not spoken:
        return []
    ids = store.plumbing.new_ids(len(spoken))  # said again, it is said twice
    records = [
        {"id": id_, **record_of(each, session, None, {EXCHANGE: mark})}
        for id_, each in zip(ids, remembered_of(spoken, save), strict=True)
        if not each.is_blank
    ]
    made = embedded(store, [r["text"] for r in records]) if vectors is None else vectors
    are_memories = {record["id"] for record in records}
    sides = [
        {"memory": id_} if id_ in are_memories else {"role": each.role, "text": each.text}
        for id_, each in zip(ids, spoken, strict=True)
    ]
    with store.transaction():
        before = store.latest(1, where=exchanges_of(session))
        written = store.add_many(with_vectors(records, made))
        for earlier, later in pairwise([*before, *written]):
            store.link(earlier.id, later.id, EdgeType.NEXT)
        transcript = _transcript(store, session)
        transcript[mark] = sides
        if any("text" in side for side in sides):  # which is an answer to what is remembered
            transcript.tie({mark: sorted(are_memories)})
    return written


def exchanges_of(session: str) -> Filter:
    """The memories that were made of the session's exchanges."""
    return (F("session") == session) & F(EXCHANGE).exists()


def last_exchanges(store: Store, session: str, count: int) -> list[Memory]:
    """What was said in the session's last exchanges, oldest first, also what was superseded.

    What is no memory has an id that no memory has. An exchange is gone with its memories.
    """
    if not count:
        return []
    transcript = _transcript(store, session)
    while True:
        kept = transcript.last(count)
        ids = [side["memory"] for _, sides in kept for side in sides if "memory" in side]
        found = {memory.id: memory for memory in store.get_many(ids)}
        gone = [mark for mark, sides in kept if _is_gone(sides, found)]
        if not gone:
            break
        transcript.discard(gone)
    late = [
        memory
        for mark, sides in reversed(kept)
        for memory in _as_memories(mark, sides, found, session)
    ]
    return [*_before_transcripts(store, session, transcript, count - len(kept)), *late]


def forget_exchanges(store: Store, session: str) -> None:
    """Forget the session's exchanges for good, and what was remembered of them."""
    store.forget(where=exchanges_of(session))
    _transcript(store, session).clear()


def _transcript(store: Store, session: str) -> Shelf:
    """By exchange, in order: of each side the id of its memory, or who said which words."""
    return store.plumbing.shelf(f"exchanges {same_id(session)}")


def _is_gone(sides: Iterable[Mapping[str, str]], found: Mapping[str, Memory]) -> bool:
    ids = [side["memory"] for side in sides if "memory" in side]
    return bool(ids) and not any(id_ in found for id_ in ids)


def _as_memories(
    mark: str, sides: Sequence[Mapping[str, str]], found: Mapping[str, Memory], session: str
) -> list[Memory]:
    told: list[Memory] = []
    for place, side in enumerate(sides):
        if "memory" not in side:
            marks: dict[str, Any] = {EXCHANGE: mark}
            role, text = side["role"], side["text"]
            told.append(
                Memory(id=f"{mark}.{place}", text=text, session=session, role=role, metadata=marks)
            )
        elif side["memory"] in found:
            told.append(found[side["memory"]])
    return told


def _before_transcripts(store: Store, session: str, transcript: Shelf, count: int) -> list[Memory]:
    """The last exchanges of which an earlier release had memories alone."""
    if count <= 0:
        return []
    where = exchanges_of(session) & ~F(EXCHANGE).is_in(list(transcript))
    said = store.latest(2 * count, where=where)
    marks = list(dict.fromkeys(memory.metadata[EXCHANGE] for memory in said))[:count]
    return [memory for memory in reversed(said) if memory.metadata[EXCHANGE] in marks]
