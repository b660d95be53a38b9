"""The audit: what is wrong with a store, and what can be mended because it is derived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feather_memory.model.importance import fold
from feather_memory.truth.sqlite import audit, edges, memories, schema, signals
from feather_memory.truth.sqlite import words as lexical

if TYPE_CHECKING:
    import sqlite3

    from feather_memory.truth.sqlite.database import Writing

_EPSILON = 1e-9


def faults(connection: sqlite3.Connection) -> list[str]:
    """Everything that is wrong with the file, a sentence each; empty for a sound one."""
    found = audit.structure(connection) or audit.undecodable(connection)
    if found:
        return found  # what follows would read the damaged pages
    dimension = schema.read_state(connection).dimension or 0
    for record, checksum in audit.checked(connection):
        name = f"memory {record.id!r}"
        if checksum != memories.checksum(record.text, record.metadata, record.vector):
            found.append(f"{name}: its text, metadata or vector is not what was written")
        if record.vector is not None and len(record.vector) != 4 * dimension:
            found.append(f"{name}: its vector has {len(record.vector) // 4} numbers")
        if record.valid_to != edges.end_of(connection, record.id):
            found.append(f"{name}: valid_to is not what its supersessions say")
        folded = fold(record.prior, signals.of_memory(connection, record.id))
        if abs(folded - record.importance) > _EPSILON:
            found.append(f"{name}: importance is {record.importance}, its signals say {folded}")
    found += audit.edge_faults(connection)
    texts = ((record.row, record.words()) for record in memories.stream(connection))
    found += [f"row {row}: its text is not indexed" for row in lexical.faults(connection, texts)]
    found += audit.lexical_faults(connection)
    return found


def mend(writing: Writing) -> None:
    """Derive again what is derived: ends of validity, importance, the lexical index."""
    connection = writing.connection
    records = list(memories.stream(connection))
    for record in records:
        if record.valid_to != edges.end_of(connection, record.id):
            edges.refresh_end(writing, record.id)
        folded = fold(record.prior, signals.of_memory(connection, record.id))
        if abs(folded - record.importance) > _EPSILON:
            memories.set_importance(writing, record.id, folded)
    lexical.rebuild(writing, ((record.row, record.words()) for record in records))
    writing.disown_snapshot()
