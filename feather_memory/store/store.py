"""One tenant's memory: the door through which everything else is reached."""

from __future__ import annotations

import os
import time
from functools import cached_property, partial
from typing import Self, get_args

from feather_memory.checks import file_path, one_of, whole
from feather_memory.index import beside
from feather_memory.model.names import checked
from feather_memory.model.words import tokenizer
from feather_memory.store.core import Core
from feather_memory.store.feedback import Feedback
from feather_memory.store.opening import truth_at
from feather_memory.store.plumbing import Plumbing
from feather_memory.store.reembedding import Reembedding
from feather_memory.store.suggestions import Suggestions
from feather_memory.store.writes import Writes
from feather_memory.truth.sqlite.restoring import restore
from feather_memory.truth.state import Durability
from feather_memory.types import Clock, Embedder, Model, Open
from feather_memory.write import repair
from feather_memory.write.embedding import Embedding


class Store(Open, Writes, Suggestions, Feedback, Reembedding):
    """One tenant's open file. Safe to share between threads, and between processes.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "alice.feather"
    >>> with Store.open(path) as store:
    ...     _ = store.add("Alice's favourite editor is Vim", key="editor")
    ...     _ = store.add("Alice's favourite editor is Helix", key="editor")
    ...     [hit.memory.text for hit in store.search("favourite editor")]
    ["Alice's favourite editor is Helix"]
    """

    _opened_by = "Store.open of the same place"

    def __init__(self, core: Core | None = None, **named: object) -> None:
        if not isinstance(core, Core) or named:
            given = "path" if core is None else repr(core)
            raise TypeError(f"a store is opened, not made: Store.open({given}, …)")
        super().__init__(core)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        embedder: Embedder | Model | None = None,
        query_embedder: Embedder | Model | None = None,
        embedder_name: str | None = None,
        language: str | None = None,
        durability: Durability = "process",
        clock: Clock = time.time,
        tenant: str | None = None,
        read_only: bool = False,
        max_vector_bytes: int | None = None,
    ) -> Self:
        """The store in the file at `path`, which is made if there is none; or on a server.

        Args:
            path: By custom it ends in `.feather`. Its folder must exist. There is no store
                without a file: `":memory:"` and URIs are refused. Or the URL of a PostgreSQL
                database, `postgresql://…`, whose tables `feather-memory migrate` has made.
            embedder: Texts to vectors, (n) → (n, dim); or a SentenceTransformer, LangChain or
                LlamaIndex model, whose own methods are called, for queries as well; or the name
                of a model, such as `fastembed:BAAI/bge-small-en-v1.5`. Without one, memories
                without a vector of their own are found by their words only.
            query_embedder: For queries, where they are embedded differently.
            embedder_name: What the model is called, where the embedder does not say (`model_name`,
                as its library keeps it). The store keeps the name, and takes vectors, or
                questions, of no other; see `reembed`.
            language: What the texts are in, for the stems of words: a Snowball stemmer's name, or
                `simple` for none. Kept in the file: English for a new one, its own for any other
                unless stated; then all words are derived anew.
            durability: `process`: a returned write survives the death of the process. `full`:
                it survives the loss of power, at the price of one fsync a write. On a server
                `process` is how that is set, by default as `full`.
            clock: Tells Unix seconds.
            tenant: Whose file this must be; a new file is marked as theirs. On a server, whose
                memories these are: there must be one.
            read_only: Write nothing, and make no file: writes raise ReadOnlyStoreError, and
                `recall` logs nothing. So it is by itself where nothing can be written.
            max_vector_bytes: On a server with pgvector, what the vectors may take of this process's
                memory, at least 0; 1 GiB unless given. A larger tenant's stay in the database,
                which compares them: the answers are the same.

        Raises:
            ParameterError: No stemmer is known for the language, or a URL without a tenant; or
                `max_vector_bytes` of a file, or of a database without pgvector's vectors.
            MissingExtraError: A URL, without the extra `postgres`.
            StoreAccessError: A directory, a place that cannot be read, or no store where none
                can be made.
            OlderFormatError: An earlier release wrote it, and it cannot be written.
            WrongEmbedderError: Its vectors are by a model of another name.
            MissingEmbedderError: An embedder that is neither a function nor a model, nor the name
                of one that its library has.
            MissingExtraError: The library of a named model is not installed.
            CorruptStoreError: Not one of ours, truncated or damaged. It is left as it is.
            NewerFormatError: Written by a later release. It is left as it is.
            TenantNameError: No tenant can have this name.
            WrongTenantError: It belongs to another tenant.
        """
        one_of(durability, "durability", get_args(Durability))
        owner = None if tenant is None else checked(tenant)
        spoken = None if language is None else tokenizer(language).language
        embedding = Embedding.of(embedder, query_embedder, embedder_name)
        most = None if max_vector_bytes is None else whole(max_vector_bytes, "max_vector_bytes", 0)
        truth = truth_at(
            path,
            tenant=owner,
            durability=durability,
            language=spoken,
            clock=clock,
            read_only=read_only,
        )
        return cls(Core.over(truth, embedding, max_vector_bytes=most))

    @staticmethod
    def restore(backup: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
        """Put a copy of a backup in the place of a store, with nothing left of what was there.

        What is at `path` is replaced in one step, be it whole, damaged or missing; its log and its
        derived files go. The backup stays as it is.

        Args:
            backup: A file that `backup` made, or any store; the latest of one that is in use.
            path: Of the store, closed by everybody. Its folder must exist. The same as `backup`
                where a log of another file lies beside it: then only the log goes.

        Raises:
            BusyStoreError: Somebody has the store at `path` open. As with every refusal, nothing
                has changed.
            WrongTenantError: The store at `path` belongs to another tenant than the backup.
            StoreAccessError: There is no backup, or it cannot be read, or the place not written;
                `StoreFullError` for want of room.
            CorruptStoreError: The backup is not one of ours, truncated or damaged.
            NewerFormatError: A later release wrote either.
        """
        source, target = file_path(backup, "backup"), file_path(path)
        restore(source, target, partial(beside.discard, target))

    @cached_property
    def plumbing(self) -> Plumbing:
        """What adapters are made of: vectors, the recall log, shelves."""
        return Plumbing(self._core)

    def __repr__(self) -> str:
        state = "open" if self._core.truth.is_open else "closed"
        return f"<Store {self._core.truth.place!r}, {state}>"

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
            if self._core.truth.is_open:
                self.plumbing.rest()
        finally:
            self._core.truth.close()

    def check(self, *, fix: bool = False) -> list[str]:
        """Everything that is wrong with the store, a sentence each; empty for a sound one.

        Args:
            fix: Rebuild what is derived, and date back what a clock that was over a day ahead has
                recorded; then look again. Damaged truth cannot be rebuilt.
        """
        path = self._core.truth.path
        if fix:
            with self._core.truth.writing() as transaction:
                repair.mend(transaction, self._core.truth.now())
            if path is not None:
                beside.discard(path)
            self._core.columns.unload()
        with self._core.truth.reading() as moment:  # no arrays: they refuse what is told here
            found = repair.faults(moment, self._core.truth.now())
            if path is not None:
                found += beside.lost(path, moment.state)
        return found if path is None else found + beside.faults(path)
