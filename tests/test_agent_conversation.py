"""A conversation into memories: each once, in its order, at once or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feather_memory import F, ParameterError, Store
from feather_memory.agent import (
    EXCHANGE,
    Said,
    checked_save,
    embedded,
    exchanged,
    forget_exchanges,
    ids_of,
    last_exchanges,
    latest_known,
    remembering,
    same_id,
    with_vectors,
    worth,
)
from feather_memory.agent.conversation import id_of

words = st.text(min_size=1, max_size=6)
maybe = st.one_of(st.none(), words)
sayings = st.builds(Said, role=st.sampled_from(["user", "assistant"]), text=words)


def user(text, **fields):
    return Said(role="user", text=text, **fields)


def assistant(text, **fields):
    return Said(role="assistant", text=text, **fields)


def say(store, *said, session="s", after=None, now=True, turn=None, vectors=None):
    new = remembering(store, said, session=session, turn=turn, are_said_now=now)
    new.write(store, vectors, after=after)
    return new


def remembered(store):
    return [memory.text for memory in store.iterate()]


def order(store):
    """The edges of the conversation, by their texts."""
    texts = {memory.id: memory.text for memory in store.iterate()}
    edges = {edge for id_ in texts for edge in store.edges(id_)}
    return {(texts[e.source], texts[e.target]) for e in edges if e.type == "next"}


# Under which ids


def test_ids_are_those_that_files_of_earlier_releases_have():
    """A conversation that was remembered before is not remembered again."""
    assert same_id("thread", "m1", None) == "5827f6b46f15898f74e2daa5"
    assert id_of(user("tea", message_id="m1"), "s") == same_id("s", "m1", "tea")
    assert id_of(user("tea"), "s") == "said-1ada48f432c62f5e0d2818777779ff2c"


@given(st.lists(maybe, max_size=4), st.lists(maybe, max_size=4))
def test_different_parts_make_different_ids(one, other):
    assert (same_id(*one) == same_id(*other)) == (one == other)


@given(sayings, maybe, sayings, maybe)
def test_without_a_message_it_is_known_by_session_side_and_words(one, here, other, there):
    same = (one.role, one.text, here) == (other.role, other.text, there)

    assert (id_of(one, here) == id_of(other, there)) == same
    assert id_of(one, here, 1) != id_of(one, here)


def test_what_is_blank_has_no_id():
    assert ids_of([user(" "), user("tea")], "s") == [id_of(user("tea"), "s")]


# What is worth it


def test_what_is_saved_is_chosen():
    said = [user("one"), assistant("two"), user(" "), assistant("")]

    assert [each.text for each in worth(said)] == ["one"]
    assert [each.text for each in worth(said, "all")] == ["one", "two"]
    assert worth(said, "none") == []
    assert checked_save("user") == "user"
    with pytest.raises(ParameterError, match="'turns'"):
        checked_save("turns")


# Once


def test_a_step_that_is_run_twice_remembers_once(store):
    said = [user("tea", message_id="q", actor="alice"), assistant("noted", message_id="a")]
    first = say(store, *said, turn="t1")
    before = store.stats().generation

    again = say(store, *said, turn="t2")

    assert (again.records, again.ids) == ((), first.ids)
    assert store.stats().generation == before
    asked, answered = store.iterate()
    assert (asked.text, asked.role, asked.actor, asked.session) == ("tea", "user", "alice", "s")
    assert dict(asked.metadata) == {"message_id": "q", "turn": "t1"}
    assert (answered.role, answered.actor) == ("assistant", None)


def test_another_message_of_the_same_words_is_another_memory(store):
    say(store, user("tea", message_id="q1"))
    say(store, user("tea", message_id="q2"))

    assert remembered(store) == ["tea", "tea"]


def test_without_a_message_the_same_words_are_one_memory_of_each_session(store):
    for session in ("s", "s", "t", None):
        say(store, user("tea"), assistant("tea"), session=session)

    assert [(m.role, m.session) for m in store.iterate()] == [
        (role, session) for session in ("s", "t", None) for role in ("user", "assistant")
    ]
    assert all(dict(memory.metadata) == {} for memory in store.iterate())


def test_what_was_superseded_is_a_new_memory_where_it_is_said_now(store):
    (old,) = say(store, user("I live in Paris")).ids
    store.supersede(old, "Alice lives in Rome")

    shown_again = say(store, user("I live in Paris"), now=False)
    said_again = say(store, user("I live in Paris"))

    assert (shown_again.records, shown_again.ids) == ((), (old,))
    (new,) = said_again.ids
    assert new != old
    assert say(store, user("I live in Paris")).records == ()
    store.supersede(new, "Alice lives in Oslo")
    assert len(say(store, user("I live in Paris")).records) == 1


def test_the_same_message_is_never_said_anew(store):
    (old,) = say(store, user("I live in Paris", message_id="q")).ids
    store.supersede(old, "Alice lives in Rome")

    assert say(store, user("I live in Paris", message_id="q")).records == ()


# In its order


def test_what_is_said_is_linked_to_what_was_said_before(store):
    say(store, user("one"), user("  "), assistant("two"))
    before = latest_known(
        store, ["nobody", *reversed(ids_of([user("one"), assistant("two")], "s"))]
    )

    say(store, user("three"), assistant("four"), after=before)

    assert order(store) == {("one", "two"), ("two", "three"), ("three", "four")}
    assert latest_known(store, ["nobody"]) is None


def test_after_something_that_was_forgotten_it_is_remembered_all_the_same(store):
    (gone,) = say(store, user("one")).ids
    store.forget(gone)

    say(store, user("two"), assistant("three"), after=gone)

    assert order(store) == {("two", "three")}


def test_a_history_that_is_shown_again_is_linked_once_and_goes_on(store):
    history = [user("one"), assistant("two")]
    say(store, *history, now=False)

    say(store, *history, user("three"), now=False)

    assert remembered(store) == ["one", "two", "three"]
    assert order(store) == {("one", "two"), ("two", "three")}


def test_words_that_come_twice_are_one_memory_and_no_edge_leads_to_itself(store):
    new = say(store, user("tea"), user("tea"), assistant("noted"), user("tea"))

    assert len(new.records) == 2
    assert order(store) == {("tea", "noted"), ("noted", "tea")}


def test_it_is_one_write(store):
    before = store.stats().generation
    say(store, user("one"), assistant("two"), user("three"))

    assert store.stats().generation == before + 1


def test_vectors_may_be_brought_one_for_each_new_text(tmp_path):
    with Store.open(tmp_path / "bare.feather") as store:
        new = remembering(store, [user("one"), user("two")], session=None, are_said_now=True)

        assert new.texts == ["one", "two"]
        with pytest.raises(ParameterError, match="1 vectors of 2 texts"):
            new.write(store, [[1.0, 0.0]])
        new.write(store, np.eye(2))

        assert [memory.vector.tolist() for memory in store.iterate()] == [[1.0, 0.0], [0.0, 1.0]]
        assert store.check() == []


def test_what_is_put_falls_with_the_caller_s_transaction(store):
    new = remembering(store, [user("one"), user("two")], session="s", are_said_now=True)

    def fail():
        with store.transaction():
            new.put(store, embedded(store, new.texts))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert remembered(store) == []
    assert remembering(store, [], session="s", are_said_now=True).put(store, None) == []


def test_without_an_embedder_it_goes_by_words(tmp_path):
    with Store.open(tmp_path / "bare.feather") as store:
        say(store, user("one"))
        exchanged(store, [user("two")], session="s", mark="m")

        assert [memory.vector for memory in store.iterate()] == [None, None]
        assert with_vectors([{"text": "x"}], None) == [{"text": "x"}]
        assert store.check() == []


@pytest.mark.parametrize("way", ["said", "put", "exchanged"])
def test_the_embedder_is_done_before_the_write_begins(tmp_path, way):
    """Whoever else writes to the file would have to wait for it."""
    path = tmp_path / "slow.feather"
    with Store.open(path) as other:

        def embedder(texts):
            other.add("meanwhile")  # would wait ten seconds for a transaction, and give up
            return [[1.0, 0.0] for _ in texts]

        with Store.open(path, embedder=embedder) as store:
            if way == "said":
                say(store, user("one"), assistant("first"))
            elif way == "put":
                said = [user("one"), assistant("first")]
                new = remembering(store, said, session="s", are_said_now=True)
                made = embedded(store, new.texts)
                with store.transaction():
                    new.put(store, made)
            else:
                exchanged(
                    store, [user("one"), assistant("first")], session="s", mark="m", save="all"
                )

            assert sorted(remembered(store)) == ["first", "meanwhile", "one"]
            assert store.check() == []


# Exchanges, which nothing tells from a retry


def test_each_exchange_is_new_and_follows_the_last_of_its_session(store):
    for mark, session in (("1", "mon"), ("2", "mon"), ("3", "tue")):
        exchanged(store, [user("tea?"), assistant("tea")], session=session, mark=mark, save="all")
    store.add("not said", session="mon")

    said = [memory for memory in store.iterate() if memory.metadata]
    links = {(e.source, e.target) for m in said for e in store.edges(m.id)}
    assert links == {*pairwise(m.id for m in said[:4]), (said[4].id, said[5].id)}
    assert [m.id for m in last_exchanges(store, "mon", 1)] == [m.id for m in said[2:4]]
    assert [m.id for m in last_exchanges(store, "mon", 9)] == [m.id for m in said[:4]]
    assert last_exchanges(store, "mon", 0) == []
    forget_exchanges(store, "mon")
    assert last_exchanges(store, "mon", 9) == []
    assert len(store) == 3


def test_a_transcript_keeps_every_message_and_only_the_users_are_memories(store):
    """People say the same twice, and an assistant says it after them."""
    for mark in ("1", "2", "3"):
        exchanged(store, [user("Yes"), assistant("Yes")], session="mon", mark=mark)
    exchanged(store, [user(" "), assistant("Are you there?")], session="mon", mark="4")

    kept = last_exchanges(store, "mon", 9)
    assert [(m.role, m.text) for m in kept] == [
        *[("user", "Yes"), ("assistant", "Yes")] * 3,
        ("assistant", "Are you there?"),
    ]
    assert [(m.role, m.text) for m in store.iterate()] == [("user", "Yes")] * 3
    assert [m.text for m in last_exchanges(store, "mon", 1)] == ["Are you there?"]


def test_an_exchange_is_gone_with_its_memory(store):
    """The answer says what was asked: it is not kept where that was forgotten."""
    for mark, text in (("1", "I am in Rome"), ("2", "I am in Oslo")):
        exchanged(store, [user(text), assistant(f"So {text}")], session="s", mark=mark)

    store.forget(where=F("text") == "I am in Oslo")

    assert [m.text for m in last_exchanges(store, "s", 9)] == ["I am in Rome", "So I am in Rome"]


def test_what_an_earlier_release_kept_as_memories_alone_comes_first(store):
    for text in ("one", "first"):
        store.add(text, session="s", metadata={EXCHANGE: "old"})
    exchanged(store, [user("two"), assistant("second")], session="s", mark="new")

    assert [m.text for m in last_exchanges(store, "s", 9)] == ["one", "first", "two", "second"]
    assert [m.text for m in last_exchanges(store, "s", 1)] == ["two", "second"]


def test_an_exchange_of_one_side_is_that_side_and_of_none_is_nothing(store):
    exchanged(store, [user("one"), assistant("first")], session="s", mark="1", save="all")
    exchanged(store, [user("two"), assistant(" ")], session="s", mark="2", save="all")
    before = store.stats().generation

    assert exchanged(store, [user("")], session="s", mark="3", save="all") == []
    assert store.stats().generation == before
    assert [m.text for m in last_exchanges(store, "s", 1)] == ["two"]
    assert order(store) == {("one", "first"), ("first", "two")}


def test_exchanges_by_many_threads_are_one_chain(store):
    def say_one(number):
        said = [user(f"question {number}"), assistant(f"answer {number}")]
        exchanged(store, said, session="s", mark=str(number), save="all")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(say_one, range(20)))

    said = [memory.id for memory in store.latest(99)][::-1]
    links = {(edge.source, edge.target) for id_ in said for edge in store.edges(id_)}
    assert links == set(pairwise(said))
    assert len(said) == 40
