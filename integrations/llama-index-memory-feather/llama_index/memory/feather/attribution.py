"""Which of what was retrieved in a turn a model was really shown."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Self

from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.retrieval import RetrievalEndEvent
from llama_index.core.instrumentation.events.synthesis import SynthesizeEndEvent
from llama_index.core.schema import NodeWithScore
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from llama_index.memory.feather._conversation import current_turn, turn_in
from llama_index.memory.feather._source import chosen
from pydantic import PrivateAttr
from typing_extensions import override

from feather_memory import ContextLayers, FeatherError, Hit, Store
from feather_memory.agent import Opened, Reader, logged, shown_too

_log = logging.getLogger("feather_memory")

# The leaves of LlamaIndex's tree of dispatchers through which the two events pass, each once.
_DISPATCHERS = (
    "llama_index.core.base.base_retriever",
    "llama_index.core.response_synthesizers.base",
)

_installed: list[FeatherAttributionHandler] = []


class FeatherAttributionHandler(BaseEventHandler):
    """Tells what a model was shown from what was retrieved and then left out.

    A reranker or a cutoff drops nodes after they were retrieved. While this is installed, a turn's
    feedback goes to the nodes that reached the answer, if any did: those of a response, and what
    memories and tools put before the model themselves. It also notes nodes of this store that
    others' retrievers return. What is not this store's, and what happens outside of any turn, it
    leaves alone.

    It costs the caller nothing but a copy of ids: a thread of its own writes to the file.
    Uninstalling waits for that, as does `MemoryFeedback` in this process.

    Args:
        store: An open store, of the tenant whose turns these are.
        layers: Instead, open stores that are read together.
    """

    _opened: Opened = PrivateAttr()
    _writer: ThreadPoolExecutor | None = PrivateAttr(default=None)
    _writer_pid: int = PrivateAttr(default=0)
    _pending: set[Future[None]] = PrivateAttr(default_factory=set)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    def __init__(
        self,
        store: Store | BasePydanticVectorStore | None = None,
        *,
        layers: ContextLayers | None = None,
    ) -> None:
        super().__init__()
        source = chosen(
            "FeatherAttributionHandler", store=store, layers=layers, takes=("store", "layers")
        )
        self._opened = source.opened()

    @classmethod
    @override
    def class_name(cls) -> str:
        return "FeatherAttributionHandler"

    def install(self) -> Self:
        """Listen from now on, in the whole process. Twice is no more than once."""
        for name in _DISPATCHERS:
            dispatcher = get_dispatcher(name)
            if not any(handler is self for handler in dispatcher.event_handlers):
                dispatcher.add_event_handler(self)
        if not any(handler is self for handler in _installed):
            _installed.append(self)
        return self

    def uninstall(self) -> None:
        """Stop listening, once all that was heard is written. Safe to call twice."""
        for name in _DISPATCHERS:
            dispatcher = get_dispatcher(name)
            # There is no way to take a handler off but to leave it out.
            dispatcher.event_handlers = [h for h in dispatcher.event_handlers if h is not self]
        _installed[:] = [handler for handler in _installed if handler is not self]
        self.flush()
        with self._lock:
            writer, self._writer = self._writer, None
        if writer is not None and self._writer_pid == os.getpid():
            writer.shutdown()

    def flush(self) -> None:
        """Wait until all that was heard is written."""
        with self._lock:
            pending = set(self._pending) if self._writer_pid == os.getpid() else set()
        wait(pending)

    @override
    def handle(self, event: BaseEvent, **_: Any) -> None:
        turn = turn_in(event.tags) or current_turn()
        if turn is None:
            return
        # The same node objects are changed later by whoever fuses or reranks: copied at once.
        if isinstance(event, RetrievalEndEvent):
            self._note(retrieved_only(turn), _ids(event.nodes))
        elif isinstance(event, SynthesizeEndEvent):
            self._note(turn, _ids(event.response.source_nodes))

    def concerns(self, reader: Reader) -> bool:
        """Whether it listens for every file that is read."""
        own = {store.plumbing.place for store in self._opened.stores.values()}
        read = Opened.of(reader).stores.values()
        return all(store.plumbing.place in own for store in read)

    def _note(self, turn: str, ids: Sequence[str]) -> None:
        if not ids:
            return
        with self._lock:
            if self._writer is None or self._writer_pid != os.getpid():  # a fork has no threads
                self._writer = ThreadPoolExecutor(1, thread_name_prefix="feather-attribution")
                self._writer_pid = os.getpid()
                self._pending.clear()
            future = self._writer.submit(self._write, turn, ids)
            self._pending.add(future)
        future.add_done_callback(self._pending.discard)

    def _write(self, turn: str, ids: Sequence[str]) -> None:
        try:
            shown_too(self._opened, ids, turn)
        except FeatherError as error:  # nobody waits for this thread: a closed store, a full disk
            _log.warning("what turn %r was shown could not be logged: %s", turn, error)


def retrieved_only(turn: str) -> str:
    """The name under which is logged what a turn retrieved, shown or not."""
    return f"{turn}/retrieved"


def log_retrieved(reader: Reader, hits: Sequence[Hit], turn: str | None, reinforce: bool) -> str:  # noqa: FBT001  a `Log`
    """Log under a turn what a retriever returned.

    It counts as shown, unless somebody listens for what really is.
    """
    if turn is not None and _is_watched(reader):
        turn = retrieved_only(turn)
    return logged(reader, hits, turn, reinforce)


def log_shown(reader: Reader, hits: Sequence[Hit], turn: str | None, reinforce: bool) -> str:  # noqa: FBT001  a `Log`
    """Log under a turn what was put before a model."""
    if turn is not None and _is_watched(reader):
        # Counted where a retriever counts, so that both together count once.
        logged(reader, hits, retrieved_only(turn), reinforce)
        reinforce = False
    return logged(reader, hits, turn, reinforce)


def settle(reader: Reader) -> None:
    """Wait until all is written that was heard about the stores in this process."""
    for handler in _installed:
        if handler.concerns(reader):
            handler.flush()


def _is_watched(reader: Reader) -> bool:
    return any(handler.concerns(reader) for handler in _installed)


def _ids(nodes: Iterable[NodeWithScore]) -> list[str]:
    return [each.node.node_id for each in nodes]
