"""Supersessions as arrays, against a list of them that is looked through."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from feather_memory.index.supersessions import Supersessions

N = 8
positions = st.integers(0, N - 1)
moments = st.integers(0, 5).map(float)
ones = st.tuples(positions, st.none() | positions, moments, moments)
several = st.lists(ones, max_size=12)
some = st.lists(positions, max_size=4)
ROWS = np.arange(N) * 3 + 5  # of position 0, 1, …


def told(listed):
    rows = [(int(ROWS[o]), None if n is None else int(ROWS[n]), h, r) for o, n, h, r in listed]
    return Supersessions.told(ROWS, rows)


def listed_in(arrays):
    columns = [values.tolist() for values in arrays.arrays().values()]
    return sorted((o, n, h, r) for o, n, h, r in zip(*columns, strict=True))


def expected(listed):
    return sorted((o, -1 if n is None else n, h, r) for o, n, h, r in listed)


def at(listed):
    return np.array(listed, np.intp)


@given(listed=several)
def test_they_are_what_was_told(listed):
    assert listed_in(told(listed)) == expected(listed)


@given(listed=several, left=some, fresh=several)
def test_without_some_and_with_others(listed, left, fresh):
    arrays = told(listed).without(at(left)).joined(told(fresh))

    kept = [one for one in listed if not {*one[:2]} & set(left)]
    assert listed_in(arrays) == expected([*kept, *fresh])


@given(listed=several, asked=some)
def test_pairs_are_those_in_which_one_takes_part(listed, asked):
    pairs = told(listed).pairs_of(at(asked))

    known = [(n, o) for o, n, _, _ in listed if n is not None and {o, n} & set(asked)]
    assert sorted(pairs) == sorted(known)


@given(listed=several)
def test_members_are_all_that_take_part(listed):
    members = told(listed).members

    taking = {each for o, n, _, _ in listed for each in (o, n) if each is not None}
    assert {place for place, is_in in enumerate(members) if is_in} == taking


@given(listed=several, asked=positions)
def test_closings_are_those_of_the_memory(listed, asked):
    closings = told(listed).closings_of(asked)

    assert sorted(closings) == sorted((r, h) for o, _, h, r in listed if o == asked)


@given(listed=several, as_of=moments, known_at=moments)
def test_closed_is_what_was_known_to_be_replaced(listed, as_of, known_at):
    closed = told(listed).closed(as_of=as_of, known_at=known_at)

    assert set(closed.tolist()) == {o for o, _, h, r in listed if r <= known_at and h <= as_of}


@given(listed=several, live=st.sets(positions))
def test_among_the_live_positions_move_up(listed, live):
    """What replaced may be gone, but only as nobody: with what was replaced goes all of it."""
    listed = [one for one in listed if one[0] in live and (one[1] is None or one[1] in live)]
    place = {old: new for new, old in enumerate(sorted(live))}

    among = told(listed).among(at(sorted(live)), N)

    moved = [(place[o], None if n is None else place[n], h, r) for o, n, h, r in listed]
    assert listed_in(among) == expected(moved)
