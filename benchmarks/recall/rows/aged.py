"""Whether what was said is still found when it is old, through every door."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from langchain_feather_memory import FeatherRetriever
from llama_index.memory.feather import FeatherRetriever as LlamaRetriever

from benchmarks.recall.bars import AGED_TITLE, DOORS, LOST, SHIFTS
from benchmarks.recall.bench import Bench, filled
from benchmarks.recall.measures import Answered, K, mean
from benchmarks.recall.tables import Table
from feather_memory import ContextLayers, Store

ROW: Final = "aged"
Find = Callable[[Store, str], Sequence[str]]


def _store(store: Store, text: str) -> list[str]:
    return [hit.memory.id for hit in store.search(text, K)]


def _layers(store: Store, text: str, make: Callable[..., ContextLayers]) -> list[str]:
    return [hit.memory.id for hit in make(user=store).search(text, K)]


def _langchain(store: Store, text: str) -> list[str]:
    retriever = FeatherRetriever(store=store, k=K, reinforce=False)
    return [str(document.id) for document in retriever.invoke(text)]


def _llama(store: Store, text: str) -> list[str]:
    retriever = LlamaRetriever(store=store, similarity_top_k=K, reinforce=False)
    return [node.node.node_id for node in retriever.retrieve(text)]


FINDS: Final[dict[str, Find]] = {
    **dict(
        zip(DOORS, (_store, partial(_layers, make=ContextLayers), _langchain, _llama), strict=True)
    ),
    "ContextLayers.feather": partial(_layers, make=ContextLayers.feather),
}


def measured(bench: Bench) -> Iterator[Table]:
    """R@10 so many days after the last turn."""
    talks = bench.locomo()
    if not bench.has_vectors(talks):
        return
    table = Table(ROW, AGED_TITLE, (*(f"{days:,} days" for days in SHIFTS), LOST), says=(
        "R@10 so many days after a conversation's last turn. A retriever's recalls are logged and "
        "do not count, so that all doors are asked the same."
    ))  # fmt: skip
    for door, find in FINDS.items():
        found = []
        with filled(talks, bench.folder / door, bench.vectors) as held:
            for days in SHIFTS:  # ascending: within a store time does not go back
                answers = []
                for talk, store, clock in held.held:
                    clock.set(talk.last)
                    clock.advance(days=days)
                    for asked in talk.questions:
                        ids = tuple(find(store, asked.text))
                        answers.append(Answered(talk.name, asked, ids))
                found.append(mean(answers, "R@10"))
        table.add(door, *found, found[0] - min(found))
    yield table
