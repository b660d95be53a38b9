"""What the nouns of one transaction share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import psycopg

from feather_memory.truth.state import State

_PAGE = 500


@dataclass(slots=True)
class Moment:
    """A connection within a transaction that is for one tenant."""

    connection: psycopg.Connection
    tenant: str
    state: State
    """As the transaction found it; a write brings it up to date as it goes."""
    generation: int
    """Which generation a write of this transaction belongs to."""
    compares: bool = False
    """Whether vectors are kept once more so that the server can compare them."""
    _streams: Iterator[int] = field(default_factory=count)

    def asked(self, statement: str, **values: object) -> list[Any]:
        """All rows of a statement, which names its tenant `%(tenant)s`."""
        return self._execute(statement, values).fetchall()

    def one(self, statement: str, **values: object) -> Any:
        """Its first row, or None."""
        return self._execute(statement, values).fetchone()

    def done(self, statement: str, **values: object) -> int:
        """How many rows it changed."""
        return self._execute(statement, values).rowcount

    def each(self, statement: str, values: Iterable[dict[str, object]]) -> None:
        """Run it for each of these, together in few messages."""
        all_ = [{"tenant": self.tenant, **one} for one in values]
        if len(all_) == 1:  # a pipeline is three messages, by itself
            self._execute(statement, all_[0])
        elif all_:
            with self.connection.cursor() as cursor:
                cursor.executemany(statement, all_)

    def stream(self, statement: str) -> Iterator[Any]:
        """Its rows as they are needed, in pages; the server ends it with the transaction."""
        name = f"stream{next(self._streams)}"
        self._execute(f"declare {name} no scroll cursor for {statement}", {})
        while page := self.asked(f"fetch {_PAGE} from {name}"):
            yield from page
        self._execute(f"close {name}", {})

    def _execute(self, statement: str, values: dict[str, object]) -> psycopg.Cursor[Any]:
        return self.connection.execute(statement, {"tenant": self.tenant, **values}, binary=True)
