"""A folder of Chroma, read through its own client. Its documents are taken, and not its vectors.

Chroma does not say by which model a collection's vectors are.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from feather_memory.errors import MissingExtraError
from feather_memory.importers.entries import Entry, Refused, taken
from feather_memory.importers.format import Format
from feather_memory.importers.source import Source

_PAGE = 500


def _recognises(source: Source) -> bool:
    return source.is_folder and "chroma.sqlite3" in source.members


def _read(source: Source) -> Iterator[Entry | Refused]:
    try:
        chromadb = import_module("chromadb")
    except ModuleNotFoundError:
        raise MissingExtraError("chromadb", "chroma") from None
    settings = chromadb.config.Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(str(source.path), settings=settings)
    line = 0
    for collection in client.list_collections():
        for offset in range(0, collection.count(), _PAGE):
            page = collection.get(limit=_PAGE, offset=offset, include=["documents", "metadatas"])
            documents = page["documents"] or [None] * len(page["ids"])
            for id_, text, about in zip(
                page["ids"], documents, page["metadatas"] or documents, strict=True
            ):
                line += 1
                yield from taken(line, _document, collection.name, id_, text, about)


def _document(collection: str, id_: str, text: str | None, about: Any) -> dict[str, Any] | None:
    if not (text or "").strip():
        return None
    return {
        "text": text,
        "id": f"{collection}/{id_}",
        "metadata": {**(about or {}), "collection": collection},
    }


FORMAT = Format("chroma", "a folder of Chroma", _recognises, _read)
