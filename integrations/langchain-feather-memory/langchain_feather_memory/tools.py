"""Tools with which an agent uses its memory by itself. Needs the extra `agents`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from langchain.tools import ToolRuntime
from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.tools import StructuredTool, ToolException
from pydantic import BaseModel, Field
from typing_extensions import Unpack

from feather_memory import ParameterError, UnknownMemoryError
from langchain_feather_memory._access import MemoryAccess, MemoryOptions, same_id
from langchain_feather_memory._conversation import remembered_as
from langchain_feather_memory._prompt import fenced
from langchain_feather_memory._turns import RECALLED, STATE, recalled, thread_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langchain_core.tools import BaseTool

    from feather_memory import Store


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
    name of its own that its artifact says. What is saved is of the thread's session.

    Raises:
        ParameterError: Not exactly one of `store` and `pool`, or a number below its least.
    """
    return tools_over(MemoryAccess(**options, with_ids=True), None)


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
    def found(
        query: str, vector: list[float] | None, runtime: ToolRuntime[Any, Any]
    ) -> tuple[str, dict[str, Any], dict[str, Any]]:
        store = access.store_of(runtime.config, runtime.context)
        if not query.strip():
            raise ToolException("the query is blank")
        seen = remembered_as(runtime.state.get("messages") or [], thread_of(runtime.config))
        turn = _turn(runtime, middleware)
        turn, hits = access.recalled(store, [query], vector, turn=turn, seen=seen)
        memories = [
            {"id": hit.memory.id, "text": hit.memory.text, "score": hit.score.value} for hit in hits
        ]
        artifact = {"turn": turn, "tenant": store.tenant, "memories": memories}
        content = fenced(hits, with_ids=True) if hits else "Nothing is remembered about that."
        return content, artifact, recalled(turn or "", store, hits)

    def search(query: str, runtime: ToolRuntime[Any, Any]) -> tuple[str, dict[str, Any]]:
        content, artifact, event = found(query, access.vector(query), runtime)
        if event["ids"]:
            dispatch_custom_event(RECALLED, event)
        return content, artifact

    async def asearch(query: str, runtime: ToolRuntime[Any, Any]) -> tuple[str, dict[str, Any]]:
        vector = await access.avector(query)
        content, artifact, event = await asyncio.to_thread(found, query, vector, runtime)
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


def _writing_tool(
    access: MemoryAccess,
    write: Callable[..., tuple[str, dict[str, Any]]],
    schema: type[BaseModel],
    name: str,
    description: str,
) -> BaseTool:
    """A tool that remembers a text: `write` is given the store, and how to remember it."""

    def written(
        runtime: ToolRuntime[Any, Any],
        said: Mapping[str, str | None],
        vectors: list[list[float]] | None,
    ) -> tuple[str, dict[str, Any]]:
        store = access.store_of(runtime.config, runtime.context)
        fields = {
            "id": _id_of(runtime, *(said[name] for name in sorted(said))),
            "session": thread_of(runtime.config),
            "vector": vectors[0] if vectors else None,
        }
        try:
            content, artifact = write(store, fields, **said)
        except (ParameterError, UnknownMemoryError) as error:
            raise ToolException(str(error)) from error
        return content, {**artifact, "tenant": store.tenant}

    def use(runtime: ToolRuntime[Any, Any], text: str, **said: str | None) -> Any:
        return written(runtime, {"text": text, **said}, access.vectors([text]))

    async def ause(runtime: ToolRuntime[Any, Any], text: str, **said: str | None) -> Any:
        vectors = await access.avectors([text])
        return await asyncio.to_thread(written, runtime, {"text": text, **said}, vectors)

    return _tool(use, ause, schema, name, description)


def _save(
    store: Store, fields: dict[str, Any], *, text: str, key: str | None = None
) -> tuple[str, dict[str, Any]]:
    memory = store.add(text, key=key, **fields)
    replaced = f"; it replaces {', '.join(memory.supersedes)}" if memory.supersedes else ""
    return f"Saved as {memory.id}{replaced}.", {"id": memory.id}


def _correct(
    store: Store, fields: dict[str, Any], *, text: str, memory_id: str
) -> tuple[str, dict[str, Any]]:
    """Replace a memory, if it is current: two corrections of one would both be."""
    replaced_by = store.get(memory_id).superseded_by
    if replaced_by and fields["id"] not in replaced_by:
        raise ToolException(f"{memory_id} was replaced already, by {', '.join(replaced_by)}")
    memory = store.supersede(memory_id, text, **fields)
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
    turns = runtime.state.get(STATE, {}) if middleware is not None else {}
    begun = turns.get(middleware, {}).get("turn")
    run = runtime.execution_info
    return begun or (run.run_id if run is not None else None)


def _id_of(runtime: ToolRuntime[Any, Any], *said: str | None) -> str:
    """The id of what one call writes: a call that is run again writes nothing new."""
    messages = runtime.state.get("messages") or []
    calling = messages[-1].id if messages else None
    return same_id(thread_of(runtime.config), calling, runtime.tool_call_id, *said)
