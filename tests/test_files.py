"""Files: what is refused and left as it is, what is derived, what the audit sees."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np
import pytest

import feather_memory
from feather_memory import (
    ClosedStoreError,
    CorruptStoreError,
    NewerFormatError,
    Store,
    StoreAccessError,
    TenantNameError,
    TenantPool,
    WrongTenantError,
)
from feather_memory.index import beside
from feather_memory.index import mapped as snapshot
from feather_memory.truth.sqlite.log import log_of
from feather_memory.truth.sqlite.schema import FORMAT

NOW = 1_700_000_000.0
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(feather_memory.__file__).parents[1])}
DIM = 8


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "alice.feather"


def opened(path: Path, **more) -> Store:
    return Store.open(path, clock=lambda: NOW, **more)


def vector(number: int) -> np.ndarray:
    return np.random.default_rng(number).standard_normal(DIM).astype(np.float32)


def fill(store: Store, count: int, start: int = 0) -> None:
    store.add_many(
        {"id": f"m{n}", "text": f"fact number{n} about topic{n % 7}", "vector": vector(n)}
        for n in range(start, start + count)
    )


def answers(store: Store) -> list[list[tuple[str, float]]]:
    queries = [{"vector": vector(1_000 + n)} for n in range(4)] + [{"text": "topic3 number5"}]
    return [
        [(hit.memory.id, round(hit.score.value, 9)) for hit in store.search(k=10, **query)]
        for query in queries
    ]


def refused(path: Path, error: type[Exception], **more) -> Exception:
    """Opening raises `error`, and the folder is byte for byte as it was."""
    before = {p.name: p.read_bytes() for p in path.parent.iterdir() if p.is_file()}
    with pytest.raises(error) as caught:
        opened(path, **more)
    assert {p.name: p.read_bytes() for p in path.parent.iterdir() if p.is_file()} == before
    return caught.value


# What is not opened


def test_a_directory_is_refused(tmp_path):
    refused(tmp_path, StoreAccessError)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(file, suffix):
    if suffix:
        Store.open(file).close()
    os.mkfifo(f"{file}{suffix}")

    with pytest.raises(StoreAccessError, match="is not a file"):
        Store.open(file)


def test_beside_a_link_to_a_file_its_log_is_that_of_the_file(tmp_path, file):
    Store.open(file).close()
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.feather"
    link.symlink_to(file)
    with Store.open(link) as store:
        store.add("canary-of-a-link", id="gone")

        assert log_of(link).samefile(file.with_name(f"{file.name}-wal"))
        assert store._core.truth.size() > file.stat().st_size
        store.forget("gone")
        left = [
            each for each in file.parent.glob("*.feather*") if b"canary-of" in each.read_bytes()
        ]
        assert left == []
        assert store.check() == []


def test_a_missing_folder_is_refused_and_not_made(tmp_path):
    with pytest.raises(StoreAccessError, match="nowhere"):
        opened(tmp_path / "nowhere" / "alice.feather")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"SQLite format 3\0",
        b"hello, I am a text file\n" * 50,
        random.Random(1).randbytes(99),
        random.Random(2).randbytes(8_192),
        b"SQLite format 3\0" + random.Random(3).randbytes(8_192),
    ],
    ids=["empty", "one byte", "only the magic", "text", "99 random", "random", "magic and random"],
)
def test_what_is_not_a_store_is_refused_and_left_as_it_is(file, content):
    file.write_bytes(content)
    error = refused(file, CorruptStoreError)
    assert str(file) in str(error)


def test_a_database_of_another_application_is_refused(file):
    connection = sqlite3.connect(file)
    connection.execute("create table memory (id text)")
    connection.commit()
    connection.close()
    refused(file, CorruptStoreError)


def test_a_file_of_a_later_format_is_refused_with_both_numbers(file):
    opened(file).close()
    connection = sqlite3.connect(file)
    connection.execute(f"pragma user_version = {FORMAT + 1}")
    connection.close()
    error = refused(file, NewerFormatError)
    assert (error.found, error.known) == (FORMAT + 1, FORMAT)


def test_a_truncated_file_is_refused_at_every_length(tmp_path, file):
    with opened(file) as store:
        fill(store, 40)
    whole = file.read_bytes()
    cuts = random.Random(5).sample(range(len(whole)), 60)
    pages = range(0, len(whole), 4_096)
    for cut in [*cuts, *pages, 1, 99, 100, 101, len(whole) - 1]:
        folder = tmp_path / f"cut{cut}"
        folder.mkdir(exist_ok=True)
        target = folder / "alice.feather"
        target.write_bytes(whole[:cut])
        refused(target, CorruptStoreError)


def test_another_tenants_file_is_refused(file):
    opened(file, tenant="alice").close()
    error = refused(file, WrongTenantError, tenant="bob")
    assert (error.expected, error.found) == ("bob", "alice")
    with opened(file, tenant="alice") as store:
        assert store.tenant == "alice"
    with opened(file) as store:
        assert store.tenant == "alice"


def test_a_file_of_nobody_is_not_any_tenants(file):
    opened(file).close()
    refused(file, WrongTenantError, tenant="bob")


def test_a_closed_store_refuses_everything_but_closing(file):
    store = opened(file)
    store.add("a fact", id="a")
    store.close()
    store.close()
    for use in (
        lambda: store.add("more"),
        lambda: store.search("fact"),
        lambda: store.recall("fact"),
        lambda: store.get("a"),
        lambda: store.forget("a"),
        store.check,
        store.stats,
        lambda: store.backup(file.with_name("copy.feather")),
    ):
        with pytest.raises(ClosedStoreError):
            use()


UNPRIVILEGED = """
import os, sys
from feather_memory import Store, StoreAccessError
Store.open(sys.argv[2]).close()  # whatever is imported late is imported by now
if os.geteuid() == 0:  # root may do anything
    os.setgid(65534)
    os.setuid(65534)
path = sys.argv[1]
try:
    store = Store.open(path)
    print("opened")
    print(len(store.search("fact")))
    store.add("another")
    print("written")
except StoreAccessError as error:
    print("refused", type(error).__name__)
"""


def unprivileged(path: Path, spare: Path) -> str:
    run = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, str(path), str(spare / "spare.feather")],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture
def reachable():
    """A folder that an unprivileged user can reach: pytest's own are for their owner alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)
        Path(folder).chmod(0o777)


def test_an_unreadable_file_is_refused(reachable, tmp_path):
    path = reachable / "alice.feather"
    opened(path).close()
    path.chmod(0)
    assert "refused StoreAccessError" in unprivileged(path, tmp_path)


def test_a_folder_that_cannot_be_written_refuses_a_new_file(reachable, tmp_path):
    reachable.chmod(0o555)
    assert "refused StoreAccessError" in unprivileged(reachable / "alice.feather", tmp_path)
    reachable.chmod(0o755)
    assert list(reachable.iterdir()) == []


def test_a_file_that_cannot_be_written_is_searched_refuses_writes_and_is_unchanged(
    reachable, tmp_path
):
    path = reachable / "alice.feather"
    with opened(path) as store:
        store.add("a fact")
    path.chmod(0o444)
    reachable.chmod(0o555)
    before = path.read_bytes()
    said = unprivileged(path, tmp_path)
    reachable.chmod(0o755)
    assert said.split("\n") == ["opened", "1", "refused ReadOnlyStoreError", ""]
    assert path.read_bytes() == before


# Copies


def test_a_backup_opens_and_answers_alike(tmp_path, file):
    with opened(file, tenant="alice") as store:
        fill(store, 60)
        store.supersede("m3", "fact number3 is another topic3", id="new")
        store.link("m1", "m2", "supports", 0.5)
        store.signal("m5", "liked", event_id="e")
        store.backup(tmp_path / "copy.feather")
        expected, history = answers(store), store.history("m3")
        fill(store, 5, start=500)
        with opened(tmp_path / "copy.feather", tenant="alice") as copy:
            assert answers(copy) == expected
            assert copy.history("m3") == history
            assert copy.edges("m1")
            assert copy.signals("m5")
            assert len(copy) == 61
            assert copy.check() == []


def test_a_backup_is_one_file(tmp_path, file):
    with opened(file) as store:
        fill(store, 5)
        (tmp_path / "out").mkdir()
        store.backup(tmp_path / "out" / "copy.feather")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["copy.feather"]


@pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX's")
def test_a_store_is_its_owners_alone_and_a_backup_is_as_open_as_its_source(tmp_path, file):
    """Whatever the umask, and the log as well as the derived files."""
    before = os.umask(0)
    try:
        with TenantPool(tmp_path / "pool") as pool:
            pool.get("alice").add("a fact")
            made = list(pool.directory.iterdir())
            assert {each.stat().st_mode & 0o777 for each in made} == {0o600}
            assert len(made) > 1
            assert pool.directory.stat().st_mode & 0o777 == 0o700
        with opened(file) as store:
            store.backup(tmp_path / "private.feather")
            file.chmod(0o640)
            store.backup(tmp_path / "shared.feather")
    finally:
        os.umask(before)
    assert (tmp_path / "private.feather").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "shared.feather").stat().st_mode & 0o777 == 0o640


def test_a_backup_that_is_killed_leaves_nothing_that_looks_like_one(tmp_path, file):
    """Killed when the copy is written, and has not got its name yet."""
    with opened(file) as store:
        fill(store, 5)
    script = """
import os, sys
from feather_memory import Store
os.link = lambda *_: os._exit(9)
Store.open(sys.argv[1]).backup(sys.argv[2])
"""
    target = tmp_path / "out" / "copy.feather"
    target.parent.mkdir()
    killed = subprocess.run(
        [sys.executable, "-c", script, str(file), str(target)],
        env=ENVIRONMENT,
        timeout=30,
        check=False,
    )

    assert killed.returncode == 9
    assert list(target.parent.glob("*.feather")) == []
    with opened(file) as store:
        store.backup(target)
    with opened(target) as copy:
        assert len(copy) == 5
        assert copy.check() == []


def test_a_backup_leaves_what_came_to_its_place_meanwhile(tmp_path, file, monkeypatch):
    target = tmp_path / "copy.feather"
    link = os.link

    def late(source, destination):
        destination.write_bytes(b"precious")
        link(source, destination)

    with opened(file) as store:
        fill(store, 5)
        monkeypatch.setattr(os, "link", late)
        with pytest.raises(StoreAccessError, match="exists"):
            store.backup(target)
    assert target.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([file.name, target.name])


@pytest.mark.parametrize("tenant", ["", "a\0b", "x" * 256, 7])
def test_a_name_no_tenant_can_have_opens_nothing(file, tenant):
    with pytest.raises(TenantNameError):
        Store.open(file, tenant=tenant)
    assert not file.exists()


def test_a_backup_never_overwrites(tmp_path, file):
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    with opened(file) as store:
        with pytest.raises(StoreAccessError):
            store.backup(target)
        with pytest.raises(StoreAccessError):
            store.backup(file)
        with pytest.raises(StoreAccessError):
            store.backup(tmp_path / "nowhere" / "copy.feather")
    assert target.read_bytes() == b"precious"


def test_copying_the_file_of_a_closed_store_copies_the_memory(tmp_path, file):
    with opened(file) as store:
        fill(store, 30)
        expected = answers(store)
    (tmp_path / "elsewhere").mkdir()
    copied = tmp_path / "elsewhere" / "bob.feather"
    shutil.copy(file, copied)
    with opened(copied) as store:
        assert answers(store) == expected


# What is derived


@pytest.fixture
def mapped(file, monkeypatch):
    """A closed store with a mapped file, and what it answers."""
    monkeypatch.setattr("feather_memory.config.SNAPSHOT_ROWS", 50)
    with opened(file) as store:
        fill(store, 80)
        expected = answers(store)
    assert beside.vectors_path(file).exists()
    return expected


def test_the_mapped_file_is_used_and_changes_no_answer(file, mapped):
    with opened(file) as store:
        store.plumbing.wake()
        assert len(store._core.columns.view.matrix.blocks(80)[0]) == 80
        assert answers(store) == mapped
        assert store.check() == []


def test_without_the_mapped_file_the_answers_are_the_same(file, mapped):
    beside.vectors_path(file).unlink()
    with opened(file) as store:
        store.plumbing.wake()
        assert len(store._core.columns.view.matrix.blocks(80)[0]) == 0
        assert answers(store) == mapped
        assert store.check() == []


@pytest.mark.parametrize("damage", ["text", "empty", "half", "header", "column"])
def test_a_damaged_mapped_file_changes_no_answer(file, mapped, damage):
    path = beside.vectors_path(file)
    whole = bytearray(path.read_bytes())
    if damage == "text":
        path.write_bytes(b"not a snapshot")
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "half":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "header":
        whole[40] ^= 1
        path.write_bytes(whole)
    else:
        at = whole.index(np.arange(1, 81, dtype="<i8").tobytes())  # the column of rows
        whole[at] ^= 1
        path.write_bytes(whole)
    with opened(file) as store:
        assert answers(store) == mapped


@pytest.mark.parametrize(
    "large",
    [
        {},
        {"vectors": [np.ones((80, DIM))]},
        {"vectors": [np.ones((80, DIM + 1), np.float32)]},
        {"vectors": [np.ones((79, DIM), np.float32)]},
        {"vectors": [np.ones(80 * DIM, np.float32)]},
    ],
    ids=["no vectors", "double precision", "wider", "one short", "flat"],
)
def test_a_mapped_file_whose_vectors_are_not_the_stores_changes_no_answer(file, mapped, large):
    path = beside.vectors_path(file)
    with opened(file) as store, store._core.truth.reading() as moment:
        mark = moment.state.snapshot
    found = snapshot.read(path, store_id=mark)
    snapshot.write(
        path, store_id=mark, generation=found.generation, columns=found.columns, large=large
    )
    with opened(file) as store:
        assert answers(store) == mapped


def test_a_flipped_vector_in_the_mapped_file_is_named_and_mended(file, mapped):
    path = beside.vectors_path(file)
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 0x40
    path.write_bytes(whole)
    with opened(file) as store:
        assert any("vectors" in fault for fault in store.check())
        assert store.check(fix=True) == []
        assert answers(store) == mapped
    with opened(file) as store:
        assert answers(store) == mapped


def test_the_mapped_file_of_another_store_is_not_taken_for_this_ones(tmp_path, file, mapped):
    other = tmp_path / "bob.feather"
    with opened(other) as store:
        fill(store, 80, start=200)
    shutil.copy(beside.vectors_path(other), beside.vectors_path(file))
    with opened(file) as store:
        assert answers(store) == mapped


def test_the_tail_after_the_mapped_file_is_found(file, mapped):
    with opened(file) as store:
        fill(store, 5, start=300)
        store.update("m7", text="fact number7 about topic3 moved")
        store.supersede("m3", "a newer topic3 fact", id="new", vector=vector(1_001))
        expected = answers(store)
    with opened(file) as store:
        assert answers(store) == expected
        assert answers(store) != mapped
    beside.vectors_path(file).unlink()
    with opened(file) as store:
        assert answers(store) == expected


def test_an_older_backup_restored_beside_a_newer_mapped_file_answers_as_it_did(
    tmp_path, file, mapped
):
    with opened(file) as store:
        store.backup(tmp_path / "old.feather")
        fill(store, 60, start=400)
        store.update("m1", vector=vector(999))
    assert len(opened_rows(file)) == 140
    file.unlink()
    shutil.copy(tmp_path / "old.feather", file)
    with opened(file) as store:
        assert answers(store) == mapped
        fill(store, 60, start=700)  # a second future, as long as the first
        expected = answers(store)
        assert "m400" not in {id_ for answer in expected for id_, _ in answer}
    with opened(file) as store:
        assert answers(store) == expected
        assert store.check() == []


def opened_rows(path: Path) -> list[str]:
    with opened(path) as store:
        return [memory.id for memory in store.iterate()]


# The audit


def edit(path: Path, sql: str, *values: object) -> None:
    connection = sqlite3.connect(path)
    connection.execute(sql, values)
    connection.commit()
    connection.close()


@pytest.fixture
def sound(file):
    with opened(file) as store:
        fill(store, 12)
        store.supersede("m3", "fact number3 was wrong", id="new")
        store.signal("m5", "liked", event_id="e")
        assert store.check() == []
    return file


def test_a_flipped_byte_in_a_vector_is_named_and_cannot_be_mended(sound):
    octets = bytearray(vector(4).tobytes())
    octets[5] ^= 1
    edit(sound, "update memory set vector = ? where id = 'm4'", bytes(octets))
    with opened(sound) as store:
        (fault,) = store.check()
        assert "'m4'" in fault
        assert store.check(fix=True) == [fault]


def test_a_flipped_byte_in_the_file_itself_is_named(sound):
    whole = bytearray(sound.read_bytes())
    at = whole.index(vector(4).tobytes())
    whole[at + 5] ^= 1
    sound.write_bytes(whole)
    with opened(sound) as store:
        (fault,) = store.check()
        assert "'m4'" in fault


def test_a_changed_text_is_named(sound):
    edit(sound, "update memory set text = 'Fact number6 about topic6' where id = 'm6'")
    with opened(sound) as store:
        (fault,) = store.check()
        assert "'m6'" in fault


def test_changed_metadata_is_named(sound):
    edit(sound, """update memory set metadata = '{"a":1}' where id = 'm6'""")
    with opened(sound) as store:
        (fault,) = store.check()
        assert "'m6'" in fault


def test_a_wrong_end_is_named_and_mended(sound):
    edit(sound, "update memory set valid_to = null where id = 'm3'")
    with opened(sound) as store:
        (fault,) = store.check()
        assert "'m3'" in fault
        assert "valid_to" in fault
        assert store.check(fix=True) == []
        assert "m3" not in {hit.memory.id for hit in store.search("number3", 20)}


def test_a_wrong_importance_is_named_and_mended(sound):
    with opened(sound) as store:
        expected = store.get("m5").importance
    edit(sound, "update memory set importance = 0.01 where id = 'm5'")
    with opened(sound) as store:
        (fault,) = store.check()
        assert "'m5'" in fault
        assert store.check(fix=True) == []
        assert store.get("m5").importance == pytest.approx(expected)


@pytest.mark.parametrize(
    "damage",
    [
        "delete from words where row = (select row from memory where id = 'm8')",
        "update words set compact = x'' where row = (select row from memory where id = 'm8')",
        "update words set likeness = 7 where row = (select row from memory where id = 'm8')",
    ],
)
def test_words_that_are_not_those_of_the_text_are_named_and_mended(sound, damage):
    edit(sound, damage)
    with opened(sound) as store:
        (fault,) = store.check()
        assert "not those of its text" in fault
        assert store.check(fix=True) == []
        assert store.search("number8")[0].memory.id == "m8"
        assert store.search("number8")[0].score.lexical == 1


def test_words_of_nothing_are_named_and_mended(sound):
    edit(sound, "insert into words values (9999, 7, x'000000000000000001')")
    with opened(sound) as store:
        (fault,) = store.check()
        assert "9999" in fault
        assert store.check(fix=True) == []


def test_a_lost_supersedes_edge_is_named(sound):
    edit(sound, "delete from edge where type = 'supersedes'")
    with opened(sound) as store:
        assert any("no edge" in fault for fault in store.check())


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_page_is_an_answer_or_a_typed_error_never_anything_else(sound, seed):
    rng = random.Random(seed)
    whole = bytearray(sound.read_bytes())
    at = rng.randrange(100, len(whole) - 64)
    whole[at : at + 64] = rng.randbytes(64)
    sound.write_bytes(whole)
    try:
        with opened(sound) as store:
            store.check()
            store.search("fact", 5)
    except CorruptStoreError:
        pass


def test_the_file_does_not_depend_on_the_working_directory(tmp_path, file):
    script = textwrap.dedent(
        """
        import os
        from feather_memory import Store
        store = Store.open("alice.feather")
        os.chdir("/")
        store.add("written after the move")
        print(len(store.search("written")))
        store.backup(os.path.join(os.environ["OUT"], "copy.feather"))
        store.close()
        """
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**ENVIRONMENT, "OUT": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "1\n"
    with opened(file) as store:
        assert len(store) == 1
