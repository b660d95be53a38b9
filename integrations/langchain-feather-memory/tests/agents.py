"""Models without a network, for tests of agents."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field


class ScriptedModel(BaseChatModel):
    """Answers what it is told to, in turn, then "Noted."; keeps what it was asked."""

    script: list[AIMessage] = Field(default_factory=list)
    seen: list[list[BaseMessage]] = Field(default_factory=list)
    tools: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools, **_):
        self.tools[:] = [tool.tool_call_schema.model_json_schema() for tool in tools]
        return self

    def _generate(self, messages, stop=None, run_manager=None, **_):
        self.seen.append(list(messages))
        message = self.script.pop(0) if self.script else AIMessage("Noted.")
        return ChatResult(generations=[ChatGeneration(message=message)])

    @property
    def prompts(self) -> list[str]:
        """What the system message of each call said."""
        return [
            "".join(str(m.text) for m in messages if isinstance(m, SystemMessage))
            for messages in self.seen
        ]


def calling(tool: str, call_id: str = "call-1", **arguments: Any) -> AIMessage:
    """A model's message that calls a tool."""
    return AIMessage("", tool_calls=[ToolCall(name=tool, args=arguments, id=call_id)])
