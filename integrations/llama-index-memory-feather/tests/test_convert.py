"""Nodes as memories and back: every field, every class, nothing of ours."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageDocument,
    ImageNode,
    IndexNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    ObjectType,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.memory.feather._convert import (
    RESERVED,
    to_node,
    to_node_with_score,
    to_record,
)

from feather_memory import InvalidMetadataError, ParameterError, Store

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
LONG = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. 日本語 😀 " * 1_400


def family(**metadata: Any) -> dict[NodeRelationship, Any]:
    source = Document(text="All of it", id_="doc", metadata=metadata)
    return {
        NodeRelationship.SOURCE: source.as_related_node_info(),
        NodeRelationship.PREVIOUS: RelatedNodeInfo(node_id="before", hash="h", metadata={"z": 1}),
        NodeRelationship.NEXT: RelatedNodeInfo(node_id="after", node_type=ObjectType.TEXT),
        NodeRelationship.PARENT: RelatedNodeInfo(node_id="above", metadata=metadata),
        NodeRelationship.CHILD: [RelatedNodeInfo(node_id="one"), RelatedNodeInfo(node_id="two")],
    }


NODES: list[BaseNode] = [
    TextNode(id_="plain", text="A plain node"),
    TextNode(
        id_="everything",
        text="A chunk",
        embedding=[0.5, -0.25],
        metadata={"z": 1, "a": [1, 2.5, None], "nested": {"deep": True}, "ü": "日本"},
        excluded_embed_metadata_keys=["z"],
        excluded_llm_metadata_keys=["a", "nested"],
        relationships=family(z=1, a=[1, 2.5, None], nested={"deep": True}, ü="日本"),
        metadata_template="{key} → {value}",
        metadata_separator=" | ",
        text_template="{content}\n--\n{metadata_str}",
        start_char_idx=0,
        end_char_idx=7,
        mimetype="text/markdown",
    ),
    TextNode(id_="long", text=LONG),
    TextNode(id_="blank", text=" \n\t"),
    TextNode(id_="empty", text="", metadata={"a": 1}),
    ImageNode(id_="image", text="", image="aGk=", image_mimetype="image/png"),
    ImageNode(id_="image path", image_path="/pictures/cat.png", text_embedding=[1.0, 2.0]),
    ImageNode(id_="image url", text="a cat", image_url="https://example.org/cat.png"),
    IndexNode(id_="index", text="All about cats", index_id="cats"),
    IndexNode(id_="index of a node", index_id="n", obj=TextNode(id_="inner", text="Inside")),
    Node(id_="node", text_resource=MediaResource(text="words", mimetype="text/plain")),
    Node(id_="node without text"),
    Node(id_="node of an empty text", text_resource=MediaResource(text="")),
    Node(id_="node of bytes", text_resource=MediaResource(data=b"raw bytes, not text!")),
    Node(
        id_="many media",
        text_resource=MediaResource(text="a cat, purring"),
        image_resource=MediaResource(data=PNG),
        audio_resource=MediaResource(url="https://example.org/purr.mp3", mimetype="audio/mpeg"),
        video_resource=MediaResource(path="/films/cat.mp4"),
        text_template="{metadata_str}{content}",
    ),
    Document(
        id_="document with a picture",
        text_resource=MediaResource(text="see"),
        image_resource=MediaResource(data=PNG),
    ),
    ImageDocument(id_="picture", image_resource=MediaResource(data=PNG)),
]


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.node_id)
def test_a_node_comes_back_in_its_class_with_every_field(store: Store, node: BaseNode):
    before = node.model_dump()

    store.add_many([to_record(node)])
    back = to_node(store.get(node.node_id), with_embedding=True)

    assert type(back) is type(node)
    assert back.model_dump() == before
    assert back.hash == node.hash
    assert [r.data for r in media(back)] == [r.data for r in media(node)]
    assert node.model_dump() == before


def media(node: BaseNode) -> list[MediaResource]:
    names = ("text_resource", "image_resource", "audio_resource", "video_resource")
    return [found for name in names if (found := getattr(node, name, None)) is not None]


def test_the_related_nodes_can_be_asked_for_by_their_names(store: Store):
    store.add_many([to_record(NODES[1])])

    back = to_node(store.get("everything"))

    assert back.ref_doc_id == "doc"
    assert back.prev_node.node_id == "before"
    assert back.next_node.node_id == "after"
    assert back.parent_node.node_id == "above"
    assert [child.node_id for child in back.child_nodes] == ["one", "two"]


def test_a_document_of_text_comes_back_as_a_text_node_as_from_other_stores(store: Store):
    store.add_many([to_record(Document(text="Nothing but text", id_="d", metadata={"a": 1}))])

    back = to_node(store.get("d"))

    assert type(back) is TextNode
    assert (back.text, back.metadata, back.ref_doc_id) == ("Nothing but text", {"a": 1}, None)


def test_only_what_differs_from_the_default_is_kept_and_the_users_metadata_stays_its_own():
    plain = to_record(TextNode(id_="n", text="A plain node", metadata={"page": 3}))
    shared = {"file": "f" * 500}
    chunk = to_record(TextNode(id_="c", text="x", metadata=shared, relationships=family(**shared)))

    assert plain == {
        "id": "n",
        "text": "A plain node",
        "metadata": {"page": 3, RESERVED: {"kind": "TextNode"}},
        "origin": "document",
    }
    assert json.dumps(chunk["metadata"]).count("f" * 500) == 1


def test_nothing_of_ours_is_in_the_metadata_of_a_node(store: Store):
    """It would change the node's hash, and be shown to the model."""
    node = TextNode(id_="n", text="Deploys are on Tuesday", metadata={"team": "web"})
    store.add_many([{**to_record(node), "session": "s1", "importance": 0.9}])
    store.signal("n", "liked")
    (hit,) = store.recall("deploys", turn="t1")

    back = to_node_with_score(hit)

    assert back.node.metadata == {"team": "web"}
    assert back.node.hash == node.hash
    assert (back.node_id, back.score) == ("n", hit.score.value)


def test_a_memory_that_is_no_node_is_a_text_node(store: Store):
    store.add("Alice likes tea", id="m", metadata={"topic": "drinks"}, vector=[1.0, 2.0])

    back = to_node(store.get("m"))

    assert type(back) is TextNode
    assert (back.node_id, back.text, back.metadata) == ("m", "Alice likes tea", {"topic": "drinks"})
    assert (back.embedding, back.relationships) == (None, {})


def test_what_is_noted_of_something_said_is_hidden_and_the_users_own_is_not(store: Store):
    """The names are common words: a memory that is nobody's saying may have them for itself."""
    marked = {"turn": "left", "message_id": "m7", "conversation_turn": "c", "team": "web"}
    said = to_node(store.add("I drink tea", role="user", metadata=marked))
    own = to_node(store.add("The road bends", metadata=marked))
    talk = store.add("I drink milk", role="user", session="s", metadata=marked)
    store.recall("milk", turn="t")
    store.feedback("t", "corrected", memory_ids=[talk.id], correction="I drink water")
    (corrected,) = (to_node(hit.memory) for hit in store.search("water", k=1))
    counted = to_node(store.add("The third move", role="user", metadata={"turn": 3}))

    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        assert said.get_content(mode) == "team: web\n\nI drink tea"
        assert corrected.get_content(mode) == "team: web\n\nI drink water"
        assert all(f"{name}: {value}" in own.get_content(mode) for name, value in marked.items())
        assert "turn: 3" in counted.get_content(mode)


def test_a_text_that_was_corrected_shows_in_the_node(store: Store):
    store.add_many([to_record(node) for node in NODES if node.node_id in {"everything", "image"}])
    store.update("everything", text="A better chunk")
    store.update("image", text="a cat after all")

    chunk, image = map(to_node, store.get_many(["everything", "image"]))

    assert (chunk.text, chunk.start_char_idx) == ("A better chunk", 0)
    assert (image.text, image.image) == ("a cat after all", "aGk=")


def test_a_node_without_text_is_found_by_no_word(store: Store):
    store.add_many([to_record(TextNode(id_="empty", text="")), {"text": "a blank page"}])

    hits = store.search("no text blank ∅", k=5)

    assert [hit.memory.text for hit in hits if hit.score.lexical > 0] == ["a blank page"]


def test_metadata_is_kept_as_json_has_it(store: Store):
    node = TextNode(text="x", id_="n", metadata={"on": date(2026, 1, 2), "in": (1, 2)})

    store.add_many([to_record(node)])

    assert to_node(store.get("n")).metadata == {"on": "2026-01-02", "in": [1, 2]}
    assert node.metadata == {"on": date(2026, 1, 2), "in": (1, 2)}


def test_the_reserved_key_is_refused_to_others():
    with pytest.raises(InvalidMetadataError, match=RESERVED):
        to_record(TextNode(text="x", metadata={RESERVED: {"kind": "ImageNode"}}))


class Page(TextNode):
    """A user's own class of nodes."""

    number: int = 0


def test_a_class_that_does_not_come_back_is_refused_if_something_would_be_lost():
    assert to_record(Page(text="x"))["metadata"][RESERVED] == {"kind": "TextNode"}
    with pytest.raises(ParameterError, match="Page comes back as a TextNode, without number"):
        to_record(Page(text="x", number=7))


def test_metadata_under_the_reserved_key_that_is_no_nodes_stays_where_it_is(store: Store):
    store.add("x", id="m", metadata={RESERVED: {"kind": "from a later release"}})

    assert to_node(store.get("m")).metadata == {RESERVED: {"kind": "from a later release"}}
