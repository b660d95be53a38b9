"""What adapters are made of: the verbs of a store that an application seldom needs.

They are reached as `store.plumbing`, and as stable as the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from feather_memory.checks import label, seconds
from feather_memory.model.scoring import Scoring
from feather_memory.search.question import Question, Where, condition
from feather_memory.search.searcher import Searcher
from feather_memory.store.recalls import Recalls
from feather_memory.store.shelf import Shelf
from feather_memory.types import Embedder, Vector, When


class Plumbing(Recalls):
    """Vectors, the recall log, what is held, shelves, and a store's sleep."""

    @property
    def is_open(self) -> bool:
        """Whether nobody has closed the store. One that rests is open."""
        return self._core.truth.is_open

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

    def embed_query(self, text: str) -> Vector | None:
        """The query's vector at unit length, shape (dim,); None without an embedder."""
        return self._core.embedding.query(text, None)

    def embed_documents(self, texts: Iterable[str]) -> list[Vector] | None:
        """The vectors that `add` would make, for a `transaction`; None without an embedder."""
        return self._core.embedding.of_documents(list(texts))

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
        moment = self._core.truth.now() if now is None else seconds(now, "now")
        question = Question(
            text=None,
            vector=None,
            scoring=Scoring(),
            now=moment,
            as_of=moment if as_of is None else seconds(as_of, "as_of"),
            known_at=None if known_at is None else seconds(known_at, "known_at"),
            where=condition(where, session),
        )
        with Searcher.over(self._core.truth, self._core.columns) as searcher:
            return searcher.held_keys(question, keys), searcher.held_texts(question, texts)

    def shelf(self, name: str) -> Shelf:
        """Values kept in the file beside the memories, by key; see `Shelf`. Made when filled."""
        return Shelf(self._core.truth, label(name, "name"))

    def shelves(self) -> list[str]:
        """The names of the shelves that hold anything, sorted."""
        with self._core.truth.reading() as moment:
            return moment.shelves.names()
