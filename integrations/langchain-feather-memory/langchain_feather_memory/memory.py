"""The `BaseMemory` of chains, over one tenant's memory. Needs the extra `classic`.

This interface is LangChain's past: it is deprecated since 0.3.3. New agents use `FeatherStore`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Self
from uuid import uuid4

from langchain_classic.base_memory import BaseMemory
from langchain_classic.memory.utils import get_prompt_input_key
from pydantic import ConfigDict, Field, PrivateAttr, model_validator
from typing_extensions import override

from feather_memory import ContextLayers, Memory, ParameterError, Store, TenantPool
from feather_memory.agent import (
    FITTING,
    Opened,
    RecallOptions,
    Said,
    Save,
    Source,
    asks_nothing,
    exchanged,
    forget_exchanges,
    last_exchanges,
    one_line,
    one_tenant,
    recalled,
)
from langchain_feather_memory._convert import to_document, to_message, words_of
from langchain_feather_memory._source import Held


class FeatherMemory(Held, BaseMemory):
    """What the tenant's memory knows of an input, and the last turns of one session.

    >>> import pathlib, tempfile
    >>> with Store.open(pathlib.Path(tempfile.mkdtemp()) / "alice.feather") as store:
    ...     memory = FeatherMemory(store=store, session="monday", k=1)
    ...     memory.save_context({"input": "Deploys are on Tuesday"}, {"output": "Noted"})
    ...     memory.load_memory_variables({"input": "When are deploys?"})
    {'history': 'user: Deploys are on Tuesday'}
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    store: Store | None = Field(default=None, exclude=True, frozen=True)
    """An open store, of one tenant. The caller closes it."""
    pool: TenantPool | None = Field(default=None, exclude=True, frozen=True)
    """Instead, the open stores of many tenants; together with `tenant`."""
    layers: ContextLayers | None = Field(default=None, exclude=True, frozen=True)
    """Instead, stores that are read together; what is saved goes to the nearest."""
    tenant: str | None = Field(default=None, frozen=True)
    """Whose memory it is; of a store, whose it must be."""
    session: str = Field(min_length=1)
    """The conversation that is saved and cleared. What is recalled is of the whole tenant."""
    k: int = Field(default=5, ge=1)
    """How many memories an input recalls."""
    save: Save = "user"
    """What is remembered: what the user said, "all" for both sides, or "none"."""
    min_relevance: float = Field(default=FITTING, ge=0, le=1)
    """Nothing is recalled where nothing is of that absolute relevance."""
    last_turns: int = Field(default=0, ge=0)
    """How many of the session's last turns are given besides, oldest first."""
    memory_key: str = "history"
    """Under which variable the prompt has it."""
    input_key: str | None = None
    """Which input is what the user said; needed where there are several."""
    output_key: str | None = None
    """Likewise for the output."""
    return_docs: bool = False
    """Whether the variable is a list of Documents instead of a text."""
    return_messages: bool = False
    """Whether it is a list of messages: the model's own as AIMessage, all else as HumanMessage."""

    _source: Source = PrivateAttr()

    @model_validator(mode="after")
    def _of_one_tenant(self) -> Self:
        self._source = Source.chosen(
            "FeatherMemory", store=self.store, pool=self.pool, layers=self.layers,
            tenant=one_tenant("FeatherMemory", self.tenant), takes=("store", "pool", "layers"),
        ).bound()  # fmt: skip
        if self.return_docs and self.return_messages:
            raise ParameterError("history is either documents or messages, not both")
        return self

    __copy__ = BaseMemory.__copy__

    @property
    @override
    def memory_variables(self) -> list[str]:
        """The one variable that a chain gets."""
        return [self.memory_key]

    @override
    def load_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """What the input recalls, best first, then the session's last turns. It is logged.

        What has been superseded is in neither. In a text, each memory is one line.
        """
        said = self._input(inputs)
        asked = RecallOptions(k=self.k, min_relevance=self.min_relevance)
        opened = self._source.found()  # who has no memory yet gets none by asking
        hits = () if opened is None or asks_nothing(said) else recalled(opened, said, asked).hits
        last = () if opened is None else self._last(opened)
        late = [memory for memory in last if not memory.superseded_by]
        known = {memory.id for memory in late}
        found = [hit.memory for hit in hits if hit.memory.id not in known] + late
        if self.return_docs:
            return {self.memory_key: [to_document(memory) for memory in found]}
        if self.return_messages:
            return {self.memory_key: [to_message(memory) for memory in found]}
        return {self.memory_key: "\n".join(map(one_line, found))}

    @override
    async def aload_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """As `load_memory_variables`, in a thread."""
        return await asyncio.to_thread(self.load_memory_variables, inputs)

    @override
    def save_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Keep both sides of a turn, and remember what `save` says, or nothing.

        What is remembered is linked in the order of the conversation.
        """
        said = [
            Said(role="user", text=self._input(inputs)),
            Said(role="assistant", text=self._output(outputs)),
        ]
        exchanged(
            self._source.opened().writes,
            said,
            session=self.session,
            mark=uuid4().hex,
            save=self.save,
        )

    @override
    async def asave_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """As `save_context`, in a thread."""
        await asyncio.to_thread(self.save_context, inputs, outputs)

    @override
    def clear(self) -> None:
        """Forget this session's turns for good, and nothing else."""
        if (opened := self._source.found()) is not None:
            forget_exchanges(opened.writes, self.session)

    @override
    async def aclear(self) -> None:
        """As `clear`, in a thread."""
        await asyncio.to_thread(self.clear)

    def _last(self, opened: Opened) -> Sequence[Memory]:
        return last_exchanges(opened.writes, self.session, self.last_turns)

    def _input(self, inputs: dict[str, Any]) -> str:
        return words_of(
            inputs[self.input_key or get_prompt_input_key(inputs, self.memory_variables)]
        )

    def _output(self, outputs: dict[str, Any]) -> str:
        if self.output_key is None and len(outputs) != 1:
            raise ParameterError(f"output_key must say which of {sorted(outputs)} is the answer")
        return words_of(outputs[self.output_key or next(iter(outputs))])
