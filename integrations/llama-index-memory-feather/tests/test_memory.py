from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.memory.feather import FeatherMemory, feather_turn

from feather_memory import EdgeType
from feather_memory.agent import NOTE
from feather_memory.testing.loops import goes_on

from .conftest import HashEmbedding
from .conversation import assistant, texts, user


async def both(memory: FeatherMemory, *args: Any, **kwargs: Any) -> list[ChatMessage]:
    """What `get` and `aget` give, which must be the same."""
    found = memory.get(*args, **kwargs)
    assert await memory.aget(*args, **kwargs) == found
    return found


async def test_another_conversation_knows_what_was_said_in_this_one(session):
    session("monday").put(user("I drink green tea"))
    tuesday = session("tuesday")
    await tuesday.aput(user("What tea do I drink?"))

    (message,) = await both(tuesday)

    told, asked = message.blocks
    assert 'role="user">I drink green tea</memory>' in told.text
    assert asked.text == "What tea do I drink?"
    assert texts(tuesday.get_all()) == texts(await tuesday.aget_all()) == ["What tea do I drink?"]


async def test_one_message_is_changed_and_no_system_message_is_added(session, alice):
    alice.add("The user drinks green tea", vector=HashEmbedding().get_text_embedding("green tea"))
    history = [
        ChatMessage(role="system", content="Be brief"),
        user("Hello"),
        assistant("Good day"),
        user("what tea do I drink?"),
    ]
    by_user = session("a", chat_history=history)
    by_system = session("b", chat_history=history, insert_method="system")

    users, systems = await both(by_user), await both(by_system)

    told = [[len(m.blocks) for m in found] for found in (users, systems)]
    assert told == [[1, 1, 1, 2], [2, 1, 1, 1]]
    assert [m.role for m in users] == [m.role for m in systems] == [m.role for m in history]


async def test_before_the_first_message_memories_are_a_system_message(session, alice):
    """So are they asked for by chat engines, which put the question after."""
    session("monday").put(user("I drink green tea"))

    (message,) = await both(session("tuesday"), input="what tea do I drink?")

    assert message.role == "system"
    assert "green tea" in message.content


async def test_where_nobody_asked_yet_the_system_message_takes_them(session, alice):
    alice.add("The user drinks green tea")
    memory = session("monday", chat_history=[ChatMessage(role="system", content="Be brief")])

    (message,) = await both(memory, input="what tea do I drink?")

    assert [block.text for block in message.blocks][1:] == ["Be brief"]
    assert "green tea" in message.blocks[0].text


def test_what_only_looks_like_memories_is_what_was_said(session):
    memory = session("monday")

    memory.put(user("<memories>\nmine\n</memories>"))

    assert texts(memory.get_all()) == ["<memories>\nmine\n</memories>"]


async def test_what_the_messages_say_is_not_told_again(session):
    memory = session("monday")
    memory.put_messages([user("I drink green tea"), assistant("Green tea, noted")])
    session("sunday").put(user("what tea do I drink?"))
    await memory.aput(user("what tea do I drink?"))

    assert texts(await both(memory)) == [
        "I drink green tea",
        "Green tea, noted",
        "what tea do I drink?",
    ]


def test_what_is_said_becomes_linked_memories_of_the_session(session, alice):
    memory = session("monday", actor="alice")
    memory.put(user("I drink green tea"))
    memory.put_messages([assistant("Noted"), ChatMessage(role="tool", content="42")])
    memory.put(user("And coffee on Sundays"))

    one, two, three = alice.iterate()

    assert [m.text for m in (one, two, three)] == [
        "I drink green tea",
        "Noted",
        "And coffee on Sundays",
    ]
    assert {m.session for m in (one, two, three)} == {"monday"}
    assert [(m.role, m.actor) for m in (one, two, three)] == [
        ("user", "alice"),
        ("assistant", None),
        ("user", "alice"),
    ]
    edges = {(e.source, e.target, e.type) for e in alice.edges(two.id)}
    assert edges == {(one.id, two.id, EdgeType.NEXT), (two.id, three.id, EdgeType.NEXT)}
    assert len(memory.get_all()) == 4


def test_a_fact_that_was_corrected_is_not_told_and_can_be_said_anew(session, alice):
    memory = session("monday")
    memory.put(user("I live in Paris"))
    (old,) = alice.iterate()
    alice.supersede(old.id, "The user lives in Rome", vector=old.vector)

    told = session("tuesday").get(input="Where do I live?")[0].content
    memory.put(user("I live in Paris"))
    again = session("wednesday").get(input="Where do I live?")[0].content

    assert "Rome" in told
    assert "Paris" not in told
    assert "Paris" in again


async def test_setting_the_same_messages_again_changes_nothing(session, alice):
    history = [user("I drink green tea"), assistant("Noted"), user("And coffee")]
    memory = session("monday")
    memory.set(history)
    before = alice.stats().generation

    memory.set(history)
    await memory.aset(history)
    memory.set(memory.get_all())

    assert alice.stats().generation == before
    assert texts(memory.get_all()) == texts(history)
    assert alice.stats().memories == 3


async def test_setting_replaces_the_messages_and_remembers_only_the_new(
    session, alice, embed_model
):
    memory = session("monday")
    memory.set([user("I drink green tea"), assistant("Noted"), user("And coffee")])
    embed_model.calls.clear()

    await memory.aset([assistant("Noted"), user("I drink milk")])

    assert texts(memory.get_all()) == ["Noted", "I drink milk"]
    assert [m.text for m in alice.iterate()] == [
        "I drink green tea",
        "Noted",
        "And coffee",
        "I drink milk",
    ]
    assert embed_model.calls == ["atexts"]


async def test_what_was_told_is_not_taken_for_what_was_said(session, alice):
    session("monday").put(user("I drink green tea"))
    memory = session("tuesday")
    memory.put(user("What tea do I drink?"))
    told = memory.get()

    memory.set(told)
    await memory.aput_messages([assistant("Tea"), *told])

    assert NOTE in told[0].content
    assert all("memories" not in (m.content or "") for m in memory.get_all())
    assert alice.stats().memories == 3


async def test_messages_are_kept_as_they_are_and_the_caller_s_are_left_alone(session):
    sent = ChatMessage(
        role="assistant",
        blocks=[{"block_type": "text", "text": "I will look"}],
        additional_kwargs={"tool_calls": [{"id": "1", "n": 2}]},
    )
    before = sent.model_copy(deep=True)
    memory = session("monday")

    memory.put(sent)
    got = memory.get()
    got[0].blocks.clear()

    assert memory.get_all() == [before]
    assert sent == before


def test_resetting_erases_this_conversation_only_and_what_was_remembered_stays(session, alice):
    monday, tuesday = session("monday"), session("tuesday")
    monday.put(user("I drink green tea"))
    tuesday.put(user("Hello"))

    monday.reset()

    assert monday.get_all() == []
    assert texts(tuesday.get_all()) == ["Hello"]
    assert "green tea" in tuesday.get(input="what tea do I drink?")[-1].content


@pytest.mark.file
def test_forgetting_erases_the_conversation_with_its_memories_and_nothing_else(session, alice):
    monday, tuesday = session("monday"), session("tuesday")
    monday.put(user("I drink canary-4711"))
    tuesday.put(user("Hello"))

    monday.forget()

    assert monday.get_all() == []
    assert [m.text for m in alice.iterate()] == ["Hello"]
    assert b"canary-4711" not in b"".join(f.read_bytes() for f in alice.path.parent.iterdir())


class TestLimits:
    def test_the_oldest_turns_are_left_out_and_kept(self, session):
        memory = session("monday", token_limit=40, min_relevance=0.99)
        for n in range(10):
            memory.put_messages([user(f"{n} one two three four"), assistant(f"{n} five six")])

        given = memory.get()

        assert given[0].role == "user"
        assert texts(given) == texts(memory.get_all())[-len(given) :]
        assert 2 <= len(given) < 20
        assert sum(len(m.content.split()) for m in given) <= 40
        assert len(memory.get_all()) == 20

    def test_what_was_left_out_is_told_as_a_memory_where_it_bears_on_the_question(self, session):
        memory = session("monday", token_limit=10)
        memory.put_messages([user("I drink green tea"), assistant("Noted")])
        memory.put_messages([user("x " * 20), assistant("y"), user("which tea do I drink?")])

        (message,) = memory.get()

        assert "green tea" in message.content

    def test_what_else_the_model_is_told_takes_its_share(self, session):
        memory = session("monday", token_limit=40)
        for n in range(10):
            memory.put_messages([user(f"{n} one two three four"), assistant(f"{n} five six")])

        assert len(memory.get(initial_token_count=20)) < len(memory.get())
        with pytest.raises(TypeError, match="session"):
            memory.get(session="monday")

    def test_the_last_turn_and_the_system_message_are_always_given(self, session):
        memory = session("monday", token_limit=5)
        memory.put_messages(
            [ChatMessage(role="system", content="Be brief"), user("Old"), user("x " * 50)]
        )
        memory.put_messages([assistant(""), ChatMessage(role="tool", content="y " * 50)])

        roles = [m.role.value for m in memory.get()]

        assert roles == ["system", "user", "assistant", "tool"]

    def test_memories_are_left_out_whole(self, session, alice):
        for n in range(9):
            alice.add(f"Secret number {n} " + "x" * 40)
        told = session("a", similarity_top_k=9, max_chars=500).get(input="secret number")

        assert 300 < len(told[0].content) <= 500
        assert told[0].content.endswith("</memories>")


class TestTurns:
    def test_reading_thrice_in_one_turn_reinforces_once(self, session, alice):
        session("monday").put(user("I drink green tea"))
        (tea,) = alice.iterate()
        memory = session("tuesday")
        memory.put(user("what tea do I drink?"))

        for _ in range(3):
            memory.get()
        memory.get(input="what tea do I drink?")
        once = alice.get(tea.id).recalls
        memory.put_messages([assistant("Green"), user("and which tea do I drink?")])
        memory.get()

        assert alice.get(tea.id).recalls == once + 1 <= 3

    async def test_what_is_told_is_logged_under_the_current_turn(self, session, alice):
        session("monday").put(user("I drink green tea"))
        memory = session("tuesday")

        with feather_turn("t-sync"):
            memory.get(input="what tea do I drink?")
        with feather_turn("t-async"):
            await memory.aget(input="what tea do I drink?")

        (tea,) = alice.iterate()
        for turn in ("t-sync", "t-async"):
            assert [s.memory_id for s in alice.feedback(turn, "liked")] == [tea.id]

    def test_what_is_put_is_of_the_turn_and_what_is_set_is_of_none_that_is_known(
        self, session, alice
    ):
        with feather_turn("t"):
            session("monday").put(user("I drink green tea"))
            session("tuesday").set([user("I drink coffee")])
        session("wednesday").put(user("I drink milk"))

        assert {m.text: dict(m.metadata) for m in alice.iterate()} == {
            "I drink green tea": {"turn": "t"},
            "I drink coffee": {},
            "I drink milk": {},
        }

    def test_reinforcement_can_be_switched_off(self, session, alice):
        session("monday").put(user("I drink green tea"))

        session("tuesday", reinforce=False).get(input="what tea do I drink?")

        assert next(alice.iterate()).recalls == 0


async def test_a_heartbeat_goes_on_through_every_async_method(session):
    memory = session("monday")
    memory.put_messages([user(f"I drink tea {n}") for n in range(100)])
    slow = FeatherMemory.from_defaults(
        path=memory.path,
        tenant="alice",
        session_id="slow",
        embed_model=HashEmbedding(seconds=0.03),
    )
    numbers = iter(range(1000))

    async def all_of_it() -> None:
        for each in (memory, slow):
            await each.aput(user(f"what tea {next(numbers)}?"))
            await each.aput_messages([user(f"what tea {next(numbers)}?"), assistant("Green")])
            await each.aget()
            await each.aget(input="which tea?")
            await each.aget_all()
        await slow.aset([user(f"what tea {next(numbers)}?")])
        await slow.areset()

    assert await goes_on(lambda _: all_of_it())


def test_a_transcript_keeps_every_message_and_by_default_the_users_are_memories(alice, embed_model):
    memory = FeatherMemory.from_defaults(store=alice, session_id="s", embed_model=embed_model)
    said = [user("Yes"), assistant("Yes"), user("Yes"), assistant("Are you sure?"), user("Yes")]
    for message in said:
        memory.put(message)

    assert [(m.role, m.content) for m in memory.get_all()] == [(m.role, m.content) for m in said]
    assert {(m.role, m.text) for m in alice.iterate()} == {("user", "Yes")}
