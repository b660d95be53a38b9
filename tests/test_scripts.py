"""Corrected once, corrected for good: over scripts that a seed draws, with every bar measured."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from itertools import pairwise

import pytest
from scripts import BYSTANDERS, ECHOES, OTHERS, REVERSALS, drawn

from feather_memory import Store

SHORT, LONG = 60, 2_000
STALE_AT_MOST = {
    "keyed": 0.0, "verbatim": 0.0, "summarised": 0.05, "imported": 0.05, "paraphrased": 0.10,
}  # fmt: skip

counts = pytest.mark.parametrize(
    "count", [SHORT, pytest.param(LONG, marks=pytest.mark.long)], ids=["short", "long"]
)


@pytest.fixture
def stores(tmp_path, clock):
    """Opens a store by its number; each is sound when the next one is opened."""
    with ExitStack() as closing:
        last = []

        def open_(number):
            if last:
                assert last[-1].check() == []
                last.pop().close()
            last.append(Store.open(tmp_path / f"{number}.feather", clock=clock))
            return last[-1]

        yield open_
        for store in last:
            assert store.check() == []
            closing.callback(store.close)


@counts
def test_the_old_value_does_not_come_back_because_it_is_said_again(stores, clock, count):
    stale, all_ = Counter(), Counter()
    for number, script in enumerate(drawn("echoes", count, stores, clock)):
        kind = ECHOES[number % len(ECHOES)]
        assert not script.is_stale()
        said = script.echo(kind)
        all_[kind] += 1
        stale[kind] += script.is_stale()
        assert said.origin != "user" or said.id == script.second.id

    shares = {kind: stale[kind] / all_[kind] for kind in ECHOES}
    assert {kind: shares[kind] <= STALE_AT_MOST[kind] for kind in ECHOES} == dict.fromkeys(
        ECHOES, True
    ), shares


@counts
def test_what_holds_the_old_value_and_says_something_else_is_never_withheld(stores, clock, count):
    """It is about somebody else, or the same person has to do with the value otherwise."""
    hidden = Counter()
    for number, script in enumerate(drawn("bystanders", count, stores, clock)):
        kind = BYSTANDERS[number % len(BYSTANDERS)]
        said = script.tell_beside(kind)
        found = {hit.memory.id for hit in script.store.search(said.text, k=9, distinct=False)}
        hidden[kind] += said.manner == "echo" or said.id not in found

    assert not hidden.total(), hidden


@counts
def test_a_user_who_says_anew_that_the_old_value_holds_is_believed(stores, clock, count):
    blocked = 0
    for number, script in enumerate(drawn("reversals", count // 4, stores, clock)):
        back = script.reverse(REVERSALS[number % len(REVERSALS)])
        hits = script.store.search(script.question.format(p=script.person) + " " + script.old, k=5)
        blocked += back.echo_of is not None or back.id not in {hit.memory.id for hit in hits}

    assert blocked <= count // 4 / 100


def test_scripts_without_the_rule_do_bring_the_old_value_back(stores, clock):
    """The negative control: what is said anew by the user is found, so an echo would be."""
    scripts = [*zip(range(10), drawn("control", 10, stores, clock), strict=True)]
    assert len(scripts) == 10
    stale = 0
    for script in drawn("control", 10, lambda n: stores(100 + n), clock):
        script.reverse("in its place")
        stale += script.is_stale()

    assert stale == 10


LAUNDERINGS = {
    "slot": lambda s, by: s.store.add(s.lie, key=s.fact.key, origin=by),
    "slot, since later": lambda s, by: s.store.add(
        s.lie, key=s.fact.key, origin=by, valid_from=s.clock() + 5
    ),
    "slot, since ever": lambda s, by: s.store.add(s.lie, key=s.fact.key, origin=by, valid_from=5.0),
    "supersede": lambda s, by: s.store.supersede(s.fact.id, s.lie, origin=by),
    "supersede what it replaced": lambda s, by: s.store.supersede(s.first.id, s.lie, origin=by),
    "id": lambda s, by: s.store.add(s.lie, id=s.fact.id, origin=by),
    "id, ended": lambda s, by: s.store.add(
        s.fact.text, id=s.fact.id, origin=by, valid_to=s.clock() + 1e9
    ),
    "reaffirmed": lambda s, by: s.store.add(s.says(s.old), origin=by, reaffirm=True),
    "batch": lambda s, by: s.store.add_many(
        [{"text": s.says(v), "key": s.fact.key, "origin": by} for v in ("q", s.old, "z")]
    ),
    "link": lambda s, by: s.store.link(s.store.add(s.lie, origin=by).id, s.fact.id, "supersedes"),
    "link to what it replaced": lambda s, by: s.store.link(
        s.store.add(s.lie, origin=by).id, s.first.id, "supersedes"
    ),
    "derived": lambda s, by: s.derive(by, 1),
    "derived of what is derived": lambda s, by: s.derive(by, 3),
}


def derive(script, by, steps):
    """A fact said as the user's, which turns out to be derived of somebody else's words."""
    store = script.store
    chain = [store.add(f"turn {n} says x", id=f"t{n}-{script.clock()}") for n in range(steps - 1)]
    new = store.add(script.lie, key=script.fact.key) if script.fact.key else (
        store.supersede(script.fact.id, script.lie))  # fmt: skip
    source = store.add(f"the {by} says x", origin=by)
    chain = [new, *chain, source]
    for derived, of in pairwise(chain):
        store.link(derived.id, of.id, "derived_from")


@pytest.mark.parametrize(
    "count", [130, pytest.param(10_000, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_nobody_supersedes_what_the_user_stated(stores, clock, count):
    """Whatever the door, and whoever speaks: it is a suggestion, and not current."""
    superseded = done = 0
    for script in drawn("laundering", count // 13, stores, clock):
        script.fact = script.second
        script.derive = lambda by, steps, script=script: derive(script, by, steps)
        for name in LAUNDERINGS:
            script.lie = script.says(f"x{done}")
            has_no_slot = script.fact.key is None and name.startswith("slot")
            door = "supersede" if has_no_slot else name
            LAUNDERINGS[door](script, script.draw.choice(OTHERS))
            done += 1
            fact = script.store.get(script.fact.id)
            clock.advance(seconds=60)
            found = script.store.search(script.says(script.new), k=50)
            superseded += bool(
                fact.superseded_by
                or fact.text != script.fact.text
                or fact.valid_to
                or fact.origin != "user"
                or fact.id not in {hit.memory.id for hit in found}
                or any(hit.memory.text == script.lie for hit in found)
            )

    assert done >= count - 13
    assert superseded == 0
