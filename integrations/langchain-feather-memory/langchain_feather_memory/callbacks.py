"""From what users do with an answer to the importance of the memories it was made of."""

from __future__ import annotations

import threading
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from typing_extensions import override

from feather_memory import Hit, ParameterError, Score, SignalKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from langchain_core.documents import Document
    from langchain_core.outputs import LLMResult

    from feather_memory import Signal, Store

STAMP: Final = "feather_memory"
"""Where a model's message says which run it answers, in its `response_metadata`."""


class FeedbackCallbackHandler(BaseCallbackHandler):
    """Remembers, in the tenant's file, which memories a run was shown.

    Every memory that any retriever returned below a run is logged under the id of the run at the
    root, at once. Models' messages are stamped with that id, so that the message alone will do.
    `MemoryFeedback` finds both, later, and from another process. It changes no importance itself.

    Pass it at the call: `chain.invoke(x, {"callbacks": [FeedbackCallbackHandler(store)]})`.

    Args:
        store: An open store, of one tenant: the one that is retrieved from.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parents: dict[UUID, UUID | None] = {}
        self._lock = threading.Lock()

    # LangChain calls every start with the run's parent, and every end. What differs is ignored.

    @override
    def on_chain_start(
        self, *_: Any, run_id: UUID, parent_run_id: UUID | None = None, **__: Any
    ) -> None:
        self._begin(run_id, parent_run_id)

    @override
    def on_tool_start(
        self, *_: Any, run_id: UUID, parent_run_id: UUID | None = None, **__: Any
    ) -> None:
        self._begin(run_id, parent_run_id)

    @override
    def on_retriever_start(
        self, *_: Any, run_id: UUID, parent_run_id: UUID | None = None, **__: Any
    ) -> None:
        self._begin(run_id, parent_run_id)

    @override
    def on_chat_model_start(
        self, *_: Any, run_id: UUID, parent_run_id: UUID | None = None, **__: Any
    ) -> None:
        self._begin(run_id, parent_run_id)

    @override
    def on_llm_start(
        self, *_: Any, run_id: UUID, parent_run_id: UUID | None = None, **__: Any
    ) -> None:
        self._begin(run_id, parent_run_id)

    @override
    def on_retriever_end(self, documents: Sequence[Document], *, run_id: UUID, **__: Any) -> None:
        turn = str(self._root(run_id))
        self._end(run_id)
        ids = [document.id for document in documents if document.id is not None]
        hits = [Hit(memory=memory, score=Score(value=1.0)) for memory in self._store.get_many(ids)]
        if hits:  # a FeatherRetriever has counted the recall already, under its own run
            self._store.log_recall(hits, turn=turn, reinforce=False)

    @override
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **__: Any) -> None:
        root = str(self._root(run_id))
        for generation in (g for generations in response.generations for g in generations):
            message = getattr(generation, "message", None)
            if isinstance(message, BaseMessage):
                message.response_metadata[STAMP] = {"turn": root}
        self._end(run_id)

    @override
    def on_chain_end(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self._end(run_id)

    @override
    def on_tool_end(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self._end(run_id)

    @override
    def on_chain_error(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self._end(run_id)

    @override
    def on_tool_error(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self._end(run_id)

    @override
    def on_retriever_error(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self._end(run_id)

    @override
    def on_llm_error(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self._end(run_id)

    def _begin(self, run_id: UUID, parent: UUID | None) -> None:
        with self._lock:
            self._parents[run_id] = parent

    def _end(self, run_id: UUID) -> None:
        with self._lock:
            self._parents.pop(run_id, None)

    def _root(self, run_id: UUID) -> UUID:
        with self._lock:
            while (parent := self._parents.get(run_id)) is not None:
                run_id = parent
        return run_id


class MemoryFeedback:
    """Turns what a user did with an answer into the importance of what it was made of.

    A run is named by its id or by the model's message. The same feedback again changes nothing.
    Credit is shared among the memories shown, unless `memory_ids` says which are meant.

    All raise UnknownTurnError for a run that was shown nothing, or that is too long ago.

    Args:
        store: An open store, of the tenant whose run it was.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def like(
        self, run: UUID | str | BaseMessage, *, memory_ids: Sequence[str] | None = None
    ) -> list[Signal]:
        """The answer was good."""
        return self._log(run, SignalKind.LIKED, memory_ids)

    def dislike(
        self, run: UUID | str | BaseMessage, *, memory_ids: Sequence[str] | None = None
    ) -> list[Signal]:
        """The answer was bad."""
        return self._log(run, SignalKind.DISLIKED, memory_ids)

    def saved(
        self, run: UUID | str | BaseMessage, *, memory_ids: Sequence[str] | None = None
    ) -> list[Signal]:
        """The answer was kept."""
        return self._log(run, SignalKind.SAVED, memory_ids)

    def copied(
        self,
        run: UUID | str | BaseMessage,
        *,
        text: str | None = None,
        memory_ids: Sequence[str] | None = None,
    ) -> list[Signal]:
        """The answer was copied; with `text`, the credit goes to the memories that hold it."""
        return self._log(run, SignalKind.COPIED, memory_ids, copied_text=text)

    def corrected(
        self,
        run: UUID | str | BaseMessage,
        *,
        correction: str,
        memory_ids: Sequence[str] | None = None,
    ) -> list[Signal]:
        """The answer was wrong: the memory meant is lowered, and superseded by the correction.

        Raises:
            ParameterError: The run was shown several memories, and `memory_ids` names none.
        """
        return self._log(run, SignalKind.CORRECTED, memory_ids, correction=correction)

    def _log(
        self,
        run: UUID | str | BaseMessage,
        kind: SignalKind,
        memory_ids: Sequence[str] | None,
        *,
        copied_text: str | None = None,
        correction: str | None = None,
    ) -> list[Signal]:
        turn = turn_of(run)
        event = "\0".join((turn, kind, copied_text or "", correction or ""))
        return self._store.feedback(
            turn,
            kind,
            memory_ids=memory_ids,
            copied_text=copied_text,
            correction=correction,
            event_id=blake2b(event.encode(), digest_size=16).hexdigest(),
        )


def turn_of(run: UUID | str | BaseMessage) -> str:
    """The name under which a run's recalls are logged.

    Raises:
        ParameterError: A message that was made without a `FeedbackCallbackHandler`.
    """
    if not isinstance(run, BaseMessage):
        return str(run)
    stamp = run.response_metadata.get(STAMP)
    if not isinstance(stamp, dict) or not isinstance(stamp.get("turn"), str):
        raise ParameterError("the message was not made under a FeedbackCallbackHandler")
    return str(stamp["turn"])
