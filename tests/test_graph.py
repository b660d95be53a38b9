"""The walk, against a relaxation that looks at every pair of memories at every hop."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feather_memory.errors import ParameterError
from feather_memory.model.walk import Reached, walk

names = st.sampled_from("abcdefgh")
weights = st.sampled_from([0.1, 0.25, 0.5, 0.9, 1.0])
scores = st.sampled_from([0.0, 0.1, 0.25, 0.4, 0.5, 0.8, 1.0])
worlds = st.fixed_dictionaries(
    {
        "links": st.dictionaries(st.tuples(names, names), weights, min_size=4, max_size=20),
        "own": st.dictionaries(names, scores, min_size=4, max_size=8),
        "seeds": st.dictionaries(names, scores, max_size=4),
        "hops": st.integers(0, 4),
        "limit": st.integers(1, 8),
        "hop_decay": st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    }
)


class World:
    """Links and own scores, as a store would give them; remembers what it was asked."""

    def __init__(self, links, own, seed=0):
        self.links, self.own, self.random, self.asked = links, own, random.Random(seed), []

    def neighbours(self, ids):
        self.asked.append(sorted(ids))
        found = [
            (one, other, weight)
            for (a, b), weight in self.links.items()
            for one, other in ((a, b), (b, a))
            if one in ids
        ]
        self.random.shuffle(found)
        return found

    def own_scores(self, ids):
        return {each: self.own[each] for each in ids if each in self.own}


def naive(links, own, seeds, hops, limit, hop_decay):
    """Every memory asks every other at every hop. Gives {id: (score, hop)}."""
    weight = {}
    for (a, b), value in links.items():
        weight[a, b] = max(value, weight.get((a, b), 0))
        weight[b, a] = max(value, weight.get((b, a), 0))
    merit = own | seeds
    state = {}
    for hop in range(hops + 1):
        candidates = {v: [seeds[v]] for v in seeds} if hop == 0 else {}
        for v in merit if hop else ():
            offers = [state[u][0] * weight[u, v] * hop_decay for u in state if (u, v) in weight]
            if offers or v in state:
                candidates[v] = [*offers, merit[v], *([state[v][0]] if v in state else [])]
        ranked = sorted(
            (-max(c), state[v][1] if v in state else hop, v) for v, c in candidates.items()
        )
        state = {v: (-negative, first) for negative, first, v in ranked[:limit]}
    return state


@given(world=worlds)
def test_a_walk_is_the_naive_relaxation(world):
    known = World(world["links"], world["own"])

    reached = walk(
        world["seeds"],
        known.neighbours,
        known.own_scores,
        hops=world["hops"],
        limit=world["limit"],
        hop_decay=world["hop_decay"],
    )

    expected = naive(**world)
    assert list(reached) == list(expected)
    for each, (score, hop) in expected.items():
        assert reached[each].score == pytest.approx(score, abs=1e-12)
        assert reached[each].hop == hop


@given(world=worlds, seed=st.integers(0, 99))
def test_the_order_of_links_changes_nothing(world, seed):
    links, own = world.pop("links"), world.pop("own")
    first, second = World(links, own), World(dict(reversed(links.items())), own, seed)

    one = walk(world["seeds"], first.neighbours, first.own_scores, hops=3, limit=5)
    two = walk(world["seeds"], second.neighbours, second.own_scores, hops=3, limit=5)

    assert list(one.items()) == list(two.items())


@given(world=worlds)
def test_an_inherited_score_is_its_parents_weighed(world):
    """And what is not inherited is the memory's own, without a parent."""
    known = World(world["links"], world["own"])

    reached = walk(world["seeds"], known.neighbours, known.own_scores, hops=1, limit=99)

    for each, found in reached.items():
        if not found.inherited:
            assert found.parent is None
            assert found.score == world["seeds"].get(each, world["own"].get(each))
        else:
            pairs = [(each, found.parent), (found.parent, each)]
            weight = max(world["links"].get(pair, 0) for pair in pairs)
            assert found.score == world["seeds"][found.parent] * weight * 0.5


def test_a_score_halves_with_every_hop_and_the_weight_of_the_link():
    known = World({("a", "b"): 1.0, ("c", "b"): 0.5}, {"b": 0.0, "c": 0.0})

    reached = walk({"a": 0.8}, known.neighbours, known.own_scores, hops=2, limit=10)

    assert reached == {
        "a": Reached(0.8, 0),
        "b": Reached(0.4, 1, inherited=True, parent="a"),
        "c": Reached(0.1, 2, inherited=True, parent="b"),
    }


def test_a_memory_better_by_its_own_merit_keeps_its_own_score():
    known = World({("a", "b"): 1.0}, {"b": 0.7})

    assert walk({"a": 0.8}, known.neighbours, known.own_scores, hops=1, limit=9)["b"] == Reached(
        0.7, 1
    )


def test_at_equal_scores_a_memory_keeps_its_own_and_else_has_the_smaller_parent():
    links = {("b", "x"): 0.5, ("a", "x"): 0.5, ("a", "y"): 0.5}

    for ordered in (links, dict(reversed(links.items()))):
        known = World(ordered, {"x": 0.0, "y": 0.25})
        known.random.shuffle = lambda found: None
        reached = walk({"b": 1.0, "a": 1.0}, known.neighbours, known.own_scores, hops=1, limit=9)
        assert reached["x"] == Reached(0.25, 1, inherited=True, parent="a")
        assert reached["y"] == Reached(0.25, 1)


def test_a_better_path_found_later_is_passed_on_and_the_hop_stays():
    """The long way round is better than the weak direct link, for the memory and those behind."""
    links = {("a", "x"): 0.1, ("a", "b"): 1.0, ("b", "x"): 1.0, ("x", "end"): 1.0}
    known = World(links, dict.fromkeys(["b", "x", "end"], 0.0))

    reached = walk({"a": 1.0}, known.neighbours, known.own_scores, hops=3, limit=9)

    assert reached["x"] == Reached(0.25, 1, inherited=True, parent="b")
    assert reached["end"] == Reached(0.125, 2, inherited=True, parent="x")


def test_a_memory_that_may_not_be_returned_is_not_walked_through():
    known = World({("a", "hidden"): 1.0, ("hidden", "c"): 1.0}, {"c": 0.9})

    assert list(walk({"a": 1.0}, known.neighbours, known.own_scores, hops=5, limit=9)) == ["a"]


def test_a_hub_of_five_thousand_links_is_bounded_by_the_limit():
    spokes = {f"s{n:04}": n / 10_000 for n in range(5_000)}
    known = World({("hub", spoke): 0.01 for spoke in spokes}, spokes)

    reached = walk({"hub": 1.0}, known.neighbours, known.own_scores, hops=2, limit=50)

    assert len(reached) == 50
    assert list(reached)[:3] == ["hub", "s4999", "s4998"]
    assert max(map(len, known.asked)) <= 50


def test_only_what_came_in_or_got_better_is_asked_again():
    known = World({("a", "b"): 1.0, ("b", "c"): 1.0}, {"b": 0.0, "c": 0.0})

    walk({"a": 1.0}, known.neighbours, known.own_scores, hops=9, limit=9)

    assert known.asked == [["a"], ["b"], ["c"]]


def test_no_seeds_reach_nothing_and_no_hops_reach_the_seeds():
    known = World({("a", "b"): 1.0}, {"b": 1.0})

    assert walk({}, known.neighbours, known.own_scores, hops=2, limit=9) == {}
    assert walk({"a": 0.3}, known.neighbours, known.own_scores, hops=0, limit=9) == {
        "a": Reached(0.3, 0)
    }
    assert known.asked == []


@pytest.mark.parametrize(
    "wrong",
    [{"hops": -1}, {"hops": True}, {"limit": 0}, {"hop_decay": 1.1}, {"hop_decay": float("nan")}],
)
def test_an_argument_outside_its_range_is_refused(wrong):
    known = World({}, {})

    with pytest.raises(ParameterError, match=next(iter(wrong))):
        walk({}, known.neighbours, known.own_scores, **({"hops": 1, "limit": 1} | wrong))
