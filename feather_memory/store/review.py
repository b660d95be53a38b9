"""The part of a store for whoever looks it over: what holds when, what was shown, what weighs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from math import inf

from feather_memory.checks import instance, label, labels, seconds, when, whole
from feather_memory.errors import UnknownMemoryError
from feather_memory.model.fields import Record
from feather_memory.model.hits import Shown
from feather_memory.model.importance import fold
from feather_memory.model.memory import Memory
from feather_memory.model.scoring import Scoring
from feather_memory.search import listing
from feather_memory.search.question import Question, Where, condition
from feather_memory.search.searcher import Searcher
from feather_memory.store.core import Part
from feather_memory.types import Seconds, When


class Review(Part, of="Store.plumbing"):
    """What a person needs to see what is remembered, at any moment, and to put it right."""

    def page(
        self,
        k: int,
        *,
        offset: int = 0,
        is_past: bool = False,
        where: Where | None = None,
        as_of: When | None = None,
        known_at: When | None = None,
    ) -> tuple[int, list[Memory]]:
        """How many memories hold at a moment, and a page of them: what holds since last, first.

        Args:
            k: How many, at least 1.
            offset: How many to pass over, at least 0.
            is_past: Instead those that do not hold: replaced, ended, not begun or only suggested.
            where: A filter.
            as_of: What was true then?
            known_at: Only what was recorded by then.
        """
        count, passed = whole(k, "k", 1), whole(offset, "offset", 0)
        question = self._at(where, None, as_of, known_at, None)
        with Searcher.over(self._core.truth, self._core.columns) as searcher:
            question = searcher.present(question)
            return listing.page(searcher, question, count, passed, is_past=is_past)

    def holding(
        self, ids: Iterable[str], *, as_of: When | None = None, known_at: When | None = None
    ) -> set[str]:
        """Those of the memories that hold at a moment, given as in `page`."""
        named = labels(ids, "ids")
        question = self._at(None, None, as_of, known_at, None)
        with Searcher.over(self._core.truth, self._core.columns) as searcher:
            return listing.holding(searcher, searcher.present(question), named)

    def span(self) -> tuple[datetime, datetime] | None:
        """From when on anything is held to be true, and the last moment recorded; None if empty."""
        with Searcher.over(self._core.truth, self._core.columns) as searcher:
            found = listing.span(searcher)
        return None if found is None else (when(found[0]), when(found[1]))

    def turns(
        self, k: int, *, offset: int = 0, until: When | None = None
    ) -> tuple[int, list[Shown]]:
        """How many turns the recall log holds, and what a page of them was shown, latest first.

        Args:
            k: How many, at least 1.
            offset: How many to pass over, at least 0.
            until: Only those that were by then.
        """
        count, passed = whole(k, "k", 1), whole(offset, "offset", 0)
        with self._core.truth.reading() as moment:
            return moment.engagement.latest(count, passed, _by(until))

    def uses(
        self,
        id: str,  # noqa: A002  the field's name
        k: int,
        *,
        until: When | None = None,
    ) -> list[tuple[str, datetime, float]]:
        """Turns of the recall log that a memory was shown in, latest first: name, when, score.

        Args:
            id: Of the memory.
            k: How many at most, at least 1.
            until: Only those that were by then.
        """
        named, count = label(id, "id"), whole(k, "k", 1)
        with self._core.truth.reading() as moment:
            found = moment.engagement.uses(named, count, _by(until))
        return [(turn, when(at), score) for turn, at, score in found]

    def importances(self, id: str) -> list[tuple[datetime, float]]:  # noqa: A002  the field's name
        """Since when a memory had which importance, oldest first, without what was taken back.

        The first is what it was written with.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        with self._core.truth.reading() as moment:
            record = moment.memories.find(label(id, "id"))
            if record is None:
                raise UnknownMemoryError(id)
            signals = moment.engagement.signals_of([id])[id]
        begun = min([when(record.created_at), *(signal.at for signal in signals)])
        known = [
            (signal.at, fold(record.prior, signals[:nth]))
            for nth, signal in enumerate(signals, 1)
            if not signal.retracted
        ]
        return [(begun, record.prior), *known]

    def affirm(self, id: str, by: str | None = None) -> Memory:  # noqa: A002  the field's name
        """Count that a memory was said again, as `add` of the same does; the memory.

        Args:
            id: Of the memory.
            by: Who says it, by name.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        who = None if by is None else label(by, "by")
        with self._core.truth.writing() as transaction:
            known: Record | None = transaction.memories.find(label(id, "id"))
            if known is None:
                raise UnknownMemoryError(id)
            transaction.memories.affirm(id, who, transaction.now)
            return transaction.memories.shown([*transaction.memories.by_ids([id]).values()])[0]

    def unaffirm(self, id: str, before: Memory) -> Memory:  # noqa: A002  the field's name
        """Take back that a memory was said again once; the memory.

        Args:
            id: Of the memory.
            before: What it was before that. Who said it last, and when, is as it was then, unless
                it was said again since.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        was = instance(before, "before", Memory)
        with self._core.truth.writing() as transaction:
            known: Record | None = transaction.memories.find(label(id, "id"))
            if known is None:
                raise UnknownMemoryError(id)
            by, at = known.affirmed_by, known.affirmed_at
            if known.affirmed == was.affirmed + 1:
                last = was.affirmed_at
                by, at = was.affirmed_by, None if last is None else last.timestamp()
            if known.affirmed:
                transaction.memories.affirm(id, by, at, times=-1)
            return transaction.memories.shown([*transaction.memories.by_ids([id]).values()])[0]

    def _at(
        self,
        where: Where | None,
        session: str | None,
        as_of: When | None,
        known_at: When | None,
        now: When | None,
    ) -> Question:
        moment = self._core.truth.now() if now is None else seconds(now, "now")
        return Question(
            text=None,
            vector=None,
            scoring=Scoring(),
            now=moment,
            as_of=moment if as_of is None else seconds(as_of, "as_of"),
            is_now=now is None,
            is_current=as_of is None,
            known_at=None if known_at is None else seconds(known_at, "known_at"),
            where=condition(where, session),
        )


def _by(until: When | None) -> Seconds:
    return inf if until is None else seconds(until, "until")
