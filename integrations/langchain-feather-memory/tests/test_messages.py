"""What a history was given comes back as the very same, or is refused by its place."""

from __future__ import annotations

import json
import math
from collections import namedtuple
from dataclasses import dataclass
from datetime import UTC
from enum import Enum, StrEnum
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    message_to_dict,
)
from langchain_feather_memory import FeatherChatMessageHistory
from langchain_feather_memory._messages import from_json, to_json
from pydantic import BaseModel

from feather_memory import InvalidMetadataError, ParameterError

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(),
    st.datetimes(timezones=st.just(UTC)), st.dates(), st.timedeltas(), st.uuids(),
    st.decimals(allow_nan=False), st.sampled_from(["\ud800", "a\udfffb"]),
)  # fmt: skip
keys = st.one_of(st.text(max_size=5), st.integers(), st.just("$feather"), st.just("lc"))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(keys, inner, max_size=3),
        st.frozensets(st.integers(), max_size=3),
    ),
    max_leaves=8,
)


def typed(value):
    """Equal only to what is the same in type, too, all the way down."""
    if isinstance(value, dict):
        return {(type(key), key): typed(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return (type(value), [typed(each) for each in value])
    return (type(value), value)


@given(value=values)
def test_whatever_a_message_holds_comes_back_as_the_very_same(value):
    message = AIMessage("x", response_metadata={"it": value}, additional_kwargs={"in": [value]})

    written = json.dumps(to_json(message), allow_nan=False)
    written.encode()
    (same,) = from_json([json.loads(written)])

    assert same == message
    assert typed(same.response_metadata) == typed(message.response_metadata)


EVERY = [
    HumanMessage("x", id="h", name="alice", anything=(1, b"extra")),
    HumanMessage([{"type": "image", "base64": "A" * 1_500_000, "mime_type": "image/png"}]),
    AIMessage("x", response_metadata={"logprobs": [-math.inf, math.inf]}),
    AIMessage("", tool_calls=[{"name": "f", "args": {"a": 1}, "id": "c"}]),
    AIMessageChunk("x", tool_call_chunks=[]),
    ToolMessage("x", tool_call_id="c", artifact=[Document("d", id="1", metadata={"at": (1, 2)})]),
    ToolMessage("x", tool_call_id="c", artifact={"said": HumanMessage("nested"), "raw": b"\0\xff"}),
    SystemMessage("x"),
    ChatMessage("x", role="narrator"),
    FunctionMessage("x", name="f"),
    RemoveMessage("h"),
    HumanMessage("half a pair: \ud83e"),
    # What would be called if it were loaded as LangChain's own form is data, and stays so.
    ToolMessage("x", tool_call_id="c", artifact={"lc": 1, "type": "constructor", "id": ["os"]}),
]


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_every_message_of_langchain_is_kept_exactly_and_in_order(store, way):
    history = FeatherChatMessageHistory("s", store=store)

    if way == "sync":
        history.add_messages(EVERY)
    else:
        await history.aadd_messages(EVERY)

    again = FeatherChatMessageHistory("s", store=store)
    found = again.messages if way == "sync" else await again.aget_messages()
    assert found == EVERY
    assert [type(message) for message in found] == [type(message) for message in EVERY]
    assert type(found[5].artifact[0]) is Document
    assert all(memory.metadata == {} for memory in store.iterate())


class Colour(Enum):
    RED = "red"


class Colours(StrEnum):
    RED = "red"


@dataclass
class Point:
    x: int


class Answer(BaseModel):
    of: tuple[int, int]


def test_an_object_is_kept_as_its_fields_or_its_value(store):
    history = FeatherChatMessageHistory("s", store=store)
    pair = namedtuple("pair", "a b")  # noqa: PYI024  as people have it
    given_ = [Point(1), Answer(of=(1, 2)), Colours.RED, pair(1, 2)]

    history.add_messages([ToolMessage("x", tool_call_id="c", artifact=given_)])

    (message,) = history.messages
    assert message.artifact == [{"x": 1}, {"of": (1, 2)}, "red", (1, 2)]


@pytest.mark.parametrize("strange", [object(), Colour.RED, PurePosixPath("a"), len])
def test_what_could_not_be_made_again_is_refused_by_its_place_and_nothing_is_written(
    store, strange
):
    history = FeatherChatMessageHistory("s", store=store)

    with pytest.raises(InvalidMetadataError, match=r"artifact\['rows'\]\[1\] is a"):
        history.add_messages(
            [HumanMessage("x"), ToolMessage("x", tool_call_id="c", artifact={"rows": [1, strange]})]
        )

    assert history.messages == []
    assert len(store) == 0


def test_a_message_that_no_file_takes_is_refused_and_nothing_is_written(store):
    history = FeatherChatMessageHistory("s", store=store)

    with pytest.raises(ParameterError, match="16,777,216 bytes"):
        history.add_messages([HumanMessage("x", raw="A" * 17_000_000)])

    assert (history.messages, len(store)) == ([], 0)


def test_a_history_of_an_earlier_release_is_read_and_cleared(store):
    said = [HumanMessage("first", id="1"), AIMessage("second", id="2")]
    for message in said:
        record = {"message": message_to_dict(message)}
        store.add(message.text, session="s", role=message.type, metadata=record)
    history = FeatherChatMessageHistory("s", store=store)
    history.add_messages([HumanMessage("third")])

    assert history.messages[:2] == said
    assert [message.text for message in history.messages] == ["first", "second", "third"]
    history.clear()
    assert (history.messages, len(store)) == ([], 0)


@pytest.mark.file
def test_what_was_forgotten_as_a_memory_is_no_message_any_more_and_its_bytes_are_gone(store):
    history = FeatherChatMessageHistory("s", store=store)
    history.add_messages([HumanMessage("canary-5f1d"), HumanMessage("kept")])

    (found,) = [memory for memory in store.iterate() if "canary" in memory.text]
    store.forget(found.id)

    assert [message.text for message in history.messages] == ["kept"]
    assert b"canary-5f1d" not in store.path.read_bytes()


@pytest.mark.parametrize("session", ["a", "a" * 200, "a" * 201, "b" * 512, "long chat: x", "ü:/"])
def test_sessions_of_any_name_keep_apart(store, session):
    names = {session, "a", session[:200], session[:-1] or "z"}
    for name in names:
        FeatherChatMessageHistory(name, store=store).add_messages([HumanMessage(f"of {len(name)}")])

    for name in names:
        (message,) = FeatherChatMessageHistory(name, store=store).messages
        assert message.text == f"of {len(name)}"
