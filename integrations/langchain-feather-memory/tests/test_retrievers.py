from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, RunnablePassthrough
from langchain_feather_memory import FeatherRetriever
from pydantic import ValidationError

from feather_memory import (
    ContextLayers,
    F,
    FilterError,
    Scoring,
    Store,
    TenantPool,
    WrongTenantError,
)

from .conftest import HashEmbeddings


@pytest.fixture
def filled(store: Store) -> Store:
    store.add("Deploys are on Monday", id="old", key="deploys", metadata={"team": "web"})
    store.add("Deploys are on Tuesday", id="new", key="deploys", metadata={"team": "web"})
    store.add("Deploys need two reviews", id="rule", metadata={"team": "ops"}, session="s1")
    store.add("The office is in Graz", id="far", metadata={"team": "ops"})
    store.link("rule", "far", "leads_to", 0.9)
    return store


def ids(documents: list) -> list[str | None]:
    return [document.id for document in documents]


async def both(retriever: FeatherRetriever, query: str, **asked: object) -> list[str | None]:
    """The ids of `invoke`, which are those of `ainvoke`, too."""
    found = ids(retriever.invoke(query, **asked))
    assert ids(await retriever.ainvoke(query, **asked)) == found
    return found


async def test_what_was_superseded_is_not_retrieved(filled):
    assert await both(FeatherRetriever(store=filled, k=9), "deploys on Monday") == [
        "new",
        "rule",
        "far",
    ]


async def test_the_past_is_retrieved_as_of_then(filled):
    then = filled.get("old").valid_from

    retriever = FeatherRetriever(store=filled, k=1)

    assert await both(retriever, "deploys on", as_of=then) == ["old"]
    assert await both(retriever, "deploys on") == ["new"]
    assert await both(FeatherRetriever(store=filled, k=1, as_of=then), "deploys on") == ["old"]


async def test_hops_reach_what_is_linked(filled):
    query = "how many reviews?"

    assert await both(FeatherRetriever(store=filled, k=1), query) == ["rule"]
    assert await both(FeatherRetriever(store=filled, k=1, hops=1), query) == ["rule", "far"]
    assert await both(FeatherRetriever(store=filled, k=1), query, hops=2) == ["rule", "far"]
    assert await both(FeatherRetriever(store=filled, k=1, hops=2, limit=1), query) == ["rule"]


@pytest.mark.parametrize("chosen", [{"team": "ops"}, F("team") == "ops"], ids=["dict", "F"])
async def test_the_filter_holds_as_a_field_in_a_call_and_over_hops(filled, chosen):
    filled.link("rule", "new")

    for retriever, asked in (
        (FeatherRetriever(store=filled, filter=chosen), {}),
        (FeatherRetriever(store=filled), {"filter": chosen}),
        (FeatherRetriever(store=filled, filter=chosen, hops=2), {}),
    ):
        assert sorted(map(str, await both(retriever, "deploys", **asked))) == ["far", "rule"]


async def test_a_filter_in_a_call_never_widens_the_retrievers_own(filled):
    retriever = FeatherRetriever(store=filled, filter={"team": "ops"})

    assert await both(retriever, "deploys", filter={"team": "web"}) == []
    assert await both(retriever, "deploys", filter=F("session") == "s1") == ["rule"]
    assert await both(retriever, "deploys", session="s1") == ["rule"]


async def test_scoring_decides_the_order(filled):
    filled.add("Deploys are frozen", id="weighty", importance=1.0)
    filled.update("rule", importance=0.0)

    by_importance = Scoring(time_weight=0, importance_weight=1, dense_weight=1)

    retriever = FeatherRetriever(store=filled, k=9)
    assert (await both(retriever, "Deploys need two reviews"))[0] == "rule"
    assert (await both(retriever, "Deploys need two reviews", scoring=by_importance))[0] != "rule"


async def test_k_is_filled_however_dissimilar(filled):
    assert len(await both(FeatherRetriever(store=filled, k=3), "zzz")) == 3


async def test_a_retrieval_is_a_recall_under_its_run(filled):
    retriever = FeatherRetriever(store=filled, k=1)
    first, second = uuid4(), uuid4()

    retriever.invoke("reviews", run_id=first)
    await retriever.ainvoke("reviews", run_id=second)
    retriever.invoke("reviews", turn="mine")

    for turn in (str(first), str(second), "mine"):
        (signal,) = filled.feedback(turn, "liked")
        assert signal.memory_id == "rule"
    assert filled.get("rule").recalls == 3


def test_reinforcing_can_be_switched_off(filled):
    FeatherRetriever(store=filled, k=1, reinforce=False).invoke("reviews", turn="t")

    assert filled.get("rule").recalls == 0
    assert filled.feedback("t", "liked")


async def test_scores_are_in_the_metadata_only_where_asked(filled):
    plain = FeatherRetriever(store=filled, k=1).invoke("reviews")
    scored = await FeatherRetriever(store=filled, k=1, with_scores=True).ainvoke(
        "reviews", turn="t"
    )

    assert plain[0].metadata == {"team": "ops"}
    known = scored[0].metadata["feather"]
    assert sum(known["parts"].values()) == pytest.approx(known["score"])
    assert (known["turn"], known["hop"]) == ("t", 0)


@pytest.mark.parametrize("unknown", ["where", "top_k", "tenants"])
async def test_unknown_keywords_are_refused(filled, unknown):
    retriever = FeatherRetriever(store=filled)

    with pytest.raises(TypeError, match=unknown):
        retriever.invoke("x", **{unknown: "y"})
    with pytest.raises(TypeError, match=unknown):
        await retriever.ainvoke("x", **{unknown: "y"})
    with pytest.raises(ValidationError, match=unknown):
        FeatherRetriever(store=filled, **{unknown: "y"})


@pytest.mark.parametrize("wrong", [{"k": 0}, {"hops": -1}, {"limit": 0}])
def test_numbers_outside_their_range_are_refused(filled, wrong):
    with pytest.raises(ValidationError):
        FeatherRetriever(store=filled, **wrong)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FeatherRetriever(store=filled, hops=1).invoke("x", **wrong)


def test_a_setting_that_is_changed_holds_from_then_on_and_whose_memory_it_is_never_is(filled):
    """What a call reads is found out once: a change of it would otherwise be ignored."""
    retriever = FeatherRetriever(store=filled, k=1)
    retriever.k, retriever.filter = 9, {"team": "ops"}

    assert sorted(map(str, ids(retriever.invoke("deploys")))) == ["far", "rule"]
    for name in ("store", "path", "pool", "layers"):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(retriever, name, None)
    retriever.tenant = "bob"
    with pytest.raises(WrongTenantError):
        retriever.invoke("deploys")


def test_a_filter_that_means_nothing_is_refused_at_once(filled):
    with pytest.raises(ValueError, match="regex"):
        FeatherRetriever(store=filled, filter={"team": {"$regex": "w"}})
    with pytest.raises(FilterError, match="regex"):
        FeatherRetriever(store=filled).invoke("x", filter={"team": {"$regex": "w"}})


def test_a_naive_as_of_is_refused(filled):
    with pytest.raises(ValueError, match="zone"):
        FeatherRetriever(store=filled).invoke("x", as_of=datetime(2026, 1, 1))  # noqa: DTZ001
    assert FeatherRetriever(store=filled).invoke("x", as_of=datetime(2000, 1, 1, tzinfo=UTC)) == []


def test_it_opens_a_file_and_closes_only_what_it_opened(tmp_path, filled):
    with FeatherRetriever(path=tmp_path / "bob.feather", embedding=HashEmbeddings()) as retriever:
        retriever.store.add("Bob likes tea")

        assert retriever.invoke("tea")[0].page_content == "Bob likes tea"
    FeatherRetriever(store=filled).close()

    assert filled.get("new")
    with pytest.raises(ValueError, match="either"):
        FeatherRetriever()
    with pytest.raises(ValueError, match="either"):
        FeatherRetriever(store=filled, path=tmp_path / "bob.feather")


@pytest.mark.file
async def test_it_works_inside_a_chain_and_with_configurable_fields(tmp_path):
    with FeatherRetriever(path=tmp_path / "bob.feather") as retriever:
        retriever.store.add_many([{"text": f"Bob likes tea {n}"} for n in range(4)])
        prompt = ChatPromptTemplate.from_template("{context} {question}")
        field = retriever.configurable_fields(k=ConfigurableField(id="k"))
        chain = {"context": field, "question": RunnablePassthrough()} | prompt

        said = await chain.ainvoke("tea", {"configurable": {"k": 2}})

        assert said.to_string().count("Bob likes tea") == 2
        assert len(field.invoke("tea")) == 4


async def test_the_embedding_given_embeds_the_query_asynchronously(filled):
    embedding = HashEmbeddings()
    retriever = FeatherRetriever(store=filled, embedding=embedding, k=1)

    await retriever.ainvoke("reviews")
    retriever.invoke("reviews")

    assert embedding.calls == ["aembed_query", "embed_query"]


async def test_alice_then_bob_interleaved_never_see_each_other(tmp_path):
    retrievers = {}
    for name in ("alice", "bob"):
        retrievers[name] = FeatherRetriever(path=tmp_path / f"{name}.feather", k=3)
        retrievers[name].store.add_many([{"text": f"{name} likes tea {n}"} for n in range(9)])

    async def ask(n: int) -> bool:
        name = ("alice", "bob")[n % 2]
        found = await retrievers[name].ainvoke("likes tea")
        return len(found) == 3 and all(d.page_content.startswith(name) for d in found)

    assert all(await asyncio.gather(*[ask(n) for n in range(200)]))
    for retriever in retrievers.values():
        retriever.close()


class TestACopy:
    """`model_copy(update=…)` is how LangChain and its users change a retriever's fields."""

    @pytest.fixture
    def places(self, tmp_path):
        with TenantPool(tmp_path / "one") as pool, TenantPool(tmp_path / "other") as other:
            pool.get("alice").add("Deploys of alice")
            other.get("alice").add("Deploys of the other alice")
            other.get("bob").add("Deploys of bob")
            yield pool, other
            assert pool.get("alice").check() == []

    @pytest.mark.file
    @pytest.mark.parametrize("old", ["store", "path", "pool"])
    @pytest.mark.parametrize("kind", ["store", "pool", "layers", "path"])
    def test_with_another_source_reads_that_one(self, places, kind, old):
        pool, other = places
        new = {
            "store": other.get("bob"),
            "pool": other,
            "layers": ContextLayers(user=other.get("bob")),
            "path": other.get("bob").path,
        }
        alice = pool.get("alice")
        given = {"store": alice, "path": alice.path, "pool": pool}
        retriever = FeatherRetriever(**{old: given[old]}, tenant="alice")

        copied = retriever.model_copy(update={kind: new[kind], "tenant": "bob"})

        assert [d.page_content for d in copied.invoke("deploys")] == ["Deploys of bob"]
        assert [d.page_content for d in retriever.invoke("deploys")] == ["Deploys of alice"]
        copied.close()
        retriever.close()

    def test_with_the_store_of_another_tenant_is_refused(self, places):
        pool, other = places
        retriever = FeatherRetriever(store=pool.get("alice"), tenant="alice")

        with pytest.raises(WrongTenantError):
            retriever.model_copy(update={"store": other.get("bob")})

    def test_with_other_fields_reads_what_it_did(self, places):
        retriever = FeatherRetriever(store=places[0].get("alice")).model_copy(update={"k": 1})

        assert [d.page_content for d in retriever.invoke("deploys")] == ["Deploys of alice"]
