"""A callback handler that remembers which memories a run was shown."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.outputs import LLMResult
from typing_extensions import override

from feather_memory import ContextLayers, Store, TenantPool
from feather_memory.agent import (
    RECALLED,
    STAMP,
    Opened,
    named_in,
    named_too,
    shown_too,
    stamp,
)
from langchain_feather_memory._source import Held, source_of


@dataclass(slots=True)
class _Tree:
    """A run that has no parent here, with all runs below it that have not ended."""

    top: UUID
    turn: str
    runs: set[UUID] = field(default_factory=set)
    told: set[UUID] = field(default_factory=set)
    """Retrievers that said themselves what they recalled."""
    tenants: dict[UUID, str | None] = field(default_factory=dict)
    """Whose the retrievers are, by their run's metadata."""
    opened: list[Opened] = field(default_factory=list)
    """Where something was recalled from."""


class FeedbackCallbackHandler(Held, BaseCallbackHandler):
    """Remembers, in the tenant's file, which memories a run was shown.

    What a retriever, the middleware or a tool recalls below a run is known by the id of the run at
    the root, from then on: by `MemoryFeedback`, later, and from another process. Models' messages
    are stamped with that id, and their own ids are names of the run, too, so that the message or
    its id alone will do. The handler changes no importance itself.

    Pass it at the call: `chain.invoke(x, {"callbacks": [FeedbackCallbackHandler(store)]})`.

    With a pool, each recall goes to its own tenant. The middleware, the tools, `FeatherRetriever`
    and other senders of the event `feather_memory.recalled` say whose it is. Of a retriever that
    does not, it is the handler's `tenant`, else what the run's `metadata` has under `tenant_key`;
    documents of a retriever that nobody names are not logged, and feedback on them is an
    UnknownTurnError.

    Args:
        source: An open store, of one tenant: the one that is recalled from; or the pool of many.
        layers: Instead, the stores that are recalled from together.
        tenant: Whose the retrievers are.
        tenant_key: What the tenant is called in a run's metadata.
    """

    ignore_chat_model = True  # what is needed of a model's run comes with its end

    def __init__(
        self,
        source: Store | TenantPool | None = None,
        *,
        layers: ContextLayers | None = None,
        tenant: str | None = None,
        tenant_key: str = "tenant",
    ) -> None:
        self._source = source_of("FeedbackCallbackHandler", source, layers=layers, tenant=tenant)
        self._tenant_key = tenant_key
        self._trees: dict[UUID, _Tree] = {}
        self._lock = threading.Lock()

    # LangChain calls every start with the run's parent, and every end. What differs is ignored.

    @override
    def on_chain_start(
        self, *_: Any, run_id: UUID, parent_run_id: UUID | None = None, **__: Any
    ) -> None:
        self._begin(run_id, parent_run_id)

    on_tool_start = on_chain_start

    @override
    def on_retriever_start(
        self,
        *_: Any,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **__: Any,
    ) -> None:
        tree = self._begin(run_id, parent_run_id)
        if self._source.is_pool:
            tree.tenants[run_id] = named_in(metadata, self._tenant_key)

    @override
    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **_: Any) -> None:
        if name != RECALLED:
            return
        tree = self._tree(run_id)
        tree.told.add(run_id)
        if data["ids"] and (opened := self._opened(data["tenant"])) is not None:
            self._know(tree, opened, data["turn"], data["ids"])

    @override
    def on_retriever_end(self, documents: Sequence[Document], *, run_id: UUID, **_: Any) -> None:
        tree = self._tree(run_id)
        if run_id not in tree.told:
            named = tree.tenants.get(run_id) if self._source.tenant is None else self._source.tenant
            if (opened := self._opened(named)) is not None:
                self._know(tree, opened, str(run_id), _memories_among(documents, opened))
        self._end(run_id)

    @override
    def on_llm_end(
        self, response: LLMResult, *, run_id: UUID, parent_run_id: UUID | None = None, **_: Any
    ) -> None:
        tree = self._tree(parent_run_id or run_id)
        with self._lock:
            known = list(tree.opened)
        said = stamp(tree.turn, known[0].tenant if len(known) == 1 else None)
        for generation in (g for generations in response.generations for g in generations):
            message = getattr(generation, "message", None)
            if isinstance(message, AIMessage):
                message.response_metadata[STAMP] = said
                for opened in known:
                    if message.id:
                        named_too(opened, tree.turn, message.id)

    @override
    def on_chain_end(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self._end(run_id)

    on_tool_end = on_chain_error = on_tool_error = on_retriever_error = on_chain_end

    def _begin(self, run_id: UUID, parent: UUID | None) -> _Tree:
        with self._lock:
            tree = None if parent is None else self._trees.get(parent)
            if tree is None:
                tree = _Tree(run_id, turn=str(parent or run_id))
            tree.runs.add(run_id)
            self._trees[run_id] = tree
        return tree

    def _end(self, run_id: UUID) -> None:
        """Drop the run; with the topmost, all below it: an abandoned stream ends none of them."""
        with self._lock:
            tree = self._trees.get(run_id)
            if tree is None:
                return
            ended = tree.runs if tree.top == run_id else {run_id}
            for run in list(ended):
                self._trees.pop(run, None)
            tree.runs -= ended

    def _tree(self, run_id: UUID) -> _Tree:
        with self._lock:
            return self._trees.get(run_id) or _Tree(run_id, turn=str(run_id))

    def _opened(self, tenant: str | None) -> Opened | None:
        """Where a recall for this tenant is logged; None if it is nobody's, or of another store."""
        if self._source.is_pool:
            return None if tenant is None else self._source.found(named=tenant)
        opened = self._source.opened()
        whose = {None, *(store.tenant for store in opened.stores.values())}
        return opened if tenant in whose else None

    def _know(self, tree: _Tree, opened: Opened, turn: str, ids: Sequence[str]) -> None:
        """Make the root a name of the turn; where it is another's already, add to that one."""
        named_too(opened, turn, tree.turn)
        if shown_too(opened, ids, tree.turn):
            with self._lock:
                if opened not in tree.opened:
                    tree.opened.append(opened)


def _memories_among(documents: Sequence[Document], opened: Opened) -> list[str]:
    """The ids of our memories: another retriever's documents may have them, too."""
    texts = {d.id: d.page_content for d in documents if d.id is not None}
    found = (memory for store in opened.stores.values() for memory in store.get_many(texts))
    return [memory.id for memory in found if memory.text == texts[memory.id]]
