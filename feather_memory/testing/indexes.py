"""What every index promises, as tests to subclass.

class TestMyIndex(IndexContract):
    def make_index(self, dim):
        return MyIndex(dim)
"""
# ruff: noqa: S101 -- these are tests, which run under pytest

from __future__ import annotations

import threading
from pathlib import Path
from typing import Protocol

import numpy as np

from feather_memory.index.matrix import unit
from feather_memory.types import Positions, Vector

_DIM = 8


class CandidateIndex(Protocol):
    """What proposes near vectors: exactly, or approximately and sooner."""

    def add(self, positions: Positions, rows: Vector) -> None:
        """Hold `rows[i]` under `positions[i]`; a position held already gets the new row."""

    def search(self, query: Vector, m: int) -> tuple[Positions, Vector]:
        """Up to m positions and their cosines with the query, best first."""

    def save(self, path: Path, *, store_id: str, generation: int) -> None:
        """Write what is worth keeping, atomically."""

    def __len__(self) -> int:
        """How many positions can be proposed."""


class IndexContract:
    """Tests of a CandidateIndex. An approximate one may find less, but nothing that is not so."""

    def make_index(self, dim: int) -> CandidateIndex:
        """A new, empty index of vectors of `dim` numbers."""
        raise NotImplementedError

    def test_an_empty_index_answers_with_nothing(self) -> None:
        """Nothing is proposed, and nothing is raised."""
        index = self.make_index(_DIM)
        positions, similarities = index.search(_rows(1)[0], 10)
        assert len(index) == len(positions) == len(similarities) == 0

    def test_a_held_vector_finds_itself_first(self) -> None:
        """Best first, with its cosine, under the position it was given."""
        index, rows = self.make_index(_DIM), _rows(50)
        index.add(_positions(50) * 3, rows)
        for number in range(50):
            positions, similarities = index.search(rows[number], 5)
            assert positions[0] == number * 3
            assert abs(similarities[0] - 1.0) < 1e-5
            assert len(set(positions.tolist())) == len(positions) == 5
            assert (np.diff(similarities) <= 0).all()

    def test_similarities_are_cosines_with_the_rows(self) -> None:
        """Each is the cosine, to float32 precision, and in float32."""
        index, rows = self.make_index(_DIM), _rows(40)
        index.add(_positions(40), rows)
        query = _rows(1, seed=1)[0]
        positions, similarities = index.search(query, 40)
        expected = rows[positions].astype(np.float64) @ query.astype(np.float64)
        assert similarities.dtype == np.float32
        assert np.allclose(similarities, expected, atol=1e-5)

    def test_asking_for_more_than_there_is_gives_what_there_is(self) -> None:
        """Neither a short store nor m = 0 raises."""
        index = self.make_index(_DIM)
        index.add(_positions(3), _rows(3))
        query = _rows(1, seed=1)[0]
        assert sorted(index.search(query, 1000)[0].tolist()) == [0, 1, 2]
        assert len(index.search(query, 0)[0]) == 0

    def test_adding_a_position_again_replaces_its_row(self) -> None:
        """One row a position, the last one given."""
        index, rows = self.make_index(_DIM), _rows(20)
        index.add(_positions(10), rows[:10])
        index.add(np.array([3, 4]), rows[10:12])
        assert len(index) == 10
        for position, row in ((3, 10), (4, 11)):
            positions, similarities = index.search(rows[row], 3)
            assert positions[0] == position
            assert abs(similarities[0] - 1.0) < 1e-5

    def test_vectors_of_any_length_are_measured_by_angle(self) -> None:
        """The index divides by lengths itself; zeros have no angle, and cosine 0."""
        index, rows = self.make_index(_DIM), _rows(6)
        index.add(_positions(5), rows[:5] * np.float32(1e20))
        index.add(np.array([5]), np.zeros((1, _DIM), np.float32))
        positions, similarities = index.search(rows[2] * np.float32(1e-20), 6)
        assert positions[0] == 2
        assert abs(similarities[0] - 1.0) < 1e-5
        assert similarities[positions.tolist().index(5)] == 0.0

    def test_equal_vectors_are_all_held(self) -> None:
        """Duplicates neither raise nor hide one another entirely."""
        index = self.make_index(_DIM)
        index.add(_positions(300), np.repeat(_rows(1), 300, axis=0))
        positions, similarities = index.search(_rows(1)[0], 200)
        assert len(index) == 300
        assert 1 <= len(set(positions.tolist())) == len(positions) <= 200
        assert np.allclose(similarities, 1.0, atol=1e-5)

    def test_searches_while_another_thread_adds_see_only_what_was_added(self) -> None:
        """The index grows several times under its readers."""
        index, rows = self.make_index(_DIM), _rows(3000)
        index.add(_positions(10), rows[:10])
        failures: list[str] = []
        done = threading.Event()

        def ask() -> None:
            while not done.is_set():
                positions, similarities = index.search(rows[3], 20)
                if positions[0] != 3 or abs(similarities[0] - 1.0) > 1e-5:
                    failures.append(f"expected 3 first, got {positions}")

        readers = [threading.Thread(target=ask) for _ in range(3)]
        for reader in readers:
            reader.start()
        try:
            for start in range(10, 3000, 130):
                stop = min(3000, start + 130)
                index.add(np.arange(start, stop), rows[start:stop])
        finally:
            done.set()
            for reader in readers:
                reader.join()
        assert not failures, failures[0]
        assert len(index) == 3000


def _positions(count: int) -> Positions:
    return np.arange(count, dtype=np.intp)


def _rows(count: int, seed: int = 0) -> Vector:
    return unit(np.random.default_rng(seed).normal(size=(count, _DIM)))
