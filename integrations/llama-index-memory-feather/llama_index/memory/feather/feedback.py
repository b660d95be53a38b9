"""From what users do with an answer to the importance of the memories it was made of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import BaseNode, NodeWithScore
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from llama_index.memory.feather._conversation import current_turn
from llama_index.memory.feather._source import Bound, chosen
from llama_index.memory.feather.attribution import retrieved_only, settle

from feather_memory import (
    ContextLayers,
    ParameterError,
    Signal,
    SignalKind,
    Store,
    TenantPool,
    UnknownTurnError,
)
from feather_memory.agent import (
    Act,
    Opened,
    answer_of,
    done,
    known_turn,
    named_too,
    shown_in,
    shown_too,
    take_back,
)


class MemoryFeedback:
    """Turns what a user did with an answer into the importance of what it was made of.

    What the feedback is about is named by a turn's id, now or later, in this process or another;
    or by what LlamaIndex gave back: a response of a query engine, a chat engine or an agent,
    nodes, or a node's id. Credit is shared among the memories it names. The same feedback again
    changes nothing, until it is taken back.

    The recall log in the tenant's file knows what a turn was shown; nothing is written into nodes.

    >>> import pathlib, tempfile
    >>> from feather_memory import Store
    >>> from llama_index.memory.feather import FeatherRetriever, feather_turn
    >>> with Store.open(pathlib.Path(tempfile.mkdtemp()) / "alice.feather") as store:
    ...     memory = store.add("Alice drinks tea")
    ...     with feather_turn() as turn:
    ...         nodes = FeatherRetriever(store=store).retrieve("what does Alice drink?")
    ...     _ = MemoryFeedback(store).like(turn)
    ...     store.get(memory.id).importance > memory.importance
    True

    Args:
        store: An open store, of the tenant whose answer it was.
        path: Instead, the file to open.
        pool: Instead, the open pool of a service with many tenants.
        layers: Instead, open stores that were read together.
        tenant: Whose answer; needed with `pool`, checked with the others.
        embed_model: Embeds corrections. Else the store's own embedder does, or the model set in
            `Settings`.
    """

    def __init__(
        self,
        store: Store | BasePydanticVectorStore | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        pool: TenantPool | None = None,
        layers: ContextLayers | None = None,
        tenant: str | None = None,
        embed_model: BaseEmbedding | None = None,
    ) -> None:
        source = chosen(
            "MemoryFeedback", store=store, path=path, pool=pool, layers=layers, tenant=tenant
        )
        self._bound = Bound(source, embed_model)

    def like(
        self, about: Any, *, turn: str | None = None, memory_ids: Sequence[str] | None = None
    ) -> list[Signal]:
        """The answer was good. It takes a dislike of the same memories back, as that takes a like.

        Args:
            about: A turn's id, a response, nodes, or a node's id.
            turn: To which turn a response or nodes belong; the current one unless given.
            memory_ids: Only these of what the answer was made of.

        Raises:
            UnknownTurnError: Nothing was recalled in that turn, or it is too long ago.
            ParameterError: What is named was not made of this store's memories.
        """
        return self._done(about, Act(kind=SignalKind.LIKED), turn, memory_ids)

    def dislike(
        self, about: Any, *, turn: str | None = None, memory_ids: Sequence[str] | None = None
    ) -> list[Signal]:
        """The answer was bad. As in `like`."""
        return self._done(about, Act(kind=SignalKind.DISLIKED), turn, memory_ids)

    def saved(
        self, about: Any, *, turn: str | None = None, memory_ids: Sequence[str] | None = None
    ) -> list[Signal]:
        """The answer was kept. As in `like`."""
        return self._done(about, Act(kind=SignalKind.SAVED), turn, memory_ids)

    def copied(
        self,
        about: Any,
        *,
        text: str | None = None,
        turn: str | None = None,
        memory_ids: Sequence[str] | None = None,
    ) -> list[Signal]:
        """The answer was copied; with `text`, the credit goes to the memories that hold it."""
        act = Act(kind=SignalKind.COPIED, copied_text=text)
        return self._done(about, act, turn, memory_ids)

    def corrected(
        self,
        about: Any,
        text: str,
        *,
        turn: str | None = None,
        memory_ids: Sequence[str] | None = None,
    ) -> list[Signal]:
        """The answer was wrong: the one memory meant is lowered, and superseded by `text`.

        So is the answer itself, where a `FeatherMemory` remembered it in that turn.

        Raises:
            ParameterError: It was made of several memories, and `memory_ids` does not say which;
                the error lists them.
        """
        act = Act(kind=SignalKind.CORRECTED, correction=text)
        return self._done(about, act, turn, memory_ids)

    def take_back(
        self, about: Any, kind: SignalKind | str, *, turn: str | None = None
    ) -> list[Signal]:
        """Undo feedback of a kind. The text of a correction stays; `unsupersede` undoes that."""
        opened = self._opened(about, turn)
        _, logged, _ = _meant(opened, about, turn)
        return take_back(opened, logged, kind)

    def _done(
        self, about: Any, act: Act, turn: str | None, memory_ids: Sequence[str] | None
    ) -> list[Signal]:
        opened = self._opened(about, turn)
        name, logged, own = _meant(opened, about, turn)
        strangers = sorted(set(memory_ids or ()) - set(own)) if own else []
        if strangers:
            raise ParameterError(f"the answer was not made of {strangers[0]!r}")
        vectors = None if act.correction is None else self._bound.vectors([act.correction])
        if act.correction is None or not named_too(opened, logged, name):
            name = logged  # else by the plain name, by which the answer knows its turn
        shown_too(opened, own, name)  # there may be no turn at all, or somebody else showed them
        if memory_ids is None and act.copied_text is None and own:
            memory_ids = own
        if act.correction is not None:
            _refuse_several(opened, memory_ids or shown_in(opened, name), name)
        vector = vectors[0] if vectors else None
        return done(opened, name, act, memory_ids=memory_ids, vector=vector)

    def _opened(self, about: Any, turn: str | None) -> Opened:
        opened = self._bound.found()
        if opened is None:  # who has no memory was shown nothing, and gets none by a like
            raise UnknownTurnError(turn or (about if isinstance(about, str) else str(None)))
        return opened


def _meant(opened: Opened, about: Any, turn: str | None) -> tuple[str, str, list[str]]:
    """The turn, as what it is logged, and ids of the memories named; none where all are meant."""
    settle(opened.reads)
    named = current_turn() if turn is None else turn
    if isinstance(about, str):
        found = _held(opened, [about])
        name = (named or answer_of(found)) if found else about
    else:
        found = _held(opened, _node_ids(about))
        if not found and (named is None or isinstance(about, NodeWithScore | BaseNode | list)):
            raise ParameterError(
                f"nothing in the {type(about).__name__} is of this store; inside feather_turn(), "
                "or with turn=, an answer's turn says what it was made of"
            )
        name = named or answer_of(found, _said(about))
    return name, known_turn(opened, [name, retrieved_only(name)]), found


def _refuse_several(opened: Opened, ids: Sequence[str], turn: str) -> None:
    memories = {m.id: m for store in opened.stores.values() for m in store.get_many(list(ids))}
    if len(memories) > 1:
        listed = "; ".join(f"{id_!r}: {memory.text:.80}" for id_, memory in memories.items())
        raise ParameterError(
            f"turn {turn!r} was shown {len(memories)} memories: say with memory_ids which one the "
            f"correction is about, of {listed}"
        )


def _held(opened: Opened, ids: Iterable[str]) -> list[str]:
    """Those of the ids that memories have, once each."""
    asked = list(dict.fromkeys(ids))
    held = {m.id for store in opened.stores.values() for m in store.get_many(asked)}
    return [id_ for id_ in asked if id_ in held]


def _node_ids(about: Any) -> Iterator[str]:
    """Ids of the nodes that something LlamaIndex gave back was made of."""
    if isinstance(about, NodeWithScore | BaseNode):
        yield about.node_id
    elif isinstance(about, list | tuple):
        for each in about:
            yield from _node_ids(each)
    elif nodes := getattr(about, "source_nodes", None):
        yield from _node_ids(nodes)
    else:
        calls = getattr(about, "tool_calls", None) or ()
        outputs = [getattr(call, "tool_output", None) for call in calls]
        for output in (*(getattr(about, "sources", None) or ()), *outputs):
            yield from _node_ids(getattr(output, "raw_output", None))


def _said(about: Any) -> str:
    """The words of an answer, so that another answer from the same memories is another turn."""
    response = getattr(about, "response", None)
    return "" if response is None else str(response)
