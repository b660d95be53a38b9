"""From what users do with an answer to the importance of the memories it was made of."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from llama_index.core.schema import BaseNode, NodeWithScore
from llama_index.memory.feather._binding import Bound
from llama_index.memory.feather._stores import StoreSource
from llama_index.memory.feather.attribution import retrieved_only, settle
from llama_index.memory.feather.turns import current_turn

from feather_memory import Hit, ParameterError, Score, SignalKind, UnknownTurnError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from llama_index.core.base.embeddings.base import BaseEmbedding

    from feather_memory import Memory, Signal, Store


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
        embed_model: Embeds corrections. Else the store's own embedder does, or the model set in
            `Settings`.
    """

    def __init__(self, store: Store, *, embed_model: BaseEmbedding | None = None) -> None:
        self._store = store
        source = StoreSource.chosen(path=None, store=store, pool=None, tenant=None)
        self._bound = Bound(source, embed_model)

    def like(
        self, about: Any, *, turn: str | None = None, memory_ids: Sequence[str] | None = None
    ) -> list[Signal]:
        """The answer was good.

        Args:
            about: A turn's id, a response, nodes, or a node's id.
            turn: To which turn a response or nodes belong; the current one unless given.
            memory_ids: Only these of what the answer was made of.

        Raises:
            UnknownTurnError: Nothing was recalled in that turn, or it is too long ago.
            ParameterError: What is named was not made of this store's memories.
        """
        return self._log(about, SignalKind.LIKED, turn, memory_ids)

    def dislike(
        self, about: Any, *, turn: str | None = None, memory_ids: Sequence[str] | None = None
    ) -> list[Signal]:
        """The answer was bad. As in `like`."""
        return self._log(about, SignalKind.DISLIKED, turn, memory_ids)

    def saved(
        self, about: Any, *, turn: str | None = None, memory_ids: Sequence[str] | None = None
    ) -> list[Signal]:
        """The answer was kept. As in `like`."""
        return self._log(about, SignalKind.SAVED, turn, memory_ids)

    def copied(
        self,
        about: Any,
        *,
        text: str | None = None,
        turn: str | None = None,
        memory_ids: Sequence[str] | None = None,
    ) -> list[Signal]:
        """The answer was copied; with `text`, the credit goes to the memories that hold it."""
        return self._log(about, SignalKind.COPIED, turn, memory_ids, copied_text=text)

    def corrected(
        self,
        about: Any,
        text: str,
        *,
        turn: str | None = None,
        memory_ids: Sequence[str] | None = None,
    ) -> list[Signal]:
        """The answer was wrong: the one memory meant is lowered, and superseded by `text`.

        Raises:
            ParameterError: It was made of several memories, and `memory_ids` does not say which.
        """
        return self._log(about, SignalKind.CORRECTED, turn, memory_ids, correction=text)

    def take_back(
        self, about: Any, kind: SignalKind | str, *, turn: str | None = None
    ) -> list[Signal]:
        """Undo feedback of a kind. The text of a correction stays; `unsupersede` undoes that."""
        turn, _ = self._meant(about, turn)
        return _logged(turn, lambda name: self._store.unfeedback(name, kind))

    def _log(
        self,
        about: Any,
        kind: SignalKind,
        turn: str | None,
        memory_ids: Sequence[str] | None,
        *,
        copied_text: str | None = None,
        correction: str | None = None,
    ) -> list[Signal]:
        turn, meant = self._meant(about, turn)
        own = [memory.id for memory in meant]
        strangers = sorted(set(memory_ids or ()) - set(own)) if own else []
        if strangers:
            raise ParameterError(f"the answer was not made of {strangers[0]!r}")
        if own:  # there may be no turn at all, or one in which somebody else showed them
            hits = [Hit(memory=memory, score=Score(value=1.0)) for memory in meant]
            self._store.plumbing.log_recall(hits, turn=turn, reinforce=False)
        if memory_ids is None and copied_text is None and own:
            memory_ids = own
        vectors = None if correction is None else self._bound.vectors([correction])
        return _logged(
            turn,
            lambda name: self._store.feedback(
                name,
                kind,
                memory_ids=memory_ids,
                copied_text=copied_text,
                correction=correction,
                vector=vectors[0] if vectors else None,
            ),
        )

    def _meant(self, about: Any, turn: str | None) -> tuple[str, list[Memory]]:
        """The turn, and the memories that are named; none where all of the turn is meant."""
        settle(self._store)
        named = current_turn() if turn is None else turn
        if isinstance(about, str):
            found = self._store.get_many([about])
            return (named or _alone(found, "") if found else about), found
        found = self._store.get_many(dict.fromkeys(_node_ids(about)))
        if not found and (named is None or isinstance(about, NodeWithScore | BaseNode | list)):
            raise ParameterError(
                f"nothing in the {type(about).__name__} is of this store; inside feather_turn(), "
                "or with turn=, an answer's turn says what it was made of"
            )
        return named or _alone(found, _said(about)), found


def _logged(turn: str, answer: Callable[[str], list[Signal]]) -> list[Signal]:
    """The answer about what the turn was shown; if nothing is known of that, what it retrieved."""
    try:
        return answer(turn)
    except UnknownTurnError as unknown:
        try:
            return answer(retrieved_only(turn))
        except UnknownTurnError:
            raise unknown from None


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


def _alone(memories: Sequence[Memory], said: str) -> str:
    """The name of the turn that an answer outside of any turn is by itself."""
    parts = [*(memory.id for memory in memories), said]
    return f"answer-{blake2b(json.dumps(parts).encode(), digest_size=12).hexdigest()}"
