"""What nobody has closed closes itself once nobody holds it, in a circle of objects, too.

Whose endings come there in any order; and Python 3.13 warns of a connection that is not closed.
"""

from __future__ import annotations

import gc
import os
import sqlite3
import sys
import threading
from pathlib import Path

import pytest

from feather_memory import ContextLayers, Store, TenantPool, UnknownMemoryError, WrongTenantError
from feather_memory.importers.said import Said
from feather_memory.testing import HashEmbedder

EMBED = HashEmbedder(dim=8)
FILES = Path("/proc/self/fd")
NEVER_CLOSED = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="there it would take the log of what came into its place"
)


class Held:
    """A circle of one, that holds more."""

    def __init__(self, *more):
        self.itself, self.more = self, more


def filled(path, **more):
    store = Store.open(path, embedder=EMBED, **more)
    store.add_many([{"text": f"tea number {n}", "id": f"m{n}"} for n in range(5)])
    store.recall("tea")
    return store


def amid_its_memories(folder):
    store = filled(folder / "a.feather")
    memories = store.iterate()
    next(memories)
    return store, memories


def amid_a_transaction(folder):
    def write(store):
        with store.transaction():
            store.add("never to be there")
            yield

    store = filled(folder / "a.feather")
    writing = write(store)
    next(writing)
    return store, writing


def of_an_error(folder):
    store = filled(folder / "a.feather")
    with pytest.raises(UnknownMemoryError) as error, store.transaction():
        store.update("nobody", text="never to be there")
    return store, error.value


def to_be_read(folder):
    filled(folder / "a.feather").close()
    store = Store.open(folder / "a.feather", embedder=EMBED, read_only=True)
    store.search("tea")
    return store


def pooled(folder):
    pool = TenantPool(folder, embedder=EMBED, max_open=2)
    for tenant in ("alice", "bob", "carol"):
        pool.get(tenant).add("tea")
    return pool, pool.get("alice")


def layered(folder):
    layers = ContextLayers(user=filled(folder / "a.feather"), team=filled(folder / "b.feather"))
    layers.search("tea")
    return layers


def removed(folder):
    store = filled(folder / "a.feather")
    (folder / "a.feather").unlink()
    return store


def refused(folder):
    filled(folder / "a.feather", tenant="alice").close()
    with pytest.raises(WrongTenantError) as error:
        Store.open(folder / "a.feather", tenant="bob")
    return error.value


def open_in(folder):
    """Which files in the folder this process has open."""
    there = []
    for each in FILES.iterdir():
        try:
            there.append(os.readlink(each))  # noqa: PTH115  as it stands, gone or not
        except OSError:  # the one by which this is read
            continue
    return {Path(name).name for name in there if name.startswith(str(folder))}


@pytest.mark.skipif(not FILES.is_dir(), reason="only Linux tells which files are open")
@pytest.mark.parametrize(
    "make",
    [
        filled, amid_its_memories, amid_a_transaction, of_an_error, to_be_read, pooled, layered,
        pytest.param(removed, marks=NEVER_CLOSED), refused,
    ],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_what_nobody_closed_leaves_no_file_open(tmp_path, make):
    held = Held(make(tmp_path / "a.feather" if make is filled else tmp_path))
    assert open_in(tmp_path) or make is refused  # the negative control

    del held
    gc.collect()
    gc.collect()  # of what held a store amid a transaction; then of the store

    assert open_in(tmp_path) == set()
    for path in tmp_path.glob("*.feather"):
        with Store.open(path, embedder=EMBED) as store:
            assert store.check() == []
            assert not [each for each in store.iterate() if each.text == "never to be there"]


def elsewhere(call):
    """In another thread, which is done."""
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


@pytest.mark.filterwarnings("error")  # an ending that raises warns, as does a thread that does
@pytest.mark.parametrize("made", [lambda call: call(), elsewhere], ids=["here", "elsewhere"])
@pytest.mark.parametrize("seen", [lambda call: call(), elsewhere], ids=["seen here", "elsewhere"])
def test_what_an_import_that_ended_early_has_kept_is_given_up_in_whatever_thread(made, seen):
    gc.collect()  # what others left is not to be seen here
    held = []
    made(lambda: held.append(Held(Said())))
    kept = held[0].more[0]._kept
    seen(lambda: kept.execute("select 1"))  # the negative control

    held.clear()
    seen(gc.collect)

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        kept.execute("select 1")
