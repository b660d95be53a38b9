"""Through a framework's interface, where a text is asked and the framework embeds it."""

from __future__ import annotations

from benchmarks.speed.contender import BESIDE, OURS
from benchmarks.speed.frameworks import LangChainFeather
from benchmarks.speed.measure import Call
from benchmarks.speed.stand import Measured, Stand


def langchain(stand: Stand) -> list[Measured]:
    """`similarity_search` and its like; beside it what our own store takes for it."""
    for prepare in stand.having("prepare").values():
        prepare(stand.questions, stand.vectors)
    calls: dict[str, Call] = {
        name: lambda i, ask=ask: ask(stand.question(i)) for name, ask in stand.having("ask").items()
    }
    ours = stand.held[OURS]
    assert isinstance(ours, LangChainFeather)
    store = ours.inside.store
    calls[BESIDE] = lambda i: store.nearest(stand.vector(i), 10)
    return [stand.measure("frameworks", calls, beside="our `Store.nearest`")]
