"""Tools by which an agent uses one tenant's memory itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, get_args

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import NodeWithScore
from llama_index.core.tools import FunctionTool
from llama_index.memory.feather._conversation import current_turn
from llama_index.memory.feather._source import Bound, Vectors
from llama_index.memory.feather.retrievers import FeatherRetriever
from pydantic import BaseModel, Field

from feather_memory import ContextLayers, Memory, ParameterError, Store, TenantPool
from feather_memory.agent import Source, correct

ToolName = Literal["recall", "remember", "correct"]

_DESCRIPTIONS: Final[dict[ToolName, str]] = {
    "recall": "Search what is remembered about the user. Each line is the id of a memory, and it.",
    "remember": "Remember a fact about the user for later conversations.",
    "correct": "Replace a remembered fact that is no longer true, by the id that recall gave.",
}


class RecallInput(BaseModel):
    """What the recall tool is asked."""

    query: str = Field(description="What to look for")


class RememberInput(BaseModel):
    """What the remember tool is told."""

    text: str = Field(description="One fact, as a whole sentence that is clear by itself")


class CorrectInput(BaseModel):
    """What the correct tool is told."""

    memory_id: str = Field(description="The id of the memory that is wrong")
    text: str = Field(description="What is true instead, as a whole sentence")


def feather_tools(
    store: Store | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    pool: TenantPool | None = None,
    layers: ContextLayers | None = None,
    tenant: str | None = None,
    names: Sequence[ToolName] = ("recall", "remember", "correct"),
    similarity_top_k: int = 5,
    session: str | None = None,
    actor: str | None = None,
    embed_model: BaseEmbedding | None = None,
) -> list[FunctionTool]:
    """Tools that work on one tenant's memory, and can reach no other.

    `recall` asks the store what the model asks, word for word; what it finds is logged under
    `current_turn()`, and is the tool's `raw_output` as nodes, so that feedback finds it. `correct`
    means what a user's correction means: see `MemoryFeedback.corrected`.

    Args:
        store: As in `FeatherRetriever`, as are the next four.
        path: Instead, the file to open.
        pool: Instead, the open pool of a service with many tenants.
        layers: Instead, open stores that are read together; the nearest remembers.
        tenant: Whose memory; needed with `pool`.
        names: Which tools, in which order.
        similarity_top_k: How many memories a recall finds, at least 1.
        session: Which conversation is noted with what is remembered.
        actor: Who is noted with what is remembered.
        embed_model: As in `FeatherRetriever`.
    """
    unknown = [name for name in names if name not in get_args(ToolName)]
    if unknown or isinstance(names, str):
        raise ParameterError(f"the tools are {', '.join(get_args(ToolName))}, got {names!r}")
    source = Source.chosen(
        "feather_tools", store=store, path=path, pool=pool, layers=layers, tenant=tenant
    )
    retriever = FeatherRetriever(
        **source.arguments, similarity_top_k=similarity_top_k, embed_model=embed_model
    )
    made = _Tools(Bound(source, embed_model), retriever, {"session": session, "actor": actor})
    return [getattr(made, name)() for name in names]


class _Tools:
    def __init__(
        self, bound: Bound, retriever: FeatherRetriever, context: dict[str, str | None]
    ) -> None:
        self._bound = bound
        self._retriever = retriever
        self._context: dict[str, Any] = context

    def recall(self) -> FunctionTool:
        def recall(query: str) -> list[NodeWithScore]:
            return self._retriever.retrieve(query)

        async def arecall(query: str) -> list[NodeWithScore]:
            return await self._retriever.aretrieve(query)

        return FunctionTool.from_defaults(
            fn=recall,
            async_fn=arecall,
            name="recall",
            description=_DESCRIPTIONS["recall"],
            fn_schema=RecallInput,
            callback=_listed,
        )

    def remember(self) -> FunctionTool:
        def write(vector: list[float] | None, text: str) -> str:
            return _noted(self._bound.opened().writes.add(text, vector=vector, **self._context))

        return self._writing("remember", RememberInput, write)

    def correct(self) -> FunctionTool:
        def write(vector: list[float] | None, text: str, memory_id: str) -> str:
            opened, turn = self._bound.opened(), current_turn()
            new = correct(opened, memory_id, text, turn=turn, vector=vector)
            return f"{_noted(new)}; it replaces {memory_id}"

        return self._writing("correct", CorrectInput, write)

    def _writing(
        self, name: ToolName, schema: type[BaseModel], write: Callable[..., str]
    ) -> FunctionTool:
        """A tool that embeds a text, then writes it; its async twin holds nobody up."""

        def call(text: str, **named: str) -> str:
            return write(_first(self._bound.vectors([text])), text, **named)

        async def acall(text: str, **named: str) -> str:
            vector = _first(await self._bound.avectors([text]))
            return await asyncio.to_thread(write, vector, text, **named)

        return FunctionTool.from_defaults(
            fn=call,
            async_fn=acall,
            name=name,
            description=_DESCRIPTIONS[name],
            fn_schema=schema,
        )


def _first(vectors: Vectors) -> list[float] | None:
    return vectors[0] if vectors else None


def _listed(nodes: list[NodeWithScore]) -> str:
    lines = [f"[{each.node_id}] {each.node.get_content()}" for each in nodes]
    return "\n".join(lines) or "Nothing is remembered about that."


def _noted(memory: Memory) -> str:
    return f"Remembered as {memory.id}"
