"""The part of a store that finds memories and says why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from feather_memory.errors import DimensionError, ParameterError
from feather_memory.filters.language import F
from feather_memory.filters.parse import parse
from feather_memory.model.hits import ContextChain, Hits, Verdict
from feather_memory.model.scoring import Scoring
from feather_memory.model.validity import seconds
from feather_memory.search.ranking import Question
from feather_memory.store.readable import Readable
from feather_memory.write.draft import label, labels, whole

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from feather_memory.filters.language import Filter
    from feather_memory.model.memory import Memory
    from feather_memory.types import Embedder, Vector, VectorLike, When

    Where = Filter | Mapping[str, Any]

_DEFAULT = Scoring()
_SIMILARITY = Scoring(time_weight=0, importance_weight=0, dense_weight=1)


class Searchable(Readable):
    """Search by meaning, words and links, at any moment; it writes nothing."""

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
        layer_weight: float = 1.0,
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
            layer_weight: What every score is multiplied by, above 0; see ContextLayers.

        Raises:
            ParameterError: An argument outside its range, or neither text nor vector.
            DimensionError: The vector's length is not this store's.
        """
        question = self._question(
            text, vector=vector, where=where, session=session, as_of=as_of,
            known_at=known_at, scoring=scoring, now=now, layer_weight=layer_weight,
        )  # fmt: skip
        with self._reading() as reading:
            return Hits(reading.search(question, whole(k, "k", 1)))

    def nearest(
        self, vector: VectorLike, k: int = 5, *, where: Where | None = None,
        session: str | None = None, as_of: When | None = None, known_at: When | None = None,
        now: When | None = None,
    ) -> list[tuple[Memory, float]]:  # fmt: skip
        """The k memories nearest to a vector, with their cosine in [−1, 1]; nothing else counts.

        A memory without a vector counts as 0. The arguments are those of `search`.
        """
        question = self._question(
            None, vector=vector, where=where, session=session, as_of=as_of, known_at=known_at,
            now=now, scoring=_SIMILARITY,
        )  # fmt: skip
        with self._reading() as reading:
            return reading.nearest(question, whole(k, "k", 1))

    def context_chain(
        self,
        text: str | None = None,
        k: int = 5,
        hops: int = 2,
        *,
        types: Iterable[str] | None = None,
        limit: int = 50,
        time_weight: float | None = None,
        **asked: Any,
    ) -> ContextChain:
        """The k best memories and what is linked to them within `hops` steps.

        A memory that is reached scores its parent's score × edge weight × 0.5, or its own score
        if that is better. Filters and currency hold for every memory reached.

        Args:
            text: As in `search`, as are `k` and the further arguments.
            k: How many memories the query itself finds, at least 1.
            hops: How far to walk, at least 0.
            types: Only over edges of these types.
            limit: How many memories there may be in all, at least 1.
            time_weight: Instead of the scoring's.
            asked: Further arguments of `search`.
        """
        scoring = asked.pop("scoring", None) or Scoring()
        if time_weight is not None:
            scoring = scoring.replace(time_weight=time_weight)
        question = self._question(text, scoring=scoring, **asked)
        with self._reading() as reading:
            return reading.context_chain(
                question,
                whole(k, "k", 1),
                hops=whole(hops, "hops", 0),
                types=None if types is None else frozenset(labels(types, "types")),
                limit=whole(limit, "limit", 1),
            )

    @property
    def query_embedder(self) -> Embedder | None:
        """What makes a query's text a vector, if there is anything."""
        return self._embedding.queries

    def embed_query(self, text: str) -> Vector | None:
        """The query's vector at unit length, shape (dim,); None without an embedder."""
        return self._embedding.query(text, None)

    def embed_documents(self, texts: Iterable[str]) -> list[Vector] | None:
        """The vectors that `add` would make, for a `transaction`; None without an embedder."""
        return self._embedding.of_documents(list(texts))

    def held(
        self,
        keys: Collection[str] = (),
        texts: Collection[str] = (),
        *,
        where: Where | None = None,
        session: str | None = None,
        as_of: When | None = None,
        known_at: When | None = None,
        now: When | None = None,
    ) -> tuple[set[str], set[str]]:
        """Which of these slots a current memory holds, and which of these texts may be returned.

        Args:
            keys: Slots. The filters do not matter to them.
            texts: Whole texts.
            where: As in `search`, as are the next four.
            session: Only memories of this session.
            as_of: What was true then?
            known_at: Only what was recorded by then.
            now: The clock's time unless given.
        """
        moment = self._now() if now is None else seconds(now, "now")
        question = Question(
            text=None,
            vector=None,
            scoring=Scoring(),
            now=moment,
            as_of=moment if as_of is None else seconds(as_of, "as_of"),
            known_at=None if known_at is None else seconds(known_at, "known_at"),
        )
        filtered = replace(question, where=_condition(where, session))
        with self._reading() as reading:
            return reading.held_keys(question, keys), reading.held_texts(filtered, texts)

    def why_not(self, text: str | None, id: str, k: int = 5, **asked: Any) -> Verdict:  # noqa: A002
        """Why a search of the same arguments does not return a memory: a gate, or its rank."""
        question = self._question(text, **asked)
        with self._reading() as reading:
            return reading.why_not(question, label(id, "id"), whole(k, "k", 1))

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
        layer_weight: float = 1.0,
    ) -> Question:
        if text is None and vector is None:
            raise ParameterError("a search needs a text, a vector, or both")
        if text is not None and not isinstance(text, str):
            raise ParameterError(f"text must be a string, got {text!r:.80}")
        if scoring is not None and not isinstance(scoring, Scoring):
            raise ParameterError(f"scoring must be a Scoring, got {scoring!r}")
        if not 0 < layer_weight < float("inf"):
            raise ParameterError(f"layer_weight must be above 0, got {layer_weight!r}")
        ranked = scoring or _DEFAULT
        query = self._embedding.query(text if ranked.dense_weight > 0 else None, vector)
        dimension = self._database.dimension()
        if query is not None and dimension is not None and len(query) != dimension:
            raise DimensionError(dimension, len(query))
        moment = self._now() if now is None else seconds(now, "now")
        return Question(
            text=text,
            vector=query,
            scoring=ranked,
            now=moment,
            as_of=moment if as_of is None else seconds(as_of, "as_of"),
            known_at=None if known_at is None else seconds(known_at, "known_at"),
            where=_condition(where, session),
            layer_weight=layer_weight,
        )


def _condition(where: Where | None, session: str | None) -> Filter | None:
    condition = parse(where)
    if session is None:
        return condition
    only = F("session") == label(session, "session")
    return only if condition is None else condition & only
