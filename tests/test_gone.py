"""A file that was removed or replaced is neither written on nor read on by who has it open."""

from __future__ import annotations

import os
import sqlite3
from contextlib import nullcontext
from pathlib import Path

import pytest
from test_processes import finished, python

from feather_memory import (
    ClosedStoreError,
    GoneStoreError,
    Store,
    TenantPool,
)
from feather_memory.tenants import ownership
from feather_memory.truth.sqlite import claims, schema


def ids_of(store):
    return {memory.id for memory in store.iterate()}


USES = {
    "search": lambda s: s.search("fact"),
    "the same search": lambda s: s.search("first fact"),
    "recall": lambda s: s.recall("fact"),
    "get": lambda s: s.get("a"),
    "iterate": lambda s: list(s.iterate()),
    "stats": lambda s: s.stats(),
    "check": lambda s: s.check(),
    "why_not": lambda s: s.why_not("fact", "a"),
    "add": lambda s: s.add("more"),
    "link": lambda s: s.link("a", "b"),
    "forget": lambda s: s.forget("a"),
    "a shelf": lambda s: s.plumbing.shelf("x").update(a=1),
    "backup": lambda s: s.backup(s.path.with_name("copy.feather")),
}


def unlinked(path):
    path.unlink()


def replaced(path):
    spare = path.with_name("spare.feather")
    with Store.open(spare) as store:
        store.add("what came into its place", id="other")
    spare.replace(path)


def moved(path):
    path.rename(path.with_name("moved.feather"))


@pytest.mark.parametrize("end", [unlinked, replaced, moved])
@pytest.mark.parametrize("use", USES)
def test_a_file_that_is_not_in_its_place_any_more_is_not_used(path, use, end):
    store = Store.open(path)
    store.add("the first fact", id="a")
    store.add("the second fact", id="b")
    store.search("first fact")

    end(path)

    with pytest.raises(GoneStoreError, match="not the file any more"):
        USES[use](store)
    store.close()
    log = path.with_name(f"{path.name}-wal")
    if end is replaced and log.exists() and log.stat().st_size:  # unless it was folded before
        Store.restore(path, path)  # the old one's log is not the new one's
    if end is not unlinked:
        with Store.open(path if end is replaced else path.with_name("moved.feather")) as other:
            assert ids_of(other) == ({"other"} if end is replaced else {"a", "b"})
            assert other.check() == []


def test_without_the_look_at_the_file_writes_would_vanish(path):
    """The negative control: SQLite goes on with what was removed, and acknowledges."""
    Store.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute("select * from state").fetchone()
    unlinked(path)

    connection.execute("update state set generation = 7")
    connection.commit()

    assert not path.exists()
    connection.close()


@pytest.mark.parametrize("log_is", ["removed", "folded"])
@pytest.mark.parametrize("leave", ["close", "rest", "drop", "idle"])
def test_who_lets_go_of_a_replaced_file_leaves_the_new_ones_log(path, leave, log_is):
    """The last to close a file folds and removes its log, by name: the new file's by now."""
    old = Store.open(path)
    old.add("in the old file", id="old")
    log = path.with_name(path.name + "-wal")
    if log_is == "folded":
        assert old._core.truth.fold()
        assert log.stat().st_size == 0
    replaced(path)
    if log_is == "removed":
        log.unlink()  # for it would be a foreign one
    new = Store.open(path)
    new.add("in the new file", id="new")

    if leave == "close":
        old.close()
    elif leave == "rest":
        old.plumbing.rest()
    elif leave == "idle":
        assert old._core.truth.fold()
    else:
        del old

    assert log.exists()
    copied = python("import sys; from feather_memory import Store\n"
                    "with Store.open(sys.argv[1]) as s: print(sorted(m.id for m in s.iterate()))",
                    path)  # fmt: skip
    assert finished(copied) == "['new', 'other']\n"
    new.add("also in the new file", id="more")
    new.close()
    with Store.open(path) as store:
        assert ids_of(store) == {"new", "other", "more"}
        assert store.check() == []


SERVES = """
import sys
from feather_memory import ClosedStoreError, GoneStoreError, TenantPool
pool = TenantPool(sys.argv[1])
store = pool.get("alice")
store.add("a secret of Alice", id="s")
print("serving", flush=True)
for line in sys.stdin:
    try:
        if line.strip() == "search":
            print([hit.memory.text for hit in store.search("secret")], flush=True)
        elif line.strip() == "add":
            print(store.add("another secret").text, flush=True)
        else:
            print([hit.memory.text for hit in pool.get("alice").search("secret")], flush=True)
    except (ClosedStoreError, GoneStoreError):  # the pool closed it when it began anew
        print("gone", flush=True)
"""


def test_another_process_serves_nothing_of_a_forgotten_tenant_and_loses_no_write(tmp_path):
    server = python(SERVES, tmp_path)
    told = lambda word: (server.stdin.write(word + "\n"), server.stdin.flush(),  # noqa: E731
                         server.stdout.readline().strip())[-1]  # fmt: skip
    assert server.stdout.readline() == "serving\n"
    assert told("search") == "['a secret of Alice']"

    with TenantPool(tmp_path) as pool:
        pool.forget_tenant("alice")

        assert told("search") == "gone"
        assert told("add") == "gone"
        assert pool.tenants() == []
        assert told("get") == "[]"  # it begins anew
        assert told("search") == "gone"
        pool.get("alice").add("her new secret")
        assert told("get") == "['her new secret']"
    server.stdin.close()
    server.wait()
    server.stdout.close()
    server.stderr.close()


def test_a_file_that_is_being_removed_is_neither_opened_nor_written(tmp_path):
    """Between the mark and the removal, and if its remover was killed there."""
    with TenantPool(tmp_path) as pool:
        pool.get("alice").add("a secret", id="s")
        path, held = pool.path_of("alice"), pool.get("alice")
        held.search("secret")
        claims.mark_gone(path)

        for use in (lambda: held.add("late"), lambda: held.search("secret")):
            with pytest.raises(GoneStoreError):
                use()
        with pytest.raises(GoneStoreError):
            Store.open(path)


def test_what_a_killed_remover_left_is_removed_by_who_asks_for_the_tenant(tmp_path, monkeypatch):
    monkeypatch.setattr(ownership, "_REMOVAL", 0.0)
    with TenantPool(tmp_path) as pool:
        pool.get("alice").add("a secret", id="s")
        path = pool.path_of("alice")
    claims.mark_gone(path)

    with TenantPool(tmp_path) as pool:
        assert ids_of(pool.get("alice")) == set()
        assert pool.get("alice").check() == []


def test_forgetting_waits_for_a_writer_and_gives_up_on_a_long_one(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BUSY_SECONDS", 0.05)
    with TenantPool(tmp_path) as pool:
        pool.get("alice").add("a secret", id="s")
        path = pool.path_of("alice")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("begin immediate")

        with pytest.raises(TimeoutError):
            pool.forget_tenant("alice")

        other.execute("rollback")
        other.close()
        assert ids_of(pool.get("alice")) == {"s"}
        pool.forget_tenant("alice")
        assert not path.exists()


def test_a_store_that_rested_while_its_file_was_removed_makes_none(path):
    with Store.open(path) as store:
        store.add("a fact")
        store.plumbing.rest()
        path.unlink()

        with pytest.raises(GoneStoreError):
            store.add("more")

        assert not path.exists()


@pytest.mark.parametrize("use", ["add", "search", "check"])
@pytest.mark.parametrize("end", [unlinked, moved])
def test_a_file_that_goes_after_it_was_looked_for_is_gone(path, monkeypatch, use, end):
    """As `forget_tenant` of another process may have it, when connections are just being opened."""
    with Store.open(path) as store:
        store.add("the first fact", id="a")
        store.add("the second fact", id="b")
        truth = store._core.truth
        truth.release()
        real = truth.connect

        def goes(*arguments, **named):
            if path.exists():
                end(path)
            return real(*arguments, **named)

        monkeypatch.setattr(truth, "connect", goes)

        with pytest.raises(GoneStoreError):
            USES[use](store)
        assert not path.exists()


@pytest.mark.parametrize("use", USES)
def test_between_the_removal_of_the_log_and_of_the_file_it_is_gone_already(path, monkeypatch, use):
    """A connection that is made then has the log's index in memory, and finds no log."""
    told, real = [], Path.unlink
    by_id = {"get", "iterate"}  # who reads nothing but memories, looks for the file alone

    def unlink(removed, **named):
        real(removed, **named)
        if removed.name.endswith("-wal") and not told:
            assert path.exists()
            with nullcontext() if use in by_id else pytest.raises(GoneStoreError):
                USES[use](store)
            told.append(use)

    with Store.open(path) as store, Store.open(path) as other:
        for id_ in "ab":
            store.add(f"fact {id_}", id=id_)
        other.search("fact")
        store._core.truth.release()  # but the log stays, for the other has it open
        assert path.with_name(f"{path.name}-wal").stat().st_size > 0
        monkeypatch.setattr(Path, "unlink", unlink)
        ownership.taken_away(path)
    assert told == [use]
    assert not path.exists()


def test_a_store_can_be_closed_while_its_file_is_being_removed(path):
    store = Store.open(path)
    store.add("a fact")
    store.search("fact")
    claims.mark_gone(path)

    store.close()
    with pytest.raises(ClosedStoreError):
        store.search("fact")


def test_a_file_that_goes_while_it_is_opened_is_gone(path, monkeypatch):
    Store.open(path).close()
    real = schema.inspect

    def goes(place):
        place.unlink()
        real(place)

    monkeypatch.setattr(schema, "inspect", goes)

    with pytest.raises(GoneStoreError):
        Store.open(path)


def test_a_hard_link_is_the_same_file(path, tmp_path):
    with Store.open(path) as store:
        store.add("a fact", id="a")
        os.link(path, tmp_path / "link.feather")
        assert store.add("more", id="b").id == "b"
        assert ids_of(store) == {"a", "b"}
        assert store.check() == []
