"""What an import fills: a store, or the store of the tenant that each line is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

from feather_memory.errors import (
    DimensionError,
    ParameterError,
    TenantNameError,
    UnknownMemoryError,
)
from feather_memory.importers.chatlog import Entry, Refused
from feather_memory.model.names import checked
from feather_memory.model.origin import IMPORT
from feather_memory.store.store import Store

BATCH = 500
"""Lines in one transaction."""


class Intake:
    """Takes entries, a batch a transaction; a store that refuses a line refuses only that line."""

    def __init__(self, store_of: Callable[[str | None], Store]) -> None:
        """An intake that asks for the store of each entry's group when it writes to it."""
        self.counts: Counter[str] = Counter()
        """Lines remembered, by the path of their store."""
        self.refused: list[Refused] = []
        self.linked = 0
        self._store_of = store_of
        self._waiting: dict[str | None, list[Entry]] = {}
        self._lines: dict[tuple[str | None, str], int] = {}
        self._said: Counter[tuple[str | None, str]] = Counter()
        self._links: list[tuple[Entry, str]] = []

    @property
    def taken(self) -> int:
        """How many lines are remembered."""
        return self.counts.total()

    def take(self, item: Entry | Refused) -> None:
        """Take one line of the file; it is written with its batch."""
        if isinstance(item, Refused):
            self.refused.append(item)
            return
        try:
            if item.group is not None:
                checked(item.group)
        except TenantNameError as error:
            self._refuse(item, str(error))
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
        store = self._store_of(group)
        try:
            store.add_many([_whose(entry) for entry in entries])
            written: Sequence[Entry] = entries
        except DimensionError:
            raise
        except ParameterError:
            written = [entry for entry in entries if self._is_written(store, entry)]
        self.counts[store.plumbing.place] += len(written)
        self._links += [(entry, entry.record["id"]) for entry in written if entry.links]

    def _is_written(self, store: Store, entry: Entry) -> bool:
        try:
            store.add(**_whose(entry))
        except ParameterError as error:
            self._refuse(entry, str(error))
            return False
        return True

    def _link(self, entry: Entry, id_: str) -> None:
        store = self._store_of(entry.group)
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


def _whose(entry: Entry) -> dict[str, Any]:
    """What is to be added: an import, unless the line says who it came from at first."""
    return {"origin": IMPORT, **entry.record}
