"""Who is told the ninety days, and how each is asked what it would show a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_feather_memory import FeatherMemoryMiddleware
from llama_index.core.llms import ChatMessage
from llama_index.memory.feather import FeatherMemory
from pydantic import Field

from feather_memory import EdgeType, F, Store
from feather_memory.testing import FrozenClock
from feather_memory.testing.days import END, SHOWN, Line, Script, lines_in

Show = Callable[[str], Sequence[Line]]
Door = Callable[[Store, FrozenClock, Script], Show]
"""Tells a store the script, and returns what shows memories for a question."""

AFTER: Final = "after"  # the session of the questions of the end


def store(opened: Store, clock: FrozenClock, script: Script) -> Show:
    """Both sides of every exchange, and the five that a search finds."""
    for exchange in script.exchanges:
        clock.set(exchange.at)
        opened.add(exchange.user, role="user", session=exchange.session)
        opened.add(exchange.assistant, role="assistant", session=exchange.session)
    clock.set(END)
    return lambda question: [Line(hit.memory.text) for hit in opened.search(question, SHOWN)]


def statements(opened: Store, clock: FrozenClock, script: Script) -> Show:
    """What the user says, and the five statements among it that a search finds."""
    for exchange in script.exchanges:
        clock.set(exchange.at)
        opened.add(exchange.user, role="user", session=exchange.session)
    return _stated(opened, clock)


def _stated(opened: Store, clock: FrozenClock) -> Show:
    clock.set(END)
    said = F("manner") == "statement"

    def show(question: str) -> list[Line]:
        return [Line(hit.memory.text) for hit in opened.search(question, SHOWN, where=said)]

    return show


def keyed(opened: Store, clock: FrozenClock, script: Script) -> Show:
    """Likewise, and beside it each fact under its key, derived from the turn that told it."""
    for exchange in script.exchanges:
        clock.set(exchange.at)
        said = opened.add(exchange.user, role="user", session=exchange.session)
        if exchange.fact is not None:
            fact = opened.add(exchange.user, key=f"fact-{exchange.fact}", origin="user")
            opened.link(fact.id, said.id, EdgeType.DERIVED_FROM)
    return _stated(opened, clock)


class _Scripted(BaseChatModel):
    """Answers what it is told to, and keeps what it was shown."""

    answers: list[str] = Field(default_factory=list)
    prompts: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_: Any) -> _Scripted:
        del tools
        return self

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any
    ) -> ChatResult:
        del stop, run_manager
        told = [str(each.text) for each in messages if isinstance(each, SystemMessage)]
        self.prompts.append("\n".join(told))
        answer = AIMessage(self.answers.pop(0) if self.answers else "I see.")
        return ChatResult(generations=[ChatGeneration(message=answer)])


def langchain(opened: Store, clock: FrozenClock, script: Script) -> Show:
    """An agent with the middleware, a thread a day; the questions of the end are not saved."""
    model = _Scripted()
    agent = create_agent(model, [], middleware=[FeatherMemoryMiddleware(store=opened)])
    for exchange in script.exchanges:
        clock.set(exchange.at)
        model.answers.append(exchange.assistant)
        _run(agent, exchange.user, exchange.session)
    clock.set(END)
    asked = create_agent(model, [], middleware=[FeatherMemoryMiddleware(store=opened, save="none")])

    def show(question: str) -> list[Line]:
        _run(asked, question, AFTER)
        return lines_in(model.prompts[-1])

    return show


def _run(agent: Any, text: str, thread: str) -> None:
    agent.invoke({"messages": [HumanMessage(text)]}, {"configurable": {"thread_id": thread}})


def llama_index(opened: Store, clock: FrozenClock, script: Script) -> Show:
    """A memory a day; the questions of the end are asked of one more, and not put into it."""
    for exchange in script.exchanges:
        clock.set(exchange.at)
        memory = FeatherMemory.from_defaults(store=opened, session_id=exchange.session)
        memory.put(ChatMessage(role="user", content=exchange.user))
        memory.put(ChatMessage(role="assistant", content=exchange.assistant))
    clock.set(END)
    last = FeatherMemory.from_defaults(store=opened, session_id=AFTER)
    return lambda question: [*_told(last, question)]


def _told(memory: FeatherMemory, question: str) -> Iterator[Line]:
    for message in memory.get(question):
        yield from lines_in(str(message.content))


DOORS: Final[dict[str, Door]] = {
    "Store, both sides": store,
    "Store, the user's statements": statements,
    "Store, the user's statements and keyed facts": keyed,
    "LangChain's middleware": langchain,
    "LlamaIndex's memory": llama_index,
}

UNPROMPTED: Final = frozenset(DOORS) - {"LangChain's middleware", "LlamaIndex's memory"}
"""Those of which a search is judged, and no prompt."""
