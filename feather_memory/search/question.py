"""A checked query: what is asked, of which memories, and how it is ranked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias, TypedDict

from feather_memory.checks import label
from feather_memory.filters.language import F, Filter
from feather_memory.filters.parse import parse
from feather_memory.index.postings import Held
from feather_memory.index.turns import Turns
from feather_memory.model.formula import Scale
from feather_memory.model.scoring import Scoring
from feather_memory.types import Numbers, Seconds, Vector, VectorLike, When

Where: TypeAlias = Filter | Mapping[str, Any]
"""Which memories: a filter made with `F`, or a mapping that means one."""


class Put(NamedTuple):
    """As whom a question is put: whom it names of the store's speakers is I, and my."""

    way: Callable[[Sequence[str]], Vector | None]
    """Makes the vector of its text, put as some speakers."""
    speakers: Sequence[str]
    """The names of those it is put as."""
    turns: Turns | None
    """By which they are speakers."""


class SearchOptions(TypedDict, total=False):
    """What may be said of a search besides its text and k; `Store.search` says what each is."""

    vector: VectorLike | None
    where: Where | None
    session: str | None
    as_of: When | None
    known_at: When | None
    scoring: Scoring | None
    now: When | None
    min_relevance: float
    distinct: bool
    scale: Scale | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a search is asked, checked and embedded."""

    text: str | None
    vector: Vector | None
    """Unit length, shape (dim,)."""
    scoring: Scoring
    now: Seconds
    as_of: Seconds
    is_now: bool = False
    """Whether `now` is only what the clock says."""
    is_current: bool = False
    """Whether `as_of` is `now`."""
    known_at: Seconds | None = None
    where: Filter | None = None
    model: str | None = None
    """The name of the model that made the vector, if anybody said."""
    scale: Scale | None = None
    """Between which cosines similarities lie, where several stores are read by one."""
    min_relevance: float = 0.0
    """Only what has this much of absolute relevance, in [0, 1]."""
    distinct: bool = True
    """Whether one of several that say the same is enough."""
    put: Put | None = None
    """How its vector was made; None where it is the same whoever speaks in the store."""
    dense_weight: float = 1.0
    """Share of the similarity in the relevance: all of it where no text is asked."""

    def no_earlier(self, latest: Seconds) -> Question:
        """The same question, where the clock is behind the last recorded moment asked then.

        So that whatever is recorded can be found, whoever's clock it was recorded by.
        """
        if not self.is_now or self.now >= latest:
            return self
        return replace(self, now=latest, as_of=latest if self.is_current else self.as_of)


@dataclass(frozen=True, slots=True)
class WordsAsked:
    """What the words of each memory say of one question."""

    bm25: Numbers
    """Shape (n,), 0 for what may not be returned."""
    whole: float
    """That of a text of mean length which holds every word once."""
    held: Held
    """Which memories hold each of the words."""


def condition(where: Where | None, session: str | None) -> Filter | None:
    """The one filter of a search that may name a session, too."""
    stated = parse(where)
    if session is None:
        return stated
    only = F("session") == label(session, "session")
    return only if stated is None else stated & only
