"""What cannot be written, or is not to be, is searched all the same, and is left as it is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from test_processes import ENVIRONMENT
from test_restore import contents, killed_writer

from feather_memory import (
    BusyStoreError,
    OlderFormatError,
    ReadOnlyStoreError,
    Store,
    StoreAccessError,
)
from feather_memory.testing import FrozenClock, HashEmbedder
from feather_memory.truth.sqlite import access

pytestmark = pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX's")

READS = {
    "search": lambda s: s.search("fact"),
    "recall": lambda s: s.recall("fact", turn="t"),
    "context_chain": lambda s: s.context_chain("fact"),
    "get": lambda s: s.get("a"),
    "iterate": lambda s: list(s.iterate()),
    "latest": lambda s: s.latest(2),
    "history": lambda s: s.history("a"),
    "edges": lambda s: s.edges("a"),
    "why_not": lambda s: s.why_not("fact", "a"),
    "stats": lambda s: s.stats(),
    "check": lambda s: s.check(),
    "held": lambda s: s.plumbing.held(keys=["slot"]),
    "a shelf": lambda s: dict(s.plumbing.shelf("notes")),
    "name_turn": lambda s: s.plumbing.name_turn("t", "u"),
    "rest": lambda s: s.plumbing.rest(),
}
WRITES = {
    "add": lambda s: s.add("more"),
    "add_many": lambda s: s.add_many([{"text": "more"}]),
    "update": lambda s: s.update("a", text="other"),
    "supersede": lambda s: s.supersede("a", "newer"),
    "unsupersede": lambda s: s.unsupersede("old"),
    "forget": lambda s: s.forget("a"),
    "link": lambda s: s.link("a", "b"),
    "unlink": lambda s: s.unlink("a", "c"),
    "signal": lambda s: s.signal("a", "liked"),
    "unsignal": lambda s: s.unsignal("e"),
    "check": lambda s: s.check(fix=True),
    "reembed": lambda s: s.reembed(HashEmbedder(8)),
    "a shelf": lambda s: s.plumbing.shelf("notes").update(a=2),
    "a transaction": lambda s: s.transaction().__enter__(),
}


def filled(path, **more):
    with Store.open(path, clock=FrozenClock(), **more) as store:
        for name in ("a", "b", "c", "old"):
            store.add(f"the fact {name}", id=name)
        store.add("of a slot", key="slot")
        store.supersede("old", "what replaced it")
        store.link("a", "c")
        store.signal("a", "saved", event_id="e")
        store.plumbing.shelf("notes").update(a=1)
    return path


@pytest.fixture
def filled_path(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return filled(folder / "alice.feather")


@pytest.mark.parametrize("read", READS)
def test_a_store_that_is_opened_to_be_read_answers_and_leaves_the_folder_as_it_is(
    filled_path, read
):
    clock = FrozenClock()
    with Store.open(filled_path, clock=clock) as store:
        expected = repr(READS[read](store)) if read not in {"recall", "name_turn"} else None
    before = contents(filled_path.parent)

    with Store.open(filled_path, clock=clock, read_only=True) as store:
        answer = repr(READS[read](store))

    assert expected in {None, answer}
    assert contents(filled_path.parent) == before


@pytest.mark.parametrize("write", WRITES)
def test_a_store_that_is_opened_to_be_read_refuses_every_write(filled_path, write):
    before = contents(filled_path.parent)

    with (
        Store.open(filled_path, read_only=True) as store,
        pytest.raises(ReadOnlyStoreError, match="can only be read"),
    ):
        WRITES[write](store)

    assert contents(filled_path.parent) == before


def test_who_only_reads_sees_what_others_write(filled_path):
    with Store.open(filled_path) as writer, Store.open(filled_path, read_only=True) as reader:
        writer.add("a brand new thing", id="new")
        assert [hit.memory.id for hit in reader.search("brand new", 1)] == ["new"]
        assert writer.check() == []


def test_to_read_what_is_not_there_makes_no_file(tmp_path):
    with pytest.raises(StoreAccessError, match="no store"):
        Store.open(tmp_path / "alice.feather", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_large_store_that_is_only_read_writes_no_mapped_file(filled_path, monkeypatch):
    monkeypatch.setattr("feather_memory.config.SNAPSHOT_ROWS", 2)
    with Store.open(filled_path, embedder=HashEmbedder(8), read_only=True) as store:
        store.search("fact")
    assert [each.name for each in filled_path.parent.iterdir()] == [filled_path.name]


# Where nothing can be written

UNPRIVILEGED = """
import os, sys
from feather_memory import Store, StoreAccessError, FeatherError
from feather_memory.testing import FrozenClock, HashEmbedder
import feather_memory.cli, typer.testing
Store.open(sys.argv[2]).close()  # whatever is imported late is imported by now
if os.geteuid() == 0:  # root may do anything
    os.setgid(65534)
    os.setuid(65534)
"""
LOOKS = """
with Store.open(sys.argv[1]) as store:
    print(sorted(memory.id for memory in store.iterate()))
    print(len(store.search("fact")), len(store.recall("fact")), store.check())
    for write in (lambda: store.add("more"), lambda: store.forget("a")):
        try:
            write()
        except StoreAccessError as error:
            print(type(error).__name__)
"""
COMMANDS = """
runner = typer.testing.CliRunner()
from feather_memory.cli.app import app
for command in (["search", sys.argv[1], "fact"], ["show", sys.argv[1], "a"],
                ["history", sys.argv[1], "a"], ["stats", sys.argv[1]], ["check", sys.argv[1]],
                ["export", sys.argv[1]], ["forget", sys.argv[1], "a", "--yes"]):
    print(command[0], runner.invoke(app, command).exit_code)
"""


def unprivileged(program, path, spare):
    run = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED + program, str(path), str(spare / "spare.feather")],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture
def place():
    """A store in a folder that an unprivileged user can reach: pytest's own are for their owner."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield filled(Path(folder) / "alice.feather")
        Path(folder).chmod(0o777)


def locked(path):
    """Have nobody write the folder and what is in it."""
    for each in path.parent.iterdir():
        each.chmod(0o444)
    path.parent.chmod(0o555)


def ids_in(said):
    return set(eval(said.splitlines()[0]))  # noqa: S307  it is ours


def test_a_folder_that_cannot_be_written_is_searched_and_stays_as_it_is(place, tmp_path):
    locked(place)
    before = contents(place.parent)

    said = unprivileged(LOOKS, place, tmp_path)

    assert {"a", "b", "c", "old"} < ids_in(said)
    assert said.endswith("ReadOnlyStoreError\nReadOnlyStoreError\n")
    assert " []\n" in said
    assert contents(place.parent) == before


@pytest.mark.parametrize("has_index", [True, False], ids=["with its index", "alone"])
def test_a_log_that_a_killed_writer_left_there_is_read_too(place, tmp_path, has_index):
    killed_writer(place, 5)
    if not has_index:
        place.with_name(place.name + "-shm").unlink()
    locked(place)
    before = contents(place.parent)

    said = unprivileged(LOOKS, place, tmp_path)

    assert {"a", "new0", "new4"} < ids_in(said)
    assert contents(place.parent) == before


WITHOUT_ITS_WRITER = """
import sys
with Store.open(sys.argv[1]) as store:
    print(store.get("a").text, flush=True)
    store._core.truth.release()  # as before a fork
    sys.stdin.readline()
    print(store.get("late").text, store._core.truth.is_alone)
"""


def test_who_only_may_read_reads_on_when_the_writer_has_closed_the_file(place, tmp_path):
    spare = str(tmp_path / "spare.feather")
    with Store.open(place, clock=FrozenClock()) as store:
        store.add("said late", id="late")
        locked(place)
        command = [sys.executable, "-c", UNPRIVILEGED + WITHOUT_ITS_WRITER, str(place), spare]
        reader = subprocess.Popen(
            command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert reader.stdout.readline() == "the fact a\n"
        place.parent.chmod(0o755)  # so that its owner, and nobody else, takes the log away
        assert store.check() == []
    assert [each.name for each in place.parent.iterdir()] == [place.name]

    said, _ = reader.communicate("\n", timeout=60)

    assert said == "said late True\n"


@pytest.mark.parametrize("gone", [("-wal", "-shm"), ("-wal",), ("-shm",)])
def test_a_log_that_goes_as_it_is_looked_at_makes_no_store_one_to_read(
    filled_path, monkeypatch, gone
):
    """The last to close a file takes its log away: the system says of none that it is refused."""
    looks = os.access

    def late(path, *more, **named):
        if str(path).endswith(gone):
            Path(path).unlink(missing_ok=True)
        return looks(path, *more, **named)

    for suffix in ("-wal", "-shm"):
        filled_path.with_name(filled_path.name + suffix).touch()
    monkeypatch.setattr(access.os, "access", late)

    assert access.is_writable(filled_path)


@pytest.mark.parametrize("refused", ["", "-wal", "-shm"])
def test_a_file_or_a_log_that_stays_refused_is_only_read(filled_path, monkeypatch, refused):
    looks, place = os.access, filled_path.name + refused

    def without(path, *more, **named):
        return Path(path).name != place and looks(path, *more, **named)

    for suffix in ("-wal", "-shm"):
        filled_path.with_name(filled_path.name + suffix).touch()
    monkeypatch.setattr(access.os, "access", without)

    assert not access.is_writable(filled_path)


def test_the_commands_that_read_work_there(place, tmp_path):
    locked(place)

    said = unprivileged(COMMANDS, place, tmp_path)

    read = ["search", "show", "history", "stats", "check", "export"]
    assert said.splitlines() == [*(f"{name} 0" for name in read), "forget 1"]


def test_a_file_of_an_older_format_says_there_how_it_is_upgraded(place, tmp_path):

    connection = sqlite3.connect(place)
    connection.execute("pragma user_version = 2")
    connection.close()
    locked(place)
    program = """
try:
    Store.open(sys.argv[1])
except FeatherError as error:
    print(type(error).__name__, error)
"""
    said = unprivileged(program, place, tmp_path)
    assert said.startswith("OlderFormatError")
    assert "copy it to where it can be" in said
    place.parent.chmod(0o777)
    with pytest.raises(OlderFormatError):
        Store.open(place, read_only=True)


def test_a_mount_that_is_read_only_is_searched_even_by_root(filled_path):
    """As a container sees a volume."""
    folder = filled_path.parent
    program = UNPRIVILEGED.split("Store.open", 1)[0] + LOOKS
    command = (
        f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && "
        f"exec {sys.executable} -c '{program.replace(chr(39), chr(34))}' {filled_path}"
    )
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount can be made here; the tests before hold the same for permissions")
    before = contents(folder)

    run = subprocess.run(
        ["unshare", "-m", "sh", "-c", command],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert run.returncode == 0, run.stderr
    assert {"a", "b", "c", "old"} < ids_in(run.stdout)
    assert run.stdout.endswith("ReadOnlyStoreError\nReadOnlyStoreError\n")
    assert contents(folder) == before


# Somebody writes from elsewhere to what is read as it stands


@pytest.fixture
def standing(filled_path, monkeypatch):
    """A store that this process takes for one in a place that cannot be written."""
    monkeypatch.setattr(access, "_may_write", lambda _: False)
    monkeypatch.setattr("feather_memory.truth.sqlite.file.is_writable", lambda _: False)
    with Store.open(filled_path) as store:
        assert store._core.truth.is_alone
        yield store


WRITES_FROM_ELSEWHERE = """
import sys
from feather_memory import Store
with Store.open(sys.argv[1]) as store:
    store.add("from elsewhere", id="else")
    if len(sys.argv) > 2:
        print("written", flush=True)
        sys.stdin.read()
"""


def test_what_is_written_from_elsewhere_is_seen_at_the_next_call(standing):
    standing.search("fact")
    command = [sys.executable, "-c", WRITES_FROM_ELSEWHERE, str(standing.path)]
    subprocess.run(command, env=ENVIRONMENT, check=True, timeout=60)

    assert [hit.memory.id for hit in standing.search("elsewhere", 1)] == ["else"]
    assert standing.get("else").text == "from elsewhere"


def test_what_is_written_from_elsewhere_is_seen_while_the_writer_has_it_open(standing):
    standing.search("fact")
    command = [sys.executable, "-c", WRITES_FROM_ELSEWHERE, str(standing.path), "stay"]
    writer = subprocess.Popen(
        command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout.readline() == "written\n"

    assert [hit.memory.id for hit in standing.search("elsewhere", 1)] == ["else"]
    assert not standing._core.truth.is_alone

    writer.communicate("")
    assert standing.get("else").text == "from elsewhere"


def test_a_read_that_was_written_into_says_so(standing):

    def read():
        with standing._core.truth.reading() as moment:
            assert moment.memories.count() == 6
            os.utime(standing.path, (0, 0))

    with pytest.raises(BusyStoreError, match="read it again"):
        read()
    assert len(standing) == 6
