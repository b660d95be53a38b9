"""Between LangChain's values and Feather Memory's."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.documents import Document

from feather_memory import Filter, Memory, ParameterError, parse_filter


def to_document(memory: Memory) -> Document:
    """The memory's text, metadata and id; nothing is added to the metadata."""
    return Document(id=memory.id, page_content=memory.text, metadata=dict(memory.metadata))


def to_records(
    texts: Sequence[str],
    metadatas: Sequence[Mapping[str, Any] | None] | None,
    ids: Sequence[str | None] | None,
) -> list[dict[str, Any]]:
    """What `Store.add_many` takes, without vectors. The caller's dicts are copied.

    Raises:
        ParameterError: The lists differ in length.
    """
    for name, given in (("metadatas", metadatas), ("ids", ids)):
        if given is not None and len(given) != len(texts):
            raise ParameterError(f"there are {len(texts)} texts and {len(given)} {name}")
    return [
        {
            "text": text,
            "metadata": copy.deepcopy(dict((metadatas[at] if metadatas else None) or {})),
            "id": (ids[at] if ids else None) or None,  # LangChain counts "" as no id
        }
        for at, text in enumerate(texts)
    ]


def to_filter(given: Filter | Mapping[str, Any] | None) -> Filter | None:
    """The filter that a LangChain caller means: a dict names metadata, `F` names any field.

    Documents have nothing but metadata, so `{"role": "admin"}` is `metadata["role"]` here, even
    though a Memory has a field of that name: that one is `F("role")`.

    Raises:
        FilterError: It means nothing, or has an unknown operator.
    """
    return parse_filter(_of_metadata(given) if isinstance(given, Mapping) else given)


def _of_metadata(given: Mapping[str, Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for key, value in given.items():
        if not isinstance(key, str) or key.startswith("metadata."):
            named[key] = value
        elif not key.startswith("$"):
            named[f"metadata.{key}"] = value
        elif key in {"$and", "$or"} and isinstance(value, list | tuple):
            named[key] = [_of_metadata(v) if isinstance(v, Mapping) else v for v in value]
        else:
            named[key] = _of_metadata(value) if isinstance(value, Mapping) else value
    return named
