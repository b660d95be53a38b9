"""A store that was opened by its path becomes a tenant's, or nothing changes."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from feather_memory import (
    BusyStoreError,
    ClosedStoreError,
    CorruptStoreError,
    NewerFormatError,
    ParameterError,
    Store,
    StoreAccessError,
    TenantPool,
    WrongTenantError,
    config,
)
from feather_memory.cli.app import app
from feather_memory.index import beside
from feather_memory.truth.sqlite import claims
from feather_memory.truth.sqlite.file import tenant_in


@pytest.fixture
def alone(tmp_path):
    """A store of nobody's, closed by everybody."""
    folder = tmp_path / "notebook"
    folder.mkdir()
    with Store.open(folder / "old.feather") as store:
        store.add("Alice lives in Oslo", id="a", key="home", vector=np.ones(4), metadata={"n": 1})
        store.add("Alice lives in Lisbon", id="b", key="home", vector=np.ones(4))
        store.recall("Lisbon", turn="t")
        store.signal("b", "liked", event_id="e")
        store.plumbing.shelf("s")["k"] = {"v": 1}
    return store.path


@pytest.fixture
def pool(tmp_path):
    with TenantPool(tmp_path / "memories") as opened:
        yield opened


def content(store):
    memories = [(m.id, m.text, m.importance, m.recalls, m.created_at) for m in store.iterate()]
    kept = dict(store.plumbing.shelf("s")), store.signals("b"), store.edges("a"), store.history("a")
    return memories, [m.vector.tolist() for m in store.iterate()], kept


def seen(folder):
    """Every file, but for the log that whoever looks may have made."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if not path.name.endswith(("-wal", "-shm"))
    }


@pytest.mark.parametrize("tenant", ["alice", "../../x", "User", "a" * 200, "ü 🥳"])
def test_a_claimed_store_is_the_tenants_and_whole(alone, pool, tenant):
    with Store.open(alone) as store:
        before = content(store)

    claimed = pool.claim(str(alone), tenant)

    assert claimed is pool.get(tenant)
    assert (claimed.tenant, claimed.path) == (tenant, pool.path_of(tenant))
    assert content(claimed) == before
    assert [hit.memory.text for hit in claimed.search("Alice")] == ["Alice lives in Lisbon"]
    assert list(alone.parent.iterdir()) == []
    assert pool.tenants() == [tenant]
    assert pool.warm(pool.tenants()).tenants[0].failure is None
    claimed.add("Alice is back")
    assert claimed.check() == []
    pool.close()
    assert [path.name for path in pool.directory.iterdir()] == [pool.path_of(tenant).name]
    with closing(sqlite3.connect(pool.path_of(tenant))) as connection:
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)


def test_what_was_derived_is_left_nowhere(alone, pool, monkeypatch):
    monkeypatch.setattr(config, "SNAPSHOT_ROWS", 1)
    with Store.open(alone) as store:
        store.search(vector=np.ones(4))
    assert beside.vectors_path(alone).exists()

    claimed = pool.claim(alone, "alice")

    assert list(alone.parent.iterdir()) == []
    assert claimed.search(vector=np.ones(4))[0].memory.id == "b"
    assert claimed.check() == []


def test_a_file_put_there_by_hand_is_claimed_where_it_is(alone, pool):
    place = pool.path_of("alice")
    shutil.move(alone, place)
    with pytest.raises(WrongTenantError, match=r"belongs to no tenant.*claim") as refused:
        pool.get("alice")
    assert refused.value.found is None
    assert "claim" in str(pool.warm(pool.tenants()).tenants[0].failure)

    claimed = pool.claim(place, "alice")

    assert [memory.id for memory in claimed.iterate()] == ["a", "b"]
    assert claimed.check() == []


def test_a_store_whose_process_was_killed_is_claimed_with_its_log(tmp_path, pool):
    path = tmp_path / "killed.feather"
    code = (
        "import os, sys; from feather_memory import Store; s = Store.open(sys.argv[1]); "
        "[s.add(f'tea {n}', id=str(n)) for n in range(20)]; os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert path.with_name("killed.feather-wal").stat().st_size > 0

    claimed = pool.claim(path, "alice")

    assert len(claimed) == 20
    assert not [each for each in tmp_path.iterdir() if each.name.startswith("killed")]
    assert claimed.check() == []


def refused(alone, pool, tenant="alice", path=None):
    """What a claim raises; and that it changed nothing."""
    before, there = seen(alone.parent), seen(pool.directory)
    with pytest.raises((StoreAccessError, CorruptStoreError, NewerFormatError, WrongTenantError,
                        BusyStoreError, ParameterError)) as error:  # fmt: skip
        pool.claim(alone if path is None else path, tenant)
    assert (seen(alone.parent), seen(pool.directory)) == (before, there)
    return error.value


def test_another_tenants_file_is_refused(tmp_path, alone, pool):
    with Store.open(alone.with_name("bob.feather"), tenant="bob") as store:
        store.add("Bob never deploys")

    error = refused(alone, pool, path=store.path)

    assert isinstance(error, WrongTenantError)
    assert (error.expected, error.found) == ("alice", "bob")
    assert pool.claim(store.path, "bob").tenant == "bob"
    assert pool.get("bob").check() == []


def test_a_tenant_that_has_a_store_is_refused(alone, pool):
    pool.get("alice").add("Alice was here")
    pool.get("alice").plumbing.rest()

    error = refused(alone, pool)

    assert isinstance(error, StoreAccessError)
    assert "has a store already" in str(error)
    assert len(pool.get("alice")) == 1
    assert pool.get("alice").check() == []


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_a_log_of_a_store_that_is_gone_is_not_taken_for_its(alone, pool, suffix):
    """SQLite would play the old log into the file that it finds beside it."""
    log = pool.path_of("alice").with_name(pool.path_of("alice").name + suffix)
    log.write_bytes(b"of another" * 500)

    assert "remove it" in str(refused(alone, pool))
    log.unlink()

    assert pool.claim(alone, "alice").check() == []


def test_an_open_file_is_refused_whoever_has_it_open(alone, pool):
    with Store.open(alone) as store:
        store.search("Alice")
        error = refused(alone, pool)
    assert isinstance(error, BusyStoreError)
    assert "close it everywhere" in str(error)

    code = (
        "import sys; from feather_memory import Store; s = Store.open(sys.argv[1]); "
        "len(s); print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(alone)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        assert isinstance(refused(alone, pool), BusyStoreError)
        other.communicate()

    assert pool.claim(alone, "alice").check() == []


def with_format(path, version):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"pragma user_version = {version}")


def test_what_is_not_a_store_of_this_release_is_refused_with_the_reason(alone, pool):
    with_format(alone, 1)
    error = refused(alone, pool)
    assert isinstance(error, StoreAccessError)
    assert "format 1" in str(error)
    with_format(alone, 999)
    assert isinstance(refused(alone, pool), NewerFormatError)

    foreign, text, empty = (alone.with_name(name) for name in ("f.db", "t.txt", "e"))
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("create table t (a)")
    text.write_text("tea" * 1_000)
    empty.touch()
    for path in (foreign, text, empty):
        assert isinstance(refused(alone, pool, path=path), CorruptStoreError)
    for path in (alone.with_name("none.feather"), alone.parent):
        assert isinstance(refused(alone, pool, path=path), StoreAccessError)
    for path in (":memory:", "", 3):
        assert isinstance(refused(alone, pool, path=path), ParameterError)
    for tenant in ("", "a\0b", 3, "\ud800"):
        assert isinstance(refused(alone, pool, tenant), ParameterError)


def test_a_closed_pool_claims_nothing(alone, pool):
    pool.close()

    with pytest.raises(ClosedStoreError):
        pool.claim(alone, "alice")
    assert alone.exists()


@pytest.mark.parametrize("at", ["_copy", "sync_directory", "companions"])
def test_a_claim_that_is_cut_off_leaves_the_source_or_the_tenants_file_whole(
    alone, pool, monkeypatch, at
):
    """A kill between any two steps: at least one whole file, and never two names of one."""

    class KilledError(BaseException):
        pass

    def killed(*_):
        raise KilledError

    monkeypatch.setattr(beside if at == "companions" else claims, at, killed)
    with pytest.raises(KilledError):
        pool.claim(alone, "alice")
    monkeypatch.undo()

    assert alone.exists()
    assert tenant_in(alone) is None
    with Store.open(alone) as store:
        assert len(store) == 2
        assert store.check() == []
    if at == "_copy":
        assert list(pool.directory.iterdir()) == []
        assert len(pool.claim(alone, "alice")) == 2
    else:
        assert not alone.samefile(pool.path_of("alice"))
    assert len(pool.get("alice")) == 2
    assert pool.get("alice").check() == []


def killed_at(step, alone, pool):
    """Claim in another process, which dies before or after it has linked, or before it unlinks."""
    steps = {
        "link": "os.link = lambda *_: os._exit(9)",
        "linked": "link = os.link; os.link = lambda *names: (link(*names), os._exit(9))",
        "unlink": (
            "unlink = Path.unlink; Path.unlink = lambda path, **options: "
            "os._exit(9) if path.name == 'old.feather' else unlink(path, **options)"
        ),
    }
    code = (
        f"import os, sys; from pathlib import Path; {steps[step]}; "
        "from feather_memory import TenantPool; TenantPool(sys.argv[1]).claim(sys.argv[2], 'alice')"
    )
    command = [sys.executable, "-c", code, str(pool.directory), str(alone)]
    assert subprocess.run(command, check=False).returncode == 9


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("step", ["link", "linked"])
def test_what_a_killed_claim_left_is_forgotten_with_the_tenant(alone, pool, step):
    killed_at(step, alone, pool)
    assert any(b"Lisbon" in held for held in seen(pool.directory).values())
    pool.get("bob").add("Bob stays")

    report = pool.forget_tenant("alice")

    assert any(name.endswith(".new") for name in report.files)
    assert not any(b"Lisbon" in held for held in seen(pool.directory).values())
    assert pool.get("bob").check() == []


def test_a_new_claim_drops_what_a_killed_one_left(alone, pool):
    killed_at("link", alone, pool)
    assert any(name.endswith(".new") for name in names_in(pool.directory))

    claimed = pool.claim(alone, "alice")

    assert not any(".new" in name for name in names_in(pool.directory))
    assert claimed.check() == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_the_copy_is_never_readable_by_more_than_the_source_was(alone, pool, monkeypatch, mode):
    alone.chmod(mode)
    seen_modes = {}
    genuine = os.link

    def link(made, target):
        for path in made.parent.iterdir():
            seen_modes[path.name] = path.stat().st_mode & 0o777
        genuine(made, target)

    fill = claims._fill

    def filled(connection, made, tenant):
        assert (made.stat().st_size, made.stat().st_mode & 0o777) == (0, mode)
        fill(connection, made, tenant)

    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(claims, "_fill", filled)
    before = os.umask(0o022)
    try:
        claimed = pool.claim(alone, "alice")
    finally:
        os.umask(before)

    assert set(seen_modes.values()) == {mode}
    assert claimed.path.stat().st_mode & 0o777 == mode
    assert claimed.check() == []


@pytest.mark.parametrize("step", ["linked", "unlink"])
def test_a_claim_that_was_killed_is_finished_by_another(alone, pool, step):
    killed_at(step, alone, pool)
    assert alone.exists()
    assert len(pool.get("alice")) == 2  # whoever has it open by then is no hindrance

    claimed = pool.claim(alone, "alice")

    assert names_in(alone.parent) == []
    assert not any(".new" in name for name in names_in(pool.directory))
    assert [memory.id for memory in claimed.iterate()] == ["a", "b"]
    assert claimed.check() == []


@pytest.mark.parametrize("written", ["source", "copy", "both"])
def test_two_copies_that_differ_are_both_kept_and_the_error_says_so(alone, pool, written):
    """Also where each was written to just as often."""
    killed_at("unlink", alone, pool)
    if written != "copy":
        with Store.open(alone) as store:
            store.add("Alice swims")
    if written != "source":
        pool.get("alice").add("Alice sings")
        pool.get("alice").plumbing.rest()

    error = refused(alone, pool)

    assert isinstance(error, StoreAccessError)
    assert "a copy of this very store" in str(error)
    assert "written to since" in str(error)
    assert pool.get("alice").check() == []
    with Store.open(alone) as store:
        assert store.check() == []


def test_another_tenants_copy_in_the_place_is_no_reason_to_remove_the_source(alone, pool):
    killed_at("unlink", alone, pool)
    with closing(sqlite3.connect(pool.path_of("alice"))) as connection, connection:
        connection.execute("update state set tenant = 'bob'")

    assert "has a store already" in str(refused(alone, pool))
    with Store.open(alone) as store:
        assert store.check() == []


def test_a_source_that_cannot_be_removed_is_said_to_exist_as_well(alone, pool, monkeypatch):
    genuine = Path.unlink

    def unlink(path, **options):
        if path == alone:
            raise PermissionError(13, "not yours")
        genuine(path, **options)

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(StoreAccessError, match=r"both exist.*not yours"):
        pool.claim(alone, "alice")
    monkeypatch.undo()

    assert alone.exists()
    assert len(pool.get("alice")) == 2
    assert pool.claim(alone, "alice").check() == []
    assert not alone.exists()


def journal_mode(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("pragma journal_mode").fetchone()[0]


@pytest.fixture
def vacuumed(alone):
    """A copy that SQLite made in rollback mode, in which an idle connection holds no lock."""
    copy = alone.with_name("vacuumed.feather")
    with closing(sqlite3.connect(alone)) as connection:
        connection.execute("vacuum into ?", (str(copy),))
    assert journal_mode(copy) == "delete"
    return copy


def test_a_file_in_rollback_mode_is_refused_for_nobody_can_tell_who_has_it_open(
    alone, vacuumed, pool
):
    with closing(sqlite3.connect(vacuumed)) as idle:
        idle.execute("select count(*) from memory").fetchone()
        error = refused(alone, pool, path=vacuumed)
        assert isinstance(error, StoreAccessError)
        assert "not in WAL mode" in str(error)
        assert "Store.open() and close" in str(error)

    Store.open(vacuumed).close()

    claimed = pool.claim(vacuumed, "alice")
    assert [memory.id for memory in claimed.iterate()] == ["a", "b"]
    assert claimed.check() == []


def test_a_file_in_rollback_mode_is_in_wal_mode_once_it_is_open(vacuumed, pool):
    with Store.open(vacuumed) as store:
        assert journal_mode(vacuumed) == "wal"
        with pytest.raises(BusyStoreError):
            pool.claim(vacuumed, "alice")
        store.add("Alice is still here", id="c")
        assert store.check() == []

    assert [memory.id for memory in pool.claim(vacuumed, "alice").iterate()] == ["a", "b", "c"]
    assert pool.get("alice").check() == []


def test_another_tenants_file_stays_in_the_mode_it_is_in(vacuumed):
    before = vacuumed.read_bytes()

    with pytest.raises(WrongTenantError):
        Store.open(vacuumed, tenant="bob")

    assert vacuumed.read_bytes() == before
    with Store.open(vacuumed) as store:
        assert store.check() == []


def test_a_link_to_a_claimed_store_goes_with_it(alone, pool):
    link = alone.with_name("link.feather")
    link.symlink_to(alone)

    claimed = pool.claim(link, "alice")

    assert names_in(alone.parent) == []
    assert len(claimed) == 2
    assert claimed.check() == []


def test_a_store_that_is_the_tenants_and_in_its_place_is_returned_though_it_is_open(pool):
    store = pool.get("alice")
    store.add("Alice was here")

    assert pool.claim(store.path, "alice") is store
    assert len(store) == 1
    assert store.check() == []


@pytest.mark.parametrize("step", ["_fill", "link"])
def test_of_two_claims_for_one_tenant_one_is_refused_clearly(alone, pool, monkeypatch, step):
    """The second drops what the first is making; the first ends without a store."""
    with Store.open(alone.with_name("other.feather")) as store:
        store.add("Alice from another file")
    owner, name = (claims, "_fill") if step == "_fill" else (os, "link")
    genuine = getattr(owner, name)

    def overtaken(*arguments):
        monkeypatch.setattr(owner, name, genuine)
        pool.claim(store.path, "alice")
        genuine(*arguments)

    monkeypatch.setattr(owner, name, overtaken)
    with pytest.raises(StoreAccessError, match=r"removed meanwhile, as by another claim"):
        pool.claim(alone, "alice")

    assert [memory.text for memory in pool.get("alice").iterate()] == ["Alice from another file"]
    assert not any(".new" in name for name in names_in(pool.directory))
    assert pool.get("alice").check() == []
    with Store.open(alone) as kept:
        assert len(kept) == 2
        assert kept.check() == []


def test_warm_takes_what_tenants_lists(pool):
    """Whatever the name is, in the library and on the command line."""
    names = {"alice", "User:7", "../../x", "a  b", "[red]", "ü 🥳", "n" * 255, "💾" * 60, "%41"}
    for name in names:
        pool.get(name).add("tea")

    assert set(pool.tenants()) == names
    assert {one.tenant for one in pool.warm(pool.tenants()).tenants} == names
    pool.close()
    listed = CliRunner().invoke(app, ["tenants", str(pool.directory), "--names"]).stdout
    warmed = CliRunner().invoke(app, ["warm", str(pool.directory), *listed.splitlines()])

    assert set(listed.splitlines()) == names
    assert warmed.exit_code == 0
    assert f"{len(names)} opened, 0 failed" in warmed.stdout
    with TenantPool(pool.directory) as again:
        assert all(again.get(name).check() == [] for name in names)


def test_the_command_line_claims(alone, tmp_path):
    def called(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    directory = tmp_path / "memories"
    done = called("claim", alone, "--dir", directory, "--tenant", "alice")
    again = called("claim", alone, "--dir", directory, "--tenant", "alice")

    assert (done.exit_code, "alice" in done.stdout) == (0, True)
    assert (again.exit_code, again.stdout, again.stderr.count("\n")) == (1, "", 1)
    names = [line.split()[0] for line in called("tenants", directory).stdout.splitlines()[1:]]
    assert names == ["alice"]
    assert called("warm", directory, *names).exit_code == 0
    with TenantPool(directory) as pool:
        assert pool.get("alice").check() == []
