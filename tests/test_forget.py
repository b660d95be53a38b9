"""Forgetting: not one byte of what was forgotten is in any file of the store."""

from __future__ import annotations

import random
import string
import subprocess
import sys
import threading

import numpy as np
import pytest
from remains import found

from feather_memory import (
    BusyStoreError,
    F,
    ParameterError,
    Store,
    StoreAccessError,
    UnknownMemoryError,
)
from feather_memory.index import beside
from feather_memory.index.matrix import unit

NOW = 1_700_000_000.0
DIM = 16
RNG = random.Random(20_240_601)


def word(length: int = 16) -> str:
    return "".join(RNG.choice(string.ascii_lowercase) for _ in range(length))


class Canary:
    """A memory whose every part is recognisable in a heap of bytes."""

    def __init__(self) -> None:
        self.id, self.text = f"id-{word()}", f"{word()} {word()} {word()}"
        self.tag, self.name, self.key = word(), word(), f"k.{word()}"
        self.session, self.actor = f"s-{word()}", f"a-{word()}"
        self.vector = np.random.default_rng(RNG.randrange(2**32)).standard_normal(DIM)
        self.vector = self.vector.astype(np.float32)

    def fields(self) -> dict:
        return {
            "id": self.id,
            "text": self.text,
            "vector": self.vector,
            "metadata": {"tag": self.tag, self.name: [1, self.tag]},
            "key": self.key,
            "session": self.session,
            "actor": self.actor,
            "role": "user",
        }

    def needles(self) -> dict[str, bytes]:
        words = {f"word {w}": w.encode() for w in self.text.split()}
        named = {"id": self.id, "tag": self.tag, "name": self.name, "key": self.key}
        named |= {"session": self.session, "actor": self.actor}
        return {
            **words,
            **{what: value.encode() for what, value in named.items()},
            "vector": self.vector.tobytes(),
            "half a vector": self.vector[: DIM // 2].tobytes(),
            "unit vector": unit(self.vector).tobytes(),  # as the derived files hold it
        }


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "memories"


@pytest.fixture
def store(folder):
    folder.mkdir()
    with Store.open(folder / "alice.feather", clock=lambda: NOW) as opened:
        opened.add_many(
            {"id": f"m{n}", "text": f"fact number{n} of topic{n % 5}", "vector": vector(n)}
            for n in range(40)
        )
        yield opened


def vector(number: int) -> np.ndarray:
    return np.random.default_rng(number).standard_normal(DIM).astype(np.float32)


def live_through(store: Store, canary: Canary) -> None:
    """Everything that can happen to a memory, so that its bytes lie wherever they can lie."""
    store.add(**canary.fields())
    store.link(canary.id, "m1", "supports", 0.5)
    store.link("m2", canary.id, "refines", 0.5)
    store.signal(canary.id, "liked", event_id=f"event of {canary.id}")
    store.recall(canary.text, 3, turn=f"turn {word()}")
    store.feedback(store.recall(canary.text, 1).turn, "used")
    store.update(canary.id, importance=0.9)
    store.search(canary.text, where=F("metadata.tag") == canary.tag)
    store.context_chain(canary.text)


# The bytes


def test_no_byte_of_a_forgotten_memory_is_left(store, folder):
    canary = Canary()
    live_through(store, canary)
    seen = {what for _, what in found(folder, canary.needles())}
    assert seen == set(canary.needles()) - {"unit vector"}, "the scan must find what is there"
    forgotten = store.forget(canary.id)
    assert forgotten.ids == (canary.id,)
    assert forgotten.edges == 2
    assert forgotten.signals == 2
    assert forgotten.recalls >= 2
    assert found(folder, canary.needles()) == set()
    assert store.check() == []
    with pytest.raises(UnknownMemoryError):
        store.get(canary.id)


def test_no_byte_is_left_after_closing_and_opening(store, folder):
    canary = Canary()
    live_through(store, canary)
    store.close()
    assert found(folder, canary.needles())
    with Store.open(folder / "alice.feather") as again:
        again.forget(canary.id)
        assert found(folder, canary.needles()) == set()
        again.add("afterwards")
    assert found(folder, canary.needles()) == set()


def test_what_an_update_replaced_is_gone_with_the_memory(store, folder):
    before, after = Canary(), Canary()
    live_through(store, before)
    fields = after.fields()
    del fields["id"]
    store.update(before.id, **fields)
    store.forget(before.id)
    assert found(folder, before.needles()) == set()
    assert found(folder, after.needles()) == set()


def test_both_ends_of_a_supersession_leave_no_byte(store, folder):
    old, new = Canary(), Canary()
    live_through(store, old)
    store.supersede(old.id, **{**new.fields(), "key": old.key})
    store.forget([old.id, new.id])
    assert found(folder, old.needles()) == set()
    assert found(folder, new.needles()) == set()


def test_a_large_memory_leaves_no_byte(store, folder):
    canary = Canary()
    words = [word(12) for _ in range(3_000)]  # some forty kilobytes: overflow pages
    store.add(" ".join(words), id=canary.id, metadata={canary.name: canary.tag * 500})
    needles = {w: w.encode() for w in words[::50]} | {"tag": canary.tag.encode()}
    assert {what for _, what in found(folder, needles)} == set(needles)
    store.forget(canary.id)
    assert found(folder, needles) == set()


def test_no_byte_is_left_where_pages_were_split_and_merged(store, folder):
    """SQLite moves entries between pages; copies must not stay behind in the gaps."""
    rng = random.Random(5)
    letters = "bcdfghjklmnpqrstvwxz"
    kept = []
    for _ in range(1_500):
        id_, text, session, key = ("".join(rng.choices(letters, k=14)) for _ in range(4))
        store.add(f"remember {text}", id=id_, session=session, key=key)
        kept.append((id_, text, session, key))
    rng.shuffle(kept)
    left = []
    while kept:
        doomed, kept = kept[:250], kept[250:]
        store.forget([id_ for id_, *_ in doomed])
        needles = {word: word.encode() for words in doomed for word in words}
        left += [what for _, what in found(folder, needles)]
    assert left == []


def test_the_mapped_file_keeps_no_byte(folder, store, monkeypatch):
    monkeypatch.setattr("feather_memory.config.SNAPSHOT_ROWS", 30)
    canary = Canary()
    live_through(store, canary)
    store.close()
    assert ("alice.feather.vectors", "unit vector") in found(folder, canary.needles())
    with Store.open(folder / "alice.feather") as again:
        again.search(vector=canary.vector)
        again.forget(canary.id)
        assert found(folder, canary.needles()) == set()
        assert canary.id not in {hit.memory.id for hit in again.search(vector=canary.vector)}
    assert found(folder, canary.needles()) == set()


def test_a_mapped_file_written_while_another_process_forgets_keeps_no_byte(
    folder, store, monkeypatch
):
    monkeypatch.setattr("feather_memory.config.SNAPSHOT_ROWS", 30)
    canary = Canary()
    store.add(**canary.fields())
    real = beside.write
    with Store.open(folder / "alice.feather") as other:
        forgetting = threading.Thread(target=other.forget, args=(canary.id,))

        def late(*arguments):
            forgetting.start()
            real(*arguments)

        monkeypatch.setattr("feather_memory.index.beside.write", late)
        store.close()
        forgetting.join()
        assert found(folder, canary.needles()) == set()
        monkeypatch.setattr("feather_memory.index.beside.write", real)
    assert found(folder, canary.needles()) == set()


# What is forgotten, and what is not


def test_a_dry_run_tells_and_removes_nothing(store, folder):
    canary = Canary()
    live_through(store, canary)
    dry = store.forget(canary.id, dry_run=True)
    assert dry.is_dry_run
    assert store.get(canary.id).text == canary.text
    wet = store.forget(canary.id)
    assert not wet.is_dry_run
    assert (dry.ids, dry.edges, dry.signals, dry.recalls) == (
        wet.ids,
        wet.edges,
        wet.signals,
        wet.recalls,
    )


def test_forgetting_by_filter_takes_exactly_those(store, folder):
    canaries = [Canary() for _ in range(5)]
    for canary in canaries:
        store.add(**{**canary.fields(), "session": "doomed"})
    assert len(store.forget(where=F("session") == "doomed", dry_run=True).ids) == 5
    gone = store.forget(where={"session": "doomed"})
    assert set(gone.ids) == {canary.id for canary in canaries}
    assert len(store) == 40
    for canary in canaries:
        assert found(folder, canary.needles()) == set()
    assert store.check() == []


def test_ids_and_a_filter_together_take_what_is_in_both(store):
    store.add("one", id="one", session="a")
    store.add("two", id="two", session="b")
    assert store.forget(["one", "two"], where={"session": "a"}).ids == ("one",)
    assert store.get("two").text == "two"


def test_forgetting_nothing_in_particular_is_refused(store):
    with pytest.raises(ParameterError):
        store.forget()
    assert len(store) == 40


def test_an_unknown_id_refuses_the_whole_and_removes_nothing(store):
    with pytest.raises(UnknownMemoryError):
        store.forget(["m1", "nobody"])
    assert len(store) == 40


def test_the_same_id_twice_is_once(store):
    assert store.forget(["m1", "m1"]).ids == ("m1",)
    assert len(store) == 39


def test_a_forgotten_head_does_not_bring_back_what_it_superseded(store, folder):
    store.add("Alice lives in Oslo", id="old", key="city")
    store.add("Alice lives in Rome", id="new", key="city")
    store.forget("new")
    for _ in range(2):
        assert "old" not in {hit.memory.id for hit in store.search("where does Alice live", 50)}
        assert store.get("old").valid_to is not None
        assert store.check() == []
        assert store.check(fix=True) == []
    store.close()
    with Store.open(folder / "alice.feather", clock=lambda: NOW + 9) as again:
        assert "old" not in {hit.memory.id for hit in again.search("where does Alice live", 50)}


def test_an_id_that_was_forgotten_can_be_used_again_with_no_past(store):
    canary = Canary()
    live_through(store, canary)
    store.forget(canary.id)
    memory = store.add("someone else entirely", id=canary.id)
    assert memory.importance == 0.4
    assert (memory.recalls, memory.key, memory.supersedes) == (0, None, ())
    assert store.edges(canary.id) == []
    assert store.signals(canary.id) == []


def test_another_open_store_no_longer_finds_it(store, folder):
    canary = Canary()
    live_through(store, canary)
    with Store.open(folder / "alice.feather") as other:
        assert other.search(vector=canary.vector)[0].memory.id == canary.id
        store.forget(canary.id)
        assert canary.id not in {hit.memory.id for hit in other.search(vector=canary.vector, k=99)}
        assert canary.id not in {hit.memory.id for hit in other.search(canary.text, 99)}
    assert found(folder, canary.needles()) == set()


# Readers

READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("begin")
connection.execute("select count(*) from memory").fetchone()
print("reading", flush=True)
sys.stdin.readline()
connection.rollback()
connection.close()
"""


def test_a_reader_in_another_process_delays_the_erasing_and_says_so(store, folder, monkeypatch):
    monkeypatch.setattr("feather_memory.truth.sqlite.file.BUSY_SECONDS", 0.3)
    canary = Canary()
    with Store.open(folder / "alice.feather") as forgetful:
        live_through(forgetful, canary)
        reader = subprocess.Popen(
            [sys.executable, "-c", READER, str(folder / "alice.feather")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with reader:
            assert reader.stdout.readline() == "reading\n"
            with pytest.raises(BusyStoreError):
                forgetful.forget(canary.id)
            with pytest.raises(UnknownMemoryError):  # gone for everyone who asks
                forgetful.get(canary.id)
            assert found(folder, canary.needles()), "a reader keeps the log, so the scan finds it"
            reader.stdin.write("\n")
            reader.stdin.flush()
            reader.wait(10)
        forgetful.forget("m7")  # the next forgetting erases what could not be erased before
        assert found(folder, canary.needles()) == set()


def test_after_a_busy_forgetting_the_bytes_go_with_the_close(store, folder, monkeypatch):
    monkeypatch.setattr("feather_memory.truth.sqlite.file.BUSY_SECONDS", 0.3)
    canary = Canary()
    live_through(store, canary)
    reading = Store.open(folder / "alice.feather")
    with reading._core.truth.reading() as moment:
        moment.memories.count()
        store._core.truth.writer.execute("pragma busy_timeout = 300")
        with pytest.raises(BusyStoreError):
            store.forget(canary.id)
    reading.close()
    store.close()
    assert found(folder, canary.needles()) == set()


def test_threads_that_search_do_not_stop_the_forgetting(store, folder):
    canaries = [Canary() for _ in range(6)]
    store.add_many(canary.fields() for canary in canaries)
    stop, errors = threading.Event(), []

    def search() -> None:
        while not stop.is_set():
            try:
                store.search("fact topic3", 10, vector=vector(3))
            except Exception as error:  # noqa: BLE001  shown by the assertion
                errors.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for canary in canaries:
            store.forget(canary.id)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert errors == []
    for canary in canaries:
        assert found(folder, canary.needles()) == set()
    assert store.check() == []


def test_a_file_that_was_put_in_the_place_of_an_open_one_is_left_as_it_is(tmp_path):
    ours, theirs = tmp_path / "ours.feather", tmp_path / "theirs.feather"
    with Store.open(theirs) as store:
        store.add_many({"text": f"theirs {n}"} for n in range(300))
    with Store.open(ours) as store:
        store.add_many({"id": f"m{n}", "text": f"ours {n}"} for n in range(40))
        before = theirs.stat().st_size
        theirs.replace(ours)
        with pytest.raises(StoreAccessError, match="not the file any more"):
            store.forget("m1")
        assert ours.stat().st_size == before
