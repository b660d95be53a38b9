"""The paths: each takes a body, makes one call, and answers as MCP's tools do.

Questions are POSTed: they are logged, and counted, and do not belong into a URL, which others log.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel

from feather_memory.agent.recall import RecallOptions
from feather_memory.agent.source import Opened
from feather_memory.doors import verbs
from feather_memory.doors.answers import (
    ForgetTold,
    HistoryTold,
    LinkTold,
    Recalled,
    SignalsTold,
    SignalTold,
    WhyTold,
    Written,
)
from feather_memory.doors.service.bodies import (
    Correct,
    Feedback,
    Forget,
    History,
    Latest,
    Link,
    Recall,
    Remember,
    WhyNot,
)
from feather_memory.doors.service.calls import Call, reading, writing
from feather_memory.doors.verbs import Terms
from feather_memory.errors import ParameterError, UnknownTurnError
from feather_memory.model.later import FITTING

Reading = Annotated[Call, Depends(reading)]
Writing = Annotated[Call, Depends(writing)]

_TERMS = Terms(origin="user", options=RecallOptions(k=10, min_relevance=FITTING))


router = APIRouter(prefix="/v1", dependencies=[Depends(HTTPBearer(auto_error=False))])


@router.post("/remember", status_code=201, response_model=Written)
async def remember(call: Writing, said: Remember) -> Response:
    """Remember a text: the one call that makes a tenant. A key that is taken is taken over."""
    given = said.model_dump(exclude={"tenant", "text"})
    return _json(await call.written(lambda there: verbs.add(there, said.text, **given)), 201)


@router.post("/recall", response_model=Recalled)
async def recall(call: Reading, said: Recall) -> Response:
    """What is remembered about something, nearest layer first among equals; logged as shown."""
    asked = said.model_dump(exclude={"tenant", "team", "shared", "question"})
    found, prompt = await call.read(
        lambda there: verbs.recall(there, _TERMS, said.question, **asked)
    )
    return _json(Recalled(turn=found.turn, memories=found.memories, prompt=prompt))


@router.post("/correct", response_model=Written)
async def correct(call: Writing, said: Correct) -> Response:
    """Say what is true instead of a memory; its past is kept."""
    terms = Terms(origin=said.origin)
    return _json(
        await call.read(lambda there: verbs.correct(there, terms, said.memory_id, said.text))
    )


@router.post("/feedback", response_model=SignalsTold)
async def feedback(call: Writing, said: Feedback) -> Response:
    """What somebody did with an answer: at any time, through any worker, counted once."""
    if said.correction is not None and len(call.names) > 1:
        raise ParameterError("a correction is of one's own memory: name no team and nothing shared")
    given = said.model_dump(exclude={"tenant", "team", "shared", "turn", "kind"})

    def given_to(there: Opened | None) -> list[SignalTold]:
        if there is None:
            raise UnknownTurnError(said.turn)
        return verbs.feedback(there, said.turn, said.kind, **given)

    return _json(SignalsTold(signals=tuple(await call.read(given_to))))


@router.post("/forget", response_model=ForgetTold)
async def forget(call: Writing, said: Forget) -> Response:
    """Plan what is to be forgotten, or carry a plan out: then it is erased for good."""
    given = said.model_dump(exclude={"tenant"})
    return _json((await call.read(lambda there: verbs.forget(there, **given)))[0])


@router.post("/history", response_model=HistoryTold)
async def history(call: Reading, said: History) -> Response:
    """What a fact was over time, oldest first."""
    return _json((await call.read(lambda there: verbs.history(there, said.memory_id)))[0])


@router.post("/latest", response_model=HistoryTold)
async def latest(call: Reading, said: Latest) -> Response:
    """The memories written last that are current, latest first."""
    return _json((await call.read(lambda there: verbs.latest(there, said.k)))[0])


@router.post("/why-not", response_model=WhyTold)
async def why_not(call: Reading, said: WhyNot) -> Response:
    """Why a recall of a question does not return a memory: a gate, or its rank."""
    return _json(
        await call.read(lambda there: verbs.why_not(there, _TERMS, said.question, said.memory_id))
    )


@router.post("/link", response_model=LinkTold)
async def link(call: Writing, said: Link) -> Response:
    """Link two memories: *source* type *target*."""
    given = said.model_dump(exclude={"tenant"})
    return _json(await call.read(lambda there: verbs.link(there, **given)))


def _json(answer: BaseModel, status: int = 200) -> Response:
    """As it is: what was made by its own class is not checked once more."""
    return Response(answer.model_dump_json(), status, media_type="application/json")
