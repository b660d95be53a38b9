from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.documents import Document
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, messages_from_dict, messages_to_dict
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_core.tools import create_retriever_tool
from langchain_feather_memory import (
    FeatherMemoryMiddleware,
    FeatherRetriever,
    FeatherVectorStore,
    FeedbackCallbackHandler,
    MemoryFeedback,
)

from feather_memory import ContextLayers, Store, TenantPool, UnknownTurnError
from feather_memory.testing import HashEmbedder

from .agents import ScriptedModel, calling
from .conftest import HashEmbeddings


@pytest.fixture
def filled(store: Store) -> Store:
    store.add("Deploys are on Tuesday", id="deploys")
    store.add("Lunch is at noon", id="lunch")
    return store


def chain_over(retriever):
    model = GenericFakeChatModel(messages=iter([AIMessage(f"answer {n}") for n in range(99)]))
    prompt = ChatPromptTemplate.from_template("{context} {question}")
    return {"context": retriever, "question": RunnablePassthrough()} | prompt | model


async def asked(chain, question: str, handler, *, run_id, is_async: bool) -> AIMessage:
    config = {"callbacks": [handler], "run_id": run_id}
    return await chain.ainvoke(question, config) if is_async else chain.invoke(question, config)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("kind", ["retriever", "vectors"])
async def test_a_run_is_known_by_its_id_and_by_its_message(filled, is_async, kind):
    retriever = (
        FeatherRetriever(store=filled, k=1)
        if kind == "retriever"
        else FeatherVectorStore(HashEmbeddings(), store=filled).as_retriever(search_kwargs={"k": 1})
    )
    handler, run_id = FeedbackCallbackHandler(filled), uuid4()

    message = await asked(
        chain_over(retriever), "Deploys on?", handler, run_id=run_id, is_async=is_async
    )
    (kept,) = messages_from_dict(messages_to_dict([message]))
    before = filled.get("deploys").importance
    MemoryFeedback(filled).like(kept)
    after = filled.get("deploys").importance
    MemoryFeedback(filled).like(run_id)
    MemoryFeedback(filled).like(str(run_id))
    MemoryFeedback(filled).like(message.id)

    assert before < after == filled.get("deploys").importance
    assert filled.get("lunch").importance == before
    assert handler._trees == {}


async def test_runs_at_the_same_time_are_kept_apart(filled):
    chain = chain_over(FeatherRetriever(store=filled, k=1))
    handler = FeedbackCallbackHandler(filled)
    runs = {uuid4(): ("deploys", "lunch")[n % 2] for n in range(10)}

    await asyncio.gather(
        *[asked(chain, q, handler, run_id=run, is_async=True) for run, q in runs.items()]
    )

    for run, memory_id in runs.items():
        (signal,) = MemoryFeedback(filled).like(run)
        assert signal.memory_id == memory_id
    assert handler._trees == {}


@pytest.mark.file
def test_a_later_process_can_give_feedback_and_a_correction_is_what_is_recalled_next(filled):
    run_id = uuid4()
    chain = chain_over(FeatherRetriever(store=filled, k=1))
    chain.invoke("Deploys on?", {"callbacks": [FeedbackCallbackHandler(filled)], "run_id": run_id})

    with Store.open(filled.path) as elsewhere:
        feedback = MemoryFeedback(elsewhere)
        feedback.corrected(run_id, correction="Deploys are on Friday")
        feedback.corrected(run_id, correction="Deploys are on Friday")

    assert len(filled) == 3
    (found,) = FeatherRetriever(store=filled, k=1).invoke("Deploys are on")
    assert found.page_content == "Deploys are on Friday"


def test_a_run_that_fails_leaves_nothing_behind_in_the_handler(filled):
    handler = FeedbackCallbackHandler(filled)
    failing = FeatherRetriever(store=filled) | RunnableLambda(lambda _: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        failing.invoke("x", {"callbacks": [handler]})

    assert handler._trees == {}


@pytest.mark.parametrize("way", ["stream", "astream"])
@pytest.mark.parametrize("mode", ["messages", "updates"])
async def test_an_abandoned_stream_leaves_nothing_behind_in_the_handler(filled, way, mode):
    handler = FeedbackCallbackHandler(filled)
    agent = create_agent(
        ScriptedModel(script=[calling("search_memory", query="deploys")]),
        middleware=[FeatherMemoryMiddleware(store=filled, tools=True)],
    )
    asking, config = {"messages": [("user", "Deploys?")]}, {"callbacks": [handler]}

    if way == "stream":
        chunks = agent.stream(asking, config, stream_mode=mode)
        next(chunks)
        chunks.close()
    else:
        chunks = agent.astream(asking, config, stream_mode=mode)
        await anext(chunks)
        await chunks.aclose()

    assert handler._trees == {}


@pytest.mark.parametrize("is_async", [False, True])
async def test_middleware_tools_and_retrievers_of_one_run_are_one_turn(filled, is_async):
    filled.add("Reviews take a day", id="reviews")
    retriever = FeatherRetriever(store=filled, k=1)
    model = ScriptedModel(
        script=[
            calling("search_memory", query="lunch"),
            calling("look_up", query="reviews"),
            AIMessage("So it is."),
        ]
    )
    agent = create_agent(
        model,
        [create_retriever_tool(retriever, "look_up", "Look it up.")],
        middleware=[FeatherMemoryMiddleware(store=filled, k=1, tools=True, save="none")],
    )
    handler, run_id = FeedbackCallbackHandler(filled), uuid4()
    chain = RunnableLambda(lambda x: x) | agent  # the run at the root is not the agent's
    asking = {"messages": [("user", "Deploys?")]}
    config = {"callbacks": [handler], "run_id": run_id}

    result = await chain.ainvoke(asking, config) if is_async else chain.invoke(asking, config)
    answer = result["messages"][-1]
    signals = MemoryFeedback(filled).like(answer)
    MemoryFeedback(filled).like(run_id)
    MemoryFeedback(filled).like(answer.id)

    assert [signal.memory_id for signal in signals] == ["deploys", "lunch", "reviews"]
    assert {filled.get(s.memory_id).importance for s in signals} == {0.45}
    assert handler._trees == {}


def test_documents_of_another_retriever_are_not_taken_for_memories(filled):
    class Elsewhere(BaseRetriever):
        def _get_relevant_documents(self, query, *, run_manager):
            return [Document(id="deploys", page_content="Another text by the same id")]

    run_id = uuid4()
    Elsewhere().invoke("x", {"callbacks": [FeedbackCallbackHandler(filled)]}, run_id=run_id)

    with pytest.raises(UnknownTurnError):
        MemoryFeedback(filled).like(run_id)


@pytest.fixture
def pool(tmp_path):
    with TenantPool(tmp_path / "memories", embedder=HashEmbedder(128)) as pool:
        for tenant in ("alice", "bob"):
            pool.get(tenant).add(f"{tenant} deploys on Tuesday", id="deploys")
        yield pool
        assert pool.tenants() == ["alice", "bob"]
        assert [pool.get(tenant).check() for tenant in pool.tenants()] == [[], []]


@pytest.mark.parametrize("is_async", [False, True])
async def test_with_a_pool_each_recall_goes_to_its_tenant(pool, is_async):
    handler = FeedbackCallbackHandler(pool)
    agent = create_agent(ScriptedModel(), middleware=[FeatherMemoryMiddleware(pool=pool)])
    runs = {uuid4(): ("alice", "bob")[n % 2] for n in range(8)}

    async def asked_by(tenant, run_id):
        asking = {"messages": [("user", "Who deploys?")]}
        config = {
            "callbacks": [handler], "run_id": run_id, "configurable": {"tenant": tenant},
        }  # fmt: skip
        result = await agent.ainvoke(asking, config) if is_async else agent.invoke(asking, config)
        return result["messages"][-1]

    answers = await asyncio.gather(*(asked_by(tenant, run) for run, tenant in runs.items()))

    feedback = MemoryFeedback(pool)
    for answer, (run, tenant) in zip(answers, runs.items(), strict=True):
        other = "bob" if tenant == "alice" else "alice"
        assert answer.response_metadata["feather_memory"]["tenant"] == tenant
        liked = feedback.like(answer)
        assert "deploys" in [signal.memory_id for signal in liked]
        assert feedback.like(run, tenant=tenant) == liked
        with pytest.raises(UnknownTurnError):
            feedback.like(run, tenant=other)
    assert handler._trees == {}


@pytest.mark.parametrize("named_by", ["handler", "metadata", "nobody"])
def test_with_a_pool_a_retriever_that_says_no_tenant_is_named_or_not_logged(pool, named_by):
    retriever = FeatherVectorStore(HashEmbeddings(), store=pool.get("alice")).as_retriever()
    handler = FeedbackCallbackHandler(pool, tenant="alice" if named_by == "handler" else None)
    config = {"callbacks": [handler], "run_id": (run_id := uuid4())}
    if named_by == "metadata":
        config["metadata"] = {"tenant": "alice"}

    answer = chain_over(retriever).invoke("Who deploys?", config)

    feedback = MemoryFeedback(pool, tenant="alice")
    if named_by == "nobody":
        with pytest.raises(UnknownTurnError):
            feedback.like(answer)
        return
    assert MemoryFeedback(pool).like(answer) == feedback.like(run_id)
    assert pool.get("alice").get("deploys").importance == 0.55
    assert pool.get("bob").get("deploys").importance == 0.4


@pytest.mark.parametrize("is_async", [False, True])
async def test_with_a_pool_one_retriever_says_at_each_call_whose_memories_it_showed(pool, is_async):
    handler = FeedbackCallbackHandler(pool)
    chain = chain_over(FeatherRetriever(pool=pool))

    async def asked_by(tenant):
        config = {"callbacks": [handler], "configurable": {"tenant": tenant}}
        return await chain.ainvoke("Who?", config) if is_async else chain.invoke("Who?", config)

    answers = await asyncio.gather(*(asked_by(("alice", "bob")[n % 2]) for n in range(6)))

    for n, answer in enumerate(answers):
        assert answer.response_metadata["feather_memory"]["tenant"] == ("alice", "bob")[n % 2]
    MemoryFeedback(pool).like(answers[1])
    assert pool.get("alice").get("deploys").importance == 0.4
    assert pool.get("bob").get("deploys").importance == 0.55
    assert handler._trees == {}


def test_a_retriever_that_says_its_tenant_is_taken_at_its_word(pool):
    class Saying(BaseRetriever):
        """Recalls for whoever the query names, and says so."""

        def _get_relevant_documents(self, query, *, run_manager):
            hits = pool.get(query).recall("deploys", turn=str(run_manager.run_id))
            said = {"turn": hits.turn, "tenant": query, "ids": ["deploys"], "scores": [1.0]}
            config = {"callbacks": run_manager.get_child()}
            dispatch_custom_event("feather_memory.recalled", said, config=config)
            return [Document(id=hit.memory.id, page_content=hit.memory.text) for hit in hits]

    handler = FeedbackCallbackHandler(pool, tenant="alice")
    answer = chain_over(Saying()).invoke("bob", {"callbacks": [handler]})

    MemoryFeedback(pool).like(answer)
    assert pool.get("bob").get("deploys").importance == 0.55
    assert pool.get("alice").get("deploys").importance == 0.4


def test_a_handler_leaves_the_recalls_of_other_stores_alone(pool, filled):
    """Ids that two stores share would else be credited in the wrong one."""
    handler, run_id = FeedbackCallbackHandler(pool.get("bob")), uuid4()
    agent = create_agent(
        ScriptedModel(), middleware=[FeatherMemoryMiddleware(store=pool.get("alice"))]
    )

    agent.invoke({"messages": [("user", "Deploys?")]}, {"callbacks": [handler], "run_id": run_id})

    with pytest.raises(UnknownTurnError):
        MemoryFeedback(pool.get("bob")).like(run_id)


def test_a_handler_can_be_told_twice(filled):
    """LangChain's managers put handlers into sets."""
    handler, run_id = FeedbackCallbackHandler(filled), uuid4()
    chain = chain_over(FeatherRetriever(store=filled, k=1)).with_config(callbacks=[handler])

    chain.invoke("Deploys on?", {"callbacks": [handler], "run_id": run_id})

    assert len({handler, handler}) == 1
    assert [s.memory_id for s in MemoryFeedback(filled).like(run_id)] == ["deploys"]


def test_with_layers_a_retriever_over_one_of_them_is_of_the_turn(tmp_path):
    with TenantPool(tmp_path / "memories") as pool:
        for tenant in ("alice", "team", "stranger"):
            pool.get(tenant).add("Deploys are on Tuesday", id=tenant)
        layers = ContextLayers(user=pool.get("alice"), team=pool.get("team"))
        run_id = uuid4()

        def ask(_):
            for tenant in ("team", "stranger"):
                FeatherRetriever(store=pool.get(tenant)).invoke("deploys")

        handler = FeedbackCallbackHandler(layers=layers)
        RunnableLambda(ask).invoke("x", {"callbacks": [handler], "run_id": run_id})
        signals = MemoryFeedback(layers=layers).like(run_id)

        assert [signal.memory_id for signal in signals] == ["team"]
        assert all(pool.get(tenant).check() == [] for tenant in pool.tenants())
