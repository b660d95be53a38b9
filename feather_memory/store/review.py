"""The part of a store for whoever looks it over: what holds when, what was shown, what weighs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from feather_memory.checks import label, labels, seconds, when, whole
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
from feather_memory.types import When


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

    def turns(self) -> list[Shown]:
        """The recall log, latest first: what every turn was shown. It is bounded."""
        with self._core.truth.reading() as moment:
            logged = moment.engagement
            turns = [(each.name, each.at) for each in logged.turns()]
            names: dict[str, list[str]] = {turn: [] for turn, _ in turns}
            shown: dict[str, list[tuple[str, float]]] = {turn: [] for turn, _ in turns}
            for other in logged.turn_names():
                names[other.turn].append(other.name)
            for each in logged.shown():
                shown[each.turn].append((each.memory_id, each.score))
        found = [
            Shown(turn=turn, names=tuple(names[turn]), at=when(at), memories=tuple(shown[turn]))
            for turn, at in turns
        ]
        return sorted(found, key=lambda one: one.at, reverse=True)

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
