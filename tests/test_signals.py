"""Importance from engagement: the published numbers, and a fold that no retry can change."""

import math
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feather_memory.errors import ParameterError
from feather_memory.model.importance import BASELINE, EngagementSignals, compute_importance, fold
from feather_memory.model.memory import Signal, SignalKind

AT = datetime(2026, 1, 1, tzinfo=UTC)


def signal(event_id, kind, strength=1.0, *, retracted=False):
    return Signal(
        event_id=str(event_id),
        memory_id="m",
        kind=SignalKind(kind),
        at=AT,
        strength=strength,
        retracted=retracted,
    )


strengths = st.sampled_from([0.1, 0.2, 1 / 3, 0.5, 1.0])
signals = st.builds(
    signal,
    st.integers(0, 8),
    st.sampled_from(SignalKind),
    strengths,
    retracted=st.booleans(),
)
logs = st.lists(signals, max_size=20, unique_by=lambda event: event.event_id)
flags = st.builds(
    EngagementSignals,
    explicit_save=st.booleans(),
    was_liked=st.booleans(),
    was_copied=st.booleans(),
    was_corrected=st.booleans(),
    repetition_count=st.integers(0, 6),
)


@pytest.mark.parametrize(
    ("given_signals", "importance"),
    [
        ({}, 0.4),
        ({"explicit_save": True}, 0.8),
        ({"was_liked": True}, 0.55),
        ({"was_copied": True}, 0.5),
        ({"was_corrected": True}, 0.2),
        ({"repetition_count": 1}, 0.4),
        ({"repetition_count": 2}, 0.6),
        ({"repetition_count": 9}, 0.6),
        ({"explicit_save": True, "was_copied": True}, 0.9),
        ({"explicit_save": True, "was_liked": True, "was_copied": True}, 1.0),
    ],
)
def test_the_published_numbers_hold_exactly(given_signals, importance):
    assert compute_importance(EngagementSignals(**given_signals)) == importance


def test_importance_is_clamped_at_both_ends():
    assert compute_importance(EngagementSignals(explicit_save=True), prior=0.9) == 1.0
    assert compute_importance(EngagementSignals(was_corrected=True), prior=0.1) == 0.0


@given(flags=flags, prior=st.floats(0, 1))
def test_whole_events_fold_to_the_importance_of_their_flags(flags, prior):
    kinds = {
        "saved": flags.explicit_save,
        "liked": flags.was_liked,
        "copied": flags.was_copied,
        "corrected": flags.was_corrected,
        "repeated": flags.repetition_count,
    }
    events = [signal(f"{kind}{n}", kind) for kind, times in kinds.items() for n in range(times)]

    assert fold(prior, events) == compute_importance(flags, prior=prior)


@given(log=logs, prior=st.sampled_from([0.0, 0.4, 0.9]))
def test_a_fold_is_the_exact_sum_of_the_strongest_event_of_each_kind(log, prior):
    """Against whole-number fractions, kind by kind."""
    effect = {"saved": 400, "liked": 150, "disliked": -150, "copied": 100, "corrected": -200}
    total = Fraction(round(prior * 1000), 1000)
    for kind, thousandths in effect.items():
        live = [Fraction(e.strength) for e in log if e.kind == kind and not e.retracted]
        total += Fraction(thousandths, 1000) * max(live, default=Fraction(0))
    repeats = len([e for e in log if e.kind == "repeated" and not e.retracted])
    total += Fraction(1, 5) if repeats > 1 else 0

    assert fold(prior, log) == pytest.approx(float(min(1, max(0, total))), abs=1e-11)


@given(log=st.lists(signals, max_size=20), data=st.data())
def test_order_and_repetition_of_the_log_change_nothing(log, data):
    """A retry, a replay, another order, or an id that came with two contents."""
    shuffled = data.draw(st.permutations(log + log[: data.draw(st.integers(0, len(log)))]))

    assert fold(BASELINE, shuffled) == fold(BASELINE, log)


@given(log=logs)
def test_retracting_every_event_gives_the_prior_back(log):
    taken_back = [signal(e.event_id, e.kind, e.strength, retracted=True) for e in log]

    assert fold(0.7, log + taken_back) == 0.7


def test_being_shown_and_liked_among_others_again_and_again_says_no_more_than_once():
    shared = [signal(n, "liked", 0.2) for n in range(7)]

    assert fold(0.4, shared[:1]) == fold(0.4, shared) == 0.43
    assert fold(0.4, [*shared, signal(9, "liked")]) == 0.55


@given(log=logs, strength=strengths)
def test_one_more_like_never_lowers_and_one_more_dislike_never_raises(log, strength):
    for kind, sign in (("liked", 1), ("disliked", -1)):
        more = [*log, signal("one more", kind, strength)]
        assert sign * (fold(0.5, more) - fold(0.5, log)) >= 0


def test_a_dislike_undoes_a_like():
    assert fold(0.4, [signal(1, "liked"), signal(2, "disliked")]) == 0.4


def test_being_used_is_logged_and_changes_no_importance():
    assert fold(0.4, [signal(n, "used") for n in range(50)]) == 0.4


@pytest.mark.parametrize("count", [-1, math.nan, 1.5, 2.0, True, "2", None])
def test_a_count_that_counts_nothing_is_refused(count):
    with pytest.raises(ParameterError, match="repetition_count must be a whole number"):
        EngagementSignals(repetition_count=count)


@pytest.mark.parametrize("name", ["explicit_save", "was_liked", "was_copied", "was_corrected"])
@pytest.mark.parametrize("value", [1, 0, "yes", None, math.nan])
def test_a_flag_that_is_not_a_bool_is_refused(name, value):
    with pytest.raises(ParameterError, match=name):
        EngagementSignals(**{name: value})


@pytest.mark.parametrize("prior", [-0.1, 1.1, math.nan, True, None, "0.4"])
def test_a_prior_outside_its_range_is_refused(prior):
    with pytest.raises(ParameterError, match="prior must be"):
        fold(prior, [])
    with pytest.raises(ParameterError, match="prior must be"):
        compute_importance(EngagementSignals(), prior=prior)
