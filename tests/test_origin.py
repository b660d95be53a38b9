"""Who a memory comes from is bound when it is written."""

from __future__ import annotations

import pytest

from feather_memory import F, ParameterError


@pytest.mark.parametrize(
    ("said", "origin"),
    [
        ({}, "user"),
        ({"role": "user"}, "user"),
        ({"role": "Human"}, "user"),
        ({"role": "someone"}, "user"),
        ({"role": "assistant"}, "assistant"),
        ({"role": "ai"}, "assistant"),
        ({"role": "model"}, "assistant"),
        ({"role": "tool"}, "tool"),
        ({"role": "function"}, "tool"),
        ({"role": "system"}, "document"),
        ({"origin": "document"}, "document"),
        ({"origin": "import", "role": "user"}, "import"),
        ({"origin": "user", "role": "assistant"}, "user"),
    ],
)
def test_origin_is_as_it_is_given_else_as_the_role_says_else_the_users(store, said, origin):
    one = store.add("Home is Oslo", **said)
    (many,) = store.add_many([{"text": "Work is Bergen", **said}])
    new = store.supersede(store.add("tea", **said).id, "coffee", **said)

    assert {one.origin, many.origin, new.origin, store.get(one.id).origin} == {origin}
    assert {hit.memory.origin for hit in store.search("Oslo", where=F("origin") == origin)} == {
        origin
    }
    assert store.search("Oslo", where=F("origin") != origin) == []


@pytest.mark.parametrize("wrong", ["", "admin", "User", 3, ["user"]])
def test_an_origin_that_there_is_not_is_refused(store, wrong):
    with pytest.raises(ParameterError, match="origin must be one of user, document"):
        store.add("tea", origin=wrong)

    assert len(store) == 0


def test_what_stays_in_the_record_keeps_its_origin(store):
    store.add("tea", id="a", origin="assistant")

    assert store.add("tea", id="a", origin="user", metadata={"n": 1}).origin == "assistant"
    assert store.update("a", role="user").origin == "assistant"
    assert store.update("a", text="coffee").origin == "assistant"
    with pytest.raises(TypeError):
        store.update("a", origin="user")
