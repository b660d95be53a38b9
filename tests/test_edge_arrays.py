"""Edges as arrays are the edges of the truth, whatever is done, and whenever somebody walks."""

import random

import numpy as np
import pytest

from feather_memory import Store, config
from feather_memory.index import edges as arrays
from feather_memory.index.edges import EdgeArrays
from feather_memory.testing import HashEmbedder


def told(store):
    """Every edge, asked of the truth: ends by id, type, weight, moment."""
    with store._core.truth.reading() as moment:
        ids = [memory.id for memory in moment.memories.stream()]
        return {
            (e.source, e.target, e.type, e.weight, e.created_at.timestamp())
            for e in moment.edges.touching(ids)
        }


def held(store):
    """The same, of the arrays of the present, and what each memory's edges are by them."""
    truth, columns = store._core.truth, store._core.columns
    with truth.reading() as moment:
        view = columns.sync(moment)
        edges = columns.edges(lambda: moment, view)
        names = moment.memories.ids_of(view.rows[view.until > -np.inf].tolist())
        ids = {at: names[row] for at, row in enumerate(view.rows.tolist()) if row in names}
        at = edges.touching(np.array([*ids], np.intp))
        assert edges.generation == view.generation
    names = ("source", "target", "kind", "weight", "created_at")
    every = zip(*(getattr(edges, name)[at].tolist() for name in names), strict=True)
    found = [(ids[s], ids[t], edges.types[k], w, c) for s, t, k, w, c in every]
    assert len(found) == len(set(found))
    for place, id_ in ids.items():
        mine = edges.touching(np.array([place], np.intp))
        pairs = zip(edges.source[mine].tolist(), edges.target[mine].tolist(), strict=True)
        ends = {(ids[source], ids[target]) for source, target in pairs}
        assert ends == {(s, t) for s, t, *_ in found if id_ in {s, t}}
        links = list(edges.links(np.array([place], np.intp), None))
        assert {here for here, _, _ in links} <= {place}
        assert len(links) == len(mine)
    return set(found)


def do_something(store, draw, step):
    ids = [memory.id for memory in store.iterate()]
    one, other = draw.sample(ids, 2)
    match draw.randrange(12):
        case 0 | 1:
            store.add(f"fact {step}", id=f"m{step}")
        case 2:
            store.update(one, text=f"fact {step} anew")
        case 3 if len(ids) > 6:
            store.forget(one)
        case 4:
            store.signal(one, "liked")
        case 5 if not store.get(one).supersedes and not store.get(other).superseded_by:
            store.supersede(one, f"fact {step}", id=f"s{step}")
        case 6:
            store.unlink(one, other, draw.choice(["next", "related_to"]))
        case _:
            weight = draw.choice([0.25, 0.5, 1.0])
            store.link(one, other, draw.choice(["next", "related_to"]), weight)


@pytest.mark.parametrize("loose", [0, 6, 1_024], ids="in order after {} edges".format)
@pytest.mark.parametrize("seed", range(3))
def test_arrays_are_what_the_truth_tells(path, clock, monkeypatch, loose, seed):
    """Two that have it open, one of whom walks seldom."""
    monkeypatch.setattr(arrays, "_LOOSE", loose)
    draw = random.Random(seed)
    options = {"embedder": HashEmbedder(8), "clock": clock}
    with Store.open(path, **options) as store, Store.open(path, **options) as other:
        for n in range(8):
            store.add(f"fact {n}", id=f"f{n}")
        for step in range(90):
            do_something(draw.choice([store, other]), draw, step)
            if draw.random() < 0.6:
                assert held(store) == told(store)
            if draw.random() < 0.1:
                assert held(other) == told(other)
            clock.advance(seconds=1)
        assert store.check() == []


def test_arrays_that_were_not_told_of_an_edge_would_lack_it(store, monkeypatch):
    """The control: a link that does not touch its source is not noticed."""
    for n in range(2):
        store.add(f"fact {n}", id=f"f{n}")
    assert held(store) == told(store) == set()
    monkeypatch.setattr("feather_memory.truth.sqlite.edges._TOUCH", "select ?, ?")
    store.link("f0", "f1")

    assert held(store) == set() != told(store)
    assert store.check() == []


@pytest.fixture
def mapped(path, clock, monkeypatch):
    """Opens a store of 40 linked memories, some of them forgotten, that has a mapped file."""
    monkeypatch.setattr(config, "SNAPSHOT_ROWS", 20)
    options = {"embedder": HashEmbedder(8), "clock": clock}
    draw = random.Random(5)
    with Store.open(path, **options) as store:
        for n in range(40):
            store.add(f"fact {n}", id=f"f{n}")
        for _ in range(80):
            store.link(*draw.sample([f"f{n}" for n in range(40)], 2), draw.choice(["next", "x"]))
        store.forget(["f3", "f11"])
        store.supersede("f5", "fact five", id="five")
        expected = told(store)
    assert path.with_name("alice.feather.vectors").exists()
    return lambda: Store.open(path, **options), expected


def test_edges_are_mapped_and_what_came_since_is_read(mapped, monkeypatch):
    opened, expected = mapped
    with opened() as store:
        monkeypatch.setattr(
            "feather_memory.truth.sqlite.edges._EVERY", "select no from nowhere"
        )  # nobody reads all of them
        assert held(store) == told(store) == expected
        store.link("f1", "f2", "later", 0.5)
        store.update("f7", text="fact seven")
        store.forget("f9")
        assert held(store) == told(store) != expected
        assert store.check() == []


@pytest.mark.parametrize("name", ["source", "order", "starts", "kind"])
def test_mapped_edges_that_lead_nowhere_are_read_from_the_truth(mapped, name, monkeypatch):
    opened, expected = mapped
    real = EdgeArrays.over.__func__

    def damaged(cls, held, generation):
        broken = held["edges." + name].copy()
        broken[-1] = 10_000
        return real(cls, {**held, "edges." + name: broken}, generation)

    monkeypatch.setattr(EdgeArrays, "over", classmethod(damaged))
    with opened() as store:
        assert held(store) == expected
        assert store.check() == []


def test_who_reads_an_older_moment_walks_along_its_edges(store):
    """While others are many generations further."""
    for n in range(3):
        store.add(f"fact {n}", id=f"f{n}")
    store.link("f0", "f1")
    truth, columns = store._core.truth, store._core.columns
    with truth.reading() as moment:
        view = columns.sync(moment)
        for n in range(8):
            store.link("f1", "f2", f"type {n}")
            held(store)

        edges = columns.edges(lambda: moment, view)

        assert len(edges.touching(np.arange(3))) == 1
    assert len(held(store)) == 9
    assert store.check() == []


def test_a_fork_walks_as_before(store):
    for n in range(3):
        store.add(f"fact {n}", id=f"f{n}")
    store.link("f0", "f1")
    expected = held(store)

    store._core.columns.start_over()

    assert held(store) == expected
    store.link("f1", "f2")
    assert held(store) == told(store)
    assert store.check() == []
