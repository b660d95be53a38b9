"""One moment's view of a store, which answers: with Hits, a chain, or an explanation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from weakref import proxy

import numpy as np
import numpy.typing as npt

from feather_memory.errors import DimensionError, WrongEmbedderError
from feather_memory.filters.language import Filter, Path
from feather_memory.index.columns import Columns
from feather_memory.index.stored import AskedMatrix, StoredMatrix
from feather_memory.index.turns import Turns
from feather_memory.index.view import View
from feather_memory.model.anchors import MAY_NAME_AN_EVENT
from feather_memory.model.dates import MAY_NAME_A_DATE, dates_in, units_of
from feather_memory.model.fields import DECODERS, Record
from feather_memory.model.formula import Scale
from feather_memory.model.hits import ContextChain, Hit, Hits, hits_of
from feather_memory.model.memory import Memory, shown
from feather_memory.model.periods import MAY_NAME_A_TIME
from feather_memory.model.scoring import Score
from feather_memory.model.structure import Said
from feather_memory.model.tokens import folded
from feather_memory.model.walk import Reached, walk
from feather_memory.model.words import tokenizer
from feather_memory.search.anchored import named_time
from feather_memory.search.certified import CertifiedRanking
from feather_memory.search.chosen import AMONG, Found, distinct, newer_first
from feather_memory.search.conversation import ConversationRanking
from feather_memory.search.links import led_on
from feather_memory.search.merits import Merits
from feather_memory.search.question import Question, WordsAsked
from feather_memory.search.ranking import Ranking
from feather_memory.search.relevant import relevant
from feather_memory.truth.contract import ReadTransaction, Truth
from feather_memory.types import Mask, Positions, Seconds

_MORE = 4  # times as many are ranked where too few are left that say different things
_SHOWN = 64  # memories whose ids are asked for: up to here they are what is shown afterwards


class MovedError(Exception):
    """Others have written since the arrays were brought up to date. Never leaves `asking`."""


class Searcher:
    """One moment's view of the store, and the answers it gives."""

    def __init__(
        self,
        view: View,
        columns: Columns,
        begin: Callable[[], ReadTransaction],
        begun: ReadTransaction | None = None,
    ) -> None:
        if isinstance(view.matrix, StoredMatrix):
            me = proxy(self)  # or what is brought would wait for the cyclic collector
            view = replace(view, matrix=AskedMatrix(view.matrix, lambda: me.transaction, view.rows))
        self.view = view
        self._columns = columns
        self._begin = begin
        self._begun = begun

    @property
    def transaction(self) -> ReadTransaction:
        """That of the view's moment, begun when something is asked that is in no array."""
        if self._begun is None:
            self._begun = self._begin()
            if self._begun.state.generation != self.view.generation:
                raise MovedError
        return self._begun

    @classmethod
    @contextmanager
    def over(cls, truth: Truth, columns: Columns) -> Iterator[Searcher]:
        """A searcher of this moment, until the block ends."""
        with truth.reading() as transaction:
            yield cls(columns.sync(transaction), columns, lambda: transaction, transaction)

    @property
    def turns(self) -> Turns | None:
        """Who said what, in which session; None where nobody is told apart."""
        if self.view.lineage.turns.is_silent:
            return None
        return self._columns.turns(lambda: self.transaction, self.view)

    def present(self, question: Question) -> Question:
        """The question, asked no earlier than the last moment that is recorded."""
        latest = self.view.state.latest
        return question if question.now >= latest else question.no_earlier(latest)

    def eligible(self, question: Question) -> Mask:
        """Which memories may be returned: current for the question, and let through its filter."""
        return self._eligible(question)[0]

    def _eligible(self, question: Question) -> tuple[Mask, int]:
        """Which, and how many."""
        as_of, view = question.as_of, self.view
        if question.known_at is None:
            current = view.shared.current(view.columns["valid_from"], view.until, as_of)
            mask, many = current.mask, current.many
        else:
            mask, many = self._known(as_of, question.known_at), None
        if question.where is not None:
            mask = mask & self._columns.mask(lambda: self.transaction, view, question.where)
            many = None
        return mask, int(np.count_nonzero(mask)) if many is None else many

    def _known(self, as_of: Seconds, known_at: Seconds) -> Mask:
        """Which memories we knew at `known_at` to hold at `as_of`."""
        view, columns = self.view, self.view.columns
        mask = (columns["created_at"] <= known_at) & (columns["valid_from"] <= as_of)
        mask &= view.until > -np.inf  # −inf: it is gone
        for name in ("stated_to", "expires_at"):
            mask &= ~(columns[name] <= as_of)  # NaN, for an open end, is below nothing
        mask[view.supersessions.closed(as_of=as_of, known_at=known_at)] = False
        return mask

    def rank(self, question: Question) -> Ranking:
        """The ranking of all that may be returned.

        Raises:
            DimensionError: The question's vector is of another length than the store's.
            WrongEmbedderError: It is by another model.
        """
        self.check_fits(question)
        view, text = self.view, question.text
        eligible, allowed = self._eligible(question)
        words = None if text is None else self._words(text, eligible)
        if question.min_relevance > 0:
            eligible = relevant(view, question, words, eligible)
            allowed = int(np.count_nonzero(eligible))
        period = None
        if question.scoring.structure:
            small = "" if text is None else text.lower()
            if MAY_NAME_A_TIME.search(small) or MAY_NAME_AN_EVENT.search(small):
                period = named_time(view, question, eligible)
            turns, liked = self.turns, None
            if view.liked is not None and question.vector is not None:
                liked = view.liked.of(question.vector, len(view))
            if turns is not None or liked is not None:
                said = Said.nothing(len(view)) if turns is None else turns.said
                spoken = None if turns is None or text is None else turns.spoken(folded(text))
                return ConversationRanking(
                    view, question, eligible, allowed, words, period=period,
                    said=said, spoken=spoken, liked=liked,
                )  # fmt: skip
        lineage = view.lineage
        if lineage.sketch.drawn is None and lineage.approximation.index is None:
            return Ranking(view, question, eligible, allowed, words, period)
        return CertifiedRanking(view, question, eligible, allowed, words, period)

    def _words(self, text: str, eligible: Mask) -> WordsAsked:
        """What the words of the memories, and the dates from which they hold, say of a text."""
        view, language = self.view, self.view.state.language
        known = tokenizer(language)
        asked, further = known.asked(text), {}
        if MAY_NAME_A_DATE.search(text) and (dates := dates_in(text, language)):
            units = units_of(view.columns["valid_from"])
            for word, (unit, number) in dates.items():
                at = np.flatnonzero(asked == known.asked(word)[0])
                if at.size:
                    further[int(at[0])] = np.flatnonzero(units[unit] == number)
        return WordsAsked(*view.words.bm25(asked, eligible, further))

    def check_fits(self, question: Question) -> None:
        """See that the question's vector can be compared; raises as `rank`."""
        asked, matrix, model = question.vector, self.view.matrix, self.view.state.embedder
        if asked is not None and None not in {model, question.model} and model != question.model:
            raise WrongEmbedderError(expected=str(model), got=str(question.model))
        if asked is not None and matrix is not None and len(asked) != matrix.dim:
            raise DimensionError(matrix.dim, len(asked))

    def search(self, question: Question, k: int) -> Hits:
        """The k best, best first; of several that say the same one."""
        return self.found(self.rank(question), question, k)

    def found(self, ranking: Ranking, question: Question, k: int) -> Hits:
        """The same, of what is ranked already."""
        words = ranking.words if question.scoring.structure else None
        kept = self._best(ranking, question, k if words is None else max(k, AMONG))[1]
        if words is not None:
            held_at = partial(words.held.at, n=len(words.bm25))
            first = newer_first(kept[:AMONG], held_at, self.records_at)
            kept = [*first, *kept[AMONG:]]
        kept = kept[:k]
        hits = hits_of(self.memories_at([at for at, *_ in kept]), kept)
        hits.question = question.vector
        if ranking.period is not None:
            hits.period = ranking.period.moments
            hits.dated_by = tuple(self._ids_at(ranking.period.dated_by).values())
        return hits

    def _best(
        self, ranking: Ranking, question: Question, many: int
    ) -> tuple[list[tuple[int, Score]], list[Found]]:
        """The best that are ranked, and at least as many of them as are wanted if there are."""
        wanted = many
        while True:
            best = ranking.best(wanted)
            kept: list[Found] = [(*one, 1) for one in best]
            if question.distinct:
                kept = distinct(kept, self.view.words, ranking.eligible, self.records_at)
            if len(kept) >= many or len(best) < wanted:
                return best, kept
            wanted *= _MORE

    def scale(self, question: Question) -> Scale:
        """Between which cosines and words the question's own scale lies."""
        return self.rank(question).scale

    def nearest(self, question: Question, k: int) -> list[tuple[Memory, float]]:
        """The k nearest with their cosines, nearest first."""
        near = self.rank(question).nearest(k)
        found = self.memories_at([at for at, _ in near])
        return [(memory, cosine) for memory, (_, cosine) in zip(found, near, strict=True)]

    def latest(self, where: Filter | None, k: int, offset: int, alike: Path | None) -> list[Memory]:
        """The k written last after the first `offset`, latest first, current or not.

        Of those that have the same at the path `alike`, if there is one, only the latest counts.
        """
        view, columns = self.view, self._columns
        mask = view.until > -np.inf  # −inf: it is gone
        if where is not None:
            mask &= columns.mask(lambda: self.transaction, view, where)
        at = np.flatnonzero(mask)[::-1]
        if alike is not None:
            same = self._same_at(alike)[at]
            same = np.where(same < 0, -1 - at, same)  # what lacks it stands for itself
            at = at[np.sort(np.unique(same, return_index=True)[1])]
        return self.memories_at(at[offset : offset + k].tolist())

    def _same_at(self, path: Path) -> npt.NDArray[np.integer]:
        """A number for each memory: the same for those that have the same there, −1 for nothing."""
        view = self.view
        if (values := view.columns.get(path[0])) is None:
            return view.lineage.fields.at(lambda: self.transaction, view.rows, path).codes
        codes = np.unique(values, return_inverse=True)[1]
        return np.where(np.isnan(values), -1, codes)

    def memories_at(self, positions: list[int]) -> list[Memory]:
        """The memories there, as callers see them."""
        records = self.records_at(positions)
        members = self.view.supersessions.members
        replaced = [at for at in positions if at < len(members) and members[at]]
        if not replaced:
            return shown([(records[at], (), ()) for at in positions], DECODERS)
        new, old = self._replacements_of(np.array(replaced, np.intp))
        told = [(records[at], new.get(at, ()), old.get(at, ())) for at in positions]
        return shown(told, DECODERS)

    def records_at(self, positions: list[int]) -> dict[int, Record]:
        """The records there, by position: those that were read before need no transaction."""
        view, recent = self.view, self._columns.recent
        rows = view.rows[positions].tolist()
        found = recent.held(rows, view.generation)
        if len(found) < len(rows) and (missing := [row for row in rows if row not in found]):
            read = self.transaction.memories.by_rows(missing)
            recent.keep(read, view.generation)
            found.update((record.row, record) for record in read)
        return {at: found[row] for at, row in zip(positions, rows, strict=True)}

    def _replacements_of(
        self, positions: Positions
    ) -> tuple[dict[int, tuple[str, ...]], dict[int, tuple[str, ...]]]:
        """Ids of what the memories replaced, and of what replaced them, by position."""
        replaced: dict[int, tuple[str, ...]] = {}
        replacing: dict[int, tuple[str, ...]] = {}
        pairs = self.view.supersessions.pairs_of(positions)
        records = self.records_at(sorted({at for pair in pairs for at in pair}))
        named = sorted((records[new].id, records[old].id, new, old) for new, old in pairs)
        for new_id, old_id, new, old in named:
            replaced[new] = (*replaced.get(new, ()), old_id)
            replacing[old] = (*replacing.get(old, ()), new_id)
        return replaced, replacing

    def context_chain(
        self,
        question: Question,
        k: int,
        *,
        hops: int,
        types: frozenset[str] | None,
        limit: int,
    ) -> ContextChain:
        """The k best and what is linked to them, within `hops` steps; at most `limit` in all.

        Of several that say the same one is in the chain; what the others are linked to is, too.
        """
        ranking, view = self.rank(question), self.view
        edges = self._columns.edges(lambda: self.transaction, view)
        ranked, first = self._best(ranking, question, min(k, limit))
        beyond = first[min(k, limit) :]
        best = dict(ranked[: [at for at, _ in ranked].index(beyond[0][0])] if beyond else ranked)

        def links(places: Collection[int]) -> Iterator[tuple[int, int, float]]:
            return edges.links(_positions(places), types)

        neighbours = led_on(links, view.supersessions, question)
        merits = Merits(ranking)
        seeds = {at: score.value for at, score in best.items()}
        most = max(limit, len(best))
        while True:
            reached = walk(
                seeds, neighbours, merits.values, hops=hops, limit=most, ids=self._ids_at
            )
            own = [at for at, each in reached.items() if not each.inherited and at not in best]
            best.update(merits.scores(own))
            kept: list[Found] = [
                (at, _score(each, best.get(at)), 1) for at, each in reached.items()
            ]
            kept = distinct(kept, view.words, ranking.eligible, self.records_at)
            if len(kept) >= limit or len(reached) < most:
                break
            most *= _MORE
        places = [at for at, *_ in kept[:limit]]
        found = self.memories_at(places)
        hits = tuple(
            Hit(memory=memory, hop=reached[at].hop, score=score, copies=copies)
            for memory, (at, score, copies) in zip(found, kept, strict=False)
        )
        ids = {at: memory.id for at, memory in zip(places, found, strict=True)}
        among = edges.among_these(ids, types)
        return ContextChain(hits=hits, edges=among, question=question.vector)

    def _ids_at(self, places: Collection[int]) -> dict[int, str]:
        """The ids of the memories there, by position."""
        if len(places) <= _SHOWN:
            return {at: record.id for at, record in self.records_at([*places]).items()}
        view = self.view
        rows = view.rows[_positions(places)].tolist()
        known = self._columns.recent.held(rows, view.generation)
        ids = {row: record.id for row, record in known.items()}
        if len(ids) < len(rows):
            missing = [row for row in rows if row not in ids]
            ids |= self.transaction.memories.ids_of(missing)
        return {at: ids[row] for at, row in zip(places, rows, strict=True)}


def _positions(places: Collection[int]) -> Positions:
    return np.fromiter(places, np.intp, len(places))


def _score(reached: Reached, own: Score | None) -> Score:
    if own is None or reached.inherited:
        return Score(value=reached.score, inherited=reached.score)
    return own
