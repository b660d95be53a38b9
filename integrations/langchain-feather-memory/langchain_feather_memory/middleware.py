"""LangChain's `AgentMiddleware` over a tenant's memory. Needs the extra `agents`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, NotRequired

from langchain.agents.middleware import (
    AgentMiddleware,
    AgentState,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
)
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable
from langgraph.config import get_config
from langgraph.runtime import Runtime
from langgraph.types import Command
from typing_extensions import Unpack, override

from feather_memory import Memory, ParameterError, WrongTenantError
from feather_memory.agent import (
    RECALLED,
    UNAVAILABLE,
    Exchange,
    OutageEvent,
    Recalled,
    RecallEvent,
    Save,
    checked_save,
    ids_of,
    named_too,
    unremembered,
    worth,
)
from langchain_feather_memory._access import MemoryAccess, MemoryOptions
from langchain_feather_memory._conversation import (
    STATE,
    answered,
    asked,
    before,
    blocked_in,
    both_sides,
    said_in,
    saved_in,
    thread_of,
    turn_in,
    unanswered,
)
from langchain_feather_memory._saving import Saving
from langchain_feather_memory._showing import (
    ShowIn,
    checked_show_in,
    refuse_taken_names,
    stamped,
    with_memories,
)
from langchain_feather_memory._source import Held
from langchain_feather_memory.tools import tools_over

NAME: Final = "FeatherMemoryMiddleware"


def _merged(old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any]:
    """The turns of several middlewares in one state, each of which writes its own."""
    return {**(old or {}), **(new or {})}


class FeatherMemoryState(AgentState[Any]):
    """The agent's state, with what the middleware knows of the turn under way."""

    feather_memory: NotRequired[Annotated[dict[str, Any], PrivateStateAttr, _merged]]
    """By the middleware's name: {turn, tenant, asked, prompt, answers, is_out, blocked}.

    Begun anew at every turn, but what was blocked. The tenant is the thread's.
    """


class FeatherMemoryMiddleware(Held, AgentMiddleware[FeatherMemoryState, Any, Any]):
    """Memory across threads for `create_agent`: recalled before the agent, saved after it.

    Before the agent it recalls what the user's message is about, once a turn: current facts only,
    and nothing that the model sees in the thread anyway. It appends them to the system message of
    every model call, fenced as data; they never enter the history. After the agent it remembers
    what the user said in this run, linked in the order of the conversation, under the thread's id
    as their session; with `save="all"` what the model answered, too. What a guard blocked, and what
    it or a limit said instead of the model, is not remembered.

    A thread belongs to the tenant whose run was its first: others' runs in it are refused. A memory
    that fails ends no run, unless `on_error` says so: the agent answers without, callbacks are told
    by the event `feather_memory.unavailable`, and what was to be saved is saved at a later run of
    the tenant in this process.

    A recall is logged under the caller's `run_id`, else under a name of its own. The model's
    messages are names of that turn, too, so `MemoryFeedback` finds it by any of them.

    Args:
        store: An open store, of one tenant. The caller closes it.
        pool: Instead, many tenants. A run names its own by the rule of `tenant`, else by
            `configurable[tenant_key]`, else by `runtime.context`; a run that names none is refused.
        layers: Instead, stores that are read together, such as the user's and the team's; what is
            said is saved to the nearest.
        tenant: Whose every run is; or a template such as "user:{user_id}", filled in from
            `configurable`, then from the context, with all but letters, digits and `-._~@` escaped;
            or a function of these, a `feather_memory.agent.CallFields`.
        tenant_key: What the tenant is called in `configurable`, and in the context, as its
            attribute or key: the tenant's own name, as it is.
        embedding: Embeds queries and what is saved; the store's own embedder does unless given.
        k: How many memories the message itself finds.
        hops: How far to walk from those along the edges.
        limit: How many there may be in all, where `hops` is above 0.
        scoring: How relevance, age and importance weigh.
        where: Only memories this filter lets through. A dict is over metadata.
        session: Only memories of this session are recalled.
        reinforce: Whether being recalled slows a memory's decay.
        min_relevance: Nothing is recalled where nothing is of that absolute relevance, in [0, 1];
            0.25 unless given. Questions, acknowledgements and echoes are never recalled, unless
            `where` names the manner.
        max_tokens: Of what is added to the system message. Memories are dropped whole, and the
            best are kept.
        count_tokens: Of a text; an estimate by its characters unless given.
        save: "user" for what the user said, "all" for both sides, or "none". The assistant's words
            stay in the thread.
        extract: Takes keyed facts from what the user said: a chat model, another Runnable that
            answers messages, or a function of the saved `Memory` and the keys in use that returns
            `[{"key": …, "text": …}]`, or awaits it. It is called after the answer, in a thread of
            its own; nothing waits for it but `flush`. What fails is tried again at a later turn of
            the tenant, and told by the event, whose `doing` is "extract".
        on_error: "warn", or "raise". Wrong tenants and wrong arguments always raise.
        show_in: "system", or "question": after what the user asked, where the history before it
            stays what a model's cache has of it.
        tools: Whether the agent gets `search_memory`, `save_memory` and `correct_memory`.
        origin: Of what these write; see `memory_tools`.
        name: Of this middleware; several in one agent need several names, with which their tools'
            names begin then: `team_save_memory`.
    """

    state_schema = FeatherMemoryState

    def __init__(
        self,
        *,
        save: Save = "user",
        extract: Callable[[Memory, Sequence[str]], object] | Runnable[Any, Any] | None = None,
        tools: bool = False,
        origin: str = "assistant",
        show_in: ShowIn = "system",
        name: str = NAME,
        **options: Unpack[MemoryOptions],
    ) -> None:
        super().__init__()
        self._access = MemoryAccess.of(
            "FeatherMemoryMiddleware", options, with_ids=tools, origin=origin
        )
        self._save = checked_save(save)
        self._show_in = checked_show_in(show_in)
        self._own_name = name
        self._saving = Saving(self._access, self._save, extract)
        called = None if name == NAME else name
        self.tools = tools_over(self._access, name, called=called) if tools else []

    @property
    @override
    def name(self) -> str:
        """Of this middleware, as LangChain sees it."""
        return self._own_name

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until the facts of what was saved are taken; those that failed are tried again.

        In async code call it by `asyncio.to_thread`.

        Args:
            timeout: Seconds; without it, as long as it takes.

        Returns:
            False if not all are taken.
        """
        return self._saving.flush(timeout)

    @override
    def before_agent(self, state: FeatherMemoryState, runtime: Runtime[Any]) -> dict[str, Any]:
        """Recall what the user's message is about."""
        begun, said = self._begun(state, runtime)
        recalled: Recalled | None = None
        with self._access.outages("recall", begun["tenant"]) as failed:
            vector = self._access.vector("\n".join(said))
            recalled = self._recalled(state, begun, said, vector)
        for name, event in _events(recalled, failed):
            dispatch_custom_event(name, event)
        return self._with(begun, recalled, failed)

    @override
    async def abefore_agent(
        self, state: FeatherMemoryState, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        """As `before_agent`; embeds with `aembed_query` and reads in a thread."""
        begun, said = await asyncio.to_thread(self._begun, state, runtime)
        recalled: Recalled | None = None
        with self._access.outages("recall", begun["tenant"]) as failed:
            vector = await self._access.avector("\n".join(said))
            recalled = await asyncio.to_thread(self._recalled, state, begun, said, vector)
        for name, event in _events(recalled, failed):
            await adispatch_custom_event(name, event)
        return self._with(begun, recalled, failed)

    @override
    def wrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], ModelResponse[Any]],
    ) -> ModelResponse[Any] | ExtendedModelResponse[Any]:
        """Show the model what was recalled; its answer says which turn it is of."""
        refuse_taken_names(self.tools, request.tools)
        turn = turn_in(request.state, self._own_name)
        if not turn:
            return handler(request)
        self._refuse_another(request.runtime, turn)
        response = handler(with_memories(request, turn, self._show_in))
        for outage in self._named(turn, response.result):
            dispatch_custom_event(UNAVAILABLE, outage)
        return self._answering(response, turn)

    @override
    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any] | ExtendedModelResponse[Any]:
        """As `wrap_model_call`; touches the file in a thread."""
        refuse_taken_names(self.tools, request.tools)
        turn = turn_in(request.state, self._own_name)
        if not turn:
            return await handler(request)
        await asyncio.to_thread(self._refuse_another, request.runtime, turn)
        response = await handler(with_memories(request, turn, self._show_in))
        for outage in await asyncio.to_thread(self._named, turn, response.result):
            await adispatch_custom_event(UNAVAILABLE, outage)
        return self._answering(response, turn)

    @override
    def after_agent(
        self, state: FeatherMemoryState, runtime: Runtime[Any]
    ) -> dict[str, Any] | None:
        """Remember what was said; of what was blocked, that it was."""
        exchange, failed = self._said(state, runtime)
        if exchange is not None:
            tenant = turn_in(state, self._own_name)["tenant"]
            failed += self._saving.save(tenant, exchange)
            failed += self._saving.untold(tenant)
        for outage in failed:
            dispatch_custom_event(UNAVAILABLE, outage)
        return unanswered(state, self._own_name)

    @override
    async def aafter_agent(
        self, state: FeatherMemoryState, runtime: Runtime[Any]
    ) -> dict[str, Any] | None:
        """As `after_agent`; embeds with `aembed_documents` and writes in a thread."""
        exchange, failed = await asyncio.to_thread(self._said, state, runtime)
        if exchange is not None:
            tenant = turn_in(state, self._own_name)["tenant"]
            failed += await self._saving.asave(tenant, exchange)
            failed += self._saving.untold(tenant)
        for outage in failed:
            await adispatch_custom_event(UNAVAILABLE, outage)
        return unanswered(state, self._own_name)

    def _begun(
        self, state: FeatherMemoryState, runtime: Runtime[Any]
    ) -> tuple[dict[str, Any], list[str]]:
        """The turn that begins, of which nothing is recalled yet; and what was asked.

        Raises:
            WrongTenantError: The thread is another tenant's: what was said in it is theirs.
        """
        config, run = get_config(), runtime.execution_info
        tenant = self._access.tenant(config, runtime.context)
        first = turn_in(state, self._own_name).get("tenant")
        if first is not None and first != tenant:
            thread = f"thread {thread_of(config)!r}"
            raise WrongTenantError(thread, expected=str(tenant), found=first)
        blocked = blocked_in(state, self._own_name)
        said = asked(state["messages"], blocked)
        begun = {
            "turn": (run and run.run_id) or os.urandom(8).hex(),
            "tenant": tenant,
            "asked": [{"id": one.message_id, "text": one.text} for one in said],
            "prompt": "",
            "answers": [],
            "is_out": False,
            "blocked": blocked,
        }
        return begun, [one.text for one in said]

    def _recalled(
        self,
        state: FeatherMemoryState,
        begun: Mapping[str, Any],
        said: list[str],
        vector: list[float] | None,
    ) -> Recalled | None:
        """What the model is told; None where the tenant has no memory, and none is made by it."""
        tenant = begun["tenant"]
        if self._saving.owes(tenant):
            self._saving.settle(tenant)
        opened = self._access.found(tenant)
        if opened is None:
            return None
        history, thread = said_in(state["messages"]), thread_of(get_config())
        seen = ids_of(history, thread)
        # A client without threads sends the history anew, under ids that no memory has.
        shown = unremembered(opened.writes, history, thread)
        turn = begun["turn"]
        return self._access.told(opened, said, vector, turn=turn, seen=seen, shown=shown)

    def _with(
        self,
        begun: dict[str, Any],
        recalled: Recalled | None,
        failed: Sequence[OutageEvent],
    ) -> dict[str, Any]:
        """The turn that begins, as a change of the state."""
        prompt = "" if recalled is None else recalled.prompt
        return {STATE: {self._own_name: {**begun, "prompt": prompt, "is_out": bool(failed)}}}

    def _refuse_another(self, runtime: Runtime[Any], turn: Mapping[str, Any]) -> None:
        """Nothing, if the run is for whom the turn was begun.

        Raises:
            ParameterError: The run was interrupted, and went on for another tenant.
        """
        tenant = self._access.tenant(get_config(), runtime.context)
        if tenant != turn["tenant"]:
            raise ParameterError(
                f"the turn was begun for tenant {turn['tenant']!r} and goes on for {tenant!r}"
            )

    def _named(self, turn: Mapping[str, Any], messages: Iterable[BaseMessage]) -> list[OutageEvent]:
        """Make the messages' ids names of the turn, if anything was recalled in it."""
        ids = [each.id for each in messages if isinstance(each, AIMessage) and each.id]
        if turn.get("is_out") or not ids:
            return []  # nothing was logged that could be named
        with self._access.outages("name", turn["tenant"]) as failed:
            if (opened := self._access.found(turn["tenant"])) is not None:
                for id_ in ids:
                    named_too(opened, turn["turn"], id_)
        return failed

    def _answering(
        self, response: ModelResponse[Any], turn: Mapping[str, Any]
    ) -> ExtendedModelResponse[Any]:
        """The response, whose messages are known as this turn's: by a stamp, and by their ids."""
        ids = [each.id for each in response.result if each.id]
        told = {**turn, "answers": [*turn.get("answers", ()), *ids]}
        command: Command[Any] = Command(update={STATE: {self._own_name: told}})
        return ExtendedModelResponse(model_response=stamped(response, turn), command=command)

    def _said(
        self, state: FeatherMemoryState, runtime: Runtime[Any]
    ) -> tuple[Exchange | None, list[OutageEvent]]:
        """What of the turn is to be remembered; and what failed.

        None where nothing was asked of the model in this run: another middleware ended it.
        """
        turn, messages = turn_in(state, self._own_name), state["messages"]
        was_asked, answer = answered(messages, turn) if turn else (False, None)
        if not was_asked or not turn["asked"]:
            return None, []
        self._refuse_another(runtime, turn)
        # Another middleware may have given the answer a new id.
        failed = [] if answer is None else self._named(turn, [answer])
        thread = thread_of(get_config())
        said = worth(both_sides(messages, turn["asked"], answer), self._save)
        if not said:
            return None, failed
        earlier = before(messages, turn["asked"][0]["id"])
        exchange = Exchange(
            said=tuple(said),
            session=thread,
            turn=turn["turn"],
            before=tuple(ids_of(earlier, thread)),
            facts=tuple(saved_in(messages, [tool.name for tool in self.tools])),
            origin=self._access.origin,
        )
        return exchange, failed


def _events(
    recalled: Recalled | None, failed: Sequence[OutageEvent]
) -> list[tuple[str, RecallEvent | OutageEvent]]:
    """What callbacks are told, by its name."""
    told: list[tuple[str, RecallEvent | OutageEvent]] = [(UNAVAILABLE, each) for each in failed]
    if recalled is not None and recalled.hits:
        told.append((RECALLED, recalled.event))
    return told
