"""What changes in a conversation: kept and remembered at once, or kept now and remembered later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llama_index.core.base.llms.types import ChatMessage
from llama_index.memory.feather._conversation import (
    Transcript,
    current_turn,
    dumped,
    note_said,
    said_in,
    sound,
    unfenced,
)
from llama_index.memory.feather._source import Vectors

from feather_memory.agent import Remembering, remembering


@dataclass(frozen=True, slots=True)
class Change:
    """Messages to be kept, what of them is to be remembered, and which memories they are."""

    transcript: Transcript
    messages: list[ChatMessage]
    new: Remembering
    memory_ids: Sequence[str | None]
    is_all: bool = False
    """Whether they take the place of all there are; else they are put at the end."""

    @property
    def texts(self) -> list[str]:
        """What is to be embedded."""
        return self.new.texts

    def write(self, vectors: Vectors) -> None:
        """Keep the messages, and remember what is new, at once or not at all.

        Args:
            vectors: Of `texts`; None where the store goes by words.
        """
        store = self.transcript.store
        if self.is_all:  # to erase what was there costs: not while others wait
            self.new.write(store, vectors, after=self.transcript.last_memory_id())
            self.transcript.replace(self.messages, memory_ids=self.memory_ids)
            return
        with store.transaction():
            self.new.put(store, vectors, after=self.transcript.last_memory_id())
            self.transcript.append(self.messages, memory_ids=self.memory_ids)

    def owe(self) -> None:
        """Keep the messages, and note what of them is to be remembered when it can be embedded."""
        records = {record["id"]: record for record in self.new.records}
        known = [None if id_ in records else id_ for id_ in self.memory_ids]
        put = self.transcript.replace if self.is_all else self.transcript.append
        with self.transcript.store.transaction():
            keys = put(self.messages, memory_ids=known)
            places = zip(keys, self.memory_ids, strict=True)
            self.transcript.owe({key: records[id_] for key, id_ in places if id_ in records})


@dataclass(frozen=True, slots=True)
class Arrears:
    """Messages of a conversation that are kept, and are to be remembered."""

    transcript: Transcript
    keys: list[str]
    new: Remembering

    @property
    def texts(self) -> list[str]:
        """What is to be embedded."""
        return self.new.texts

    def write(self, vectors: Vectors) -> None:
        """Remember them, at once or not at all; as in `Change`."""
        transcript = self.transcript
        with transcript.store.transaction():
            self.new.put(transcript.store, vectors, after=transcript.last_memory_id())
            transcript.remembered(dict(zip(self.keys, self.new.ids, strict=True)))

    def owe(self) -> None:
        """Nothing: they are kept, and owed."""


def addition(transcript: Transcript, messages: Sequence[ChatMessage], actor: str | None) -> Change:
    """What changes when the messages are said now: copies of them, unfenced."""
    kept = [sound(unfenced(message).model_copy(deep=True)) for message in messages]
    turn = current_turn()
    new = _new(transcript, kept, actor, turn)
    if turn is not None:
        note_said(turn, new.ids)
    return Change(transcript, kept, new, new.ids)


def replacement(
    transcript: Transcript, messages: Sequence[ChatMessage], actor: str | None
) -> Change:
    """Likewise, when they are all there is. In which turns they were said is not known."""
    kept = [sound(unfenced(message).model_copy(deep=True)) for message in messages]
    known = {dumped(entry.message): entry.memory_id for entry in transcript.entries()}
    new = _new(transcript, [m for m in kept if dumped(m) not in known], actor, None)
    fresh = iter(new.ids)
    ids = [known[text] if (text := dumped(m)) in known else next(fresh) for m in kept]
    return Change(transcript, kept, new, ids, is_all=True)


def arrears(transcript: Transcript) -> Arrears | None:
    """What is to be remembered by now; None for nothing."""
    records = transcript.owed()
    if not records:
        return None
    ids = [record["id"] for record in records.values()]
    known = transcript.store.plumbing.known(ids)
    new = {record["id"]: record for record in records.values() if record["id"] not in known}
    return Arrears(transcript, list(records), Remembering(tuple(ids), tuple(new.values())))


def _new(
    transcript: Transcript, messages: Sequence[ChatMessage], actor: str | None, turn: str | None
) -> Remembering:
    said, session = said_in(messages, actor), transcript.session
    return remembering(transcript.store, said, session=session, turn=turn, are_said_now=True)


def owe_all(due: Sequence[Change | Arrears], waiting: list[ChatMessage]) -> None:
    """Keep what is due, to be remembered later; what was waiting is in the file then."""
    for each in due:
        each.owe()
    waiting.clear()


def write_all(
    due: Sequence[Change | Arrears], waiting: list[ChatMessage], vectors: Vectors
) -> None:
    """Write what is due, each with its vectors; what was waiting is in the file then."""
    start = 0
    for each in due:
        stop = start + len(each.texts)
        each.write(None if vectors is None else vectors[start:stop])
        start = stop
    waiting.clear()
