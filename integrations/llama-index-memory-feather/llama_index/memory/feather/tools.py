"""Tools by which an agent uses one tenant's memory itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, get_args

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.tools import FunctionTool, ToolOutput
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from llama_index.memory.feather._conversation import current_turn, said_now
from llama_index.memory.feather._convert import to_node_with_score
from llama_index.memory.feather._prompt import tokens_of
from llama_index.memory.feather._source import Bound, chosen
from llama_index.memory.feather.attribution import log_shown
from pydantic import BaseModel, Field

from feather_memory import ContextLayers, Hit, ParameterError, Store, TenantPool, UnknownMemoryError
from feather_memory.agent import (
    FITTING,
    Budget,
    RecallOptions,
    checked_origin,
    correct,
    save_fact,
    sound_text,
    told,
    unseen,
    what_became,
)

ToolName = Literal["recall", "remember", "correct"]

_DESCRIPTIONS: Final[dict[ToolName, str]] = {
    "recall": "Search what is remembered about the user. Returns memories with their ids.",
    "remember": "Remember a fact about the user for later conversations.",
    "correct": "Replace a remembered fact that is no longer true, by the id that recall gave.",
}


class RecallInput(BaseModel):
    """What the recall tool is asked."""

    query: str = Field(description="What to look for")


class RememberInput(BaseModel):
    """What the remember tool is told."""

    text: str = Field(description="One fact, as a whole sentence that is clear by itself")
    key: str | None = Field(
        default=None,
        description="What it is the value of, such as 'diet'; it replaces what was remembered so",
    )


class CorrectInput(BaseModel):
    """What the correct tool is told."""

    memory_id: str = Field(description="The id of the memory that is wrong")
    text: str = Field(description="What is true instead, as a whole sentence")


def feather_tools(
    store: Store | BasePydanticVectorStore | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    pool: TenantPool | None = None,
    layers: ContextLayers | None = None,
    tenant: str | None = None,
    names: Sequence[ToolName] = ("recall", "remember", "correct"),
    similarity_top_k: int = 5,
    max_tokens: int | None = None,
    session: str | None = None,
    actor: str | None = None,
    origin: str = "assistant",
    min_relevance: float = FITTING,
    embed_model: BaseEmbedding | None = None,
) -> list[FunctionTool]:
    """Tools that work on one tenant's memory, and can reach no other.

    `recall` asks the store what the model asks, word for word; what it finds is fenced as data,
    logged under `current_turn()`, and is the tool's `raw_output` as nodes, so that feedback finds
    it. To `remember` the same again in a turn is no change. `correct` means what a user's
    correction of the memory means; no answer is superseded with it.

    Args:
        store: As in `FeatherRetriever`, as are the next four.
        path: Instead, the file to open.
        pool: Instead, the open pool of a service with many tenants.
        layers: Instead, open stores that are read together; the nearest remembers.
        tenant: Whose memory; needed with `pool`.
        names: Which tools, in which order.
        similarity_top_k: How many memories a recall finds, at least 1.
        max_tokens: How long the text of a recall may be. Memories are left out whole.
        session: Which conversation is noted with what is remembered.
        actor: Who is noted with what is remembered.
        origin: Who says what the tools write. What the user stated is not replaced by an
            "assistant": that becomes a suggestion, and the model is told so. Say "user" where the
            agent is trusted to write down what the user said.
        min_relevance: A recall finds nothing where nothing is of that absolute relevance.
        embed_model: As in `FeatherRetriever`.
    """
    unknown = [name for name in names if name not in get_args(ToolName)]
    if unknown or isinstance(names, str):
        raise ParameterError(f"the tools are {', '.join(get_args(ToolName))}, got {names!r}")
    source = chosen(
        "feather_tools", store=store, path=path, pool=pool, layers=layers, tenant=tenant
    )
    bound = Bound(source, embed_model)
    options = RecallOptions(k=similarity_top_k, min_relevance=min_relevance)
    said_by = {"session": session, "actor": actor, "origin": checked_origin(origin, "origin")}
    made = _Tools(bound, options, max_tokens, said_by)
    return [getattr(made, name)() for name in names]


class _Tools:
    def __init__(
        self,
        bound: Bound,
        options: RecallOptions,
        max_tokens: int | None,
        context: Mapping[str, str | None],
    ) -> None:
        self._bound = bound
        self._options = options
        self._budget = Budget(max_tokens=max_tokens, count_tokens=tokens_of)
        self._context: dict[str, Any] = dict(context)

    def recall(self) -> FunctionTool:
        def call(query: str) -> ToolOutput:
            return tell(self._bound.query_vector([query]), query)

        async def acall(query: str) -> ToolOutput:
            return await asyncio.to_thread(tell, await self._bound.aquery_vector([query]), query)

        def tell(vector: list[float] | None, query: str) -> ToolOutput:
            opened = self._bound.found()
            if opened is None:  # who has no memory yet gets none by asking
                return output("", query, ())
            found = told(
                opened,
                query,
                self._options,
                self._budget,
                with_ids=True,
                vector=vector,
                beyond=unseen(said_now()),
                turn=current_turn(),
                log=log_shown,
            )
            return output(found.prompt, query, found.hits)

        def output(prompt: str, query: str, hits: Sequence[Hit]) -> ToolOutput:
            return ToolOutput(
                tool_name="recall",
                content=prompt or "Nothing is remembered about that.",
                raw_input={"args": (), "kwargs": {"query": query}},
                raw_output=[to_node_with_score(hit) for hit in hits],
            )

        return _tool("recall", RecallInput, call, acall)

    def remember(self) -> FunctionTool:
        def write(vector: list[float] | None, text: str, key: str | None = None) -> str:
            step, opened = [current_turn()], self._bound.opened()
            memory = save_fact(
                opened, text, step=step, key=key, vector=vector, sources=said_now(),
                **self._context,
            )  # fmt: skip
            return what_became(opened, memory)

        return self._writing("remember", RememberInput, write)

    def correct(self) -> FunctionTool:
        def write(vector: list[float] | None, text: str, memory_id: str) -> str:
            # The turn in which a mistake is corrected is not the one in which it was made.
            opened, origin = self._bound.found(), self._context["origin"]
            if opened is None:  # who has no memory gets none by a correction of nothing
                raise UnknownMemoryError(memory_id)
            memory = correct(opened, memory_id, text, vector=vector, origin=origin)
            return what_became(opened, memory)

        return self._writing("correct", CorrectInput, write)

    def _writing(
        self, name: ToolName, schema: type[BaseModel], write: Callable[..., str]
    ) -> FunctionTool:
        """A tool that embeds a text, then writes it; its async twin holds nobody up."""

        def call(text: str, **named: str | None) -> str:
            text = sound_text(text)
            made = self._bound.vectors([text])
            return write(made[0] if made else None, text, **named)

        async def acall(text: str, **named: str | None) -> str:
            text = sound_text(text)
            made = await self._bound.avectors([text])
            return await asyncio.to_thread(write, made[0] if made else None, text, **named)

        return _tool(name, schema, call, acall)


def _tool(
    name: ToolName, schema: type[BaseModel], call: Callable[..., Any], acall: Callable[..., Any]
) -> FunctionTool:
    return FunctionTool.from_defaults(
        fn=call,
        async_fn=acall,
        name=name,
        description=_DESCRIPTIONS[name],
        fn_schema=schema,
        callback=lambda said: said if isinstance(said, ToolOutput) else None,
    )
