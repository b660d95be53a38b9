"""The approximate index finds nearly everything, and nothing damaged is handed to it."""

import json
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest

from feather_memory import Store
from feather_memory.errors import DimensionError, MissingExtraError
from feather_memory.index.approximate import Approximation
from feather_memory.index.hnsw import Hnsw, _SharedLock, description_of
from feather_memory.index.matrix import Matrix, unit
from feather_memory.testing.indexes import CandidateIndex, IndexContract

pytest.importorskip("hnswlib")

WHO = {"store_id": "s1", "dim": 12, "max_elements": 0}


def clustered(count, dim, seed=0):
    random = np.random.default_rng(seed)
    centres = random.normal(size=(50, dim))
    return unit(centres[random.integers(0, 50, count)] + random.normal(size=(count, dim)))


class TestHnsw(IndexContract):
    def make_index(self, dim):
        return Hnsw(dim)


class TestHnswWithTwoThreads(IndexContract):
    def make_index(self, dim):
        return Hnsw(dim, max_elements=4, threads=2)


@pytest.fixture
def saved(tmp_path):
    index = Hnsw(12)
    index.add(np.arange(200), clustered(200, 12))
    path = tmp_path / "alice.feather.hnsw"
    index.save(path, store_id="s1", generation=41)
    return path


def test_ten_nearest_are_nearly_always_found():
    rows, queries = clustered(5000, 64), clustered(100, 64, seed=1)
    index = Hnsw(64, threads=2)
    index.add(np.arange(5000), rows)
    found = [
        len(set(np.argsort(-(rows @ q))[:10].tolist()) & set(index.search(q, 10)[0].tolist()))
        for q in queries
    ]
    assert sum(found) / 1000 >= 0.95


def test_it_is_a_candidate_index():
    index: CandidateIndex = Hnsw(4)
    assert len(index) == 0


def test_vectors_of_another_length_are_refused():
    index = Hnsw(4)
    with pytest.raises(DimensionError):
        index.add(np.arange(2), np.ones((2, 5), np.float32))
    with pytest.raises(DimensionError):
        index.search(np.ones(5, np.float32), 1)


def test_without_hnswlib_the_extra_is_named(monkeypatch, saved):
    monkeypatch.setitem(sys.modules, "hnswlib", None)
    with pytest.raises(MissingExtraError, match=r"feather-memory\[hnsw\]"):
        Hnsw(4)
    with pytest.raises(MissingExtraError):
        Hnsw.load(saved, **WHO)


def test_a_saved_index_answers_as_before_and_grows_on(saved, capfd):
    index = Hnsw.load(saved, **WHO)
    assert capfd.readouterr() == ("", "")
    rows = clustered(200, 12)
    assert len(index) == 200
    assert index.generation == 41
    assert index.search(rows[5], 1)[0].tolist() == [5]
    more = clustered(3000, 12, seed=2)
    index.add(np.arange(200, 3200), more)
    assert len(index) == 3200
    assert index.search(more[2999], 1)[0].tolist() == [3199]
    assert sorted(entry.name for entry in saved.parent.iterdir()) == [
        "alice.feather.hnsw",
        "alice.feather.hnsw.json",
    ]


def test_an_empty_index_is_saved_and_loaded(tmp_path):
    Hnsw(12).save(tmp_path / "x.hnsw", store_id="s1", generation=0)
    index = Hnsw.load(tmp_path / "x.hnsw", **WHO)
    assert len(index) == 0
    assert len(index.search(np.ones(12, np.float32), 3)[0]) == 0


def test_a_missing_half_is_silent(saved, caplog):
    description_of(saved).rename(saved.with_name("kept"))
    assert Hnsw.load(saved, **WHO) is None
    saved.with_name("kept").rename(description_of(saved))
    saved.unlink()
    assert Hnsw.load(saved, **WHO) is None
    assert not caplog.records


@pytest.mark.parametrize("who", [{"store_id": "s2"}, {"dim": 13}])
def test_another_stores_index_is_not_loaded(saved, who, caplog):
    assert Hnsw.load(saved, **(WHO | who)) is None
    assert len(caplog.records) == 1


def test_an_index_of_another_release_or_machine_is_not_loaded(saved):
    wrapped = json.loads(description_of(saved).read_text())
    for name, value in (("hnswlib", "9.9"), ("layout", 2), ("machine", "big-4"), ("crc32", 1)):
        text = json.dumps(json.loads(wrapped["about"]) | {name: value})
        changed = {"about": text, "crc32": zlib.crc32(text.encode())}
        description_of(saved).write_text(json.dumps(changed))
        assert Hnsw.load(saved, **WHO) is None, name


def test_a_damaged_index_is_never_handed_to_hnswlib(saved, monkeypatch, caplog):
    import hnswlib

    content = saved.read_bytes()
    damaged = [content[:length] for length in range(0, len(content), 997)] + [content + b"x"]
    for at in range(0, len(content), 499):
        flipped = bytearray(content)
        flipped[at] ^= 0x10
        damaged.append(bytes(flipped))
    monkeypatch.setattr(hnswlib, "Index", lambda *_: pytest.fail("it was loaded"))
    for number, octets in enumerate(damaged, start=1):
        saved.write_bytes(octets)
        assert Hnsw.load(saved, **WHO) is None
        assert len(caplog.records) == number


def test_a_damaged_description_is_not_believed(saved):
    content = description_of(saved).read_bytes()
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 0x10
        description_of(saved).write_bytes(flipped)
        assert Hnsw.load(saved, **WHO) is None, at
        description_of(saved).write_bytes(content[:at])
        assert Hnsw.load(saved, **WHO) is None, at
    for text in ("[]", "1", '{"about": 1, "crc32": 2}', '{"about": "1", "crc32": 2212294583}'):
        description_of(saved).write_text(text)
        assert Hnsw.load(saved, **WHO) is None, text


def test_a_write_that_was_cut_short_leaves_the_old_index(saved, monkeypatch):
    index = Hnsw(12)
    index.add(np.arange(10), clustered(10, 12))

    class CutShort:
        def __getattr__(self, name):
            return getattr(real, name)

        def save_index(self, path):
            real.save_index(path)
            with Path(path).open("r+b") as file:
                file.truncate(100)

    real, index._index = index._index, CutShort()
    with pytest.raises(OSError, match="No space"):
        index.save(saved, store_id="s1", generation=42)
    assert Hnsw.load(saved, **WHO).generation == 41
    assert len(list(saved.parent.iterdir())) == 2


def test_the_same_additions_build_the_same_index(tmp_path):
    for name in ("a", "b"):
        index = Hnsw(12)
        index.add(np.arange(500), clustered(500, 12))
        index.save(tmp_path / name, store_id="s1", generation=1)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_writer_is_alone_and_neither_side_starves():
    lock, inside, failures, rounds = _SharedLock(), [], [], 300
    reads = [0, 0, 0]

    def read(number):
        for _ in range(rounds):
            with lock.shared():
                reads[number] += 1
                if "w" in inside:
                    failures.append("read beside a writer")

    def write():
        for _ in range(rounds):
            with lock.alone():
                inside.append("w")
                if inside != ["w"]:
                    failures.append("two writers")
                inside.remove("w")

    threads = [threading.Thread(target=read, args=(i,)) for i in range(3)]
    threads += [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)
    assert not failures
    assert reads == [rounds] * 3


def test_an_error_inside_the_lock_frees_it():
    lock = _SharedLock()
    for way in (lock.shared, lock.alone):
        with pytest.raises(ZeroDivisionError), way():
            raise ZeroDivisionError
    with lock.alone():
        pass


def test_candidates_that_the_builder_has_just_added_are_not_proposed_twice():
    """The index may hold rows beyond those it is known to cover; they are in the tail, too."""
    rows = unit(np.random.default_rng(3).normal(size=(64, 8)))
    index = Hnsw(8)
    index.add(np.arange(64), rows)
    found = Approximation(index, covered=40).near(rows[50], 64, 60)

    assert found is not None
    assert sorted(found[0].tolist()) == list(range(60))


# The index of a store, built beside it


@pytest.fixture
def large(monkeypatch):
    """From here on a store is large that has any vector, and mapped from 50 memories on."""
    monkeypatch.setattr("feather_memory.config.HNSW_FLOATS", 1)
    monkeypatch.setattr("feather_memory.config.SNAPSHOT_ROWS", 50)


def near_of(store):
    return store._core.columns.view.lineage.approximation


def fill(store, count, *, seed=0):
    rows = clustered(count, 12, seed=seed)
    store.add_many({"text": f"fact {seed}.{n}", "vector": row} for n, row in enumerate(rows))
    return rows


def test_an_index_follows_its_store_and_comes_back_with_it(large, tmp_path):
    """Built in the background, extended once it is behind, saved, loaded; it changes no answer."""
    path = tmp_path / "alice.feather"
    with Store.open(path) as store:
        rows = fill(store, 200)
        expected = [hit.memory.text for hit in store.search(vector=rows[7], k=5)]
        near_of(store).wait()
        assert near_of(store).covered == 200
        assert [hit.memory.text for hit in store.search(vector=rows[7], k=5)] == expected

        fill(store, 5, seed=1)  # too few to be worth it
        store.search(vector=rows[7])
        near_of(store).wait()
        assert near_of(store).covered == 200
        more = fill(store, 100, seed=2)
        store.search(vector=rows[7])
        near_of(store).wait()
        assert near_of(store).covered == 305
        assert store.search(vector=more[99], k=1)[0].memory.text == "fact 2.99"
    with Store.open(path) as store:
        store.plumbing.wake()
        assert (store.stats().index, near_of(store).covered) == ("hnsw", 305)
        assert store.search(vector=more[99], k=1)[0].memory.text == "fact 2.99"
        assert store.check() == []


def test_a_large_store_without_hnswlib_is_scanned(large, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with Store.open(tmp_path / "alice.feather") as store:
        rows = fill(store, 60)
        assert store.search(vector=rows[3], k=1)[0].memory.text == "fact 0.3"
        assert store.stats().index == "exact"
        assert store.check() == []


def test_a_builder_that_is_stopped_leaves_the_index_as_far_as_it_came(large):
    near, matrix = Approximation(), Matrix(12)
    matrix.append(clustered(3_000, 12))

    near.stop()
    near.follow(matrix, 3_000)
    near._build(matrix, 3_000)

    assert (near.index, near.covered) == (None, 0)
    assert near.near(np.ones(12, np.float32), 5, 3_000) is None


def test_many_equal_vectors_that_the_graph_cannot_reach_are_scanned_instead(large, tmp_path):
    with Store.open(tmp_path / "alice.feather") as store:
        store.add_many({"text": f"same {n}", "vector": [1.0] * 12} for n in range(600))
        store.search(vector=[1.0] * 12)
        near_of(store).wait()

        assert [hit.memory.text for hit in store.search(vector=[1.0] * 12, k=3)] == [
            "same 599", "same 598", "same 597",
        ]  # fmt: skip
        assert store.check() == []
