from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_feather_memory import FeatherChatMessageHistory, FeatherRetriever

from feather_memory import ParameterError

from .conftest import HashEmbeddings

CONVERSATION = [
    SystemMessage("Be brief"),
    HumanMessage([{"type": "text", "text": "What is 2 + 2?"}], id="h1", name="alice"),
    AIMessage("", tool_calls=[{"name": "add", "args": {"a": 2, "b": 2}, "id": "c1"}]),
    ToolMessage("4", tool_call_id="c1", artifact={"exact": True}),
    AIMessage("4", usage_metadata={"input_tokens": 9, "output_tokens": 1, "total_tokens": 10}),
]


def test_messages_come_back_as_they_went_in_and_in_order(store):
    history = FeatherChatMessageHistory("monday", store=store)
    history.add_messages(CONVERSATION[:2])
    history.add_messages(CONVERSATION[2:])
    history.add_messages([])

    again = FeatherChatMessageHistory("monday", store=store)

    assert again.messages == CONVERSATION


async def test_the_async_twin_answers_alike_and_embeds_asynchronously(store):
    embedding = HashEmbeddings()
    history = FeatherChatMessageHistory("monday", store=store, embedding=embedding)

    await history.aadd_messages(CONVERSATION)

    assert await history.aget_messages() == history.messages == CONVERSATION
    assert embedding.calls == ["aembed_documents"]
    await history.aclear()
    assert history.messages == []


def test_a_session_sees_and_clears_only_its_own(store):
    monday, tuesday = (FeatherChatMessageHistory(day, store=store) for day in ("mon", "tue"))
    monday.add_user_message("I am Alice")
    tuesday.add_user_message("I am Bob")
    store.add("not a message", session="mon")

    monday.clear()

    assert monday.messages == []
    assert [message.content for message in tuesday.messages] == ["I am Bob"]
    assert len(store) == 2


def test_what_was_said_is_found_by_a_retriever(store):
    FeatherChatMessageHistory("mon", store=store).add_messages(CONVERSATION)

    (found,) = FeatherRetriever(store=store, k=1, session="mon").invoke("be brief")

    assert found.page_content == "Be brief"


@pytest.mark.parametrize("session", ["", None, 7])
def test_there_is_no_default_session(store, session):
    with pytest.raises(ParameterError, match="session_id"):
        FeatherChatMessageHistory(session, store=store)
