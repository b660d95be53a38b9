"""What the page asks: a body for each path. What a body does not have is refused."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field

_Ids = Annotated[list[str], Field(min_length=1, max_length=1_000)]
_Count = Annotated[int, Field(ge=1, le=200)]
_Offset = Annotated[int, Field(ge=0)]


class Moment(TypedDict):
    """The moment that is looked at, as the verbs of a store take it."""

    as_of: float | None
    known_at: float | None


class Body(BaseModel):
    """Whose memory it is about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: str


class Look(Body):
    """Likewise, at a moment: Unix seconds, now unless given."""

    as_of: float | None = None
    """What was true then?"""
    known_at: float | None = None
    """Only what was recorded by then."""

    @property
    def moment(self) -> Moment:
        """The moment by its names."""
        return Moment(as_of=self.as_of, known_at=self.known_at)


class LookAtPage(Look):
    """A page of the memories."""

    which: Literal["current", "past"] = "current"
    offset: _Offset = 0
    count: _Count = 100


class LookFor(Look):
    """A search."""

    question: str
    count: _Count = 30


class LookAtOne(Look):
    """One memory."""

    id: str


class LookAtTurns(Look):
    """A page of the recall log."""

    offset: _Offset = 0
    count: _Count = 50


class Walk(Look):
    """A memory and what is linked to it; without an id the one with most links."""

    id: str | None = None
    hops: Annotated[int, Field(ge=1, le=3)] = 2


class AskWhy(Look):
    """Why a question does not find a memory."""

    question: str
    id: str


class Add(Body):
    """A memory that the person writes."""

    text: str
    key: str | None = None


class Correct(Body):
    """What is true instead of a memory."""

    id: str
    text: str


class Weigh(Body):
    """Whether a memory is of use."""

    id: str
    kind: Literal["liked", "disliked"]


class Affirm(Body):
    """That a memory is still true."""

    id: str


class Forget(Body):
    """What is to be forgotten: planned without `confirm`, done with it."""

    ids: _Ids
    confirm: str | None = None


class Undo(Body):
    """The change that is to be undone."""

    change: str
