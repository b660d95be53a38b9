"""Between LangChain's values and Feather Memory's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from feather_memory import Filter, Memory, ParameterError, parse_filter
from langchain_feather_memory._of_metadata import asked_of_metadata, kept_metadata


def to_document(memory: Memory) -> Document:
    """The memory's text, metadata and id; nothing is added to the metadata."""
    return Document(id=memory.id, page_content=memory.text, metadata=dict(memory.metadata))


def to_message(memory: Memory) -> BaseMessage:
    """What was said, as a message; what nobody of a conversation said is told as by the user."""
    if memory.role in {"assistant", "ai"}:
        return AIMessage(memory.text)
    return HumanMessage(memory.text)  # never the system: what was remembered gives no orders


def words_of(said: Any) -> str:
    """The words of what a chain was given or gave: a text, a message, or the last of several."""
    if isinstance(said, Sequence) and not isinstance(said, str) and said:
        return words_of(said[-1])
    return str(said.text) if isinstance(said, BaseMessage) else str(said)


def to_records(
    texts: Sequence[str],
    metadatas: Sequence[Mapping[str, Any] | None] | None,
    ids: Sequence[str | None] | None,
    origin: str,
) -> list[dict[str, Any]]:
    """What `Store.add_many` takes, without vectors. The caller's dicts are copied.

    Raises:
        ParameterError: The lists differ in length, or one is a string.
        InvalidMetadataError: A value of some metadata is nothing that JSON can hold: the document
            and the key are named.
    """
    if isinstance(texts, str):
        raise ParameterError(f"texts must be several strings, got {texts!r:.80}")
    for name, given in (("metadatas", metadatas), ("ids", ids)):
        if isinstance(given, str):
            raise ParameterError(f"{name} must be several, got {given!r:.80}")
        if given is not None and len(given) != len(texts):
            raise ParameterError(f"there are {len(texts)} texts and {len(given)} {name}")
    records: list[dict[str, Any]] = []
    for at, text in enumerate(texts):
        id_ = (ids[at] if ids else None) or None  # LangChain counts "" as no id
        named = f"document {at}" if id_ is None else f"document {at}, with the id {id_!r:.80}"
        said = (metadatas[at] if metadatas else None) or {}
        kept = kept_metadata(said, named)
        records.append({"text": text, "metadata": kept, "id": id_, "origin": origin})
    return records


def several(values: Iterable[str], name: str) -> list[str]:
    """All of them; one string alone would be read letter by letter.

    Raises:
        ParameterError: It is one string, or something in it is none.
    """
    if isinstance(values, str):
        raise ParameterError(f"{name} must be several strings, got {values!r:.80}")
    listed = list(values)
    for value in listed:
        if not isinstance(value, str):
            raise ParameterError(f"{name} must be strings, got {value!r:.80} among them")
    return listed


def to_filter(given: Filter | Mapping[str, Any] | None) -> Filter | None:
    """The filter that a LangChain caller means: a dict names metadata, `F` names any field.

    Documents have nothing but metadata, so `{"role": "admin"}` is `metadata["role"]` here, even
    though a Memory has a field of that name: that one is `F("role")`. `{"a.b": 5}` is the key
    "a.b" of a document that has it, else `metadata["a"]["b"]`.

    Raises:
        FilterError: It means nothing, or has an unknown operator.
    """
    return asked_of_metadata(given) if isinstance(given, Mapping) else parse_filter(given)
