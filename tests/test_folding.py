"""The log is folded into the file: when nobody writes, when Python ends, and when it grows long."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from queue import SimpleQueue
from types import SimpleNamespace
from weakref import ref

import pytest
from test_processes import ENVIRONMENT, finished, python

from feather_memory import CorruptStoreError, Store, TenantPool, config
from feather_memory.truth.sqlite import folding, handles, transactions


def log_size(path):
    log = path.with_name(path.name + "-wal")
    return log.stat().st_size if log.exists() else 0


def ids_in_a_copy(path, tmp_path):
    """What `cp` of the one file holds."""
    shutil.copy(path, tmp_path / "copy.feather")
    with Store.open(tmp_path / "copy.feather") as store:
        assert store.check() == []
        return {memory.id for memory in store.iterate()}


WRITES_AND_WAITS = """
import sys
from feather_memory import Store
store = Store.open(sys.argv[1])
for number in range(200):
    store.add(f"fact number{number}", id=f"m{number}")
print("written", flush=True)
sys.stdin.read()
"""


def test_a_file_that_is_copied_while_its_store_is_idle_is_the_memory(path, tmp_path):
    """End to end: another process has it open, has written, and does nothing any more."""
    process = python(WRITES_AND_WAITS, path)
    assert process.stdout.readline() == "written\n"
    deadline = time.monotonic() + 60
    while log_size(path) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert len(ids_in_a_copy(path, tmp_path)) == 200
    assert process.poll() is None

    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert len(ids_in_a_copy(path, tmp_path)) == 200


@pytest.mark.parametrize(
    "end", ["", "sys.exit(1)", "raise KeyboardInterrupt", "held = [store]; held.append(held)"]
)
def test_a_process_that_ends_leaves_the_file_alone(path, end):
    """However it ends by itself, and whoever still holds the store."""
    program = WRITES_AND_WAITS.replace("sys.stdin.read()", f"import __main__ as m\n{end}")
    process = python(program, path)
    process.communicate(timeout=60)

    assert [each.name for each in path.parent.iterdir()] == [path.name]
    with Store.open(path) as store:
        assert len(store) == 200
        assert store.check() == []


@pytest.fixture
def told(monkeypatch):
    """What stores of this process tell of themselves, in the place of the thread that hears it."""
    queue = SimpleQueue()
    hearer = SimpleNamespace(watch=lambda _: queue)
    monkeypatch.setattr(folding, "folder", lambda: hearer)
    return queue


@pytest.mark.usefixtures("told")
def test_a_store_that_rests_folds_its_log_although_another_process_has_it_open(path):
    other = python(WRITES_AND_WAITS.replace("range(200)", "range(1)"), path)
    assert other.stdout.readline() == "written\n"
    with Store.open(path) as store:
        store.add("a fact", id="a")
        assert log_size(path)
        store.plumbing.rest()
        assert not log_size(path)
    finished(other)


def test_what_is_idle_is_folded_and_what_is_written_to_waits(path, told):
    with Store.open(path) as store:
        store.add("a fact")
        store.add("another")
        assert told.qsize() == 1  # once, until it is folded
        truth = told.get()

        truth().busy_at = time.monotonic() + 1_000
        assert 0 < folding.fold_when_idle(truth, told) <= config.FOLD_SECONDS
        assert log_size(path)
        truth().busy_at = time.monotonic() - config.FOLD_SECONDS
        assert folding.fold_when_idle(told.get(), told) == 0
        assert not log_size(path)
        assert told.empty()

        store.add("a third")
        assert told.qsize() == 1
        assert store.check() == []


@pytest.mark.usefixtures("told")
def test_folding_waits_for_who_reads_or_writes(path):
    with Store.open(path) as store, Store.open(path) as other:
        store.add("a fact")
        truth = store._core.truth
        with other._core.truth.reading() as moment:
            assert moment.memories.count() == 1
            store.add("more")
            assert not truth.fold()
        with store.transaction():
            assert not truth.fold()
        with other.transaction():
            assert not truth.fold()
        assert truth.fold()
        assert not log_size(path)
        assert store.check() == []


@pytest.mark.usefixtures("told")
def test_a_store_nobody_holds_is_not_kept_for_its_folding(path):
    store = Store.open(path)
    store.add("a fact")
    gone = ref(store._core.truth)

    del store
    gc.collect()

    assert gone() is None
    assert not log_size(path)


def test_there_is_one_thread_and_none_before_a_file_is_opened(tmp_path):
    program = """
import sys, threading
import feather_memory
from feather_memory import TenantPool
print(threading.active_count())
with TenantPool(sys.argv[1]) as pool:
    for name in "abc":
        pool.get(name).add("a fact")
    print(threading.active_count(), [t.daemon for t in threading.enumerate()][1:])
"""
    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env=ENVIRONMENT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert said == "1\n2 [True]\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_folds_what_it_writes(path):
    program = """
import os, sys, time
from pathlib import Path
from feather_memory import Store
store = Store.open(sys.argv[1])
store.add("of the parent", id="p")
child = os.fork()
if not child:
    store.add("of the child", id="c")
    log = Path(sys.argv[1] + "-wal")
    deadline = time.monotonic() + 60
    while log.stat().st_size and time.monotonic() < deadline:
        time.sleep(0.05)
    os._exit(0 if not log.stat().st_size else 1)
print(os.waitpid(child, 0)[1], sorted(m.id for m in store.iterate()), flush=True)
"""
    assert finished(python(program, path), 120) == "0 ['c', 'p']\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_finds_no_thread_of_ours_and_the_parent_folds_on(path):
    """Python warns of a fork beside threads."""
    program = """
import os, sys, threading, time
from pathlib import Path
from feather_memory import Store
store = Store.open(sys.argv[1])
store.add("before", id="b")
seen = []
os.register_at_fork(after_in_parent=lambda: seen.append(threading.active_count()))
child = os.fork()
if not child:
    os._exit(0)
os.waitpid(child, 0)
store.add("after", id="a")
log = Path(sys.argv[1] + "-wal")
deadline = time.monotonic() + 60
while log.stat().st_size and time.monotonic() < deadline:
    time.sleep(0.05)
print(threading.active_count(), log.stat().st_size, seen)
"""
    assert finished(python(program, path), 120) == "2 0 [1]\n"


READS = """
import sys
from feather_memory import Store
store = Store.open(sys.argv[1])
print("reading", flush=True)
while True:
    with store._core.truth.reading() as moment:
        for _ in moment.memories.stream():
            pass
"""


def test_the_log_stays_short_although_somebody_always_reads(path, monkeypatch):
    """Two readers whose reads overlap: SQLite by itself would never begin the log anew."""
    limit = 600_000
    monkeypatch.setattr(transactions, "LOG_BYTES", limit)
    monkeypatch.setattr(handles, "LOG_BYTES", limit)
    monkeypatch.setattr(handles, "LOG_STEP_BYTES", 200_000)
    monkeypatch.setattr(handles, "LOG_SECONDS", 5.0)
    with Store.open(path) as store:
        store.add_many({"text": f"fact {n} " * 20} for n in range(500))
        readers = [python(READS, path) for _ in range(2)]
        try:
            for reader in readers:
                assert reader.stdout.readline() == "reading\n"
            longest = 0
            for number in range(80):
                store.add(f"a new fact {number} " * 100, id=f"new{number}")
                longest = max(longest, log_size(path))
        finally:
            for reader in readers:
                reader.kill()
                reader.communicate()
        assert longest <= limit + 1_000_000
        assert len(store) == 580
        assert store.check() == []


@pytest.mark.usefixtures("told")
def test_without_that_the_log_would_grow(path, monkeypatch):
    """The negative control: one reader after another, none of which begins with an empty log."""
    monkeypatch.setattr(transactions, "LOG_BYTES", 1 << 60)
    with Store.open(path) as store, Store.open(path) as other:
        for number in range(200):
            with other._core.truth.reading() as moment:
                moment.memories.count()
                store.add(f"a new fact {number} " * 200)
                store.add(f"a newer fact {number} " * 200)
        assert log_size(path) > 3_000_000
        assert store.check() == []


@pytest.mark.usefixtures("told")
def test_a_long_reader_delays_writers_now_and_then_only(path, monkeypatch):
    """It is tried again when the log has grown by a step, not at every write."""
    monkeypatch.setattr(transactions, "LOG_BYTES", 100_000)
    monkeypatch.setattr(handles, "LOG_BYTES", 100_000)
    monkeypatch.setattr(handles, "LOG_STEP_BYTES", 300_000)
    tried = []
    with Store.open(path) as store, Store.open(path) as other:
        truth = store._core.truth
        monkeypatch.setattr(truth, "_truncated", lambda _: tried.append(log_size(path)) or False)
        with other._core.truth.reading() as moment:
            moment.memories.count()
            for number in range(100):
                store.add(f"fact {number} " * 200)
        assert 2 <= len(tried) <= log_size(path) / 300_000 + 1
        assert all(later - one >= 300_000 for one, later in itertools.pairwise(tried))
        monkeypatch.undo()
        assert store.check() == []


def test_a_pool_folds_the_logs_of_those_that_rest(tmp_path, clock):
    with TenantPool(tmp_path, clock=clock, max_open=1) as pool:
        pool.get("alice").add("a fact")
        pool.get("bob").add("a fact")
        assert not log_size(pool.path_of("alice"))


def test_a_copy_that_is_torn_is_refused(path, tmp_path):
    """The first page says how many there are: one from amid a fold says more than the copy has."""
    with Store.open(path) as store:
        store.add_many({"text": f"fact {n} " * 50} for n in range(300))
    whole = path.read_bytes()
    torn = tmp_path / "torn.feather"
    torn.write_bytes(whole[: len(whole) // 2 // 4096 * 4096])

    with pytest.raises(CorruptStoreError, match="without its log"):
        Store.open(torn)
