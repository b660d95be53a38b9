"""Restoring: a backup takes a store's place whole, or not at all; no foreign log is applied."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from test_processes import ENVIRONMENT

from feather_memory import (
    BusyStoreError,
    CorruptStoreError,
    ForeignLogError,
    Store,
    StoreAccessError,
    TenantPool,
    WrongTenantError,
)
from feather_memory.index import beside
from feather_memory.truth.sqlite import schema

WRITER = """
import os, signal, sys
from feather_memory import Store
store = Store.open(sys.argv[1])
for number in range(int(sys.argv[2])):
    store.add(f"their fact number{number} is new", id=f"{sys.argv[3]}{number}")
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_writer(path: Path, count: int, prefix: str = "new") -> None:
    """A process writes, and is killed: its log is left."""
    command = [sys.executable, "-c", WRITER, str(path), str(count), prefix]
    done = subprocess.run(command, env=ENVIRONMENT, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert log_of(path).stat().st_size > 0


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def ids_of(path: Path) -> set[str]:
    with Store.open(path) as store:
        assert store.check() == []
        return {memory.id for memory in store.iterate()}


def contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def place(home):
    """Where a store lies, with memories a and b."""
    path = home / "alice.feather"
    with Store.open(path) as store:
        store.add("the first fact", id="a")
        store.add("the second fact", id="b")
    return path


@pytest.fixture
def copy(tmp_path, place):
    """A backup of it."""
    with Store.open(place) as store:
        store.backup(tmp_path / "backup.feather")
    return tmp_path / "backup.feather"


# The log of another file


def test_a_backup_moved_to_a_killed_writers_place_is_refused_before_anything_changes(place, copy):
    killed_writer(place, 20)
    shutil.move(copy, place)
    before = contents(place.parent)

    for use in (
        lambda: Store.open(place),
        lambda: Store.open(place, tenant="alice"),
        lambda: TenantPool(place.parent).claim(place, "alice"),
    ):
        with pytest.raises(ForeignLogError, match=r"Store\.restore") as caught:
            use()
        assert caught.value.log == str(log_of(place))
    assert contents(place.parent) == before

    Store.restore(place, place)  # as the message says
    assert ids_of(place) == {"a", "b"}


def test_without_that_look_the_backup_would_be_undone(place, copy, monkeypatch):
    """The negative control: SQLite itself applies the log to whatever is there."""
    monkeypatch.setattr(schema, "is_foreign", lambda *_: False)
    killed_writer(place, 20)
    shutil.move(copy, place)

    with contextlib.suppress(CorruptStoreError):  # or worse
        assert ids_of(place) != {"a", "b"}


def test_a_backup_from_amid_the_log_is_told_from_the_file_that_the_log_is_of(tmp_path, place):
    """Its generation would fit: a backup is a file of its own."""
    copies = tmp_path / "amid.feather"
    program = WRITER.replace("os.kill", f"store.backup({str(copies)!r}); os.kill", 1)
    command = [sys.executable, "-c", program, str(place), "9", "new"]
    subprocess.run(command, env=ENVIRONMENT, timeout=60, check=False)

    shutil.move(copies, place)

    with pytest.raises(ForeignLogError):
        Store.open(place)


@pytest.mark.parametrize("older", [True, False], ids=["an older copy", "a newer copy"])
def test_a_copy_of_another_generation_is_told_from_the_file_that_the_log_is_of(
    tmp_path, place, older
):
    """Made with `cp`, so that it says the same of itself."""
    killed_writer(place, 5)
    spare, log = tmp_path / "spare.feather", tmp_path / "log"
    shutil.copy(place, spare)
    shutil.copy(log_of(place), log)
    with Store.open(place) as store:  # which folds the log
        store.add("later still", id="later")
    if older:
        killed_writer(place, 5, "last")
        shutil.copy(spare, place)
    else:
        shutil.copy(log, log_of(place))

    with pytest.raises(ForeignLogError):
        Store.open(place)


def test_the_log_of_another_store_is_refused(tmp_path, place):
    killed_writer(tmp_path / "other.feather", 3)
    shutil.copy(log_of(tmp_path / "other.feather"), log_of(place))

    with pytest.raises(ForeignLogError):
        Store.open(place)

    Store.restore(place, place)
    assert ids_of(place) == {"a", "b"}


def test_a_log_without_its_file_is_not_taken_for_a_new_stores(home):
    killed_writer(home / "alice.feather", 3)
    (home / "alice.feather").unlink()
    before = contents(home)

    with pytest.raises(StoreAccessError, match="log of a store that is gone"):
        Store.open(home / "alice.feather")

    assert contents(home) == before


WRITES_AND_FOLDS = """
import sys
from feather_memory import Store
for module in list(sys.modules.values()):
    if getattr(module, "CHECKPOINT_PAGES", None):
        module.CHECKPOINT_PAGES = 20
store = Store.open(sys.argv[1])
number = 0
while True:
    store.add(f"fact {number}" * 50, id=f"m{number}")
    number += 1
    if number == 20:
        print("begun", flush=True)
"""


def test_a_stores_own_log_is_its_own_however_often_it_is_begun_anew_meanwhile(place):
    """Another process folds its log every few writes, while this one looks hundreds of times."""
    command = [sys.executable, "-c", WRITES_AND_FOLDS, str(place)]
    writer = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout.readline() == "begun\n"
        for _ in range(400):
            schema.inspect(place)
        with Store.open(place) as store:
            assert len(store) > 20
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    assert len(ids_of(place)) > 20


# Restoring


def test_restoring_brings_back_what_was_there_and_takes_the_rest_away(place, copy, monkeypatch):
    monkeypatch.setattr("feather_memory.config.SNAPSHOT_ROWS", 2)
    with Store.open(place) as store:
        store.add_many({"text": f"fact{n}", "vector": [1.0, n]} for n in range(9))
    assert beside.vectors_path(place).exists()
    killed_writer(place, 20)
    saved = copy.read_bytes()

    Store.restore(copy, place)

    assert [each.name for each in place.parent.iterdir()] == [place.name]
    assert ids_of(place) == {"a", "b"}
    assert copy.read_bytes() == saved
    assert [each.name for each in copy.parent.glob("backup*")] == [copy.name]


def test_restoring_makes_a_store_where_there_is_none(home, place, copy):
    for file in home.iterdir():
        file.unlink()
    Store.restore(copy, place)
    assert ids_of(place) == {"a", "b"}


@pytest.mark.parametrize("damage", [b"", b"no store at all", None], ids=["empty", "text", "torn"])
def test_restoring_replaces_what_is_damaged(place, copy, damage):
    killed_writer(place, 3)
    place.write_bytes(place.read_bytes()[:8192] if damage is None else damage)

    Store.restore(copy, place)

    assert ids_of(place) == {"a", "b"}


def test_a_live_store_is_a_backup_with_all_that_it_holds(tmp_path, place):
    with Store.open(place) as store:
        store.add("not folded into the file yet", id="c")
        Store.restore(place, tmp_path / "copy.feather")
        store.add("after it", id="d")
    assert ids_of(tmp_path / "copy.feather") == {"a", "b", "c"}
    assert ids_of(place) == {"a", "b", "c", "d"}


def test_restoring_refuses_while_anybody_has_the_store_open(place, copy):
    with Store.open(place) as store:
        store.add("a third fact", id="c")
        with pytest.raises(BusyStoreError, match="somebody has"):
            Store.restore(copy, place)
        store.add("a fourth fact", id="d")
    assert ids_of(place) == {"a", "b", "c", "d"}
    assert [each.name for each in place.parent.iterdir()] == [place.name]


def test_restoring_refuses_what_is_no_sound_backup_and_changes_nothing(tmp_path, place, copy):
    before = contents(place.parent)
    (tmp_path / "text").write_text("hello")
    torn = tmp_path / "torn.feather"
    torn.write_bytes(copy.read_bytes()[:-4096])
    holed = tmp_path / "holed.feather"
    holed.write_bytes(copy.read_bytes()[:4096] + os.urandom(4096) + copy.read_bytes()[8192:])
    for backup, error in (
        (tmp_path / "text", CorruptStoreError),
        (torn, CorruptStoreError),
        (holed, CorruptStoreError),
        (tmp_path / "nothing", StoreAccessError),
        (place, StoreAccessError),
    ):
        with pytest.raises(error):
            Store.restore(backup, place)
        assert contents(place.parent) == before
    with pytest.raises(StoreAccessError, match="no such folder"):
        Store.restore(copy, tmp_path / "nowhere" / "a.feather")


def test_a_tenants_store_is_not_replaced_by_anothers(tmp_path, place):
    with TenantPool(tmp_path / "pool") as pool:
        pool.get("alice").add("Alice's own", id="hers")
        pool.get("bob").add("Bob's own", id="his")
        pool.get("bob").backup(tmp_path / "bob.feather")
        path = pool.path_of("alice")
    with pytest.raises(WrongTenantError):
        Store.restore(tmp_path / "bob.feather", path)
    assert ids_of(path) == {"hers"}


def test_a_restored_file_keeps_who_may_read_it(place, copy):
    place.chmod(0o640)
    Store.restore(copy, place)
    assert place.stat().st_mode & 0o777 == 0o640


def killed_at(step: int, backup: Path, path: Path) -> bool:
    """A child restores, and is killed at that line of the code; whether it came so far."""
    child = os.fork()
    if not child:
        passed = [0]

        def look(frame, event, _):
            if "feather_memory" not in frame.f_code.co_filename:
                return None
            if event == "line":
                passed[0] += 1
                if passed[0] == step:
                    os.kill(os.getpid(), signal.SIGKILL)
            return look

        try:
            sys.settrace(look)
            Store.restore(backup, path)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("lines", [20, pytest.param(1, marks=pytest.mark.long)])
def test_a_restore_that_is_killed_leaves_the_old_or_the_new_and_is_finished_by_another(
    place, copy, lines
):
    """At every so many lines that it runs through, with a log beside the store."""
    killed_writer(place, 3)
    old, new = {"a", "b", "new0", "new1", "new2"}, {"a", "b"}
    begin, saved = contents(place.parent), copy.read_bytes()
    step, seen = 1, []
    while killed_at(step, copy, place):
        seen.append(ids_of(place))
        assert seen[-1] in (old, new)
        assert copy.read_bytes() == saved
        Store.restore(copy, place)
        assert [each.name for each in place.parent.iterdir()] == [place.name]
        assert ids_of(place) == new
        for name, content in begin.items():
            (place.parent / name).write_bytes(content)
        step += lines

    assert old in seen
    assert new in seen
    assert seen == sorted(seen, key=new.__eq__)  # it is one step


def test_who_had_just_opened_the_old_file_is_told_that_it_is_gone(place, copy):
    """Their handle is of the old file, and nothing they write must go to the new one's log."""
    early = sqlite3.connect(place)

    Store.restore(copy, place)

    assert early.execute("select is_gone from state").fetchone() == (1,)
    early.close()
    assert ids_of(place) == {"a", "b"}
