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


@pytest.mark.parametrize("text", ["yes", "Deploys are on Tuesday", "What is it?", "Thanks!"])
def test_messages_of_the_same_words_are_each_kept(store, text):
    """People say "yes" more than once, and a transcript has it as often."""
    history = FeatherChatMessageHistory("monday", store=store)
    said = [HumanMessage(text), AIMessage(text), HumanMessage(text), AIMessage(text)]

    history.add_messages(said)
    history.add_messages(said)

    assert history.messages == said + said
    assert len(store) == 8


def test_a_message_that_says_again_what_was_corrected_is_kept(store):
    """What was replaced is not current again by that, but it was said."""
    history = FeatherChatMessageHistory("monday", store=store)
    history.add_user_message("Deploys are on Monday")
    (old,) = store.iterate({"text": "Deploys are on Monday"})
    store.supersede(old.id, "Deploys are on Friday")

    history.add_messages([AIMessage("Deploys are on Monday")])

    assert [message.text for message in history.messages] == ["Deploys are on Monday"] * 2
    assert store.get(old.id).superseded_by
