"""A derived file is whole and this store's, or it is not used."""

import json
import logging
import mmap
import os
import stat
import zlib
from pathlib import Path

import numpy as np
import pytest

from feather_memory.errors import ParameterError
from feather_memory.index import mapped as snapshot
from feather_memory.index.matrix import Matrix, unit
from feather_memory.truth import atomic

DIM = 6
ROWS = unit(np.random.default_rng(0).normal(size=(20, DIM)))
COLUMNS = {
    "row": np.arange(20, dtype=np.int64),
    "importance": np.linspace(0, 1, 20, dtype=np.float32),
    "alive": np.arange(20) % 3 == 0,
    "valid_from": np.linspace(1.7e9, 1.8e9, 20),
    "ids": np.array([f"m{i}é" for i in range(20)]),
    "table": np.arange(12, dtype=np.uint16).reshape(3, 4),
    "nothing": np.empty(0, np.float64),
    "one": np.array(2.5),
}
LARGE = {
    "vectors": ROWS,
    "words": np.arange(1_000, dtype=np.int32),
    "cube": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "names": np.array(["ä", "bcd"]),
    "flags": np.arange(7) % 2 == 0,
    "empty": np.empty((0, 5), np.float32),
    "flat": np.empty((5, 0), np.float32),
}


def in_blocks(array):
    """The array as it comes when it is too large to be held: a generator of uneven blocks."""
    yield array[:1]
    yield array[1:4]
    yield array[4:]


def write(path, **changes):
    arguments = {
        "store_id": "s1",
        "generation": 7,
        "columns": COLUMNS,
        "large": {name: in_blocks(array) for name, array in LARGE.items()},
    }
    snapshot.write(path, **(arguments | changes))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "alice.feather.vectors"
    write(path)
    return path


def header_length(content):
    return snapshot._PREFIX + int.from_bytes(content[12:16], "little")


def test_what_was_written_is_read(path):
    found = snapshot.read(path, store_id="s1")
    assert found.generation == 7
    for arrays, written in ((found.columns, COLUMNS), (found.large, LARGE)):
        assert arrays.keys() == written.keys()
        for name, array in written.items():
            assert np.array_equal(arrays[name], array)
            assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
    assert all(column.flags.writeable for column in found.columns.values())
    found.columns["importance"][0] = 0.5  # ours alone
    assert snapshot.read(path, store_id="s1").columns["importance"][0] == 0.0
    assert snapshot.verify(path) == []


def owner(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return array.obj if isinstance(array, memoryview) else array


def test_large_arrays_stand_in_one_read_only_mapping_each_at_a_cache_line(path):
    """A mapping holds a file handle, of which a process has few."""
    large = snapshot.read(path, store_id="s1").large

    assert isinstance(owner(large["vectors"]), mmap.mmap)
    assert len({id(owner(array)) for array in large.values()}) == 1
    assert not any(array.flags.writeable for array in large.values())
    assert all(array.ctypes.data % 64 == 0 for array in large.values() if array.size)
    del large["words"]
    assert np.array_equal(large["vectors"], ROWS)


def test_a_matrix_stands_on_the_mapped_rows(path):
    matrix = Matrix(DIM, base=snapshot.read(path, store_id="s1").large["vectors"])
    matrix.append(ROWS[:3])
    assert np.allclose(matrix.products(ROWS[0], 23)[[0, 20]], 1)
    write(path, large={"vectors": matrix.blocks(23)})  # over the file that is mapped
    assert len(snapshot.read(path, store_id="s1").large["vectors"]) == 23
    assert np.allclose(matrix.products(ROWS[0], 23)[[0, 20]], 1)


def test_a_store_without_arrays_has_a_snapshot_too(path):
    write(path, columns={}, large={})
    found = snapshot.read(path, store_id="s1")
    assert (found.columns, found.large) == ({}, {})
    assert snapshot.verify(path) == []


def test_strided_and_big_endian_arrays_are_read_as_they_were(path):
    columns = {"wide": np.arange(10, dtype=">i4")[::2], "odd": np.arange(9).reshape(3, 3).T}
    large = {
        "rows": [ROWS[::2], ROWS[1::2]],
        "swapped": [columns["wide"], np.arange(3, dtype="i4")],
    }
    write(path, columns=columns, large=large)
    found = snapshot.read(path, store_id="s1")
    assert found.columns["wide"].tolist() == [0, 2, 4, 6, 8]
    assert np.array_equal(found.columns["odd"], columns["odd"])
    assert np.array_equal(found.large["rows"], np.concatenate([ROWS[::2], ROWS[1::2]]))
    assert found.large["swapped"].tolist() == [0, 2, 4, 6, 8, 0, 1, 2]


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [ROWS, ROWS[:, :3]],
        [ROWS, ROWS[0]],
        [ROWS, ROWS.astype(np.float64)],
        [np.array(1.0)],
        [np.arange(3.0), np.array(1.0)],
        [np.array([None])],
    ],
    ids=["none", "narrower", "a row", "other dtype", "a number", "then a number", "objects"],
)
def test_blocks_that_do_not_fit_each_other_are_refused(path, blocks):
    before = path.read_bytes()

    with pytest.raises(ParameterError, match="'rows'"):
        write(path, large={"rows": iter(blocks)})

    assert path.read_bytes() == before


def test_a_missing_file_is_silent(tmp_path, caplog):
    assert snapshot.read(tmp_path / "none.vectors", store_id="s1") is None
    assert snapshot.verify(tmp_path / "none.vectors") == []
    assert not caplog.records


def test_another_stores_file_is_not_used(path, caplog):
    assert snapshot.read(path, store_id="s2") is None
    assert "another store" in caplog.text


def test_a_truncated_or_longer_file_is_not_used(path, caplog):
    content = path.read_bytes()
    for length in [*range(0, len(content), 13), len(content) - 1]:
        caplog.clear()
        path.write_bytes(content[:length])
        assert snapshot.read(path, store_id="s1") is None
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert snapshot.verify(path)
    path.write_bytes(content + b"\0")
    assert snapshot.read(path, store_id="s1") is None


def test_a_flipped_byte_of_the_header_is_found(path):
    content = bytearray(path.read_bytes())
    for at in range(header_length(content)):
        content[at] ^= 0x41
        path.write_bytes(content)
        assert snapshot.read(path, store_id="s1") is None, at
        content[at] ^= 0x41


def test_a_flipped_byte_of_an_array_is_found_and_named(path):
    """At once, and by `verify`."""
    content = bytearray(path.read_bytes())
    directory = json.loads(content[snapshot._PREFIX : header_length(content)])
    for kind in ("columns", "large"):
        for entry in filter(lambda entry: entry["bytes"], directory[kind]):
            for at in (entry["offset"], entry["offset"] + entry["bytes"] - 1):
                content[at] ^= 0x01
                path.write_bytes(content)
                assert snapshot.read(path, store_id="s1") is None
                assert snapshot.verify(path) == [f"{entry['name']}: the checksum does not match"]
                content[at] ^= 0x01


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("generation"),
        lambda d: d["columns"][0].update(dtype="|O"),
        lambda d: d["columns"][0].update(dtype="nonsense"),
        lambda d: d["columns"][0].update(shape=[21]),
        lambda d: d["columns"][0].update(offset=10**9),
        lambda d: d["large"][0].update(dtype="|O"),
        lambda d: d["large"][0].update(shape=[12, 11]),
        lambda d: d["large"][0].update(shape=[-20, -DIM]),
        lambda d: d["large"][0].update(offset=-64),
        lambda d: d["large"][0].update(offset=10**9),
        lambda d: d["large"][0].pop("name"),
        lambda d: d.pop("large"),
        lambda d: d.pop("columns"),
    ],
)
def test_a_directory_that_makes_no_sense_is_not_used_though_its_checksum_matches(path, change):
    content = bytearray(path.read_bytes())
    end = header_length(content)
    directory = json.loads(content[snapshot._PREFIX : end])
    change(directory)
    content[snapshot._PREFIX : end] = json.dumps(directory).encode().ljust(end - snapshot._PREFIX)
    check = zlib.crc32(
        content[snapshot._PREFIX : end], zlib.crc32(content[: snapshot._FIELDS.size])
    )
    content[snapshot._FIELDS.size : snapshot._PREFIX] = snapshot._CHECK.pack(check, 0)
    path.write_bytes(content)
    assert snapshot.read(path, store_id="s1") is None


def test_another_layout_and_a_directory_in_its_place_are_not_used(path, caplog):
    content = bytearray(path.read_bytes())
    content[8] = 1
    path.write_bytes(content)
    assert snapshot.read(path, store_id="s1") is None
    assert "layout 1" in caplog.text
    path.unlink()
    path.mkdir()
    assert snapshot.read(path, store_id="s1") is None
    assert snapshot.verify(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(path):
    before = path.read_bytes()

    def disk_that_fills():
        yield ROWS[:8]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write(path, large={"vectors": disk_that_fills()})
    with pytest.raises(ParameterError, match="'who' of dtype object"):
        write(path, columns={"who": np.array([None])})
    with pytest.raises(ParameterError, match="two arrays named 'vectors'"):
        write(path, columns={"vectors": np.arange(3)})
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk_raises_and_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()
    real_open = type(path).open

    def full(self, mode="r", *args, **kwargs):
        return real_open(type(path)("/dev/full") if mode == "r+b" else self, mode, *args, **kwargs)

    monkeypatch.setattr(type(path), "open", full)
    with pytest.raises(OSError, match="No space"):
        write(path, large={"vectors": [ROWS] * 500})
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_the_file_is_no_more_readable_than_its_store(tmp_path):
    path = tmp_path / "bob.feather.vectors"
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (tmp_path / "bob.feather").touch()
    (tmp_path / "bob.feather").chmod(0o640)
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) & ~0o640 == 0


def test_discard_removes_the_file_and_what_killed_writers_left(path):
    leftover = path.with_name(f".{path.name}.0123.tmp")
    other = path.with_name(".alice2.feather.vectors.0123.tmp")
    leftover.touch()
    other.touch()
    atomic.discard(path)
    atomic.discard(path)
    assert list(path.parent.iterdir()) == [other]
