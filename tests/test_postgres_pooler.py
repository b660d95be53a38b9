"""Behind PgBouncer in transaction mode: each transaction may get another connection."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

servers = pytest.importorskip("servers")
psycopg = servers.psycopg

from feather_memory import FeatherError, TenantPool  # noqa: E402
from feather_memory.config import SERVER_WRITERS  # noqa: E402
from feather_memory.testing import HashEmbedder  # noqa: E402

BOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
PATIENCE = 30.0  # seconds until it listens
PORT = 6_432  # of a socket in a folder of its own

pytestmark = pytest.mark.skipif(
    BOUNCER is None, reason="no PgBouncer here: install the package pgbouncer"
)


@contextmanager
def bounced(url):
    """The same database through a pooler with few connections to it; stopped afterwards.

    One more than a process writes by: who is amid a block of writes reads by another.
    """
    parts = urlsplit(url)
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    host, user = asked.get("host", parts.hostname), asked.get("user", parts.username or "postgres")
    said = {"host": host, "port": parts.port or 5_432, "user": user, "dbname": parts.path[1:]}
    if parts.password:
        said["password"] = parts.password
    with tempfile.TemporaryDirectory(prefix="feather-bouncer-") as made:
        folder = Path(made)
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\nthere = {' '.join(f'{k}={v}' for k, v in said.items())}\n"
            f"[pgbouncer]\nunix_socket_dir = {folder}\nlisten_port = {PORT}\nauth_type = any\n"
            f"pool_mode = transaction\ndefault_pool_size = {SERVER_WRITERS + 1}\n"
        )
        other: dict[str, object] = {}
        if os.geteuid() == 0:  # it refuses to be root; whoever owns the server's socket may use it
            owner = Path(host).stat().st_uid if str(host).startswith("/") else 65_534
            owner = owner or 65_534
            os.chown(folder, owner, -1)
            other = {"user": owner}
        process = subprocess.Popen([BOUNCER, "-q", str(settings)], cwd=folder, **other)
        through = f"postgresql://somebody@/there?host={folder}&port={PORT}"
        try:
            until = time.monotonic() + PATIENCE
            while True:
                try:
                    psycopg.connect(through).close()
                    break
                except psycopg.OperationalError:
                    assert time.monotonic() < until, "it does not listen"
                    time.sleep(0.05)
            yield through
        finally:
            process.terminate()
            process.wait(PATIENCE)


@pytest.fixture
def url():
    with bounced(servers.emptied("bounced")) as through:
        yield through


def lived(store, name):
    """A life of a store, with every statement often enough to be prepared."""
    for n in range(8):
        store.add(f"{name} drinks tea number {n}", key="drink", id=f"m{n}")
        store.add_many({"text": f"{name} notes {n}.{i}", "session": "s"} for i in range(3))
        store.link(f"m{n}", "m0", "mine") if n else None
        store.recall("drinks tea", k=3, turn=f"t{n}")
        store.feedback(f"t{n}", "liked")
        store.plumbing.shelf("notes")[f"k{n}"] = name
        with store.transaction():
            store.update(f"m{n}", metadata={"n": n})
            store.signal(f"m{n}", "saved", event_id=f"e{n}")
        assert [hit.memory.id for hit in store.search("drinks tea", k=1)] == [f"m{n}"]
    store.forget("m0")
    assert [memory.id for memory in store.history("m7")] == [f"m{n}" for n in range(1, 8)]
    assert {memory.text.split()[0] for memory in store.iterate()} == {name}
    assert dict(store.plumbing.shelf("notes")) == {f"k{n}": name for n in range(8)}
    assert len(store) == 7 + 24


def test_tenants_who_share_the_connections_of_a_pooler_live_as_on_the_server(url):
    """More than there are connections at once, so that each is handed on between transactions."""
    failures = []

    def live(pool, name):
        try:
            lived(pool.get(name), name)
        except BaseException as error:  # noqa: BLE001  told by the test, in its own thread
            failures.append((name, error))

    with TenantPool(url, embedder=HashEmbedder(32)) as pool:
        threads = [threading.Thread(target=live, args=(pool, f"t{n}")) for n in range(7)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

        assert failures == []
        assert pool.count() == 7
        assert all(pool.get(name).check() == [] for name in pool.tenants())


def test_statements_prepared_on_one_connection_would_be_missed_on_another(url, monkeypatch):
    """The negative control: what notices the pooler is what keeps the test above green."""
    monkeypatch.setattr("feather_memory.truth.postgres.server._is_pooled", lambda _: False)
    missed = []

    def live(pool, name):
        try:
            lived(pool.get(name), name)
        except (FeatherError, psycopg.Error) as error:
            missed.append(str(error))

    with TenantPool(url, embedder=HashEmbedder(32)) as pool:
        threads = [threading.Thread(target=live, args=(pool, f"t{n}")) for n in range(7)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    assert any("prepared statement" in each for each in missed)
