"""Where a path or a directory is taken, the URL of a database is: by doors, and by adapters."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import pickle
import re
import sys

import pytest

servers = pytest.importorskip("servers")
pytest.importorskip("fastapi")
pytest.importorskip("mcp")

import httpx  # noqa: E402
from asgi import living  # noqa: E402
from mcp import Client  # noqa: E402
from mcp.client.stdio import StdioServerParameters, stdio_client  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from feather_memory import ContextLayers, ParameterError, Store, TenantPool  # noqa: E402
from feather_memory.checks import server_place  # noqa: E402
from feather_memory.cli.app import app  # noqa: E402
from feather_memory.doors.keys import Grant, KeyRing  # noqa: E402
from feather_memory.doors.service import ServiceSettings, service_app  # noqa: E402
from feather_memory.testing import HashEmbedder  # noqa: E402

LLAMA = "llama_index.memory.feather"
TOLD = ":plain@"  # what stands before the host where a password is told


@pytest.fixture
def url():
    """A database with our tables and nobody in it, by a user with a password."""
    return servers.as_nobody_special(servers.emptied("doors"))


def run(*arguments):
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(each) for each in arguments])


def texts(store):
    return sorted(memory.text for memory in store.iterate())


# Doors


async def test_the_service_serves_the_tenants_of_a_database(url, tmp_path, clock):
    key = KeyRing(tmp_path).add(Grant(name="all", prefix=""))
    settings = ServiceSettings(
        directory=tmp_path, database=url, embedder=HashEmbedder, clock=clock, max_tenants=2
    )
    made = service_app(settings)
    async with (
        living(made),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(made),
            base_url="http://localhost",
            headers={"Authorization": f"Bearer {key}"},
        ) as client,
    ):
        for tenant in ("alice", "bob"):
            said = {"tenant": tenant, "text": f"{tenant} drinks tea"}
            assert (await client.post("/v1/remember", json=said)).is_success
        more = await client.post("/v1/remember", json={"tenant": "carol", "text": "x"})
        told = await client.post("/v1/recall", json={"tenant": "bob", "question": "who drinks?"})
        ready, metrics = await client.get("/ready"), await client.get("/metrics")

    assert more.status_code == 403
    assert [each["text"] for each in told.json()["memories"]] == ["bob drinks tea"]
    assert ready.status_code == 200
    (held,) = re.findall(r"^feather_memory_array_bytes\S* (\d+)$", metrics.text, re.MULTILINE)
    assert int(held) > 0
    with TenantPool(url) as pool:
        assert pool.tenants() == ["alice", "bob"]
        assert all(pool.get(name).check() == [] for name in pool.tenants())


async def test_a_service_whose_database_is_gone_is_not_ready(tmp_path, clock):
    url = servers.migrated("gone")
    made = service_app(
        ServiceSettings(directory=tmp_path, database=url, embedder=HashEmbedder, clock=clock)
    )
    async with (
        living(made),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(made), base_url="http://localhost"
        ) as client,
    ):
        before = await client.get("/ready")
        with servers.psycopg.connect(url, autocommit=True) as connection:
            connection.execute("drop schema feather cascade")
        after = await client.get("/ready")

    assert (before.status_code, after.status_code) == (200, 503)


async def test_mcp_serves_a_tenant_of_a_database_over_stdio(url):
    arguments = ["-m", "feather_memory", "mcp", "--store", url, "--tenant", "alice"]
    child = StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ))
    async with Client(stdio_client(child)) as client:
        written = await client.call_tool("remember", {"text": "Alice drinks tea"})
        told = await client.call_tool("recall", {"question": "What does Alice drink?"})

    assert not written.is_error, written.content
    assert [each["text"] for each in told.structured_content["memories"]] == ["Alice drinks tea"]
    with TenantPool(url) as pool:
        assert pool.tenants() == ["alice"]
        assert pool.get("alice").check() == []


def test_keys_of_a_database_are_in_a_directory_that_is_named(url, tmp_path):
    """A key is a file: what would make a folder that is called as a URL is refused."""
    refused = [
        run("keys", "add", "k", "--dir", url, "--tenant", "a"),
        run("serve", "--dir", url),
        run("serve", "--dir", tmp_path / "memories", "--keys", tmp_path),
        run("mcp", "--dir", url, "--http"),
        run("mcp", "--store", url),
        run("mcp", "--store", tmp_path / "a.feather", "--tenant", "alice"),
    ]

    for done in refused:
        assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1), done.output
        assert TOLD not in done.output
    assert list(tmp_path.iterdir()) == []
    assert run("keys", "add", "k", "--dir", tmp_path / "keys", "--tenant", "a").exit_code == 0


# Adapters


def test_a_langgraph_store_at_a_url_is_a_tenant_s(url):
    opened = pytest.importorskip("langchain_feather_memory").FeatherStore
    with pytest.raises(ParameterError, match="tenant="):
        opened(url)
    with pytest.raises(ParameterError, match="of one tenant"):
        opened(url, tenant="user:{1}")
    with opened(url, tenant="alice") as alice, opened(url, tenant="bob") as bob:
        alice.put(("facts",), "tea", {"likes": "tea", "cups": 2})
        bob.put(("facts",), "wine", {"likes": "wine", "cups": 3})

        assert [item.key for item in alice.search((), filter={"cups": {"$gte": 1}})] == ["tea"]
        assert bob.get(("facts",), "tea") is None
        assert bob.list_namespaces() == [("facts",)]
    with TenantPool(url) as pool, opened(pool=pool, tenant="user:{0}") as store:
        store.put(("carol", "facts"), "tea", {"likes": "tea"})
        assert pool.tenants() == ["alice", "bob", "user:carol"]
        assert all(pool.get(name).check() == [] for name in pool.tenants())


def test_a_langchain_retriever_at_a_url_survives_its_copy(url):
    langchain = pytest.importorskip("langchain_feather_memory")
    with langchain.FeatherRetriever(path=url, tenant="alice") as retriever:
        retriever.store.add("Alice drinks tea")
        copied = retriever.model_copy(update={"k": 1})
        again = type(retriever).model_validate(dict(retriever))

        for each in (retriever, copied, again):
            assert [found.page_content for found in each.invoke("tea")] == ["Alice drinks tea"]
        assert retriever.store.check() == []


@pytest.fixture
def llama():
    return pytest.importorskip("llama_index.memory.feather")


def said(text):
    from llama_index.core.base.llms.types import ChatMessage

    return ChatMessage(role="user", content=text)


def test_a_llama_index_handle_on_a_database_means_the_same_when_it_comes_back(llama, url):
    """And holds no password: whoever writes it down writes down none."""
    handles = [
        llama.FeatherMemory.from_defaults(path=url, tenant=name, session_id="monday")
        for name in ("alice", "bob")
    ]
    for handle in handles:
        handle.put(said(f"I am {handle.tenant}, and drink tea"))
    kept = [json.loads(json.dumps(handle.to_dict())) for handle in handles]
    assert all(TOLD not in json.dumps(each) for each in kept)
    assert all(each["path"] == server_place(url) for each in kept)

    for handle, fields in zip(handles, kept, strict=True):
        for again in (type(handle).from_dict(fields), pickle.loads(pickle.dumps(handle))):
            assert again == handle
            assert [m.content for m in again.get_all()] == [m.content for m in handle.get_all()]
    for handle in handles:
        with Store.open(url, tenant=handle.tenant) as store:
            assert texts(store) == [f"I am {handle.tenant}, and drink tea"]
            assert store.check() == []


def test_llama_index_handles_share_the_pool_and_the_layers_of_a_database(llama, url):
    with TenantPool(url, embedder=HashEmbedder(64)) as pool:
        by_pool = llama.FeatherMemory.from_defaults(pool=pool, tenant="alice", session_id="s")
        by_pool.put(said("I drink green tea"))
        pool.get("team").add("The team deploys on Fridays")
        layers = ContextLayers(user=pool.get("alice"), team=pool.get("team"))
        layered = llama.FeatherMemory.from_defaults(layers=layers, session_id="t")
        layered.put(said("The team deploys on which day?"))
        told = layered.get()[-1].content

        assert by_pool.directory == server_place(url)
        assert "Fridays" in told
        again = type(layered).from_dict(layered.to_dict())
        assert "Fridays" in again.get()[-1].content
        assert again.layers_digest == layered.layers_digest
        other = ContextLayers(user=pool.get("alice"), team=pool.get("another team"))
        assert (
            llama._source.digest_of(llama._source.chosen("x", layers=other))
            != layered.layers_digest
        )
        assert all(pool.get(name).check() == [] for name in pool.tenants())


def test_a_llama_index_vector_store_on_a_database_comes_back_and_is_persisted(llama, url, tmp_path):
    from llama_index.core.schema import TextNode

    vectors = llama.FeatherVectorStore(url, "alice")
    vectors.add([TextNode(text="Deploys are on Tuesday", id_="d", embedding=[1.0, 0.0])])
    again = pickle.loads(pickle.dumps(vectors))
    vectors.persist(str(tmp_path / "vector_store.json"))

    assert TOLD not in json.dumps(vectors.to_dict())
    assert [node.node_id for node in again.get_nodes(["d"])] == ["d"]
    with Store.open(tmp_path / "vector_store.feather", tenant="alice") as copy:
        assert texts(copy) == ["Deploys are on Tuesday"]
        assert copy.check() == []
    kept = llama.FeatherKVStore(url, "alice")
    kept.put("k", {"n": 1})
    assert pickle.loads(pickle.dumps(kept)).get("k") == {"n": 1}
    assert vectors.client.check() == []


def embeddings():
    from langchain_core.embeddings import DeterministicFakeEmbedding

    return DeterministicFakeEmbedding(size=64)


def langchain_vectors(package, at):
    with package.FeatherVectorStore(embeddings(), **at) as vectors:
        vectors.add_texts(["Alice drinks coffee"])
        return [found.page_content for found in vectors.similarity_search("drinks", k=9)]


def langchain_retriever(package, at):
    with package.FeatherRetriever(**at) as retriever:
        return [found.page_content for found in retriever.invoke("Who drinks?")]


def langgraph_store(package, at):
    with package.FeatherStore(**at) as store:
        store.put(("facts",), "a", {"text": "Alice drinks coffee"})
        return [item.value["text"] for item in store.search(())]


def llama_vectors(package, at):
    from llama_index.core.schema import TextNode

    vectors = package.FeatherVectorStore(**at)
    vectors.add([TextNode(text="Alice drinks coffee", id_="d", embedding=[1.0, 0.0])])
    return [node.text for node in vectors.get_nodes()]


def llama_chat(package, at):
    chat = package.FeatherChatStore(**at)
    asyncio.run(chat.add_message("monday", said("Alice drinks coffee")))
    return [message.content for message in asyncio.run(chat.get_messages("monday"))]


def llama_kept(package, at):
    kept = package.FeatherKVStore(**at)
    kept.put("k", {"text": "Alice drinks coffee"})
    return [each["text"] for each in kept.get_all().values()]


def llama_memory(package, at):
    memory = package.FeatherMemory.from_defaults(**at, session_id="monday")
    memory.put(said("Alice drinks coffee"))
    return [message.content for message in memory.get_all()]


def llama_feedback(package, at):
    feedback = package.MemoryFeedback(**at)
    return feedback.like("a") and ["Alice drinks tea"]


ADAPTERS = {
    ("langchain_feather_memory", "FeatherRetriever", "path"): langchain_retriever,
    ("langchain_feather_memory", "FeatherVectorStore", "path"): langchain_vectors,
    ("langchain_feather_memory", "FeatherStore", "path"): langgraph_store,
    (LLAMA, "FeatherRetriever", "path"): lambda package, at: [
        node.text for node in package.FeatherRetriever(**at).retrieve("Who drinks?")
    ],
    (LLAMA, "FeatherVectorStore", "path"): llama_vectors,
    (LLAMA, "FeatherChatStore", "path"): llama_chat,
    (LLAMA, "FeatherKVStore", "path"): llama_kept,
    (LLAMA, "FeatherMemory", "path"): llama_memory,
    (LLAMA, "FeatherMemory", "directory"): llama_memory,
    (LLAMA, "FeatherMemoryBlock", "path"): lambda package, at: [
        asyncio.run(package.FeatherMemoryBlock(**at).aget([said("Who drinks?")]))
    ],
    (LLAMA, "feather_tools", "path"): lambda package, at: [
        package.feather_tools(**at)[0].call(query="Who drinks?").content
    ],
    (LLAMA, "MemoryFeedback", "path"): llama_feedback,
}
"""Each that takes a place, under which name, and what it reads there."""


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda each: ".".join(each[1:]))
def test_whatever_takes_a_place_takes_a_url_and_reads_one_tenant_there(url, adapter):
    module, name, place = adapter
    package = pytest.importorskip(module)
    with TenantPool(url) as pool:
        pool.get("alice").add("Alice drinks tea", id="a")
        pool.get("bob").add("Bob drinks wine")

    read = ADAPTERS[adapter](package, {place: url, "tenant": "alice"})

    assert any("Alice drinks" in text for text in read), read
    assert not any("wine" in text for text in read)
    with TenantPool(url) as pool:
        assert sorted(pool.tenants()) == ["alice", "bob"]
        assert texts(pool.get("bob")) == ["Bob drinks wine"]
        if name == "MemoryFeedback":
            assert pool.get("alice").get("a").importance > 0.5
        assert all(pool.get(each).check() == [] for each in pool.tenants())


@pytest.mark.parametrize("module", ["langchain_feather_memory", LLAMA])
def test_no_adapter_that_takes_a_place_is_left_out(module):
    package = pytest.importorskip(module)
    found = set()
    for name in package.__all__:
        exported = getattr(package, name)
        makers = [getattr(exported, "from_defaults", None), exported]
        for maker in filter(callable, makers):
            asked = set(inspect.signature(maker).parameters)
            found |= {(module, name, place) for place in {"path", "directory"} & asked}

    assert found == {each for each in ADAPTERS if each[0] == module}
