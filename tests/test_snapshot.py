"""A derived file is whole and this store's, or it is not used."""

import json
import logging
import os
import stat
import zlib
from pathlib import Path

import numpy as np
import pytest

from feather_memory.errors import DimensionError, ParameterError
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
}


def write(path, **changes):
    arguments = {
        "store_id": "s1",
        "generation": 7,
        "dim": DIM,
        "vectors": [ROWS[:8], ROWS[8:]],
        "columns": COLUMNS,
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
    assert (found.generation, found.dim, found.count) == (7, DIM, 20)
    assert isinstance(found.vectors, np.memmap)
    assert np.array_equal(found.vectors, ROWS)
    assert not found.vectors.flags.writeable
    assert found.vectors.ctypes.data % 64 == 0
    assert found.columns.keys() == COLUMNS.keys()
    for name, column in COLUMNS.items():
        assert np.array_equal(found.columns[name], column)
        assert found.columns[name].dtype == column.dtype
        assert found.columns[name].flags.writeable
    found.columns["importance"][0] = 0.5  # ours alone
    assert snapshot.read(path, store_id="s1").columns["importance"][0] == 0.0
    assert snapshot.verify(path) == []


def test_a_matrix_stands_on_the_mapped_rows(path):
    matrix = Matrix(DIM, base=snapshot.read(path, store_id="s1").vectors)
    matrix.append(ROWS[:3])
    assert np.allclose(matrix.similarities(ROWS[0], 23)[[0, 20]], 1)
    write(path, vectors=matrix.blocks(23))  # over the file that is mapped
    assert snapshot.read(path, store_id="s1").count == 23
    assert np.allclose(matrix.similarities(ROWS[0], 23)[[0, 20]], 1)


@pytest.mark.parametrize("dim", [0, DIM])
def test_a_store_without_vectors_has_a_snapshot_too(path, dim):
    write(path, dim=dim, vectors=[], columns={})
    found = snapshot.read(path, store_id="s1")
    assert found.vectors.shape == (0, dim)
    write(path, dim=0, vectors=[np.empty((5, 0), np.float32)], columns={})
    assert snapshot.read(path, store_id="s1").vectors.shape == (5, 0)


def test_strided_and_big_endian_arrays_are_read_as_they_were(path):
    columns = {"wide": np.arange(10, dtype=">i4")[::2], "odd": np.arange(9).reshape(3, 3).T}
    write(path, vectors=[ROWS[::2], ROWS.astype(np.float64)], columns=columns)
    found = snapshot.read(path, store_id="s1")
    assert found.columns["wide"].tolist() == [0, 2, 4, 6, 8]
    assert np.array_equal(found.columns["odd"], columns["odd"])
    assert np.array_equal(found.vectors, np.concatenate([ROWS[::2], ROWS]))


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


def test_a_flipped_byte_of_a_column_is_found_and_named(path):
    content = bytearray(path.read_bytes())
    arrays = json.loads(content[snapshot._PREFIX : header_length(content)])["arrays"]
    for entry in arrays[:-1]:
        for at in {entry["offset"], entry["offset"] + entry["bytes"] - 1} if entry["bytes"] else ():
            content[at] ^= 0x01
            path.write_bytes(content)
            assert snapshot.read(path, store_id="s1") is None
            assert snapshot.verify(path) == [f"{entry['name']}: the checksum does not match"]
            content[at] ^= 0x01


def test_a_flipped_byte_of_the_vectors_is_found_by_verify(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 0x01
    path.write_bytes(content)
    assert snapshot.read(path, store_id="s1") is not None
    assert snapshot.verify(path) == ["vectors: the checksum does not match"]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("generation"),
        lambda d: d["arrays"][0].update(dtype="|O"),
        lambda d: d["arrays"][0].update(dtype="nonsense"),
        lambda d: d["arrays"][0].update(shape=[21]),
        lambda d: d["arrays"][0].update(offset=10**9),
        lambda d: d["arrays"][-1].update(dtype="<i4"),
        lambda d: d["arrays"][-1].update(shape=[12, 10]),
        lambda d: d["arrays"].pop(),
        lambda d: d.update(arrays=[]),
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


def test_a_newer_layout_and_a_directory_in_its_place_are_not_used(path, caplog):
    content = bytearray(path.read_bytes())
    content[8] = 2
    path.write_bytes(content)
    assert snapshot.read(path, store_id="s1") is None
    assert "layout 2" in caplog.text
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
        write(path, vectors=disk_that_fills())
    with pytest.raises(DimensionError):
        write(path, vectors=[ROWS[:, :3]])
    with pytest.raises(ParameterError, match="'who' of dtype object"):
        write(path, columns={"who": np.array([None])})
    with pytest.raises(ParameterError, match="vectors"):
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
        write(path, vectors=[ROWS] * 500)
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
