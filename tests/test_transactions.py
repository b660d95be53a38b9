"""Several writes as one: all of them or none, for readers, for other threads and after a kill."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from feather_memory import BusyStoreError, ParameterError, Store, UnknownMemoryError

CANARY = b"canary-77aa1f0c"


def texts(store):
    return sorted(memory.text for memory in store.iterate())


def test_the_writes_of_a_block_come_together(path, store):
    with Store.open(path) as other:
        with store.transaction():
            store.add("tea", id="a")
            store.add_many([{"text": "run", "id": "b"}])
            store.link("a", "b", "next")
            store.signal("a", "liked")
            store.plumbing.shelf("notes")["k"] = 1
            before = len(other), list(other.search("tea")), dict(other.plumbing.shelf("notes"))
        after = len(other), [hit.memory.id for hit in other.search("tea", k=1)]

    assert before == (0, [], {})
    assert after == (2, ["a"])
    assert store.get("a").importance == 0.55
    assert len(store.edges("a")) == 1


def test_an_error_takes_every_write_of_the_block_back(store):
    store.add("old", id="a", key="slot")
    before = store.stats()

    with pytest.raises(ZeroDivisionError), store.transaction():  # noqa: PT012  the block
        store.add("new", id="b", key="slot")
        store.forget("a")
        store.plumbing.shelf("notes")["k"] = 1
        _ = 1 / 0

    assert texts(store) == ["old"]
    assert store.get("a").superseded_by == ()
    assert dict(store.plumbing.shelf("notes")) == {}
    assert store.stats().memories == before.memories
    store.add("next", id="c")
    assert texts(store) == ["next", "old"]


def test_a_write_that_fails_and_is_caught_leaves_the_others(store):
    with store.transaction():
        store.add("tea", id="a")
        with pytest.raises(UnknownMemoryError):
            store.link("a", "nobody")
        with pytest.raises(ParameterError):
            store.add_many([{"text": "run", "id": "b"}, {"text": ""}])
        with pytest.raises(UnknownMemoryError):
            store.forget(["a", "nobody"])
        store.add("cat", id="c")

    assert texts(store) == ["cat", "tea"]


def test_a_failed_first_vector_does_not_fix_the_dimension(path):
    with Store.open(path) as store:
        with store.transaction():
            with pytest.raises(ZeroDivisionError), store.transaction():  # noqa: PT012  the block
                store.add("tea", id="a", vector=[1.0, 0.0])
                _ = 1 / 0
            store.add("cat", id="c", vector=[1.0, 0.0, 0.0])
        assert store.stats().dimension == 3
        assert store.check() == []


def test_what_is_forgotten_in_a_block_is_erased_at_its_end(path):
    with Store.open(path) as store:
        for n in range(200):
            store.add(f"{CANARY.decode()} number {n}" * 9, id=f"m{n}")
        with store.transaction():
            store.forget([f"m{n}" for n in range(100)])
            store.forget([f"m{n}" for n in range(100, 200)])
            store.add("what remains", id="r")

        assert [f.name for f in path.parent.iterdir() if CANARY in f.read_bytes()] == []
        assert texts(store) == ["what remains"]
        assert store.check() == []


def test_other_threads_wait_for_the_end_and_lose_nothing(store):
    started = threading.Event()

    def write():
        started.wait(5)
        store.add("theirs", id="t")

    thread = threading.Thread(target=write)
    thread.start()
    with store.transaction():
        store.add("ours", id="o")
        started.set()
        thread.join(0.1)
        assert thread.is_alive()
        seen = texts(store)
        store.add("ours, too", id="o2")
    thread.join()

    assert seen == []
    assert texts(store) == ["ours", "ours, too", "theirs"]


@pytest.mark.file
def test_a_killed_process_leaves_whole_blocks_only(path):
    Store.open(path).close()
    code = (
        "import sys; from feather_memory import Store; store = Store.open(sys.argv[1])\n"
        "for n in range(10_000):\n"
        "    with store.transaction():\n"
        "        store.add(f'{n}', id=f'{n}a'); store.add(f'{n}', id=f'{n}b')\n"
        "    print(n, flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as writer:
        acknowledged = [int(writer.stdout.readline()) for _ in range(50)]
        writer.kill()

    with Store.open(path) as store:
        ids = {memory.id for memory in store.iterate()}
        assert {f"{n}{side}" for n in acknowledged for side in "ab"} <= ids
        assert len(ids) % 2 == 0
        assert store.check() == []


@pytest.mark.parametrize("leave", [Store.close, lambda store: store.plumbing.rest()])
def test_a_store_stays_open_until_its_transaction_ends(path, leave):
    with Store.open(path) as store:
        with store.transaction():
            store.add("before")
            with pytest.raises(BusyStoreError):
                leave(store)
            store.add("after")

        assert texts(store) == ["after", "before"]
        assert store.check() == []
        leave(store)


def test_each_write_of_a_block_is_dated_when_it_is_made(store, clock):
    with store.transaction():
        first = store.add("tea", key="drink")
        clock.advance(hours=1)
        second = store.add("coffee", key="drink")

    assert (second.created_at - first.created_at).total_seconds() == 3_600
    assert store.get(first.id).valid_to == second.valid_from
    assert store.check() == []
