"""From what users do with an answer to the importance of the memories it was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from langchain_core.messages import BaseMessage

from feather_memory import (
    ContextLayers,
    ParameterError,
    Signal,
    SignalKind,
    Store,
    TenantPool,
    UnknownTurnError,
)
from feather_memory.agent import Act, Opened, done, known_turn, stamp_in, take_back
from langchain_feather_memory._langsmith import COMMENTS, acts_of
from langchain_feather_memory._source import Held, source_of


class MemoryFeedback(Held):
    """Turns what a user did with an answer into the importance of what it was made of.

    A run is named by its id, by the model's message, or by that message's id alone; now or later,
    in this process or another. The same feedback again changes nothing, by whichever name.
    A dislike of a memory takes an earlier like of it back, and the other way round; two that have
    a `feedback_id` each are two people's. Credit is shared among the memories shown, unless
    `memory_ids` says which are meant.

    All raise UnknownTurnError for a run that was shown nothing, or that is too long ago. With a
    pool, a message says whose it is; by an id alone, `tenant` must: here, or at the call.

    Args:
        source: An open store, of the tenant whose run it was; or the pool of many.
        layers: Instead, the stores that were read together.
        tenant: Whose runs are meant.
    """

    def __init__(
        self,
        source: Store | TenantPool | None = None,
        *,
        layers: ContextLayers | None = None,
        tenant: str | None = None,
    ) -> None:
        self._source = source_of("MemoryFeedback", source, layers=layers, tenant=tenant)

    def like(
        self,
        run: UUID | str | BaseMessage,
        *,
        memory_ids: Sequence[str] | None = None,
        tenant: str | None = None,
    ) -> list[Signal]:
        """The answer was good."""
        return self._do(Act(kind=SignalKind.LIKED), run, tenant, memory_ids)

    def dislike(
        self,
        run: UUID | str | BaseMessage,
        *,
        memory_ids: Sequence[str] | None = None,
        tenant: str | None = None,
    ) -> list[Signal]:
        """The answer was bad."""
        return self._do(Act(kind=SignalKind.DISLIKED), run, tenant, memory_ids)

    def saved(
        self,
        run: UUID | str | BaseMessage,
        *,
        memory_ids: Sequence[str] | None = None,
        tenant: str | None = None,
    ) -> list[Signal]:
        """The answer was kept."""
        return self._do(Act(kind=SignalKind.SAVED), run, tenant, memory_ids)

    def copied(
        self,
        run: UUID | str | BaseMessage,
        *,
        text: str | None = None,
        memory_ids: Sequence[str] | None = None,
        tenant: str | None = None,
    ) -> list[Signal]:
        """The answer was copied; with `text`, the credit goes to the memories that hold it."""
        act = Act(kind=SignalKind.COPIED, copied_text=text)
        return self._do(act, run, tenant, memory_ids)

    def corrected(
        self,
        run: UUID | str | BaseMessage,
        *,
        correction: str,
        memory_ids: Sequence[str] | None = None,
        tenant: str | None = None,
    ) -> list[Signal]:
        """The answer was wrong: the memory meant is lowered, and superseded by the correction.

        So is the answer itself, where `FeatherMemoryMiddleware` has remembered it; in another
        layer than the memory it is no longer valid.

        Raises:
            ParameterError: The run was shown several memories, and `memory_ids` names none.
        """
        act = Act(kind=SignalKind.CORRECTED, correction=correction)
        return self._do(act, run, tenant, memory_ids)

    def take_back(
        self, run: UUID | str | BaseMessage, kind: SignalKind | str, *, tenant: str | None = None
    ) -> list[Signal]:
        """What was said of the run, such as "liked", no longer counts. It stays in the log.

        The text of a correction stays current: `Store.unsupersede` undoes that.
        """
        return take_back(*self._turn(run, tenant), kind)

    def record(
        self,
        run: UUID | str | BaseMessage,
        key: str,
        *,
        score: float | None = None,
        value: float | str | Mapping[str, Any] | None = None,
        correction: str | Mapping[str, Any] | None = None,
        comment: str | None = None,
        feedback_id: UUID | str | None = None,
        memory_ids: Sequence[str] | None = None,
        tenant: str | None = None,
    ) -> list[Signal]:
        """Feedback in the shape of LangSmith's `create_feedback`; the signals it is.

        Args:
            run: By its id, by the model's message, or by that message's id.
            key: `like`, `thumbs` or `user_score`: a like from a score of ½, below it a dislike.
                `copied` or `saved`: below ½ it is taken back. `correction` or `corrected`.
            score: In [0, 1], or a bool.
            value: Instead of the score; for `copied`, the text that was; for a correction, it.
            correction: What is true instead, with any key: a text, or a dict with one text in it.
            comment: Kept on the tenant's shelf `feedback.comments`, by the signals' event ids.
            feedback_id: Which feedback of the run is the same one; each id counts for itself.
            memory_ids: Only these of the memories shown, also where it is taken back.
            tenant: Whose run it was.

        Raises:
            ParameterError: An unknown key, one whose score, value or correction says nothing, or
                another run's `feedback_id`.
        """
        acts = acts_of(key, score=score, value=value, correction=correction)
        opened, turn = self._turn(run, tenant)
        event = None if feedback_id is None else str(feedback_id)
        signals: list[Signal] = []
        for act in acts:
            signals += done(opened, turn, act, memory_ids=memory_ids, event=event)
        if comment is not None:
            said = {signal.event_id: comment for signal in signals}
            opened.writes.plumbing.shelf(COMMENTS).update(said)
        return signals

    def _do(
        self,
        act: Act,
        run: UUID | str | BaseMessage,
        tenant: str | None,
        memory_ids: Sequence[str] | None,
    ) -> list[Signal]:
        return done(*self._turn(run, tenant), act, memory_ids=memory_ids)

    def _turn(self, run: UUID | str | BaseMessage, tenant: str | None) -> tuple[Opened, str]:
        """What the run's tenant has, and a name under which it may know the run's turn."""
        said = stamp_in(run.response_metadata) if isinstance(run, BaseMessage) else {}
        named, stamped = self._source.tenant if tenant is None else tenant, said.get("tenant")
        if None not in (named, stamped) and named != stamped:
            raise ParameterError(f"the message is of tenant {stamped!r}, not of {named!r}")
        names = _names_of(run, said.get("turn"))
        opened = self._source.found(named=tenant, places={"the message's stamp": stamped})
        if opened is None:  # who has no memory was shown nothing, and gets none by a like
            raise UnknownTurnError(names[0])
        return opened, known_turn(opened, names)


def _names_of(run: UUID | str | BaseMessage, stamped: str | None) -> list[str]:
    """The names under which a run's turn may be logged, the surest first.

    Raises:
        ParameterError: A message that has neither an id nor the stamp of a turn.
    """
    if not isinstance(run, BaseMessage):
        return [str(run)]
    names = [name for name in (stamped, run.id) if name]
    if not names:
        raise ParameterError(
            "the message has no id, and was made without a FeatherMemoryMiddleware or a "
            "FeedbackCallbackHandler: nothing says which run it answers"
        )
    return names
