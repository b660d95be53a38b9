"""Tools with which an agent uses its memory by itself. Needs the extra `agents`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from langchain.tools import ToolRuntime
from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, Field
from typing_extensions import Unpack

from feather_memory import ParameterError, UnknownMemoryError
from feather_memory.agent import (
    RECALLED,
    UNAVAILABLE,
    Opened,
    OutageEvent,
    Recalled,
    correct,
    ids_of,
    save_fact,
    sound_text,
    what_became,
)
from langchain_feather_memory._access import MemoryAccess, MemoryOptions
from langchain_feather_memory._conversation import said_in, thread_of, turn_in

_TOLD_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,49}")
"""What a model's provider takes as the beginning of a tool's name, of 64 signs in all."""

_NOTHING: Final = "Nothing is remembered about that."
_UNREACHED: Final = "The memory cannot be reached at the moment. Go on without it."


class SearchMemory(BaseModel):
    """What the model gives to `search_memory`."""

    query: str = Field(description="What to look for, in a few words or as a question.")


class SaveMemory(BaseModel):
    """What the model gives to `save_memory`."""

    text: str = Field(description="One fact, as a whole sentence that is clear by itself.")
    key: str | None = Field(
        default=None,
        description="What the fact is the current value of, such as 'python.version', if it may "
        "change. A fact saved under the same key before is replaced.",
    )


class CorrectMemory(BaseModel):
    """What the model gives to `correct_memory`."""

    memory_id: str = Field(description="The id of the memory that is wrong or out of date.")
    text: str = Field(description="What is true instead, as a whole sentence.")


def memory_tools(
    *, name: str | None = None, origin: str = "assistant", **options: Unpack[MemoryOptions]
) -> list[BaseTool]:
    """`search_memory`, `save_memory` and `correct_memory`, for `create_agent(model, tools)`.

    The options are those of `FeatherMemoryMiddleware`. The model never sees nor says whose memory
    it is: the run's tenant is. A search is a recall, logged under the run's `run_id`, else under a
    name of its own that its artifact says. What is saved is of the thread's session. A correction
    supersedes what is current of the memory it names, and keeps what is not about its text. While
    the memory fails, the model is told so.

    Args:
        name: What the tools' names begin with, such as "team" in `team_save_memory`: an agent that
            has two memories needs one of them to have it, for LangChain binds but one tool to a
            name and drops the other without a word.
        origin: Who says what the tools write. What the user stated is not replaced by an
            "assistant": that becomes a suggestion, and the model is told so. Say "user" where the
            agent is trusted to write down what the user said.
        options: As said.

    Raises:
        ParameterError: Not exactly one of `store`, `pool` and `layers`, a number below its
            least, or a name that no model's provider takes.
    """
    access = MemoryAccess.of("memory_tools", options, with_ids=True, origin=origin)
    return tools_over(access, None, called=name)


def tools_over(
    access: MemoryAccess, middleware: str | None, *, called: str | None
) -> list[BaseTool]:
    """The tools; their recalls are of the turn that the middleware of this name has begun.

    Args:
        access: What they reach.
        middleware: The name of the middleware that brings them, if one does.
        called: What their names begin with.
    """
    is_name = isinstance(called, str) and _TOLD_NAME.fullmatch(called)
    if called is not None and not is_name:
        raise ParameterError(
            f"the name of a memory with tools is up to 49 of A-Z, a-z, 0-9, _ and -, got {called!r}"
        )
    before, of = ("", "") if called is None else (f"{called}_", f" It is the memory {called!r}.")
    return [
        _search_tool(access, middleware, before, of),
        _writing_tool(
            access,
            _save,
            SaveMemory,
            f"{before}save_memory",
            "Remember one fact for later conversations, such as a preference or a decision." + of,
        ),
        _writing_tool(
            access,
            _correct,
            CorrectMemory,
            f"{before}correct_memory",
            "Replace a memory that is wrong or out of date by what is true now." + of,
        ),
    ]


def _search_tool(access: MemoryAccess, middleware: str | None, before: str, of: str) -> BaseTool:
    def search(query: str, runtime: ToolRuntime[Any, Any]) -> tuple[str, dict[str, Any]]:
        tenant, recalled = _asker(access, runtime, query), None
        with access.outages("search", tenant) as failed:
            vector = access.vector(query)
            recalled = _recalled(access, middleware, runtime, tenant, query, vector)
        for outage in failed:
            dispatch_custom_event(UNAVAILABLE, outage)
        _tell(failed)
        if recalled is not None and recalled.hits:
            dispatch_custom_event(RECALLED, recalled.event)
        return _found(recalled, tenant)

    async def asearch(query: str, runtime: ToolRuntime[Any, Any]) -> tuple[str, dict[str, Any]]:
        tenant, recalled = _asker(access, runtime, query), None
        with access.outages("search", tenant) as failed:
            vector = await access.avector(query)
            recalled = await asyncio.to_thread(
                _recalled, access, middleware, runtime, tenant, query, vector
            )
        for outage in failed:
            await adispatch_custom_event(UNAVAILABLE, outage)
        _tell(failed)
        if recalled is not None and recalled.hits:
            await adispatch_custom_event(RECALLED, recalled.event)
        return _found(recalled, tenant)

    return _tool(
        search,
        asearch,
        SearchMemory,
        f"{before}search_memory",
        "Look up what is remembered about something from earlier conversations. Returns memories "
        "with their ids." + of,
    )


def _asker(access: MemoryAccess, runtime: ToolRuntime[Any, Any], query: str) -> str | None:
    """Who asks.

    Raises:
        ToolException: Nothing is asked.
    """
    tenant = access.tenant(runtime.config, runtime.context)
    if not query.strip():
        raise ToolException("the query is blank")
    return tenant


def _recalled(
    access: MemoryAccess,
    middleware: str | None,
    runtime: ToolRuntime[Any, Any],
    tenant: str | None,
    query: str,
    vector: list[float] | None,
) -> Recalled | None:
    """What the model is told; None where the tenant has no memory, and none is made by it."""
    opened = access.found(tenant)
    if opened is None:
        return None
    said = said_in(runtime.state.get("messages") or [])
    seen = ids_of(said, thread_of(runtime.config))
    return access.told(opened, [query], vector, turn=_turn(runtime, middleware), seen=seen)


def _found(recalled: Recalled | None, tenant: str | None) -> tuple[str, dict[str, Any]]:
    """What the model is told, and its artifact."""
    hits = () if recalled is None else recalled.hits
    memories = [
        {"id": hit.memory.id, "text": hit.memory.text, "score": hit.score.value} for hit in hits
    ]
    turn = None if recalled is None else recalled.turn
    content = recalled.prompt if recalled is not None and hits else _NOTHING
    return content, {"turn": turn, "tenant": tenant, "memories": memories}


@contextmanager
def _told_to_the_model() -> Iterator[None]:
    """What the model got wrong in this block is told to it, and ends no run."""
    try:
        yield
    except (ParameterError, UnknownMemoryError) as error:
        raise ToolException(str(error)) from error


def _tell(failed: Sequence[OutageEvent]) -> None:
    """Nothing, if nothing failed.

    Raises:
        ToolException: The memory failed: the model is told, and goes on.
    """
    if failed:
        raise ToolException(_UNREACHED)


def _writing_tool(
    access: MemoryAccess,
    write: Callable[..., tuple[str, dict[str, Any]]],
    schema: type[BaseModel],
    name: str,
    description: str,
) -> BaseTool:
    """A tool that remembers a text: `write` is given where, by which run, and its vector."""

    def written(
        runtime: ToolRuntime[Any, Any],
        tenant: str | None,
        said: Mapping[str, str | None],
        vectors: list[list[float]] | None,
    ) -> tuple[str, dict[str, Any]]:
        opened = access.opened(tenant) if "memory_id" not in said else access.found(tenant)
        if opened is None:  # who has no memory gets none by a correction of nothing
            raise UnknownMemoryError(str(said["memory_id"]))
        content, artifact = write(
            opened, runtime, vectors and vectors[0], origin=access.origin, **said
        )
        return content, {**artifact, "tenant": opened.tenant}

    def use(runtime: ToolRuntime[Any, Any], text: str, **said: str | None) -> Any:
        tenant, done = access.tenant(runtime.config, runtime.context), None
        text = sound_text(text)
        with _told_to_the_model(), access.outages("save", tenant) as failed:
            done = written(runtime, tenant, {"text": text, **said}, access.vectors([text]))
        for outage in failed:
            dispatch_custom_event(UNAVAILABLE, outage)
        _tell(failed)
        return done

    async def ause(runtime: ToolRuntime[Any, Any], text: str, **said: str | None) -> Any:
        tenant, done = access.tenant(runtime.config, runtime.context), None
        text = sound_text(text)
        with _told_to_the_model(), access.outages("save", tenant) as failed:
            vectors = await access.avectors([text])
            words = {"text": text, **said}
            done = await asyncio.to_thread(written, runtime, tenant, words, vectors)
        for outage in failed:
            await adispatch_custom_event(UNAVAILABLE, outage)
        _tell(failed)
        return done

    return _tool(use, ause, schema, name, description)


def _save(
    opened: Opened,
    runtime: ToolRuntime[Any, Any],
    vector: list[float] | None,
    *,
    origin: str,
    text: str,
    key: str | None = None,
) -> tuple[str, dict[str, Any]]:
    """Remember a fact; a call that is run again writes nothing new."""
    thread, messages = thread_of(runtime.config), runtime.state.get("messages") or []
    calling = messages[-1].id if messages else None
    step = (calling, runtime.tool_call_id)
    memory = save_fact(
        opened, text, step=step, key=key, session=thread, vector=vector, origin=origin
    )
    return f"{what_became(opened, memory)}.", {"id": memory.id}


def _correct(
    opened: Opened,
    _: ToolRuntime[Any, Any],
    vector: list[float] | None,
    *,
    origin: str,
    text: str,
    memory_id: str,
) -> tuple[str, dict[str, Any]]:
    memory = correct(opened, memory_id, text, vector=vector, origin=origin)
    if not memory.supersedes:
        return f"{what_became(opened, memory)}.", {"id": memory.id}
    content = f"Corrected: {memory.id} replaces {memory_id}."
    return content, {"id": memory.id, "supersedes": memory_id}


def _tool(
    function: Callable[..., Any],
    coroutine: Callable[..., Any],
    schema: type[BaseModel],
    name: str,
    description: str,
) -> BaseTool:
    return StructuredTool.from_function(
        func=function,
        coroutine=coroutine,
        name=name,
        description=description,
        args_schema=schema,
        infer_schema=False,
        response_format="content_and_artifact",
        handle_tool_error=True,  # what the model got wrong is told to the model
    )


def _turn(runtime: ToolRuntime[Any, Any], middleware: str | None) -> str | None:
    """The turn of the middleware the tool belongs to, or the run's id; else one is drawn."""
    begun: str | None = turn_in(runtime.state, middleware).get("turn")
    run = runtime.execution_info
    return begun or (run.run_id if run is not None else None)
