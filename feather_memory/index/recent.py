"""The records that were read last, for the next search."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from feather_memory import config
from feather_memory.model.fields import Record

_RECORD_BYTES = 800  # of a record with short labels, and its place in a dict


class Recent:
    """Records that were read last, by row, of one generation; as many as fit into some bytes.

    The content of a row never changes. What else of it does, a sync drops with it, and what is
    forgotten as well: nothing of that stays in reach.
    """

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._lock = threading.Lock()
        self._held: dict[int, Record] = {}  # the one asked for last comes last
        self._sizes: dict[int, int] = {}
        self._bytes = 0

    def held(self, rows: Iterable[int], generation: int) -> dict[int, Record]:
        """Those of the rows that are here, by row; none for another generation."""
        found: dict[int, Record] = {}
        with self._lock:
            if generation != self._generation:
                return found
            held = self._held
            for row in rows:
                if (record := held.pop(row, None)) is not None:
                    held[row] = found[row] = record
        return found

    def keep(self, records: Iterable[Record], generation: int) -> None:
        """Hold records that were read at that generation, and drop what was not asked for longest.

        They are not to be changed any more.
        """
        with self._lock:
            if generation != self._generation:
                return
            for record in records:
                if record.row not in self._held:
                    self._held[record.row] = record
                    self._sizes[record.row] = size = _bytes_of(record)
                    self._bytes += size
            while self._bytes > config.RECENT_BYTES:
                self._drop(next(iter(self._held)))

    def advance(self, generation: int, stale: Iterable[int]) -> None:
        """Be of another generation, at which these rows are gone or no longer as they were."""
        with self._lock:
            self._generation = generation
            for row in stale:
                if row in self._held:
                    self._drop(row)

    @property
    def bytes(self) -> int:
        """What it holds takes about so many."""
        return self._bytes

    def _drop(self, row: int) -> None:
        del self._held[row]
        self._bytes -= self._sizes.pop(row)


def _bytes_of(record: Record) -> int:
    """What a record takes in memory: what can be long of it, and the rest with its place here."""
    long = record.text.__sizeof__() + record.metadata.__sizeof__()
    return _RECORD_BYTES + long + len(record.vector or b"")
