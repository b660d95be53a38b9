"""What is sent to the service: a body for each path. What a body does not have is refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from feather_memory.config import SERVICE_BUDGET, SERVICE_HITS
from feather_memory.model.memory import SignalKind

_Tenant = Annotated[
    str | None,
    Field(
        description="Whose memory. A key for one tenant need not say it.", examples=["user:alice"]
    ),
]
_Id = Annotated[str, Field(description="Of the memory.", examples=["01HZX3"])]
_Question = Annotated[
    str, Field(description="What is asked.", examples=["when does Alice deploy?"])
]
_Origin = Literal["user", "document", "import", "tool", "assistant"]
_Label = Annotated[str | None, Field(examples=[None])]


class Body(BaseModel):
    """What every path is told: whose memory it is about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: _Tenant = None


class Layered(Body):
    """Likewise, read together with a team's and everybody's."""

    team: Annotated[
        str | None, Field(description="A team's, read with it.", examples=["team:red"])
    ] = None
    shared: Annotated[
        str | None, Field(description="Everybody's, read with it.", examples=["global"])
    ] = None


class Remember(Body):
    """A record that is to be remembered; the fields are those of the library's `add`."""

    text: Annotated[str, Field(examples=["Alice deploys on Fridays"])]
    id: _Label = None
    key: Annotated[
        str | None,
        Field(description="The slot it is the current value of.", examples=["deploy.day"]),
    ] = None
    session: _Label = None
    actor: _Label = None
    role: _Label = None
    origin: _Origin | None = None
    since: Annotated[
        str | None, Field(description="ISO 8601; from now on unless given.", examples=[None])
    ] = None
    importance: Annotated[float | None, Field(ge=0, le=1, examples=[None])] = None
    metadata: Annotated[dict[str, Any] | None, Field(examples=[{"channel": "chat"}])] = None


class Recall(Layered):
    """A question. What is answered is logged: it was shown to a model."""

    question: _Question
    k: Annotated[int, Field(ge=1, le=SERVICE_HITS)] = 10
    budget_tokens: Annotated[int, Field(ge=1, le=SERVICE_BUDGET)] = 1_000
    as_of: Annotated[
        str | None, Field(description="What was true then? ISO 8601.", examples=[None])
    ] = None
    session: _Label = None
    turn: _Label = None
    where: Annotated[
        dict[str, Any] | None,
        Field(description="Only memories that this filter lets through.", examples=[None]),
    ] = None


class Correct(Body):
    """What is true instead of a memory."""

    memory_id: _Id
    text: Annotated[str, Field(examples=["Alice deploys on Tuesdays"])]
    origin: _Origin = "user"


class Feedback(Layered):
    """What somebody did with what a turn was shown."""

    turn: Annotated[str, Field(examples=["run-1"])]
    kind: SignalKind
    memory_ids: Annotated[list[str] | None, Field(max_length=100, examples=[None])] = None
    copied_text: _Label = None
    correction: Annotated[
        str | None,
        Field(
            description="With kind `corrected`: what is true instead. Without layers.",
            examples=[None],
        ),
    ] = None
    event: Annotated[
        str | None, Field(description="The same event counts once.", examples=["click-1"])
    ] = None
    is_done: Annotated[bool, Field(description="False takes it back.")] = True


class Forget(Body):
    """What is to be forgotten: first a plan, then with its `confirm`."""

    ids: Annotated[list[str], Field(max_length=1_000, examples=[["01HZX3"]])] = []
    about: Annotated[str | None, Field(examples=[None])] = None
    confirm: Annotated[
        str | None, Field(description="What the plan gave, to carry it out.", examples=[None])
    ] = None


class History(Body):
    """Of which memory the past is asked."""

    memory_id: _Id


class WhyNot(Body):
    """Which memory is missed in the answer to which question."""

    question: _Question
    memory_id: _Id


class Link(Body):
    """An edge: *source* type *target*."""

    source: _Id
    target: _Id
    type: Annotated[str, Field(examples=["supports"])] = "related_to"
    weight: Annotated[float, Field(gt=0, le=1)] = 1.0
    origin: _Origin = "user"


class Latest(Body):
    """How many of the memories written last are asked for."""

    k: Annotated[int, Field(ge=1, le=SERVICE_HITS)] = 20
