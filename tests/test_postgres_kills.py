"""A server that is killed under its writers loses nothing that was acknowledged."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

servers = pytest.importorskip("servers")

from feather_memory import FeatherError, Store  # noqa: E402

PATIENCE = 60.0  # seconds for a server to come up again


class Writer(threading.Thread):
    """Adds pairs of memories, each in one transaction, and knows which were acknowledged."""

    def __init__(self, url, name):
        super().__init__()
        self.url, self.who = url, name
        self.acknowledged, self.faults, self.is_over = [], 0, threading.Event()

    def run(self):
        with Store.open(self.url, tenant="all") as store:
            count = 0
            while not self.is_over.is_set():
                id_ = f"{self.who}.{count}"
                try:
                    with store.transaction():
                        store.add(f"note {id_} of two", id=id_)
                        store.add(f"note {id_} again", id=f"{id_}'")
                except FeatherError:  # it may have been committed: the same again changes nothing
                    self.faults += 1
                    time.sleep(0.05)
                    continue
                self.acknowledged.append(id_)
                count += 1


def brought_up(started):
    """Start it again; what is left of the one that was killed may hold its memory a moment.

    Amid its recovery the server runs and is not ready, on a busy machine for seconds.
    """
    until = time.monotonic() + PATIENCE
    while True:
        try:
            started.ensure_postgres_running()
        except (subprocess.SubprocessError, AssertionError):  # the latter: it still recovers
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


def kill_under(url, started, *, kills, writers):
    servers.migrate(url, "here")
    Store.open(url, tenant="all").close()
    threads = [Writer(url, f"w{n}") for n in range(writers)]
    for each in threads:
        each.start()
    try:
        for _ in range(kills):
            before = sum(len(each.acknowledged) for each in threads)
            until = time.monotonic() + PATIENCE
            while sum(len(each.acknowledged) for each in threads) < before + 2 * writers:
                assert time.monotonic() < until, "nobody could write"
                time.sleep(0.01)
            process = started.get_postmaster_info().process
            process.kill()
            process.wait(PATIENCE)
            brought_up(started)
    finally:
        for each in threads:
            each.is_over.set()
        for each in threads:
            each.join(PATIENCE)
    return url, threads


def assert_whole(url, threads):
    with Store.open(url, tenant="all") as store:
        there = {memory.id for memory in store.iterate()}
        for each in threads:
            assert set(each.acknowledged) <= there
        assert {id_.rstrip("'") for id_ in there} == {id_ for id_ in there if id_[-1] != "'"}
        assert len(there) % 2 == 0
        assert store.check() == []
    assert sum(each.faults for each in threads) > 0, "the control: somebody was amid a write"


@pytest.fixture
def server():
    """In no folder of pytest's: those are for one user, and a server started by root is another."""
    with tempfile.TemporaryDirectory(prefix="feather-postgres-") as made:
        url, started = servers.begun(Path(made) / "data")
        yield url, started
        started.stop()


@pytest.mark.skipif("FEATHER_POSTGRES" in os.environ, reason="a server of others is not killed")
def test_a_server_that_is_killed_loses_no_acknowledged_write_and_keeps_no_half(server):
    assert_whole(*kill_under(*server, kills=2, writers=4))


@pytest.mark.long
@pytest.mark.skipif("FEATHER_POSTGRES" in os.environ, reason="a server of others is not killed")
def test_twenty_kills_under_eight_writers(server):
    assert_whole(*kill_under(*server, kills=20, writers=8))
