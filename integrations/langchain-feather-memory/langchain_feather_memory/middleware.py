"""LangChain's `AgentMiddleware` over a `Store` or a `TenantPool`. Needs the extra `agents`."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Final, NotRequired, get_args

from langchain.agents.middleware import AgentMiddleware, AgentState
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.messages import AIMessage, SystemMessage
from langgraph.config import get_config
from typing_extensions import Unpack, override

from feather_memory import EdgeType, ParameterError
from langchain_feather_memory._access import MemoryAccess, MemoryOptions
from langchain_feather_memory._conversation import (
    Save,
    answered,
    asked,
    before,
    remembered_as,
    spoken,
)
from langchain_feather_memory._prompt import fenced
from langchain_feather_memory._turns import (
    RECALLED,
    STAMP,
    STATE,
    named_too,
    recalled,
    stamp,
    thread_of,
)
from langchain_feather_memory.tools import tools_over

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from langchain.agents.middleware import ModelRequest, ModelResponse
    from langchain_core.messages import BaseMessage
    from langgraph.runtime import Runtime

    from feather_memory import Hit, Store

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
        if save not in get_args(Save):
            raise ParameterError(f"save must be one of {get_args(Save)}, got {save!r}")
        self._access = MemoryAccess(**options, with_ids=tools)
        self._save = save
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
        vector = self._access.vector("\n".join(_texts(said))) if said else None
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
        vector = await self._access.avector("\n".join(_texts(said))) if said else None
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
        turn = self._turn_of(request.state)
        if not turn:
            return handler(request)
        store = self._store(request.runtime, turn)
        response = handler(_with_memories(request, turn))
        _name(store, turn, response.result)
        return _stamped(response, turn)

    @override
    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """As `wrap_model_call`; touches the file in a thread."""
        turn = self._turn_of(request.state)
        if not turn:
            return await handler(request)
        store = await asyncio.to_thread(self._store, request.runtime, turn)
        response = await handler(_with_memories(request, turn))
        await asyncio.to_thread(_name, store, turn, response.result)
        return _stamped(response, turn)

    @override
    def after_agent(self, state: FeatherMemoryState, runtime: Runtime[Any]) -> None:
        """Remember what was said."""
        records = self._records(state)
        vectors = self._access.vectors([record["text"] for record in records])
        self._remember(state, runtime, records, vectors)

    @override
    async def aafter_agent(self, state: FeatherMemoryState, runtime: Runtime[Any]) -> None:
        """As `after_agent`; embeds with `aembed_documents` and writes in a thread."""
        records = self._records(state)
        vectors = await self._access.avectors([record["text"] for record in records])
        await asyncio.to_thread(self._remember, state, runtime, records, vectors)

    def _recall(
        self,
        state: FeatherMemoryState,
        runtime: Runtime[Any],
        said: list[dict[str, Any]],
        vector: list[float] | None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The turn that begins, as a change of the state; and the event of its recall."""
        store = self._access.store_of(get_config(), runtime.context)
        run = runtime.execution_info
        turn = (run and run.run_id) or os.urandom(8).hex()
        hits: list[Hit] = []
        if said:
            seen = remembered_as(state["messages"], thread_of(get_config()))
            _, hits = self._access.recalled(store, _texts(said), vector, turn=turn, seen=seen)
        begun = {
            "turn": turn,
            "tenant": store.tenant,
            "asked": said,
            "prompt": fenced(hits, with_ids=self._access.with_ids) if hits else "",
        }
        turns = {**state.get(STATE, {}), self._own_name: begun}
        return {STATE: turns}, recalled(turn, store, hits)

    def _turn_of(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """The turn under way; empty for a run that was interrupted before this was there."""
        turn: dict[str, Any] = state.get(STATE, {}).get(self._own_name, {})
        return turn

    def _store(self, runtime: Runtime[Any], turn: Mapping[str, Any]) -> Store:
        """The store the turn was begun in.

        Raises:
            ParameterError: The run was interrupted, and went on for another tenant.
        """
        store = self._access.store_of(get_config(), runtime.context)
        if store.tenant != turn["tenant"]:
            raise ParameterError(
                f"the turn was begun for tenant {turn['tenant']!r} and goes on for {store.tenant!r}"
            )
        return store

    def _records(self, state: FeatherMemoryState) -> list[dict[str, Any]]:
        turn = self._turn_of(state)
        if not turn:
            return []
        thread = thread_of(get_config())
        return spoken(state["messages"], turn["asked"], self._save, thread, turn["turn"])

    def _remember(
        self,
        state: FeatherMemoryState,
        runtime: Runtime[Any],
        records: list[dict[str, Any]],
        vectors: list[list[float]] | None,
    ) -> None:
        """Write both sides of the turn, linked to each other and to the turn before."""
        turn = self._turn_of(state)
        if not turn or not turn["asked"]:
            return
        store, messages = self._store(runtime, turn), state["messages"]
        first, last = turn["asked"][0]["id"], turn["asked"][-1]["id"]
        if (answer := answered(messages, last)) is not None:
            _name(store, turn, [answer])  # another middleware may have given it a new id
        if not records:
            return
        if vectors is not None:
            for record, vector in zip(records, vectors, strict=True):
                record["vector"] = vector
        earlier = list(remembered_as(before(messages, first), thread_of(get_config())))
        written = store.add_many(records)
        chain = [*store.get_many(earlier)[:1], *written]
        with store.transaction():
            for one, next_one in pairwise(chain):
                store.link(one.id, next_one.id, EdgeType.NEXT)


def _texts(said: list[dict[str, Any]]) -> list[str]:
    return [one["text"] for one in said]


def _name(store: Store, turn: Mapping[str, Any], messages: Iterable[BaseMessage]) -> None:
    """Make the messages' ids names of the turn, if anything was recalled in it."""
    for message in messages:
        if isinstance(message, AIMessage) and message.id:
            named_too(store, turn["turn"], message.id)


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
