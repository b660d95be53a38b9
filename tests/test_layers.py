"""Layers read together give what a plain merge of all their answers gives."""

from __future__ import annotations

import random

import pytest

from feather_memory import (
    ContextLayers,
    Layer,
    ParameterError,
    Scoring,
    TenantPool,
)
from feather_memory.testing import HashEmbedder

WEIGHTS = {"user": 1.0, "team": 0.9, "shared": 0.8}
TIME_WEIGHTS = {"user": 0.35, "team": 0.25, "shared": 0.1}
HOPS = {"user": 2, "team": 2, "shared": 1}


class CountingEmbedder(HashEmbedder):
    calls = 0

    def __call__(self, texts):
        self.calls += 1
        return super().__call__(texts)


@pytest.fixture
def embedder():
    return CountingEmbedder(32)


@pytest.fixture
def pool(tmp_path, clock, embedder):
    with TenantPool(tmp_path, embedder=embedder, clock=clock) as opened:
        yield opened
        for name in opened.tenants():
            assert opened.get(name).check() == []


@pytest.fixture
def layers(pool):
    return ContextLayers(
        user=pool.get("user:7"), team=pool.get("team:3"), shared=pool.get("global")
    )


def told(hits):
    return [(hit.layer, hit.memory.text) for hit in hits]


def test_the_constants_are_those_of_the_published_pattern(layers):
    assert {layer.name: layer.weight for layer in layers} == WEIGHTS
    assert {layer.name: layer.time_weight for layer in layers} == TIME_WEIGHTS
    assert {layer.name: layer.hops for layer in layers} == HOPS
    assert [layer.name for layer in layers] == ["user", "team", "shared"]
    assert repr(layers) == "<ContextLayers user 1 > team 0.9 > shared 0.8>"


def test_a_hit_names_its_layer_and_its_score_has_the_layers_numbers(layers):
    for n, name in enumerate(WEIGHTS):
        layers[name].add(f"deploys on fridays {n}")
    hits = layers.search("deploys on fridays")

    assert [hit.layer for hit in hits] == ["user", "team", "shared"]
    for hit in hits:
        assert hit.score.layer_weight == WEIGHTS[hit.layer]
        assert hit.score.time_weight == TIME_WEIGHTS[hit.layer]
        assert sum(hit.score.parts.values()) == pytest.approx(hit.score.value)


def test_a_text_in_several_layers_is_shown_once_as_the_nearest_has_it(layers):
    for name in ("shared", "team", "user"):
        layers[name].add("deploys on fridays", importance=0.1 if name == "user" else 1.0)
    layers["team"].add("deploys need a review")
    layers["shared"].add("deploys need a review")

    assert told(layers.search("deploys")) == [
        ("user", "deploys on fridays"), ("team", "deploys need a review"),
    ] or told(layers.search("deploys")) == [
        ("team", "deploys need a review"), ("user", "deploys on fridays"),
    ]  # fmt: skip


def test_the_users_layer_wins_ties(pool):
    layers = ContextLayers(
        layers=[
            Layer(name="b", store=pool.get("b"), weight=0.5),
            Layer(name="c", store=pool.get("c"), weight=0.5),
        ],
        user=None,
    )
    pool.get("c").add("one", vector=[1.0, 0.0])
    pool.get("b").add("two", vector=[1.0, 0.0])
    first, second = layers.search(vector=[1.0, 0.0])
    assert first.score.value == second.score.value
    assert first.layer == "b"


def test_a_slot_of_a_nearer_layer_hides_it_in_farther_ones(layers):
    layers["team"].add("the theme is light", key="ui.theme")
    layers["shared"].add("the theme is grey", key="ui.theme")
    layers["shared"].add("the font theme is serif", key="ui.font")
    assert set(told(layers.search("theme"))) == {
        ("team", "the theme is light"), ("shared", "the font theme is serif"),
    }  # fmt: skip
    old = layers["user"].add("everything dark, please", key="ui.theme", metadata={"channel": "x"})

    assert ("team", "the theme is light") not in told(layers.search("theme"))
    assert told(layers.search("theme", where={"channel": "chat"})) == []
    layers["user"].forget(old.id)
    assert ("team", "the theme is light") in told(layers.search("theme"))


def test_a_slot_that_is_held_no_longer_hides_nothing(layers, clock):
    layers["team"].add("the theme is light", key="ui.theme")
    layers["user"].add("the theme is dark", key="ui.theme", expires_at=clock() + 60)
    assert told(layers.search("theme")) == [("user", "the theme is dark")]
    clock.advance(seconds=61)
    assert told(layers.search("theme")) == [("team", "the theme is light")]


def test_the_query_is_embedded_once(layers, embedder):
    for name in WEIGHTS:
        layers[name].add(f"{name} x")
    before = embedder.calls
    layers.search("x")
    layers.context_chain("x")
    assert embedder.calls == before + 2


def test_a_recall_is_logged_in_the_store_of_each_hit(layers):
    layers["user"].add("alpha one", id="u")
    layers["team"].add("alpha two", id="t")
    layers["shared"].add("beta", id="s")
    hits = layers.recall("alpha", 2, turn="turn-1")

    assert hits.turn == "turn-1"
    assert layers["user"].get("u").recalls == 1
    assert layers["team"].get("t").recalls == 1
    assert layers["shared"].get("s").recalls == 0
    assert layers["team"].feedback("turn-1", "liked")[0].memory_id == "t"


def test_a_chain_walks_as_far_as_each_layer_says(layers):
    for name in WEIGHTS:
        store = layers[name]
        for n in range(4):
            store.add(f"{name} unrelated{n}" if n else f"{name} zebra", id=f"{name}{n}")
        for n in range(3):
            store.link(f"{name}{n}", f"{name}{n + 1}")
    chain = layers.context_chain("zebra", k=1)

    reached = {name: max(h.hop for h in chain if h.layer == name) for name in WEIGHTS}
    assert reached == HOPS
    assert {edge.source[:-1] for edge in chain.edges} == set(WEIGHTS)
    assert [h.score.value for h in chain] == sorted((h.score.value for h in chain), reverse=True)
    assert len(layers.context_chain("zebra", k=1, hops=0)) == 3
    assert len(layers.context_chain("zebra", k=1, limit=2)) == 2
    for hit in chain:
        assert sum(hit.score.parts.values()) == pytest.approx(hit.score.value)


def test_writing_names_a_layer_that_exists(layers):
    with pytest.raises(ParameterError):
        layers["nobody"]


def test_layers_need_names_of_their_own_and_numbers_in_range(pool):
    store = pool.get("x")
    for wrong in (
        ContextLayers,
        lambda: ContextLayers(user=store, layers=[Layer(name="user", store=store)]),
        lambda: Layer(name="x", store=store, weight=0),
        lambda: Layer(name="x", store=store, weight=float("nan")),
        lambda: Layer(name="x", store=store, time_weight=7),
        lambda: Layer(name="x", store=store, hops=-1),
        lambda: Layer(name="", store=store),
        lambda: ContextLayers(user=store).search("x", 0),
        lambda: ContextLayers(user=store).search("x", scoring="fast"),
        lambda: store.search("x", layer_weight=0),
    ):
        with pytest.raises(ParameterError):
            wrong()


def brute_force(layers, query, k, **asked):
    """Every answer of every layer, then the rules one after the other."""
    everything = []
    for at, layer in enumerate(layers):
        scoring = Scoring(time_weight=TIME_WEIGHTS[layer.name])
        hits = layer.store.search(query, 10_000, scoring=scoring, **asked)
        everything += [(at, hit) for hit in hits]
    slots = [
        {m.key for m in layer.store.iterate() if m.key and m.valid_to is None} for layer in layers
    ]
    shown = []
    for at, hit in everything:
        hidden = any(hit.memory.key in slots[nearer] for nearer in range(at))
        if not hidden and not any(
            other < at and hit.memory.text == copy.memory.text
            and not any(copy.memory.key in slots[nearer] for nearer in range(other))
            for other, copy in everything
        ):  # fmt: skip
            shown.append((at, hit))
    names = [layer.name for layer in layers]
    shown.sort(key=lambda pair: (-round(pair[1].score.value * WEIGHTS[names[pair[0]]], 7), pair[0]))
    return [(names[at], round(hit.score.value * WEIGHTS[names[at]], 5)) for at, hit in shown[:k]]


@pytest.mark.parametrize("seed", range(12))
def test_the_merge_is_the_brute_force_merge(layers, clock, seed):
    chance = random.Random(seed)
    words = ["tea", "coffee", "theme", "deploy", "friday", "python"]
    for _ in range(90):
        name = chance.choice(list(WEIGHTS))
        key = chance.choice(["a", "b", "c", "d"]) if chance.random() < 0.2 else None
        layers[name].add(
            " ".join(chance.choices(words, k=chance.randint(1, 2))) + f" {chance.randint(0, 2)}",
            key=key,
            importance=chance.random(),
            metadata={"channel": chance.choice(["chat", "mail"])},
        )
        clock.advance(days=chance.random() * 5)
    for query in ("tea", "deploy friday", "python theme 1"):
        for k in (1, 3, 10, 200):
            for asked in ({}, {"where": {"channel": "chat"}}):
                got = layers.search(query, k, **asked)
                expected = brute_force(layers, query, k, **asked)
                assert [(h.layer, round(h.score.value, 5)) for h in got] == expected
