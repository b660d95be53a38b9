"""The part of a store that logs what a model was shown."""

from __future__ import annotations

import os
from collections.abc import Iterable

from feather_memory.checks import instances, label, labels, vector_bytes
from feather_memory.errors import ParameterError, UnknownTurnError
from feather_memory.model.hits import Hit
from feather_memory.model.memory import EdgeType, Memory
from feather_memory.store.core import Part
from feather_memory.types import VectorLike


class Recalls(Part, of="Store.plumbing"):
    """The recall log: which memories each turn was shown, under which names."""

    def log_recall(
        self,
        hits: Iterable[Hit],
        *,
        turn: str | None = None,
        reinforce: bool = True,
        question: VectorLike | None = None,
    ) -> str:
        """Record that a model was shown these Hits, however they were found; the turn's name.

        A store that can only be read logs nothing.

        Args:
            hits: Best first. What has been forgotten since is left out.
            turn: As in `recall`, as is `reinforce`.
            reinforce: Count the recall, once a turn.
            question: The vector of what was asked, shape (dim,): a like of these memories then
                counts for later questions that are like it. Erased when any of them is forgotten,
                or the message under whose id the turn is known; not kept where nothing was shown.
        """
        asked = None if question is None else vector_bytes(question, "question")
        name = os.urandom(8).hex() if turn is None else label(turn, "turn")
        shown = [(hit.memory.id, hit.score.value) for hit in instances(hits, "hits", Hit)]
        if self._core.truth.is_read_only:  # it answers all the same
            return name
        with self._core.truth.writing() as transaction:
            present = transaction.memories.rows_of([id_ for id_, _ in shown])
            shown = [pair for pair in shown if pair[0] in present]
            kept = asked if shown else None  # else no forgetting would erase it
            fresh = transaction.engagement.log(name, transaction.now, shown, kept)
            if reinforce:
                transaction.memories.count_recall(fresh)
        return name

    def shown(self, turn: str) -> list[Memory]:
        """The memories that a turn was shown, best first, but for those forgotten since.

        Raises:
            UnknownTurnError: Nothing was recalled under that turn.
        """
        with self._core.truth.reading() as moment:
            logged = moment.engagement.recalled(label(turn, "turn"))
            if logged is None:
                raise UnknownTurnError(turn)
            ids = logged[1]
            found = moment.memories.by_ids(ids)
            return moment.memories.shown([found[id_] for id_ in ids if id_ in found])

    def contesting(self, ids: Iterable[str]) -> dict[str, list[str]]:
        """The texts that contradict memories and may not replace them, by the memories' ids.

        Memories of which there are none, or that have been forgotten since, are left out.
        """
        wanted = frozenset(labels(ids, "ids"))
        with self._core.truth.reading() as moment:
            pairs = [
                (edge.target, edge.source)
                for edge in moment.edges.touching(wanted)
                if edge.type == EdgeType.CONTRADICTS and edge.target in wanted
            ]
            told = moment.memories.by_ids({id_ for pair in pairs for id_ in pair}) if pairs else {}
        texts: dict[str, list[str]] = {}
        for id_, against in pairs:
            if told[against].text != told[id_].text:
                texts.setdefault(id_, []).append(told[against].text)
        return texts

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
        if self._core.truth.is_read_only:  # none is logged
            return
        with self._core.truth.writing() as transaction:
            if transaction.engagement.turn(turn) is None:
                raise UnknownTurnError(turn)
            if not transaction.engagement.rename(turn, also):
                raise ParameterError(f"{also!r} names another turn than {turn!r}")
