"""Alice's call, then Bob's, on one and the same object: nobody is ever shown what is another's.

Every text holds a canary of its owner. Each test counts the canaries that were shown to somebody
else; the last tests give the same counts to adapters that leak, and see them noticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("langgraph.store.base")

from langchain_feather_memory import FeatherRetriever, FeatherStore
from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, PutOp, SearchOp

from feather_memory import TenantPool
from feather_memory.testing import HashEmbedder

from .conftest import HashEmbeddings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from langgraph.store.base import Op

NAMES = ("alice", "bob")
CANARIES = {"alice": "canary-5f1d", "bob": "canary-c0de"}
MEMORIES = 6  # of each tenant; the k of every call

Ask = Callable[[int], list[str]]
"""The texts that the n-th call is shown. Alice asks the even ones, Bob the odd ones."""
AsyncAsk = Callable[[int], Awaitable[list[str]]]

CALLS = [
    pytest.param(1_000, id="1000"),
    pytest.param(10_000, id="10000", marks=pytest.mark.long),
]


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[TenantPool]:
    with TenantPool(tmp_path / "memories", embedder=HashEmbedder(32)) as pool:
        for name in NAMES:
            pool.get(name).add_many(
                [{"text": f"{CANARIES[name]} likes tea {n}"} for n in range(MEMORIES)]
            )
        yield pool
        for name in NAMES:
            assert pool.get(name).check() == []


@pytest.fixture
def items(tmp_path: Path) -> Iterator[TenantPool]:
    with TenantPool(tmp_path / "items") as pool:
        yield pool
        for name in pool.tenants():
            assert pool.get(name).check() == []


def owner(n: int) -> str:
    return NAMES[n % 2]


def strays(n: int, texts: list[str]) -> int:
    """How many of the texts are not the asker's. That nothing was shown is no pass either."""
    assert texts, f"call {n} was shown nothing"
    return sum(CANARIES[owner(n)] not in text for text in texts)


def in_turn(ask: Ask, calls: int) -> int:
    return sum(strays(n, ask(n)) for n in range(calls))


def in_threads(ask: Ask, calls: int) -> int:
    with ThreadPoolExecutor(8) as threads:
        return sum(strays(n, texts) for n, texts in enumerate(threads.map(ask, range(calls))))


async def in_tasks(ask: AsyncAsk, calls: int, *, at_once: int = 50) -> int:
    found = 0
    for start in range(0, calls, at_once):
        numbers = range(start, min(calls, start + at_once))
        answers = await asyncio.gather(*(ask(n) for n in numbers))
        found += sum(strays(n, texts) for n, texts in zip(numbers, answers, strict=True))
    return found


def shares(calls: int) -> tuple[int, int, int]:
    """Of all the calls a third each: one after the other, in threads, in tasks."""
    third = calls // 3
    return calls - 2 * third, third, third


def asked_as(n: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The config and the keywords that name the asker, in one of the ways there are."""
    if n % 4 < 2:
        return {"configurable": {"tenant": owner(n)}}, {}
    return {}, {"tenant": owner(n)}


def asking(retriever: FeatherRetriever) -> tuple[Ask, AsyncAsk]:
    def ask(n: int) -> list[str]:
        config, keywords = asked_as(n)
        return [d.page_content for d in retriever.invoke("who likes tea?", config, **keywords)]

    async def aask(n: int) -> list[str]:
        config, keywords = asked_as(n)
        found = await retriever.ainvoke("who likes tea?", config, **keywords)
        return [document.page_content for document in found]

    return ask, aask


def operations(n: int) -> list[Op]:
    name, key = owner(n), f"{n // 2 % MEMORIES}"
    value = {"text": f"{CANARIES[name]} likes tea {key}"}
    return [
        PutOp((name, "facts"), key, value),
        SearchOp((name,), query="who likes tea?", limit=MEMORIES),
        SearchOp((name, "facts"), filter={"text": {"$ne": ""}}, limit=MEMORIES),
        GetOp((name, "facts"), key),
        ListNamespacesOp((MatchCondition("prefix", (name,)),)),
    ]


def shown(n: int, results: list[Any]) -> list[str]:
    """The texts of all results; a namespace stands for its owner's canary."""
    _, near, listed, got, namespaces = results
    values = [item.value["text"] for item in [*near, *listed, *([got] if got else [])]]
    return values + [CANARIES[first] for first, *_ in namespaces]


def filling(store: FeatherStore) -> tuple[Ask, AsyncAsk]:
    for n in range(2):
        store.batch(operations(n)[:1])

    async def aask(n: int) -> list[str]:
        return shown(n, await store.abatch(operations(n)))

    return lambda n: shown(n, store.batch(operations(n))), aask


@pytest.mark.parametrize("calls", CALLS)
async def test_one_retriever_never_shows_one_tenant_what_is_anothers(pool, calls):
    ask, aask = asking(FeatherRetriever(pool=pool, k=MEMORIES))
    turns, threads, tasks = shares(calls)

    assert in_turn(ask, turns) == 0
    assert await asyncio.to_thread(in_threads, ask, threads) == 0
    assert await in_tasks(aask, tasks) == 0


@pytest.mark.parametrize("calls", CALLS)
async def test_one_langgraph_store_never_shows_one_tenant_what_is_anothers(items, calls):
    index: Any = {"dims": 128, "embed": HashEmbeddings(), "fields": ["text"]}
    ask, aask = filling(FeatherStore(pool=items, index=index))
    turns, threads, tasks = shares(calls)

    assert in_turn(ask, turns) == 0
    assert await asyncio.to_thread(in_threads, ask, threads) == 0
    assert await in_tasks(aask, tasks) == 0


class ForgetfulRetriever(FeatherRetriever):
    """Keeps the tenant of a call on itself, as adapters do that were written for one user."""

    def _with_tenant(self, config: Any, asked: dict[str, Any]) -> dict[str, Any]:
        kept = super()._with_tenant(config, asked)
        self.__dict__["kept"] = kept["tenant"]
        return kept

    def _recalled(self, *asked: Any, tenant: str | None) -> Any:
        return super()._recalled(*asked, tenant=self.__dict__["kept"])


class ForgetfulStore(FeatherStore):
    """Answers everybody what it was asked first."""

    kept: list[Op] | None = None

    def _checked(self, ops: Any) -> list[Op]:
        checked = super()._checked(ops)
        if len(checked) > 1 and self.kept is None:
            self.kept = checked
        return self.kept or checked


async def test_these_tests_notice_a_retriever_that_mixes_tenants_up(pool):
    _, aask = asking(ForgetfulRetriever(pool=pool, k=MEMORIES))

    assert await in_tasks(aask, 100) > 0


async def test_these_tests_notice_a_store_that_mixes_tenants_up(items):
    ask, aask = filling(ForgetfulStore(pool=items))

    assert in_turn(ask, 10) > 0
    assert in_threads(ask, 10) > 0
    assert await in_tasks(aask, 10) > 0
