"""Layers read together give what a plain merge of all their answers gives."""

from __future__ import annotations

import random

import pytest

from feather_memory import (
    ContextLayers,
    F,
    Layer,
    ParameterError,
    Scoring,
    TenantPool,
    UnknownTurnError,
)
from feather_memory.model.formula import Scale
from feather_memory.testing import HashEmbedder

WEIGHTS = {"user": 1.0, "team": 0.9, "shared": 0.8}
TIME_WEIGHTS = {"user": 0.05, "team": 0.04, "shared": 0.02}
PUBLISHED = {"user": 0.35, "team": 0.25, "shared": 0.1}
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


def ids(hits):
    return [hit.memory.id for hit in hits]


def test_the_constants_are_those_of_the_published_pattern(layers):
    assert {layer.name: layer.weight for layer in layers} == WEIGHTS
    published = ContextLayers.feather(
        user=layers["user"], team=layers["team"], shared=layers["shared"]
    )
    assert {layer.name: layer.time_weight for layer in published} == PUBLISHED
    assert {layer.name: (x.weight, x.hops) for x, layer in zip(layers, published, strict=True)} == {
        layer.name: (layer.weight, layer.hops) for layer in published
    }


def test_by_default_the_layers_keep_the_published_order_within_what_buries_nothing(layers):
    assert {layer.name: layer.time_weight for layer in layers} == TIME_WEIGHTS
    assert max(TIME_WEIGHTS.values()) == Scoring().time_weight
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


def test_a_text_that_one_layer_holds_twice_is_shown_once_too(layers):
    layers["team"].add("we deploy on fridays", id="first", importance=0.2)
    layers["team"].add("we deploy on fridays", id="second", importance=0.9)

    assert [hit.memory.id for hit in layers.search("deploy on fridays", k=2)] == ["second"]
    assert [hit.memory.id for hit in layers.context_chain("deploy on fridays")] == ["second"]


def test_one_layer_answers_as_its_store_does(layers):
    """Equal texts, too, where all are wanted."""
    store = layers["user"]
    for n, actor in enumerate(("Ann", "Bob", None)):
        store.add("I am vegan", id=f"m{n}", actor=actor, session=f"s{n}")
    store.add("I am vegan?", id="asked", actor="Ann", session="s0")
    one = ContextLayers(user=store)

    for distinct in (True, False):
        alone = store.search("who is vegan", 9, distinct=distinct)
        assert ids(one.search("who is vegan", 9, distinct=distinct)) == ids(alone)
    assert len(alone) == 4
    for asked in ({"where": F("actor") == "Cy"}, {"min_relevance": 1.0}, {"budget_tokens": 1}):
        recalled = one.recall("who was there", **asked)
        assert recalled == []
        assert recalled.reason == store.recall("who was there", **asked).reason
    assert one.recall("who is vegan").reason is None


@pytest.mark.parametrize("k", [1, 2, 9])
def test_what_differs_in_case_and_punctuation_alone_is_one_over_all_layers(layers, k):
    layers["shared"].add("TEA, please!", importance=1.0)
    layers["team"].add("Tea please", importance=1.0)
    layers["user"].add("tea please", importance=0.0)
    layers["team"].add("tea please?", session="s")
    layers["shared"].add("tea −5", importance=0.0)
    layers["user"].add("tea 5", importance=0.0)

    found = told(layers.search("tea please", k))

    stated = [text for _, text in found if text.lower().startswith("tea") and text[-1] in "e!"]
    assert stated == ["tea please"]
    if k == 9:
        assert set(found) == {
            ("user", "tea please"), ("team", "tea please?"),
            ("user", "tea 5"), ("shared", "tea −5"),
        }  # fmt: skip


def test_another_person_of_a_farther_layer_is_not_hidden(layers):
    layers["user"].add("I am vegan", actor="Ann")
    for actor in ("Ann", "Bob"):
        layers["team"].add("I am vegan!", actor=actor, session=actor)

    found = [(hit.layer, hit.memory.actor) for hit in layers.search("who is vegan", 9)]

    assert sorted(found) == [("team", "Bob"), ("user", "Ann")]


def test_a_budget_is_for_all_layers(layers):
    layers["user"].add("tea " + "word " * 30, id="long")
    layers["user"].add("tea at five", id="mine")
    layers["team"].add("tea at six", id="ours")

    shown = layers.recall("tea", budget_tokens=25)

    assert ids(shown) == ["mine", "ours"] or ids(shown) == ["ours", "mine"]
    assert {hit.layer for hit in shown} == {"user", "team"}
    logged = [m.id for name in ("user", "team") for m in layers[name].plumbing.shown(shown.turn)]
    assert logged == ["mine", "ours"]
    assert ids(layers.recall("tea", budget_tokens=1_000, k=1)) != []
    with pytest.raises(ParameterError):
        layers.recall("tea", budget_tokens=0)


def test_what_a_nearer_layer_hides_takes_no_place_in_a_chain(layers):
    """With a limit, too, as many are shown as there are."""
    layers["user"].add("zebra blue", key="animal")
    hidden = layers["team"].add("zebra red stripes", key="animal")
    for text in ("zebra one", "zebra two", "zebra three"):
        layers["team"].link(hidden.id, layers["team"].add(text).id)

    for limit in (1, 2, 3, 4):
        chain = layers.context_chain("zebra red stripes", k=4, limit=limit)
        assert len(chain) == limit
        assert hidden.id not in [hit.memory.id for hit in chain]


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


@pytest.fixture
def shown(layers):
    """Two memories of the user's, one of the team's, all shown to turn-1."""
    layers["user"].add("the user deploys on fridays", id="u1")
    layers["user"].add("the user drinks green tea", id="u2")
    layers["team"].add("the team deploys on mondays", id="t1")
    layers["shared"].add("nobody was shown this", id="s1")
    hits = layers.search("the user the team", 3)
    assert {hit.memory.id for hit in hits} == {"u1", "u2", "t1"}
    return layers.log_recall(hits, turn="turn-1")


def strengths(signals):
    return {signal.memory_id: round(signal.strength, 6) for signal in signals}


def test_feedback_shares_its_credit_over_what_all_layers_showed(layers, shown):
    first = layers.feedback(shown, "liked")
    again = layers.feedback(shown, "liked")

    assert strengths(first) == dict.fromkeys(("u1", "u2", "t1"), 0.333333)
    assert again == first
    assert layers["team"].get("t1").importance == pytest.approx(0.4 + 0.15 / 3)
    assert layers["shared"].get("s1").importance == 0.4


def test_feedback_is_taken_back_in_every_layer(layers, shown):
    layers.feedback(shown, "liked")
    taken = layers.unfeedback(shown, "liked")

    assert {signal.memory_id for signal in taken} == {"u1", "u2", "t1"}
    assert layers["user"].get("u1").importance == layers["team"].get("t1").importance == 0.4


def test_feedback_is_taken_back_of_the_memories_that_are_named(layers, shown):
    layers.feedback(shown, "liked")
    with pytest.raises(ParameterError, match="'s1'"):
        layers.unfeedback(shown, "liked", memory_ids=["u1", "s1"])
    taken = layers.unfeedback(shown, "liked", memory_ids=["t1"])

    assert [signal.memory_id for signal in taken] == ["t1"]
    assert layers["team"].get("t1").importance == 0.4
    assert layers["user"].get("u1").importance == pytest.approx(0.45)
    assert layers.unfeedback(shown, "liked", copied_text="Deploys on Mondays") == []


def test_of_a_like_and_a_dislike_the_later_holds_in_every_layer(layers, shown):
    for kinds in (("liked", "disliked"), ("disliked", "liked")):
        for kind in kinds:
            layers.feedback(shown, kind)
        expected = pytest.approx(0.4 + (0.05 if kinds[1] == "liked" else -0.05))
        assert layers["user"].get("u1").importance == expected
        assert layers["team"].get("t1").importance == expected


def test_a_copied_text_is_credited_in_the_one_layer_that_holds_it(layers, shown):
    copied = layers.feedback(shown, "copied", copied_text="Deploys on Mondays")
    unknown = layers.feedback(shown, "copied", copied_text="quite something else")

    assert strengths(copied) == {"t1": 1.0}
    assert set(strengths(unknown)) == {"u1", "u2", "t1"}


def test_feedback_narrowed_by_id_reaches_those_and_refuses_strangers(layers, shown):
    assert strengths(layers.feedback(shown, "saved", memory_ids=["u2", "t1"])) == {
        "u2": 0.5, "t1": 0.5,
    }  # fmt: skip
    with pytest.raises(ParameterError, match="'s1'"):
        layers.feedback(shown, "disliked", memory_ids=["u1", "s1"])
    assert layers["user"].get("u1").importance == 0.4


def test_a_correction_that_could_mean_several_memories_is_refused(layers, shown):
    """Each layer's own store would have found one memory, or none, to be meant."""
    layers["team"].plumbing.log_recall(layers["team"].search("team"), turn="turn-2")
    layers["user"].plumbing.log_recall(layers["user"].search("fridays", 1), turn="turn-2")
    for turn in (shown, "turn-2"):
        with pytest.raises(ParameterError, match="memory_ids"):
            layers.feedback(turn, "corrected", correction="the team deploys on tuesdays")

    (signal,) = layers.feedback(
        shown, "corrected", correction="the team deploys on tuesdays", memory_ids=["t1"]
    )

    assert signal.memory_id == "t1"
    (new,) = layers["team"].get("t1").superseded_by
    assert layers["team"].get(new).text == "the team deploys on tuesdays"
    assert layers["team"].get("t1").importance == pytest.approx(0.2)
    assert len(layers["user"]) == 2


def test_a_correction_may_bring_its_vector(layers, shown):
    vector = [1.0] + [0.0] * 31

    layers.feedback(shown, "corrected", correction="on tuesdays", memory_ids=["t1"], vector=vector)

    (new,) = layers["team"].get("t1").superseded_by
    assert layers["team"].get(new).vector.tolist() == vector
    with pytest.raises(ParameterError, match="correction"):
        layers.feedback(shown, "liked", vector=vector)


def test_a_turn_is_unknown_only_if_no_layer_logged_it(layers):
    layers["shared"].add("deploys on fridays")
    layers["shared"].recall("deploys", turn="of one layer")
    layers.log_recall([], turn="shown nothing")

    assert len(layers.feedback("of one layer", "liked")) == 1
    assert layers.feedback("shown nothing", "liked") == []
    with pytest.raises(ParameterError, match="'loved'"):
        layers.feedback("shown nothing", "loved")
    for ask in (layers.feedback, layers.unfeedback):
        with pytest.raises(UnknownTurnError, match="'nobody'"):
            ask("nobody", "liked")


def test_a_chain_that_was_shown_is_logged_where_each_hit_is_from(layers):
    for name in ("user", "team"):
        layers[name].add(f"zebra of the {name}", id=f"{name}0")
        layers[name].add("something else entirely", id=f"{name}1")
        layers[name].link(f"{name}0", f"{name}1")
    layers["team"].update("team1", text="another text")
    turn = layers.log_recall(layers.context_chain("zebra", k=1))

    assert set(strengths(layers.feedback(turn, "liked"))) == {"user0", "user1", "team0", "team1"}
    assert layers["team"].get("team1").recalls == 1


def test_what_is_of_no_layer_here_is_not_logged(layers):
    layers["user"].add("deploys on fridays", id="u")
    stray = layers["user"].search("deploys")
    with pytest.raises(ParameterError, match="of no layer"):
        layers.log_recall([*layers.search("deploys"), *stray], turn="t")
    with pytest.raises(UnknownTurnError):
        layers.feedback("t", "liked")


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
    ):
        with pytest.raises(ParameterError):
            wrong()


def fill(layers, clock, chance):
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


def scoring_of(layer):
    return Scoring(time_weight=TIME_WEIGHTS[layer.name])


def ranked(hits):
    return [(hit.layer, hit.memory.id, round(hit.score.value, 5)) for hit in hits]


def one_scale(layers, query, **asked):
    """What all layers measure by: the lowest of usual cosines, the best of best ones."""
    scales = [
        layer.store.plumbing.scale(query, scoring=scoring_of(layer), **asked) for layer in layers
    ]
    return Scale(
        low=min(each.low for each in scales),
        best=max(each.best for each in scales),
        words=max(each.words for each in scales),
    )


def brute_force(layers, found, k):
    """Every answer of every layer at weight 1, then the rules one after the other."""
    everything = [(at, hit) for at, hits in enumerate(found) for hit in hits]
    slots = [
        {m.key for m in layer.store.iterate() if m.key and m.valid_to is None} for layer in layers
    ]
    shown = []
    for at, hit in everything:
        hidden = any(hit.memory.key in slots[nearer] for nearer in range(at))
        if not hidden and hit.memory.text not in {copy.memory.text for _, copy in shown}:
            shown.append((at, hit))
    names = [layer.name for layer in layers]
    shown.sort(key=lambda pair: (-round(pair[1].score.value * WEIGHTS[names[pair[0]]], 7), pair[0]))
    return [
        (names[at], hit.memory.id, round(hit.score.value * WEIGHTS[names[at]], 5))
        for at, hit in shown[:k]
    ]


@pytest.mark.parametrize("seed", range(12))
def test_the_merge_is_the_brute_force_merge(layers, clock, seed):
    fill(layers, clock, random.Random(seed))
    for query in ("tea", "deploy friday", "python theme 1"):
        for k in (1, 3, 10, 200):
            for asked in ({}, {"where": {"channel": "chat"}}):
                scale = one_scale(layers, query, **asked)
                found = [
                    layer.store.search(
                        query, 10_000, scoring=scoring_of(layer), scale=scale, **asked
                    )
                    for layer in layers
                ]
                merged = layers.search(query, k, **asked)
                assert ranked(merged) == brute_force(layers, found, k)


@pytest.mark.parametrize("seed", range(4))
def test_the_merge_of_chains_is_the_brute_force_merge(layers, clock, seed):
    chance = random.Random(seed)
    fill(layers, clock, chance)
    for layer in layers:
        ids = [memory.id for memory in layer.store.iterate()]
        for _ in range(20):
            source, target = chance.sample(ids, 2)
            layer.store.link(source, target, weight=chance.uniform(0.1, 1.0))
    for query in ("tea", "deploy friday"):
        scale = one_scale(layers, query)
        found = [
            layer.store.context_chain(
                query,
                4,
                HOPS[layer.name],
                time_weight=TIME_WEIGHTS[layer.name],
                limit=10_000,
                scale=scale,
            )
            for layer in layers
        ]
        merged = layers.context_chain(query, 4, limit=10_000)
        assert ranked(merged) == brute_force(layers, found, 10_000)
        assert len(layers.context_chain(query, 4, limit=6)) == 6
        assert {hit.hop for hit in merged} == {0, 1, 2}
