"""A conversation: its turns, what its messages say and ask, and how a file keeps them."""

from __future__ import annotations

import json
import os
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock
from llama_index.core.instrumentation.dispatcher import (  # type: ignore[attr-defined]
    active_instrument_tags,
)
from llama_index.core.storage.chat_store.base_db import MessageStatus
from llama_index.memory.feather._source import Vectors
from pydantic_core import to_jsonable_python

from feather_memory import Memory, ParameterError, Shelf, Store
from feather_memory.agent import (
    NOTE,
    Remembering,
    Role,
    Said,
    Save,
    is_fenced,
    remembered_of,
    remembering,
    sound_text,
)

CHATS: Final = "llama_index.chat:"
"""What the name of a conversation's shelf begins with."""
_OWED: Final = "llama_index.owed"
"""The shelf of what is to be remembered of messages that are kept: by session, records by key."""
_LAST: Final = 16
_SIDES: Final[dict[MessageRole, Role]] = {
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
}


TURN_TAG: Final = "feather.turn_id"
RUN_TAG: Final = "llamaindex.run_id"

_TURNS_UNDER_WAY: Final = 1024
"""Of how many turns this process knows what was said in them; they take seconds each."""
_said: OrderedDict[str, frozenset[str]] = OrderedDict()


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


def unfenced(message: ChatMessage) -> ChatMessage:
    """The message without what a memory had put into it: what was said."""
    kept = [block for block in message.blocks if not _is_ours(block)]
    is_whole = len(kept) == len(message.blocks)
    return message if is_whole else message.model_copy(update={"blocks": kept})


def sound(message: ChatMessage) -> ChatMessage:
    """The message as a file can hold it, which no tool's result keeps from being saved.

    Half a character becomes U+FFFD, an object that JSON cannot hold what is printed of it.
    """
    try:
        message.model_dump_json()
    except (ValueError, RecursionError):  # pydantic's own is a ValueError
        try:
            return ChatMessage.model_validate(_sound(message.model_dump()))
        except (ValueError, RecursionError):  # it holds itself, say: its words are left
            return ChatMessage(role=message.role, content=sound_text(message.content or ""))
    return message


def copied(message: ChatMessage) -> ChatMessage:
    """A copy of the message as a file can hold it."""
    return sound(message).model_copy(deep=True)  # what cannot be copied is printed before


def _sound(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Enum):
        return sound_text(value)
    if isinstance(value, dict):
        return {_sound(key): _sound(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_sound(each) for each in value]
    try:
        return to_jsonable_python(value)
    except ValueError:
        return sound_text(repr(value))


def said_in(messages: Iterable[ChatMessage], actor: str | None = None) -> list[Said]:
    """What the messages say in words, one by one; blank for tools, systems and silence.

    Args:
        messages: In order, unfenced.
        actor: Who the user is.
    """
    return [
        Said(
            role=_SIDES.get(message.role, "assistant"),
            text=_words(message) if message.role in _SIDES else "",
            actor=actor if message.role == MessageRole.USER else None,
        )
        for message in messages
    ]


def lines_of(messages: Iterable[ChatMessage]) -> list[tuple[Role, str]]:
    """Who says what in words, as `said_in`: where there are thousands, half the time."""
    sides = _SIDES
    return [(sides[m.role], _words(m)) for m in messages if m.role in sides]


def _words(message: ChatMessage) -> str:
    blocks = message.blocks
    if len(blocks) == 1 and isinstance(blocks[0], TextBlock):
        return blocks[0].text.strip()
    return "\n".join(b.text for b in blocks if isinstance(b, TextBlock)).strip()


def _is_ours(block: object) -> bool:
    return isinstance(block, TextBlock) and NOTE in block.text and is_fenced(block.text)


@dataclass(frozen=True, slots=True)
class Entry:
    """One message as it is kept."""

    key: str
    message: ChatMessage
    status: MessageStatus
    memory_id: str | None
    """The memory that it became, if it did."""


@dataclass(frozen=True)
class Transcript:
    """The messages of a conversation, in their order, some of them archived.

    Every change is one transaction. Two processes may write to one conversation at once.
    """

    store: Store
    session: str
    """Its id, which must not be empty."""
    actor: str | None = None
    """Who the user is."""
    save: Save = "none"
    """What of the messages is remembered."""

    @cached_property
    def _shelf(self) -> Shelf:
        if not self.session:
            raise ParameterError("a conversation's id must not be empty")
        return self.store.plumbing.shelf(f"{CHATS}{self.session}")

    def entries(self, status: MessageStatus | None = None) -> list[Entry]:
        """Those of a status, or all."""
        return [
            Entry(key, ChatMessage.model_validate(kept["message"]), found, kept.get("memory"))
            for key, kept in self._shelf.items()
            # What was replaced stays as null until it is erased.
            if kept is not None and (found := MessageStatus(kept["status"])) == (status or found)
        ]

    def texts(self) -> list[str]:
        """All, as JSON: whoever needs a few need not read the others."""
        return [text for text in self._shelf.texts().values() if text != "null"]

    def last_memory_id(self) -> str | None:
        """The last memory that a message of the conversation became."""
        count = _LAST
        while True:
            kept = self._shelf.last(count)
            found = [value["memory"] for _, value in kept if value and value.get("memory")]
            if found or len(kept) < count:
                return next(iter(found), None)
            count *= _LAST

    def append(
        self,
        messages: Sequence[ChatMessage],
        *,
        memory_ids: Sequence[str | None] | None = None,
        status: MessageStatus = MessageStatus.ACTIVE,
    ) -> list[str]:
        """Put messages at the end; their keys."""
        fresh = _fresh(messages, memory_ids, status)
        if fresh:
            with self.store.transaction():
                self._write(fresh)
        return list(fresh)

    def replace(
        self,
        messages: Sequence[ChatMessage],
        *,
        memory_ids: Sequence[str | None] | None = None,
        status: MessageStatus = MessageStatus.ACTIVE,
    ) -> list[str]:
        """Put messages in the place of all there are; their keys. The same again is no change."""
        now = self.entries()
        same = [
            (each.status, dumped(each.message)) == (status, dumped(message))
            for each, message in zip(now, messages, strict=False)
        ]
        if all(same) and len(now) <= len(messages):
            rest = None if memory_ids is None else memory_ids[len(now) :]
            new = self.append(messages[len(now) :], memory_ids=rest, status=status)
            return [*(each.key for each in now), *new]
        gone, fresh = [each.key for each in now], _fresh(messages, memory_ids, status)
        # In one transaction; what is erased afterwards is nothing any more.
        with self.store.transaction():
            self._write({**dict.fromkeys(gone), **fresh})
        self._shelf.discard(gone)
        return list(fresh)

    def owe(self, records: Mapping[str, Mapping[str, Any]]) -> None:
        """Note what is to be remembered of messages, by their keys."""
        if records:
            shelf = self._owed
            shelf[self.session] = {**(shelf.get(self.session) or {}), **records}

    def owed(self) -> dict[str, Any]:
        """What is to be remembered by now of messages that are kept, by their keys."""
        records: dict[str, Any] = self._owed.get(self.session) or {}
        return records

    def remembered(self, memory_ids: Mapping[str, str | None]) -> None:
        """Note which memories messages have become, by their keys; they are owed no more."""
        kept = {key: self._shelf.get(key) for key in memory_ids}
        self._write(
            {key: {**each, "memory": memory_ids[key]} for key, each in kept.items() if each}
        )
        if rest := {key: each for key, each in self.owed().items() if key not in memory_ids}:
            self._owed[self.session] = rest
        else:
            self._owed.discard([self.session])

    def _write(self, values: Mapping[str, Any]) -> None:
        """Write them, within a transaction; a message goes with the memory that it became.

        One that calls tools stays, without its words: their results are nothing without the call.
        """
        self._shelf.update(values)
        became = {key: each for key, each in values.items() if each and each.get("memory")}
        for calls in (False, True):
            tied = {k: [v["memory"]] for k, v in became.items() if _calls(v["message"]) == calls}
            if tied:
                self._shelf.tie(tied, is_whole=not calls)

    @property
    def _owed(self) -> Shelf:
        return self.store.plumbing.shelf(_OWED)

    def archive(self, number: int) -> list[ChatMessage]:
        """Archive the oldest active messages; which they were."""
        oldest = self.entries(MessageStatus.ACTIVE)[: max(number, 0)]
        if oldest:
            self._shelf.update(
                {e.key: _kept(e.message, e.memory_id, MessageStatus.ARCHIVED) for e in oldest}
            )
        return [each.message for each in oldest]

    def erase(self, entries: Sequence[Entry]) -> list[ChatMessage]:
        """Erase messages for good; which they were."""
        if entries:
            gone = {each.key for each in entries}
            self._shelf.discard(gone)
            if records := self._owed.get(self.session):
                self._owed.discard([self.session])
                self.owe({key: each for key, each in records.items() if key not in gone})
        return [each.message for each in entries]


@dataclass(frozen=True, slots=True)
class Change:
    """Messages to be kept, what of them is to be remembered, and which memories they are."""

    transcript: Transcript
    messages: list[ChatMessage]
    new: Remembering
    memory_ids: Sequence[str | None]
    is_all: bool = False
    """Whether they take the place of all there are; else they are put at the end."""
    keys: Sequence[str] = ()
    """Of messages that are kept already, and are to be remembered."""

    def write(self, vectors: Vectors) -> list[Memory]:
        """Keep the messages, and remember what is new, at once or not at all; what that is.

        Args:
            vectors: Of `new.texts`; None where the store goes by words.
        """
        store = self.transcript.store
        if self.is_all:  # to erase what was there costs: not while others wait
            new = self.new.write(store, vectors, after=self.transcript.last_memory_id())
            self.transcript.replace(self.messages, memory_ids=self.memory_ids)
            return new
        with store.transaction():
            new = self.new.put(store, vectors, after=self.transcript.last_memory_id())
            if self.keys:
                self.transcript.remembered(dict(zip(self.keys, self.memory_ids, strict=True)))
            else:
                self.transcript.append(self.messages, memory_ids=self.memory_ids)
        return new

    def owe(self) -> None:
        """Keep the messages, and note what of them is to be remembered when it can be embedded."""
        if self.keys:
            return
        records = {record["id"]: record for record in self.new.records}
        known = [None if id_ in records else id_ for id_ in self.memory_ids]
        put = self.transcript.replace if self.is_all else self.transcript.append
        with self.transcript.store.transaction():
            keys = put(self.messages, memory_ids=known)
            places = zip(keys, self.memory_ids, strict=True)
            self.transcript.owe({key: records[id_] for key, id_ in places if id_ in records})


def addition(transcript: Transcript, messages: Sequence[ChatMessage]) -> Change:
    """What changes when the messages are said now: copies of them, unfenced."""
    kept = [copied(unfenced(message)) for message in messages]
    turn = current_turn()
    new = _new(transcript, kept, turn)
    if turn is not None:
        note_said(turn, new.ids)
    return Change(transcript, kept, new, new.ids)


def replacement(transcript: Transcript, messages: Sequence[ChatMessage]) -> Change:
    """Likewise, when they are all there is. In which turns they were said is not known."""
    kept = [copied(unfenced(message)) for message in messages]
    known = {dumped(entry.message): entry.memory_id for entry in transcript.entries()}
    new = _new(transcript, [m for m in kept if dumped(m) not in known], None)
    fresh = iter(new.ids)
    ids = [known[text] if (text := dumped(m)) in known else next(fresh) for m in kept]
    return Change(transcript, kept, new, ids, is_all=True)


def arrears(transcript: Transcript) -> Change | None:
    """What is to be remembered by now of messages that are kept; None for nothing."""
    records = transcript.owed()
    if not records:
        return None
    ids = [record["id"] for record in records.values()]
    known = transcript.store.plumbing.known(ids)
    new = {record["id"]: record for record in records.values() if record["id"] not in known}
    remembered = Remembering(tuple(ids), tuple(new.values()))
    return Change(transcript, [], remembered, ids, keys=list(records))


def arrears_apart(transcript: Transcript) -> list[Change]:
    """Likewise, message by message, the oldest first."""
    records = transcript.owed()
    known = transcript.store.plumbing.known([record["id"] for record in records.values()])
    return [
        Change(
            transcript,
            [],
            Remembering((record["id"],), () if record["id"] in known else (record,)),
            [record["id"]],
            keys=[key],
        )
        for key, record in records.items()
    ]


def _new(transcript: Transcript, messages: Sequence[ChatMessage], turn: str | None) -> Remembering:
    said = remembered_of(said_in(messages, transcript.actor), transcript.save)
    store, session = transcript.store, transcript.session
    return remembering(store, said, session=session, turn=turn, are_said_now=True)


def owe_all(due: Sequence[Change], waiting: list[ChatMessage]) -> None:
    """Keep what is due, to be remembered later; what was waiting is in the file then."""
    for each in due:
        each.owe()
    waiting.clear()


def write_all(due: Sequence[Change], waiting: list[ChatMessage], vectors: Vectors) -> list[Memory]:
    """Write what is due, each with its vectors; the new memories.

    What was waiting is in the file then.
    """
    start, new = 0, list[Memory]()
    for each in due:
        stop = start + len(each.new.texts)
        new += each.write(None if vectors is None else vectors[start:stop])
        start = stop
    waiting.clear()
    return new


def dumped(message: ChatMessage) -> str:
    """The message as text, the same for equal messages."""
    return json.dumps(message.model_dump(mode="json"), sort_keys=True)


def _fresh(
    messages: Sequence[ChatMessage],
    memory_ids: Sequence[str | None] | None,
    status: MessageStatus,
) -> dict[str, Any]:
    """The messages under keys of their own, which sort by the time of writing."""
    messages = [sound(message) for message in messages]
    prefix = f"{time.time_ns():020}-{os.urandom(4).hex()}"
    ids = [None] * len(messages) if memory_ids is None else memory_ids
    return {
        f"{prefix}-{number:06}": _kept(message, memory_id, status)
        for number, (message, memory_id) in enumerate(zip(messages, ids, strict=True))
    }


def _calls(message: Mapping[str, Any]) -> bool:
    """Whether a message, as it is kept, calls tools."""
    is_block = any(block.get("block_type") == "tool_call" for block in message.get("blocks", ()))
    return is_block or bool((message.get("additional_kwargs") or {}).get("tool_calls"))


def _kept(message: ChatMessage, memory_id: str | None, status: MessageStatus) -> dict[str, Any]:
    kept = {"status": status.value, "message": message.model_dump(mode="json")}
    return kept if memory_id is None else {**kept, "memory": memory_id}
