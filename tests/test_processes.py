"""Many processes and threads on one store, and processes that are killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import pytest

import feather_memory
from feather_memory import BusyStoreError, Store, WrongTenantError
from feather_memory.config import BUSY_SECONDS

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(feather_memory.__file__).parents[1])}
DIM = 4


@pytest.fixture
def file(tmp_path):
    return tmp_path / "alice.feather"


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Another Python process; what it is told goes in by line, what it says comes out by line."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
        start_new_session=True,
    )


def finished(process: subprocess.Popen[str], timeout: float = 60) -> str:
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with its children, who hold the pipes too
        out, err = process.communicate()
        pytest.fail(f"it hung: {out!r} {err!r}")
    assert process.returncode == 0, err
    return out


def ids_of(store: Store) -> set[str]:
    return {memory.id for memory in store.iterate()}


# Killed

ENDLESS = """
import sys, numpy as np
from feather_memory import Store
store = Store.open(sys.argv[1])
number = int(sys.argv[2])
while True:
    store.add(f"fact{number} was written", id=f"m{number}", vector=np.ones(4, np.float32))
    if number % 5 == 4:
        store.supersede(f"m{number - 1}", f"newer fact{number}", id=f"new{number}")
        print(f"new{number}", flush=True)
    print(f"m{number}", flush=True)
    number += 1
"""


def test_no_acknowledged_write_is_lost_when_the_writer_is_killed(file):
    rng = random.Random(7)
    acknowledged: set[str] = set()
    for round_ in range(12):
        with python(ENDLESS, file, round_ * 100_000) as process:
            said = [process.stdout.readline() for _ in range(rng.randrange(1, 60))]
            process.send_signal(signal.SIGKILL)
            said += process.stdout.readlines()
        acknowledged |= {line.strip() for line in said if line.endswith("\n")}
        with Store.open(file) as store:
            present = ids_of(store)
            assert acknowledged <= present
            assert len(present - acknowledged) <= 2 * (round_ + 1)  # committed, not yet told
            assert store.check() == []
    assert len(acknowledged) > 50


BATCHES = """
import sys
from feather_memory import Store
store = Store.open(sys.argv[1])
print("ready", flush=True)
for number in range(10_000):
    store.add_many({"text": f"fact{number} {n}", "id": f"{number}-{n}"} for n in range(50))
"""


def test_a_batch_that_was_killed_is_there_in_full_or_not_at_all(file):
    rng = random.Random(8)
    for round_ in range(4):
        path = file.with_name(f"{round_}.feather")
        with python(BATCHES, path) as process:
            process.stdout.readline()
            time.sleep(rng.uniform(0.01, 0.1))
            process.kill()
        with Store.open(path) as store:
            present = ids_of(store)
            assert len(present) % 50 == 0
            assert store.check() == []


def test_a_process_killed_while_it_makes_the_file_leaves_a_usable_place(file):
    for _ in range(6):
        with python(
            "import sys; from feather_memory import Store\n"
            "print('go', flush=True)\nStore.open(sys.argv[1]).add('a')",
            file,
        ) as process:
            process.stdout.readline()
            time.sleep(random.Random(9).uniform(0, 0.01))
            process.kill()
        with Store.open(file) as store:
            store.add("it works")
            assert store.check() == []


# Side by side

OBEDIENT = """
import sys, json
from feather_memory import Store
store = Store.open(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    verb, *arguments = json.loads(line)
    if verb == "add":
        answer = store.add(arguments[0], id=arguments[1], vector=arguments[2]).id
    elif verb == "supersede":
        answer = store.supersede(arguments[0], arguments[1], id=arguments[2]).id
    elif verb == "update":
        answer = store.update(arguments[0], text=arguments[1]).id
    elif verb == "forget":
        answer = list(store.forget(arguments[0]).ids)
    elif verb == "search":
        answer = [hit.memory.id for hit in store.search(vector=arguments[0], k=99)]
    elif verb == "text":
        answer = [hit.memory.text for hit in store.search(arguments[0], 1)]
    print(json.dumps(answer), flush=True)
"""


class Other:
    """A store open in another process."""

    def __init__(self, path: Path) -> None:
        self._process = python(OBEDIENT, path)
        assert self._process.stdout.readline() == "ready\n"

    def ask(self, *order: object):
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        finished(self._process)


def test_two_processes_see_each_others_writes_at_the_next_call(file):
    one, two, three = [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]
    with Store.open(file) as store, Other(file) as other:
        store.add("mine is vim", id="a", vector=one)
        assert other.ask("search", one) == ["a"]
        other.ask("add", "yours is emacs", "b", two)
        assert {hit.memory.id for hit in store.search(vector=two)} == {"a", "b"}
        assert store.search("emacs")[0].memory.id == "b"
        store.add("a third is nano", id="c", vector=three)
        assert set(other.ask("search", three)) == {"a", "b", "c"}
        assert store.search(vector=one)[0].memory.id == "a"
        other.ask("supersede", "a", "mine is helix", "d")
        assert {hit.memory.id for hit in store.search("mine", 9)} == {"b", "c", "d"}
        assert store.get("a").superseded_by == ("d",)
        store.update("b", text="yours is kakoune")
        assert other.ask("text", "kakoune") == ["yours is kakoune"]
        other.ask("update", "c", "a third is ed")
        assert store.search("third ed", 1)[0].memory.text == "a third is ed"
        store.forget("b")
        assert "b" not in other.ask("search", two)
        other.ask("forget", "c")
        assert {hit.memory.id for hit in store.search(vector=three, k=9)} == {"d"}
        assert store.check() == []


WRITER = """
import sys
from feather_memory import Store
with Store.open(sys.argv[1]) as store:
    for number in range(200):
        name = f"{sys.argv[2]}-{number}"
        store.add(f"fact {name}", id=name, vector=[1.0, number, int(sys.argv[2]), 0.0])
        if number % 20 == 0:
            assert store.search(vector=[1.0, number, int(sys.argv[2]), 0.0])[0].memory.id == name
"""


def test_four_writers_at_once_lose_nothing(file):
    processes = [python(WRITER, file, number) for number in range(4)]
    for process in processes:
        finished(process)
    with Store.open(file) as store:
        assert ids_of(store) == {f"{p}-{n}" for p in range(4) for n in range(200)}
        assert len(store.search(vector=[1, 0, 0, 0], k=1_000)) == 800
        assert store.stats().generation >= 800
        assert store.check() == []


def test_many_processes_that_make_the_same_new_file_make_one_store(file):
    script = (
        "import sys; from feather_memory import Store\nsys.stdin.readline()\n"
        "with Store.open(sys.argv[1]) as store: store.add('here', id=sys.argv[2])"
    )
    processes = [python(script, file, number) for number in range(5)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        finished(process)
    with Store.open(file) as store:
        assert ids_of(store) == {str(number) for number in range(5)}
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_write_waits_for_anothers_and_then_says_it_is_busy(file, monkeypatch):
    monkeypatch.setattr("feather_memory.truth.sqlite.transactions.BUSY_SECONDS", 0.3)
    with Store.open(file) as store, Store.open(file) as other:
        store.add("before", id="before")
        with store._core.truth.writing():
            began = time.monotonic()
            with pytest.raises(BusyStoreError, match=r"alice\.feather"):
                other.add("meanwhile")
            assert 0.2 < time.monotonic() - began < BUSY_SECONDS
            assert other.search("before")[0].memory.id == "before"  # readers never wait
        other.add("afterwards", id="after")
        assert ids_of(store) == {"before", "after"}


def test_ctrl_c_reaches_who_waits_for_anothers_write(file):
    def interrupt(*_):
        raise KeyboardInterrupt

    with Store.open(file) as store, Store.open(file) as other:
        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            with store._core.truth.writing():
                began = time.monotonic()
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                with pytest.raises(KeyboardInterrupt):
                    other.add("meanwhile")
                assert time.monotonic() - began < BUSY_SECONDS / 2  # and not when it gives up
        finally:
            signal.signal(signal.SIGALRM, before)
        other.add("afterwards", id="after")
        assert ids_of(store) == {"after"}
        assert store.check() == []


# Forked


def forked(script: str, path: Path) -> str:
    """Run in a process of its own, which forks: this one has threads."""
    head = "import os, sys, threading, time\nfrom feather_memory import Store\npath = sys.argv[1]\n"
    return finished(python(head + script, path), timeout=30)


def test_parent_and_child_of_a_fork_both_write_and_nothing_is_lost(file):
    forked(
        """
store = Store.open(path)
store.add("before the fork", id="before", vector=[1, 0, 0, 0])
store.search(vector=[1, 0, 0, 0])
pid = os.fork()
who = "parent" if pid else "child"
for number in range(100):
    store.add(f"{who} {number}", id=f"{who}{number}", vector=[0, 1, number, 0])
    assert store.search(f"{who} {number}", 3)
if pid == 0:
    store.close()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert len(store.search(vector=[1, 0, 0, 0], k=999)) == 201
store.close()
""",
        file,
    )
    with Store.open(file) as store:
        names = {f"{who}{number}" for who in ("parent", "child") for number in range(100)}
        assert ids_of(store) == names | {"before"}
        assert store.check() == []


def test_a_transaction_amid_which_its_own_thread_forks_is_undone_and_says_so(file):
    said = forked(
        """
from feather_memory import StoreAccessError
store = Store.open(path)
try:
    with store.transaction():
        store.add("undone", id="undone")
        pid = os.fork()
        if pid == 0:
            store.add("by the child", id="child")
            os._exit(0)
        store.add("undone, too", id="late")
except StoreAccessError as error:
    print(error)
assert os.waitpid(pid, 0)[1] == 0
store.add("afterwards", id="after")
store.close()
""",
        file,
    )
    assert "as by a fork" in said
    with Store.open(file) as store:
        assert ids_of(store) == {"child", "after"}
        assert store.check() == []


AFTER_CLOSE = """
store = Store.open(path)
store.add("before the fork", id="before")
ready, go = os.pipe(), os.pipe()
pid = os.fork()
if pid == 0:
    try:
        store.add("child, early", id="early")
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        for number in range(50):
            store.add(f"child {number}", id=f"child{number}")
            assert store.search(f"child {number}", 1)
    except BaseException as error:
        print("child:", repr(error), flush=True)
    os.kill(os.getpid(), 9)
os.read(ready[0], 1)
store.add("parent, late", id="late")
store.close()
os.write(go[1], b"x")
os.waitpid(pid, 0)
"""


def test_a_child_goes_on_writing_after_its_parent_has_closed_the_store(file):
    """As every pre-forking server does. Killed, so that only what was on disk counts."""
    assert forked(AFTER_CLOSE, file) == ""
    with Store.open(file) as store:
        assert ids_of(store) == {"before", "early", "late", *(f"child{n}" for n in range(50))}
        assert store.check() == []


def test_a_parent_goes_on_writing_after_its_child_has_closed_the_store(file):
    forked(
        """
store = Store.open(path)
store.add("before the fork", id="before")
pid = os.fork()
if pid == 0:
    store.add("child", id="child")
    store.close()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
for number in range(50):
    store.add(f"parent {number}", id=f"parent{number}")
    assert store.search(f"parent {number}", 1)
os.kill(os.getpid(), 9) if os.fork() == 0 else os.wait()
os._exit(0)
""",
        file,
    )
    with Store.open(file) as store:
        assert ids_of(store) == {"before", "child", *(f"parent{n}" for n in range(50))}
        assert store.check() == []


def test_a_fork_while_another_thread_writes_neither_hangs_nor_loses(file):
    forked(
        """
store = Store.open(path)
stop = threading.Event()
def write():
    number = 0
    while not stop.is_set():
        store.add(f"thread {number}", id=f"thread{number}")
        store.search("thread", 1)
        number += 1
thread = threading.Thread(target=write)
thread.start()
children = []
for child in range(8):
    time.sleep(0.013)
    pid = os.fork()
    if pid == 0:
        try:
            store.add(f"child {child}", id=f"child{child}")
            assert store.search(f"child {child}", 1)
        except BaseException as error:
            print("child:", repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    children.append(pid)
codes = [os.waitpid(pid, 0)[1] for pid in children]
stop.set()
thread.join()
assert codes == [0] * 8, codes
store.close()
""",
        file,
    )
    with Store.open(file) as store:
        assert {f"child{n}" for n in range(8)} <= ids_of(store)
        assert store.check() == []


def test_a_pool_of_forked_workers_shares_a_store_that_was_opened_before(file):
    forked(
        """
import multiprocessing
store = Store.open(path)
def work(number):
    return store.add(f"work {number}", id=f"w{number}").id
with multiprocessing.get_context("fork").Pool(3) as pool:
    assert sorted(pool.map(work, range(60))) == sorted(f"w{n}" for n in range(60))
assert len(store) == 60
store.close()
""",
        file,
    )
    with Store.open(file) as store:
        assert len(store) == 60
        assert store.check() == []


def test_a_child_cannot_use_a_store_that_was_closed_before_the_fork(file):
    said = forked(
        """
store = Store.open(path)
store.close()
if os.fork() == 0:
    try:
        store.add("no")
    except Exception as error:
        print(type(error).__name__, flush=True)
    os._exit(0)
os.wait()
""",
        file,
    )
    assert said == "ClosedStoreError\n"


# Threads


def test_eight_threads_do_everything_at_once(file):
    with Store.open(file) as store:
        store.add_many(
            {"id": f"m{n}", "text": f"fact{n} topic{n % 4}", "vector": [1, n, n % 3, 1]}
            for n in range(40)
        )
        barrier = threading.Barrier(8)

        def work(number: int) -> None:
            rng = random.Random(number)
            barrier.wait()
            for turn in range(25):
                name = f"t{number}-{turn}"
                store.add(f"thread {number} {turn}", id=name, vector=[1, number, turn, 0])
                assert store.get(name).id == name
                hits = store.search(vector=[1, number, turn, 0], k=200)
                assert name in {hit.memory.id for hit in hits}
                assert len({hit.memory.id for hit in hits}) == len(hits)
                store.recall(f"topic{turn % 4}", 3, turn=f"{number}-{turn % 5}")
                store.supersede(name, f"newer {number} {turn}", id=f"{name}+")
                assert name not in {hit.memory.id for hit in store.search(f"thread {number}", 500)}
                match rng.randrange(4):
                    case 0:
                        store.forget(name)
                    case 1:
                        store.signal(f"m{turn}", "liked")
                    case 2:
                        store.update(f"m{turn}", metadata={"by": number})
                        store.search("fact", where={"metadata.by": number})
                    case _:
                        store.link(f"m{turn}", f"m{turn + 1}", "next")
                        store.context_chain("topic1", 3, time_weight=0.0)

        with ThreadPoolExecutor(8) as pool:
            for result in [pool.submit(work, number) for number in range(8)]:
                result.result(60)
        assert store.check() == []
        present = ids_of(store)
        assert {f"t{n}-{t}+" for n in range(8) for t in range(25)} <= present


def test_threads_that_only_read_share_the_connections_without_error(file):
    with Store.open(file) as store:
        store.add_many(
            {"id": f"m{n}", "text": f"fact{n}", "vector": [1, n, 0, 0]} for n in range(50)
        )
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda n: store.get(f"m{n % 50}").id, range(4_000)))
        finally:
            sys.setswitchinterval(before)
        assert answers == [f"m{n % 50}" for n in range(4_000)]


def test_a_search_during_closing_is_an_answer_or_a_closed_store(file):
    store = Store.open(file)
    store.add_many({"id": f"m{n}", "text": f"fact{n}"} for n in range(50))
    failures: list[Exception] = []
    began = threading.Barrier(4)

    def search() -> None:
        began.wait()
        try:
            while True:
                store.search("fact7", 1)
        except feather_memory.ClosedStoreError:
            pass
        except Exception as error:  # noqa: BLE001  shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    began.wait()
    time.sleep(0.05)
    store.close()
    for thread in threads:
        thread.join(20)
    assert failures == []
    Store.open(file).close()  # of two that end at one moment neither is the last to SQLite
    assert [path.name for path in file.parent.iterdir()] == [file.name]


WRITES_AND_CLOSES = """
import sys
from feather_memory import Store
with Store.open(sys.argv[1]) as store:
    store.add("theirs", id=sys.argv[2])
"""


def another_process_writes_and_closes(path, id_):
    subprocess.run([sys.executable, "-c", WRITES_AND_CLOSES, path, id_], check=True)


@pytest.mark.parametrize("way", ["opened again", "asked whose it is", "backed up"])
def test_looking_at_an_open_file_does_not_let_other_processes_delete_its_log(path, way, tmp_path):
    """POSIX drops a process's locks when it closes any handle of the file: only SQLite may."""
    with Store.open(path, tenant="alice") as store:
        store.add("ours", id="before")
        if way == "opened again":
            Store.open(path).close()
        elif way == "asked whose it is":
            with pytest.raises(WrongTenantError):
                Store.open(path, tenant="bob")
        else:
            store.backup(tmp_path / "copy.feather")

        another_process_writes_and_closes(path, "theirs")
        store.add("ours", id="after")
        another_process_writes_and_closes(path, "theirs, too")

        written = {"before", "theirs", "after", "theirs, too"}
        assert {memory.id for memory in store.iterate()} == written
    with Store.open(path) as store:
        assert {memory.id for memory in store.iterate()} == written
        assert store.check() == []


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps locks by handle")
def test_a_handle_of_our_own_would_let_them(path):
    """The negative control of the test before."""
    with Store.open(path) as store:
        store.add("ours", id="before")
        path.open("rb").close()

        another_process_writes_and_closes(path, "theirs")

        assert not path.with_name(path.name + "-wal").exists()
