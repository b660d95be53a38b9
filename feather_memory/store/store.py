"""One tenant's memory: the door through which everything else is reached."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from feather_memory.errors import ParameterError, UnknownMemoryError
from feather_memory.filters.parse import parse
from feather_memory.index import beside as keeping
from feather_memory.index.columns import Replica
from feather_memory.model.memory import Edge, EdgeType, Forgotten, Memory
from feather_memory.model.names import checked
from feather_memory.search.searcher import Reading
from feather_memory.store.engagement import Engagement
from feather_memory.store.shelf import Shelf
from feather_memory.truth.sqlite import memories, shelves
from feather_memory.truth.sqlite.database import Database
from feather_memory.write import memories as writing
from feather_memory.write import repair as auditing
from feather_memory.write.draft import KEEP, Draft, label, labels, unit_interval

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping

    from feather_memory.filters.language import Filter
    from feather_memory.progress import Progress
    from feather_memory.truth.sqlite.database import Durability
    from feather_memory.types import Clock, Embedder, VectorLike, When

    Where = Filter | Mapping[str, Any]


class Store(Engagement):
    """One tenant's open file. Safe to share between threads, and between processes.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "alice.feather"
    >>> with Store.open(path) as store:
    ...     _ = store.add("Alice's favourite editor is Vim", key="editor")
    ...     _ = store.add("Alice's favourite editor is Helix", key="editor")
    ...     [hit.memory.text for hit in store.search("favourite editor")]
    ["Alice's favourite editor is Helix"]
    """

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        embedder: Embedder | None = None,
        query_embedder: Embedder | None = None,
        durability: Durability = "process",
        clock: Clock = time.time,
        tenant: str | None = None,
    ) -> Self:
        """The store in the file at `path`, which is made if there is none.

        Args:
            path: By custom it ends in `.feather`. Its folder must exist.
            embedder: Texts to vectors, (n) → (n, dim). Without one, memories without a vector
                of their own are found by their words only.
            query_embedder: For queries, where they are embedded differently.
            durability: `process`: a returned write survives the death of the process. `full`:
                it survives the loss of power, at the price of one fsync a write.
            clock: Tells Unix seconds.
            tenant: Whose file this must be; a new file is marked as theirs.

        Raises:
            StoreAccessError: A directory, or a place that cannot be read or written.
            CorruptStoreError: Not one of ours, truncated or damaged. It is left as it is.
            NewerFormatError: Written by a later release. It is left as it is.
            TenantNameError: No tenant can have this name.
            WrongTenantError: It belongs to another tenant.
        """
        if durability not in {"process", "full"}:
            raise ParameterError(f"durability must be 'process' or 'full', got {durability!r}")
        owner = None if tenant is None else checked(tenant)
        database = Database(Path(path), durability=durability, tenant=owner)
        return cls(database, embedder=embedder, query_embedder=query_embedder, clock=clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write the mapped file if it is stale, then close the store. Safe to call twice.

        Raises:
            BusyStoreError: Within a `transaction` of this thread. Nothing was closed.
        """
        try:
            if self._database.is_open:
                self.rest()
        finally:
            self._database.close()

    def rest(self) -> None:
        """Give back memory and file handles, as closing does; the next call takes them again.

        Raises:
            BusyStoreError: As `close`.
        """
        try:
            if self._loaded is not None and not self._database.is_resting:
                replica = self._replica
                replica.approximation.stop()
                keeping.save(self._database, replica)
        finally:
            self._loaded = None
            self._database.rest()

    # Writing

    def add(
        self,
        text: str,
        *,
        id: str | None = None,  # noqa: A002  the field's name
        vector: VectorLike | None = None,
        importance: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        key: str | None = None,
        session: str | None = None,
        actor: str | None = None,
        role: str | None = None,
        valid_from: When | None = None,
        valid_to: When | None = None,
        expires_at: When | None = None,
    ) -> Memory:
        """Remember a text. When this returns, it is on disk.

        An id that exists gets this text, vector and metadata; its history stays, and the same
        content again is no change. An occupied `key` is taken over: what held it is superseded.

        Args:
            text: Not blank.
            id: Given by the caller; else one that sorts by time.
            vector: Shape (dim,); else the embedder makes it, if there is one.
            importance: In [0, 1]; 0.4 unless given.
            metadata: What JSON can hold exactly.
            key: The slot this is the current value of, such as "python.version".
            session: The conversation it is from.
            actor: Who said it.
            role: As what: "user", "assistant" …
            valid_from: Since when it is true; now unless given.
            valid_to: Until when it was true.
            expires_at: From when it is no longer returned.

        Raises:
            ParameterError: Any of these outside its range. Nothing was written.
            DimensionError: The vector's length is not this store's.
        """
        given = {
            "id": id,
            "vector": vector,
            "importance": importance,
            "metadata": metadata,
            "key": key,
            "session": session,
            "actor": actor,
            "role": role,
            "valid_from": valid_from,
            "valid_to": valid_to,
            "expires_at": expires_at,
        }
        said = {name: value for name, value in given.items() if value is not None}
        return self.add_many([{"text": text, "metadata": {}, **said}])[0]

    def add_many(
        self, records: Iterable[Mapping[str, Any]], *, progress: Progress = False
    ) -> list[Memory]:
        """Remember many texts in one transaction: all of them, or none.

        Args:
            records: Dicts of the arguments of `add`.
            progress: True for a bar in the terminal or notebook, or a function that is told
                (done, total) while texts are embedded.
        """
        drafts = [
            Draft.checked(
                {
                    k: v
                    for k, v in {"metadata": {}, **record}.items()
                    if v is not None or k == "text"
                }
            )
            for record in records
        ]
        drafts = self._embedded(drafts, progress=progress)
        now = self._now()
        with self._database.writing() as transaction:
            written = writing.put_many(transaction, drafts, now)
            last = {record.id: record for record in written}
            with_ends = Reading.memories_in(transaction.connection, list(last.values()))
        by_id = {memory.id: memory for memory in with_ends}
        return [by_id[record.id] for record in written]

    def update(
        self,
        id: str,  # noqa: A002  the field's name
        *,
        text: Any = KEEP,
        vector: Any = KEEP,
        importance: Any = KEEP,
        metadata: Any = KEEP,
        key: Any = KEEP,
        session: Any = KEEP,
        actor: Any = KEEP,
        role: Any = KEEP,
        valid_from: Any = KEEP,
        valid_to: Any = KEEP,
        expires_at: Any = KEEP,
    ) -> Memory:
        """Correct a memory's record, leaving no past. For a fact that changed: `supersede`.

        What is not given stays; None clears a field. The arguments are those of `add`.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        given = {
            "text": text, "vector": vector, "importance": importance, "metadata": metadata,
            "key": key, "session": session, "actor": actor, "role": role,
            "valid_from": valid_from, "valid_to": valid_to, "expires_at": expires_at,
        }  # fmt: skip
        said = {name: value for name, value in given.items() if value is not KEEP}
        draft = Draft.checked({"id": id, **said}, is_update=True)
        (draft,) = self._embedded([draft])
        with self._database.writing() as transaction:
            old = memories.find(transaction.connection, id)
            if old is None:
                raise UnknownMemoryError(id)
            record = writing.rewrite(transaction, draft, old, self._now())
            return Reading.memories_in(transaction.connection, [record])[0]

    def supersede(self, old_id: str, text: str, **fields: Any) -> Memory:
        """Replace a fact by a newer one: the new memory, the edge and the end of the old, at once.

        The new memory takes over the old one's slot. The old one is no longer returned as
        current from the new one's `valid_from` on.

        Args:
            old_id: Of the memory that is no longer true.
            text: What is true now.
            fields: Further arguments of `add`.

        Raises:
            UnknownMemoryError: `old_id` does not exist.
            SupersedeCycleError: `id` is given, and the old memory replaced that one.
        """
        given = {k: v for k, v in fields.items() if v is not None}
        draft = Draft.checked({"text": text, "metadata": {}, **given})
        (draft,) = self._embedded([draft])
        with self._database.writing() as transaction:
            record = writing.replace_fact(transaction, label(old_id, "old_id"), draft, self._now())
            return Reading.memories_in(transaction.connection, [record])[0]

    def unsupersede(self, old_id: str, new_id: str | None = None) -> None:
        """Undo supersessions of a memory, by `new_id` or all, as if they had never been.

        Raises:
            UnknownMemoryError: `old_id` does not exist.
            ParameterError: It is not superseded, or not by `new_id`.
        """
        with self._database.writing() as transaction:
            new = None if new_id is None else label(new_id, "new_id")
            writing.unsupersede(transaction, label(old_id, "old_id"), new)

    def forget(
        self,
        ids: str | Iterable[str] | None = None,
        *,
        where: Where | None = None,
        dry_run: bool = False,
    ) -> Forgotten:
        """Remove memories for good: when this returns, their bytes are in none of the files.

        What a forgotten memory had superseded stays superseded.

        Args:
            ids: Of the memories.
            where: Which of them, or of all if no ids are given.
            dry_run: Only say what would go.

        Raises:
            ParameterError: Neither ids nor a filter is given.
            UnknownMemoryError: An id that does not exist. Nothing was removed.
            BusyStoreError: The memories are gone, but a reader in another process still keeps
                the log alive that holds their bytes.
        """
        if ids is None and where is None:
            raise ParameterError("forget needs ids or a filter; it never removes everything")
        named = None if ids is None else labels([ids] if isinstance(ids, str) else ids, "ids")
        condition = parse(where)
        if dry_run:
            with self._database.reading() as connection:
                return writing.doomed(connection, named, condition, is_dry_run=True)[1]
        with self._database.writing() as transaction:
            records, forgotten = writing.doomed(
                transaction.connection, named, condition, is_dry_run=False
            )
            if records:
                writing.forget(transaction, records)
        if forgotten.ids:
            keeping.discard(self._database.path)
            self._database.erase()
        return forgotten

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes the writes of its block one: all of them are committed at its end, or none.

        A write that fails inside and is caught has written nothing; the others stay. Reads inside
        see what was there before. Other writers wait until the end, so embed before it. It holds
        for this store and this thread.

        >>> import tempfile, pathlib
        >>> with Store.open(pathlib.Path(tempfile.mkdtemp()) / "alice.feather") as store:
        ...     with store.transaction():
        ...         question = store.add("Which day do we deploy?")
        ...         answer = store.add("On Fridays")
        ...         _ = store.link(question.id, answer.id, EdgeType.NEXT)
        """
        with self._database.writing():
            yield

    # Links

    def link(
        self,
        source: str,
        target: str,
        type: str = EdgeType.RELATED_TO,  # noqa: A002
        weight: float = 1.0,
    ) -> Edge:
        """Link two memories: *source* type *target*. Linking again gives the edge a new weight.

        Args:
            source: Id of the memory it starts from.
            target: Id of the memory it ends at.
            type: An EdgeType, or a word of the caller's own.
            weight: In (0, 1].

        Raises:
            UnknownMemoryError: Either does not exist.
            SupersedeCycleError: A `supersedes` edge that would close a circle.
        """
        name, share = label(type, "type"), unit_interval(weight, "weight")
        label(source, "source"), label(target, "target")
        if share == 0 or source == target:
            raise ParameterError(
                f"an edge joins two memories with a weight in (0, 1], got {weight!r} from "
                f"{source!r} to {target!r}"
            )
        with self._database.writing() as transaction:
            return writing.link(transaction, source, target, name, share, self._now())

    def unlink(self, source: str, target: str, type: str = EdgeType.RELATED_TO) -> bool:  # noqa: A002
        """Remove an edge; with a `supersedes` edge, what it did. False if there was none."""
        with self._database.writing() as transaction:
            ends = label(source, "source"), label(target, "target")
            return writing.unlink(transaction, *ends, label(type, "type"))

    # The file

    def shelf(self, name: str) -> Shelf:
        """Values kept in the file beside the memories, by key; see `Shelf`. Made when filled."""
        return Shelf(self._database, label(name, "name"))

    def shelves(self) -> list[str]:
        """The names of the shelves that hold anything, sorted."""
        with self._database.reading() as connection:
            return shelves.names(connection)

    def check(self, *, fix: bool = False) -> list[str]:
        """Everything that is wrong with the store, a sentence each; empty for a sound one.

        Args:
            fix: Rebuild what is derived, then look again. Damaged truth cannot be rebuilt.
        """
        if fix:
            with self._database.writing() as transaction:
                auditing.mend(transaction)
            keeping.discard(self.path)
            self._replica.approximation.stop()
            self._loaded = Replica()
        with self._reading() as reading:
            found = auditing.faults(reading.connection)
        return found + keeping.faults(self.path)
