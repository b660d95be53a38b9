"""How a `VectorStoreQuery` is answered, by its mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np
from llama_index.core.vector_stores.types import (
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)
from llama_index.memory.feather._convert import to_node
from llama_index.memory.feather._corrections import newer_first
from llama_index.memory.feather._filters import text_expected

from feather_memory import F, Filter, Memory, ParameterError, Scoring, Store
from feather_memory.agent import both, diverse_by_direction, reject, vectors_of

Found = list[tuple[Memory, float]]
"""Memories with their similarities, best first."""

WORDS_ALONE: Final = Scoring(
    time_weight=0, importance_weight=0, dense_weight=0, structure=False, scaled=False
)
_MMR_ARGUMENTS: Final = frozenset({"mmr_threshold", "mmr_prefetch_factor", "mmr_prefetch_k"})
_MMR_PREFETCH_FACTOR: Final = 4


def answer(
    store: Store,
    query: VectorStoreQuery,
    where: Filter | None,
    own: Filter | None,
    asked: Mapping[str, Any],
) -> VectorStoreQueryResult:
    """What the query finds among the memories that both filters let through, best first.

    Args:
        store: What is asked.
        query: With its mode.
        where: What the query restricts itself to.
        own: What the asker reads at all.
        asked: Arguments beside the query.

    Raises:
        NotImplementedError: The mode is none of those that a store has; it is named.
        TypeError: An argument beside the query that its mode does not have.
        ParameterError: What the mode needs is missing, or outside its range.
    """
    mode = VectorStoreQueryMode(query.mode)
    if mode not in _MODES:
        modes = ", ".join(known.name for known in _MODES)
        raise NotImplementedError(f"there is no query mode {mode.name} here; there are {modes}")
    for name in ("output_fields", "embedding_field"):
        if getattr(query, name) is not None:
            raise ParameterError(f"a node comes whole and has one embedding: {name} is not taken")
    reject(asked.keys() - (_MMR_ARGUMENTS if mode is VectorStoreQueryMode.MMR else set()), "query")
    if _asks_nothing(query, where):
        return VectorStoreQueryResult(nodes=[], similarities=[], ids=[])
    if mode is VectorStoreQueryMode.DEFAULT and query.query_embedding is None and where is None:
        raise ParameterError("a query needs an embedding, or something that restricts it")
    found = _MODES[mode](store, query, both(where, own), asked)
    found = newer_first(store, found, lambda each: each[0])
    nodes = [to_node(memory) for memory, _ in found]
    return VectorStoreQueryResult(
        nodes=nodes,
        similarities=[similarity for _, similarity in found],
        ids=[node.node_id for node in nodes],
    )


def current(store: Store, k: int, where: Filter | None) -> list[Memory]:
    """The k of the memories that may be returned that were written last, latest first."""
    count = k
    while True:
        written = store.latest(count, where=where)
        named = F("id").is_in([memory.id for memory in written])
        hits = store.search(
            "", max(1, len(written)), where=named, scoring=WORDS_ALONE, distinct=False
        )
        may_be_returned = {hit.memory.id for hit in hits}
        found = [memory for memory in written if memory.id in may_be_returned]
        if len(found) >= k or len(written) < count:
            return found[:k]
        count *= 2


def refuse_unless_text(
    stores: Iterable[Store], filters: MetadataFilters | None, own: Filter | None = None
) -> None:
    """Nothing, where all that is to be matched as text is text or missing.

    Args:
        stores: What is asked.
        filters: What is to be matched.
        own: What the asker reads at all.

    Raises:
        TypeError: Something is not.
    """
    mismatched = text_expected(filters)
    for store in stores if mismatched is not None else ():
        for memory in current(store, 1, both(mismatched, own)):
            raise TypeError(
                f"text is to be matched, and memory {memory.id!r} has something else there"
            )


def _asks_nothing(query: VectorStoreQuery, where: Filter | None) -> bool:
    """Whether a retriever was asked in no words. An embedding of its own is a question, too."""
    if query.query_str is None or query.query_str.strip():
        return False
    return bool(query.query_str) or (query.query_embedding is None and where is None)


def _near(store: Store, vector: list[float], k: int, where: Filter | None) -> Found:
    """The k nearest; of equally near ones those written first, in that order."""
    count = k + 1 if k > 0 else k  # which is refused
    while True:
        found = store.nearest(vector, count, where=where)
        if len(found) < count or found[-1][1] < found[k - 1][1]:
            break
        count *= 2
    tied = {a[0].id for pair in pairwise(found) if pair[0][1] == pair[1][1] for a in pair}
    if not tied:
        return found[:k]
    written = store.latest(len(tied), where=F("id").is_in(sorted(tied)))
    place = {memory.id: -at for at, memory in enumerate(written)}
    return sorted(found, key=lambda each: (-each[1], place.get(each[0].id, 0)))[:k]


def _nearest(
    store: Store, query: VectorStoreQuery, where: Filter | None, _: Mapping[str, Any]
) -> Found:
    """Cosine in [−1, 1]. By filters alone: the newest, each at 1."""
    if query.query_embedding is not None:
        return _near(store, query.query_embedding, query.similarity_top_k, where)
    return [(memory, 1.0) for memory in current(store, query.similarity_top_k, where)]


def _diverse(
    store: Store, query: VectorStoreQuery, where: Filter | None, asked: Mapping[str, Any]
) -> Found:
    """Maximal marginal relevance among the nearest; the score is the cosine, not the objective."""
    vector, k = _embedding(query), query.similarity_top_k
    near = _near(store, vector, _prefetch(k, asked), where)
    chosen = diverse_by_direction(
        np.asarray(vector),
        vectors_of([memory for memory, _ in near], len(vector)),
        k,
        relevance_share=_threshold(query, asked),
    )
    return [near[at] for at in chosen]


def _by_words(
    store: Store, query: VectorStoreQuery, where: Filter | None, _: Mapping[str, Any]
) -> Found:
    """BM25 ÷ the best, in (0, 1], of what shares a word with the query."""
    return _worded(store, query, where, query.sparse_top_k or query.similarity_top_k)


def _fused(
    store: Store, query: VectorStoreQuery, where: Filter | None, _: Mapping[str, Any]
) -> Found:
    """The share `alpha` of max(0, cosine), the rest of words; of all, or of the best by either."""
    vector, text = _embedding(query), _text(query)
    scoring = WORDS_ALONE.replace(dense_weight=0.5 if query.alpha is None else query.alpha)
    if query.sparse_top_k is not None:
        near = store.nearest(vector, query.similarity_top_k, where=where)
        worded = _worded(store, query, where, query.sparse_top_k)
        where = F("id").is_in([memory.id for memory, _ in (*near, *worded)])
    k = query.similarity_top_k if query.hybrid_top_k is None else query.hybrid_top_k
    hits = store.search(text, k, vector=vector, where=where, scoring=scoring, distinct=False)
    return [(hit.memory, hit.score.value) for hit in hits]


_MODES: Final[
    dict[
        VectorStoreQueryMode,
        Callable[[Store, VectorStoreQuery, Filter | None, Mapping[str, Any]], Found],
    ]
] = {
    VectorStoreQueryMode.DEFAULT: _nearest,
    VectorStoreQueryMode.MMR: _diverse,
    VectorStoreQueryMode.TEXT_SEARCH: _by_words,
    VectorStoreQueryMode.SPARSE: _by_words,
    VectorStoreQueryMode.HYBRID: _fused,
}


def _worded(store: Store, query: VectorStoreQuery, where: Filter | None, k: int) -> Found:
    hits = store.search(_text(query), k, where=where, scoring=WORDS_ALONE, distinct=False)
    return [(hit.memory, hit.score.lexical) for hit in hits if hit.score.lexical > 0]


def _embedding(query: VectorStoreQuery) -> list[float]:
    if query.query_embedding is None:
        raise ParameterError(f"a query of mode {query.mode.name} needs an embedding")
    return query.query_embedding


def _text(query: VectorStoreQuery) -> str:
    if query.query_str is None:
        raise ParameterError(f"a query of mode {query.mode.name} needs a query_str")
    return query.query_str


def _threshold(query: VectorStoreQuery, asked: Mapping[str, Any]) -> float:
    given = asked.get("mmr_threshold")
    given = query.mmr_threshold if given is None else given
    threshold = 0.5 if given is None else float(given)
    if not 0 <= threshold <= 1:
        raise ParameterError(f"mmr_threshold must be in [0, 1], got {threshold!r}")
    return threshold


def _prefetch(k: int, asked: Mapping[str, Any]) -> int:
    """Among how many of the nearest MMR chooses; at least k."""
    factor, count = asked.get("mmr_prefetch_factor"), asked.get("mmr_prefetch_k")
    if factor is not None and count is not None:
        raise ParameterError("give either mmr_prefetch_factor or mmr_prefetch_k, not both")
    if count is None:
        count = k * (_MMR_PREFETCH_FACTOR if factor is None else factor)
    if not count >= 1:
        raise ParameterError(f"MMR has to choose among at least 1, got {count!r}")
    return max(k, int(count))
