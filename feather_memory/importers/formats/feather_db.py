"""A file of feather-db, read through its own package: what it says, since when, and its edges."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Collection, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from feather_memory.errors import MissingExtraError
from feather_memory.importers.entries import Entry, Link, Refused, Remark, taken
from feather_memory.importers.format import Format
from feather_memory.importers.source import Source

_MAGIC = b"TAEF"


def _recognises(source: Source) -> bool:
    return source.raw_head.startswith(_MAGIC)


def _read(source: Source) -> Iterator[Entry | Refused | Remark]:
    try:
        library = import_module("feather_db")
    except ModuleNotFoundError:
        raise MissingExtraError("feather-db", "feather-db") from None
    # A copy: to open a file, even to read it, the package puts a lock beside it.
    with tempfile.TemporaryDirectory(prefix="feather-memory-") as folder:
        copy = shutil.copyfile(source.path, Path(folder) / "copy.feather")
        database = library.DB.open(str(copy), 1, read_only=True)
        try:
            yield from _all(database)
        finally:
            database.close()


def _all(database: Any) -> Iterator[Entry | Refused | Remark]:
    ids = {id_ for modality in database.modality_names() for id_ in database.get_all_ids(modality)}
    mapped = 0
    for line, id_ in enumerate(sorted(ids), 1):
        about, edges = database.get_metadata(id_), database.get_edges(id_)
        mapped += not 0 <= about.importance <= 1
        mapped += sum(not 0 < edge.weight <= 1 for edge in edges)
        yield from taken(line, _record, id_, about, edges, ids)
    if mapped:
        yield Remark(
            said=f"{mapped:,} importances and weights lay outside of 0 to 1, all they may "
            "be here: each is the nearer end now."
        )
    yield Remark(said="Its vectors are not taken: it does not say by which model they are.")


def _record(id_: int, about: Any, edges: list[Any], ids: Collection[int]) -> dict[str, Any] | None:
    if not about.content.strip():
        return None
    since = float(about.timestamp) or None
    return {
        "text": about.content,
        "id": f"feather-db:{id_}",
        "time": since,
        "recorded_at": since,
        "expires_at": since + about.ttl if since and about.ttl else None,
        "importance": min(max(float(about.importance), 0.0), 1.0),
        "links": tuple(
            Link(edge.rel_type or "related_to", f"feather-db:{edge.target_id}", _weight(edge))
            for edge in edges
            if edge.target_id in ids and edge.target_id != id_
        ),
        "metadata": {
            **dict(about.attributes),
            "namespace": about.namespace_id,
            "entity": about.entity_id,
            "source": about.source,
            "tags": json.loads(about.tags_json) if about.tags_json else None,
            "recall_count": about.recall_count or None,
            "last_recalled_at": about.last_recalled_at or None,
        },
    }


def _weight(edge: Any) -> float:
    return min(max(float(edge.weight), 0.001), 1.0)


FORMAT = Format("feather-db", "a file of feather-db", _recognises, _read)
