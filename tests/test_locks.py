"""The locks that one process holds on a file, while others come and go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import feather_memory
from feather_memory import Store, TenantPool

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(feather_memory.__file__).parents[1])}


def elsewhere(path: Path, statement: str) -> str:
    """What another process prints that opens the store, says this, and closes it."""
    code = f"from feather_memory import Store\nwith Store.open({str(path)!r}) as store: {statement}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=ENVIRONMENT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout


def ids_elsewhere(path: Path) -> str:
    return elsewhere(path, "print(*sorted(memory.id for memory in store.iterate()))")


def test_opening_a_store_twice_leaves_the_log_of_the_first_to_it(tmp_path):
    """POSIX drops all of a process's locks on a file when any handle of it is closed.

    Then the next process to close the store takes itself for the last, and deletes its log.
    """
    path = tmp_path / "alice.feather"
    with Store.open(path) as first:
        first.add("Before", id="before")
        second = Store.open(path)
        elsewhere(path, "store.add('Elsewhere', id='elsewhere')")

        first.add("After", id="after")

        assert ids_elsewhere(path) == "after before elsewhere\n"
        assert len(second) == 3
        assert second.check() == first.check() == []
        second.close()


def test_listing_tenants_leaves_the_log_of_an_open_store_to_it(tmp_path):
    """A long name is read from its tenant's file, which may be open."""
    tenant = "long" * 60
    with TenantPool(tmp_path) as pool:
        store = pool.get(tenant)
        store.add("Before", id="before")
        assert pool.tenants() == pool.recent() == [tenant]
        elsewhere(store.path, "store.add('Elsewhere', id='elsewhere')")

        store.add("After", id="after")

        assert ids_elsewhere(store.path) == "after before elsewhere\n"
        assert store.check() == []


def test_a_handle_closed_by_the_process_itself_does_drop_its_locks(tmp_path):
    """The negative control: the tests above would notice."""
    path = tmp_path / "alice.feather"
    with Store.open(path) as store:
        store.add("Before", id="before")
        path.open("rb").close()
        elsewhere(path, "store.add('Elsewhere', id='elsewhere')")

        store.add("After", id="after")

        assert ids_elsewhere(path) == "before elsewhere\n"
