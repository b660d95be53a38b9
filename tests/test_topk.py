"""Whoever is among the k best is a contender, and whoever is not is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from feather_memory.index.matrix import slack_for
from feather_memory.search.ranking import contenders

few_values = st.sampled_from([-np.inf, -1.0, 0.0, 0.25, 0.5, 0.75, 1.0])  # many ties
any_value = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.just(-np.inf)
score_arrays = st.one_of(
    arrays(np.float32, st.integers(0, 700), elements=few_values),
    arrays(np.float32, st.integers(0, 300), elements=any_value),
)


def sorted_oracle(scores, k, slack):
    eligible = sorted((float(s) for s in scores if s > -np.inf), reverse=True)
    if k <= 0 or not eligible:
        return []
    floor = eligible[min(k, len(eligible)) - 1] - slack if len(eligible) >= k else -np.inf
    return [i for i, s in enumerate(scores) if s > -np.inf and float(s) >= floor]


@given(score_arrays, st.integers(0, 40), st.sampled_from([0.0, 1e-6, 0.25, 0.3, 10.0, np.inf]))
def test_contenders_are_what_sorting_everything_gives(scores, k, slack):
    before = scores.copy()
    assert contenders(scores, k, slack).tolist() == sorted_oracle(scores, k, slack)
    assert np.array_equal(scores, before)


@pytest.mark.parametrize("n", [63, 64, 65, 1000, 4097, 100_003])
@pytest.mark.parametrize("k", [1, 10, 200, 5000])
def test_every_size_of_group_gives_the_same_answer(n, k):
    scores = np.random.default_rng(n + k).random(n).astype(np.float32)
    scores[:: 1 + n % 7] = -np.inf
    scores[-1] = 2.0  # the best stands in the remainder that no group covers
    assert contenders(scores, k, 1e-3).tolist() == sorted_oracle(scores, k, 1e-3)


def test_ineligible_positions_are_never_returned():
    scores = np.full(10_000, -np.inf, np.float32)
    assert contenders(scores, 10, 1.0).size == 0
    scores[[7, 7000]] = [0.5, -3.0]
    assert contenders(scores, 10, 1.0).tolist() == [7, 7000]


@given(st.integers(1, 600), st.integers(0, 2**32 - 1))
def test_the_slack_covers_float32_rounding(dim, seed):
    random = np.random.default_rng(seed)
    exact = random.normal(size=(64, dim)) + random.normal(size=dim)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    rounded = exact.astype(np.float32)
    near = np.vecdot(rounded, rounded[0])
    backwards = np.zeros(64, np.float32)
    for column in range(dim - 1, -1, -1):  # the worst order: one term after the other
        backwards += rounded[:, column] * rounded[0, column]
    right = exact @ exact[0]
    for computed in (near, backwards):
        assert 2 * np.abs(computed - right).max() <= slack_for(dim)
        best = set(np.argsort(-right, kind="stable")[:10].tolist())
        assert best <= set(contenders(computed, 10, slack_for(dim)).tolist())


def test_the_slack_grows_with_the_dimension_and_stays_small():
    slacks = [slack_for(dim) for dim in (1, 384, 768, 1536, 65_536)]
    assert slacks == sorted(slacks)
    assert slack_for(384) > 384 * 2.0**-24 + 2e-6
    assert slack_for(1536) < 2e-4
