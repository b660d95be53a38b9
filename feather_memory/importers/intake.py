"""What an import fills: a store, or the store of the tenant that each line is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from feather_memory.errors import (
    DimensionError,
    ParameterError,
    UnknownMemoryError,
)
from feather_memory.importers.entries import Entry, Link, Refused, Tie
from feather_memory.importers.said import Said
from feather_memory.model.names import checked
from feather_memory.model.origin import IMPORT
from feather_memory.store.store import Store

BATCH = 500
"""Lines in one transaction."""

REFUSALS = 10
"""Refusals that are kept unless all are asked for; the others are counted."""


class _Waiting(NamedTuple):
    """An edge whose ends may not be there yet."""

    line: int
    group: str | None
    source: str
    link: Link


class Intake:
    """Takes entries, a batch a transaction; a store that refuses a line refuses only that line."""

    def __init__(
        self,
        store_of: Callable[[str | None], Store],
        *,
        per: str | None = None,
        refusals: int | None = REFUSALS,
    ) -> None:
        """An intake that asks for the store of each entry's group when it writes to it.

        Args:
            store_of: Gives the store of a group.
            per: The field, or the metadata, whose value is the group of an entry that has none.
            refusals: How many to keep; None for all.
        """
        self.counts: Counter[str] = Counter()
        """Lines remembered, by the path of their store."""
        self.refused: list[Refused] = []
        self.refusals = 0
        self.linked = 0
        self._store_of = store_of
        self._per = per
        self._most = refusals
        self._waiting: dict[str | None, list[Entry]] = {}
        self._said = Said()
        self._links: list[_Waiting] = []

    @property
    def taken(self) -> int:
        """How many lines are remembered."""
        return self.counts.total()

    def take(self, item: Entry | Tie | Refused) -> None:
        """Take one line of the file; it is written with its batch."""
        if isinstance(item, Refused):
            self._refuse(item.line, item.reason)
        elif isinstance(item, Tie):
            self._links.append(_Waiting(item.line, None, item.source, item.link))
        else:
            self._take(item)

    def _take(self, entry: Entry) -> None:
        try:
            group = self._group(entry)
        except ParameterError as error:
            self._refuse(entry.line, str(error))
            return
        if (id_ := entry.record.get("id")) is None:
            entry.record["id"] = self._made_id(group, entry)
        elif (before := self._said.before(_digest(f"{group}:{id_}"), entry.line)) is not None:
            self._refuse(entry.line, f"the id {id_!r} is that of line {before}")
            return
        waiting = self._waiting.setdefault(group, [])
        waiting.append(entry)
        if len(waiting) >= BATCH:
            self._write(group)

    def finish(self) -> None:
        """Write what waits, then the edges, and put the refusals in order."""
        for group in list(self._waiting):
            self._write(group)
        for waiting in self._links:
            self._link(waiting)
        self._said.close()
        self.refused.sort(key=lambda one: one.line)

    def _group(self, entry: Entry) -> str | None:
        """Whose store it goes to.

        Raises:
            TenantNameError: Nobody can be called so; ParameterError where it does not say.
        """
        group = entry.group
        if group is None and self._per is not None:
            found = entry.record.get(self._per, entry.record.get("metadata", {}).get(self._per))
            if not isinstance(found, str | int | float) or found == "":
                raise ParameterError(f"{self._per!r} is {found!r}, which names no store")
            group = str(found)
        return group if group is None else checked(group)

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
        for entry in written:
            id_ = entry.record["id"]
            self._links += [_Waiting(entry.line, group, id_, link) for link in entry.links]

    def _is_written(self, store: Store, entry: Entry) -> bool:
        try:
            store.add(**_whose(entry))
        except ParameterError as error:
            self._refuse(entry.line, str(error))
            return False
        return True

    def _link(self, waiting: _Waiting) -> None:
        store, link = self._store_of(waiting.group), waiting.link
        try:
            store.link(waiting.source, link.target, link.type, link.weight)
        except (ParameterError, UnknownMemoryError) as error:
            self._refuse(waiting.line, f"its edge {link.type!r}: {error}")
        else:
            self.linked += 1

    def _refuse(self, line: int, reason: str) -> None:
        self.refusals += 1
        if self._most is None or len(self.refused) < self._most:
            self.refused.append(Refused(line=line, reason=reason))

    def _made_id(self, group: str | None, entry: Entry) -> str:
        """An id from what the line says, so that importing it again changes nothing."""
        said = repr(sorted(entry.record.items()))
        digest = blake2b(said.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        return f"{digest}-{self._said.again(_digest(f'{group}:{digest}'))}"


def _digest(said: str) -> bytes:
    return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=12).digest()


def _whose(entry: Entry) -> dict[str, Any]:
    """What is to be added: an import, unless the line says who it came from at first."""
    return {"origin": IMPORT, **entry.record}
