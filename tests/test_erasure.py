"""An erasure that could not be finished is owed, and paid by whoever comes next."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import string
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from remains import found

import feather_memory
from feather_memory import (
    BusyStoreError,
    Store,
    StoreAccessError,
    StoreFullError,
    UnknownMemoryError,
)
from feather_memory.truth.sqlite import erasure, schema

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(feather_memory.__file__).parents[1])}
CANARY = "xylophonequartz"  # one word, so that its digest is looked for, too
NEEDLES = {"text": CANARY.encode(), "id": b"the-secret-id", "note": b"a-secret-note"}


def tell(store):
    store.add_many({"id": f"m{n}", "text": f"fact {n} of many"} for n in range(30))
    store.add(f"about {CANARY}", id="the-secret-id", metadata={"note": "a-secret-note"})


def owed(store):
    with store._core.truth.reading() as moment:
        return moment.state.owed


@pytest.fixture
def folder(tmp_path):
    """A folder for a store alone."""
    (tmp_path / "memories").mkdir()
    return tmp_path / "memories"


@pytest.fixture
def path(folder):
    return folder / "alice.feather"


@pytest.fixture
def store(path):
    with Store.open(path) as opened:
        tell(opened)
        yield opened
        if opened.plumbing.is_open:
            assert opened.check() == []


@pytest.fixture
def impatient(monkeypatch):
    """Nobody waits for long."""
    monkeypatch.setattr("feather_memory.truth.sqlite.file.BUSY_SECONDS", 0.2)
    monkeypatch.setattr("feather_memory.truth.sqlite.file._PAYS_EVERY", 0.0)


READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2])
connection.execute("select count(*) from memory").fetchone()
print("there", flush=True)
sys.stdin.readline()
connection.rollback()
connection.close()
"""


class Other:
    """Another process that reads one moment of the file, or holds it for a write."""

    def __init__(self, path, begins="begin"):
        self._process = subprocess.Popen(
            [sys.executable, "-c", READER, str(path), begins],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        assert self._process.stdout.readline() == "there\n"
        return self

    def go(self):
        if self._process.poll() is None:
            self._process.communicate("\n", timeout=10)

    def __exit__(self, *_):
        self.go()
        self._process.__exit__(None, None, None)


# Owed


def test_with_a_reader_the_erasing_is_owed_and_the_message_says_so(store, path, folder, impatient):
    with Other(path):
        with pytest.raises(BusyStoreError) as caught:
            store.forget("the-secret-id")

        message = str(caught.value)
        assert "gone" in message
        assert "owed" in message
        assert "reads an older moment" in message
        assert "rolled back" not in message
        assert owed(store) == 1
        assert found(folder, NEEDLES), "the log is kept, so the scan must find it"
    with pytest.raises(UnknownMemoryError):
        store.get("the-secret-id")


def test_a_writer_in_the_way_is_not_called_a_reader(store, path, impatient, monkeypatch):
    real = erasure._fold

    def held(connection):
        with Other(path, "begin immediate"):
            real(connection)

    monkeypatch.setattr(erasure, "_fold", held)
    with pytest.raises(BusyStoreError, match="another writer") as caught:
        store.forget("the-secret-id")

    assert "reads" not in str(caught.value)
    assert owed(store) == 1


@pytest.mark.parametrize("patient", [1.0, 0.0], ids=["by looking again", "in the fold"])
def test_a_reader_that_ends_in_time_is_waited_for(store, path, folder, monkeypatch, patient):
    monkeypatch.setattr("feather_memory.truth.sqlite.erasure._PATIENT", patient)
    with Other(path) as reader:
        threading.Timer(0.3, reader.go).start()

        store.forget("the-secret-id")

        assert owed(store) == 0
        assert found(folder, NEEDLES) == set()


def test_the_next_write_pays(store, path, folder, impatient):
    with Other(path), pytest.raises(BusyStoreError):
        store.forget("the-secret-id")

    store.add("anything")

    assert owed(store) == 0
    assert found(folder, NEEDLES) == set()


def test_a_write_beside_a_reader_succeeds_and_leaves_it_owed(store, path, impatient):
    with Other(path):
        with pytest.raises(BusyStoreError):
            store.forget("the-secret-id")
        began = time.monotonic()

        memory = store.add("anything")

        assert time.monotonic() - began < 5
        assert store.get(memory.id).text == "anything"
        assert owed(store) == 1


def test_the_closing_pays(store, path, folder, impatient):
    with Other(path), pytest.raises(BusyStoreError):
        store.forget("the-secret-id")

    store.close()

    assert found(folder, NEEDLES) == set()
    with Store.open(path) as again:
        assert owed(again) == 0
        assert again.check() == []


KILLED = """
import os, sys
from feather_memory import Store
from feather_memory.truth.sqlite import erasure, schema
setattr(erasure, sys.argv[2], lambda *_, **__: os._exit(9))
Store.open(sys.argv[1]).forget("the-secret-id")
"""


def killed(path, where):
    """Forget in a process that is killed at that function."""
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), where],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 9, run.stderr


MOMENTS = ["pay", "_fold", "_is_wiped", "_log_size"]


@pytest.mark.parametrize("where", MOMENTS)
def test_after_a_kill_the_next_to_open_pays(store, path, folder, where):
    store.close()
    killed(path, where)

    with Store.open(path) as again:
        assert owed(again) == 0
        assert found(folder, NEEDLES) == set()
        assert len(again) == 30
        assert again.check() == []


@pytest.mark.parametrize("where", MOMENTS)
def test_after_a_kill_another_process_that_writes_pays(store, path, folder, where):
    killed(path, where)

    assert owed(store) == 1
    store.add("anything")

    assert owed(store) == 0
    assert found(folder, NEEDLES) == set()


@pytest.mark.parametrize("where", MOMENTS)
def test_after_a_kill_another_process_that_closes_pays(store, path, folder, where):
    store.add("before")
    killed(path, where)

    store.close()

    assert found(folder, NEEDLES) == set()


def test_after_a_kill_the_file_is_not_clean(store, path, folder):
    """The negative control: it is the paying that erases."""
    store.close()
    killed(path, "pay")

    assert found(folder, NEEDLES)
    shutil.copytree(folder, folder.parent / "taken")
    assert {name for name, _ in found(folder.parent / "taken", NEEDLES)}


def test_to_forget_again_what_is_owed_waits_for_it(store, path, folder, impatient, monkeypatch):
    with Other(path) as reader:
        with pytest.raises(BusyStoreError):
            store.forget("the-secret-id")
        with pytest.raises(BusyStoreError, match="owed"):
            store.forget("the-secret-id")
        monkeypatch.setattr("feather_memory.truth.sqlite.file.BUSY_SECONDS", 10.0)
        threading.Timer(0.3, reader.go).start()

        with pytest.raises(UnknownMemoryError):
            store.forget("the-secret-id")

        assert found(folder, NEEDLES) == set()


def test_two_who_forget_at_once_both_succeed(store, path, folder):
    ids, errors = [f"m{n}" for n in range(20)], []

    def forget(mine):
        with Store.open(path) as own:
            for id_ in mine:
                try:
                    own.forget(id_)
                except Exception as error:  # noqa: BLE001  shown by the assertion
                    errors.append(error)

    threads = [threading.Thread(target=forget, args=(ids[n::2],)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert owed(store) == 0
    assert found(folder, {id_: f"fact {id_[1:]} of".encode() for id_ in ids[2:]}) == set()


# Faults


def failing(code, text):
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (failing(sqlite3.SQLITE_FULL, "database or disk is full"), StoreFullError),
        (failing(sqlite3.SQLITE_IOERR, "disk I/O error"), StoreAccessError),
        (PermissionError(13, "denied"), StoreAccessError),
    ],
    ids=["full disk", "broken disk", "denied"],
)
def test_a_fault_leaves_it_owed_and_tells_the_truth(store, folder, monkeypatch, fault, kind):
    def fails(*_):
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(erasure, "_fold", fails)
        with pytest.raises(kind) as caught:
            store.forget("the-secret-id")

        assert "owed" in str(caught.value)
        assert "rolled back" not in str(caught.value)
        assert owed(store) == 1
    with pytest.raises(UnknownMemoryError):
        store.get("the-secret-id")
    store._core.truth._pays_from = 0.0
    store.add("anything")
    assert owed(store) == 0
    assert found(folder, NEEDLES) == set()


@pytest.mark.parametrize("executable", ["", "/usr/sbin/uwsgi", "/nowhere/python"])
def test_where_no_python_can_be_started_the_file_is_rewritten(
    store, folder, monkeypatch, executable
):
    monkeypatch.setattr(sys, "executable", executable)
    store.forget("the-secret-id")
    monkeypatch.undo()

    assert owed(store) == 0
    assert found(folder, NEEDLES) == set()


def test_a_file_that_is_mostly_free_is_rewritten(path, folder):
    with Store.open(path) as store:
        store.add_many({"id": f"m{n}", "text": f"long {n} " + "x" * 3_000} for n in range(600))
        store._core.truth.close()
    before = path.stat().st_size
    with Store.open(path) as store:
        store.forget([f"m{n}" for n in range(100, 600)])

        assert path.stat().st_size < before / 3
        assert owed(store) == 0
        assert len(store) == 100
        assert store.check() == []


def test_a_log_that_is_folded_while_the_file_is_inspected_is_no_damage(store, path, monkeypatch):
    """It reads half of the fold, and then the log is cut to nothing, which erasing does often."""
    real, asked = schema._marks, []

    def amid_a_fold(path):
        asked.append(path)
        if len(asked) == 1:
            store._core.truth.writer.execute("pragma wal_checkpoint(truncate)")
            return False, schema.APPLICATION_ID, schema.FORMAT
        return real(path)

    monkeypatch.setattr(schema, "_marks", amid_a_fold)
    with Store.open(path) as other:
        assert len(other) == 31
    assert len(asked) == 2


# Once for many


@pytest.fixture
def times(monkeypatch):
    """How often the file was wiped."""
    counted, real = [], erasure._is_wiped

    def wiped(path, numbers, meanwhile):
        counted.append(numbers)
        return real(path, numbers, meanwhile)

    monkeypatch.setattr(erasure, "_is_wiped", wiped)
    return counted


def test_a_transaction_of_many_pays_once(store, folder, times):
    shelf = store.plumbing.shelf("notes")
    shelf["one"] = "a-secret-note"
    with store.transaction():
        store.forget("the-secret-id")
        store.forget("m1")
        shelf.discard(["one"])

    assert len(times) == 1
    assert owed(store) == 0
    assert found(folder, NEEDLES) == set()


def test_values_that_are_dropped_one_by_one_are_erased_together(store, path, folder, times):
    shelf = store.plumbing.shelf("notes")
    shelf.update({f"note-{n}": f"canary-{n}-4711" for n in range(50)})
    needles = {f"note {n}": f"canary-{n}-4711".encode() for n in range(50)}
    for n in range(50):
        assert shelf.drop([f"note-{n}"]) == 1
    assert len(times) < 10
    store.close()

    assert found(folder, needles) == set()
    with Store.open(path) as again:
        assert owed(again) == 0
        assert again.check() == []


CANARIES = {f"text {n}": f"canary-{n}-4711".encode() for n in range(20)}


def drop_one_by_one(store):
    store.add_many([{"id": f"c{n}", "text": f"canary-{n}-4711"} for n in range(20)])
    for n in range(20):
        assert store.plumbing.drop([f"c{n}", "nobody"]) == 1
        assert store.get_many([f"c{n}"]) == []


def test_memories_that_are_dropped_one_by_one_are_erased_together(
    store, folder, times, monkeypatch
):
    """The first at once, the others when nobody writes any more."""
    monkeypatch.setattr("feather_memory.truth.sqlite.file._PAYS_EVERY", 3600.0)
    monkeypatch.setattr("feather_memory.truth.sqlite.folding.FOLD_SECONDS", 3600.0)
    truth = store._core.truth
    drop_one_by_one(store)

    assert (len(times), owed(store)) == (1, 19)
    assert truth.fold()
    assert (len(times), owed(store)) == (2, 0)
    assert found(folder, CANARIES) == set()
    store.plumbing.drop(["the-secret-id"])
    assert (len(times), owed(store)) == (2, 1)
    store.forget("m1")
    assert (len(times), owed(store)) == (3, 0)
    assert truth.fold()  # there is nothing to do
    assert len(times) == 3
    assert found(folder, NEEDLES) == set()


def test_what_was_dropped_is_erased_though_nobody_calls_the_store_again(store, folder):
    drop_one_by_one(store)

    deadline = time.monotonic() + 60
    while owed(store) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert owed(store) == 0
    assert found(folder, CANARIES) == set()


@pytest.mark.parametrize("end", ["close", "rest"])
def test_what_is_to_be_paid_soon_is_paid_before_a_store_closes_or_rests(store, path, folder, end):
    truth = store._core.truth
    truth._pays_from = time.monotonic() + 0.05
    store.plumbing.drop(["the-secret-id"])
    if end == "close":
        store.close()
    else:
        store.plumbing.rest()

    assert found(folder, NEEDLES) == set()
    assert truth.is_resting
    assert (truth.writer, [*truth.readers]) == (None, [])
    with Store.open(path) as again:
        assert owed(again) == 0


def test_what_a_transaction_drops_with_what_it_forgets_is_paid_at_once(store, folder, times):
    with store.transaction():
        store.forget("m1")
        assert store.plumbing.drop(["the-secret-id"]) == 1

    assert len(times) == 1
    assert owed(store) == 0
    assert found(folder, NEEDLES) == set()


def fail_after_forgetting(store):
    with store.transaction():
        store.forget("the-secret-id")
        store.update("nobody", text="fails")


def test_a_transaction_that_fails_owes_nothing(store, times):
    with pytest.raises(UnknownMemoryError):
        fail_after_forgetting(store)

    assert owed(store) == 0
    assert times == []
    assert store.get("the-secret-id").text


def test_a_part_that_fails_owes_nothing(store, times):
    with store.transaction():
        store.add("kept", id="kept")
        with pytest.raises(UnknownMemoryError):
            fail_after_forgetting(store)

    assert owed(store) == 0
    assert times == []


def test_only_the_first_forgetting_looks_at_all_of_the_file(store, times):
    for number in range(4):
        store.forget(f"m{number}")
        store.add(f"in between {number}")

    assert [bool(numbers) for numbers in times] == [False, True, True, True]


def test_after_the_log_was_folded_all_of_the_file_is_looked_at(store, times):
    store.forget("m1")
    store.add("in between")
    store._core.truth.writer.execute("pragma wal_checkpoint(truncate)")
    store.forget("m2")
    store.forget("m3")

    assert [bool(numbers) for numbers in times] == [False, False, True]


# What never comes back

WORDS = st.sampled_from([0, 5, 40, 300, 900, 3_000])
STEP = st.tuples(
    st.sampled_from(["add", "add", "add", "add", "rewrite", "forget", "shelve", "discard"]),
    WORDS,
    st.integers(0, 10_000),
    st.booleans(),
)


class Lives:
    """Memories and shelved values that come, change and go, in two stores over one file."""

    def __init__(self, stores):
        self.stores = stores
        self.random = random.Random(3)
        self.live, self.shelved, self.gone = {}, {}, {}

    def word(self):
        return "".join(self.random.choices(string.ascii_lowercase, k=14))

    def needles(self, fields):
        return {word: word.encode() for word in fields}

    def text(self, size):
        first, last = self.word(), self.word()
        return first, last, f"{first} {'and so on ' * (size // 10)} {last}"

    def add(self, store, size, _):
        first, last, text = self.text(size)
        id_, session, key, tag = (self.word() for _ in range(4))
        store.add(text, id=id_, session=session, key=key, metadata={"tag": tag})
        self.live[id_] = [id_, session, key, tag, first, last]

    def rewrite(self, store, size, which):
        if ids := sorted(self.live):
            id_ = ids[which % len(ids)]
            first, last, text = self.text(size)
            store.update(id_, text=text)
            self.live[id_] += [first, last]

    def forget(self, store, _, which):
        if ids := sorted(self.live):
            id_ = ids[which % len(ids)]
            store.forget(id_)
            self.gone |= self.needles(self.live.pop(id_))

    def shelve(self, store, size, _):
        key, (first, last, text) = self.word(), self.text(size)
        store.plumbing.shelf("notes")[key] = text
        self.shelved[key] = [key, first, last]

    def discard(self, store, _, which):
        if keys := sorted(self.shelved):
            key = keys[which % len(keys)]
            store.plumbing.shelf("notes").discard([key])
            self.gone |= self.needles(self.shelved.pop(key))

    def go_on(self, steps):
        for verb, size, which, is_first in steps:
            getattr(self, verb)(self.stores[is_first], size, which)


@settings(max_examples=20)
@given(steps=st.lists(STEP, min_size=10, max_size=60))
def test_whatever_happens_before_and_after_nothing_forgotten_is_left(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("lives")
    path = folder / "alice.feather"
    with Store.open(path) as one, Store.open(path) as other:
        lives = Lives([one, other])
        lives.go_on([("add", 300, 0, True)] * 20)
        lives.go_on(steps)
        lives.forget(one, 0, 0)

        assert found(folder, lives.gone) == set()

        lives.go_on([("add", 40, 0, False), ("rewrite", 900, 3, True)] * 3)  # pages kept in memory
        assert found(folder, lives.gone) == set()
        assert one.check() == []
    assert found(folder, lives.gone) == set()


def test_without_the_wiping_it_would_be_left(tmp_path_factory, monkeypatch):
    """The negative control: the same, and the pages' gaps are not looked at.

    Where SQLite leaves a copy behind as it shifts cells is for it to say, so several are tried.
    """
    monkeypatch.setattr(erasure, "_is_wiped", lambda _path, _numbers, rest: rest() or True)
    assert any(is_left_of_a_life(tmp_path_factory.mktemp("lives"), seed) for seed in range(20))


def is_left_of_a_life(folder, seed):
    with Store.open(folder / "alice.feather") as one:
        lives = Lives([one, one])
        lives.random = random.Random(seed)
        with one.transaction():
            lives.go_on([("add", size, 0, True) for size in (0, 40, 300) * 300])
        with one.transaction():
            lives.go_on([("forget", 0, number * 7, True) for number in range(400)])

        assert one.check() == []
        return found(folder, lives.gone) != set()
