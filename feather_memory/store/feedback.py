"""The part of a store that learns from what people do with its answers."""

from __future__ import annotations

from collections.abc import Sequence

from feather_memory.checks import label, labels, one_of, passage, seconds, share, when
from feather_memory.errors import ParameterError
from feather_memory.model.memory import Signal, SignalKind
from feather_memory.store.core import Part
from feather_memory.types import VectorLike, When
from feather_memory.write import feedback as write
from feather_memory.write.draft import Draft, new_id
from feather_memory.write.feedback import Answer


class Feedback(Part):
    """Signals about memories, alone or as answers to a recall."""

    def signal(
        self,
        memory_id: str,
        kind: SignalKind | str,
        *,
        event_id: str | None = None,
        strength: float = 1.0,
        turn: str | None = None,
        at: When | None = None,
    ) -> Signal:
        """Log what somebody did with a memory, and fold it into its importance.

        Args:
            memory_id: Which memory.
            kind: saved, liked, disliked, copied, corrected, repeated or used.
            event_id: The same event again changes nothing; drawn if not given.
            strength: In (0, 1].
            turn: The recall it answers, by any of its names.
            at: When it happened; now unless given.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        credit, named = share(strength, "strength"), signal_kind(kind)
        memory = label(memory_id, "memory_id")
        event = None if event_id is None else label(event_id, "event_id")
        answered = None if turn is None else label(turn, "turn")
        stated = None if at is None else seconds(at, "at")
        with self._core.truth.writing() as transaction:
            moment = transaction.now if stated is None else stated
            if answered is not None:  # by the name that `unfeedback` looks for
                answered = transaction.engagement.turn(answered) or answered
            signal = Signal(
                event_id=event or new_id(moment),
                memory_id=memory,
                kind=named,
                at=when(moment),
                strength=credit,
                turn=answered,
            )
            return write.add(transaction, signal)

    def unsignal(self, event_id: str) -> Signal:
        """Take a signal back. It stays in the log and no longer counts."""
        event = label(event_id, "event_id")
        with self._core.truth.writing() as transaction:
            return write.retract(transaction, event, transaction.now)

    def feedback(
        self,
        turn: str,
        kind: SignalKind | str,
        *,
        memory_ids: Sequence[str] | None = None,
        copied_text: str | None = None,
        correction: str | None = None,
        vector: VectorLike | None = None,
        event_id: str | None = None,
        strength: float = 1.0,
    ) -> list[Signal]:
        """Log what somebody did with what a turn was shown; the credit is shared among it.

        Without an `event_id` the same feedback on the same turn is the same event: to like an
        answer twice is to like it once, until `unfeedback` takes it back; to correct it twice is
        to correct it once, until something else was said of it.

        Of a like and a dislike of one memory in one turn the later holds: it takes the earlier
        back. Two that have an `event_id` each are two people's, and both count; one without takes
        back whatever there is, and is taken back by whatever comes.

        Args:
            turn: Of a recall, perhaps in another process, by any of its names.
            kind: As in `signal`.
            memory_ids: Only these of the memories shown.
            copied_text: Only those that hold it.
            correction: What is true instead: the one memory meant is lowered, and what is current
                of it superseded. The correction keeps its metadata, session, actor and links.
            vector: Of the correction; embedded by the store unless given.
            event_id: The same event again changes nothing, also after it was taken back.
            strength: In (0, 1]: the credit there is to share.

        Raises:
            UnknownTurnError: Nothing was recalled under that turn.
            ParameterError: A correction that could mean several memories.
        """
        named, credit = signal_kind(kind), share(strength, "strength")
        if correction is not None and named is not SignalKind.CORRECTED:
            raise ParameterError(f"a correction goes with kind 'corrected', not {named!r}")
        if correction is None and vector is not None:
            raise ParameterError("a vector is that of a correction, and there is none")
        answer = Answer(
            turn=label(turn, "turn"),
            kind=named,
            memory_ids=None if memory_ids is None else labels(memory_ids, "memory_ids"),
            copied_text=None if copied_text is None else passage(copied_text, "copied_text"),
            correction=self._corrected(correction, vector),
            event_id=None if event_id is None else label(event_id, "event_id"),
            strength=credit,
        )
        with self._core.truth.writing() as transaction:
            return write.answer(transaction, answer)

    def unfeedback(
        self,
        turn: str,
        kind: SignalKind | str,
        *,
        memory_ids: Sequence[str] | None = None,
        copied_text: str | None = None,
    ) -> list[Signal]:
        """Take back every signal of a kind that answers a turn. They stay in the log.

        A correction's new text stays, too: `unsupersede` undoes that.

        Args:
            turn: As in `feedback`, as are the next.
            kind: As in `signal`.
            memory_ids: Only about these of the memories shown.
            copied_text: Only about those that hold it.

        Raises:
            UnknownTurnError: Nothing was recalled under that turn.
            ParameterError: An id that the turn was not shown.
        """
        answer = Answer(
            turn=label(turn, "turn"),
            kind=signal_kind(kind),
            memory_ids=None if memory_ids is None else labels(memory_ids, "memory_ids"),
            copied_text=None if copied_text is None else passage(copied_text, "copied_text"),
        )
        with self._core.truth.writing() as transaction:
            return write.retract_all(transaction, answer, transaction.now)

    def _corrected(self, text: str | None, vector: VectorLike | None) -> Draft | None:
        if text is None:
            return None
        draft = Draft.of_new({"text": text, "vector": vector})
        return self._core.embedding.complete([draft], progress=False)[0]


def signal_kind(kind: SignalKind | str) -> SignalKind:
    """The kind by that name.

    Raises:
        ParameterError: There is none.
    """
    one_of(kind, "kind", tuple(SignalKind))
    return SignalKind(kind)
