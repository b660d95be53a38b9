"""Unlike each other: as a plain loop over all pairs chooses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feather_memory import Memory, ParameterError
from feather_memory.agent import diverse, diverse_by_direction, vectors_of

# Whole numbers of few digits: ties are real, and rounding decides nothing.
vectors = st.lists(st.integers(-2, 2), min_size=3, max_size=3)
crowds = st.lists(vectors, max_size=7)
shares = st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0])


def cosine(one, other):
    lengths = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / lengths if lengths else 0.0


def objective(query, crowd, taken, at, share):
    worst = max((cosine(crowd[at], crowd[t]) for t in taken), default=0.0)
    return share * cosine(query, crowd[at]) - (1 - share) * worst


def as_rows(crowd):
    return np.array(crowd, np.float64).reshape(len(crowd), 3)


@given(query=vectors, crowd=crowds, k=st.integers(0, 9), share=shares)
def test_each_step_takes_the_best_there_is_of_what_is_left(query, crowd, k, share):
    taken = diverse(np.array(query, np.float64), as_rows(crowd), k, relevance_share=share)

    assert len(taken) == len(set(taken)) == min(k, len(crowd))
    for step, chosen in enumerate(taken):
        before = taken[:step]
        left = [at for at in range(len(crowd)) if at not in before]
        values = {at: objective(query, crowd, before, at, share) for at in left}
        assert values[chosen] == pytest.approx(max(values.values()), abs=1e-12)


def test_of_equals_the_first_wins():
    crowd = as_rows([[0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1]])

    assert diverse(np.array([1.0, 0, 0]), crowd, 4, relevance_share=1.0) == [1, 2, 0, 3]
    assert diverse(np.array([1.0, 0, 0]), crowd, 4, relevance_share=0.0) == [0, 1, 3, 2]


def test_a_row_of_zeros_is_unlike_everything():
    crowd = as_rows([[1, 0, 0], [1, 0, 0], [0, 0, 0]])

    assert diverse(np.array([1.0, 0, 0]), crowd, 3, relevance_share=0.4) == [0, 2, 1]


@given(query=vectors, crowd=crowds, k=st.integers(0, 9), share=shares)
def test_by_direction_what_has_none_comes_last_in_its_order(query, crowd, k, share):
    rows = as_rows(crowd)

    taken = diverse_by_direction(np.array(query, np.float64), rows, k, relevance_share=share)

    placed = [at for at, row in enumerate(crowd) if any(row)]
    order = diverse(np.array(query, np.float64), rows[placed], k, relevance_share=share)
    others = [at for at, row in enumerate(crowd) if not any(row)]
    assert taken == [*(placed[at] for at in order), *others][:k]


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_its_range_is_refused(share):
    for choose in (diverse, diverse_by_direction):
        with pytest.raises(ParameterError, match="relevance_share"):
            choose(np.ones(3), as_rows([[1, 0, 0]]), 1, relevance_share=share)


def test_memories_without_a_vector_have_zeros():
    given_ = np.array([3.0, 4.0], np.float32)
    rows = vectors_of([Memory(id="a", text="a", vector=given_), Memory(id="b", text="b")], 2)

    assert rows.tolist() == [[3.0, 4.0], [0.0, 0.0]]
    assert vectors_of([], 2).shape == (0, 2)
