from __future__ import annotations

import copy
import math
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from llama_index.core import QueryBundle, Settings
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import MetadataMode
from llama_index.core.tools import RetrieverTool
from llama_index.core.vector_stores import MetadataFilters
from llama_index.memory.feather import FeatherRetriever, feather_turn
from pydantic import PrivateAttr

from feather_memory import (
    ContextLayers,
    EdgeType,
    F,
    MissingEmbedderError,
    ParameterError,
    Scoring,
    Store,
    TenantPool,
    WrongTenantError,
)
from feather_memory.testing.loops import goes_on, held

from .conftest import HashEmbedding
from .conversation import user

FACTS = (
    "Deploys are on Tuesday",
    "The coffee machine is on the third floor",
    "Alice prefers dark mode in every editor",
    "The database password is rotated monthly",
)


@pytest.fixture
def filled(store: Store, embed_model: HashEmbedding) -> Store:
    vectors = embed_model.get_text_embedding_batch(list(FACTS))
    store.add_many(
        {"id": f"m{n}", "text": text, "vector": vector, "metadata": {"n": n}}
        for n, (text, vector) in enumerate(zip(FACTS, vectors, strict=True))
    )
    embed_model.calls.clear()
    return store


async def test_vectors_that_come_after_the_first_question_are_not_passed_over(
    store, embed_model, monkeypatch
):
    monkeypatch.setattr(Settings, "_embed_model", None)
    retriever = FeatherRetriever(store=store)
    assert retriever.retrieve("deploys") == []
    store.add(FACTS[0], id="m0", vector=embed_model.get_text_embedding(FACTS[0]))

    with pytest.raises(MissingEmbedderError):
        retriever.retrieve("deploys")
    with pytest.raises(MissingEmbedderError):
        await retriever.aretrieve("deploys")
    monkeypatch.setattr(Settings, "_embed_model", embed_model)
    assert ids(retriever.retrieve("deploys")) == ["m0"]
    assert embed_model.calls[-1] == "query"


@pytest.fixture
def retriever(filled: Store, embed_model: HashEmbedding) -> FeatherRetriever:
    return FeatherRetriever(store=filled, embed_model=embed_model, similarity_top_k=3)


def ids(nodes: list[Any]) -> list[str]:
    return [node.node_id for node in nodes]


async def test_nodes_are_the_memories_best_first_with_finite_scores(retriever, filled, embed_model):
    query = "when are deploys?"

    sync, coming = retriever.retrieve(query), await retriever.aretrieve(query)

    vector = embed_model.get_query_embedding(query)
    hits = filled.search(query, 3, vector=vector)
    assert ids(sync) == ids(coming) == [hit.memory.id for hit in hits]
    scores = [node.score for node in sync]
    assert scores == sorted(scores, reverse=True)
    assert all(math.isfinite(score) and 0 <= score <= 1 for score in scores)
    assert [node.metadata for node in sync] == [dict(hit.memory.metadata) for hit in hits]


async def test_an_embedding_that_the_query_brings_is_used_and_the_bundle_is_left_alone(
    retriever, embed_model
):
    vector = embed_model.get_text_embedding(FACTS[2])
    embed_model.calls.clear()
    bundle = QueryBundle("anything", embedding=list(vector))

    sync, coming = retriever.retrieve(bundle), await retriever.aretrieve(bundle)

    assert ids(sync)[0] == ids(coming)[0] == "m2"
    assert embed_model.calls == []
    assert bundle == QueryBundle("anything", embedding=vector)


async def test_a_query_without_an_embedding_is_not_given_one(retriever):
    bundle = QueryBundle("deploys")

    retriever.retrieve(bundle)
    await retriever.aretrieve(bundle)

    assert bundle == QueryBundle("deploys")
    assert bundle.embedding is None


async def test_async_awaits_the_model_and_sync_calls_it(retriever, embed_model):
    retriever.retrieve("deploys")
    await retriever.aretrieve("deploys")

    assert embed_model.calls == ["query", "aquery"]


def test_several_phrasings_are_embedded_and_averaged(retriever, filled, embed_model):
    strings = ["deploys", "dark mode"]

    nodes = retriever.retrieve(QueryBundle("deploys", custom_embedding_strs=strings))

    vector = embed_model.get_agg_embedding_from_queries(strings)
    expected = filled.search("deploys", 3, vector=vector)
    scores = [hit.score.value for hit in expected]
    assert [node.score for node in nodes] == pytest.approx(scores, abs=1e-6)


async def test_a_retriever_tool_asks_what_the_model_asked(filled, embed_model):
    """RetrieverTool sends 'input is …' between newlines, which other words would match."""
    filled.add("The input is validated by a form", id="form", vector=[0.0] * 127 + [1.0])
    retriever = FeatherRetriever(store=filled, embed_model=embed_model, similarity_top_k=5)
    tool = RetrieverTool.from_defaults(retriever)
    plain = {node.node_id: node.score for node in retriever.retrieve("when are deploys?")}

    named = tool.call(input="when are deploys?").raw_output
    placed = tool.call("when are deploys?").raw_output
    coming = (await tool.acall(input="when are deploys?")).raw_output

    for nodes in (named, placed, coming):
        assert {n.node_id: n.score for n in nodes} == pytest.approx(plain, abs=1e-6)
    itself = {n.node_id: n.score for n in retriever.retrieve("input is when are deploys?")}
    assert itself["form"] > plain["form"] + 0.01  # the prefix matters: else this proves nothing


def test_the_graph_is_walked_over_the_edges_asked_for(filled, embed_model):
    filled.link("m0", "m3", EdgeType.SUPPORTS)
    filled.link("m0", "m1", EdgeType.CAUSED_BY)

    def found(**asked: Any) -> list[str]:
        return ids(
            FeatherRetriever(
                store=filled, embed_model=embed_model, similarity_top_k=1, **asked
            ).retrieve("deploys tuesday")
        )

    assert found() == ["m0"]
    assert set(found(hops=1)) == {"m0", "m1", "m3"}
    assert set(found(hops=1, edge_types=[EdgeType.SUPPORTS])) == {"m0", "m3"}
    assert len(found(hops=1, limit=2)) == 2


def test_filters_session_scoring_and_as_of_reach_the_ranking(store):
    old = store.add("Deploys are on Monday", id="old", key="deploys", session="a")
    store.add("Deploys are on Friday", id="new", key="deploys", session="b", metadata={"n": 1})
    before = old.valid_from + timedelta(microseconds=1)

    def found(**asked: Any) -> list[str]:
        return ids(FeatherRetriever(store=store, **asked).retrieve("deploys"))

    assert found() == ["new"]
    assert found(as_of=before) == ["old"]
    assert found(session="a") == []
    assert found(session="b") == ["new"]
    assert found(filters=F("n") == 1) == ["new"]
    assert found(filters=F("n") == 2) == []
    assert found(filters={"n": 1}) == ["new"]
    assert found(filters=MetadataFilters.from_dicts([{"key": "n", "value": 1}])) == ["new"]
    assert found(filters=MetadataFilters.from_dicts([{"key": "n", "value": 2}])) == []
    matched = {"key": "n", "value": "x", "operator": "text_match"}
    with pytest.raises(TypeError, match="text is to be matched"):
        found(filters=MetadataFilters.from_dicts([matched]))
    weighed = FeatherRetriever(store=store, scoring=Scoring(time_weight=0.9)).retrieve("deploys")
    plain = FeatherRetriever(store=store).retrieve("deploys")
    assert weighed[0].score != plain[0].score


def test_what_is_retrieved_is_logged_and_counted_once_a_turn(retriever, filled):
    with feather_turn() as turn:
        first = retriever.retrieve("deploys tuesday")
        retriever.retrieve("deploys tuesday")

    assert filled.get("m0").recalls == 1
    signals = filled.feedback(turn, "liked")
    assert [signal.memory_id for signal in signals] == ids(first)


def test_a_turn_that_found_nothing_is_a_turn_all_the_same(store):
    """Feedback on its answer is about nothing, and no error."""
    with feather_turn() as turn:
        FeatherRetriever(store=store).retrieve("deploys")

    assert store.feedback(turn, "liked") == []


async def test_layers_are_read_together_with_their_filters(store, tmp_path):
    store.add("Deploys are on Tuesday", id="own", metadata={"n": "own"})
    with Store.open(tmp_path / "team.feather") as team:
        team.add("Deploys of the team are reviewed", id="team", metadata={"n": 1})
        layers = ContextLayers(user=store, team=team)

        def found(**asked: Any) -> set[str]:
            return set(ids(FeatherRetriever(layers=layers, **asked).retrieve("deploys")))

        assert found() == {"own", "team"}
        assert found(filters=F("n") == 1) == {"team"}
        matched = {"key": "n", "value": "x", "operator": "text_match"}
        with pytest.raises(TypeError, match="text is to be matched"):
            found(filters=MetadataFilters.from_dicts([matched]))
        assert team.check() == []


def test_a_copy_asks_the_same_store_by_the_same_model(store, tmp_path):
    """Neither an open file nor a model with its clients can be copied."""
    store.add("Deploys are on Monday")
    model = Connected()
    with Store.open(tmp_path / "team.feather") as team:
        layers = ContextLayers(user=store, team=team)
        for place in ({"store": store}, {"layers": layers}):
            original = FeatherRetriever(**place, embed_model=model)
            for copied in (copy.copy, copy.deepcopy):
                (node,) = copied(original).retrieve("deploys")

                assert node.text == "Deploys are on Monday"
    assert model.calls == ["query"] * 4


def test_reinforcement_can_be_switched_off(filled, embed_model):
    retriever = FeatherRetriever(store=filled, embed_model=embed_model, reinforce=False)

    retriever.retrieve("deploys tuesday")

    assert filled.get("m0").recalls == 0


def test_nothing_of_ours_is_in_a_node(retriever, filled):
    node = retriever.retrieve("deploys tuesday")[0].node
    before = node.hash

    with feather_turn():
        again = retriever.retrieve("deploys tuesday")[0].node

    assert node.metadata == {"n": 0}
    assert again.hash == before


def test_the_turn_in_which_something_was_said_reaches_no_model(alice, session):
    with feather_turn("message-17"):
        session("monday").put(user("I drink green tea"))

    (node,) = FeatherRetriever(store=alice, embed_model=HashEmbedding()).retrieve("green tea")

    assert node.metadata == {"turn": "message-17"}
    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        assert node.get_content(mode) == "I drink green tea"


async def test_nothing_is_found_for_nothing(retriever, embed_model):
    assert retriever.retrieve("  \n") == await retriever.aretrieve("") == []
    assert embed_model.calls == []


def test_an_image_is_refused_rather_than_ignored(retriever):
    with pytest.raises(ParameterError, match="embeds no image"):
        retriever.retrieve(QueryBundle("deploys", image_path="cat.png"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"similarity_top_k": 0},
        {"similarity_top_k": True},
        {"hops": -1},
        {"limit": 0},
        {"edge_types": ["supports"]},
        {"path": "elsewhere.feather"},
    ],
)
def test_what_makes_no_sense_is_refused(store, wrong):
    with pytest.raises(ParameterError):
        FeatherRetriever(store=store, **wrong)


def test_a_pool_is_asked_for_the_tenant_and_only_for_that(tmp_path):
    with TenantPool(tmp_path / "pool") as pool:
        pool.get("alice").add("Alice's secret")
        pool.get("bob").add("Bob's secret")

        nodes = FeatherRetriever(pool=pool, tenant="bob").retrieve("secret")

        assert [node.text for node in nodes] == ["Bob's secret"]
        with pytest.raises(ParameterError, match="tenant"):
            FeatherRetriever(pool=pool)
        with pytest.raises(WrongTenantError):
            FeatherRetriever(store=pool.get("alice"), tenant="bob")


class TestWithoutAModel:
    """No model is ever made up: OpenAI's would be LlamaIndex's default."""

    @pytest.fixture(autouse=True)
    def unset(self, monkeypatch):
        monkeypatch.setattr(Settings, "_embed_model", None)

    def test_a_store_with_vectors_is_refused(self, filled):
        with pytest.raises(MissingEmbedderError, match=r"Settings\.embed_model"):
            FeatherRetriever(store=filled).retrieve("deploys")
        assert Settings._embed_model is None

    async def test_a_store_without_vectors_goes_by_words(self, store):
        store.add("Deploys are on Tuesday")
        retriever = FeatherRetriever(store=store)

        assert ids(retriever.retrieve("deploys")) == ids(await retriever.aretrieve("deploys")) != []
        assert Settings._embed_model is None

    def test_the_application_s_own_model_is_used(self, filled, embed_model, monkeypatch):
        monkeypatch.setattr(Settings, "_embed_model", embed_model)

        FeatherRetriever(store=filled).retrieve("deploys")

        assert embed_model.calls == ["query"]

    def test_a_store_that_embeds_by_itself_does(self, tmp_path, embed_model):
        from feather_memory.testing import HashEmbedder

        with Store.open(tmp_path / "own.feather", embedder=HashEmbedder(64)) as store:
            store.add("Deploys are on Tuesday")

            (node,) = FeatherRetriever(store=store).retrieve("deploys tuesday")

            assert node.score > 0.5
            assert store.check() == []


async def test_a_query_engine_answers_from_the_memories(retriever):
    engine = RetrieverQueryEngine.from_args(retriever, llm=MockLLM())

    answer, coming = engine.query("when are deploys?"), await engine.aquery("when are deploys?")

    assert "Deploys are on Tuesday" in str(answer)
    assert str(coming) == str(answer)
    assert ids(answer.source_nodes) == ids(retriever.retrieve("when are deploys?"))


async def test_a_fusion_of_retrievers_shows_each_memory_once(filled, embed_model):
    one = FeatherRetriever(store=filled, embed_model=embed_model, similarity_top_k=3)
    other = FeatherRetriever(store=filled, embed_model=embed_model, similarity_top_k=2, hops=1)
    fusion = QueryFusionRetriever(
        [one, other], llm=MockLLM(), num_queries=1, similarity_top_k=5, use_async=False
    )

    found, coming = fusion.retrieve("deploys"), await fusion.aretrieve("deploys")

    assert len(set(ids(found))) == len(found) == 3
    assert ids(coming) == ids(found)


class Connected(HashEmbedding):
    """A model with something that only the process has, such as a client's lock."""

    _lock: Any = PrivateAttr(default_factory=threading.Lock)


class SlowQueries(HashEmbedding):
    """Embeds on the loop, as LlamaIndex's default async does: the negative control."""

    async def _aget_query_embedding(self, query: str) -> list[float]:
        time.sleep(0.01)  # noqa: ASYNC251
        return self._get_query_embedding(query)


async def test_a_heartbeat_goes_on_while_it_retrieves(filled):
    slow = FeatherRetriever(store=filled, embed_model=HashEmbedding(seconds=0.01))
    blocking = FeatherRetriever(store=filled, embed_model=SlowQueries())

    control = await held(lambda _: blocking.aretrieve("deploys"))

    assert await goes_on(lambda _: slow.aretrieve("deploys"))
    assert set(control.by) == {"sleep"}
