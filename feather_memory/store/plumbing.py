"""What adapters are made of: the verbs of a store that an application seldom needs.

They are reached as `store.plumbing`, and as stable as the rest. A `Shelf` keeps what an adapter has
besides memories: a chat's messages, a document store's hashes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Unpack

from feather_memory.checks import flag, instances, label, labels, passage, query, whole
from feather_memory.model.formula import Scale
from feather_memory.model.memory import Memory
from feather_memory.model.records import Kept, TieRecord
from feather_memory.model.voice import in_first_person
from feather_memory.search.asking import speakers
from feather_memory.search.held import held_keys, held_texts, says_any
from feather_memory.search.question import SearchOptions, Where
from feather_memory.search.searcher import Searcher
from feather_memory.store import vectors
from feather_memory.store.recalls import Recalls
from feather_memory.store.review import Review
from feather_memory.store.searches import Searches
from feather_memory.store.shelf import Shelf, ids_by
from feather_memory.types import Embedder, Vector, When
from feather_memory.write import copying
from feather_memory.write.draft import new_id
from feather_memory.write.forgetting import doomed, forget, remove

_MOST_IDS: Final = 1_000_000


class Plumbing(Recalls, Review, of="Store.plumbing"):
    """Vectors, the recall log, what is held, shelves, all there is, review, a store's sleep."""

    @property
    def is_open(self) -> bool:
        """Whether nobody has closed the store. One that rests is open."""
        return self._core.truth.is_open

    @property
    def place(self) -> str:
        """Where the store is, as errors call it: the path of its file, or a server without secrets.

        Of a store on a server the tenant stands behind a `#`.
        """
        return self._core.truth.place

    @property
    def address(self) -> str:
        """What `Store.open` takes to open the same store, with its tenant, in another process."""
        return self._core.truth.address

    @property
    def is_in_place(self) -> bool:
        """Whether the file is still there, and the one that was opened."""
        return self._core.truth.is_in_place()

    def wake(self) -> None:
        """Bring what searches read into memory now, rather than at the first search."""
        with Searcher.over(self._core.truth, self._core.columns):
            pass

    def rest(self) -> None:
        """Give back memory and file handles, as closing does; the next call takes them again.

        Raises:
            BusyStoreError: As `close`.
        """
        try:
            self._core.columns.rest(self._core.truth)
        finally:
            self._core.truth.rest()

    @property
    def query_embedder(self) -> Embedder | None:
        """What makes a query's text a vector, if there is anything."""
        return self._core.embedding.queries

    def embed_query(self, text: str, speakers: Iterable[str] = ()) -> Vector | None:
        """The query's vector at unit length, shape (dim,); None without an embedder.

        Args:
            text: What is asked.
            speakers: Those whom it names, as whom it is put; see `speakers`.
        """
        asked = in_first_person(query(text) or "", labels(speakers, "speakers"))
        return self._core.embedding.query(asked, None)

    def speakers(self, text: str) -> list[str]:
        """Those of the store's actors whom a question names: its vector is of "I" and "my"."""
        return speakers(self._core.truth, self._core.columns, query(text) or "")

    def scale(self, text: str | None, **options: Unpack[SearchOptions]) -> Scale:
        """What a search of these arguments measures similarity and words by.

        Stores that are searched together are to be searched by one scale, joined of theirs: only
        then do their scores compare. The arguments are those of `search`.
        """
        return Searches(self._core)._scale(text, options)  # noqa: SLF001  of the same store

    def embed_documents(self, texts: Iterable[str]) -> list[Vector] | None:
        """The vectors that `add` would make, for a `transaction`; None without an embedder."""
        return self._core.embedding.of_documents([passage(text, "texts") for text in texts])

    def held(
        self,
        keys: Collection[str] = (),
        texts: Collection[str] = (),
        *,
        where: Where | None = None,
        session: str | None = None,
        as_of: When | None = None,
        known_at: When | None = None,
        now: When | None = None,
    ) -> tuple[set[str], set[str]]:
        """Which of these slots a current memory holds, and which of these texts may be returned.

        Args:
            keys: Slots. The filters do not matter to them.
            texts: Whole texts.
            where: As in `search`, as are the next four.
            session: Only memories of this session.
            as_of: What was true then?
            known_at: Only what was recorded by then.
            now: The clock's time unless given.
        """
        slots, passages = labels(keys, "keys"), [passage(text, "texts") for text in texts]
        question = self._at(where, session, as_of, known_at, now)
        with Searcher.over(self._core.truth, self._core.columns) as searcher:
            question = searcher.present(question)
            return held_keys(searcher, question, slots), held_texts(searcher, question, passages)

    def says_any(
        self,
        memories: Collection[Memory],
        *,
        where: Where | None = None,
        session: str | None = None,
        as_of: When | None = None,
        known_at: When | None = None,
        now: When | None = None,
    ) -> bool:
        """Whether a memory here that may be returned says what one of these says.

        Equal but for case and punctuation, both asked or both stated, and by the same person as far
        as that is known. The further arguments are those of `held`.
        """
        given = instances(memories, "memories", Memory)
        question = self._at(where, session, as_of, known_at, now)
        with Searcher.over(self._core.truth, self._core.columns) as searcher:
            return says_any(searcher, searcher.present(question), given)

    def new_ids(self, count: int) -> list[str]:
        """Ids such as `add` makes, which sort by time, for what is each a memory of its own.

        Without an id of its own, what says again what is held is no new memory.

        Args:
            count: How many, from 0 to a million.
        """
        wanted, now = whole(count, "count", 0, _MOST_IDS), self._core.truth.now()
        return [new_id(now) for _ in range(wanted)]

    def known(self, ids: Iterable[str]) -> dict[str, bool]:
        """Which of these memories there are: by id, whether something has replaced it."""
        with self._core.truth.reading() as moment:
            return moment.memories.known(labels(ids, "ids"))

    @contextmanager
    def everything(self) -> Iterator[Iterator[Kept]]:
        """All that is kept, as of one moment, within the block: what `restore` takes.

        Nothing that is deleted meanwhile can be erased before its end. `importers.exports` writes
        it down.
        """
        with self._core.truth.reading() as moment:
            yield copying.everything(moment)

    def restore(self, records: Iterable[copying.Numbered]) -> copying.Restored:
        """Add what another store kept, as it was, in one transaction: all of it, or nothing.

        What is there stays as it is. Slots that both hold are settled as by `add`: the later fact
        supersedes the earlier.

        Args:
            records: Each with the number that a refusal names; in the order of `everything`.

        Raises:
            ParameterError: A record that contradicts another, or what is there under its id.
            WrongEmbedderError: The vectors there are by another model.
        """
        with self._core.truth.writing() as transaction:
            return copying.restore(transaction, records)

    def drop(self, ids: Iterable[str], *, tied: bool = False) -> int:
        """As `Store.forget`, for callers that delete one after the other: their bytes stay owed.

        They are erased at once, or within about a second, together with those of other deletes:
        in the background, where no write, `Store.forget`, `Store.close` or opening comes first.

        Args:
            ids: Of the memories. Those that do not exist are passed over.
            tied: Whether what is tied to them goes, too. Else it stays.

        Returns:
            How many there were, without what was tied to them.
        """
        flag(tied, "tied")
        named = labels(ids, "ids")
        with self._core.truth.reading() as moment:
            there = list(moment.memories.rows_of(named))
        remade = vectors.without(self._core, there, None) if there else {}
        with self._core.truth.writing() as transaction:
            found = transaction.memories.by_ids(named)
            if found and tied:
                forget(transaction, doomed(transaction, list(found), None), remade)
            elif found:
                remove(transaction, list(found.values()), remade)
        return len(found)

    def tie(self, ties: Mapping[str, Iterable[str]]) -> None:
        """Have memories go when others are forgotten, which say the same; see `Shelf.tie`.

        Args:
            ties: By the id of the memory that goes, ids of those with any of which it does.
        """
        pairs = ids_by(ties)
        if pairs:
            with self._core.truth.writing() as transaction:
                transaction.shelves.tie(TieRecord(memory_id=id_, key=key) for key, id_ in pairs)

    def shelf(self, name: str) -> Shelf:
        """Values kept in the file beside the memories, by key; see `Shelf`. Made when filled."""
        return Shelf(self._core.truth, label(name, "name"))

    def shelves(self) -> list[str]:
        """The names of the shelves that hold anything, sorted."""
        with self._core.truth.reading() as moment:
            return moment.shelves.names()
