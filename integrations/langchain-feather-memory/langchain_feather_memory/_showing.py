"""What a middleware puts before a model, and what it makes of the model's answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast, get_args

from langchain.agents.middleware import ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.tools import BaseTool

from feather_memory import ParameterError
from feather_memory.agent import STAMP, stamp

ShowIn = Literal["system", "question"]
"""Where a model finds its memories: after the system message, or after what the user asked."""


def checked_show_in(show_in: str) -> ShowIn:
    """Where memories are shown, if it is one of the two.

    Raises:
        ParameterError: It is not.
    """
    if show_in not in get_args(ShowIn):
        raise ParameterError(f"show_in must be one of {get_args(ShowIn)}, got {show_in!r}")
    return cast("ShowIn", show_in)


def with_memories(
    request: ModelRequest[Any], turn: Mapping[str, Any], show_in: ShowIn
) -> ModelRequest[Any]:
    """The request with the turn's memories.

    What stands before them stays as it was, so that a model's cache of it stays valid.
    """
    prompt = turn["prompt"]
    if not prompt:
        return request
    if show_in == "question":
        asked = {one["id"] for one in turn["asked"]}
        for at in range(len(request.messages) - 1, -1, -1):
            message = request.messages[at]
            if isinstance(message, HumanMessage) and message.id in asked:
                told = [*request.messages]
                told[at] = _ending_in(message, prompt)
                return request.override(messages=told)
    system = request.system_message  # there, too, where a middleware took the question away
    if system is None:
        system = SystemMessage(content=[{"type": "text", "text": prompt}])
    else:
        system = _ending_in(system, prompt)
    return request.override(system_message=system)


def stamped(response: ModelResponse[Any], turn: Mapping[str, Any]) -> ModelResponse[Any]:
    """The response, whose messages say which turn they answer."""
    said = {STAMP: stamp(turn["turn"], turn["tenant"])}
    return replace(response, result=[_saying(message, said) for message in response.result])


def refuse_taken_names(tools: Iterable[BaseTool], bound: Sequence[object]) -> None:
    """Nothing, if an agent's tools of these names are these.

    Raises:
        ParameterError: Another has taken a name: LangChain binds one tool to it, and a fact would
            go to the other's memory.
    """
    own = {tool.name: tool for tool in tools}
    for other in bound:
        tool = own.get(_called(other) or "")
        if tool is not None and other is not tool:
            raise ParameterError(
                f"two tools of this agent are called {tool.name!r}: give the middleware, or "
                "memory_tools, a name= of its own, which its tools then begin with"
            )


def _called(tool: object) -> str | None:
    """What a tool is called: LangChain's own, or as a provider describes one."""
    if not isinstance(tool, Mapping):
        return getattr(tool, "name", None)
    described = tool.get("function")
    return (described if isinstance(described, Mapping) else tool).get("name")


def _ending_in(message: Any, prompt: str) -> Any:
    said = message.content
    there = [{"type": "text", "text": said}] if isinstance(said, str) else said
    block = {"type": "text", "text": f"\n\n{prompt}"}
    return message.model_copy(update={"content": [*there, block]})


def _saying(message: BaseMessage, said: dict[str, Any]) -> BaseMessage:
    # A model's message has an id; that of a middleware nearer to the model, in its place, has none.
    if not isinstance(message, AIMessage) or message.id is None:
        return message
    return message.model_copy(update={"response_metadata": {**message.response_metadata, **said}})
