"""Times and gates, each against the plainest statement of its rule."""

import math
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feather_memory.checks import FIRST, LAST, seconds, when
from feather_memory.errors import ParameterError
from feather_memory.model.validity import Closing, Gate, Lifetime, gate

moments = st.integers(0, 6).map(float)
maybe = st.none() | moments
lifetimes = st.builds(
    Lifetime,
    created_at=moments,
    valid_from=moments,
    valid_to=maybe,
    expires_at=maybe,
    closings=st.lists(st.builds(Closing, moments, moments), max_size=3).map(tuple),
)


@given(st.timedeltas(timedelta(0), timedelta(days=84_000)))
def test_a_moment_survives_the_way_to_seconds_and_back(since_1970):
    """To the microsecond, until the year 2199."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + since_1970

    assert when(seconds(moment, "at")) == moment


def test_the_same_moment_is_the_same_seconds_however_it_is_given():
    utc = datetime(2026, 6, 1, 12, 0, 0, 123_456, tzinfo=UTC)
    tokyo = utc.astimezone(timezone(timedelta(hours=9)))

    assert seconds(utc, "at") == seconds(tokyo, "at") == 1_780_315_200.123456
    assert seconds(1_780_315_200.1234561, "at") == 1_780_315_200.123456
    assert seconds(5, "at") == 5.0


@pytest.mark.parametrize("moment", [FIRST, LAST, datetime.max.replace(tzinfo=UTC)])
def test_the_first_and_the_last_moment_are_moments(moment):
    assert when(seconds(moment, "at")).tzinfo is UTC


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 1),  # noqa: DTZ001
        math.nan,
        math.inf,
        -math.inf,
        True,
        FIRST - 1,
        LAST + 1,
        10**400,
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        "2026-01-01T00:00:00",
        "2026-01-01 00:00",
        "yesterday",
        "1767225600",
        "2026-02-30",
        "",
        "\ud800",
        b"2026-01-01",
        None,
    ],
    ids=repr,
)
def test_what_is_no_moment_is_refused_with_the_name_of_the_argument(moment):
    with pytest.raises(ParameterError, match="valid_from must"):
        seconds(moment, "valid_from")


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 1, tzinfo=UTC),
        date(2026, 1, 1),
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "2026-01-01 00:00+00:00",
        "2026-01-01T05:30:00.000000+05:30",
        1_767_225_600,
        np.int64(1_767_225_600),
    ],
    ids=repr,
)
def test_a_moment_is_the_same_however_it_is_written(moment):
    assert seconds(moment, "at") == 1_767_225_600.0


@given(lifetime=lifetimes, as_of=moments, known_at=maybe)
def test_a_memory_is_eligible_from_its_start_until_its_end_once_it_is_recorded(
    lifetime, as_of, known_at
):
    known = math.inf if known_at is None else known_at
    ends = [lifetime.valid_to, lifetime.expires_at]
    ends += [closing.holds_from for closing in lifetime.closings if closing.recorded_at <= known]
    first_end = min((moment for moment in ends if moment is not None), default=math.inf)

    kept_out = gate(lifetime, as_of=as_of, known_at=known_at)

    is_current = lifetime.valid_from <= as_of < first_end
    assert (kept_out is None) == (lifetime.created_at <= known and is_current)


def test_gates_are_named_in_their_order():
    """A memory that every gate keeps out names the next as each is opened."""
    times = {"valid_to": 1.0, "expires_at": 2.0, "closings": (Closing(6.0, 0.0),)}
    shut = {"created_at": 9.0, "valid_from": 8.0, **times}
    named = []
    for opened in (
        {},
        {"created_at": 0.0},
        {"closings": ()},
        {"valid_to": None},
        {"expires_at": None},
        {"valid_from": 0.0},
    ):
        shut.update(opened)
        named.append(gate(Lifetime(**shut), as_of=5.0, known_at=7.0))

    assert named == [*Gate, None]


def test_a_supersession_counts_from_when_it_holds_and_once_it_is_known():
    lifetime = Lifetime(created_at=0.0, valid_from=0.0, closings=(Closing(10.0, 5.0),))

    assert gate(lifetime, as_of=4.9) is None
    assert gate(lifetime, as_of=5.0) is Gate.SUPERSEDED
    assert gate(lifetime, as_of=5.0, known_at=9.9) is None
    assert gate(lifetime, as_of=20.0, known_at=10.0) == "superseded"
