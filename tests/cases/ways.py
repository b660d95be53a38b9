"""The ways in, each with what it can do; what one cannot is done by the library on its store.

So another program is at work beside it, and what is asked through the way itself has to notice.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
from asgi import living
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_feather_memory import memory_tools
from llama_index.memory.feather import feather_tools, feather_turn
from mcp import Client

from feather_memory import ContextLayers, TenantPool
from feather_memory.agent import FITTING, Opened, RecallOptions, Source, correct
from feather_memory.doors.keys import Grant, KeyRing
from feather_memory.doors.mcp import memory_server
from feather_memory.doors.service import ServiceSettings, service_app
from feather_memory.doors.verbs import Terms
from feather_memory.testing import FrozenClock, HashEmbedder

K = 5


class Library:
    """The library's own verbs, on the stores of one tenant and its layers."""

    takes_back = True
    """Whether it can be asked what was true then."""

    def __init__(self, place, case, keys=None):
        """Over the tenants of a directory, or of a database; then the keys are elsewhere."""
        self.clock = FrozenClock()
        self.pool = TenantPool(place, embedder=HashEmbedder(64), clock=self.clock)
        self.keys, self.database = (place, None) if keys is None else (keys, place)
        self.case = case
        self.own = self.pool.get("own")
        named = {layer: self.pool.get(layer) for layer in case.layers}
        self.reads = ContextLayers(user=self.own, **named) if named else self.own

    @asynccontextmanager
    async def opened(self):
        with self.pool:
            yield self
            names = self.pool.tenants()
            assert [name for name in names if self.pool.get(name).check()] == []

    async def remember(self, text, key, since):
        self.own.add(text, key=key, valid_from=since, origin=self.case.origin)

    async def correct(self, memory_id, text):
        correct(Opened.of(self.own), memory_id, text, origin=self.case.origin)

    async def recall(self, question, as_of=None):
        """Texts, best first, and the turn."""
        hits = self.reads.recall(question, K, min_relevance=FITTING, as_of=as_of)
        return [hit.memory.text for hit in hits], hits.turn

    async def feedback(self, turn, kind, memory_id):
        self.reads.feedback(turn, kind, memory_ids=[memory_id])

    async def forget(self, ids):
        self.own.forget(ids)

    def id_of(self, text):
        return next(m.id for m in self.own.latest(99) if m.text == text)


class Mcp(Library):
    """The SDK's client, in process."""

    @asynccontextmanager
    async def opened(self):
        given = {"layers": self.reads} if self.case.layers else {"store": self.own}
        options = RecallOptions(k=K, min_relevance=FITTING)
        server = memory_server(
            Source.chosen("mcp", **given), Terms(origin=self.case.origin, options=options)
        )
        async with super().opened(), Client(server) as self.client:
            yield self

    async def _called(self, tool, **arguments):
        given = {name: value for name, value in arguments.items() if value is not None}
        done = await self.client.call_tool(tool, given)
        assert not done.is_error, done.content
        return done.structured_content

    async def remember(self, text, key, since):
        await self._called("remember", text=text, key=key, since=since)

    async def correct(self, memory_id, text):
        await self._called("correct", memory_id=memory_id, text=text)

    async def recall(self, question, as_of=None):
        told = await self._called("recall", question=question, as_of=as_of, budget=9_999)
        return [memory["text"] for memory in told["memories"]], told["turn"]

    async def forget(self, ids):
        plan = await self._called("forget", ids=ids)
        await self._called("forget", ids=ids, confirm=plan["confirm"])


class Http(Library):
    """The service, asked by another program than the one whose pool this is."""

    @asynccontextmanager
    async def opened(self):
        key = KeyRing(self.keys).add(Grant(name="all", prefix=""))
        app = service_app(
            ServiceSettings(
                directory=self.keys, database=self.database,
                embedder=lambda: HashEmbedder(64), clock=self.clock, rate=0,
            )
        )  # fmt: skip
        async with (
            living(app),
            super().opened(),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://localhost",
                headers={"Authorization": f"Bearer {key}"},
            ) as self.client,
        ):
            yield self

    async def _posted(self, path, **body):
        answer = await self.client.post(f"/v1/{path}", json={"tenant": "own", **body})
        assert answer.is_success, answer.text
        return answer.json()

    async def remember(self, text, key, since):
        await self._posted("remember", text=text, key=key, since=since, origin=self.case.origin)

    async def correct(self, memory_id, text):
        await self._posted("correct", memory_id=memory_id, text=text, origin=self.case.origin)

    async def recall(self, question, as_of=None):
        layers = {layer: layer for layer in self.case.layers}
        told = await self._posted(
            "recall", question=question, k=K, as_of=as_of, budget_tokens=9_999, **layers
        )
        return [memory["text"] for memory in told["memories"]], told["turn"]

    async def feedback(self, turn, kind, memory_id):
        await self._posted("feedback", turn=turn, kind=kind, memory_ids=[memory_id])

    async def forget(self, ids):
        plan = await self._posted("forget", ids=ids)
        await self._posted("forget", ids=ids, confirm=plan["confirm"])


class Scripted(BaseChatModel):
    """Calls one tool, then says nothing more."""

    call: AIMessage

    @property
    def _llm_type(self):
        return "scripted"

    def bind_tools(self, tools, **_):
        return self

    def _generate(self, messages, stop=None, run_manager=None, **_):
        has_called = any(message.type == "tool" for message in messages)
        message = AIMessage("Done.") if has_called else self.call
        return ChatResult(generations=[ChatGeneration(message=message)])


class LangChain(Library):
    """The tools of `langchain-feather-memory`, as an agent uses them."""

    takes_back = False

    async def _used(self, tool, **arguments):
        given = {"layers": self.reads} if self.case.layers else {"store": self.own}
        tools = memory_tools(origin=self.case.origin, k=K, max_tokens=9_999, **given)
        call = ToolCall(name=tool, args=arguments, id=str(uuid4()))
        agent = create_agent(Scripted(call=AIMessage("", tool_calls=[call])), tools)
        done = await agent.ainvoke({"messages": [("user", "Please.")]})
        (answer,) = (message for message in done["messages"] if message.type == "tool")
        assert answer.status == "success", answer.content
        return answer.artifact

    async def remember(self, text, key, since):
        if since is not None:
            return await super().remember(text, key, since)
        return await self._used("save_memory", text=text, key=key)

    async def correct(self, memory_id, text):
        await self._used("correct_memory", memory_id=memory_id, text=text)

    async def recall(self, question, as_of=None):
        told = await self._used("search_memory", query=question)
        return [memory["text"] for memory in told["memories"]], told["turn"]


class LlamaIndex(Library):
    """The tools of `llama-index-memory-feather`."""

    takes_back = False

    async def _used(self, tool, **arguments):
        given = {"layers": self.reads} if self.case.layers else {"store": self.own}
        made = feather_tools(**given, origin=self.case.origin, similarity_top_k=K)
        tools = {each.metadata.name: each for each in made}
        with feather_turn() as turn:
            return (await tools[tool].acall(**arguments)).raw_output, turn

    async def remember(self, text, key, since):
        if since is not None:
            return await super().remember(text, key, since)
        return await self._used("remember", text=text, key=key)

    async def correct(self, memory_id, text):
        await self._used("correct", memory_id=memory_id, text=text)

    async def recall(self, question, as_of=None):
        nodes, turn = await self._used("recall", query=question)
        return [node.text for node in nodes], turn


WAYS = {way.__name__: way for way in (Library, Mcp, Http, LangChain, LlamaIndex)}
