"""A file is there whole or not at all, also without hard links, and nothing is left lying."""

from __future__ import annotations

import errno
import os
import threading
import time

import pytest

from feather_memory import Store, config
from feather_memory.truth import atomic

pytestmark = pytest.mark.file


@pytest.fixture(params=[errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS], ids=errno.errorcode.get)
def without_links(request, monkeypatch):
    """As on FAT."""

    def refused(*_):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(os, "link", refused)


def names(folder):
    return sorted(each.name for each in folder.iterdir())


@pytest.mark.usefixtures("without_links")
def test_a_store_and_its_backup_are_made_without_hard_links(tmp_path):
    with Store.open(tmp_path / "alice.feather") as store:
        store.add("Alice drinks tea", id="tea")
        store.backup(tmp_path / "copy.feather")
        assert store.check() == []

    with Store.open(tmp_path / "copy.feather") as copy:
        assert copy.get("tea").text == "Alice drinks tea"
    assert names(tmp_path) == ["alice.feather", "copy.feather"]


@pytest.mark.usefixtures("without_links")
def test_what_is_there_already_is_not_replaced(tmp_path):
    place = tmp_path / "a.feather"
    place.write_text("there before")

    with pytest.raises(FileExistsError), atomic.newborn(place) as beside:
        beside.write_text("new")

    assert place.read_text() == "there before"
    assert names(tmp_path) == ["a.feather"]


@pytest.mark.usefixtures("without_links")
def test_of_many_who_make_a_store_at_once_each_writes_to_the_same(tmp_path):
    path, errors = tmp_path / "alice.feather", []
    ready = threading.Barrier(4)

    def write(number):
        ready.wait()
        try:
            with Store.open(path) as store:
                store.add(f"fact {number}", id=f"m{number}")
        except Exception as error:  # noqa: BLE001  shown by the assertion
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    with Store.open(path) as store:
        assert {memory.id for memory in store.iterate()} == {"m0", "m1", "m2", "m3"}
        assert store.check() == []


def test_another_fault_of_a_link_is_told(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", fails)

    with pytest.raises(OSError, match="Input/output"), atomic.newborn(tmp_path / "a") as beside:
        beside.write_text("new")

    assert names(tmp_path) == []


LEFT = ["alice.feather.0123abcd.new", "alice.feather.0123abcd.new-wal", "bob.feather.89abcdef.new"]
OTHERS = ["alice.feather.new", "notes.0123abcd.new", "alice.feather.0123abcd.newer"]


@pytest.fixture
def left(tmp_path, monkeypatch):
    """A folder in which killed processes left files, and others have theirs."""
    monkeypatch.setattr(atomic, "_swept", set())
    Store.open(tmp_path / "alice.feather").close()
    monkeypatch.setattr(atomic, "_swept", set())
    long_ago = time.time() - config.ABANDONED_SECONDS - 60
    for name in (*LEFT, *OTHERS):
        (tmp_path / name).write_text("the words of a tenant")
        os.utime(tmp_path / name, (long_ago, long_ago))
    (tmp_path / "alice.feather.fedcba98.new").write_text("somebody is making it")
    return tmp_path


def test_what_was_left_of_files_that_were_being_made_is_swept_when_a_store_is_opened(left):
    with Store.open(left / "alice.feather") as store:
        assert store.check() == []

    assert names(left) == sorted(["alice.feather", "alice.feather.fedcba98.new", *OTHERS])


def test_who_only_reads_sweeps_nothing(left):
    with Store.open(left / "alice.feather", read_only=True):
        pass

    assert set(LEFT) <= set(names(left))
