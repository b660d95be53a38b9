"""The formula, its fast version and its upper bound, against plain Python arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feather_memory.config import DAY
from feather_memory.errors import ParameterError
from feather_memory.model.formula import (
    PLAIN,
    Scale,
    Standing,
    ceiling,
    drift,
    low_of,
    rank_scores,
    relevance,
    retention,
    score,
    stretch,
)
from feather_memory.model.scoring import Score, Scoring

shares = st.floats(0, 1)
counts = st.integers(0, 10**9)
ages = st.floats(0, 100 * 365 * DAY)
scorings = st.builds(
    Scoring,
    time_weight=shares,
    importance_weight=shares,
    half_life=st.floats(60, 10_000 * DAY),
    dense_weight=shares,
)
memories = st.lists(st.tuples(shares, shares, ages, counts, shares), min_size=1, max_size=40)


def columns(rows, dtype):
    return [np.array(column, dtype) for column in zip(*rows, strict=True)]


def slow_score(row, scoring, d):
    """The formula of DESIGN.md, one memory at a time."""
    s, l, age, recalls, importance = row  # noqa: E741 - the letters of the formula
    w, g = scoring.time_weight, scoring.importance_weight
    rho = 2 ** (-age / (scoring.half_life * (1 + math.log(1 + recalls))))
    return ((1 - w) * (d * s + (1 - d) * l) + w * rho) * ((1 - g) + g * importance)


@given(rows=memories, scoring=scorings, d=shares)
def test_scores_are_the_formula(rows, scoring, d):
    s, l, age, recalls, importance = columns(rows, np.float64)  # noqa: E741
    recency = retention(age, recalls, half_life=scoring.half_life)

    values = score(s, l, recency, importance, scoring, dense_weight=d)

    assert values.dtype == np.float64
    assert values == pytest.approx([slow_score(row, scoring, d) for row in rows], abs=1e-12)
    assert np.all((values >= 0) & (values <= 1))


@given(rows=memories, scoring=scorings, d=shares)
def test_single_precision_ranking_is_the_formula_to_six_digits(rows, scoring, d):
    s, l, age, recalls, importance = columns(rows, np.float32)  # noqa: E741

    values = rank_scores(s, l, Standing.of(age, stretch(recalls), importance, scoring), d)

    assert values.dtype == np.float32
    assert values == pytest.approx([slow_score(row, scoring, d) for row in rows], abs=1e-6)


@given(rows=memories, scoring=scorings, d=shares, bound=shares)
def test_no_memory_exceeds_its_ceiling(rows, scoring, d, bound):
    """Neither in single nor in double precision: else a bound would certify a wrong top k."""
    rows = [(min(s, bound), *rest) for s, *rest in rows]
    s, l, age, recalls, importance = columns(rows, np.float32)  # noqa: E741
    standing = Standing.of(age, stretch(recalls), importance, scoring)

    highest = ceiling(bound, l, standing, d)

    assert np.all(rank_scores(s, l, standing, d) <= highest)
    assert all(slow_score(row, scoring, d) <= top for row, top in zip(rows, highest, strict=True))


@given(
    rows=memories,
    scoring=scorings,
    d=shares,
    later=st.floats(0, 3_600),
    already=st.floats(0, 3_600),
)
def test_what_was_taken_a_little_earlier_is_too_high_by_no_more_than_its_drift(
    rows, scoring, d, later, already
):
    """So that one search's arrays serve the next ones, and none of the best is passed over."""
    s, l, age, recalls, importance = columns(rows, np.float64)  # noqa: E741
    of = [stretch(recalls).astype(np.float32), importance.astype(np.float32), scoring]
    parts = s.astype(np.float32), l.astype(np.float32)
    earlier = rank_scores(*parts, Standing.of((age + already).astype(np.float32), *of), d)

    now = rank_scores(*parts, Standing.of((age + already + later).astype(np.float32), *of), d)

    assert np.all(now <= earlier + 1e-6)
    assert np.all(earlier - now <= drift(later, scoring) + 1e-6)


@given(rows=memories, scoring=scorings, d=shares)
def test_a_ceiling_is_no_higher_than_it_must_be(rows, scoring, d):
    """The memory that has the bound as its similarity reaches it."""
    bound = rows[0][0]
    _, l, age, recalls, importance = columns(rows, np.float32)  # noqa: E741

    highest = ceiling(bound, l, Standing.of(age, stretch(recalls), importance, scoring), d)

    assert highest[0] == pytest.approx(slow_score(rows[0], scoring, d), abs=2e-6)


@given(
    row=st.tuples(shares, shares, ages, counts, shares),
    more=st.tuples(shares, shares, ages, counts, shares),
    scoring=scorings,
    d=shares,
)
def test_a_score_never_falls_when_a_part_grows(row, more, scoring, d):
    """More similar, more lexical, younger, more recalled, more important: never worse."""
    s, l, age, recalls, importance = (  # noqa: E741
        np.array(pair, np.float64) for pair in zip(row, more, strict=True)
    )
    pairs = [np.sort(s), np.sort(l), np.sort(age)[::-1], np.sort(recalls), np.sort(importance)]
    recency = retention(pairs[2], pairs[3], half_life=scoring.half_life)

    low, high = score(pairs[0], pairs[1], recency, pairs[4], scoring, dense_weight=d)

    assert low <= high + 1e-15


def test_the_parts_of_a_score_recompute_it():
    scoring = Scoring(time_weight=0.3, importance_weight=0.5)
    one = [np.array([x]) for x in (0.7, 0.2, 0.4, 0.9)]

    (value,) = score(*one, scoring, dense_weight=0.6)

    shown = Score(
        value=value,
        similarity=0.7,
        lexical=0.2,
        recency=0.4,
        importance=0.9,
        dense_weight=0.6,
        time_weight=0.3,
        importance_weight=0.5,
    ).weighed(0.8)
    assert shown.value == 0.8 * value
    assert sum(shown.parts.values()) == pytest.approx(0.8 * value, abs=1e-15)


def test_a_part_the_query_lacks_counts_as_nothing():
    half, ones = np.full(3, 0.5, np.float32), np.ones(3, np.float32)
    still = Standing.of(ones, ones, ones, Scoring(time_weight=0, importance_weight=0))

    assert rank_scores(half, None, still, 1.0) == pytest.approx([0.5] * 3)
    assert rank_scores(None, half, still, 0.0) == pytest.approx([0.5] * 3)
    assert relevance(None, None, 0.5) == 0


def test_ranking_writes_into_the_buffer_and_not_into_the_columns():
    rng = np.random.default_rng(0)
    parts = [rng.random(100, dtype=np.float32) for _ in range(5)]
    standing = Standing.of(*parts[2:], Scoring())
    parts += [standing.factor, standing.rest]
    before = [part.copy() for part in parts]
    buffer = np.empty(100, np.float32)

    returned = rank_scores(*parts[:2], standing, 0.5, out=buffer)

    assert returned is buffer
    assert all(np.array_equal(a, b) for a, b in zip(parts, before, strict=True))
    in_place = rank_scores(*parts[:2], standing, 0.5, out=parts[0])
    assert np.array_equal(in_place, buffer)
    assert all(np.array_equal(a, b) for a, b in zip(parts[1:], before[1:], strict=True))


@given(age=st.lists(ages, min_size=1), half_life=st.floats(1, 1e8))
def test_retention_never_increases_with_age(age, half_life):
    """An older memory is never stronger than a younger one, all else equal."""
    age = np.sort(np.array(age))

    kept = retention(age, np.zeros_like(age), half_life=half_life)

    assert np.all(np.diff(kept) <= 0)
    assert np.all((kept >= 0) & (kept <= 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_retention_keeps_the_precision_it_is_given_and_its_arguments(dtype):
    age, recalls = np.array([0, 30 * DAY], dtype), np.zeros(2, dtype)

    kept = retention(age, recalls, half_life=30 * DAY)

    assert kept.dtype == dtype
    assert kept.tolist() == [1.0, 0.5]
    assert age.tolist() == [0, 30 * DAY]


@pytest.mark.parametrize("half_life", [0, -1, math.nan, math.inf, True, "30", None])
def test_a_half_life_that_is_none_is_refused(half_life):
    with pytest.raises(ParameterError, match=f"half_life must be .* got {half_life!r}"):
        Scoring(half_life=half_life)


@pytest.mark.parametrize("name", ["time_weight", "importance_weight", "dense_weight"])
@pytest.mark.parametrize("value", [7, -0.1, 1.0000001, math.nan, math.inf, True, "0.5", None])
def test_a_weight_outside_its_range_is_refused_with_its_name_and_value(name, value):
    with pytest.raises(ParameterError, match=rf"{name} must be .* got {value!r}"):
        Scoring(**{name: value})
    with pytest.raises(ParameterError, match=name):
        Scoring().replace(**{name: value})


@pytest.mark.parametrize("half_life", [1e-6, 1e30])
def test_the_extreme_half_lives_give_numbers(half_life):
    ends, ones = np.array([0, 1e-6, 3e11], np.float32), np.ones(3, np.float32)
    scoring = Scoring(half_life=half_life)

    standing = Standing.of(ends, ones, ones, scoring)

    assert np.isfinite(rank_scores(ones, None, standing, 1.0)).all()
    assert np.isfinite(retention(ends, ones, half_life=half_life)).all()


def test_the_published_formula_is_one_call_away():
    published = Scoring.feather()

    assert published == Scoring(
        time_weight=0.3,
        importance_weight=1,
        half_life=30 * DAY,
        dense_weight=1,
        structure=False,
        scaled=False,
    )
    assert Scoring().replace(dense_weight=np.float32(1)).dense_weight == 1.0
    with pytest.raises(TypeError):
        Scoring().replace(weight=1)


def test_a_cosine_below_zero_is_no_similarity():
    cosine = np.array([-1, -0.1, 0.5, 1.0000001], np.float32)

    assert PLAIN.similarity_of(cosine).tolist() == [0, 0, 0.5, 1]
    assert cosine[0] == -1
    assert PLAIN.similarity_of(cosine, out=cosine) is cosine


@given(
    cosine=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30),
    low=st.floats(-1, 0.99),
    best=st.floats(-1, 1),
)
def test_a_scaled_cosine_lies_between_what_is_usual_and_the_best(cosine, low, best):
    scale, values = Scale(low=low, best=best), np.array(cosine, np.float64)

    similar = scale.similarity_of(values)

    width = max(best - low, 0.1)
    expected = [min(1, max(0, 1 - (best - c) / width)) if c else 0 for c in cosine]
    assert similar == pytest.approx(expected, abs=1e-12)
    single = scale.similarity_of(values.astype(np.float32))
    assert single == pytest.approx(similar, abs=4e-6)  # ten times a cosine's own rounding


def test_a_scale_is_told_by_most_of_the_store_and_not_by_one_of_it():
    rng = np.random.default_rng(0)
    usual = rng.normal(0.75, 0.02, 1_000).astype(
        np.float32
    )  # as a model of narrow cosines has them

    low = low_of(usual)

    assert low == pytest.approx(0.70, abs=0.011)
    outlier = np.append(usual, np.float32(-0.9))
    assert low_of(outlier) >= low - 0.12
    assert low_of(np.append(usual, np.zeros(500, np.float32))) == low  # those without a vector
    assert low_of(np.empty(0, np.float32)) == 0


def test_merged_stores_are_read_by_one_scale():
    joined = Scale(low=0.1, best=0.6, words=3).joined(Scale(low=0.0, best=0.9, words=2))

    assert joined == Scale(low=0.0, best=0.9, words=3)


def test_by_default_age_and_importance_cannot_bury_a_relevant_memory():
    """Ten years old, never recalled, worth nothing: still before a fresh, vital near-miss."""
    relevance_of = np.array([0.9, 0.6])
    recency = retention(np.array([3650 * DAY, 0]), np.zeros(2), half_life=30 * DAY)
    importance = np.array([0.0, 1.0])

    ours = score(relevance_of, None, recency, importance, Scoring(), dense_weight=1)
    published = score(relevance_of, None, recency, importance, Scoring.feather(), dense_weight=1)

    assert ours[0] > 0.94 * ours[1]
    assert published[0] == 0
