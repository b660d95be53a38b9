from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import Memory
from llama_index.core.storage.chat_store.base_db import MessageStatus
from llama_index.memory.feather import FeatherChatStore
from pydantic import ValidationError

from feather_memory import ParameterError, Store, TenantPool
from feather_memory.testing.loops import goes_on

from .conversation import texts

if TYPE_CHECKING:
    from pathlib import Path

ACTIVE, ARCHIVED = MessageStatus.ACTIVE, MessageStatus.ARCHIVED


def message(text: str, role: str = "user") -> ChatMessage:
    return ChatMessage(role=role, content=text)


@pytest.fixture
def chats(store: Store) -> FeatherChatStore:
    return FeatherChatStore(store=store)


class Lists:
    """The simpler oracle: a list of (text, status) a key."""

    def __init__(self) -> None:
        self.keys: dict[str, list[tuple[str, MessageStatus]]] = {"a": [], "b": []}

    def of(self, key: str, status: MessageStatus | None) -> list[str]:
        return [text for text, found in self.keys[key] if status in {None, found}]

    def take_oldest(self, key: str, number: int) -> list[str]:
        return self.of(key, ACTIVE)[:number]

    def without(self, key: str, gone: list[str]) -> None:
        self.keys[key] = [pair for pair in self.keys[key] if pair[0] not in gone]


@pytest.mark.parametrize("seed", range(4))
async def test_it_agrees_with_plain_lists_whatever_is_done(  # noqa: C901  a case an order
    tmp_path: Path, seed: int
):
    chance, lists = random.Random(seed), Lists()
    path = tmp_path / "alice.feather"
    chats = FeatherChatStore(path=path)

    for number in range(60):
        key, n = chance.choice("ab"), chance.randrange(3)
        status = chance.choice([ACTIVE, ACTIVE, ARCHIVED])
        new = [f"{number}.{each}" for each in range(chance.randrange(4))]
        match chance.randrange(8):
            case 0:
                await chats.add_message(key, message(f"{number}"), status)
                lists.keys[key].append((f"{number}", status))
            case 1 | 2:
                await chats.add_messages(key, [message(text) for text in new], status)
                lists.keys[key] += [(text, status) for text in new]
            case 3:
                kept = lists.of(key, None)[: chance.randrange(5)]
                await chats.set_messages(key, [message(text) for text in kept + new], status)
                lists.keys[key] = [(text, status) for text in kept + new]
            case 4:
                expected = lists.take_oldest(key, n)
                assert texts(await chats.delete_oldest_messages(key, n)) == expected
                lists.without(key, expected)
            case 5:
                expected = lists.take_oldest(key, n)
                assert texts(await chats.archive_oldest_messages(key, n)) == expected
                lists.keys[key] = [
                    (text, ARCHIVED if text in expected else found)
                    for text, found in lists.keys[key]
                ]
            case 6:
                place = lists.of(key, None)[n : n + 1]
                erased = await chats.delete_message(key, n)
                assert ([] if erased is None else [erased.content]) == place
                lists.without(key, place)
            case 7:
                chats = FeatherChatStore(path=path)
        for each in "ab":
            for asked in (ACTIVE, ARCHIVED, None):
                assert texts(await chats.get_messages(each, asked)) == lists.of(each, asked)
                assert await chats.count_messages(each, asked) == len(lists.of(each, asked))
        assert await chats.get_keys() == [each for each in "ab" if lists.keys[each]]

    await chats.delete_messages("a", ACTIVE)
    await chats.delete_messages("b")
    assert texts(await chats.get_messages("a", None)) == lists.of("a", ARCHIVED)
    assert await chats.count_messages("b", None) == 0
    with Store.open(path) as store:
        assert store.check() == []


async def test_a_page_of_messages_can_be_read(chats):
    await chats.add_messages("s", [message(f"{n}") for n in range(5)])

    assert texts(await chats.get_messages("s", limit=2)) == ["0", "1"]
    assert texts(await chats.get_messages("s", limit=2, offset=3)) == ["3", "4"]
    assert texts(await chats.get_messages("s", offset=4)) == ["4"]


async def test_every_part_of_a_message_comes_back(chats):
    sent = ChatMessage(
        role="assistant",
        blocks=[
            {"block_type": "text", "text": "Grüße 👋"},
            {"block_type": "image", "url": "https://example.org/cat.png"},
            {"block_type": "tool_call", "tool_name": "recall", "tool_kwargs": {"query": "x"}},
        ],
        additional_kwargs={"nested": {"n": [1, None, 2.5]}},
    )
    before = sent.model_copy(deep=True)

    await chats.add_message("s", sent)

    assert await chats.get_messages("s") == [sent]
    assert sent == before


async def test_messages_are_no_memories_and_no_search_finds_them(chats, store):
    await chats.add_message("s", message("Deploys are on Tuesday"))

    assert store.stats().memories == 0
    assert store.search("deploys") == []


@pytest.mark.file
async def test_what_is_deleted_is_gone_from_the_file(tmp_path):
    path = tmp_path / "alice.feather"
    with Store.open(path) as store:
        chats = FeatherChatStore(store=store)
        await chats.add_messages("s", [message("canary-4711"), message("stays")])
        await chats.delete_message("s", 0)

        found = b"".join(each.read_bytes() for each in tmp_path.iterdir())

        assert b"canary-4711" not in found
        assert b"stays" in found


async def test_tenants_of_a_pool_do_not_share_a_conversation_of_the_same_key(tmp_path):
    with TenantPool(tmp_path) as pool:
        alice, bob = (FeatherChatStore(pool=pool, tenant=name) for name in ("alice", "bob"))
        await alice.add_message("s", message("Alice's"))

        assert await bob.get_messages("s") == []
        assert texts(await alice.get_messages("s")) == ["Alice's"]
        with pytest.raises(ParameterError, match="tenant"):
            FeatherChatStore(pool=pool)


async def test_a_conversation_needs_a_name(chats):
    with pytest.raises(ParameterError, match="empty"):
        await chats.get_messages("")


def test_fields_it_does_not_have_are_refused(store):
    with pytest.raises((ValidationError, TypeError)):
        FeatherChatStore(store=store, table_name="messages")


async def test_it_serves_as_the_chat_store_of_a_memory_across_restarts(tmp_path):
    path = tmp_path / "alice.feather"
    memory = Memory.from_defaults(session_id="s", chat_store=FeatherChatStore(path=path))
    await memory.aput(message("Hello"))
    await memory.aput(message("Good day", "assistant"))

    again = Memory.from_defaults(session_id="s", chat_store=FeatherChatStore(path=path))

    assert texts(await again.aget()) == ["Hello", "Good day"]
    await again.areset()
    assert await memory.aget_all() == []


async def test_messages_flushed_from_a_short_memory_are_archived(chats):
    memory = Memory.from_defaults(
        session_id="s", chat_store=chats, token_limit=20, token_flush_size=5
    )
    for n in range(6):
        await memory.aput(message(f"{n} one two three four"))
        await memory.aput(message(f"{n} five six seven", "assistant"))

    active, archived = await chats.count_messages("s"), await chats.count_messages("s", ARCHIVED)

    assert active + archived == 12
    assert archived > 0


async def test_many_writers_at_once_lose_nothing(chats):
    await asyncio.gather(*(chats.add_message("s", message(f"{n}")) for n in range(40)))

    found = texts(await chats.get_messages("s"))

    assert sorted(found) == sorted(f"{n}" for n in range(40))


async def test_a_heartbeat_goes_on_while_messages_are_written_and_read(chats):
    await chats.add_messages("s", [message(f"{n}") for n in range(200)])

    async def all_of_it() -> None:
        await chats.add_messages("s", [message("new")])
        await chats.get_messages("s")
        await chats.count_messages("s")
        await chats.archive_oldest_messages("s", 1)
        await chats.delete_oldest_messages("s", 1)
        await chats.delete_message("s", 0)
        await chats.get_keys()
        await chats.set_messages("t", [message("a")])
        await chats.delete_messages("t")

    assert await goes_on(lambda _: all_of_it())
