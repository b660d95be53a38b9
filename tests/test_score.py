"""A score is the number it says, and keeps what it was made of wherever it goes."""

from __future__ import annotations

import copy
import json
import pickle
import statistics
from dataclasses import FrozenInstanceError, asdict
from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from feather_memory import ParameterError, Score, Scoring

numbers = st.floats(0, 1)
scores = st.builds(
    Score,
    value=st.floats(0, 2),
    similarity=numbers,
    lexical=numbers,
    recency=numbers,
    importance=numbers,
    time_weight=numbers,
    layer_weight=numbers,
    inherited=st.none() | numbers,
)


def test_the_score_of_a_hit_is_a_number(store):
    store.add_many({"text": text} for text in ("green tea", "tea", "coffee and green tea"))

    hits = store.search("green tea")

    assert hits[0].score > 0.5
    assert max(hits, key=lambda hit: hit.score) is hits[0]
    assert sorted((hit.score for hit in hits), reverse=True) == [hit.score for hit in hits]
    assert json.loads(json.dumps(hits[0].score)) == hits[0].score.value
    assert np.array([hit.score for hit in hits]).dtype == np.float64
    assert sum(hits[0].score.parts.values()) == pytest.approx(hits[0].score)
    assert f"{hits[0].score:.3f}" == f"{hits[0].score.value:.3f}"


@given(scores, scores, st.floats(0.1, 2))
def test_a_score_does_whatever_its_value_does(one, other, number):
    a, b = one.value, other.value

    assert (one == other, one < other, one >= other) == (a == b, a < b, a >= b)
    assert (one == a, hash(one) == hash(a), bool(one)) == (True, True, bool(a))
    assert (one + number, number * one, -one, one / number) == (
        a + number,
        number * a,
        -a,
        a / number,
    )
    assert (round(one, 3), str(one), json.dumps({"s": one})) == (
        round(a, 3), repr(a), json.dumps({"s": a}),
    )  # fmt: skip
    assert {type(one + other), type(round(one, 1)), type(-one)} == {float}
    assert np.mean([one, other]) == np.mean([a, b])


@given(scores, st.sampled_from(range(pickle.HIGHEST_PROTOCOL + 1)))
def test_a_copied_score_has_its_parts(score, protocol):
    json_of = TypeAdapter(Score)
    copies = [
        copy.copy(score),
        copy.deepcopy(score),
        pickle.loads(pickle.dumps(score, protocol)),
        json_of.validate_json(json_of.dump_json(score)),
        json_of.validate_python(json_of.dump_python(score)),
        json_of.validate_python(score),
    ]

    for each in copies:
        assert type(each) is Score
        assert (float(each), asdict(each)) == (float(score), asdict(score))
        assert each.parts == score.parts


def test_what_makes_numbers_of_a_score_takes_it():
    assert statistics.mean([Score(value=0.5), Score(value=0.25)]) == 0.375
    assert statistics.fmean([Score(value=0.5), Score(value=0.25)]) == 0.375
    assert Score.fromhex("0x1.0p-1") == Score(0.5) == 0.5
    assert type(Score(Fraction(1, 2)).value) is float


def test_a_score_does_not_change():
    score = Score(value=0.5, similarity=0.5)

    with pytest.raises(FrozenInstanceError):
        score.value = 0.7
    half = score.weighed(0.5)

    assert (float(half), half.value, half.layer_weight) == (0.25, 0.25, 0.5)
    assert (float(score), score.value) == (0.5, 0.5)
    assert "similarity=0.5" in repr(score)
    with pytest.raises(TypeError):
        Score()


def test_a_score_that_a_search_told_changes_as_one_that_was_made_by_hand(store):
    """Both ways to a Score: its parts read when they are asked for, and filled in."""
    store.add_many({"text": text} for text in ("green tea", "tea"))
    told = store.search("green tea")[0].score
    made = Score(**asdict(told))

    for change in (Score.weighed, Score.lifted):
        for amount in (0.0, 0.5):
            one, other = change(told, amount), change(made, amount)

            assert type(one) is Score
            assert (float(one), asdict(one)) == (float(other), asdict(other))
            assert sum(one.parts.values()) == pytest.approx(one.value)
            assert asdict(change(one, 0.9)) == asdict(change(other, 0.9))
    assert asdict(told) == asdict(made)
    assert store.check() == []


def test_a_half_life_is_seconds_or_a_timedelta():
    week = Scoring(half_life=timedelta(days=7))

    assert week == Scoring(half_life=7 * 86_400) == Scoring().replace(half_life=timedelta(weeks=1))
    assert type(week.half_life) is float
    for wrong in (timedelta(0), timedelta(days=-1), "7d", True):
        with pytest.raises(ParameterError, match="half_life"):
            Scoring(half_life=wrong)
