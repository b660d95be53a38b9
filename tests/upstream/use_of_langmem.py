"""What langmem does with a store, on a FeatherStore and on LangGraph's own: it tells no difference.

langmem's sdist has no tests, so these are ours: its tools and its manager, sync and async, with
the namespaces it has unless told otherwise.
"""

import json
import uuid

import pytest
import standins
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models import FakeListChatModel
from langgraph.graph import START, MessagesState, StateGraph
from langmem import (
    create_manage_memory_tool,
    create_memory_store_manager,
    create_search_memory_tool,
)

NAMESPACE = ("memories", "{langgraph_user_id}")
INDEX = {"dims": 8, "embed": DeterministicFakeEmbedding(size=8)}


@pytest.fixture(params=[standins.InMemory, standins.Original], ids=["feather", "reference"])
def store(request):
    return request.param(index=INDEX)


def of(user):
    return {"configurable": {"langgraph_user_id": user}}


def in_graph(store, step, user):
    """What a node of a graph with that store returns: tools find the store by themselves there."""
    found = []

    def node(state):
        found.append(step())
        return {}

    graph = StateGraph(MessagesState).add_node("node", node).add_edge(START, "node")
    graph.compile(store=store).invoke({"messages": []}, of(user))
    return found[0]


def test_a_memory_is_created_found_updated_and_deleted_by_tools(store):
    manage = create_manage_memory_tool(NAMESPACE, store=store)
    search = create_search_memory_tool(NAMESPACE, store=store)
    said = manage.invoke({"content": "likes tea", "action": "create"}, of("ada"))
    id_ = said.rsplit(" ", 1)[-1]

    (found,) = json.loads(search.invoke({"query": "tea"}, of("ada")))
    assert found["value"] == {"content": "likes tea"}
    assert (found["namespace"], found["key"]) == (["memories", "ada"], id_)
    manage.invoke({"content": "likes mate", "action": "update", "id": id_}, of("ada"))
    (found,) = json.loads(search.invoke({"query": "tea"}, of("ada")))
    assert found["value"] == {"content": "likes mate"}
    assert json.loads(search.invoke({"query": "tea"}, of("bob"))) == []
    manage.invoke({"action": "delete", "id": id_}, of("ada"))
    assert json.loads(search.invoke({"query": "tea"}, of("ada"))) == []


async def test_the_same_by_async_tools(store):
    manage = create_manage_memory_tool(NAMESPACE, store=store, schema=dict)
    search = create_search_memory_tool(NAMESPACE, store=store)
    for n in range(3):
        await manage.ainvoke({"content": {"n": n, "é": [None, 0.5]}}, of("ada"))

    found = json.loads(await search.ainvoke({"query": "x", "limit": 2, "offset": 1}, of("ada")))
    assert len(found) == 2
    assert all(one["value"]["content"]["é"] == [None, 0.5] for one in found)
    all_ = json.loads(await search.ainvoke({"query": "x"}, of("ada")))
    assert sorted(one["value"]["content"]["n"] for one in all_) == [0, 1, 2]


def test_tools_find_the_store_of_the_graph_they_run_in(store):
    manage = create_manage_memory_tool(NAMESPACE)
    search = create_search_memory_tool(NAMESPACE)

    in_graph(store, lambda: manage.invoke({"content": "likes tea"}), "ada")

    assert "likes tea" in in_graph(store, lambda: search.invoke({"query": "tea"}), "ada")
    assert in_graph(store, lambda: search.invoke({"query": "tea"}), "bob") == "[]"


def test_an_update_of_what_is_not_there_makes_it_and_a_delete_of_it_does_nothing(store):
    manage = create_manage_memory_tool(("memories",), store=store)
    id_ = str(uuid.uuid4())

    manage.invoke({"action": "delete", "id": id_})
    manage.invoke({"content": "tea", "action": "update", "id": id_})

    assert store.get(("memories",), id_).value == {"content": "tea"}


async def test_a_manager_puts_gets_searches_and_deletes(store):
    model = FakeListChatModel(responses=["nothing"])
    manager = create_memory_store_manager(model, namespace=NAMESPACE, store=store)
    manager.put("a", {"kind": "Memory", "content": {"content": "likes tea"}}, config=of("ada"))
    await manager.aput("b", {"kind": "Memory", "content": {"content": "hikes"}}, config=of("ada"))

    kept = await manager.aget("a", config=of("ada"))
    assert kept.value.content == "likes tea"
    assert {item.key for item in manager.search(query="tea", config=of("ada"))} == {"a", "b"}
    assert await manager.asearch(query="tea", config=of("bob")) == []
    manager.delete("a", config=of("ada"))
    await manager.adelete("b", config=of("ada"))
    assert manager.get("a", config=of("ada")) is None
    assert store.list_namespaces() == [] or isinstance(store, standins.Original)  # it leaves ghosts
