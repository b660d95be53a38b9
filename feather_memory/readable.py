"""The half of a store that writes nothing."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feather_memory import keeping
from feather_memory.db import audit, edges, memories, signals
from feather_memory.drafts import label, labels, whole
from feather_memory.embedding import Embedding
from feather_memory.errors import (
    DimensionError,
    ParameterError,
    StoreAccessError,
    UnknownMemoryError,
)
from feather_memory.filter_parse import parse
from feather_memory.filter_sql import to_sql
from feather_memory.filters import F
from feather_memory.model import ContextChain, Edge, Hits, Memory, Signal, StoreStats, Verdict
from feather_memory.ranking import Question
from feather_memory.reading import Reading
from feather_memory.scoring import Scoring
from feather_memory.validity import seconds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from feather_memory.db.database import Database
    from feather_memory.filters import Filter
    from feather_memory.replica import Replica
    from feather_memory.types import Clock, Embedder, Vector, VectorLike, When

    Where = Filter | Mapping[str, Any]

_DEFAULT = Scoring()
_SIMILARITY = Scoring(time_weight=0, importance_weight=0, dense_weight=1)


class Readable:
    """What can be asked of one tenant's open file. `Store` adds what can be written to it."""

    def __init__(
        self,
        database: Database,
        *,
        embedder: Embedder | None,
        query_embedder: Embedder | None,
        clock: Clock,
    ) -> None:
        self._database = database
        self._embedding = Embedding(embedder, query_embedder or embedder)
        self._clock = clock
        self._loaded: Replica | None = keeping.load(database)
        self._loading = threading.Lock()
        self._pid = os.getpid()

    def __repr__(self) -> str:
        state = "open" if self._database.is_open else "closed"
        return f"<Store {str(self.path)!r}, {state}>"

    def wake(self) -> None:
        """Bring what searches read into memory now, rather than at the first search."""
        with self._reading():
            pass

    def __len__(self) -> int:
        """How many memories there are, current or not."""
        with self._database.reading() as connection:
            return memories.count(connection)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._database.path

    @property
    def tenant(self) -> str | None:
        """Whose file this is."""
        return self._database.state.tenant

    def get(self, id: str) -> Memory:  # noqa: A002  the field's name
        """The memory with that id, current or not.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        found = self.get_many([id])
        if not found:
            raise UnknownMemoryError(id)
        return found[0]

    def get_many(self, ids: Iterable[str]) -> list[Memory]:
        """The memories with those ids, in their order; those that do not exist are left out."""
        wanted = labels(ids, "ids")
        with self._database.reading() as connection:
            found = memories.by_ids(connection, wanted)
            return Reading.memories_in(connection, [found[id_] for id_ in wanted if id_ in found])

    def iterate(self, where: Where | None = None) -> Iterator[Memory]:
        """Every memory that a filter lets through, current or not, in the order of writing."""
        sql, values = _sql(where)
        row = -1
        while True:
            with self._database.reading() as connection:
                records = memories.page(connection, after=row, condition=sql, values=values)
                found = Reading.memories_in(connection, records)
            yield from found
            if not records:
                return
            row = records[-1].row

    def latest(self, k: int = 5, *, where: Where | None = None) -> list[Memory]:
        """The k memories written last that a filter lets through, current or not, latest first.

        What has new content was written anew; a link, a signal or another end is no content.

        Raises:
            ParameterError: `k` is below 1.
        """
        count = whole(k, "k", 1)
        with self._database.reading() as connection:
            records = memories.latest(connection, count, *_sql(where))
            return Reading.memories_in(connection, records)

    def history(self, id: str) -> list[Memory]:  # noqa: A002  the field's name
        """What a fact was over time: all that the memory replaced or was replaced by.

        Ordered by `valid_from`, then by when it was recorded; the last is the latest.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        with self._database.reading() as connection:
            if memories.find(connection, label(id, "id")) is None:
                raise UnknownMemoryError(id)
            found = memories.by_ids(connection, edges.chain(connection, id))
            chain = Reading.memories_in(connection, list(found.values()))
        return sorted(chain, key=lambda memory: (memory.valid_from, memory.created_at, memory.id))

    def edges(self, id: str) -> list[Edge]:  # noqa: A002  the field's name
        """Every edge that starts or ends at a memory.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        with self._database.reading() as connection:
            if memories.find(connection, label(id, "id")) is None:
                raise UnknownMemoryError(id)
            return edges.touching(connection, [id])

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

    def signals(self, id: str) -> list[Signal]:  # noqa: A002  the field's name
        """Every signal about a memory, oldest first.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        with self._database.reading() as connection:
            if memories.find(connection, label(id, "id")) is None:
                raise UnknownMemoryError(id)
            return signals.of_memory(connection, id)

    def stats(self) -> StoreStats:
        """Counts and sizes."""
        with self._reading() as reading:
            counts = audit.counts(reading.connection, self._now())
            generation = reading.view.generation
            dimension = None if reading.view.matrix is None else reading.view.matrix.dim
        return StoreStats(
            path=str(self.path),
            dimension=dimension,
            generation=generation,
            file_bytes=keeping.file_bytes(self.path),
            derived_bytes=keeping.derived_bytes(self.path),
            index="hnsw" if self._replica.approximation.index is not None else "exact",
            **counts,
        )

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Copy the store as it is now to a new file, while others go on using it.

        Raises:
            StoreAccessError: There is a file at `path` already, or it cannot be written.
        """
        target = Path(path)
        if target.exists():
            raise StoreAccessError(f"{str(target)!r} exists; a backup never overwrites")
        if not target.parent.is_dir():
            raise StoreAccessError(f"cannot write {str(target)!r}: no such folder")
        self._database.backup(target)

    def _now(self) -> float:
        return seconds(self._clock(), "clock()")

    @property
    def _replica(self) -> Replica:
        """The arrays that searches read; loaded again after a rest."""
        if os.getpid() != self._pid:  # a lock that another thread held would stay shut here
            self._loading = threading.Lock()
            self._loaded = None if self._loaded is None else self._loaded.twin()
            self._pid = os.getpid()
        loaded = self._loaded
        if loaded is None:
            with self._loading:
                loaded = self._loaded = self._loaded or keeping.load(self._database)
        return loaded

    @contextmanager
    def _reading(self) -> Iterator[Reading]:
        with self._database.reading() as connection:
            replica = self._replica
            view = replica.sync(connection, lambda: self._database.refresh(connection))
            yield Reading(connection, view, replica)

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


def _sql(where: Where | None) -> tuple[str, Sequence[object]]:
    condition = parse(where)
    return ("1", ()) if condition is None else to_sql(condition)


def _condition(where: Where | None, session: str | None) -> Filter | None:
    condition = parse(where)
    if session is None:
        return condition
    only = F("session") == label(session, "session")
    return only if condition is None else condition & only
