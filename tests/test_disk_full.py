"""A disk without room fails the write that hit it, and nothing before it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

import feather_memory
from feather_memory import Store

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(feather_memory.__file__).parents[1])}

# Writes until it fails, and tells what was acknowledged; `limit` caps every file's size.
WRITER = """
import resource, signal, sys
import numpy as np
from feather_memory import Store, StoreAccessError, StoreFullError
path, limit, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
store = Store.open(path)
store.add("Alice's editor is Helix", id="first", vector=np.ones(8, np.float32))
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    for number in range(100_000):
        store.add(f"fact{number} " + "x" * size, id=f"m{number}", vector=np.ones(8, np.float32))
        print("wrote", number, flush=True)
except StoreAccessError as error:
    print("failed", type(error).__name__, flush=True)
print("found", store.search("Helix")[0].memory.id, flush=True)
store.close()
print("closed", flush=True)
"""


def write_until_full(path: Path, limit: int, size: int) -> tuple[list[int], list[str]]:
    """Numbers of the acknowledged writes, and what happened then."""
    run = subprocess.run(
        [sys.executable, "-c", WRITER, str(path), str(limit), str(size)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    wrote = [int(line.split()[1]) for line in lines if line.startswith("wrote")]
    return wrote, [line for line in lines if not line.startswith("wrote")]


def intact(path: Path, wrote: list[int]) -> None:
    with Store.open(path) as store:
        assert {memory.id for memory in store.iterate()} == {"first", *(f"m{n}" for n in wrote)}
        assert store.check() == []
        assert store.search("Helix")[0].memory.id == "first"
        store.add("there is room again", id="later")
        assert len(store) == len(wrote) + 2
        assert store.check() == []


@pytest.mark.parametrize(
    ("limit", "size"),
    [(400_000, 100), (400_000, 3_000), (400_000, 50_000), (1_000_000, 20_000), (300_000, 400_000)],
)
def test_a_write_that_does_not_fit_fails_alone(tmp_path, limit, size):
    path = tmp_path / "alice.feather"
    wrote, then = write_until_full(path, limit, size)
    assert then == ["failed StoreFullError", "found first", "closed"]
    assert wrote == list(range(len(wrote)))
    intact(path, wrote)


@contextmanager
def small_disk(folder: Path, size: str):
    """A file system of that size; where one cannot be mounted, the limit above must do."""
    # Outside pytest's folder: a mount left by a killed run must not fail the next one's cleaning.
    folder = Path(tempfile.mkdtemp(prefix="feather-small-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
@pytest.mark.parametrize("size", [500, 60_000])
def test_a_full_file_system_fails_the_write_that_hit_it(tmp_path, size):
    with small_disk(tmp_path / "disk", "2m") as disk:
        path = disk / "alice.feather"
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(1_000_000))
        wrote, then = write_until_full(path, 0, size)
        assert wrote
        assert then == ["failed StoreFullError", "found first", "closed"]
        ballast.unlink()
        intact(path, wrote)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_batch_that_does_not_fit_leaves_none_of_itself(tmp_path):
    with small_disk(tmp_path / "disk", "2m") as disk:
        with Store.open(disk / "alice.feather") as store:
            store.add("Alice's editor is Helix", id="first")
            with pytest.raises(feather_memory.StoreFullError):
                store.add_many({"text": f"fact{n} " + "x" * 5_000} for n in range(1_000))
            assert len(store) == 1
            assert store.check() == []
            store.add("a small one fits", id="small")
        with Store.open(disk / "alice.feather") as store:
            assert {memory.id for memory in store.iterate()} == {"first", "small"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_backup_that_does_not_fit_is_a_typed_error_and_leaves_nothing(tmp_path):
    with (
        small_disk(tmp_path / "disk", "256k") as disk,
        Store.open(tmp_path / "alice.feather") as store,
    ):
        store.add_many({"text": f"fact{n} " + "x" * 5_000} for n in range(200))
        with pytest.raises(feather_memory.StoreAccessError):
            store.backup(disk / "copy.feather")
        assert list(disk.iterdir()) == []
        assert store.check() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_without_room_for_the_mapped_file_closing_still_works(tmp_path, monkeypatch):
    monkeypatch.setattr("feather_memory.config.SNAPSHOT_ROWS", 50)
    with small_disk(tmp_path / "disk", "4m") as disk:
        path = disk / "alice.feather"
        store = Store.open(path)
        store.add_many({"text": f"fact{n}", "vector": [float(n)] * 1_024} for n in range(1, 301))
        used = sum(p.stat().st_size for p in disk.iterdir())
        (disk / "ballast").write_bytes(bytes(4_194_304 - used - 200_000))
        store.close()
        assert not list(disk.glob(".*"))
        assert not list(disk.glob("*.vectors"))
        with Store.open(path) as store:
            assert len(store.search("fact7", 300)) == 300
            assert store.check() == []
