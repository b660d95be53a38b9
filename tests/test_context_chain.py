"""A context chain, against a walk in which every memory asks every other at every hop."""

import math
import random
import time

import pytest
from oracle import chain

from feather_memory import F, Scoring, Store
from feather_memory.config import DAY
from feather_memory.errors import ParameterError
from feather_memory.testing import FrozenClock

COUNT = 120
TYPES = ["leads_to", "supports", "part_of", "mine"]


class World:
    """A store of linked memories, and its links in a dict."""

    def __init__(self, path, seed):
        self.random, self.clock = random.Random(seed), FrozenClock()
        self.store = Store.open(path, clock=self.clock)
        words = "tea coffee water milk juice wine beer soup".split()  # noqa: SIM905
        self.store.add_many(
            {
                "id": f"m{at}",
                "text": " ".join(self.random.choices(words, k=self.random.randint(1, 6))),
                "importance": self.random.random(),
                "metadata": {"room": self.random.choice(["in", "out"])},
                "valid_from": self.clock() - self.random.random() * 300 * DAY,
            }
            for at in range(COUNT)
        )
        self.links, self.replaced = {}, []
        for _ in range(2 * COUNT):
            a, b = self.random.sample(range(COUNT), 2)
            type_, weight = self.random.choice(TYPES), self.random.uniform(0.05, 1)
            self.store.link(f"m{a}", f"m{b}", type_, weight)
            self.links[f"m{a}", f"m{b}", type_] = weight
        for _ in range(15):
            a, b = sorted(self.random.sample(range(COUNT), 2))
            edge = self.store.link(f"m{a}", f"m{b}", "supersedes", 0.9)
            self.links[f"m{a}", f"m{b}", "supersedes"] = 0.9
            holds_from = self.store.get(f"m{a}").valid_from.timestamp()
            self.replaced.append((f"m{b}", f"m{a}", holds_from, edge.created_at.timestamp()))

    def heads(self, id_, as_of, known_at):
        """What stands in the place of a memory, by those supersessions that count."""
        after = {
            new for old, new, holds_from, recorded_at in self.replaced
            if old == id_ and holds_from <= as_of and recorded_at <= known_at
        }  # fmt: skip
        return {h for new in after for h in self.heads(new, as_of, known_at)} if after else {id_}

    def between(self, types, as_of=None, known_at=math.inf):
        found, present = {}, self.clock() + 1 if as_of is None else as_of
        for (a, b, type_), weight in self.links.items():
            if types is None or type_ in types:
                for one in self.heads(a, present, known_at):
                    for other in self.heads(b, present, known_at) - {one}:
                        found[one, other] = max(weight, found.get((one, other), 0.0))
        return found


@pytest.fixture(scope="module", params=[1, 2, 3])
def world(request, tmp_path_factory):
    world = World(tmp_path_factory.mktemp("chain") / "w.feather", request.param)
    yield world
    assert world.store.check() == []
    world.store.close()


def once(ids, texts):
    """Of equal texts the first."""
    firsts = {}
    for id_ in ids:
        firsts.setdefault(texts[id_], id_)
    return list(firsts.values())


def chain_of_different(own, texts, links, k, hops, limit):
    """The naive walk from k that say different things, and from all that say the same as one.

    It goes on until as many are left as there may be, once equal texts are told once.
    """
    order = list(own)
    first = once(order, texts)
    beyond = first[min(k, limit) :]
    seeds = order.index(beyond[0]) if beyond else len(order)
    most = max(limit, seeds)
    while True:
        reached = chain(own, links, seeds, hops, most)
        kept = once(reached, texts)
        if len(kept) >= limit or len(reached) < most:
            return {id_: reached[id_] for id_ in kept[:limit]}
        most *= 4


@pytest.mark.parametrize("hops", [0, 1, 2, 4])
@pytest.mark.parametrize("limit", [1, 7, 50, 1000])
def test_a_chain_is_the_naive_walk(world, hops, limit):
    variants = [
        {}, {"types": ["leads_to", "mine"]}, {"types": []}, {"where": F("room") == "in"},
        {"as_of": world.clock() - 50 * DAY}, {"known_at": world.clock() - 1},
        {"known_at": world.clock(), "as_of": world.clock() - 100 * DAY},
        {"scoring": Scoring(time_weight=0.9, importance_weight=1.0)},
    ]  # fmt: skip
    for asked in variants:
        searched = {key: value for key, value in asked.items() if key != "types"}
        ranking = world.store.search("tea wine", k=COUNT, distinct=False, **searched)
        merits = {hit.memory.id: hit.score.value - hit.score.newer for hit in ranking}
        own = dict(sorted(merits.items(), key=lambda merit: -merit[1]))
        moments = {name: asked[name] for name in ("as_of", "known_at") if name in asked}
        links = world.between(asked.get("types"), **moments)
        texts = {hit.memory.id: hit.memory.text for hit in ranking}
        expected = chain_of_different(own, texts, links, k=5, hops=hops, limit=limit)
        found = world.store.context_chain("tea wine", k=5, hops=hops, limit=limit, **asked)
        assert {hit.memory.id: hit.hop for hit in found} == {i: h for i, (_, h) in expected.items()}
        for hit in found:
            assert abs(hit.score.value - expected[hit.memory.id][0]) <= 1e-12
            assert abs(sum(hit.score.parts.values()) - hit.score.value) <= 1e-9
        values = [hit.score.value for hit in found]
        assert values == sorted(values, reverse=True)
        assert len(found) <= limit
        among = {(edge.source, edge.target, edge.type): edge.weight for edge in found.edges}
        assert (
            among
            == {
                (a, b, type_): weight
                for (a, b, type_), weight in world.links.items()
                if {a, b} <= expected.keys() and (not asked.get("types") or type_ in asked["types"])
            }
            or asked.get("types") == []
        )
        if asked.get("types") == []:
            assert not found.edges


def test_what_was_replaced_leads_on_to_what_replaced_it_and_is_never_reached(store):
    store.add("tea", id="seed")
    store.add("kettle", id="old")
    store.add("boiler", id="beyond")
    store.link("seed", "old", "part_of")
    store.link("old", "beyond", "part_of")
    reached = {hit.memory.id for hit in store.context_chain("tea", k=1, hops=3)}
    assert reached == {"seed", "old", "beyond"}
    store.supersede("old", "new kettle", id="new")
    found = {hit.memory.id: hit.hop for hit in store.context_chain("tea", k=1, hops=3)}
    assert found == {"seed": 0, "new": 1, "beyond": 2}
    back = {hit.memory.id: hit.hop for hit in store.context_chain("boiler", k=1, hops=3)}
    assert back == {"beyond": 0, "new": 1, "seed": 2}


def test_a_fact_whose_slot_was_taken_over_keeps_what_it_was_linked_to(store):
    store.add("the migration failed", id="a", key="status")
    store.add("the disk was full", id="b")
    store.link("a", "b", "caused_by", 0.5)
    for number in range(3):  # through any number of steps
        store.add(f"the migration is at step {number}", id=f"a{number}", key="status")

    (seed, reached) = store.context_chain("migration", k=1)
    assert (seed.memory.id, reached.memory.id, reached.hop) == ("a2", "b", 1)
    assert reached.score.value >= seed.score.value * 0.5 * 0.5
    store.supersede("b", "the disk is large", id="b1")
    assert [hit.memory.id for hit in store.context_chain("migration", k=1)] == ["a2", "b1"]
    store.forget("a2")  # the head is gone: what it had retired stays retired
    assert {hit.memory.id for hit in store.context_chain("large disk", k=1)} == {"b1"}


def test_a_walk_passes_through_any_number_of_versions(store):
    """More than Python would go down by recursion."""
    store.add("step 0 of the migration", id="first", key="status")
    store.add("the disk was full", id="cause")
    store.link("first", "cause", "caused_by")
    steps = ({"text": f"step {n} of the migration", "key": "status"} for n in range(1, 1_200))
    last = store.add_many(steps)[-1]

    assert [hit.memory.id for hit in store.context_chain("migration", k=1)] == [last.id, "cause"]
    back = store.context_chain("disk full", k=1)
    assert [hit.memory.id for hit in back] == ["cause", last.id]


def test_filters_and_sessions_hold_for_every_memory_reached(store):
    for id_, session in (("a", "s1"), ("b", "s2"), ("c", "s1")):
        store.add(f"tea {id_}", id=id_, session=session)
    store.link("a", "b")
    store.link("b", "c")
    one = store.context_chain("tea a", k=1, hops=2, session="s1", types=["related_to"])
    assert {hit.memory.id for hit in one} == {"a"}
    assert store.context_chain("tea a", k=1, where=F("id") == "nobody").hits == ()


def test_a_chain_tells_once_what_is_said_several_times_and_walks_on_from_each(store):
    for n in range(7):
        store.add("Green tea!" if n % 2 else "green tea", id=f"t{n}")
    store.add("green tea in Kyoto", id="other")
    store.add("water", id="linked")
    store.link("t3", "linked")

    found = store.context_chain("green tea", k=2, hops=1)

    texts = [hit.memory.text.lower().rstrip("!") for hit in found]
    assert sorted(texts) == ["green tea", "green tea in kyoto", "water"]
    assert {hit.memory.id: hit.copies for hit in found if hit.copies > 1}.popitem()[1] == 7


def test_a_chain_tells_a_statement_beside_the_question_of_its_words(store):
    store.add("Friday is the deploy", id="fact", actor="Ann", session="s")
    store.add("Friday is the deploy?", id="asked", actor="Ann", session="s")
    store.add("Friday is the deploy", id="too", actor="Bob", session="s")

    found = {hit.memory.id for hit in store.context_chain("Friday deploy", k=5, hops=1)}

    assert found == {"fact", "asked", "too"}


def test_a_reached_memory_inherits_or_keeps_its_own_score_if_better(store):
    store.add("tea", id="a", importance=1.0)
    store.add("unrelated words here", id="b", importance=0.0)
    store.link("b", "a", "supports", 0.8)
    first, second = store.context_chain("tea", k=1, hops=1)
    assert (first.memory.id, first.hop, second.memory.id, second.hop) == ("a", 0, "b", 1)
    assert second.score.inherited == second.score.value == first.score.value * 0.8 * 0.5
    store.link("b", "a", "supports", 0.001)
    own = store.search("tea", k=2)[1].score
    assert store.context_chain("tea", k=1, hops=1)[1].score == own


def test_a_chain_is_logged_only_when_it_is_shown(store):
    store.add("tea", id="a")
    store.add("pot", id="b")
    store.link("a", "b")
    before = store.stats().generation
    chain = store.context_chain("tea", k=1)
    assert store.stats().generation == before
    store.plumbing.log_recall(chain, turn="t")
    assert {signal.memory_id for signal in store.feedback("t", "liked")} == {"a", "b"}


def test_time_weight_stands_in_for_the_scorings(store):
    store.add("tea", id="a")
    (hit,) = store.context_chain("tea", time_weight=0.35)
    assert hit.score.time_weight == 0.35


def test_a_chain_of_nothing_is_empty(store):
    found = store.context_chain("tea")
    assert (len(found), found.edges) == (0, ())


@pytest.mark.parametrize(
    "asked", [{"k": 0}, {"hops": -1}, {"limit": 0}, {"hops": 1.5}, {"time_weight": 7}]
)
def test_a_chain_that_means_nothing_is_refused(store, asked):
    with pytest.raises(ParameterError):
        store.context_chain("tea", **asked)


def test_a_hub_of_five_thousand_is_bounded_by_the_limit(path, clock):
    with Store.open(path, clock=clock) as store:
        store.add("the hub", id="hub")
        store.add_many(
            {"text": f"spoke {at}", "id": f"s{at:04}", "importance": at / 5_000}
            for at in range(5_000)
        )
        with store.transaction():  # five thousand commits take seconds
            for at in range(5_000):
                store.link("hub", f"s{at:04}", weight=(at % 100 + 1) / 100)
        assert len(store.edges("hub")) == 5_000
        own = {hit.memory.id: hit.score.value for hit in store.search("hub", k=6_000)}
        links = {("hub", f"s{at:04}"): (at % 100 + 1) / 100 for at in range(5_000)}
        begun = time.perf_counter()
        found = store.context_chain("hub", k=1, hops=3, limit=50)
        assert time.perf_counter() - begun < 5
        expected = chain(own, links, k=1, hops=3, limit=50)
        assert [(h.memory.id, h.hop) for h in found] == [(i, h) for i, (_, h) in expected.items()]
        assert len(found) == 50
        assert store.check() == []
