"""What every row works with: the data, the vectors, and stores that were told the talks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.recall.corpora import BEAM, LOCOMO, Asked, Talk, beam, locomo
from benchmarks.recall.measures import Answered, K
from benchmarks.recall.vectors import Vectors
from feather_memory import Scoring, Store
from feather_memory.testing import FrozenClock

Ask = Callable[[Store, Talk, Asked], Sequence[str]]
"""The ids that a store answers with, best first."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One run."""

    data: Path | None
    folder: Path
    """Where stores are made; it is gone after the run."""
    vectors: Vectors
    limit: int | None = None
    """Questions of each conversation."""

    def locomo(self) -> list[Talk]:
        """Its conversations; none without their data."""
        talks = self._talks(LOCOMO, lambda data: locomo(data, self.limit))
        for turn in (turn for talk in talks for turn in talk.turns):
            self.vectors.stand_in(turn.in_context, turn.in_file)
        return talks

    def beam(self, roles: Sequence[str] = ("user",)) -> list[Talk]:
        """Its chats; none without their data."""
        return self._talks(BEAM, lambda data: beam(data, roles, self.limit))

    def has_vectors(self, talks: Sequence[Talk]) -> bool:
        """Whether there are any talks, and all that a store embeds of them can be embedded."""
        return bool(talks) and self.vectors.has(each.in_context for t in talks for each in t.turns)

    def _talks(self, name: str, read: Callable[[Path], list[Talk]]) -> list[Talk]:
        if self.data is None or not (self.data / name).is_dir():
            return []
        return read(self.data)


@dataclass(frozen=True, slots=True)
class Filled:
    """Stores that were told a talk each, and remember it."""

    held: tuple[tuple[Talk, Store, FrozenClock], ...]

    def answers(self, scoring: Scoring | None = None, ask: Ask | None = None) -> list[Answered]:
        """What each question is answered with, a second after the last turn.

        Args:
            scoring: The default unless given.
            ask: Instead of a plain search.
        """
        found = []
        for talk, store, _ in self.held:
            for asked in talk.questions:
                ids = searched(store, asked, scoring) if ask is None else ask(store, talk, asked)
                found.append(Answered(talk.name, asked, tuple(ids)[:K]))
        return found


def searched(store: Store, asked: Asked, scoring: Scoring | None = None) -> list[str]:
    """The ids of a plain search, of whose scores the parts have to add up."""
    hits = store.search(asked.text, K, scoring=scoring)
    for hit in hits:
        if abs(sum(hit.score.parts.values()) - hit.score) > 1e-9:
            raise AssertionError(f"the parts of {hit.memory.id} do not add up: {hit.score.parts}")
    return [hit.memory.id for hit in hits]


@contextmanager
def filled(
    talks: Sequence[Talk], folder: Path, vectors: Vectors | None, *, is_alone: bool = False
) -> Iterator[Filled]:
    """A store for each talk, with default settings, open until the block ends.

    Args:
        talks: What they are told.
        folder: Where they are.
        vectors: Their embedder; None for none.
        is_alone: Whether the caller gives each turn the vector of its text and nothing else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        held = []
        for talk in talks:
            path = folder / f"{talk.name}.feather"
            path.unlink(missing_ok=True)
            clock = FrozenClock(talk.last)
            store = stack.enter_context(Store.open(path, embedder=vectors, clock=clock))
            records: list[dict[str, Any]] = [turn.record() for turn in talk.turns]
            if is_alone and vectors is not None:
                made = vectors([turn.text for turn in talk.turns])
                for record, vector in zip(records, made, strict=True):
                    record["vector"] = vector
            store.add_many(records)
            held.append((talk, store, clock))
        yield Filled(tuple(held))
        for talk, store, _ in held:
            if findings := store.check():
                raise AssertionError(f"the store of {talk.name} is damaged: {findings}")
