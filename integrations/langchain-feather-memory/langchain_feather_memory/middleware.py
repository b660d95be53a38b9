"""LangChain's `AgentMiddleware` over a tenant's memory. Needs the extra `agents`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, NotRequired

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage
from langgraph.config import get_config
from langgraph.runtime import Runtime
from typing_extensions import Unpack, override

from feather_memory import ParameterError, Store
from feather_memory.agent import (
    RECALLED,
    STAMP,
    Opened,
    RecallEvent,
    Remembering,
    Said,
    Save,
    checked_save,
    ids_of,
    latest_known,
    named_too,
    remembering,
    stamp,
    worth,
)
from langchain_feather_memory._conversation import (
    STATE,
    answered,
    asked,
    before,
    both_sides,
    said_in,
    thread_of,
    turn_in,
)
from langchain_feather_memory._source import MemoryAccess, MemoryOptions
from langchain_feather_memory.tools import tools_over

NAME: Final = "FeatherMemoryMiddleware"


class FeatherMemoryState(AgentState[Any]):
    """The agent's state, with what the middleware knows of the turn under way."""

    feather_memory: NotRequired[Annotated[dict[str, Any], PrivateStateAttr]]
    """By the middleware's name: {turn, tenant, asked, prompt}. Begun anew at every turn."""


class FeatherMemoryMiddleware(AgentMiddleware[FeatherMemoryState, Any, Any]):
    """Memory across threads for `create_agent`: recalled before the agent, saved after it.

    Before the agent it recalls what the user's message is about, once a turn: current facts only,
    and nothing that the model sees in the thread anyway. It appends them to the system message of
    every model call, fenced as data; they never enter the history. After the agent it remembers
    what the user said and what was answered, linked in the order of the conversation, under the
    thread's id as their session.

    A recall is logged under the caller's `run_id`, else under a name of its own. The model's
    messages are names of that turn, too, so `MemoryFeedback` finds it by any of them.

    Args:
        store: An open store, of one tenant. The caller closes it.
        pool: Instead, many tenants. A run names its own by `tenant`, else by
            `configurable[tenant_key]`, else by `runtime.context`; a run that names none is refused.
        layers: Instead, stores that are read together, such as the user's and the team's; what is
            said is saved to the nearest.
        tenant: Whose every run is.
        tenant_key: What the tenant is called in `configurable`, and in the context, as its
            attribute or key.
        embedding: Embeds queries and what is saved; the store's own embedder does unless given.
        k: How many memories the message itself finds.
        hops: How far to walk from those along the edges.
        limit: How many there may be in all, where `hops` is above 0.
        scoring: How relevance, age and importance weigh.
        where: Only memories this filter lets through. A dict is over metadata.
        session: Only memories of this session are recalled.
        reinforce: Whether being recalled slows a memory's decay.
        max_tokens: Of what is added to the system message. Memories are dropped whole, and the
            best are kept.
        count_tokens: Of a text; an estimate of four characters a token unless given.
        save: "turns" for both sides, "user" for what the user said, or "none".
        tools: Whether the agent gets `search_memory`, `save_memory` and `correct_memory`.
        name: Of this middleware; several in one agent need several names.
    """

    state_schema = FeatherMemoryState

    def __init__(
        self,
        *,
        save: Save = "turns",
        tools: bool = False,
        name: str = NAME,
        **options: Unpack[MemoryOptions],
    ) -> None:
        super().__init__()
        self._access = MemoryAccess.of("FeatherMemoryMiddleware", options, with_ids=tools)
        self._save = checked_save(save)
        self._own_name = name
        self.tools = tools_over(self._access, name) if tools else []

    @property
    @override
    def name(self) -> str:
        """Of this middleware, as LangChain sees it."""
        return self._own_name

    @override
    def before_agent(self, state: FeatherMemoryState, runtime: Runtime[Any]) -> dict[str, Any]:
        """Recall what the user's message is about."""
        said = asked(state["messages"])
        vector = self._access.vector("\n".join(one.text for one in said))
        begun, event = self._recall(state, runtime, said, vector)
        if event["ids"]:
            dispatch_custom_event(RECALLED, event)
        return begun

    @override
    async def abefore_agent(
        self, state: FeatherMemoryState, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        """As `before_agent`; embeds with `aembed_query` and reads in a thread."""
        said = asked(state["messages"])
        vector = await self._access.avector("\n".join(one.text for one in said))
        begun, event = await asyncio.to_thread(self._recall, state, runtime, said, vector)
        if event["ids"]:
            await adispatch_custom_event(RECALLED, event)
        return begun

    @override
    def wrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], ModelResponse[Any]],
    ) -> ModelResponse[Any]:
        """Show the model what was recalled; its answer says which turn it is of."""
        turn = turn_in(request.state, self._own_name)
        if not turn:
            return handler(request)
        opened = self._opened(request.runtime, turn)
        response = handler(_with_memories(request, turn))
        _name(opened, turn, response.result)
        return _stamped(response, turn)

    @override
    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """As `wrap_model_call`; touches the file in a thread."""
        turn = turn_in(request.state, self._own_name)
        if not turn:
            return await handler(request)
        opened = await asyncio.to_thread(self._opened, request.runtime, turn)
        response = await handler(_with_memories(request, turn))
        await asyncio.to_thread(_name, opened, turn, response.result)
        return _stamped(response, turn)

    @override
    def after_agent(self, state: FeatherMemoryState, runtime: Runtime[Any]) -> None:
        """Remember what was said."""
        if (told := self._said(state, runtime)) is not None:
            store, new, after = told
            new.write(store, self._access.vectors(new.texts), after=after)

    @override
    async def aafter_agent(self, state: FeatherMemoryState, runtime: Runtime[Any]) -> None:
        """As `after_agent`; embeds with `aembed_documents` and writes in a thread."""
        told = await asyncio.to_thread(self._said, state, runtime)
        if told is not None:
            store, new, after = told
            vectors = await self._access.avectors(new.texts)
            await asyncio.to_thread(new.write, store, vectors, after=after)

    def _recall(
        self,
        state: FeatherMemoryState,
        runtime: Runtime[Any],
        said: list[Said],
        vector: list[float] | None,
    ) -> tuple[dict[str, Any], RecallEvent]:
        """The turn that begins, as a change of the state; and the event of its recall."""
        config = get_config()
        opened = self._access.opened(config, runtime.context)
        run = runtime.execution_info
        recalled = self._access.told(
            opened,
            [one.text for one in said],
            vector,
            turn=(run and run.run_id) or os.urandom(8).hex(),
            seen=ids_of(said_in(state["messages"]), thread_of(config)),
        )
        begun = {
            "turn": recalled.turn,
            "tenant": recalled.tenant,
            "asked": [{"id": one.message_id, "text": one.text} for one in said],
            "prompt": recalled.prompt,
        }
        return {STATE: {**state.get(STATE, {}), self._own_name: begun}}, recalled.event

    def _opened(self, runtime: Runtime[Any], turn: Mapping[str, Any]) -> Opened:
        """What the turn was begun in.

        Raises:
            ParameterError: The run was interrupted, and went on for another tenant.
        """
        opened = self._access.opened(get_config(), runtime.context)
        if opened.tenant != turn["tenant"]:
            raise ParameterError(
                f"the turn was begun for tenant {turn['tenant']!r} and goes on for "
                f"{opened.tenant!r}"
            )
        return opened

    def _said(
        self, state: FeatherMemoryState, runtime: Runtime[Any]
    ) -> tuple[Store, Remembering, str | None] | None:
        """What of the turn is new, where it is to be written, and after which memory.

        None for a turn in which nothing was asked, or that was interrupted before this was there.
        """
        turn, messages = turn_in(state, self._own_name), state["messages"]
        if not turn or not turn["asked"]:
            return None
        opened, thread = self._opened(runtime, turn), thread_of(get_config())
        first, last = turn["asked"][0]["id"], turn["asked"][-1]["id"]
        if (answer := answered(messages, last)) is not None:
            _name(opened, turn, [answer])  # another middleware may have given it a new id
        said = worth(both_sides(messages, turn["asked"]), self._save)
        new = remembering(opened.writes, said, session=thread, turn=turn["turn"], are_said_now=True)
        after = latest_known(opened.writes, ids_of(before(messages, first), thread))
        return opened.writes, new, after


def _name(opened: Opened, turn: Mapping[str, Any], messages: Iterable[BaseMessage]) -> None:
    """Make the messages' ids names of the turn, if anything was recalled in it."""
    for message in messages:
        if isinstance(message, AIMessage) and message.id:
            named_too(opened, turn["turn"], message.id)


def _with_memories(request: ModelRequest[Any], turn: Mapping[str, Any]) -> ModelRequest[Any]:
    """The request with the memories after all that its system message says.

    What was there stays as it was, so that a model's cache of it stays valid.
    """
    prompt = turn["prompt"]
    if not prompt:
        return request
    system = request.system_message
    if system is None:
        message = SystemMessage(content=[{"type": "text", "text": prompt}])
    else:
        said = system.content
        there = [{"type": "text", "text": said}] if isinstance(said, str) else said
        block = {"type": "text", "text": f"\n\n{prompt}"}
        message = system.model_copy(update={"content": [*there, block]})
    return request.override(system_message=message)


def _stamped(response: ModelResponse[Any], turn: Mapping[str, Any]) -> ModelResponse[Any]:
    """The response, whose messages say which turn they answer."""
    said = {STAMP: stamp(turn["turn"], turn["tenant"])}
    return replace(response, result=[_saying(message, said) for message in response.result])


def _saying(message: BaseMessage, said: dict[str, Any]) -> BaseMessage:
    if not isinstance(message, AIMessage):
        return message
    return message.model_copy(update={"response_metadata": {**message.response_metadata, **said}})
