"""When memory fails an agent need not: it answers without, and what it owes is kept."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias, TypedDict, cast, get_args

from feather_memory.agent.conversation import (
    Remembering,
    Said,
    embedded,
    latest_known,
    remembering,
)
from feather_memory.checks import one_of
from feather_memory.errors import (
    FeatherError,
    MissingEmbedderError,
    ParameterError,
    UnknownMemoryError,
    UnknownTurnError,
    WrongTenantError,
)
from feather_memory.model.memory import Memory
from feather_memory.model.origin import ASSISTANT
from feather_memory.store.store import Store
from feather_memory.types import VectorLike

OnError = Literal["warn", "raise"]
"""What an agent does when its memory fails: it goes on without, or ends."""

UNAVAILABLE: Final = "feather_memory.unavailable"
"""What an outage is announced as, to callbacks that have names; it goes with an `OutageEvent`."""

MOST_OWED: Final = 1_000
"""How many exchanges wait in one process; the oldest gives way, which is logged."""

_TRIED: Final = 2
"""How many are tried to see whether the embedder is out."""

_ENOUGH: Final = 20
"""How many in a row cannot be embedded before it is taken to have gone out meanwhile."""

_FAILED: Final[Sequence[VectorLike]] = []  # told apart by being this very one

Embed: TypeAlias = Callable[[list[str]], Sequence[VectorLike] | None]
"""From texts to their vectors; None where the store makes them, or goes by words."""

_log = logging.getLogger("feather_memory")


class OutageEvent(TypedDict):
    """What callbacks are told of an outage. It carries no text."""

    doing: str
    """"recall", "save", "search", "name" or "extract"."""
    tenant: str | None
    error: str
    """What kind of error it was; the log has all of it."""


def checked_on_error(on_error: str) -> OnError:
    """What is done about an outage, if it is one of the two.

    Raises:
        ParameterError: It is not.
    """
    one_of(on_error, "on_error", get_args(OnError))
    return cast("OnError", on_error)


def is_outage(error: BaseException) -> bool:
    """Whether the memory or its embedder fails, rather than whoever asks for the wrong thing."""
    wrong = (
        ParameterError, WrongTenantError, MissingEmbedderError, UnknownMemoryError,
        UnknownTurnError,
    )  # fmt: skip
    return isinstance(error, Exception) and not isinstance(error, wrong)


@dataclass(frozen=True, slots=True)
class Bearing:
    """Bears an outage in its block: it is logged, and the block's list has its event afterwards.

    Wrong tenants and wrong arguments are raised, and with "raise" everything is.
    """

    on_error: OnError
    doing: str
    tenant: str | None
    told: list[OutageEvent] = field(default_factory=list)

    def __enter__(self) -> list[OutageEvent]:
        return self.told

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        # What an embedder raises may be anything: it is the caller's code.
        if error is None or self.on_error == "raise" or not is_outage(error):
            return False
        _log.warning(
            "the memory of tenant %r failed to %s", self.tenant, self.doing, exc_info=error
        )
        kind = type(error).__name__
        self.told.append({"doing": self.doing, "tenant": self.tenant, "error": kind})
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What was said in one turn, to be remembered now or once the memory is back."""

    said: tuple[Said, ...]
    session: str | None
    turn: str
    before: tuple[str, ...] = ()
    """Ids of what was said just before, the latest first."""
    facts: tuple[str, ...] = ()
    """Ids of the facts that a model saved in the turn, by its tools."""
    origin: str = ASSISTANT
    """Who says what these tools save."""

    def prepared(self, store: Store) -> tuple[Remembering, str | None]:
        """What of it is new, and after which memory it comes."""
        new = remembering(store, self.said, session=self.session, turn=self.turn, are_said_now=True)
        of_facts = replace(new, facts=self.facts, origin=self.origin)
        return of_facts, latest_known(store, self.before)


def _vectors(
    texts: list[str], tenant: str | None, store: Store, embed: Embed
) -> Sequence[VectorLike] | None:
    """Those of the texts; `_FAILED` if there are none to be had, which is logged."""
    with Bearing("warn", "save", tenant):
        vectors = embed(texts)
        return embedded(store, texts) if vectors is None else vectors
    return _FAILED


@dataclass(slots=True)
class Outbox:
    """What could not be saved, by tenant, until it can. It ends with the process.

    Safe for threads. What is written twice is there once: an exchange knows its memories' ids.
    """

    most: int = MOST_OWED
    _owed: deque[tuple[str | None, Exchange]] = field(default_factory=deque)
    _tried: dict[str | None, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def owes(self, tenant: str | None) -> bool:
        """Whether anything waits for the tenant."""
        with self._lock:
            return any(whose == tenant for whose, _ in self._owed)

    def keep(self, tenant: str | None, exchanges: Sequence[Exchange]) -> None:
        """Owe these, the oldest first, after what is owed."""
        with self._lock:
            self._owed.extend((tenant, exchange) for exchange in exchanges)
            while len(self._owed) > self.most:
                lost, _ = self._owed.popleft()
                _log.warning("an exchange of tenant %r is lost: too many could not be saved", lost)

    def taken(self, tenant: str | None) -> list[Exchange]:
        """What is owed to the tenant, the oldest first; it is the caller's now."""
        with self._lock:
            theirs = [exchange for whose, exchange in self._owed if whose == tenant]
            if theirs:
                others = [owed for owed in self._owed if owed[0] != tenant]
                self._owed.clear()
                self._owed.extend(others)
        return theirs

    def settle(self, tenant: str | None, store: Store, embed: Embed) -> list[Memory]:
        """Save what is owed to the tenant; which memories are new by that.

        What fails stays owed, with all after it. What only cannot be embedded holds up nothing
        else: a model may refuse one text for ever, as one that is too long for it.
        """
        owed, unembedded, written = self.taken(tenant), list[Exchange](), list[Memory]()
        try:
            if len(owed) > _TRIED and not self._is_embedded(tenant, owed, store, embed):
                return written
            in_a_row = 0
            while owed and in_a_row < _ENOUGH:
                new, after = owed[0].prepared(store)
                if (vectors := _vectors(new.texts, tenant, store, embed)) is _FAILED:
                    unembedded.append(owed[0])
                    in_a_row += 1
                else:
                    written += new.write(store, vectors, after=after)
                    in_a_row = 0
                del owed[0]
        except BaseException as error:
            is_refused = isinstance(error, Exception) and not is_outage(error)
            del owed[: int(is_refused)]  # what is wrong stays wrong
            raise
        finally:
            self.keep(tenant, [*unembedded, *owed])
        return written

    def _is_embedded(
        self, tenant: str | None, owed: Sequence[Exchange], store: Store, embed: Embed
    ) -> bool:
        """Whether the embedder takes one of a few of many; others each time: it may refuse some."""
        with self._lock:
            first = self._tried.get(tenant, 0)
            self._tried[tenant] = first + _TRIED
        for nth in range(first, first + _TRIED):
            try:
                new, _ = owed[nth % len(owed)].prepared(store)
                is_embedded = _vectors(new.texts, tenant, store, embed) is not _FAILED
            except FeatherError as error:
                if is_outage(error):
                    raise
                is_embedded = True  # what is wrong with it is told when its turn comes
            if is_embedded:
                with self._lock:
                    self._tried.pop(tenant, None)
                return True
        return False

    def __deepcopy__(self, _: dict[int, object]) -> Outbox:
        return self  # it holds a lock; whoever copies its adapter owes the same
