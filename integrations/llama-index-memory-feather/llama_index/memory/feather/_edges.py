"""The relationships of nodes as edges between memories, for whoever walks the graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from llama_index.core.schema import BaseNode, NodeRelationship
from llama_index.memory.feather._convert import RESERVED
from llama_index.memory.feather._corrections import Corrections
from llama_index.memory.feather._documents import tie_nodes

from feather_memory import EdgeType, Store, UnknownMemoryError

Link = tuple[str, str, str]
"""From which node, to which, and as what."""


def write_linked(
    store: Store, nodes: Sequence[BaseNode], records: Sequence[dict[str, object]]
) -> None:
    """Write the records of the nodes, and the edges to what they are related to, at once.

    A node is `next` after the one before it and `part_of` its parent. What a node is related to
    need not be in the store; where it comes later, its own relationships link it. What a user
    corrected of a document stays corrected where the nodes say it again.
    """
    links = dict.fromkeys(link for node in nodes for link in _links(node))
    known = _linked_before(store, nodes) if links else set()
    corrections = Corrections(store)
    with store.transaction():
        changed = corrections.rewritten(records)
        store.add_many(_of_documents(store, records, corrections))
        for memory in changed:  # what replaced it replaced other words
            store.unsupersede(memory.id)
        corrections.apply(nodes, records)
        tie_nodes(store, [(node.node_id, node.ref_doc_id) for node in nodes])
        for link in links:
            if link not in known:  # its weight may be another by now
                with suppress(UnknownMemoryError):
                    store.link(*link)


def _of_documents(
    store: Store, records: Sequence[dict[str, object]], corrections: Corrections
) -> list[dict[str, object]]:
    """The records; those of nodes that are the user's, as of an earlier release, stay that.

    A user's correction of a node is no node, though it has all a node has: no document rewrites it.
    """
    held = store.get_many([str(record["id"]) for record in records])
    theirs = {m.id for m in held if m.origin == "user" and RESERVED in m.metadata}
    theirs -= corrections.among(m for m in held if m.id in theirs)
    return [{**r, "origin": None} if r["id"] in theirs else r for r in records]


def _linked_before(store: Store, nodes: Sequence[BaseNode]) -> set[Link]:
    present = [memory.id for memory in store.get_many([node.node_id for node in nodes])]
    return {(e.source, e.target, e.type) for id_ in present for e in store.edges(id_)}


def _links(node: BaseNode) -> Iterator[Link]:
    for relationship, related in node.relationships.items():
        for info in related if isinstance(related, list) else [related]:
            here, there = node.node_id, info.node_id
            if here == there:
                continue
            match relationship:
                case NodeRelationship.PREVIOUS:
                    yield there, here, EdgeType.NEXT
                case NodeRelationship.NEXT:
                    yield here, there, EdgeType.NEXT
                case NodeRelationship.PARENT:
                    yield here, there, EdgeType.PART_OF
                case NodeRelationship.CHILD:
                    yield there, here, EdgeType.PART_OF
