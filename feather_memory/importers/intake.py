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
from feather_memory.model.memory import IMPORTED
from feather_memory.model.names import checked
from feather_memory.model.origin import IMPORT, USER
from feather_memory.store.store import Store
from feather_memory.write.draft import made_id

BATCH = 2_000
"""Lines in one transaction: what goes in together touches a page of an index once."""

WAITING = 16 * BATCH
"""Lines that wait for the others of their store's batch, at most, however many stores there are."""

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
        self._count = 0
        """How many wait."""
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
        waiting = self._waiting.setdefault(group, [])
        waiting.append(entry)
        self._count += 1
        if len(waiting) >= BATCH:
            self._write(group)
        elif self._count >= WAITING:
            self._write(max(self._waiting, key=lambda each: len(self._waiting[each])))

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
        waiting = self._waiting.pop(group)
        self._count -= len(waiting)
        entries = self._with_ids(group, waiting)
        store = self._store_of(group)
        written = self._written(store, entries)
        self.counts[store.plumbing.place] += len(written)
        for entry in written:
            id_ = entry.record["id"]
            self._links += [_Waiting(entry.line, group, id_, link) for link in entry.links]

    def _written(self, store: Store, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Those that the store took. What it refuses is found by halves: most batches have none."""
        try:
            if len(entries) == 1:
                store.add(**_whose(entries[0]))
            elif entries:
                store.add_many([_whose(entry) for entry in entries])
        except DimensionError:
            raise
        except ParameterError as error:
            if len(entries) == 1:
                self._refuse(entries[0].line, str(error))
                return []
            half = len(entries) // 2
            return [*self._written(store, entries[:half]), *self._written(store, entries[half:])]
        return entries

    def _link(self, waiting: _Waiting) -> None:
        store, link = self._store_of(waiting.group), waiting.link
        try:
            store.link(waiting.source, link.target, link.type, link.weight, origin=IMPORT)
        except (ParameterError, UnknownMemoryError) as error:
            self._refuse(waiting.line, f"its edge {link.type!r}: {error}")
        else:
            self.linked += 1

    def _refuse(self, line: int, reason: str) -> None:
        self.refusals += 1
        if self._most is None or len(self.refused) < self._most:
            self.refused.append(Refused(line=line, reason=reason))

    def _with_ids(self, group: str | None, entries: Sequence[Entry]) -> list[Entry]:
        """Those of a batch that are new to the file, each with an id.

        What has none gets one from what its line says and how often that was said so far, so that
        importing it again changes nothing.
        """
        made = [_made_id(entry) if entry.record.get("id") is None else None for entry in entries]
        digests = [
            _digest(group, entry.record["id"] if id_ is None else id_, is_made=id_ is not None)
            for entry, id_ in zip(entries, made, strict=True)
        ]
        known, told, new = self._said.known(digests), dict[bytes, int](), list[Entry]()
        for entry, id_, digest in zip(entries, made, digests, strict=True):
            before = told.get(digest, known.get(digest))
            if id_ is not None:
                entry.record["id"] = id_ if before is None else _made_id(entry, before)
                told[digest] = (before or 0) + 1
            elif before is not None:
                given = entry.record["id"]
                self._refuse(entry.line, f"the id {given!r} is that of line {before}")
                continue
            else:
                told[digest] = entry.line
            new.append(entry)
        self._said.keep(told)
        return new


def _made_id(entry: Entry, before: int = 0) -> str:
    """The id of what a line says that was said so often before."""
    said = repr(sorted(entry.record.items())) + (f" {before}" if before else "")
    at = entry.record.get("valid_from")
    return made_id(said.encode("utf-8", "surrogatepass"), at)


def _digest(group: str | None, id_: str, *, is_made: bool) -> bytes:
    """Of an id in a group. A made one is its own, which in the order of time is new at the end."""
    if is_made and group is None:
        return id_.encode()
    said = f"{is_made}:{group}:{id_}".encode("utf-8", "surrogatepass")
    return blake2b(said, digest_size=12).digest()


def _whose(entry: Entry) -> dict[str, Any]:
    """What is to be added: an import, unless the line says who it came from at first.

    That the user said something is believed of a line that says when: what nobody knows the time
    of says nothing about what holds. It is marked, by which the write knows what is the file's own
    from what the user said elsewhere, and does not have it changed.
    """
    said = {"origin": IMPORT, **entry.record}
    if said["origin"] == USER:
        if "valid_from" in said:
            said["metadata"] = {**said.get("metadata", {}), IMPORTED: USER}
        else:
            said["origin"] = IMPORT
    return said
