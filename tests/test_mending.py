"""Derived files without what is gone: mended in their place, and as fit to be mapped as before."""

from __future__ import annotations

import json
import random
import shutil
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from remains import found

from feather_memory import F, Store
from feather_memory.index import beside, checksum, mapped
from feather_memory.index.edges import EdgeArrays
from feather_memory.index.fields import _cut, _text
from feather_memory.index.matrix import unit
from feather_memory.index.postings import Postings
from feather_memory.model.words import entries, tokenizer
from feather_memory.testing import HashEmbedder

COUNT, DIM = 500, 16
CANARY = "xylophonequartz"
MARKS = {"store_id": "a" * 32, "mark": "b" * 32}

# Checksums


@given(whole=st.binary(min_size=1, max_size=3_000), data=st.data())
def test_a_checksum_that_was_brought_up_to_date_is_that_of_the_whole(whole, data):
    start = data.draw(st.integers(0, len(whole)))
    old = whole[start : data.draw(st.integers(start, len(whole)))]
    new = data.draw(st.binary(min_size=len(old), max_size=len(old)))
    now = whole[:start] + new + whole[start + len(old) :]

    after = len(whole) - start - len(old)
    assert checksum.changed(zlib.crc32(whole), old, new, after=after) == zlib.crc32(now)


def test_a_checksum_is_right_however_many_bytes_follow():
    for after in (0, 1, 2**20, 30_000_000):
        rest = bytes(after)
        before, now = zlib.crc32(rest, zlib.crc32(b"old")), zlib.crc32(rest, zlib.crc32(b"new"))
        assert checksum.changed(before, b"old", b"new", after=after) == now


# One file


@pytest.fixture
def file(tmp_path):
    """A mapped file and what is in it."""
    arrays = {
        "numbers": np.arange(COUNT, dtype=np.float64),
        "flags": np.ones(COUNT, np.uint8),
        "vectors": np.random.default_rng(1).standard_normal((COUNT, DIM)).astype(np.float32),
        "cube": np.arange(COUNT * 6, dtype=np.int32).reshape(COUNT, 2, 3),
    }
    path = tmp_path / "any.vectors"
    columns = {name: arrays[name] for name in ("numbers", "flags")}
    large = {name: [arrays[name]] for name in ("vectors", "cube")}
    mapped.write(path, store_id=MARKS["store_id"], generation=3, columns=columns, large=large)
    return path, arrays


def held(path, mark):
    found = mapped.read(path, store_id=mark)
    return None if found is None else {**found.columns, **found.large}


@pytest.mark.parametrize(
    "rows",
    [[0], [COUNT - 1], [3, 4, 5], [0, 250, 499], list(range(0, COUNT, 3)), list(range(COUNT))],
)
def test_rows_are_overwritten_in_place_and_all_checksums_are_right(file, rows, monkeypatch):
    monkeypatch.setattr(mapped, "_NEAR", 200)  # pieces of several rows, and several pieces
    path, arrays = file
    with mapped.mending(path, **MARKS) as mended:
        for name in arrays:
            mended.overwrite(name, np.array(rows), 0 if name != "numbers" else -np.inf)

    assert mapped.verify(path) == []
    assert held(path, MARKS["store_id"]) is None
    now = held(path, MARKS["mark"])
    for name, array in arrays.items():
        expected = array.copy()
        expected[rows] = 0 if name != "numbers" else -np.inf
        np.testing.assert_array_equal(now[name], expected)


def test_whoever_has_it_mapped_sees_the_change(file):
    path, _ = file
    before = mapped.read(path, store_id=MARKS["store_id"])
    with mapped.mending(path, **MARKS) as mended:
        mended.overwrite("vectors", np.array([7]), 0.0)

    assert not before.large["vectors"][7].any()
    assert before.large["vectors"][8].any()


def test_a_file_that_was_not_changed_keeps_its_mark(file):
    path, arrays = file
    whole = path.read_bytes()
    with mapped.mending(path, **MARKS) as mended:
        np.testing.assert_array_equal(mended.array("numbers"), arrays["numbers"])

    assert path.read_bytes() == whole


def stop_amid(path, names):
    with mapped.mending(path, **MARKS) as mended:
        for name in names:
            mended.overwrite(name, np.array([1, 300]), 0.0)
        raise KeyboardInterrupt


@pytest.mark.parametrize("done", [1, 2, 3])
def test_what_a_kill_leaves_of_the_mending_is_not_used(file, done, caplog):
    path, arrays = file
    with pytest.raises(KeyboardInterrupt):
        stop_amid(path, list(arrays)[:done])

    assert held(path, MARKS["store_id"]) is None
    assert held(path, MARKS["mark"]) is None
    assert "mended" in caplog.text
    assert mapped.verify(path) != []


def test_another_stores_file_and_none_are_not_mended(file, tmp_path):
    path, _ = file
    with mapped.mending(path, store_id="c" * 32, mark="b" * 32) as mended:
        assert mended is None
    with mapped.mending(tmp_path / "nothing", **MARKS) as mended:
        assert mended is None


# Postings


@given(
    texts=st.lists(st.lists(st.sampled_from("ab cd ef gh ij".split()), max_size=5), max_size=30),  # noqa: SIM905
    many=st.integers(0, 40),
    seed=st.integers(0, 9),
)
def test_postings_without_some_memories_are_those_in_which_these_said_nothing(texts, many, seed):
    said = [" ".join(words) for words in texts]
    gone = sorted(random.Random(seed).sample(range(len(said)), min(many, len(said))))
    left = ["" if place in gone else text for place, text in enumerate(said)]

    after = postings_of(said).without(np.array(gone, np.intp))

    assert entries_of(after) == entries_of(postings_of(left))
    assert after.lengths.tolist() == postings_of(left).lengths.tolist()


def entries_of(postings):
    """By word, who holds it and how often."""
    arrays = postings.arrays()
    starts = arrays["starts"].tolist()
    return {
        word: sorted(
            zip(arrays["places"][a:b].tolist(), arrays["counts"][a:b].tolist(), strict=True)
        )
        for word, a, b in zip(arrays["words"].tolist(), starts, starts[1:], strict=False)
    }


def postings_of(texts):
    compact = [tokenizer("english").compact(text) for text in texts]
    return Postings.of_nothing().followed_by(compact).settled()


# Fields and edges

JSON = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just("a,b"), st.just([1, 2])
)


@given(values=st.lists(JSON, min_size=1, max_size=12), data=st.data())
def test_values_that_are_cut_out_of_a_text_leave_the_others(values, data):
    dropped = sorted(data.draw(st.sets(st.integers(0, len(values) - 1))))
    left = [value for code, value in enumerate(values) if code not in dropped]

    assert json.loads(_cut(_text(values), len(values), dropped)) == left


@given(
    edges=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from("abc")), max_size=30
    ),
    gone=st.sets(st.integers(0, 9)),
)
def test_edges_without_some_memories_are_those_between_the_others(edges, gone):
    rows = np.arange(1, 11)
    told = [(a + 1, b + 1, kind, 0.5, 0.0) for a, b, kind in edges]
    left = [each for each in told if not gone & {each[0] - 1, each[1] - 1}]

    after = EdgeArrays.told(rows, told, 1).without(np.array(sorted(gone), np.intp))

    expected = EdgeArrays.told(rows, left, 1)
    assert after.is_sound()
    assert set(after.types) == {kind for _, _, kind, *_ in left}
    for place in range(10):
        at = np.array([place])
        assert sorted(after.links(at, None)) == sorted(expected.links(at, None))


# A store


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "memories").mkdir()
    return tmp_path / "memories"


@pytest.fixture
def path(folder, monkeypatch):
    """A closed store with derived files."""
    monkeypatch.setattr("feather_memory.config.SNAPSHOT_ROWS", 30)
    path = folder / "alice.feather"
    with opened(path) as store:
        store.add_many(
            {"id": f"m{n}", "text": f"fact {n} of topic {n % 7}", "session": f"s{n % 4}",
             "metadata": {"n": n, "kind": "abc"[n % 3], "prose": f"prose {n} " * 20}}
            for n in range(80)
        )  # fmt: skip
        for n in range(40):
            store.link(f"m{n}", f"m{(n * 7) % 80 + (n * 7 % 80 == n)}", "supports")
        store.supersede("m70", "fact 70 is another", id="newer")
        store.add(
            f"about {CANARY}", id="secret", actor="Ada", key="k-" + CANARY, session="s1",
            metadata={"tag": "t-" + CANARY, "of-" + CANARY: 7, "kind": "b"},
        )  # fmt: skip
        store.link("secret", "m1", "type-" + CANARY)
        store.link("m2", "secret", "supports")
        store.supersede("m71", "a fact by the secret", id="secret-new")
    return path


def opened(path):
    return Store.open(path, embedder=HashEmbedder(DIM), clock=lambda: 1_700_000_000.0)


def needles():
    vector = HashEmbedder(DIM)([f"about {CANARY}"])[0]
    texts = {word: (word + CANARY).encode() for word in ("k-", "t-", "of-", "type-")}
    texts["wide type"] = ("type-" + CANARY).encode("utf-32-le")  # as numpy keeps texts
    digests = entries(tokenizer("english").compact(f"Ada {CANARY}"))["word"]
    return (
        {"unit vector": unit(vector).tobytes(), "vector": vector.tobytes()}
        | texts
        | {f"digest {number}": digest.tobytes() for number, digest in enumerate(digests)}
    )


def answers(store):
    return (
        [
            [
                (hit.memory.id, pytest.approx(float(hit.score), abs=1e-6))
                for hit in store.search(asked, 20)
            ]
            for asked in ("fact 12", "topic 3", CANARY, "about Ada")
        ]
        + [
            sorted(memory.id for memory in store.iterate(where=where))
            for where in (F("session") == "s1", F("kind") == "b", F("n") > 60, F("tag").exists())
        ]
        + [
            sorted(hit.memory.id for hit in store.search("fact", 50, where=where))
            for where in (F("session") == "s1", F("kind") == "b", F("n") > 60, F("prose").exists())
        ]
        + [
            [(hit.memory.id, hit.hop) for hit in store.context_chain("fact 12", 5, 3).hits],
            [
                (edge.source, edge.type, edge.target)
                for edge in store.context_chain("fact", 9).edges
            ],
            sorted(hit.memory.id for hit in store.search("fact", 99, known_at=1_700_000_001.0)),
        ]
    )


def test_the_needles_are_in_the_derived_files_before(path, folder):
    """The negative control."""
    seen = found(folder, needles())

    assert ("alice.feather.vectors", "unit vector") in seen
    for what in ("digest 0", "k-", "t-", "of-", "wide type"):
        assert ("alice.feather.lists", what) in seen


def test_after_a_forgetting_the_derived_files_are_used_and_hold_nothing_of_it(path, folder):
    with opened(path) as store:
        store.forget(["secret", "secret-new", "m5", "m70"])
    assert found(folder, needles()) == set()

    with opened(path) as again:
        again.plumbing.wake()
        view = again._core.columns.view
        assert len(view.matrix.blocks(len(view))[0]) == 83, "it comes from the mapped file"
        mended = answers(again)
        assert again.check() == []
    beside.discard(path)
    with opened(path) as plain:
        assert answers(plain) == mended


def test_a_store_that_is_open_goes_on_answering(path):
    with opened(path) as store, opened(path) as other:
        before = answers(store)
        assert before[2][0][0] == "secret"
        other.search("fact")
        store.forget("secret")
        without = answers(store)
        assert "'secret'" in str(before)
        assert "'secret'" not in str(without)
        assert answers(other) == without
        store.forget(["m3", "m77"])
        assert answers(other) == answers(store)
        assert store.check() == other.check() == []


def test_forgetting_again_and_again_keeps_the_files_in_use(path, folder):
    with opened(path) as store:
        for number in range(10):
            store.forget(f"m{number}")
            store.update(f"m{number % 3 + 20}", text=f"rewritten {number}")
    with opened(path) as again:
        again.plumbing.wake()
        assert len(again._core.columns.view.matrix.blocks(83)[0]) == 83
        mended = answers(again)
        assert again.check() == []
    beside.discard(path)
    with opened(path) as plain:
        assert answers(plain) == mended


def test_a_backup_that_is_restored_does_not_take_the_mended_files_for_its_own(path, tmp_path):
    shutil.copy(path, tmp_path / "backup")
    with opened(path) as store:
        before = answers(store)
        store.forget("secret")
    shutil.copy(tmp_path / "backup", path)

    with opened(path) as restored:
        assert answers(restored) == before
        assert restored.check() == []


def test_a_file_with_arrays_that_nobody_can_mend_is_removed(path, folder):
    with opened(path) as store, store._core.truth.reading() as moment:
        mark = moment.state.snapshot
    at = beside.vectors_path(path)
    was = mapped.read(at, store_id=mark)
    large = {
        "vectors": [was.large["vectors"]],
        "unheard of": [np.frombuffer(CANARY.encode(), np.uint8)],
    }
    mapped.write(at, store_id=mark, generation=was.generation, columns=was.columns, large=large)
    assert found(folder, {"secret": CANARY.encode()}) >= {(at.name, "secret")}

    with opened(path) as store:
        store.forget("secret")

        assert found(folder, {"secret": CANARY.encode()} | needles()) == set()
        assert store.check() == []


def test_what_killed_writers_left_goes_with_it(path, folder):
    left = folder / f".{path.name}.lists.0123456789abcdef.tmp"
    left.write_text(CANARY)
    with opened(path) as store:
        store.forget("secret")

        assert not left.exists()


def test_where_the_files_cannot_be_mended_they_are_removed(path, folder, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "no room")

    with opened(path) as store:
        monkeypatch.setattr(mapped, "write", full)
        store.forget("secret")
        monkeypatch.undo()

        assert found(folder, needles()) == set()
        assert answers(store)
        assert store.check() == []
