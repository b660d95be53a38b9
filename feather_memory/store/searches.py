"""The part of a store that finds memories, says why, and logs what a model was shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from feather_memory import checks
from feather_memory.checks import instance, label, labels, seconds, whole
from feather_memory.errors import ParameterError
from feather_memory.model.formula import Scale
from feather_memory.model.hits import ContextChain, Hits, Verdict
from feather_memory.model.later import followed
from feather_memory.model.memory import Memory
from feather_memory.model.scoring import Scoring
from feather_memory.model.voice import in_first_person
from feather_memory.search.asking import ask, put
from feather_memory.search.question import Put, Question, SearchOptions, Where, condition
from feather_memory.search.searcher import Searcher
from feather_memory.search.verdicts import why_not
from feather_memory.store.core import Part
from feather_memory.store.packing import bounds, packed, why_nothing
from feather_memory.store.recalls import Recalls
from feather_memory.types import Vector, VectorLike, When
from feather_memory.write.draft import model_of

_DEFAULT = Scoring()
_SIMILARITY = Scoring(
    time_weight=0, importance_weight=0, dense_weight=1, structure=False, scaled=False
)


class Searches(Part):
    """Search by meaning, words and links, at any moment. Only `recall` writes: its log."""

    def search(
        self,
        text: str | None = None,
        k: int = 5,
        *,
        vector: VectorLike | None = None,
        where: Where | None = None,
        session: str | None = None,
        as_of: When | None = None,
        known_at: When | None = None,
        scoring: Scoring | None = None,
        now: When | None = None,
        min_relevance: float = 0.0,
        distinct: bool = True,
        scale: Scale | None = None,
    ) -> Hits:
        """The k best of all memories that may be returned, by the formula of docs/scoring.md.

        Writes nothing. Fewer than k only if fewer may be returned.

        Args:
            text: What to look for. Embedded, too, if there is an embedder and no `vector`,
                unless the scoring gives similarity no weight.
            k: At least 1.
            vector: What to look for, shape (dim,).
            where: Only memories this filter lets through.
            session: Only memories of this session.
            as_of: What was true then? Now unless given.
            known_at: Only what was recorded by then.
            scoring: How relevance, age and importance weigh.
            now: From when ages count; the clock's time unless given.
            min_relevance: Return nothing where no memory has this `hit.score.absolute`, in [0, 1];
                and else none that has less than half of it.
            distinct: Return one of several that say the same, equal but for case and
                punctuation: one with a key, or the best. `hit.copies` says how many there are.
                A question and a statement do not say the same, nor do two people.
            scale: Between which cosines similarities lie, where several stores are read together;
                see `plumbing.scale`.

        Raises:
            ParameterError: An argument outside its range, or neither text nor vector.
            DimensionError: The vector's length is not this store's.
        """
        count = whole(k, "k", 1)
        question = self._question(
            text, vector=vector, where=where, session=session, as_of=as_of,
            known_at=known_at, scoring=scoring, now=now, min_relevance=min_relevance,
            distinct=distinct, scale=scale,
        )  # fmt: skip
        core = self._core
        return ask(core.truth, core.columns, Searcher.search, question, count)

    def nearest(
        self, vector: VectorLike, k: int = 5, *, where: Where | None = None,
        session: str | None = None, as_of: When | None = None, known_at: When | None = None,
        now: When | None = None,
    ) -> list[tuple[Memory, float]]:  # fmt: skip
        """The k memories nearest to a vector, with their cosine in [−1, 1]; nothing else counts.

        A memory without a vector counts as 0. The arguments are those of `search`.
        """
        count = whole(k, "k", 1)
        question = self._question(
            None, vector=vector, where=where, session=session, as_of=as_of, known_at=known_at,
            now=now, scoring=_SIMILARITY,
        )  # fmt: skip
        core = self._core
        return ask(core.truth, core.columns, Searcher.nearest, question, count)

    def context_chain(  # noqa: PLR0913  a search's arguments
        self, text: str | None = None, k: int = 5, hops: int = 2, *,
        types: Iterable[str] | None = None, limit: int = 50, time_weight: float | None = None,
        vector: VectorLike | None = None, where: Where | None = None,
        session: str | None = None, as_of: When | None = None, known_at: When | None = None,
        scoring: Scoring | None = None, now: When | None = None, scale: Scale | None = None,
    ) -> ContextChain:  # fmt: skip
        """The k best memories and what is linked to them within `hops` steps.

        A memory that is reached scores its parent's score × edge weight × 0.5, or its own score
        if that is better. Filters and currency hold for every memory reached; the links of what was
        replaced are those of what stands in its place. Of several that say the same one is there.

        Args:
            text: As in `search`, as are `k` and the further arguments.
            k: How many memories the query itself finds, at least 1.
            hops: How far to walk, at least 0.
            types: Only over edges of these types.
            limit: How many memories there may be in all, at least 1.
            time_weight: Instead of the scoring's.
            vector: As in `search`, as are the rest.
            where: Only memories this filter lets through.
            session: Only memories of this session.
            as_of: What was true then?
            known_at: Only what was recorded by then.
            scoring: How relevance, age and importance weigh.
            now: From when ages count.
            scale: As in `search`.
        """
        count, far, most = whole(k, "k", 1), whole(hops, "hops", 0), whole(limit, "limit", 1)
        only = None if types is None else frozenset(labels(types, "types"))
        question = self._question(
            text, vector=vector, where=where, session=session, as_of=as_of,
            known_at=known_at, scoring=_scoring(scoring, time_weight), now=now, scale=scale,
        )  # fmt: skip
        core, verb = self._core, Searcher.context_chain
        return ask(
            core.truth, core.columns, verb, question, count, hops=far, types=only, limit=most
        )

    def recall(  # noqa: PLR0913  a search's arguments
        self, text: str | None = None, k: int | None = None, *,
        turn: str | None = None, reinforce: bool = True, budget_tokens: int | None = None,
        vector: VectorLike | None = None, where: Where | None = None,
        session: str | None = None, as_of: When | None = None, known_at: When | None = None,
        scoring: Scoring | None = None, now: When | None = None, min_relevance: float = 0.0,
        distinct: bool = True,
    ) -> Hits:  # fmt: skip
        """A search whose answers are shown to a model: it is logged, so that feedback finds them.

        Where it finds nothing, `Hits.reason` says why. `Hits.later` says which memories may have
        taken the place of others.

        Args:
            text: As in `search`, as are the further arguments.
            k: How many, at least 1; 5 unless given, with a budget as many as fit, at most 100.
            turn: The run or message this belongs to; drawn if not given, see `Hits.turn`.
            reinforce: Count the recall, once a turn, so that decay is slower.
            budget_tokens: How long all of it may be, at least 1: the best are taken that fit, each
                whole, and come in the order of time. A memory counts as a token for every four
                characters begun (a character of Chinese and the like as one, a letter of another
                alphabet as half of one), and eight for what is told beside its text.
            vector: As in `search`, as are the rest.
            where: Only memories this filter lets through.
            session: Only memories of this session.
            as_of: What was true then?
            known_at: Only what was recorded by then.
            scoring: How relevance, age and importance weigh.
            now: From when ages count.
            min_relevance: As in `search`.
            distinct: Return one of several that say the same.
        """
        count, most = bounds(k, budget_tokens)
        question = self._question(
            text, vector=vector, where=where, session=session, as_of=as_of,
            known_at=known_at, scoring=scoring, now=now, min_relevance=min_relevance,
            distinct=distinct,
        )  # fmt: skip
        core, verb = self._core, Searcher.search
        found = ask(core.truth, core.columns, verb, question, count)
        hits = found if most is None else packed(found, most)
        hits.later = followed(found, of=hits)
        hits.question = found.question
        if not hits:
            anyhow = replace(question, min_relevance=0.0)
            hits.reason = why_nothing(
                found, most, min_relevance,
                lambda: ask(core.truth, core.columns, verb, anyhow, 1),
            )  # fmt: skip
        hits.turn = Recalls(core).log_recall(
            hits, turn=turn, reinforce=reinforce, question=hits.question
        )
        return hits

    def why_not(
        self, text: str | None, id: str, k: int = 5, *,  # noqa: A002  the field's name
        vector: VectorLike | None = None, where: Where | None = None,
        session: str | None = None, as_of: When | None = None, known_at: When | None = None,
        scoring: Scoring | None = None, now: When | None = None, min_relevance: float = 0.0,
        distinct: bool = True,
    ) -> Verdict:  # fmt: skip
        """Why a search of the same arguments does not return a memory: a gate, or its rank."""
        memory_id, count = label(id, "id"), whole(k, "k", 1)
        question = self._question(
            text, vector=vector, where=where, session=session, as_of=as_of,
            known_at=known_at, scoring=scoring, now=now, min_relevance=min_relevance,
            distinct=distinct,
        )  # fmt: skip
        core = self._core
        return ask(core.truth, core.columns, why_not, question, memory_id, count)

    def _question(
        self,
        text: str | None,
        *,
        vector: VectorLike | None = None,
        where: Where | None = None,
        session: str | None = None,
        as_of: When | None = None,
        known_at: When | None = None,
        scoring: Scoring | None = None,
        now: When | None = None,
        min_relevance: float = 0.0,
        distinct: bool = True,
        scale: Scale | None = None,
    ) -> Question:
        if text is None and vector is None:
            raise ParameterError("a search needs a text, a vector, or both")
        checks.query(text)
        ranked, embedding, as_put = _scoring(scoring), self._core.embedding, None
        if vector is not None:
            query = embedding.query(None, vector)
        else:
            query, as_put = self._asked(text, ranked)
        dense_weight = ranked.dense_weight if query is not None else 0.0
        moment = self._core.truth.now() if now is None else seconds(now, "now")
        return Question(
            text=text,
            vector=query,
            model=embedding.name_of(model_of(vector)),
            scoring=ranked,
            now=moment,
            as_of=moment if as_of is None else seconds(as_of, "as_of"),
            is_now=now is None,
            is_current=as_of is None,
            known_at=None if known_at is None else seconds(known_at, "known_at"),
            where=condition(where, session) if where is not None or session is not None else None,
            min_relevance=checks.unit_interval(min_relevance, "min_relevance"),
            distinct=distinct,
            scale=None if scale is None else instance(scale, "scale", Scale),
            put=as_put,
            dense_weight=1.0 if text is None else dense_weight,
        )

    def _asked(self, text: str | None, scoring: Scoring) -> tuple[Vector | None, Put | None]:
        """The vector of a text, and as whom it was put; no vector where none counts, or is made."""
        core = self._core
        if text is None or core.embedding.queries is None or not scoring.dense_weight:
            return None, None
        if not scoring.structure:
            return core.embedding.query(text, None), None

        def way(speakers: Sequence[str]) -> Vector | None:
            said = in_first_person(text, speakers) if speakers else text
            return core.embedding.query(said, None)

        as_put = put(core.truth, core.columns, text, way)
        return way(as_put.speakers), as_put

    def _scale(self, text: str | None, options: SearchOptions) -> Scale:
        """Between which cosines and words a search of these arguments has its similarities lie."""
        core, question = self._core, self._question(text, **options)
        return ask(core.truth, core.columns, Searcher.scale, question)


def _scoring(given: Scoring | None, time_weight: float | None = None) -> Scoring:
    scoring = _DEFAULT if given is None else instance(given, "scoring", Scoring)
    return scoring if time_weight is None else scoring.replace(time_weight=time_weight)
