"""Vectors that grow under their readers, and the index that looks at all of them."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from feather_memory.errors import DimensionError
from feather_memory.index.matrix import Matrix, unit
from feather_memory.testing.indexes import IndexContract

finite32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def random_rows(count, dim, seed=0):
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def cosine(a, b):
    """The oracle: Python's own numbers, scaled so that nothing overflows."""
    largest_a, largest_b = max(map(abs, a), default=0), max(map(abs, b), default=0)
    if not largest_a or not largest_b:
        return 0.0
    a, b = [x / largest_a for x in a], [x / largest_b for x in b]
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5


class Exact:
    """The index that looks at everything: what the contract says, and nothing else."""

    def __init__(self, dim):
        self.dim, self.rows = dim, {}

    def __len__(self):
        return len(self.rows)

    def add(self, positions, rows):
        self.rows = {**self.rows, **dict(zip(positions.tolist(), unit(rows), strict=True))}

    def search(self, query, m):
        held = dict(self.rows)
        cosines = {at: np.float32(row @ unit(query)) for at, row in held.items()}
        best = sorted(cosines, key=lambda at: (-cosines[at], at))[:m]
        return np.array(best, np.intp), np.array([cosines[at] for at in best], np.float32)


class TestExact(IndexContract):
    """The contract can be kept."""

    def make_index(self, dim):
        return Exact(dim)


@given(arrays(np.float32, (5, 3), elements=finite32), arrays(np.float32, 3, elements=finite32))
def test_similarities_are_cosines_whatever_the_magnitude(rows, query):
    matrix = Matrix(3)
    matrix.append(rows)
    expected = [cosine(row.tolist(), query.tolist()) for row in rows]
    positions = np.arange(5)
    assert np.allclose(matrix.products(unit(query), 5), expected, atol=1e-6)
    assert np.allclose(matrix.products_at(unit(query), positions), expected, atol=1e-6)
    exact = matrix.exact_at(query.astype(np.float64), positions)
    assert np.allclose(exact, expected, atol=3e-7)  # the rows themselves are float32
    assert (np.abs(exact) <= 1.0).all()


@pytest.mark.parametrize("size", [1e-320, 1e-45, 1e-30, 1.0, 1e30, 3e38, 1e300])
def test_unit_rows_have_length_one_whatever_their_size(size):
    dtype = np.float32 if 1e-40 < size < 1e38 else np.float64
    rows = np.array([[size, 0, size], [size, size, size], [0, 0, 0]], dtype)
    before = rows.copy()
    result = unit(rows)
    assert result.dtype == np.float32
    assert np.allclose(np.linalg.norm(result.astype(np.float64), axis=1), [1, 1, 0], atol=1e-7)
    assert np.array_equal(rows, before)
    assert unit(rows[0]).shape == (3,)


def test_subnormal_float32_rows_have_length_one():
    assert np.allclose(
        unit(np.array([[1e-45, 0], [1e-40, -1e-40]], np.float32))[:, 0], [1, 0.5**0.5]
    )


def test_rows_are_copied_and_a_list_will_do():
    rows = random_rows(3, 4)
    matrix = Matrix(4)
    matrix.append(rows)
    rows[:] = 0
    matrix.append([3.0, 0, 0, 4.0])
    assert len(matrix) == 4
    assert np.allclose(np.linalg.norm(matrix.take(np.arange(4)), axis=1), 1)


def test_a_row_of_another_length_is_refused_and_nothing_added():
    matrix = Matrix(4)
    with pytest.raises(DimensionError, match=r"4 numbers, got one of 5"):
        matrix.append(random_rows(2, 5))
    with pytest.raises(DimensionError):
        Matrix(4, base=random_rows(2, 5))
    assert len(matrix) == 0


@pytest.mark.parametrize("base_rows", [0, 1, 100, 300])
def test_base_and_tail_answer_as_one(base_rows):
    rows = unit(random_rows(300, 40))
    base = rows[:base_rows].copy()
    base.flags.writeable = False
    matrix = Matrix(40, base=base)
    for start in range(base_rows, 300, 7):
        matrix.append(rows[start : start + 7])
    query = unit(random_rows(1, 40, seed=1)[0])
    right = rows.astype(np.float64) @ query.astype(np.float64)
    positions = np.random.default_rng(2).integers(0, 300, 1000)
    assert len(matrix) == 300
    for n in (0, 1, 99, 100, 101, 300):
        assert np.allclose(matrix.products(query, n), right[:n], atol=1e-6)
        assert np.allclose(np.concatenate(matrix.blocks(n)), rows[:n], atol=1e-7)
    out = np.empty(300, np.float32)
    assert matrix.products(query, 300, out=out) is out
    assert np.allclose(matrix.products_at(query, positions), right[positions], atol=1e-6)
    assert np.allclose(matrix.exact_at(query, positions), right[positions], atol=1e-6)
    assert np.allclose(matrix.take(positions), rows[positions], atol=1e-7)


def test_equal_rows_have_equal_exact_similarities_wherever_they_stand():
    matrix = Matrix(384)
    matrix.append(random_rows(50, 384))
    matrix.append(np.repeat(random_rows(1, 384, seed=3), 700, axis=0))
    values = matrix.exact_at(random_rows(1, 384, seed=4)[0], np.arange(750))
    assert len(set(values[50:].tolist())) == 1
    assert values[60] == matrix.exact_at(random_rows(1, 384, seed=4)[0], np.array([60]))[0]


def test_no_positions_and_no_dimension_are_answered():
    assert Matrix(3).products(np.zeros(3, np.float32), 0).shape == (0,)
    assert Matrix(3).exact_at(np.zeros(3), np.empty(0, np.intp)).shape == (0,)
    without_vectors = Matrix(0)
    without_vectors.append(np.empty((4, 0), np.float32))
    assert without_vectors.products(np.empty(0, np.float32), 4).tolist() == [0.0] * 4


def test_readers_see_the_rows_they_counted_while_a_writer_appends():
    dim, total = 16, 5_000
    rows = unit(random_rows(total, dim))
    query = rows[0]
    right = rows.astype(np.float64) @ query.astype(np.float64)
    matrix = Matrix(dim, base=rows[:5].copy())
    failures: list[str] = []
    done = threading.Event()

    def read():
        while not done.is_set():
            n = len(matrix)
            last = np.arange(max(0, n - 50), n)
            if not np.allclose(matrix.products(query, n), right[:n], atol=1e-5):
                failures.append(f"scan of {n}")
            if not np.allclose(matrix.products_at(query, last), right[last], atol=1e-5):
                failures.append(f"gather before {n}")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for start in range(5, total, 37):
        matrix.append(rows[start : start + 37])
    done.set()
    for reader in readers:
        reader.join()
    assert not failures, failures[0]
    assert len(matrix) == total


@pytest.fixture
def three_cores(monkeypatch):
    monkeypatch.setattr("feather_memory.config.SCAN_FLOATS", 40)
    monkeypatch.setattr("feather_memory.index.matrix._cores", lambda: 3)


@pytest.mark.parametrize("count", [1, 29, 30, 31, 90, 100, 1_000])
def test_a_scan_that_cores_share_gives_what_one_gives(three_cores, count):
    rows, query = unit(random_rows(count, 4)), unit(random_rows(1, 4, seed=1)[0])
    matrix = Matrix(4, base=rows[: count // 2])
    matrix.append(rows[count // 2 :])

    shared = matrix.products(query, count)

    assert np.array_equal(shared, np.vecdot(matrix.take(np.arange(count)), query))


def test_a_scan_is_whole_when_no_thread_can_be_started_any_more(three_cores, monkeypatch):
    started = []

    class OnlyOne(threading.Thread):
        def start(self):
            if started:
                raise RuntimeError("can't create new thread at interpreter shutdown")
            started.append(self)
            super().start()

    monkeypatch.setattr("feather_memory.index.matrix.threading.Thread", OnlyOne)
    rows, query = unit(random_rows(1_000, 4)), unit(random_rows(1, 4, seed=1)[0])

    shared = Matrix(4, base=rows).products(query, 1_000)

    assert len(started) == 1
    assert np.array_equal(shared, np.vecdot(rows, query))
