"""What users put in the place of a document's words, through all that the document goes through.

A correction is the user's, not the document's. It outlives the nodes that it replaced: when they
are deleted, a shelf notes what they said, as digests, and where. A node that comes back and says
nothing else is replaced again. One that says something else is shown, and before the correction,
for it is newer; after it, where it says all that was corrected, and more. The two are linked as
contradicting each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

from llama_index.core.schema import BaseNode, NodeRelationship
from llama_index.memory.feather._convert import REF_DOC_ID, RESERVED

from feather_memory import EdgeType, Memory, Shelf, Store
from feather_memory.agent import same_id

_SHELF: Final = "llama_index.corrections"
_SENTENCE: Final = re.compile(r"[^.!?。！？\n]+[.!?。！？]*")
_OF_DOCUMENT: Final = str(NodeRelationship.SOURCE.value)

_MANY: Final = 1 << 40

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Passage:
    """Where in which document something is said, and what, as digests of its sentences."""

    document: str
    """The id of the document; of a node that is from none its own."""
    sentences: frozenset[str]
    span: tuple[int, int] | None
    """From which character to which; None where nobody said, which is anywhere."""

    @classmethod
    def of_memory(cls, memory: Memory) -> Self:
        """The passage of a memory that was written as a node, or of any memory."""
        kept = memory.metadata.get(RESERVED)
        kept = kept if isinstance(kept, Mapping) else {}
        source = kept.get("relationships", {}).get(_OF_DOCUMENT, {})
        span = (kept.get("start_char_idx"), kept.get("end_char_idx"))
        return cls(source.get("node_id") or memory.id, _digests(memory.text), _whole(*span))

    @classmethod
    def of_node(cls, node: BaseNode, text: str) -> Self:
        """The passage of a node with this text."""
        span = (getattr(node, "start_char_idx", None), getattr(node, "end_char_idx", None))
        return cls(node.ref_doc_id or node.node_id, _digests(text), _whole(*span))

    def meets(self, spans: Iterable[Sequence[int] | None]) -> bool:
        """Whether it is where one of the spans is."""
        own = self.span
        return any(
            own is None or span is None or (span[0] < own[1] and own[0] < span[1]) for span in spans
        )


class Corrections:
    """The corrections of one store's documents, for one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shelf: Shelf = store.plumbing.shelf(_SHELF)
        # What is read inside a transaction is what was there before it.
        self._noted: dict[str, dict[str, Any]] = {}

    def spared(self, found: Sequence[Memory]) -> list[Memory]:
        """Of what a document's deletion found, all that is the document's: no corrections."""
        documents = {Passage.of_memory(memory).document for memory in found}
        noted = {id_ for document in documents for id_ in self._of(document)}
        return [m for m in found if m.id not in noted and not self._is_correction(m)]

    def among(self, held: Iterable[Memory]) -> set[str]:
        """Ids of those that replaced something, or did and outlived it: no document's own words."""
        return {
            memory.id
            for memory in held
            if memory.supersedes or memory.id in self._of(Passage.of_memory(memory).document)
        }

    def note(self, leaving: Sequence[Memory]) -> None:
        """Note what memories said that leave, or are rewritten, where something replaced them."""
        ids = {memory.id for memory in leaving}
        for memory in leaving:
            by = [id_ for id_ in memory.superseded_by if id_ not in ids]
            if not by:
                continue
            passage = Passage.of_memory(memory)
            noted = self._of(passage.document)
            for id_ in by:
                known = noted.setdefault(id_, {"said": [], "spans": []})
                known["said"] = sorted({*known["said"], *passage.sentences})
                span = None if passage.span is None else list(passage.span)
                if span not in known["spans"]:
                    known["spans"].append(span)
            self._shelf[same_id(passage.document)] = noted

    def rewritten(self, records: Iterable[Mapping[str, Any]]) -> list[Memory]:
        """The replaced memories that the records rewrite to say something else, noted."""
        texts = {record["id"]: record["text"] for record in records}
        changed = [
            memory
            for memory in self._store.get_many(list(texts))
            if memory.superseded_by and _digests(memory.text) != _digests(texts[memory.id])
        ]
        self.note(changed)
        return changed

    def apply(self, nodes: Sequence[BaseNode], records: Sequence[Mapping[str, Any]]) -> None:
        """Have corrections replace what the written nodes say again, or be told beside them."""
        passages: dict[str, list[tuple[str, Passage]]] = {}
        for node, record in zip(nodes, records, strict=True):
            passage = Passage.of_node(node, record["text"])
            passages.setdefault(passage.document, []).append((record["id"], passage))
        # What was corrected of the documents, and is still there: who writes them once more.
        there = self._store.latest(_MANY, where=REF_DOC_ID.is_in(list(passages)))
        self.note([memory for memory in there if memory.superseded_by])
        for document, written in passages.items():
            noted = self._of(document)
            held = {memory.id for memory in self._store.get_many(list(noted))}
            for id_ in held:
                self._applied(id_, noted[id_], written)

    def forget(self, documents: Iterable[str] | None = None) -> None:
        """Note nothing any more of these documents, or of any."""
        shelf = self._shelf
        shelf.drop(list(shelf) if documents is None else [same_id(d) for d in documents])

    def _applied(
        self, correction: str, noted: Mapping[str, Any], written: Sequence[tuple[str, Passage]]
    ) -> None:
        said = frozenset(noted["said"])
        again = [id_ for id_, passage in written if passage.sentences and passage.sentences <= said]
        for id_ in again:
            if id_ != correction:
                self._store.link(correction, id_, EdgeType.SUPERSEDES)
        for id_, passage in () if again else written:
            if id_ == correction:
                continue
            if said <= passage.sentences:  # and more, which only the node says
                self._store.link(correction, id_, EdgeType.CONTRADICTS)
            elif passage.meets(noted["spans"]):
                self._store.link(id_, correction, EdgeType.CONTRADICTS)

    def _of(self, document: str) -> dict[str, Any]:
        if document not in self._noted:
            self._noted[document] = self._shelf.get(same_id(document)) or {}
        return self._noted[document]

    def _is_correction(self, memory: Memory) -> bool:
        """Whether it was written in the place of a node: it has taken over all its metadata."""
        replaced = self._store.get_many(memory.supersedes) if memory.supersedes else []
        return any(old.metadata == memory.metadata for old in replaced)


def newer_first(
    store: Store, found: Sequence[_Found], memory_of: Callable[[_Found], Memory]
) -> list[_Found]:
    """What was found, in its order, but what contradicts a document or its correction is first.

    Args:
        store: Where it was found.
        found: Best first.
        memory_of: Which memory each is.
    """
    ordered = list(found)
    for first, second in _contradictions(store, [memory_of(each) for each in found]):
        ids = [memory_of(each).id for each in ordered]
        at, late = ids.index(second), ids.index(first)
        if at < late:
            ordered.insert(at, ordered.pop(late))
    return ordered


def _contradictions(store: Store, memories: Sequence[Memory]) -> Iterator[tuple[str, str]]:
    """Of the memories, each correction and node that contradict each other, as they are told."""
    shelf, by_id = store.plumbing.shelf(_SHELF), {memory.id: memory for memory in memories}
    for memory in memories if shelf else ():
        for edge in store.edges(memory.id):
            if edge.type != EdgeType.CONTRADICTS or edge.source != memory.id:
                continue
            if edge.target in by_id and edge.target != memory.id:
                pair = (memory, by_id[edge.target])
                noted = [shelf.get(same_id(Passage.of_memory(each).document)) for each in pair]
                if any(each.id in kept for kept in noted if kept for each in pair):
                    yield memory.id, edge.target


def _whole(start: object, end: object) -> tuple[int, int] | None:
    if isinstance(start, int) and isinstance(end, int) and start < end:
        return start, end
    return None


def _digests(text: str) -> frozenset[str]:
    """Of its sentences, whatever space is between and inside them."""
    found = (" ".join(sentence.split()) for sentence in _SENTENCE.findall(text))
    return frozenset(same_id(sentence) for sentence in found if sentence)
