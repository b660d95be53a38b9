"""The part of a store that learns from what people do with its answers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from feather_memory import feedback
from feather_memory.db import memories, recalls
from feather_memory.drafts import Draft, label, labels, new_id, unit_interval
from feather_memory.errors import ParameterError, UnknownTurnError
from feather_memory.model import Hits, SignalKind
from feather_memory.reading import Reading
from feather_memory.searchable import Searchable
from feather_memory.validity import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from feather_memory.model import Hit, Memory, Signal
    from feather_memory.progress import Progress
    from feather_memory.types import VectorLike, When


class Engagement(Searchable):
    """Recalls, which are logged, and the signals that answer them."""

    def recall(
        self,
        text: str | None = None,
        k: int = 5,
        *,
        turn: str | None = None,
        reinforce: bool = True,
        **asked: Any,
    ) -> Hits:
        """A search whose answers are shown to a model: it is logged, so that feedback finds them.

        Args:
            text: As in `search`, as are `k` and the further arguments.
            k: At least 1.
            turn: The run or message this belongs to; drawn if not given, see `Hits.turn`.
            reinforce: Count the recall, once a turn, so that decay is slower.
            asked: Further arguments of `search`.
        """
        hits = self.search(text, k, **asked)
        return Hits(hits, turn=self.log_recall(hits, turn=turn, reinforce=reinforce))

    def log_recall(
        self, hits: Iterable[Hit], *, turn: str | None = None, reinforce: bool = True
    ) -> str:
        """Record that a model was shown these Hits, however they were found; the turn's name.

        Args:
            hits: Best first. What has been forgotten since is left out.
            turn: As in `recall`, as is `reinforce`.
            reinforce: Count the recall, once a turn.
        """
        name = os.urandom(8).hex() if turn is None else label(turn, "turn")
        shown = [(hit.memory.id, hit.score.value) for hit in hits]
        with self._database.writing() as transaction:
            present = memories.rows_of(transaction.connection, [id_ for id_, _ in shown])
            shown = [pair for pair in shown if pair[0] in present]
            fresh = recalls.log(transaction, name, self._now(), shown)
            if reinforce:
                memories.count_recall(transaction, fresh)
        return name

    def shown(self, turn: str) -> list[Memory]:
        """The memories that a turn was shown, best first, but for those forgotten since.

        Raises:
            UnknownTurnError: Nothing was recalled under that turn.
        """
        with self._database.reading() as connection:
            ids = recalls.shown(connection, label(turn, "turn"))
            if ids is None:
                raise UnknownTurnError(turn)
            found = memories.by_ids(connection, ids)
            return Reading.memories_in(connection, [found[id_] for id_ in ids if id_ in found])

    def name_turn(self, turn: str, also: str) -> None:
        """Give a turn another name, such as its message's id: feedback finds it by either.

        Args:
            turn: Of a recall.
            also: The further name. A name that it has already is no change.

        Raises:
            UnknownTurnError: Nothing was recalled under `turn`.
            ParameterError: `also` names another turn.
        """
        label(turn, "turn"), label(also, "also")
        with self._database.writing() as transaction:
            if recalls.find(transaction.connection, turn) is None:
                raise UnknownTurnError(turn)
            if not recalls.rename(transaction, turn, also):
                raise ParameterError(f"{also!r} names another turn than {turn!r}")

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
        moment = self._now() if at is None else seconds(at, "at")
        share = _strength(strength)
        event = new_id(moment) if event_id is None else label(event_id, "event_id")
        answered = None if turn is None else label(turn, "turn")
        with self._database.writing() as transaction:
            if answered is not None:  # by the name that `unfeedback` looks for
                answered = recalls.find(transaction.connection, answered) or answered
            return feedback.add(
                transaction,
                label(memory_id, "memory_id"),
                signal_kind(kind),
                event_id=event,
                at=moment,
                strength=share,
                turn=answered,
            )

    def unsignal(self, event_id: str) -> Signal:
        """Take a signal back. It stays in the log and no longer counts."""
        with self._database.writing() as transaction:
            return feedback.retract(transaction, label(event_id, "event_id"), self._now())

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
        named, now = signal_kind(kind), self._now()
        event = None if event_id is None else label(event_id, "event_id")
        credit = _strength(strength)
        ids = None if memory_ids is None else labels(memory_ids, "memory_ids")
        draft = None
        if vector is not None and correction is None:
            raise ParameterError("a vector is that of a correction, and there is none")
        if correction is not None:
            if named is not SignalKind.CORRECTED:
                raise ParameterError(f"a correction goes with kind 'corrected', not {named!r}")
            given = {} if vector is None else {"vector": vector}
            draft = Draft.checked({"text": correction, "metadata": {}, **given})
            (draft,) = self._embedded([draft])
        with self._database.writing() as transaction:
            first = recalls.find(transaction.connection, label(turn, "turn"))
            if first is None:
                raise UnknownTurnError(turn)
            meant = feedback.credited(transaction, first, memory_ids=ids, copied_text=copied_text)
            if event is None:
                said = (first, named, *(ids or ()), copied_text, correction)
                is_undone = draft is not None and not feedback.is_said(
                    transaction, meant, draft, now
                )
                event = feedback.event_of(transaction, said, is_undone=is_undone)
            if draft is not None:
                return feedback.correct(transaction, meant, draft, event=event, at=now, turn=first)
            return feedback.share(
                transaction, meant, named, event=event, at=now, turn=first, strength=credit
            )

    def unfeedback(self, turn: str, kind: SignalKind | str) -> list[Signal]:
        """Take back every signal of a kind that answers a turn. They stay in the log.

        A correction's new text stays, too: `unsupersede` undoes that.

        Raises:
            UnknownTurnError: Nothing was recalled under that turn.
        """
        named, now = signal_kind(kind), self._now()
        with self._database.writing() as transaction:
            first = recalls.find(transaction.connection, label(turn, "turn"))
            if first is None:
                raise UnknownTurnError(turn)
            return feedback.retract_all(transaction, first, named, now)

    def _embedded(self, drafts: Sequence[Draft], *, progress: Progress = False) -> list[Draft]:
        named = [draft.id for draft in drafts if draft.id is not None]
        known: dict[tuple[str | None, str], bytes] = {}
        if named and self._embedding.documents is not None:
            with self._database.reading() as connection:
                found = memories.by_ids(connection, named).values()
            known = {(r.id, r.text): r.vector for r in found if r.vector is not None}
        return self._embedding.complete(drafts, known, progress)


def _strength(strength: float) -> float:
    share = unit_interval(strength, "strength")
    if share == 0:
        raise ParameterError("strength must be above 0; a signal is taken back by unsignal")
    return share


def signal_kind(kind: SignalKind | str) -> SignalKind:
    """The kind by that name.

    Raises:
        ParameterError: There is none.
    """
    try:
        return SignalKind(kind)
    except ValueError:
        kinds = ", ".join(SignalKind)
        raise ParameterError(f"kind must be one of {kinds}, got {kind!r}") from None
