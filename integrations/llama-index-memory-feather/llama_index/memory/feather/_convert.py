"""Between LlamaIndex's nodes and Memories. The only place where either is taken apart.

A Memory's id, text, metadata and vector are the node's. What else a node has is kept under one
reserved key of the metadata, and only where it differs from the default, so that the user's own
metadata stays what filters see, and a node comes back without anything of ours in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, get_args

from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageDocument,
    ImageNode,
    IndexNode,
    MetadataMode,
    Node,
    NodeRelationship,
    NodeWithScore,
    TextNode,
)
from pydantic_core import to_jsonable_python

from feather_memory import F, Hit, InvalidMetadataError, Memory, ParameterError
from feather_memory.agent import EXCHANGE, MESSAGE, TURN, Role

RESERVED: Final = "llama_index"
"""The key of a Memory's metadata under which a node's other fields are kept."""

REF_DOC_ID: Final = F(
    path=("metadata", RESERVED, "relationships", str(NodeRelationship.SOURCE.value), "node_id")
)
"""The id of the document that a node is from."""

KIND: Final = F(path=("metadata", RESERVED, "kind"))
"""A node's class; only memories that were written as nodes have it."""

_KINDS: Final[dict[str, type[BaseNode]]] = {
    kind.class_name(): kind
    for kind in (TextNode, ImageNode, IndexNode, Node, Document, ImageDocument)
}
_MARKS: Final = (TURN, MESSAGE, EXCHANGE)
"""What is noted of something said that is no part of it: kept out of prompts and embeddings."""
_RESOURCES: Final = ("text_resource", "image_resource", "audio_resource", "video_resource")
_ELSEWHERE: Final = frozenset({"id_", "embedding", "metadata", "text", "class_name"})

# A memory has to say something, a node need not. It has no words that a search could find.
_BLANK: Final = "∅"


def to_record(node: BaseNode) -> dict[str, Any]:
    """What `Store.add_many` takes of a node: its id, text, metadata, and vector if it has one.

    The metadata is as JSON holds it, so a date becomes text. The node is not changed.

    Raises:
        InvalidMetadataError: The metadata uses the reserved key, or holds NaN or an infinity.
        ParameterError: It is of a class that cannot be read back, and has fields of its own.
    """
    kind = _kind_of(node)
    _check_metadata(node)
    dumped = node.model_dump(mode="json", exclude={"embedding"})
    metadata: dict[str, Any] = dumped["metadata"]
    for name in _RESOURCES:  # LlamaIndex leaves the bytes of a resource out of what it dumps
        resource = getattr(node, name, None)
        if resource is not None and resource.data is not None:
            dumped[name]["data"] = resource.data.decode("ascii")
    text = node.get_content(MetadataMode.NONE)
    kept = {"kind": kind, **_beyond_default(dumped, kind, metadata)}
    if not text.strip():
        kept["blank"] = getattr(getattr(node, "text_resource", node), "text", None)
        text = _BLANK
    record = {
        "id": node.node_id, "text": text, "metadata": {**metadata, RESERVED: kept},
        "origin": "document",
    }  # fmt: skip
    return record if node.embedding is None else {**record, "vector": node.embedding}


def to_node(memory: Memory, *, with_embedding: bool = False) -> BaseNode:
    """The memory as the node it was written as, with the text it has now; else as a TextNode.

    Args:
        memory: Written by LlamaIndex or not.
        with_embedding: Whether the node has the memory's vector.
    """
    metadata = dict(memory.metadata)
    kept = metadata.get(RESERVED)
    if isinstance(kept, dict) and kept.get("kind") in _KINDS:
        del metadata[RESERVED]
    else:
        # Said, or a correction of it, which has them too; else they are the user's own, by chance.
        is_said = memory.role in get_args(Role) or bool(memory.session and memory.supersedes)
        marks = [name for name in _MARKS if is_said and isinstance(metadata.get(name), str)]
        kept = {f"excluded_{use}_metadata_keys": marks for use in ("llm", "embed") if marks}
    kind = _KINDS[kept.get("kind", TextNode.class_name())]
    fields = {**_restored(kept, metadata), "id_": memory.id, "metadata": metadata}
    is_blank = memory.text == _BLANK and "blank" in kept
    text = kept["blank"] if is_blank else memory.text
    if issubclass(kind, TextNode):
        fields["text"] = text or ""
    elif text is not None or "text_resource" in fields:
        fields["text_resource"] = {**fields.get("text_resource", {}), "text": text}
    if with_embedding and memory.vector is not None:
        fields["embedding"] = memory.vector.tolist()
    return kind.from_dict(fields)


def to_node_with_score(hit: Hit) -> NodeWithScore:
    """The Hit's memory as a node, with the Hit's score."""
    return NodeWithScore(node=to_node(hit.memory), score=hit.score.value)


def _check_metadata(node: BaseNode) -> None:
    if RESERVED in node.metadata:
        raise InvalidMetadataError(f"the metadata key {RESERVED!r} is kept for what a node needs")
    for key, value in node.metadata.items():
        try:  # pydantic would make null of NaN, and say of another neither node nor key
            held = to_jsonable_python({key: value})
            json.dumps(held, allow_nan=False, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise InvalidMetadataError(
                f"metadata {key!r} of node {node.node_id!r} cannot be kept as JSON: {error}"
            ) from error


def _kind_of(node: BaseNode) -> str:
    """The class that the node comes back as.

    A document that is nothing but text comes back as a TextNode, as from LlamaIndex's own stores:
    `NodeWithScore.text` is for nothing else.
    """
    known = next((base for base in type(node).__mro__ if base in _KINDS.values()), None)
    if known is None or not issubclass(known, BaseNode):
        raise ParameterError(f"a {type(node).__name__} cannot be kept: it is no known node class")
    defaults = _defaults(type(node))
    own = type(node).model_fields.keys() - known.model_fields.keys()
    lost = sorted(name for name in own if getattr(node, name) != defaults.get(name))
    if lost:
        raise ParameterError(
            f"a {type(node).__name__} comes back as a {known.__name__}, without {', '.join(lost)}"
        )
    if isinstance(node, Document) and _is_text_alone(node):
        known = TextNode
    return known.class_name()


def _is_text_alone(document: Document) -> bool:
    text = document.text_resource
    others = (document.image_resource, document.audio_resource, document.video_resource)
    return all(resource is None for resource in others) and (
        text is None or not text.model_dump(exclude={"text"}, exclude_none=True)
    )


@cache
def _defaults(kind: type[BaseNode]) -> dict[str, Any]:
    return {
        name: field.get_default(call_default_factory=True)
        for name, field in kind.model_fields.items()
        if name not in _ELSEWHERE and not field.is_required()
    }


def _beyond_default(
    dumped: Mapping[str, Any], kind: str, metadata: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields that a node of this kind would not have by itself, without nulls inside."""
    defaults, fields = _defaults(_KINDS[kind]), _KINDS[kind].model_fields.keys() - _ELSEWHERE
    kept = {
        name: value
        for name, value in dumped.items()
        if name in fields and (name not in defaults or value != defaults[name])
    }
    for name in _RESOURCES:
        if name in kept:
            kept[name] = {k: v for k, v in kept[name].items() if v is not None and k != "text"}
    if kept.get("text_resource") == {} and dumped["text_resource"]["text"] is not None:
        del kept["text_resource"]
    if "relationships" in kept:
        kept["relationships"] = {
            name: _each(related, lambda one: _packed(one, metadata))
            for name, related in kept["relationships"].items()
        }
    return kept


def _restored(kept: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in kept.items() if name not in {"kind", "blank"}}
    if "relationships" in fields:
        fields["relationships"] = {
            name: _each(related, lambda one: _unpacked(one, metadata))
            for name, related in fields["relationships"].items()
        }
    return fields


def _each(related: Any, change: Any) -> Any:
    return [change(one) for one in related] if isinstance(related, list) else change(related)


def _packed(related: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A related node without what is empty. Splitters give it the node's own metadata: True."""
    packed = {name: value for name, value in related.items() if value and name != "class_name"}
    if packed.get("metadata") == metadata:
        packed["metadata"] = True
    return packed


def _unpacked(packed: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    is_same = packed.get("metadata") is True
    return {**packed, "metadata": dict(metadata)} if is_same else dict(packed)
