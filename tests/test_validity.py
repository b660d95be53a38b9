"""Times, intervals and chains, each against the plainest statement of its rule."""

import math
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import product

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feather_memory.errors import ParameterError
from feather_memory.model import when
from feather_memory.validity import (
    FIRST,
    LAST,
    Closing,
    Gate,
    Lifetime,
    end,
    gate,
    heads,
    is_eligible,
    overlaps,
    seconds,
    would_cycle,
)

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
links = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), max_size=12)


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
        "2026-01-01",
        date(2026, 1, 1),
        None,
    ],
    ids=repr,
)
def test_what_is_no_moment_is_refused_with_the_name_of_the_argument(moment):
    with pytest.raises(ParameterError, match="valid_from must"):
        seconds(moment, "valid_from")


def test_intervals_overlap_if_some_moment_is_in_both():
    """Every pair of intervals over six moments, open ends included."""
    ends = [None, 1, 2, 3, 4]
    for a_from, a_to, b_from, b_to in product(ends, repeat=4):
        shared = [
            half / 2
            for half in range(12)
            if all(low is None or low <= half / 2 for low in (a_from, b_from))
            and all(high is None or half / 2 < high for high in (a_to, b_to))
        ]

        assert overlaps(a_from, a_to, b_from, b_to) == bool(shared)


@given(lifetime=lifetimes, as_of=moments, known_at=maybe)
def test_a_memory_is_eligible_from_its_start_until_its_end_once_it_is_recorded(
    lifetime, as_of, known_at
):
    known = 99 if known_at is None else known_at
    closed = end(
        lifetime.valid_to,
        lifetime.expires_at,
        [holds_from for recorded, holds_from in lifetime.closings if recorded <= known],
    )
    is_current = lifetime.valid_from <= as_of and (closed is None or as_of < closed)

    expected = lifetime.created_at <= known and is_current

    assert is_eligible(lifetime, as_of=as_of, known_at=known_at) == expected


def test_the_end_is_the_first_of_all_that_end_it():
    assert end(None, None) is None
    assert end(5.0, None, [7.0, 3.0]) == 3.0
    assert end(5.0, 4.0) == 4.0


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


def test_chains_and_branches_resolve_to_their_heads():
    chain = [("b", "a"), ("c", "b")]

    assert heads("a", chain) == ("c",)
    assert heads("c", chain) == ("c",)
    assert heads("a", [*chain, ("x", "a"), ("y", "x")]) == ("c", "y")
    assert heads("alone", chain) == ("alone",)
    assert heads("a", [("b", "a"), ("a", "b")]) == ()


@given(pairs=links, start=st.sampled_from("abcdef"))
def test_heads_are_the_last_memories_that_can_be_reached(pairs, start):
    graph = nx.DiGraph((old, new) for new, old in pairs)
    graph.add_node(start)
    reached = nx.descendants(graph, start) | {start}

    assert heads(start, pairs) == tuple(sorted(n for n in reached if graph.out_degree(n) == 0))


@given(pairs=links)
def test_edges_added_only_where_no_cycle_would_come_never_make_one(pairs):
    added = []
    for new, old in pairs:
        would = not nx.is_directed_acyclic_graph(nx.DiGraph([*added, (new, old)]))

        assert would_cycle(new, old, added) == would
        if not would:
            added.append((new, old))
