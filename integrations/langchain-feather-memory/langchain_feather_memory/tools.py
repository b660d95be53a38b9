"""Tools with which an agent uses its memory by itself. Needs the extra `agents`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from langchain.tools import ToolRuntime
from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, Field
from typing_extensions import Unpack

from feather_memory import ParameterError, UnknownMemoryError
from feather_memory.agent import RECALLED, Opened, RecallEvent, correct, ids_of, save_fact
from langchain_feather_memory._conversation import said_in, thread_of, turn_in
from langchain_feather_memory._source import MemoryAccess, MemoryOptions


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


def memory_tools(**options: Unpack[MemoryOptions]) -> list[BaseTool]:
    """`search_memory`, `save_memory` and `correct_memory`, for `create_agent(model, tools)`.

    The options are those of `FeatherMemoryMiddleware`. The model never sees nor says whose memory
    it is: the run's tenant is. A search is a recall, logged under the run's `run_id`, else under a
    name of its own that its artifact says. What is saved is of the thread's session. A correction
    supersedes what is current of the memory it names, and keeps what is not about its text.

    Raises:
        ParameterError: Not exactly one of `store`, `pool` and `layers`, or a number below its
            least.
    """
    return tools_over(MemoryAccess.of("memory_tools", options, with_ids=True), None)


def tools_over(access: MemoryAccess, middleware: str | None) -> list[BaseTool]:
    """The tools; their recalls are of the turn that the middleware of this name has begun."""
    return [
        _search_tool(access, middleware),
        _writing_tool(
            access,
            _save,
            SaveMemory,
            "save_memory",
            "Remember one fact for later conversations, such as a preference or a decision.",
        ),
        _writing_tool(
            access,
            _correct,
            CorrectMemory,
            "correct_memory",
            "Replace a memory that is wrong or out of date by what is true now.",
        ),
    ]


def _search_tool(access: MemoryAccess, middleware: str | None) -> BaseTool:
    def search(query: str, runtime: ToolRuntime[Any, Any]) -> tuple[str, dict[str, Any]]:
        content, artifact, event = _found(access, middleware, runtime, query, access.vector(query))
        if event["ids"]:
            dispatch_custom_event(RECALLED, event)
        return content, artifact

    async def asearch(query: str, runtime: ToolRuntime[Any, Any]) -> tuple[str, dict[str, Any]]:
        vector = await access.avector(query)
        content, artifact, event = await asyncio.to_thread(
            _found, access, middleware, runtime, query, vector
        )
        if event["ids"]:
            await adispatch_custom_event(RECALLED, event)
        return content, artifact

    return _tool(
        search,
        asearch,
        SearchMemory,
        "search_memory",
        "Look up what is remembered about something from earlier conversations. Returns memories "
        "with their ids.",
    )


def _found(
    access: MemoryAccess,
    middleware: str | None,
    runtime: ToolRuntime[Any, Any],
    query: str,
    vector: list[float] | None,
) -> tuple[str, dict[str, Any], RecallEvent]:
    """What the model is told, its artifact, and the event of the recall."""
    opened = access.opened(runtime.config, runtime.context)
    if not query.strip():
        raise ToolException("the query is blank")
    said = said_in(runtime.state.get("messages") or [])
    recalled = access.told(
        opened,
        [query],
        vector,
        turn=_turn(runtime, middleware),
        seen=ids_of(said, thread_of(runtime.config)),
    )
    memories = [
        {"id": hit.memory.id, "text": hit.memory.text, "score": hit.score.value}
        for hit in recalled.hits
    ]
    artifact = {"turn": recalled.turn, "tenant": recalled.tenant, "memories": memories}
    content = recalled.prompt or "Nothing is remembered about that."
    return content, artifact, recalled.event


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
        said: Mapping[str, str | None],
        vectors: list[list[float]] | None,
    ) -> tuple[str, dict[str, Any]]:
        opened = access.opened(runtime.config, runtime.context)
        try:
            content, artifact = write(opened, runtime, vectors and vectors[0], **said)
        except (ParameterError, UnknownMemoryError) as error:
            raise ToolException(str(error)) from error
        return content, {**artifact, "tenant": opened.tenant}

    def use(runtime: ToolRuntime[Any, Any], text: str, **said: str | None) -> Any:
        return written(runtime, {"text": text, **said}, access.vectors([text]))

    async def ause(runtime: ToolRuntime[Any, Any], text: str, **said: str | None) -> Any:
        vectors = await access.avectors([text])
        return await asyncio.to_thread(written, runtime, {"text": text, **said}, vectors)

    return _tool(use, ause, schema, name, description)


def _save(
    opened: Opened,
    runtime: ToolRuntime[Any, Any],
    vector: list[float] | None,
    *,
    text: str,
    key: str | None = None,
) -> tuple[str, dict[str, Any]]:
    """Remember a fact; a call that is run again writes nothing new."""
    thread, messages = thread_of(runtime.config), runtime.state.get("messages") or []
    calling = messages[-1].id if messages else None
    step = (calling, runtime.tool_call_id)
    memory = save_fact(opened, text, step=step, key=key, session=thread, vector=vector)
    replaced = f"; it replaces {', '.join(memory.supersedes)}" if memory.supersedes else ""
    return f"Saved as {memory.id}{replaced}.", {"id": memory.id}


def _correct(
    opened: Opened,
    _: ToolRuntime[Any, Any],
    vector: list[float] | None,
    *,
    text: str,
    memory_id: str,
) -> tuple[str, dict[str, Any]]:
    memory = correct(opened, memory_id, text, vector=vector)
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
