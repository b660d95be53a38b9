"""Who is measured: a few verbs over one store, the same for everybody."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmarks.speed.corpus import Record

K = 10
OURS = "feather-memory"
SCAN = "scan"
APPROXIMATE = "approximate: its index may miss some of the nearest"
BARE = "an index and nothing else: no texts, words or ages, no durable write"
BESIDE = "beside"  # another call of ours, that a bar compares with


class Contender(ABC):
    """One store of one engine. Who answers, answers with ids, best first.

    Optional verbs::

        search(vector)              the K best by vector
        add(record)                 durable when it returns
        words(text)                 the K best by words
        hybrid(text, vector)        the K best by words and vector
        filtered(vector, percent)   the K best of those whose share is below
        ask(text)                   the K best, through a framework that embeds
        forget(number)              removed for good, durably
        link(pairs)                 edges, for the chain
        chain(vector)               what hangs together with the 5 best, two steps far
        top(vector)                 the 5 best alone
        known_at(text, vector, t)   as `hybrid`, of what was known at a moment
        why_not(text, vector, n)    why a memory is not among the K best
    """

    name: ClassVar[str]
    package: ClassVar[str]  # as pip has it
    module: ClassVar[str] = ""  # as Python imports it
    about: ClassVar[str] = ""  # for the page: what it is, where its figures need that
    is_approximate: ClassVar[bool] = False  # its index may miss some of the nearest
    because: ClassVar[str] = ""  # why else it may be faster than we are, in any row
    durable: ClassVar[bool] = True  # what it holds can be opened again
    shared: ClassVar[bool] = False  # several processes may read and write it at once
    most: ClassVar[int] = 100_000  # memories of 384 numbers; larger stores are not measured
    quick_most: ClassVar[int] = 20_000  # the same in a quick run

    @abstractmethod
    def __init__(self, path: Path, dim: int) -> None:
        """Opens what is at the path, or makes it. It may be a file or a folder."""

    @abstractmethod
    def add_many(self, records: Sequence[Record]) -> None:
        """Remembers all of them."""

    def answer(self, text: str, vector: np.ndarray) -> list[str]:
        """The K best, by the fewest means that it can be asked with."""
        del text
        found: list[str] = self.search(vector)  # type: ignore[attr-defined]
        return found

    def close(self) -> None:  # noqa: B027  who holds no file has nothing to do
        """Lets go of its files."""

    @classmethod
    def has(cls, verb: str) -> bool:
        return callable(getattr(cls, verb, None))


def numbered(numbers: Sequence[int]) -> list[str]:
    """The ids of memories that an engine knows by their numbers."""
    return [f"m{number}" for number in numbers]
