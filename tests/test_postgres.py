"""Many tenants in one database: who sees what, who waits for whom, and what a fault leaves."""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest
from typer.testing import CliRunner

import feather_memory
from feather_memory import (
    BusyStoreError,
    ClosedStoreError,
    ContextLayers,
    GoneStoreError,
    NewerFormatError,
    ParameterError,
    ReadOnlyStoreError,
    Store,
    StoreAccessError,
    TenantPool,
)
from feather_memory.agent import Source
from feather_memory.checks import server_place
from feather_memory.cli.app import app
from feather_memory.testing import HashEmbedder

servers = pytest.importorskip("servers")

from feather_memory.truth.postgres.moment import Moment  # noqa: E402  it is no use without
from feather_memory.truth.postgres.places import Places  # noqa: E402  it is no use without
from feather_memory.truth.postgres.server import Server  # noqa: E402  nor is this

psycopg = servers.psycopg

HOSTILE = [
    "alice", "Alice", "a'; drop table feather.memory; --", "%(tenant)s", "%s", "$1", "", "\\'", "ü",
    "../../x", "a\nb", '"', "feather.tenant", "x" * 255, "'||current_setting('feather.tenant')||'",
]  # fmt: skip
NAMES = [name for name in HOSTILE if name]


@pytest.fixture
def url():
    """A database with our tables, and nobody in it."""
    return servers.emptied("here")


@pytest.fixture
def plain(url):
    """The same, as a user who is nothing special."""
    return servers.as_nobody_special(url)


def run(*arguments):
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(each) for each in arguments])


def texts(store):
    return sorted(memory.text for memory in store.iterate())


# Who sees what


def test_tenants_of_one_database_never_meet(plain, embedder):
    """Whatever they are called, and though all ids, keys, turns and shelves are the same."""
    with TenantPool(plain, embedder=embedder) as pool:
        for name in NAMES:
            store = pool.get(name)
            store.add(f"secret of {name}", id="m", key="k", session="s")
            store.add(f"more of {name}", id="n")
            store.link("m", "n")
            store.recall("secret", k=1, turn="t")
            store.feedback("t", "liked")
            store.plumbing.shelf("notes")["k"] = name
        assert pool.tenants() == sorted(NAMES)
        for name in NAMES:
            store = pool.get(name)
            assert texts(store) == sorted([f"secret of {name}", f"more of {name}"])
            assert [hit.memory.id for hit in store.search("secret", k=9)] in (["m", "n"], ["m"])
            assert dict(store.plumbing.shelf("notes")) == {"k": name}
            assert store.check() == []
        pool.get("alice").forget(["m"])
        assert [len(pool.get(name)) for name in NAMES] == [1] + [2] * (len(NAMES) - 1)


def test_a_connection_that_forgot_its_tenant_sees_and_writes_nothing(plain, url):
    """The second lock: rows are there only for a transaction that says whose it is."""
    for name in ("alice", "bob"):
        with Store.open(plain, tenant=name) as store:
            store.add("secret", id="m")
    everything = "select count(*) from feather.memory"

    with psycopg.connect(plain) as forgetful:
        for table in servers.KEPT:
            assert forgetful.execute(f"select * from feather.{table}").fetchall() == []
        assert forgetful.execute("update feather.memory set text = 'x'").rowcount == 0
        assert forgetful.execute("delete from feather.state").rowcount == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            forgetful.execute(
                "insert into feather.turn (tenant, row, name, at) values ('alice', 9, 'x', 0)"
            )
        forgetful.rollback()
        forgetful.execute("select set_config('feather.tenant', 'bob', true)")
        assert forgetful.execute(everything).fetchone() == (1,)
        forged = forgetful.execute(f"{everything} where tenant = 'alice'")
        assert forged.fetchone() == (0,)
    with psycopg.connect(url, autocommit=True) as owner:  # the negative control
        owner.execute("alter table feather.memory disable row level security")
        try:
            with psycopg.connect(plain) as leaking:
                assert leaking.execute(everything).fetchone() == (2,)
        finally:
            owner.execute("alter table feather.memory enable row level security")


def test_every_key_of_every_table_begins_with_the_tenant(url):
    """So they can be distributed by it."""
    asked = """
        select i.indrelid::regclass::text, a.attname, i.indisunique, c.relrowsecurity,
            c.relforcerowsecurity
        from pg_index i join pg_class c on c.oid = i.indrelid
        join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where n.nspname = 'feather' and c.relname <> 'release'
    """
    with psycopg.connect(url) as connection:
        found = connection.execute(asked).fetchall()

    assert {name for name, *_ in found} == {f"feather.{table}" for table in servers.KEPT}
    assert {row[1:2] + row[3:] for row in found} == {("tenant", True, True)}


def test_what_a_tenant_s_rows_refer_to_is_the_same_tenant_s():
    """What Citus asks for, to distribute by it: each key of others has it at the same place.

    And each constraint that is to hold for rows of several places; none changes the tenant.
    """
    url = servers.migrated("distributed", pgvector=servers.has_pgvector())
    asked = """
        select conrelid::regclass::text, contype, pg_get_constraintdef(oid),
            confupdtype in ('a', ' '), confdelsetcols, (
                select attnum from pg_attribute where attrelid = conrelid and attname = 'tenant')
        from pg_constraint where connamespace = 'feather'::regnamespace
            and contype in ('f', 'p', 'u', 'x') and conrelid <> 'feather.release'::regclass
    """
    columns = """
        select relname, atttypid::regtype::text, collname from pg_class
        join pg_attribute on attrelid = pg_class.oid and attname = 'tenant'
        left join pg_collation on pg_collation.oid = attcollation
        where relnamespace = 'feather'::regnamespace and relkind in ('r', 'p')
    """
    with psycopg.connect(url) as connection:
        found = connection.execute(asked).fetchall()
        keys_of_tenants = connection.execute(columns).fetchall()
        strange = connection.execute(
            "select count(*) from pg_trigger t join pg_class c on c.oid = tgrelid "
            "where relnamespace = 'feather'::regnamespace and not tgisinternal"
        ).fetchone()

    kept = {*servers.KEPT, *(["direction"] if servers.has_pgvector() else [])}
    assert {table for table, *_ in found} == {f"feather.{table}" for table in kept}
    assert {kind for _, kind, *_ in found} == {"f", "p", "u"}
    for table, kind, said, leaves_keys, emptied, tenant in found:
        keys = re.findall(r"\(([^)]*)\)", said)
        assert all(key.split(", ")[0] == "tenant" for key in keys[: 2 if kind == "f" else 1]), (
            table,
            said,
        )
        assert leaves_keys, said  # a key that names the tenant is not to follow a change
        assert tenant not in (emptied or ()), said
        assert "SET NULL" not in said or emptied, said
    assert {name for name, *_ in keys_of_tenants} == kept
    assert {each[1:] for each in keys_of_tenants} == {("text", "C")}  # so they can lie together
    assert strange == (0,)  # a trigger of ours would run nowhere else


def test_whose_rows_are_meant_is_told_by_what_reaches_other_places():
    """`set local`, which Citus passes on to its workers, where a function would not leave here."""
    rooms = Path(feather_memory.__file__).parent / "truth" / "postgres"
    told = [each.read_text(encoding="utf-8") for each in rooms.glob("*.py")]

    assert not any("set_config" in text for text in told)
    assert sum("set local feather.tenant" in text for text in told) >= 3


def test_every_statement_of_a_life_names_the_tenant_by_a_constant(url, monkeypatch):
    """So it is of one place: none of a store's statements is without its name."""
    said = []
    execute = Moment._execute

    def listening(self, statement, values):
        said.append(statement)
        return execute(self, statement, values)

    monkeypatch.setattr(Moment, "_execute", listening)
    with Store.open(url, tenant="alice", embedder=HashEmbedder(8)) as store:
        store.add("Alice drinks tea", id="a", key="drink", session="s", actor="Alice")
        store.add("Alice drinks wine", id="b", key="drink", session="s")
        store.link("a", "b")
        store.recall("tea", turn="t")
        store.feedback("t", "liked")
        store.context_chain("tea")
        store.history("a")
        store.unsupersede("a")
        store.plumbing.shelf("notes")["k"] = {"n": 1}
        store.forget("b")
        store.reembed(HashEmbedder(16))
        assert store.check() == []

    assert len(said) > 40
    ours = [each for each in said if "feather." in each]
    assert all("%(tenant)s" in each for each in ours), ours


def test_deletes_are_cleared_from_the_pages_of_the_server(url):
    """Looked for in its data directory, after what `docs/scaling.md` says it takes to be sure."""
    canary = f"canary{os.urandom(8).hex()}"
    with psycopg.connect(url, autocommit=True) as owner:
        (folder,) = owner.execute("show data_directory").fetchone()
        (base,) = owner.execute(
            "select 'base/' || oid from pg_database where datname = current_database()"
        ).fetchone()
        pages = Path(folder) / base
        if not os.access(pages, os.R_OK):
            pytest.skip("the server's files are not to be read from here")

        def files_with():
            owner.execute("checkpoint")
            return [each.name for each in pages.iterdir() if canary.encode() in each.read_bytes()]

        with Store.open(url, tenant="alice") as store:
            store.add_many({"text": f"note {n}", "id": f"n{n}"} for n in range(50))
            store.add(f"the {canary} is here", id=canary, key=canary, metadata={"is": canary})
            store.link("n1", canary)
            store.recall(canary, turn="t")
            assert files_with() != []  # the control

            store.forget(canary)
            assert holding(url, [canary]) == set()
            owner.execute("vacuum full")
            assert files_with() == []
            assert store.check() == []


# Opened, and not


def test_a_store_on_a_server_is_a_tenant_s(url, path):
    with pytest.raises(ParameterError, match="tenant="):
        Store.open(url)
    with pytest.raises(StoreAccessError, match="to be read"):
        Store.open(url, tenant="alice", read_only=True)
    with Store.open(url, tenant="alice") as store:
        store.add("tea", id="a")
        assert repr(store).endswith("#alice', open>")
        with pytest.raises(StoreAccessError, match="has no path"):
            _ = store.path
        store.backup(path)
    with pytest.raises(ClosedStoreError):
        store.get("a")
    with Store.open(url, tenant="alice", read_only=True) as reader:
        assert texts(reader) == ["tea"]
        with pytest.raises(ReadOnlyStoreError):
            reader.add("wine")
    with Store.open(path, tenant="alice") as copy:
        assert texts(copy) == ["tea"]
        assert copy.check() == []


def test_no_error_and_no_name_says_a_password(plain):
    with Store.open(plain, tenant="alice") as store:
        said = [repr(store), store.stats().path, store.plumbing.place]
    wrong = plain.replace(servers.ROLE, "nobody_at_all", 1)
    with pytest.raises(StoreAccessError) as refused:
        Store.open(wrong, tenant="alice")

    assert not any(":plain" in each or "plain@" not in f"{each}plain@" for each in said)
    assert ":plain" not in str(refused.value)


def test_tables_are_made_by_who_migrates_and_by_nobody_else(url):
    bare = servers.bare("bare")
    for _ in range(2):
        with pytest.raises(StoreAccessError, match="feather-memory migrate"):
            Store.open(bare, tenant="alice")
    codes = []

    def migrated():
        command = [sys.executable, "-m", "feather_memory", "migrate", bare, "--json"]
        done = subprocess.run(command, check=False, capture_output=True)
        codes.append(done.returncode)
        return done.stdout

    both = [threading.Thread(target=migrated) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()

    assert codes == [0, 0]
    with Store.open(bare, tenant="alice") as store:
        store.add("tea")
    assert json.loads(migrated()).keys() == {"place", "format"}
    with Store.open(bare, tenant="alice") as store:
        assert texts(store) == ["tea"]
        assert store.check() == []


def test_tables_of_a_later_release_are_left_as_they_are(url):
    newer = servers.migrated("newer")
    with psycopg.connect(newer, autocommit=True) as connection:
        connection.execute("update feather.release set format = 999")
    with pytest.raises(NewerFormatError):
        Store.open(newer, tenant="alice")
    with pytest.raises(NewerFormatError):
        servers.migrate(newer, "there")


def test_a_server_that_is_not_there_says_so_at_once():
    with pytest.raises(StoreAccessError, match="cannot reach"):
        Store.open("postgresql://nobody@127.0.0.1:9/nothing", tenant="alice")
    with pytest.raises(ParameterError, match="no URL"):
        Store.open("postgresql://host?nonsense=1", tenant="alice")


# Others who write


def test_what_others_committed_is_seen_at_the_next_call(url):
    with Store.open(url, tenant="a") as one, Store.open(url, tenant="a") as other:
        for n in range(20):
            one.add(f"number {n}", id=f"m{n}")
            assert other.search(f"number {n}", k=1)[0].memory.id in {f"m{i}" for i in range(n + 1)}
            assert len(other) == n + 1
        assert one.check() == other.check() == []


def test_no_update_is_lost_between_threads_and_processes(url):
    """Each adds, and replaces the one value of a slot: of it a chain without a gap is left."""
    code = """
import sys
from feather_memory import Store
url, who = sys.argv[1:]
with Store.open(url, tenant="busy") as store:
    for n in range(15):
        store.add(f"value {who} {n}", key="slot")
        store.add(f"note {who} {n}", id=f"{who}.{n}")
        store.signal(f"{who}.{n}", "liked", event_id=f"{who}.{n}")
"""
    workers = [
        subprocess.Popen([sys.executable, "-c", code, url, f"w{n}"], stderr=subprocess.PIPE)
        for n in range(3)
    ]
    with Store.open(url, tenant="busy") as store:
        threads = [
            threading.Thread(target=lambda t=t: [store.add(f"t {t} {n}") for n in range(10)])
            for t in range(3)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        for each in workers:
            assert each.communicate()[1] == b""
            assert each.returncode == 0
        assert len(store) == 3 * 30 + 30
        (current,) = store.iterate(where={"key": "slot", "valid_to": {"$exists": False}})
        assert len(store.history(current.id)) == 45
        assert store.check() == []


def test_who_writes_too_long_is_waited_for_so_long(url, monkeypatch):
    monkeypatch.setattr("feather_memory.truth.postgres.tenancy.BUSY_SECONDS", 0.2)
    with Store.open(url, tenant="a") as store, psycopg.connect(url) as other:
        other.execute("select 1 from feather.state for update")
        with pytest.raises(BusyStoreError):
            store.add("tea")
        other.rollback()
        store.add("wine")
        assert texts(store) == ["wine"]
        assert store.check() == []


def test_a_process_has_so_many_connections_and_no_more(url, monkeypatch):
    monkeypatch.setattr("feather_memory.truth.postgres.server.SERVER_CONNECTIONS", 2)
    monkeypatch.setattr("feather_memory.truth.postgres.server.BUSY_SECONDS", 0.1)
    sign = "&" if "?" in url else "?"
    with Store.open(f"{url}{sign}application_name=few", tenant="a") as store:
        store.add("tea")
        with (
            store.plumbing.everything(),
            store.plumbing.everything(),
            pytest.raises(BusyStoreError, match="all 2 connections"),
        ):
            len(store)
        assert len(store) == 1
        assert store.check() == []


def test_whoever_waits_longest_gets_the_next_place():
    """Not who has just given it up, and would take it again: so no writer starves."""
    places, got = Places(1), []
    assert places.acquire(0)
    waiting = threading.Thread(target=lambda: got.append(places.acquire(60)))
    waiting.start()
    while not places._waiting:
        pass
    places.release()

    assert not places.acquire(0)
    waiting.join()
    assert got == [True]
    assert not places.acquire(0)
    places.release()
    assert places.acquire(0)


def test_who_is_amid_a_block_can_read_whoever_else_would_write(url, monkeypatch):
    """A block's verbs read what was committed, by a second connection: others leave it one."""
    monkeypatch.setattr("feather_memory.truth.postgres.server.SERVER_CONNECTIONS", 2)
    sign = "&" if "?" in url else "?"
    with TenantPool(f"{url}{sign}application_name=blocks") as pool:
        stores = [pool.get(name) for name in ("a", "b")]
        begun, failures = threading.Barrier(2), []

        def write(store):
            try:
                begun.wait()
                for n in range(5):
                    with store.transaction():
                        store.add("tea", id=f"m{n}")
                        store.add("wine", id="n", key="k")
                        store.update("n", text=f"wine {n}")
            except BaseException as error:  # noqa: BLE001  told by the test, in its own thread
                failures.append(error)

        threads = [threading.Thread(target=write, args=(store,)) for store in stores]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

        assert failures == []
        assert [len(store) for store in stores] == [6, 6]
        assert all(store.check() == [] for store in stores)


def test_a_store_that_nobody_closed_leaves_no_connection_behind(url):
    """Nor in a circle of objects, whose own endings come in any order."""
    ask = "select count(*) from pg_stat_activity where application_name = 'unclosed'"

    class Held:
        pass

    for is_writing in (False, True):
        held = Held()
        held.itself = held
        held.server = Server(f"{url}{'&' if '?' in url else '?'}application_name=unclosed")
        held.store = held.server.begun("begin; select 1")[0]
        if not is_writing:
            held.server.enter()
            held.server.put_back(held.store)
        with psycopg.connect(url) as connection:
            assert connection.execute(ask).fetchone() == (1,)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            del held
            gc.collect()

        assert [str(each.message) for each in told] == []
        ended = time.monotonic() + 30
        with psycopg.connect(url, autocommit=True) as connection:
            while connection.execute(ask).fetchone() != (0,):
                assert time.monotonic() < ended


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_begins_with_connections_of_its_own(url):
    with Store.open(url, tenant="a") as store:
        store.add("of the parent")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                store.add("of the child")
                code = 0 if len(store) == 2 else 2
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        store.add("of the parent again")
        assert len(store) == 3
        assert store.check() == []


# Faults


def cut(url):
    """Cut every connection to the database but the one that does it."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )


def test_idle_connections_that_were_cut_are_replaced_unnoticed(url):
    """As when a server was restarted, or something between closes what is idle."""
    with Store.open(url, tenant="a") as store:
        with store.plumbing.everything(), store.plumbing.everything():
            pass  # two connections
        cut(url)
        store.add("tea")
        cut(url)
        assert texts(store) == ["tea"]
        assert store.check() == []


def test_a_connection_that_is_cut_amid_a_write_leaves_nothing_of_it(url):
    with Store.open(url, tenant="a") as store:
        store.add("tea")
        with pytest.raises(StoreAccessError), store.transaction():  # noqa: PT012  the block
            store.add("wine", id="w")
            cut(url)
            store.add("more")
        assert texts(store) == ["tea"]
        store.add("wine", id="w")
        assert texts(store) == ["tea", "wine"]
        assert store.check() == []


# The pool


def test_a_pool_of_a_database_is_used_as_one_of_a_directory(url, embedder):
    with TenantPool(url, embedder=embedder, max_open=2) as pool:
        assert pool.tenants() == []
        assert "alice" not in pool
        for name in ("alice", "bob", "carol"):
            pool.get(name).add(f"{name} likes tea")
        assert pool.get("alice") is pool.get("alice")
        assert pool.tenants() == ["alice", "bob", "carol"]
        assert pool.recent(1) == ["carol"]
        assert pool.stats().open <= 2
        report = pool.warm(["alice", "nobody"])
        assert list(report.failures) == ["nobody"]
        assert "nobody" not in pool
        layers = ContextLayers(user=pool.get("alice"), shared=pool.get("bob"))
        assert {hit.layer for hit in layers.search("tea", k=5)} == {"user", "shared"}
        with pytest.raises(StoreAccessError, match="no files"):
            pool.path_of("alice")
        with pytest.raises(ParameterError, match="feather-memory copy"):
            pool.claim("a.feather", "alice")


def test_a_tenant_who_is_forgotten_is_gone_for_all_who_had_them_open(url):
    with TenantPool(url) as pool, Store.open(url, tenant="alice") as held:
        held.add("secret")
        pool.get("bob").add("other")
        assert pool.forget_tenant("alice", dry_run=True).bytes > 0
        assert "alice" in pool
        assert not pool.forget_tenant("alice").is_dry_run
        assert "alice" not in pool
        for _ in range(2):
            with pytest.raises(GoneStoreError):
                held.add("more")
            with pytest.raises(GoneStoreError):
                len(held)
        assert pool.tenants() == ["bob"]
        pool.get("alice").add("anew")
        with pytest.raises(GoneStoreError):
            len(held)
        assert texts(pool.get("alice")) == ["anew"]
        assert pool.get("alice").check() == []
    with psycopg.connect(url) as connection:
        for table in servers.KEPT:
            asked = f"select count(*) from feather.{table} where tenant not in ('alice', 'bob')"
            assert connection.execute(asked).fetchone() == (0,)


def test_an_adapter_s_source_takes_a_url_where_it_takes_a_path(url):
    source = Source.chosen("an adapter", path=url, tenant="alice")
    again = Source.chosen("an adapter", path=url, tenant="bob")
    source.opened().writes.add("tea", id="a")

    assert again.opened().writes.tenant == "bob"
    assert len(again.opened().writes) == 0
    assert source.path == server_place(url)
    assert (source.owner, again.owner) == ("alice", "bob")
    source.close()
    again.close()


# Moving


def test_tenants_are_copied_to_a_server_and_back_without_a_loss(url, tmp_path, embedder):
    def all_of(place):
        with TenantPool(place) as pool:
            kept = {}
            for name in pool.tenants():
                with pool.get(name).plumbing.everything() as records:
                    kept[name] = list(records)
                assert pool.get(name).check() == []
            return kept

    with TenantPool(tmp_path / "files", embedder=embedder) as pool:
        for name in ("alice", "x/../y"):
            store = pool.get(name)
            old = store.add("Vim\0 is best", key="editor", session="s", metadata={"n": [1, 0.1]})
            store.add("Helix is best", key="editor")
            store.recall("editor", turn="t")
            store.feedback("t", "liked")
            store.link(old.id, store.add("tea").id)
            store.plumbing.shelf("notes")["k"] = {"ü": "\0"}
    done = run("copy", "--from", tmp_path / "files", "--to", url, "--tenant", "alice")
    assert (done.exit_code, done.stderr) == (0, "")
    done = run("copy", "--from", tmp_path / "files", "--to", url)  # what was cut short is finished
    assert "2 tenants copied" in done.stdout
    assert run("copy", "--from", url, "--to", tmp_path / "back").exit_code == 0

    expected = all_of(tmp_path / "files")
    assert all_of(url) == expected
    assert all_of(tmp_path / "back") == expected
    assert run("copy", "--from", tmp_path / "none", "--to", url).exit_code == 1
    missing = run("copy", "--from", url, "--to", tmp_path / "back", "--tenant", "nobody")
    assert (missing.exit_code, len(missing.stderr.splitlines())) == (1, 1)
    with TenantPool(url) as pool:
        assert "nobody" not in pool


# The command line


def test_every_command_takes_a_url_and_a_tenant_where_it_takes_a_store(url, tmp_path):
    chat = tmp_path / "chat.jsonl"
    chat.write_text('{"text": "Alice drinks tea", "id": "a"}\n{"text": "Alice runs", "id": "b"}\n')
    assert "2 lines remembered" in run("import", chat, "--dir", url, "--tenant", "alice").stdout
    assert "Alice drinks tea" in run("search", url, "tea", "--tenant", "alice").stdout
    assert "Alice drinks tea" in run("search", "tea", "--dir", url, "--tenant", "alice").stdout
    assert "Alice runs" in run("show", url, "b", "--tenant", "alice").stdout
    assert "memories" in run("stats", url, "--tenant", "alice").stdout
    assert run("check", url, "--tenant", "alice").exit_code == 0
    assert run("forget", url, "b", "--tenant", "alice", "--yes").exit_code == 0
    assert "alice" in run("tenants", url).stdout
    assert run("tenants", url, "--names").stdout == "alice\n"
    assert "1 opened" in run("warm", url).stdout
    assert run("backup", url, tmp_path / "copy.feather", "--tenant", "alice").exit_code == 0
    exported = run("export", url, "--tenant", "alice").stdout
    assert "Alice drinks tea" in exported
    assert "Alice runs" not in exported
    for missing in (run("search", url, "tea", "--tenant", "bob"), run("search", url, "tea")):
        assert (missing.exit_code, len(missing.stderr.splitlines())) == (1, 1)
    assert run("tenants", url, "--names").stdout == "alice\n"


def test_the_examples_of_the_page_run(url, capsys):
    page = (Path(__file__).parents[1] / "docs" / "scaling.md").read_text("utf-8")
    (example,) = re.findall(r"^```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    told = example.replace("postgresql://app@db.example/memories", url)
    exec(compile(told, "scaling.md", "exec"), {})  # noqa: S102  our own page

    assert capsys.readouterr().out == "Alice deploys on Fridays\n['alice', 'bob']\n"


def test_what_the_page_grants_suffices(url, plain):
    """But for `maintain`, which an older server does not know."""
    with Store.open(plain, tenant="alice") as store:
        store.add("tea", id="a")
        store.forget("a")
        assert len(store) == 0
        assert store.check() == []


def test_what_is_forgotten_is_in_no_row_of_any_table(url, embedder):
    """Text, words, key, edges, signals, the recall log, vectors that hold its text, and shelves."""
    canary = "canary77aa1f"
    with Store.open(url, tenant="alice", embedder=embedder) as store:
        store.add("tea", id="tea", session="s", actor="bob")
        store.add(canary, id=canary, key=canary, session="s", metadata={"is": canary})
        store.link("tea", canary)
        store.recall(canary, turn="t", k=5)
        store.signal(canary, "liked", event_id="e")
        store.plumbing.shelf("notes")["k"] = canary
        vector = embedder([canary])[0].astype("<f4").tobytes().hex()
        told = [canary, canary.encode().hex(), vector]

        assert holding(url, told) >= {"memory", "edge", "shown", "signal", "shelf"}

        store.forget(canary)
        store.plumbing.shelf("notes").clear()
        assert holding(url, told) == set()
        assert store.check() == []


def holding(url, needles):
    """The tables of which a row, as text, holds any of these."""
    with psycopg.connect(url) as connection:
        return {
            table
            for table in servers.KEPT
            for (row,) in connection.execute(f"select t::text from feather.{table} as t")
            if any(needle in row for needle in needles)
        }
