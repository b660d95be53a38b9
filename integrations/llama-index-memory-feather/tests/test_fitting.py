"""What of a conversation goes before a model, and that no more of it is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.core.utils import get_tokenizer
from llama_index.memory.feather import FeatherMemory
from llama_index.memory.feather._fitting import fitting
from llama_index.memory.feather._reading import messages_of

from feather_memory import Store

roles = st.sampled_from(["user", "user", "assistant", "assistant", "tool", "system"])
contents = st.sampled_from(
    ["", "tea", "Deploys are on Fridays", "システム 🥳", "the role system", "x" * 40]
)


@st.composite
def messages(draw):
    blocks = [TextBlock(text=text) for text in draw(st.lists(contents, max_size=2))]
    if draw(st.integers(0, 9)) == 0:
        blocks.append(ImageBlock(url="https://example.org/a.png"))
    return ChatMessage(role=draw(roles), blocks=blocks)


def kept(message):
    return json.dumps({"status": "active", "message": message.model_dump(mode="json")})


def tokens(message):
    words = "\n".join(b.text for b in message.blocks if isinstance(b, TextBlock))
    others = sum(not isinstance(b, TextBlock) for b in message.blocks)
    return len(get_tokenizer()(words)) + 256 * others


def expected(every, limit):
    """By looking at every end of the conversation."""
    systems = [m for m in every if m.role == "system"]
    others = [m for m in every if m.role != "system"]
    ends = [others[n:] for n in range(len(others) + 1)]
    fit = [end for end in ends if sum(map(tokens, [*systems, *end])) <= limit]
    longest = max(fit, key=len, default=[])
    if len(longest) < len(others):
        asked = [end for end in ends if end and end[0].role == "user"]
        within = [end for end in asked if len(end) <= len(longest)]
        beyond = [end for end in asked if len(end) > len(longest)]
        longest = max(within, key=len, default=min(beyond, key=len, default=longest))
    chosen = {id(m) for m in (*systems, *longest)}
    return [m for m in every if id(m) in chosen]


@given(st.lists(messages(), max_size=9), st.lists(messages(), max_size=2), st.integers(0, 60))
def test_what_fits_is_what_a_look_at_every_end_of_the_conversation_finds(saved, unsaved, limit):
    found = fitting([kept(m) for m in saved], unsaved, limit)

    assert found == expected([*saved, *unsaved], limit)


@given(st.lists(messages(), max_size=9), st.booleans())
def test_messages_that_are_read_at_once_are_those_that_are_read_one_by_one(saved, is_named):
    named = {"name": "alice", "cached": {"tokens": 7}} if is_named else {}
    call = ToolCallBlock(tool_name="clock", tool_kwargs={"zone": "UTC"}, tool_call_id="c1")
    saved = [*saved, ChatMessage(role="assistant", blocks=[call], additional_kwargs=named)]

    found = messages_of([kept(each) for each in saved])

    alone = [ChatMessage.model_validate(json.loads(kept(each))["message"]) for each in saved]
    assert found == alone == saved
    assert [each.model_fields_set for each in found] == [each.model_fields_set for each in alone]
    assert [type(b) for m in found for b in m.blocks] == [type(b) for m in saved for b in m.blocks]


def test_half_a_character_of_an_earlier_release_keeps_nobody_from_reading():
    text = r'{"message": {"role": "user", "blocks": [{"block_type": "text", "text": "\ud83e"}]}}'

    (found,) = messages_of([text])

    assert found.content == "\ud83e"


@pytest.fixture
def memory(tmp_path):
    with Store.open(tmp_path / "a.feather", tenant="alice") as store:
        yield FeatherMemory.from_defaults(
            store=store, session_id="long", token_limit=40, save="all"
        )
        assert store.check() == []


def test_of_a_long_conversation_only_what_is_given_is_read(memory):
    """What is not read does not matter, even if it is no message at all."""
    memory.put(ChatMessage(role="system", content="Answer briefly"))
    for n in range(50):
        memory.put(ChatMessage(role="user", content=f"number {n} is asked for"))
    shelf = memory._transcript()._shelf
    for key in list(shelf)[1:30]:
        shelf[key] = {"status": "active", "message": {"role": "nobody"}}

    given_ = memory.get()

    assert given_[0].content == "Answer briefly"
    assert given_[-1].content.endswith("number 49 is asked for")
    assert len(given_) < 15
    with pytest.raises(ValueError, match="role"):
        memory.get_all()


def test_a_tokenizer_that_is_changed_counts_anew(memory, monkeypatch):
    for n in range(20):
        memory.put(ChatMessage(role="user", content=f"number {n} is asked for"))
    before = len(memory.get())
    monkeypatch.setattr("llama_index.memory.feather._fitting.get_tokenizer", lambda: list)

    assert 1 <= len(memory.get()) < before


def test_what_is_said_after_many_tools_is_linked_to_what_was_said_before(memory):
    """However many messages there are between that no memory is made of."""
    memory.put(ChatMessage(role="user", content="Deploys are on Fridays"))
    memory.put_messages([ChatMessage(role="tool", content=f"row {n}") for n in range(300)])
    memory.put(ChatMessage(role="assistant", content="Noted"))

    store = memory._bind().opened().writes
    first, last = store.iterate()
    assert [(e.source, e.target, e.type) for e in store.edges(first.id)] == [
        (first.id, last.id, "next")
    ]
