"""The public names as a program uses them. Never run: mypy and pyright read it.

Where a type were too wide, a line here would need a cast; where it were too narrow, it would be an
error; and what must be refused stands under an ignore that both demand to be needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, assert_type

import numpy as np

from feather_memory import (
    ContextChain,
    ContextLayers,
    Edge,
    EdgeType,
    EngagementSignals,
    F,
    Filter,
    Forgotten,
    Hit,
    Hits,
    Memory,
    Score,
    Scoring,
    Signal,
    SignalKind,
    Store,
    StoreStats,
    Suggestion,
    TenantPool,
    Verdict,
    compute_importance,
)
from feather_memory.agent import Opened, RecallOptions, Source, told
from feather_memory.testing import FrozenClock, HashEmbedder


def embed(texts: list[str]) -> list[list[float]]:
    return [[float(len(text))] for text in texts]


def opening(path: Path) -> None:
    with Store.open(path, embedder=embed) as store:
        assert_type(store, Store)
    Store.open("a.feather", embedder=3)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    Store.open("a.feather", embedder=HashEmbedder(8), clock=FrozenClock(), durability="full")
    Store.open("a.feather", embedder="hash:64", query_embedder="fastembed:BAAI/bge-small-en-v1.5")
    Store.open("a.feather", durability="always")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def writing(store: Store) -> None:
    memory = store.add("tea", vector=[1.0, 2.0], metadata={"n": 1}, valid_from=datetime.now(UTC))
    assert_type(memory, Memory)
    assert_type(memory.metadata["n"], Any)
    assert_type(store.add_many([{"text": "a"}, {"text": "b", "key": "k"}]), list[Memory])
    assert_type(store.update(memory.id, text="green tea", key=None), Memory)
    assert_type(store.supersede(memory.id, "coffee", vector=np.ones(2)), Memory)
    assert_type(store.link("a", "b", EdgeType.NEXT, 0.5), Edge)
    assert_type(store.unlink("a", "b"), bool)
    assert_type(store.forget("a", dry_run=True), Forgotten)
    assert_type(store.suggest_supersedes("a", judge=lambda new, old: True), list[Suggestion])
    assert_type(memory.origin, str)
    assert_type(memory.echo_of, str | None)
    store.forget(where=F("session") == "s1")
    with store.transaction():
        store.unsupersede("a")
    store.add(3)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def asking(store: Store) -> None:
    hits = store.search("tea", 3, where={"channel": "chat"}, as_of=0.0, scoring=Scoring.feather())
    assert_type(hits, Hits)
    assert_type(hits[0], Hit)
    assert_type(hits[0].score, Score)
    assert_type(hits[0].score.parts, dict[str, float])
    assert_type(hits[0].score + 1, float)
    assert_type(Scoring(half_life=timedelta(days=7)).half_life, float)
    store.search("tea", as_of="2026-01-01", known_at=date(2026, 1, 1))
    Scoring(half_life="7d")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert_type(store.recall("tea", turn="t1", session="s1").turn, str | None)
    assert_type(store.search(vector=np.zeros(3, np.float32)), Hits)
    chain = store.context_chain("tea", hops=1, types=[EdgeType.NEXT], time_weight=0.0)
    assert_type(chain, ContextChain)
    assert_type(iter(chain), Iterator[Hit])
    assert_type(store.why_not("tea", "m1", known_at=1.0), Verdict)
    assert_type(store.nearest([1.0], 2), list[tuple[Memory, float]])
    assert_type(store.iterate(F("n") > 3), Iterator[Memory])
    assert_type(store.stats(), StoreStats)
    assert_type(store.check(), list[str])
    store.search("tea", wherever={})  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


def filtering() -> None:
    channel = F("channel") == "chat"
    assert_type(channel, Filter)
    assert_type(channel & ~F("muted").exists(), Filter)
    assert_type(F("n").is_in([1, 2]) | (F("n") != 3), Filter)


def learning(store: Store) -> None:
    assert_type(store.signal("m1", SignalKind.LIKED), Signal)
    assert_type(store.feedback("t1", "corrected", correction="coffee"), list[Signal])
    assert_type(store.unfeedback("t1", "liked"), list[Signal])
    assert_type(compute_importance(EngagementSignals(was_liked=True)), float)


def serving(pool: TenantPool) -> None:
    layers = ContextLayers(user=pool.get("user:7"), team=pool.get("team:3"))
    assert_type(layers.search("tea", where=F("n") == 1, now=1.0), Hits)
    assert_type(layers["user"], Store)
    assert_type(pool.warm(["alice"]).milliseconds, float)
    assert_type(pool.claim("old.feather", "carol"), Store)
    opened = Source.chosen("Door", pool=pool).opened(named="alice")
    assert_type(opened, Opened)
    assert_type(told(opened, "tea", RecallOptions(k=3)).prompt, str)
    assert_type(pool.get("alice").plumbing.embed_documents(["a"]) is None, bool)
    layers.search("tea", wherever={})  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
