"""A conversation into memories: what of it is worth remembering, once, in its order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Literal, cast, get_args

import numpy as np

from feather_memory.checks import one_of
from feather_memory.errors import ParameterError, UnknownMemoryError
from feather_memory.model.memory import MESSAGE, TURN, EdgeType, Memory
from feather_memory.model.origin import ASSISTANT, outranks
from feather_memory.store.store import Store
from feather_memory.types import NamedVector, VectorLike
from feather_memory.write.models import name_of

Role = Literal["user", "assistant"]

Save = Literal["user", "all", "none"]
"""What is remembered of a conversation: what the user said, both sides, or nothing.

An assistant repeats the user and guesses: what it says is no evidence of what is true. It stays in
the transcript.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message of a conversation, as far as a memory is concerned.

    A client may cut a character in two, which no file holds: half of one is U+FFFD here.
    """

    role: Role
    text: str
    """Its words alone; blank where it has none."""
    message_id: str | None = None
    """What a retry knows it by; without one, its words are what it is known by."""
    actor: str | None = None
    """Who said it."""

    def __post_init__(self) -> None:
        for name in ("text", "message_id", "actor"):
            said: str | None = getattr(self, name)
            if said is not None and not said.isascii():
                object.__setattr__(self, name, sound_text(said))

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing in it to remember."""
        return not self.text.strip()


def sound_text(text: str) -> str:
    r"""The text as UTF-8 can hold it: half a character is U+FFFD.

    >>> sound_text("tea \ud83d")
    'tea �'
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def checked_save(save: str) -> Save:
    """What is to be remembered, if it is one of the three.

    Raises:
        ParameterError: It is not.
    """
    one_of(save, "save", get_args(Save))
    return cast("Save", save)


def worth(said: Iterable[Said], save: Save = "user") -> list[Said]:
    """What of a conversation is to be remembered, in its order."""
    return [each for each in remembered_of(said, save) if not each.is_blank]


def remembered_of(said: Iterable[Said], save: Save) -> list[Said]:
    """The same messages, blank where they are not to be remembered."""
    roles = {"all": get_args(Role), "user": ("user",), "none": ()}[save]
    return [each if each.role in roles else replace(each, text="") for each in said]


def same_id(*parts: str | None) -> str:
    """The id of what is always the same memory: a step that is run twice remembers it once."""
    digest = blake2b(digest_size=12)
    for part in parts:
        told = "-" if part is None else f"{len(part)}:{part}"
        digest.update(told.encode(errors="surrogatepass"))
    return digest.hexdigest()


def id_of(said: Said, session: str | None, nth: int = 0) -> str:
    """The id under which it is remembered: by its message and words, else by its side and words.

    Args:
        said: Where it has a message's id, another message of the same words is another memory.
        session: The conversation.
        nth: How often these words have been superseded since; only without a message's id.
    """
    if said.message_id is not None:
        return same_id(session, said.message_id, said.text)
    digest = blake2b(json.dumps([session, said.role, said.text, nth]).encode(), digest_size=16)
    return f"said-{digest.hexdigest()}"


def ids_of(said: Iterable[Said], session: str | None) -> list[str]:
    """Under which ids they are remembered, if they are, in their order."""
    return [id_of(each, session) for each in said if not each.is_blank]


def unremembered(store: Store, said: Iterable[Said], session: str | None) -> list[str]:
    """The texts of those messages that no memory is, each once: a model sees them all the same."""
    by_id = {id_of(each, session): each.text for each in said if not each.is_blank}
    known = store.plumbing.known(by_id)
    return list(dict.fromkeys(text for id_, text in by_id.items() if id_ not in known))


@dataclass(frozen=True, slots=True)
class Remembering:
    """What of some messages is to be remembered, and what is already."""

    ids: tuple[str | None, ...]
    """Of the memories that the messages are, by message; None for a blank one."""
    records: tuple[dict[str, Any], ...]
    """Of the memories that are new, in order."""
    facts: tuple[str, ...] = ()
    """Ids of the memories that were made of the messages: each is `derived_from` what is new of the
    user's."""
    origin: str = ASSISTANT
    """Who made them: what somebody higher has said is of no turn that they name."""
    texts: list[str] = field(init=False)
    """What is new, to be embedded."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", [record["text"] for record in self.records])

    def write(
        self,
        store: Store,
        vectors: Sequence[VectorLike] | None = None,
        *,
        after: str | None = None,
    ) -> list[Memory]:
        """Remember what is new, linked in the order of the conversation, at once or not at all.

        Args:
            store: Of the tenant.
            vectors: Of `texts`; without them the store embeds, or goes by words.
            after: Id of the memory before the first.
        """
        if not self.records:
            return []
        made = embedded(store, self.texts) if vectors is None else vectors
        with store.transaction():
            return self.put(store, made, after=after)

    def put(
        self, store: Store, vectors: Sequence[VectorLike] | None, *, after: str | None = None
    ) -> list[Memory]:
        """As `write`, inside a transaction of the caller's.

        Args:
            store: Of the tenant.
            vectors: Of `texts`, such as `embedded` makes before the transaction: else others
                wait for the embedder. None where the store has none.
            after: Id of the memory before the first.
        """
        if not self.records:
            return []
        written = store.add_many(with_vectors(self.records, vectors))
        new = {record["id"] for record in self.records}
        for earlier, later in pairwise([after, *(i for i in self.ids if i is not None)]):
            if earlier is not None and later is not None and later in new and earlier != later:
                with suppress(UnknownMemoryError):  # forgotten since: it leads nowhere
                    store.link(earlier, later, EdgeType.NEXT)
        turns = [memory.id for memory in written if memory.role == "user"]
        for fact in store.get_many(self.facts) if turns else ():
            derived(store, fact, turns, origin=self.origin)
        return written


def remembering(
    store: Store,
    said: Sequence[Said],
    *,
    session: str | None,
    turn: str | None = None,
    are_said_now: bool,
) -> Remembering:
    """What of the messages is to be remembered. Those that are already are left as they are.

    Args:
        store: Of the tenant.
        said: In their order; blank ones are passed over.
        session: The conversation.
        turn: In which they are said, if that is known: a correction of it retires the answer.
        are_said_now: Then words that were superseded, and come without a message's id, are a new
            memory. A history that is only shown again says nothing anew.
    """
    ids = [None if each.is_blank else id_of(each, session) for each in said]
    known = store.plumbing.known([id_ for id_ in ids if id_ is not None])
    records: dict[str, dict[str, Any]] = {}
    for place, each in enumerate(said):
        id_, nth = ids[place], 0
        if id_ is None:
            continue
        may_be_new = are_said_now and each.message_id is None
        while may_be_new and known.get(id_):
            nth += 1
            id_ = ids[place] = id_of(each, session, nth)
            known.update(store.plumbing.known([id_]))
        if id_ not in known:
            records[id_] = {"id": id_, **record_of(each, session, turn)}
    return Remembering(tuple(ids), tuple(records.values()))


def derived(store: Store, fact: Memory, turns: Iterable[str], *, origin: str) -> None:
    """Link a fact to the turns it was taken from, those of them that are memories.

    Args:
        store: Of the tenant.
        fact: As it is held: one that comes from a higher origin than who took it is theirs who
            said it, and of no turn.
        turns: Their ids.
        origin: Who took it from them.
    """
    if outranks(fact.origin, origin):
        return
    for turn in turns:
        if turn != fact.id:
            with suppress(UnknownMemoryError):
                store.link(fact.id, turn, EdgeType.DERIVED_FROM, origin=origin)


def latest_known(store: Store, ids: Iterable[str]) -> str | None:
    """The first of the ids, given latest first, that is remembered: what new words come after."""
    return next((memory.id for memory in store.get_many(ids)), None)


def embedded(store: Store, texts: Sequence[str]) -> Sequence[VectorLike] | None:
    """The vectors that the store makes of texts; None where it goes by words, or has none to make.

    To be called before a transaction: others would have to wait until it has.
    """
    return store.plumbing.embed_documents(texts) if texts else None


def named_vectors(model: object, vectors: Iterable[Any]) -> list[Any]:
    """The vectors that a model has made, each saying by which, where it has a name.

    A store refuses them beside those of a model of another name, unless it was opened with an
    `embedder_name` of its own.
    """
    if (name := name_of(model)) is None:
        return list(vectors)
    return [_named(each, name) for each in vectors]


def _named(vector: Any, model: str) -> Any:
    numbers = vector.tolist() if isinstance(vector, np.ndarray) else vector
    return NamedVector(numbers, model) if isinstance(numbers, list | tuple) else vector


def with_vectors(
    records: Sequence[dict[str, Any]], vectors: Sequence[VectorLike] | None
) -> list[dict[str, Any]]:
    """Copies of the records, each with its vector.

    Raises:
        ParameterError: There are more vectors than records, or fewer.
    """
    if vectors is None:
        return list(records)
    if len(vectors) != len(records):
        raise ParameterError(f"the embedding made {len(vectors)} vectors of {len(records)} texts")
    return [{**record, "vector": row} for record, row in zip(records, vectors, strict=True)]


def record_of(
    said: Said, session: str | None, turn: str | None, marks: dict[str, str] | None = None
) -> dict[str, Any]:
    """What `Store.add_many` takes of a message, but for its id.

    Args:
        said: The message.
        session: The conversation.
        turn: In which it is said, if that is known.
        marks: Of its metadata, besides.
    """
    return {
        "text": said.text,
        "role": said.role,
        "session": session,
        "actor": said.actor,
        "metadata": dict(_marks(said, turn), **(marks or {})),
    }


def _marks(said: Said, turn: str | None) -> Iterator[tuple[str, str]]:
    if said.message_id is not None:
        yield MESSAGE, said.message_id
    if turn is not None:
        yield TURN, turn
