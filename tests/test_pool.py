"""A pool opens what is asked for, keeps tenants apart, and never hands out a dead store."""

from __future__ import annotations

import gc
import inspect
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
import unicodedata
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from feather_memory import (
    ClosedStoreError,
    CorruptStoreError,
    GoneStoreError,
    ParameterError,
    Store,
    StoreAccessError,
    TenantNameError,
    TenantPool,
    WrongTenantError,
)
from feather_memory.index import beside
from feather_memory.model.names import file_name
from feather_memory.tenants import seats
from feather_memory.testing import HashEmbedder


@pytest.fixture
def pool(tmp_path, clock):
    with TenantPool(
        tmp_path / "memories", embedder=HashEmbedder(16), clock=clock, max_open=3
    ) as opened:
        yield opened


def in_threads(count, work):
    errors = []

    def guarded(n):
        try:
            work(n)
        except BaseException as error:  # noqa: BLE001  told by the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def texts(store):
    return [memory.text for memory in store.iterate()]


def test_each_tenant_has_its_own_memories_and_file(pool):
    pool.get("alice").add("alice likes tea")
    pool.get("Alice").add("another Alice likes coffee")

    assert texts(pool.get("alice")) == ["alice likes tea"]
    assert texts(pool.get("Alice")) == ["another Alice likes coffee"]
    assert pool.tenants() == ["Alice", "alice"]
    assert pool.get("alice").tenant == "alice"


def test_all_who_ask_at_once_get_the_same_store(tmp_path):
    with TenantPool(tmp_path) as pool:
        found = []
        in_threads(16, lambda _: found.append(pool.get("alice")))

        assert len({id(store) for store in found}) == 1


def test_the_least_recently_used_store_rests_first(pool):
    for name in "abc":
        pool.get(name).add("x")
    pool.get("a").search("x")
    pool.get("d").add("x")

    assert [seat.tenant for seat in pool._awake.seats()] == ["c", "a", "d"]
    assert pool.stats().open == 3
    assert pool.stats().rests == 1


def test_a_store_that_rested_answers_as_before_and_is_the_same_object(pool):
    held = pool.get("a")
    held.add("kept", id="m")
    for name in "bcde":
        pool.get(name).add("x")

    assert held._core.truth.is_resting
    assert held.search("kept")[0].memory.id == "m"
    assert pool.get("a") is held
    held.add("more")
    assert texts(held) == ["kept", "more"]
    assert held.check() == []


def test_a_resting_store_holds_no_file_open(pool):
    store = pool.get("a")
    store.add("x")
    for name in "bcd":
        pool.get(name).add("x")

    handles = Path("/proc/self/fd")
    opened = [os.path.realpath(handle) for handle in handles.iterdir()] if handles.exists() else []
    assert not any("/a.feather" in name for name in opened)
    assert store._core.columns.view is None


def test_a_leased_store_stays_open_however_many_others_are_asked(pool):
    with pool.lease("a") as store:
        store.add("x")
        for name in "bcdefg":
            pool.get(name).add("x")

        assert not store._core.truth.is_resting
        assert pool.stats().in_use == 1
    for name in "bcd":
        pool.get(name).add("x")
    assert store._core.truth.is_resting


def test_more_leases_than_room_are_all_served_and_then_let_go(pool):
    leases = [pool.lease(name) for name in "abcde"]
    stores = [lease.__enter__() for lease in leases]
    assert pool.stats().open == 5
    assert all(not store._core.truth.is_resting for store in stores)
    for lease in leases:
        lease.__exit__(None, None, None)

    assert pool.stats().open == 3


def test_an_idle_store_rests_at_the_next_call_of_another(pool, clock):
    idle = pool.get("a")
    idle.add("x")
    clock.advance(seconds=599)
    pool.get("b").add("x")
    assert not idle._core.truth.is_resting
    clock.advance(seconds=1)
    pool.get("b").search("x")

    assert idle._core.truth.is_resting
    assert pool.stats().open == 1


def test_a_store_that_idles_is_not_counted_as_open(pool, clock):
    idle = pool.get("a")
    idle.add("x")
    clock.advance(seconds=600)

    assert pool.stats().open == 0
    assert idle._core.truth.is_resting


def test_close_idle_says_how_many_it_let_rest(pool, clock):
    for name in "ab":
        pool.get(name).add("x")
    assert pool.close_idle() == 0
    clock.advance(seconds=600)
    assert pool.close_idle() == 2
    assert pool.stats().open == 0


def test_a_pool_keeps_to_its_budget_of_memory(tmp_path):
    """All but the tenant in use rest where their arrays are too large; the others stay."""
    with TenantPool(tmp_path, embedder=HashEmbedder(256), max_bytes=300_000) as pool:
        for name in "abc":
            pool.get(name).add_many({"text": f"fact {n} of {name}"} for n in range(150))
            assert pool.get(name).search("fact 7", k=1)
        told = pool.stats()
        assert 150 * 256 * 4 < told.bytes <= told.max_bytes == 300_000
        assert (told.open, told.rests) == (1, 2)

        large = pool.get("large")
        large.add_many({"text": f"fact {n}"} for n in range(400))
        assert large.search("fact 7", k=1)
        told = pool.stats()
        assert told.bytes > told.max_bytes  # by itself: it is in use
        assert told.open == 1
        assert pool.get("a").search("fact 7", k=1)
        assert pool.stats().bytes <= told.max_bytes
        pool.get("a").plumbing.rest()
        assert pool.stats().bytes == 0
        assert all(pool.get(name).check() == [] for name in pool.tenants())


def test_a_store_nobody_holds_is_given_up_when_it_rests(pool):
    for name in "abcdefgh":
        pool.get(name).add("x")
    gc.collect()
    assert len(pool._awake._known) == 3


def test_a_large_tenants_mapped_file_is_written_and_used_after_a_rest(pool, monkeypatch):
    monkeypatch.setattr("feather_memory.config.SNAPSHOT_ROWS", 20)
    store = pool.get("a")
    store.add_many({"id": f"m{n}", "text": f"fact {n}"} for n in range(60))
    before = [(hit.memory.id, hit.score) for hit in store.search("fact 7", 10)]
    store.plumbing.rest()

    assert beside.vectors_path(store.path).exists()
    assert [(hit.memory.id, hit.score) for hit in store.search("fact 7", 10)] == before
    assert store._core.columns.view.matrix.blocks(60)[0].shape == (60, 16)
    assert store.check() == []


def test_what_another_pool_writes_while_a_store_rests_is_seen(tmp_path):
    with TenantPool(tmp_path) as one, TenantPool(tmp_path) as other:
        one.get("a").add("first")
        one.get("a").plumbing.rest()
        other.get("a").add("second")

        assert texts(one.get("a")) == ["first", "second"]
        assert len(one.get("a").search("first second")) == 2


def test_a_file_of_another_tenant_is_refused(tmp_path):
    with TenantPool(tmp_path) as pool:
        pool.get("bob").add("bob's secret")
        pool.get("bob").plumbing.rest()
        (tmp_path / file_name("bob")).rename(tmp_path / file_name("alice"))
        with pytest.raises(WrongTenantError):
            pool.get("alice")
        with pytest.raises(WrongTenantError):
            pool.forget_tenant("alice")
        assert (tmp_path / file_name("alice")).exists()


def test_a_store_without_a_tenant_is_refused(tmp_path):
    Store.open(tmp_path / "alice.feather").close()
    with TenantPool(tmp_path) as pool, pytest.raises(WrongTenantError):
        pool.get("alice")


def test_a_file_that_was_damaged_while_its_store_rested_is_refused(pool):
    store = pool.get("a")
    store.add("x")
    store.plumbing.rest()
    store.path.write_bytes(b"")
    with pytest.raises(CorruptStoreError):
        store.search("x")
    assert pool.get("b").add("fine")


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 256, None, 7, "\ud800"])
def test_a_name_no_tenant_can_have_is_refused_everywhere(pool, name):
    for ask in (pool.get, pool.forget_tenant, pool.path_of, lambda n: pool.lease(n).__enter__()):
        with pytest.raises(TenantNameError):
            ask(name)
    assert list(pool.directory.iterdir()) == []


def test_tenants_with_long_names_are_listed_by_what_their_files_say(pool):
    names = ["é" * 255, "A" * 200, "plain", "user:7"]
    for name in names:
        pool.get(name).add("x")
    (pool.directory / "Foreign.feather").write_bytes(b"no store")
    (pool.directory / "notes.txt").write_text("no store")
    (pool.directory / f"{'a' * 54}%-{'0' * 64}.feather").write_bytes(b"damaged")
    assert pool.tenants() == sorted(names)


def test_asking_whether_a_tenant_is_there_makes_no_file(pool):
    pool.get("alice").add("x")

    assert "alice" in pool
    assert "Alice" not in pool
    assert "../../x" not in pool
    with pytest.raises(TenantNameError):
        assert "a\0" not in pool
    assert pool.tenants() == ["alice"]


def test_the_recent_tenants_are_those_last_written_or_asked(pool):
    names = ["a", "b", "c", "é" * 255]
    for age, name in enumerate(names):
        pool.get(name).add("x")
        pool.get(name).plumbing.rest()
        os.utime(pool.path_of(name), (1_000.0 - age, 1_000.0 - age))
    before = pool.recent()
    pool.get("c").recall("x")

    assert before == names
    assert pool.recent() == ["c", "a", "b", "é" * 255]
    assert pool.recent(2) == ["c", "a"]
    assert pool.recent(0) == []
    with pytest.raises(ParameterError):
        pool.recent(-1)


def test_searching_does_not_make_a_tenant_recent(pool):
    pool.get("a").add("x")
    pool.get("a").plumbing.rest()
    os.utime(pool.path_of("a"), (1_000.0, 1_000.0))
    pool.get("b").add("x")
    pool.get("a").search("x")
    pool.get("a").plumbing.rest()

    assert pool.recent() == ["b", "a"]


def test_forgetting_a_tenant_says_what_goes_and_leaves_no_file(pool):
    store = pool.get("alice")
    store.add("a secret")
    pool.get("bob").add("x")
    foreseen = pool.forget_tenant("alice", dry_run=True)
    assert foreseen.is_dry_run
    assert foreseen.bytes > 0
    assert texts(store) == ["a secret"]

    forgotten = pool.forget_tenant("alice")

    assert forgotten.files == ("alice.feather",)
    assert pool.tenants() == ["bob"]
    assert [p.name for p in pool.directory.iterdir() if "alice" in p.name] == []
    assert pool.forget_tenant("alice").files == ()
    for use in (lambda: texts(store), lambda: store.add("too late")):
        with pytest.raises(GoneStoreError):
            use()
    assert pool.tenants() == ["bob"]
    assert texts(pool.get("alice")) == []
    assert pool.get("alice").add("a new start").text == "a new start"
    assert texts(pool.get("alice")) == ["a new start"]


def test_a_forgotten_tenants_vectors_do_not_come_back_when_another_pool_lets_go(
    tmp_path, monkeypatch
):
    """Beside a tenant who was not forgotten, whose mapped file is written at that moment."""
    monkeypatch.setattr("feather_memory.config.SNAPSHOT_ROWS", 20)
    with TenantPool(tmp_path, embedder=HashEmbedder(16)) as one:
        for name in ("gone", "kept"):
            one.get(name).add_many({"text": f"secret {n}"} for n in range(60))
            one.get(name).search("secret")
        with TenantPool(tmp_path) as other:
            other.forget_tenant("gone")
    left = {path.name for path in tmp_path.iterdir()}

    assert left == {"kept.feather", "kept.feather.vectors", "kept.feather.lists"}


def test_forgetting_a_tenant_removes_what_killed_writers_left(pool):
    pool.get("alice").add("a secret")
    pool.get("alice-b").add("x")
    for name in (".alice.feather.vectors.0f.tmp", ".alice.feather.hnsw.0f.tmp"):
        (pool.directory / name).write_bytes(b"a secret")
    (pool.directory / ".alice-b.feather.vectors.0f.tmp").write_bytes(b"of another")

    forgotten = pool.forget_tenant("alice")

    assert {".alice.feather.vectors.0f.tmp", ".alice.feather.hnsw.0f.tmp"} < set(forgotten.files)
    left = {
        path.name.removesuffix("-wal").removesuffix("-shm") for path in pool.directory.iterdir()
    }
    assert left == {"alice-b.feather", ".alice-b.feather.vectors.0f.tmp"}


def test_forgetting_waits_for_a_call_under_way_and_gives_up_on_a_long_one(pool, monkeypatch):
    monkeypatch.setattr(seats, "BUSY_SECONDS", 0.05)
    with pool.lease("alice") as store:
        store.add("kept")
        with pytest.raises(TimeoutError):
            pool.forget_tenant("alice")
    assert texts(store) == ["kept"]


def test_a_store_that_somebody_closed_is_opened_anew_for_the_next_who_asks(pool):
    with pool.get("alice") as closed:
        closed.add("kept")

    assert texts(pool.get("alice")) == ["kept"]
    assert pool.get("alice") is pool.get("alice") is not closed
    with pytest.raises(ClosedStoreError):
        closed.add("lost")
    assert pool.warm(["alice"]).failures == {}


def test_a_store_that_was_asked_for_as_the_pool_closed_is_not_left_open(pool, monkeypatch):
    seat_of = TenantPool._seat

    def slowly(pool, tenant):
        seat = seat_of(pool, tenant)
        pool.close()
        return seat

    monkeypatch.setattr(TenantPool, "_seat", slowly)

    with pytest.raises(ClosedStoreError):
        pool.get("alice")

    assert not pool.path_of("alice").exists()


def test_a_closed_pool_refuses_and_so_do_its_stores(tmp_path):
    pool = TenantPool(tmp_path)
    store = pool.get("a")
    store.add("x")
    pool.get("b")
    pool.get("b").plumbing.rest()
    resting = pool.get("b")
    pool.close()
    pool.close()

    assert "closed" in repr(pool)
    for ask in (lambda: pool.get("a"), lambda: pool.get("c"), pool.tenants, lambda: store.add("y"),
                lambda: resting.search("x")):  # fmt: skip
        with pytest.raises(ClosedStoreError):
            ask()
    with TenantPool(tmp_path) as again:
        assert texts(again.get("a")) == ["x"]


@pytest.mark.parametrize(
    "wrong",
    [{"max_open": 0}, {"max_open": 1.5}, {"idle_seconds": 0}, {"idle_seconds": float("nan")},
     {"durability": "some"}, {"max_bytes": 0}],
)  # fmt: skip
def test_a_parameter_outside_its_range_is_refused(tmp_path, wrong):
    with pytest.raises(ParameterError):
        TenantPool(tmp_path, **wrong)


def test_a_directory_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreAccessError):
        TenantPool(tmp_path / "file" / "memories")


def test_the_pool_says_what_it_is(pool):
    pool.get("a")
    assert repr(pool) == f"<TenantPool {str(pool.directory)!r}, 1 of at most 3 open>"


# A warm start


def test_warming_opens_all_and_one_damaged_file_stops_none(tmp_path):
    with TenantPool(tmp_path) as pool:
        for n in range(12):
            pool.get(f"t{n}").add(f"fact {n}")
    (tmp_path / "t5.feather").write_bytes(b"damaged")
    told = []
    with TenantPool(tmp_path, max_open=20) as pool:
        names = [*pool.tenants(), "nobody", "bad\0name"]
        report = pool.warm(names, workers=4, progress=lambda *done: told.append(done))

        assert set(report.failures) == {"t5", "nobody", "bad\0name"}
        assert isinstance(report.failures["t5"], CorruptStoreError)
        assert [each.tenant for each in report.tenants] == names
        assert all(each.milliseconds > 0 for each in report.tenants)
        assert told == [(n, 14) for n in range(1, 15)]
        assert "t5" in report._repr_html_()
        assert all(not pool.get(f"t{n}")._core.truth.is_resting for n in range(12) if n != 5)
        assert not (tmp_path / "nobody.feather").exists()


def test_warming_tries_no_more_than_there_is_room_for(pool):
    for name in "abcdef":
        pool.get(name).add("x")
    report = pool.warm(list("abcdef"))
    assert [each.tenant for each in report.tenants] == ["a", "b", "c"]
    assert report.skipped == ("d", "e", "f")


def test_warming_takes_eight_workers_unless_told(tmp_path):
    assert inspect.signature(TenantPool.warm).parameters["workers"].default == 8


def test_warming_draws_a_bar_on_a_terminal_if_asked(pool, capsys):
    for name in "ab":
        pool.get(name)
    pool.warm(list("ab"), progress=True)

    drawn = capsys.readouterr()
    assert drawn.err.startswith("\rwarming ")
    assert drawn.err.endswith(f"{'█' * 30} 2 of 2\n")
    assert drawn.out == ""


@pytest.mark.parametrize(
    "damage",
    [
        "alter table memory rename column vector to vektor",
        "drop table memory",
        "update memory set vector = x'00'",
    ],
)
def test_a_file_that_is_damaged_within_stops_no_other(tmp_path, damage):
    with TenantPool(tmp_path, embedder=HashEmbedder(16)) as pool:
        for name in "abc":
            pool.get(name).add(f"of {name}")
    with closing(sqlite3.connect(tmp_path / "b.feather")) as connection:
        connection.execute("pragma foreign_keys = off")
        connection.execute(damage)
        connection.commit()

    with TenantPool(tmp_path, embedder=HashEmbedder(16)) as pool:
        report = pool.warm(["a", "b", "c"])
        assert [texts(pool.get(name)) for name in "ac"] == [["of a"], ["of c"]]

    assert [type(failure) for failure in report.failures.values()] == [CorruptStoreError]
    assert list(report.failures) == ["b"]


def test_warming_one_name_is_not_warming_its_letters(pool):
    with pytest.raises(ParameterError, match="several names"):
        pool.warm("alice")


def test_warming_nobody_is_fine(pool):
    assert pool.warm([]).tenants == ()


# Many at once


def hammer(directory, *, threads, tenants, max_open, seconds):
    """Threads writing and asking at once in more stores than may be open; (written, read)."""
    written = [[] for _ in range(threads)]
    with TenantPool(directory, max_open=max_open, embedder=HashEmbedder(8)) as pool:
        held = {}
        deadline = time.monotonic() + seconds

        def work(n):
            chance = random.Random(n)
            while time.monotonic() < deadline:
                name = f"t{chance.randrange(tenants)}"
                store = held.setdefault(name, pool.get(name)) if n % 2 else pool.get(name)
                text = f"canary {name} {n} {len(written[n])}"
                written[n].append((name, store.add(text).id, text))
                for hit in store.search("canary", 5):
                    assert hit.memory.text.startswith(f"canary {name} ")
                if chance.random() < 0.05:
                    with pool.lease(name) as leased:
                        assert leased is store
                        assert len(leased) > 0
                        assert not leased._core.truth.is_resting

        in_threads(threads, work)
        assert pool.stats().open <= max_open
        assert pool.stats().in_use == 0
    kept = {}
    with TenantPool(directory, max_open=max_open) as pool:
        for name in pool.tenants():
            kept.update({(name, m.id): m.text for m in pool.get(name).iterate()})
            assert pool.get(name).check() == []
    said = {(name, id_): text for each in written for name, id_, text in each}
    assert kept == said
    return len(said)


def test_threads_that_share_more_tenants_than_may_be_open_lose_nothing(tmp_path):
    assert hammer(tmp_path, threads=8, tenants=40, max_open=4, seconds=2.0) > 0


@pytest.mark.long
def test_sixteen_threads_two_hundred_tenants_twenty_open_thirty_seconds(tmp_path):
    print(hammer(tmp_path, threads=16, tenants=200, max_open=20, seconds=30.0))


def test_threads_that_meet_damaged_files_do_not_wait_for_each_other_for_ever(tmp_path):
    for name in "abcdef":
        (tmp_path / f"{name}.feather").write_bytes(b"damaged")
    with TenantPool(tmp_path, max_open=2) as pool:

        def work(n):
            chance = random.Random(n)
            for _ in range(100):
                with pytest.raises(CorruptStoreError):
                    pool.get(chance.choice("abcdef"))

        in_threads(8, work)


def test_resting_under_the_hands_of_writers_loses_nothing(pool, clock):
    stop = threading.Event()

    def work(n):
        if n == 0:
            while not stop.is_set():
                clock.advance(seconds=700)
                pool.close_idle()
            return
        try:
            for i in range(40):
                pool.get("a").add(f"{n} {i}")
        finally:
            if n == 1:
                stop.set()

    in_threads(4, work)
    assert len(texts(pool.get("a"))) == 120
    assert pool.get("a").check() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_workers_use_the_pool_as_their_own_while_their_parent_goes_on(tmp_path):
    with TenantPool(tmp_path, max_open=2, embedder=HashEmbedder(8)) as pool:
        held = pool.get("a")
        held.add("before")
        in_threads(3, lambda n: pool.get(f"other{n}").add("x"))
        children = []
        for n in range(4):
            with pool.lease("a"):  # which the child ends as well
                child = os.fork()
                if child:
                    children.append(child)
            if not child:
                failed = 1
                try:
                    for i in range(10):
                        pool.get("a").add(f"child {n} {i}")
                        pool.get(f"other{i % 3}").search("x")
                        held.search("before")
                    failed = 0 if pool.stats().in_use == 0 else 2
                finally:
                    os._exit(failed)
        for _ in range(20):
            pool.get("other1").add("x")
            held.search("before")
        codes = [os.waitpid(child, 0)[1] for child in children]

        assert codes == [0, 0, 0, 0]
        assert len(texts(held)) == 41
        assert held.check() == []


# Leaks


NAMES = ["%", "_", "*", "%%", "a%", "a_", "a*", "../", "../x", "../../x", "..", ".", "/", "a/b",
         "a\\b", "caf\u00e9", "cafe\u0301", "User", "user", "USER", "CON", "con", "NUL", "aux",
         "com1", "con.txt", "😀", "👩‍👩‍👧", "a.", "a..", "a ", "a", " a", "A" * 255, "a" * 255,
         "a" * 254 + "b", "é" * 255, "C:\\x", "~", "$HOME", "'; drop table memory; --", "\n",
         "a.feather", "a.feather-wal", "%61", "\u202e"]  # fmt: skip
REFUSED = ["", "\0", "a\0", "../\0", "x" * 256, "x" * 10_000, "\ud800"]


class Shared(TenantPool):
    """A pool that leaks: whoever asks gets the store of one tenant."""

    def get(self, tenant):
        super().get(tenant)
        return super().get("a")


def fuzz(directory, calls, seed, kind=TenantPool):
    """How often a tenant was shown another's text, over calls with hostile names."""
    chance, canary, leaks = random.Random(seed), {n: f"canary{i}x" for i, n in enumerate(NAMES)}, 0
    ask = "what canary " + " ".join(canary.values())
    wheres = [None, {"channel": "chat"}, {"text": {"$contains": "canary"}}]
    with kind(directory, max_open=8, embedder=HashEmbedder(8)) as pool:
        for _ in range(calls):
            if chance.random() < 0.05:
                with pytest.raises(TenantNameError):
                    pool.get(chance.choice(REFUSED))
                continue
            name = chance.choice(NAMES)
            store, own = pool.get(name), canary[name]
            match chance.randrange(8):
                case 0:
                    store.add(own, id=f"m{chance.randrange(5)}", metadata={"channel": "chat"})
                case 1:
                    shown = list(store.context_chain(ask, 20))
                    leaks += sum(hit.memory.text != own for hit in shown)
                case 2:
                    leaks += sum(memory.text != own for memory in store.iterate())
                case 3:
                    other = unicodedata.normalize(chance.choice(["NFC", "NFD"]), name)
                    if len(other) <= 255:
                        leaks += (pool.get(other) is store) != (other == name)
                case _:
                    shown = store.search(ask, 20, where=chance.choice(wheres))
                    leaks += sum(hit.memory.text != own for hit in shown)
        spelled = {unicodedata.normalize(form, name) for form in ("NFC", "NFD") for name in NAMES}
        assert set(pool.tenants()) <= {*NAMES, *spelled}
    return leaks


def test_no_hostile_name_reaches_anothers_memory_or_another_directory(tmp_path):
    (tmp_path / "in").mkdir()
    assert fuzz(tmp_path / "in" / "pool", 1_500, seed=1) == 0
    assert [path.name for path in tmp_path.rglob("*") if path.parent.name != "pool"] == [
        "in",
        "pool",
    ]


def test_a_pool_that_leaks_is_found_out(tmp_path):
    """The negative control of the test above."""
    assert fuzz(tmp_path, 300, seed=1, kind=Shared) > 50


@pytest.mark.long
def test_a_hundred_thousand_hostile_calls_leak_nothing(tmp_path):
    (tmp_path / "in").mkdir()
    assert fuzz(tmp_path / "in" / "pool", 100_000, seed=2) == 0
    assert [path.name for path in tmp_path.rglob("*") if path.parent.name != "pool"] == [
        "in",
        "pool",
    ]


FEW_HANDLES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
from feather_memory import StoreAccessError, TenantPool

def ask_all(pool):
    for n in range(100):
        store = pool.get(f"t{n}")
        store.add("x")
        assert store.search("x")

with TenantPool(sys.argv[1]) as pool:
    ask_all(pool)
    print(pool.stats().max_open, pool.stats().open)
with TenantPool(sys.argv[1]) as pool:
    pool.max_open = 256
    try:
        ask_all(pool)
    except StoreAccessError:
        print("no handles left")
    pool.max_open = 1
    pool._awake.settle()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_no_more_stores_are_open_than_the_process_may_have_handles_for(tmp_path):
    """With the room taken away it fails, which shows that the limit is felt."""
    done = subprocess.run(
        [sys.executable, "-c", FEW_HANDLES, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.split("\n") == ["20 20", "no handles left", ""], done.stderr


HOLD_ALL = """
import sys
from pathlib import Path
import numpy as np
from feather_memory import TenantPool

def private():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024

query = np.ones(256, np.float32)
with TenantPool(sys.argv[1], max_open=int(sys.argv[2])) as pool:
    pool.get("t0").search(vector=query)
    before, most, held = private(), 0.0, []
    for name in pool.tenants():
        held.append(pool.get(name))
        assert held[-1].search(vector=query)
        most = max(most, private() - before)
    print(len(held), most)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="read from /proc")
def test_private_memory_is_bounded_by_what_is_open_and_not_by_what_is_held(tmp_path):
    """Beside a pool with room for all of them, which shows that the measure would tell."""
    tenants, rows = 16, 1_000  # of 1 MB each
    vectors = np.random.default_rng(7).standard_normal((rows, 256), dtype=np.float32)
    records = [{"text": "x", "vector": vector} for vector in vectors]
    with TenantPool(tmp_path, max_open=1) as pool:
        for n in range(tenants):
            pool.get(f"t{n}").add_many(records)

    def megabytes(max_open):
        command = [sys.executable, "-c", HOLD_ALL, str(tmp_path), str(max_open)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        held, most = done.stdout.split()
        assert int(held) == tenants
        return float(most)

    bounded, unbounded = megabytes(2), megabytes(tenants)
    assert unbounded > tenants
    assert bounded < tenants / 2
