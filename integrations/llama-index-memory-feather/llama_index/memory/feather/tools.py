"""Tools by which an agent uses one tenant's memory itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from llama_index.core.tools import FunctionTool
from llama_index.memory.feather._binding import Bound
from llama_index.memory.feather._stores import StoreSource
from llama_index.memory.feather.retrievers import FeatherRetriever
from pydantic import BaseModel, Field

from feather_memory import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.schema import NodeWithScore

    from feather_memory import Memory, Store

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
    store: Store,
    *,
    names: Sequence[ToolName] = ("recall", "remember", "correct"),
    similarity_top_k: int = 5,
    session: str | None = None,
    actor: str | None = None,
    embed_model: BaseEmbedding | None = None,
) -> list[FunctionTool]:
    """Tools that work on one tenant's memory, and can reach no other.

    `recall` asks the store what the model asks, word for word; what it finds is logged under
    `current_turn()`, and is the tool's `raw_output` as nodes, so that feedback finds it.

    Args:
        store: An open store. The caller closes it.
        names: Which tools, in which order.
        similarity_top_k: How many memories a recall finds, at least 1.
        session: Which conversation is noted with what is remembered.
        actor: Who is noted with what is remembered.
        embed_model: As in `FeatherRetriever`.
    """
    unknown = [name for name in names if name not in get_args(ToolName)]
    if unknown or isinstance(names, str):
        raise ParameterError(f"the tools are {', '.join(get_args(ToolName))}, got {names!r}")
    made = _Tools(store, similarity_top_k, session, actor, embed_model)
    return [getattr(made, name)() for name in names]


class _Tools:
    def __init__(
        self,
        store: Store,
        top_k: int,
        session: str | None,
        actor: str | None,
        embed_model: BaseEmbedding | None,
    ) -> None:
        source = StoreSource.chosen(path=None, store=store, pool=None, tenant=None)
        self._bound = Bound(source, embed_model)
        self._store = store
        self._retriever = FeatherRetriever(
            store=store, similarity_top_k=top_k, embed_model=embed_model
        )
        self._context: dict[str, Any] = {"session": session, "actor": actor}

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
            return _noted(self._store.add(text, vector=vector, **self._context))

        return self._writing("remember", RememberInput, write)

    def correct(self) -> FunctionTool:
        def write(vector: list[float] | None, text: str, memory_id: str) -> str:
            wrong = self._store.get(memory_id)  # what filters find it by holds for the new text
            new = self._store.supersede(
                memory_id, text, vector=vector, metadata=dict(wrong.metadata), **self._context
            )
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


def _first(vectors: list[list[float]] | None) -> list[float] | None:
    return vectors[0] if vectors else None


def _listed(nodes: list[NodeWithScore]) -> str:
    lines = [f"[{each.node_id}] {each.node.get_content()}" for each in nodes]
    return "\n".join(lines) or "Nothing is remembered about that."


def _noted(memory: Memory) -> str:
    return f"Remembered as {memory.id}"
