"""What an import fills: one store, or one store for each value of a field."""

from __future__ import annotations

import re
from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Self

from feather_memory.chatlog import Entry, Refused
from feather_memory.errors import (
    DimensionError,
    ParameterError,
    StoreAccessError,
    UnknownMemoryError,
)
from feather_memory.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from feather_memory.types import Embedder

BATCH = 500
"""Lines in one transaction."""

OPEN_STORES = 16
"""Stores kept open at once; chat exports come conversation by conversation."""

# Others get a digest: it keeps User and user, and "a/b", apart on every file system.
_PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*-[0-9a-f]{16}|.*\.")


def file_name(group: str) -> str:
    """A file name for the group: its own if that is safe everywhere, else one with a digest.

    >>> file_name("conv-26")
    'conv-26.feather'
    >>> file_name("../../x")
    'x-358ee4953c66a869.feather'
    """
    if _PLAIN_NAME.fullmatch(group) and not _RESERVED.fullmatch(group):
        return f"{group}.feather"
    digest = blake2b(group.encode(), digest_size=8).hexdigest()
    readable = re.sub(r"[^a-z0-9]+", "-", group.lower()).strip("-")[:40]
    return f"{readable or 'store'}-{digest}.feather"


class Intake:
    """Takes entries, a batch a transaction; a store that refuses a line refuses only that line."""

    def __init__(self, path: Path | None, folder: Path | None, embedder: Embedder | None) -> None:
        self.counts: Counter[str] = Counter()
        """Lines remembered, by the path of their store."""
        self.refused: list[Refused] = []
        self.linked = 0
        self._path = path
        self._folder = folder
        self._embedder = embedder
        self._open: dict[str | None, Store] = {}
        self._waiting: dict[str | None, list[Entry]] = {}
        self._lines: dict[tuple[str | None, str], int] = {}
        self._said: Counter[tuple[str | None, str]] = Counter()
        self._links: list[tuple[Entry, str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for store in self._open.values():
            store.close()

    @property
    def taken(self) -> int:
        """How many lines are remembered."""
        return self.counts.total()

    def take(self, item: Entry | Refused) -> None:
        """Take one line of the file; it is written with its batch."""
        if isinstance(item, Refused):
            self.refused.append(item)
            return
        if "id" not in item.record:
            item.record["id"] = self._made_id(item)
        id_ = item.record["id"]
        first = self._lines.setdefault((item.group, id_), item.line)
        if first != item.line:
            self._refuse(item, f"the id {id_!r} is that of line {first}")
            return
        waiting = self._waiting.setdefault(item.group, [])
        waiting.append(item)
        if len(waiting) >= BATCH:
            self._write(item.group)

    def finish(self) -> None:
        """Write what waits, then the edges, and put the refusals in order."""
        for group in list(self._waiting):
            self._write(group)
        for entry, id_ in self._links:
            self._link(entry, id_)
        self.refused.sort(key=lambda one: one.line)

    def _write(self, group: str | None) -> None:
        entries = self._waiting.pop(group)
        store = self._store(group)
        try:
            store.add_many([entry.record for entry in entries])
            written: Sequence[Entry] = entries
        except DimensionError:
            raise
        except ParameterError:
            written = [entry for entry in entries if self._is_written(store, entry)]
        self.counts[str(store.path)] += len(written)
        self._links += [(entry, entry.record["id"]) for entry in written if entry.links]

    def _is_written(self, store: Store, entry: Entry) -> bool:
        try:
            store.add(**entry.record)
        except ParameterError as error:
            self._refuse(entry, str(error))
            return False
        return True

    def _link(self, entry: Entry, id_: str) -> None:
        store = self._store(entry.group)
        for link in entry.links:
            try:
                store.link(id_, link.target, link.type, link.weight)
            except (ParameterError, UnknownMemoryError) as error:
                self._refuse(entry, f"its edge {link.type!r}: {error}")
            else:
                self.linked += 1

    def _refuse(self, entry: Entry, reason: str) -> None:
        self.refused.append(Refused(line=entry.line, reason=reason))

    def _made_id(self, entry: Entry) -> str:
        """An id from what the line says, so that importing it again changes nothing."""
        digest = blake2b(repr(sorted(entry.record.items())).encode(), digest_size=12).hexdigest()
        self._said[entry.group, digest] += 1
        return f"{digest}-{self._said[entry.group, digest]}"

    def _store(self, group: str | None) -> Store:
        if group in self._open:
            return self._open[group]
        if len(self._open) >= OPEN_STORES:
            self._open.pop(next(iter(self._open))).close()
        self._open[group] = self._opened(group)
        return self._open[group]

    def _opened(self, group: str | None) -> Store:
        if self._path is not None:
            return Store.open(self._path, embedder=self._embedder)
        folder: Any = self._folder
        if folder.exists() and not folder.is_dir():
            raise StoreAccessError(f"{str(folder)!r} is not a directory")
        folder.mkdir(parents=True, exist_ok=True)
        return Store.open(
            folder / file_name(str(group)), embedder=self._embedder, tenant=str(group)
        )
