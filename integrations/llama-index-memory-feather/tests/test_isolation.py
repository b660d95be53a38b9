"""Alice's turn, then Bob's, on one object: many interleaved calls, no word of the other's."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.memory.feather import FeatherMemory, FeatherMemoryBlock, FeatherRetriever

from feather_memory import TenantPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from feather_memory import Store

NAMES = ("alice", "bob")
AT_ONCE = 20
in_calls = pytest.mark.parametrize("calls", [1_000, pytest.param(10_000, marks=pytest.mark.long)])


def canary(name: str) -> str:
    return f"canary of {name}"


def leaks(answers: Sequence[tuple[str, str]]) -> int:
    """How many answers (whose, text) hold the other's canary. Each must hold its owner's."""
    assert all(canary(name) in text for name, text in answers)
    other = dict(zip(NAMES, reversed(NAMES), strict=True))
    return sum(canary(other[name]) in text for name, text in answers)


def interleaved(number: int) -> list[str]:
    return random.Random(number).choices(NAMES, k=number)


async def asked(ask: Callable[[str], Any], names: list[str]) -> list[tuple[str, str]]:
    """The answers for the names, some asked for at the same time."""
    answers: list[tuple[str, str]] = []
    for start in range(0, len(names), AT_ONCE):
        batch = names[start : start + AT_ONCE]
        texts = await asyncio.gather(*(ask(name) for name in batch))
        answers += zip(batch, texts, strict=True)
    return answers


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[TenantPool]:
    with TenantPool(tmp_path) as pool:
        for name in NAMES:
            pool.get(name).add(canary(name))
        yield pool
        for name in NAMES:
            assert pool.get(name).check() == []


@pytest.fixture
async def block(store: Store) -> FeatherMemoryBlock:
    block = FeatherMemoryBlock(store=store, recall_from="session", reinforce=False)
    for name in NAMES:
        await block.aput([ChatMessage(role="user", content=canary(name))], session_id=name)
    return block


QUESTION = [ChatMessage(role="user", content="whose canary?")]


class Pinned(FeatherMemoryBlock):
    """Keeps the first session it is asked for, as LlamaIndex's VectorMemoryBlock does."""

    _first: str | None = None

    async def _aget(self, messages=None, session_id=None, **kwargs):
        self._first = self._first or session_id
        return await super()._aget(messages, session_id=self._first, **kwargs)


@in_calls
async def test_one_block_serves_two_sessions(block, calls):
    answers = await asked(lambda name: block.aget(QUESTION, session_id=name), interleaved(calls))

    assert len(answers) == calls
    assert leaks(answers) == 0


async def test_a_block_that_kept_its_session_would_be_found_out(block, store):
    pinned = Pinned(store=store, recall_from="session")

    with pytest.raises(AssertionError):
        leaks(await asked(lambda name: pinned.aget(QUESTION, session_id=name), interleaved(40)))


@in_calls
async def test_memories_of_one_pool_serve_two_tenants(pool, calls):
    """Of one conversation's name, sync from threads, and async."""
    memories = {
        name: FeatherMemory.from_defaults(
            pool=pool, tenant=name, session_id="the same", reinforce=False
        )
        for name in NAMES
    }

    def ask(name: str) -> str:
        return memories[name].get(input="whose canary?")[0].content or ""

    async def aask(name: str) -> str:
        return (await memories[name].aget(input="whose canary?"))[0].content or ""

    half = calls // 2
    names = interleaved(half)
    with ThreadPoolExecutor(4) as threads:
        answers = list(zip(names, threads.map(ask, names), strict=True))
    answers += await asked(aask, interleaved(half))

    assert len(answers) == calls
    assert leaks(answers) == 0


def test_one_tenant_s_handle_for_both_would_be_found_out(pool):
    memory = FeatherMemory.from_defaults(pool=pool, tenant="alice", session_id="the same")
    answers = [
        (name, memory.get(input="whose canary?")[0].content or "") for name in interleaved(20)
    ]

    with pytest.raises(AssertionError):
        leaks(answers)


async def test_retrievers_of_one_pool_serve_two_tenants(pool):
    retrievers = {name: FeatherRetriever(pool=pool, tenant=name, reinforce=False) for name in NAMES}

    async def ask(name: str) -> str:
        return "\n".join(node.text for node in await retrievers[name].aretrieve("canary"))

    assert leaks(await asked(ask, interleaved(1000))) == 0


async def test_writes_at_once_stay_with_their_tenants(pool):
    async def say(number: int, name: str) -> None:
        memory = FeatherMemory.from_defaults(pool=pool, tenant=name, session_id=f"s{number % 3}")
        await memory.aput(ChatMessage(role="user", content=f"{number} {canary(name)}"))

    names = interleaved(200)
    await asyncio.gather(*(say(number, name) for number, name in enumerate(names)))

    for name in NAMES:
        store = pool.get(name)
        assert all(m.text.endswith(canary(name)) for m in store.iterate())
        assert store.stats().memories == 1 + names.count(name)
