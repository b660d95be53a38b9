"""The part of a store that remembers, corrects, links and forgets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar, cast

from feather_memory.checks import label, labels, share
from feather_memory.errors import ParameterError, UnknownMemoryError, quoted
from feather_memory.filters.parse import parse
from feather_memory.model.fields import Record
from feather_memory.model.memory import Edge, EdgeType, Forgotten, Memory
from feather_memory.model.origin import USER
from feather_memory.model.origin import checked as checked_origin
from feather_memory.progress import Progress
from feather_memory.search.question import Where
from feather_memory.store import vectors
from feather_memory.store.core import Part
from feather_memory.truth.contract import WriteTransaction
from feather_memory.types import VectorLike, When
from feather_memory.write import memories as write
from feather_memory.write import turns
from feather_memory.write.draft import Draft
from feather_memory.write.forgetting import doomed, forget, planned
from feather_memory.write.rewriting import rewrite
from feather_memory.write.supersession import unsupersede

Written = TypeVar("Written")


class Keep:
    """The type of `KEEP`."""

    def __repr__(self) -> str:
        return "KEEP"


KEEP: Final = Keep()
"""An argument of `update` that is not given; None clears the field."""


class Writes(Part):
    """Memories and edges are written here, each verb in one transaction."""

    def add(  # noqa: PLR0913  a memory's fields
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
        origin: str | None = None,
        valid_from: When | None = None,
        valid_to: When | None = None,
        expires_at: When | None = None,
        recorded_at: When | None = None,
        reaffirm: bool = False,
    ) -> Memory:
        """Remember a text. When this returns, it is on disk.

        An id that exists gets this text, vector and metadata; its history stays, and the same
        content again is no change. An occupied `key` is taken over: what held it is superseded,
        and its importance inherited.

        Without an id, the same text again (but for case and punctuation) with the same key
        and metadata is counted on the memory there is, which is returned. What was superseded does
        not come back by being said again: what stands is returned, and its `echo_of` says so.
        What comes from a lower origin never supersedes what comes from a higher one: it is kept
        as a suggestion, which `contradicts` it and is not current.

        Args:
            text: Not blank.
            id: Given by the caller; else one that sorts by time.
            vector: Shape (dim,); else the embedder makes it, if there is one: of the text, and of
                a turn of a conversation (a session, somebody who speaks, no key) with its speaker
                after the turn before.
            importance: In [0, 1]; 0.4 unless given.
            metadata: What JSON can hold exactly.
            key: The slot this is the current value of, such as "python.version".
            session: The conversation it is from.
            actor: Who said it.
            role: As what: "user", "assistant" …
            origin: Who it comes from: "user", "document", "import", "tool" or "assistant"; else as
                the role says, and without one "user": the application speaks for the user.
            valid_from: Since when it is true; now unless given.
            valid_to: Until when it was true.
            expires_at: From when it is no longer returned.
            recorded_at: When it was learned, for what comes from elsewhere: `known_at` knows it
                from then on. Never later than now, which it is unless given. An id that exists
                was learned when it was.
            reaffirm: Whether it holds again, though it was replaced: what stands in its place is
                replaced by it. Without it the same text, said again, is an echo.

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
            "origin": origin,
            "valid_from": valid_from,
            "valid_to": valid_to,
            "expires_at": expires_at,
            "recorded_at": recorded_at,
            "reaffirm": reaffirm,
        }
        return self._remembered([Draft.of_new({"text": text, **given})])[0]

    def add_many(
        self, records: Iterable[Mapping[str, Any]], *, progress: Progress = False
    ) -> list[Memory]:
        """Remember many texts in one transaction: all of them, or none.

        Args:
            records: Dicts of the arguments of `add`.
            progress: True for a bar in the terminal or notebook, or a function that is told
                (done, total) while texts are embedded.

        Raises:
            ParameterError: As `add`. It names the record by its place, from 0, and its id.
        """
        if isinstance(records, Mapping | str) or not isinstance(records, Iterable):
            raise ParameterError(f"records must be several dicts, got {quoted(records)}")
        drafts = [Draft.of_record(record, number) for number, record in enumerate(records)]
        return self._remembered(drafts, progress=progress)

    def _remembered(self, drafts: list[Draft], *, progress: Progress = False) -> list[Memory]:
        def put(transaction: WriteTransaction, ready: list[Draft]) -> list[Memory]:
            return write.put_many(transaction, ready, transaction.now)

        return self._written(drafts, put, progress=progress)

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

        What is not given stays; None clears a field. The arguments are those of `add`. Who it
        comes from stays what it was when it was written. A vector goes with the text: it is made
        anew where that changes, as is that of the turn after it, or dropped without an embedder.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        given = {
            "text": text, "vector": vector, "importance": importance, "metadata": metadata,
            "key": key, "session": session, "actor": actor, "role": role,
            "valid_from": valid_from, "valid_to": valid_to, "expires_at": expires_at,
        }  # fmt: skip
        said = {name: value for name, value in given.items() if value is not KEEP}
        draft = Draft.checked({"id": id, **said})

        def corrected(transaction: WriteTransaction, ready: list[Draft]) -> Memory:
            old = transaction.memories.find(id)
            if old is None:
                raise UnknownMemoryError(id)
            record = rewrite(transaction, ready[0], old, transaction.now)
            return transaction.memories.shown([record])[0]

        return self._written([draft], corrected)

    def supersede(  # noqa: PLR0913  a memory's fields
        self, old_id: str, text: str, *,
        id: str | None = None, vector: VectorLike | None = None,  # noqa: A002  the field's name
        importance: float | None = None, metadata: Mapping[str, Any] | None = None,
        key: str | None = None, session: str | None = None, actor: str | None = None,
        role: str | None = None, origin: str | None = None, valid_from: When | None = None,
        valid_to: When | None = None, expires_at: When | None = None,
    ) -> Memory:  # fmt: skip
        """Replace a fact by a newer one: the new memory, the edge and the end of the old, at once.

        The new memory takes over the old one's slot. The old one is no longer returned as
        current from the new one's `valid_from` on, nor is what says the same and is linked to it
        by `derived_from`. What comes from a lower origin than the old one replaces nothing: the
        memory that is returned is a suggestion, which `contradicts` it and is not current. The
        other arguments are those of `add`.

        Args:
            old_id: Of the memory that is no longer true.
            text: What is true now.
            id: Of the new memory, as are the rest.
            vector: Shape (dim,).
            importance: In [0, 1].
            metadata: What JSON can hold exactly.
            key: The slot, where it is another than the old one's.
            session: The conversation it is from.
            actor: Who said it.
            role: As what.
            origin: Who it comes from; as in `add`.
            valid_from: Since when it is true.
            valid_to: Until when it was true.
            expires_at: From when it is no longer returned.

        Raises:
            UnknownMemoryError: `old_id` does not exist.
            SupersedeCycleError: `id` is given, and the old memory replaced that one.
        """
        said = {
            "id": id, "text": text, "vector": vector, "importance": importance,
            "metadata": metadata, "key": key, "session": session, "actor": actor, "role": role,
            "origin": origin,
            "valid_from": valid_from, "valid_to": valid_to, "expires_at": expires_at,
        }  # fmt: skip
        draft, old = Draft.of_new(said), label(old_id, "old_id")

        def replace(transaction: WriteTransaction, ready: list[Draft]) -> Memory:
            record = write.replace_fact(transaction, old, ready[0], transaction.now)
            return transaction.memories.shown([record])[0]

        return self._written([draft], replace)

    def unsupersede(self, old_id: str, new_id: str | None = None) -> None:
        """Undo supersessions of a memory, by `new_id` or all, as if they had never been.

        What fell with it comes back with it. A suggestion, an echo or what fell with another, none
        of which anything replaced, is current again.

        Raises:
            UnknownMemoryError: `old_id` does not exist.
            ParameterError: It is not superseded, or not by `new_id`.
        """
        old, new = label(old_id, "old_id"), None if new_id is None else label(new_id, "new_id")
        with self._core.truth.writing() as transaction:
            unsupersede(transaction, old, new)

    def forget(
        self,
        ids: str | Iterable[str] | None = None,
        *,
        where: Where | None = None,
        derived: bool = False,
        dry_run: bool = False,
    ) -> Forgotten:
        """Remove memories for good: when this returns, their bytes are in none of the files.

        What adapters keep that says the same goes with them: messages, documents, cached chunks.
        What a forgotten memory had superseded stays superseded. A vector that was made with the
        text of a forgotten turn is made anew without it, or dropped where that cannot be.

        Args:
            ids: Of the memories.
            where: Which of them, or of all if no ids are given.
            derived: Whether what is `derived_from` them goes, too, through any number of steps.
                Else it stays, and the answer names it.
            dry_run: Only say what would go.

        Raises:
            ParameterError: Neither ids nor a filter is given.
            UnknownMemoryError: An id that does not exist. Nothing was removed; and nothing is
                owed any more.
            BusyStoreError: The memories are gone, but others read or write for longer than this
                may wait, so that their bytes are still owed. Whoever writes, closes or opens the
                store next erases them, in whatever process.
            StoreAccessError: The same, for another fault: `StoreFullError` for want of room.
        """
        if ids is None and where is None:
            raise ParameterError("forget needs ids or a filter; it never removes everything")
        named = None if ids is None else labels([ids] if isinstance(ids, str) else ids, "ids")
        condition = parse(where)
        if dry_run:
            with self._core.truth.reading() as moment:
                return planned(doomed(moment, named, condition, with_derived=derived))
        remade = vectors.without(self._core, named, condition, with_derived=derived)
        try:
            with self._core.truth.writing() as transaction:
                going = doomed(transaction, named, condition, with_derived=derived)
                forgotten = forget(transaction, going, remade) if going.records else going.told
        except UnknownMemoryError:
            self._core.truth.erase()  # whoever names what is gone, but owed, waits for it
            raise
        self._core.truth.erase()
        return forgotten

    def transaction(self) -> AbstractContextManager[None]:
        """Makes the writes of its block one: all of them are committed at its end, or none.

        A write that fails inside and is caught has written nothing; the others stay. Reads inside
        see what was there before. Other writers wait until the end, so embed before it. It holds
        for this store and this thread.

        >>> import tempfile, pathlib
        >>> from feather_memory import Store
        >>> with Store.open(pathlib.Path(tempfile.mkdtemp()) / "alice.feather") as store:
        ...     with store.transaction():
        ...         question = store.add("Which day do we deploy?")
        ...         answer = store.add("On Fridays")
        ...         _ = store.link(question.id, answer.id, EdgeType.NEXT)
        """
        return cast("AbstractContextManager[None]", self._core.truth.writing())

    # Links

    def link(
        self,
        source: str,
        target: str,
        type: str = EdgeType.RELATED_TO,  # noqa: A002
        weight: float = 1.0,
        *,
        origin: str = USER,
    ) -> Edge:
        """Link two memories: *source* type *target*. Linking again gives the edge a new weight.

        What is `derived_from` a memory of a lower origin has that origin from then on. What may
        not supersede the target, for its origin is lower, contradicts it instead.

        Args:
            source: Id of the memory it starts from.
            target: Id of the memory it ends at.
            type: An EdgeType, or a word of the caller's own.
            weight: In (0, 1].
            origin: Who says so; the application speaks for the user. What comes from a higher one
                cannot be said to be `derived_from` another, nor to be superseded by one of its
                equals.

        Raises:
            UnknownMemoryError: Either does not exist.
            ParameterError: The origin is too low for that.
            SupersedeCycleError: A `supersedes` edge that would close a circle.
        """
        name, strength = label(type, "type"), share(weight, "weight")
        by = checked_origin(origin, "origin")
        source, target = labels((source, target), "the ends of an edge")
        if source == target:
            raise ParameterError(f"an edge joins two memories, got {source!r} twice")
        with self._core.truth.writing() as transaction:
            return write.link(transaction, source, target, name, strength, transaction.now, by)

    def unlink(self, source: str, target: str, type: str = EdgeType.RELATED_TO) -> bool:  # noqa: A002
        """Remove an edge; with a `supersedes` edge, what it did. False if there was none."""
        ends, named = labels((source, target), "the ends of an edge"), label(type, "type")
        with self._core.truth.writing() as transaction:
            return write.unlink(transaction, ends[0], ends[1], named)

    def _written(
        self,
        drafts: list[Draft],
        verb: Callable[[WriteTransaction, list[Draft]], Written],
        *,
        progress: Progress = False,
    ) -> Written:
        """What a verb writes of the drafts in one transaction; their vectors are made before it.

        Where anything has gone meanwhile that they were made by, they are made once more, and
        turns without what was said before.
        """
        ready = self._embedded(drafts, progress=progress)
        with self._core.truth.writing() as transaction:
            is_free = not any(draft.follows for draft in ready)
            if is_free or turns.are_there(transaction, ready):
                return verb(transaction, ready)
        ready = self._embedded(drafts, is_alone=True)
        with self._core.truth.writing() as transaction:
            return verb(transaction, ready)

    def _embedded(
        self, drafts: list[Draft], *, progress: Progress = False, is_alone: bool = False
    ) -> list[Draft]:
        """The drafts with vectors; what is stored already under an id is not embedded again."""
        core, held = self._core, dict[str, Record]()
        named = [draft.id for draft in drafts if draft.id is not None]
        is_turn = any("session" in each.fields and "vector" not in each.fields for each in drafts)
        if core.embedding.documents is not None:
            if named:
                with core.truth.reading() as moment:
                    held = moment.memories.by_ids(named)
            if held or is_turn:
                return vectors.prepared(core, drafts, held, progress=progress, is_alone=is_alone)
        return core.embedding.complete(drafts, progress)
