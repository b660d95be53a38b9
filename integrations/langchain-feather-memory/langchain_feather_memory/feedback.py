"""From what users do with an answer to the importance of the memories it was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import BaseMessage

from feather_memory import EdgeType, F, ParameterError, SignalKind
from langchain_feather_memory._acts import Act, acts_of
from langchain_feather_memory._tenancy import store_for
from langchain_feather_memory._turns import TURN, named_too, names_of, stamp_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from feather_memory import Signal, Store, TenantPool

_OPPOSITE: Final = {
    SignalKind.LIKED: SignalKind.DISLIKED,
    SignalKind.DISLIKED: SignalKind.LIKED,
}
COMMENTS: Final = "feedback.comments"
"""The shelf of the tenant's store that has what people wrote to their feedback, by event id."""


class MemoryFeedback:
    """Turns what a user did with an answer into the importance of what it was made of.

    A run is named by its id, by the model's message, or by that message's id alone; now or later,
    in this process or another. The same feedback again changes nothing, by whichever name.
    A dislike of a memory takes an earlier like of it back, and the other way round. Credit is
    shared among the memories shown, unless `memory_ids` says which are meant.

    All raise UnknownTurnError for a run that was shown nothing, or that is too long ago. With a
    pool, a message says whose it is; by an id alone, `tenant` must: here, or at the call.

    Args:
        source: An open store, of the tenant whose run it was; or the pool of many.
        tenant: Whose runs are meant.
    """

    def __init__(self, source: Store | TenantPool, *, tenant: str | None = None) -> None:
        self._source = source
        self._tenant = tenant

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

        So is the answer itself, where `FeatherMemoryMiddleware` has remembered it.

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
        store, turn = self._turn(run, tenant)
        return store.unfeedback(turn, kind)

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
            memory_ids: Only these of the memories shown.
            tenant: Whose run it was.

        Raises:
            ParameterError: An unknown key, one whose score, value or correction says nothing, or
                another run's `feedback_id`.
        """
        acts = acts_of(key, score=score, value=value, correction=correction)
        store, turn = self._turn(run, tenant)
        event = None if feedback_id is None else str(feedback_id)
        signals = [signal for act in acts for signal in _done(store, turn, act, memory_ids, event)]
        if comment is not None:
            store.plumbing.shelf(COMMENTS).update({signal.event_id: comment for signal in signals})
        return signals

    def _do(
        self,
        act: Act,
        run: UUID | str | BaseMessage,
        tenant: str | None,
        memory_ids: Sequence[str] | None,
    ) -> list[Signal]:
        store, turn = self._turn(run, tenant)
        return _done(store, turn, act, memory_ids, None)

    def _turn(self, run: UUID | str | BaseMessage, tenant: str | None) -> tuple[Store, str]:
        """The store of the run's tenant, and a name under which it may know the run's turn."""
        stamped = stamp_of(run).get("tenant") if isinstance(run, BaseMessage) else None
        named = self._tenant if tenant is None else tenant
        if None not in (named, stamped) and named != stamped:
            raise ParameterError(f"the message is of tenant {stamped!r}, not of {named!r}")
        store = store_for(
            self._source,
            named=tenant,
            default=self._tenant,
            places={"the message's stamp": stamped},
        )
        names = names_of(run)
        known = (name for name in names if len(names) == 1 or named_too(store, name, name))
        return store, next(known, names[0])


def _done(
    store: Store, turn: str, act: Act, memory_ids: Sequence[str] | None, event: str | None
) -> list[Signal]:
    """The signals of one act. A verdict takes its opposite back."""
    if not act.is_done and event is None:
        return store.unfeedback(turn, act.kind)
    if act.correction is not None:  # its text is embedded: not while other writers wait
        signals = _given(store, turn, act, memory_ids, event)
        _retire_answer(store, signals)
        return signals
    with store.transaction():
        signals = _given(store, turn, act, memory_ids, event)
        if not act.is_done:
            return [store.unsignal(signal.event_id) for signal in signals]
        if (opposite := _OPPOSITE.get(act.kind)) is not None:
            _take_back(store, opposite, event, signals)
        return signals


def _retire_answer(store: Store, signals: Sequence[Signal]) -> None:
    """Let the correction supersede what the model said in the turn, too, where it is remembered."""
    for signal in signals:
        said = (F("role") == "assistant") & (F(TURN) == signal.turn)
        corrected = store.get(signal.memory_id)
        with store.transaction():
            for answer in store.iterate(said):
                for new in corrected.superseded_by[-1:]:
                    store.link(new, answer.id, EdgeType.SUPERSEDES)


def _given(
    store: Store, turn: str, act: Act, memory_ids: Sequence[str] | None, event: str | None
) -> list[Signal]:
    asked: dict[str, Any] = {
        "memory_ids": memory_ids,
        "copied_text": act.copied_text,
        "correction": act.correction,
    }
    if event is None:
        return store.feedback(turn, act.kind, **asked)
    nth = 0
    while True:  # an event that was taken back never counts again: the same feedback is the next
        signals = store.feedback(turn, act.kind, event_id=f"{event}.{act.kind}.{nth}", **asked)
        if any(not named_too(store, signal.turn or turn, turn) for signal in signals[:1]):
            raise ParameterError(f"feedback {event!r} is about another run than {turn!r}")
        if not signals or not all(signal.retracted for signal in signals):
            return signals
        nth += 1


def _take_back(store: Store, kind: SignalKind, event: str | None, about: Sequence[Signal]) -> None:
    """Take a verdict back about these memories: all of the turn's, or those of one feedback."""
    for signal in about:
        for known in store.signals(signal.memory_id):
            is_meant = (
                (known.turn, known.kind) == (signal.turn, kind)
                if event is None
                else known.event_id.startswith(f"{event}.{kind}.")
            )
            if is_meant and not known.retracted:
                store.unsignal(known.event_id)
