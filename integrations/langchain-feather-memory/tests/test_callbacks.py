from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, messages_from_dict, messages_to_dict
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_feather_memory import (
    FeatherRetriever,
    FeatherVectorStore,
    FeedbackCallbackHandler,
    MemoryFeedback,
)

from feather_memory import ParameterError, Store, UnknownTurnError

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

    assert before < after == filled.get("deploys").importance
    assert filled.get("lunch").importance == before
    assert handler._parents == {}


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
    assert handler._parents == {}


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


def test_each_kind_of_feedback_moves_importance_its_way(filled):
    handler = FeedbackCallbackHandler(filled)
    feedback = MemoryFeedback(filled)
    for way, act in ((1, feedback.saved), (1, feedback.copied), (-1, feedback.dislike)):
        run_id = uuid4()
        retriever = FeatherRetriever(store=filled, k=2)
        chain_over(retriever).invoke("Deploys", {"callbacks": [handler], "run_id": run_id})
        before = [filled.get(id_).importance for id_ in ("deploys", "lunch")]
        act(run_id, memory_ids=["deploys"])
        after = [filled.get(id_).importance for id_ in ("deploys", "lunch")]

        assert (after[0] - before[0]) * way > 0
        assert after[1] == before[1]


def test_what_is_unknown_is_a_typed_error(filled):
    with pytest.raises(UnknownTurnError):
        MemoryFeedback(filled).like(uuid4())
    with pytest.raises(ParameterError, match="FeedbackCallbackHandler"):
        MemoryFeedback(filled).like(AIMessage("hello"))


def test_a_run_that_fails_leaves_nothing_behind_in_the_handler(filled):
    handler = FeedbackCallbackHandler(filled)
    failing = FeatherRetriever(store=filled) | RunnableLambda(lambda _: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        failing.invoke("x", {"callbacks": [handler]})

    assert handler._parents == {}
