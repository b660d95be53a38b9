"""Relationships of nodes are edges of the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llama_index.core.node_parser import HierarchicalNodeParser, TokenTextSplitter
from llama_index.core.schema import Document, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.memory.feather import FeatherVectorStore

if TYPE_CHECKING:
    from feather_memory import Store


@pytest.fixture
def vectors(store: Store) -> FeatherVectorStore:
    return FeatherVectorStore(store=store)


def node(id_: str, **related: str) -> TextNode:
    relationships = {
        NodeRelationship[name]: [RelatedNodeInfo(node_id=other)]
        if name == "CHILD"
        else RelatedNodeInfo(node_id=other)
        for name, other in related.items()
    }
    return TextNode(id_=id_, text=id_, embedding=[1.0], relationships=relationships)


def edges(store: Store) -> set[tuple[str, str, str]]:
    return {
        (edge.source, str(edge.type), edge.target)
        for memory in store.iterate()
        for edge in store.edges(memory.id)
    }


def test_neighbours_and_parents_are_linked_whoever_comes_first(vectors, store):
    vectors.add([node("one", NEXT="two", PARENT="all")])
    assert edges(store) == set()

    vectors.add([node("two", PREVIOUS="one"), node("all", CHILD="one")])

    assert edges(store) == {("one", "next", "two"), ("one", "part_of", "all")}


def test_what_is_not_in_the_store_and_the_source_are_not_linked(vectors, store):
    vectors.add([node("one", NEXT="gone", SOURCE="doc", PREVIOUS="one"), node("doc")])

    assert edges(store) == set()


def test_adding_again_leaves_an_edge_as_it_was_made_since(vectors, store):
    both = [node("one", NEXT="two"), node("two", PREVIOUS="one")]
    vectors.add(both)
    store.link("one", "two", "next", 0.25)

    vectors.add(both)

    (edge,) = store.edges("one")
    assert edge.weight == 0.25


def test_a_split_document_can_be_walked(vectors, store, embed_model):
    text = " ".join(f"word{at}" for at in range(40))
    parser = HierarchicalNodeParser.from_defaults(
        node_parser_ids=["large", "small"],
        node_parser_map={
            "large": TokenTextSplitter(chunk_size=22, chunk_overlap=0),
            "small": TokenTextSplitter(chunk_size=12, chunk_overlap=0),
        },
    )
    made = embed_model(parser.get_nodes_from_documents([Document(text=text, id_="doc")]))
    vectors.add(made)
    (small,) = (n for n in made if n.text.startswith("word10 "))

    chain = store.context_chain("word10", k=1, hops=1, types=["part_of"])

    assert [hit.memory.id for hit in chain] == [small.node_id, small.parent_node.node_id]
    neighbours = {e.source for e in store.edges(small.node_id) if e.type == "next"}
    assert small.prev_node.node_id in neighbours


def test_an_edge_goes_with_its_node(vectors, store):
    vectors.add([node("one", NEXT="two"), node("two")])

    vectors.delete_nodes(["two"])

    assert edges(store) == set()
