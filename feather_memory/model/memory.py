"""The nouns of what a Store remembers. All are values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from feather_memory.types import Vector

TURN: Final = "turn"
"""Under which key of its metadata a remembered answer says which turn it was given in."""

MESSAGE: Final = "message_id"
"""Under which key of its metadata a memory says which message it was."""

EXCHANGE: Final = "conversation_turn"
"""Under which key of its metadata a memory says of which exchange it is."""

IMPORTED: Final = "imported_as"
"""Under which key of its metadata a memory says that it is the "user"'s by what a file says."""

OF_ONE_MESSAGE: Final = frozenset({TURN, MESSAGE, EXCHANGE, IMPORTED})
"""What metadata tells of a message itself. Anything else may tell whose it is, and about what."""

OF_CONVERSATIONS: Final = frozenset({"title", "model"})
"""What metadata tells of a conversation, where the memory is a turn of one: what an assistant's
application called it, and who answered. A title of anything else may be what it is about."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class EdgeType(StrEnum):
    """What one memory is to another. Callers may use strings of their own beside these.

    Read *source* type *target*: the new fact `supersedes` the old one.
    Only `supersedes` changes what a search may return.
    """

    SUPERSEDES = "supersedes"
    SUPPORTS = "supports"
    CONTRADICTS = "contradicts"
    REFINES = "refines"
    LEADS_TO = "leads_to"
    CAUSED_BY = "caused_by"
    DERIVED_FROM = "derived_from"
    PART_OF = "part_of"
    REFERENCES = "references"
    RELATED_TO = "related_to"
    SAME_AS = "same_as"
    NEXT = "next"


class SignalKind(StrEnum):
    """What somebody did with a memory."""

    SAVED = "saved"
    LIKED = "liked"
    DISLIKED = "disliked"
    COPIED = "copied"
    CORRECTED = "corrected"
    REPEATED = "repeated"
    USED = "used"


class _Unread:
    """Where a Memory that a store shows has what its fields are read from; see `shown`."""

    __slots__ = ("_decoders", "_kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory(_Unread):
    """One remembered text with its vector, metadata, times and importance.

    A value: changing it changes nothing in the store. Times are timezone-aware and in UTC.
    What a store shows holds all of itself, but decodes a field only when it is first read.
    """

    id: str
    """As it was given, or drawn; unlike any other of the store."""
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What JSON can hold, as it was given."""
    key: str | None = None
    """The slot of which it is, or was, the current value."""
    session: str | None = None
    """The conversation that it is a turn of."""
    actor: str | None = None
    """Who said it, by name."""
    role: str | None = None
    """In which role, such as user or assistant."""
    origin: str = "user"
    """Who it comes from: user, document, import, tool or assistant."""
    manner: str = "statement"
    """How it is said: statement, question, acknowledgement, echo, or asking, which tells first."""
    importance: float = 0.4
    """In [0, 1]: the prior folded with every Signal."""
    recalls: int = 0
    """In how many turns it was shown to a model."""
    created_at: datetime = _LONG_AGO
    """When we learned it."""
    updated_at: datetime = _LONG_AGO
    """When its record was last written."""
    valid_from: datetime = _LONG_AGO
    """Since when it is true."""
    valid_to: datetime | None = None
    """Until when it was true; superseding closes it."""
    expires_at: datetime | None = None
    """From when it is no longer returned."""
    affirmed: int = 0
    """How often the same was said again since it was first said."""
    affirmed_at: datetime | None = None
    """When last."""
    affirmed_by: str | None = None
    """And by whom, as far as that was said."""
    supersedes: tuple[str, ...] = ()
    """Ids of the memories it replaced."""
    superseded_by: tuple[str, ...] = ()
    """Ids of the memories that replaced it."""
    echo_of: str | None = field(default=None, compare=False)
    """Of what a write returns: the id of the past memory that it said again, and wrote nothing,
    for this is what stands."""
    vector: Vector | None = field(default=None, repr=False, compare=False)
    """As it was given, shape (dim,), read-only; None for a memory that is lexical only."""

    if not TYPE_CHECKING:  # no attribute but the fields

        def __getattr__(self, name: str) -> Any:
            """Read a field of what is kept; asked for only while the field's own place is empty."""
            if name not in _FIELDS:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            value = getattr(self._kept, name)
            if value is not None and (decode := self._decoders.get(name)) is not None:
                value = decode(value)
            object.__setattr__(self, name, value)
            return value

    def _repr_html_(self) -> str:
        from feather_memory import display  # only where something is drawn

        return display.table(["field", "value"], [[k, str(v)] for k, v in _described(self)])


_FIELDS: Final = frozenset(each.name for each in fields(Memory))

# What sets a field: a search shows ten memories, and by name a frozen one is set half as fast.
_put_kept, _put_decoders = (vars(_Unread)[name].__set__ for name in ("_kept", "_decoders"))
_put_id, _put_text, _put_metadata, _put_supersedes, _put_superseded_by = (
    vars(Memory)[name].__set__ for name in ("id", "text", "metadata", "supersedes", "superseded_by")
)

Told: TypeAlias = tuple[Any, tuple[str, ...], tuple[str, ...]]
"""What is kept of a memory, ids of what it replaced, and of what replaced it."""


def shown(told: Iterable[Told], decoders: Mapping[str, Callable[[Any], Any]]) -> list[Memory]:
    """Memories as callers see them, whose fields are decoded when they are first read.

    Id and text are there at once, for nearly everybody asks for them, and so is metadata of which
    there is none.

    Args:
        told: What is kept has the fields as attributes, and does not change any more.
        decoders: By field, what makes what is shown of what is kept; None stays None.
    """
    made = []
    for kept, supersedes, superseded_by in told:
        memory = object.__new__(Memory)
        _put_kept(memory, kept)
        _put_decoders(memory, decoders)
        _put_id(memory, kept.id)
        _put_text(memory, kept.text)
        if kept.metadata == "{}":
            _put_metadata(memory, {})
        _put_supersedes(memory, supersedes)
        _put_superseded_by(memory, superseded_by)
        made.append(memory)
    return made


def _described(memory: Memory) -> Iterator[tuple[str, object]]:
    for name in Memory.__slots__:
        if name != "vector" and (value := getattr(memory, name)) not in (None, (), {}):
            yield name, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A directed typed link between two memories of one store: *source* type *target*."""

    source: str
    target: str
    type: str
    weight: float = 1.0
    """In (0, 1]."""
    created_at: datetime = _LONG_AGO


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One engagement event about one memory. Signals are added, never edited."""

    event_id: str
    memory_id: str
    kind: SignalKind
    at: datetime
    strength: float = 1.0
    """In (0, 1]; below 1 where credit is shared over several memories."""
    turn: str | None = None
    """The recall it answers, if any."""
    retracted: bool = False
    """Whether it was taken back. It stays in the log and no longer counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What `forget` removed, or would remove."""

    ids: tuple[str, ...]
    """Of all memories that go, also of those that are tied to what was asked for."""
    edges: int
    signals: int
    recalls: int
    is_dry_run: bool
    derived: tuple[str, ...] = ()
    """Ids of what is derived of them through any number of steps. What is not in `ids` stays."""
    shelved: tuple[tuple[str, str], ...] = ()
    """Shelf and key of what adapters keep that said the same: a transcript's message, a cached
    chunk. It goes, or loses these words where it says more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStats:
    """Counts and sizes of one store."""

    path: str
    memories: int
    current: int
    """Memories that a search without arguments may return now."""
    superseded: int
    edges: int
    signals: int
    recalls: int
    sessions: int
    dimension: int | None
    embedder: str | None
    """The name of the model by which the vectors are, if anybody said."""
    generation: int
    file_bytes: int
    derived_bytes: int
    index: str
    """How near vectors are found: `exact`, by `hnsw`, or in the database by `pgvector`."""

    def _repr_html_(self) -> str:
        from feather_memory import display  # only where something is drawn

        return display.table(
            ["", ""], [[name, str(getattr(self, name))] for name in self.__slots__]
        )
