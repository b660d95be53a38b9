"""What a damaged disk changes in the truth is refused, or told by the audit; nothing mends it."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from torture import Run
from torture.damage import EMBED, START, answers, control, story
from torture.damage import run as run_damage

from feather_memory import (
    CorruptStoreError,
    FeatherError,
    Store,
    StoreAccessError,
    TenantPool,
    config,
)
from feather_memory.testing import FrozenClock, HashEmbedder
from feather_memory.truth.sqlite.audit import SqliteAudit

SEED = 20260101


@pytest.fixture
def path(tmp_path):
    """A store with something in every table, closed."""
    path = tmp_path / "alice.feather"
    story(path)
    return path


def opened(path):
    return Store.open(path, embedder=EMBED, clock=FrozenClock(START + 1e6))


def told(path):
    with opened(path) as store:
        return store.check()


def run(path, *statements):
    """As anybody might write to the file who is not us."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def columns():
    """Every column in which something is kept that cannot be derived."""
    with closing(sqlite3.connect(":memory:")) as connection:
        from feather_memory.truth.sqlite.tables import TABLES

        connection.executescript(TABLES)
        tables = [name for (name,) in connection.execute(
            "select name from sqlite_schema where type = 'table'")]  # fmt: skip
        return [
            (table, column, kind)
            for table in tables
            for _, column, kind, *_ in connection.execute(f"pragma table_info({table})")
            if (table, column) not in FREE and table not in {"tombstone", "successor"}
        ]


NUMBERED = {"memory", "supersession", "shelf", "turn", "state", "words"}

# What changes here changes no answer, or is compared by its owner when the file is opened.
FREE = {
    ("state", "only"), ("state", "snapshot"), ("state", "latest"), ("state", "owed"),
    ("state", "tidy"), ("state", "is_gone"), ("state", "next_row"), ("state", "generation"),
    ("memory", "changed"), ("state", "checksum"), ("state", "language"), ("state", "tokenizer"),
    ("shelf", "row"),
}  # fmt: skip


@pytest.mark.parametrize(("table", "column", "kind"), columns(), ids=str)
def test_what_changes_in_any_column_is_told(path, table, column, kind):
    """A value of the same type, a little different, with all that SQLite itself would see to."""
    changed = {"text": f"{column} || 'x'", "blob": f"zeroblob(length({column}))"}
    other = changed.get(kind.lower(), f"{column} + 1000")
    fallback = {"text": "'x'", "blob": "zeroblob(64)"}.get(kind.lower(), "7")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("begin")
        key = (
            "rowid"
            if table in {"memory", "supersession", "shelf", "turn", "state", "words"}
            else "1"
        )
        where = f"{key} = (select max({key}) from {table})" if key == "rowid" else "1"
        connection.execute(
            f"update {table} set {column} = coalesce({other}, {fallback}) where {where}"
        )
        assert connection.execute("select changes()").fetchone()[0] > 0
        connection.execute("commit")
    try:
        found = told(path)
    except FeatherError:
        return
    assert found != []


def test_a_sound_store_has_nothing_to_tell(path):
    """The control of all of these."""
    assert told(path) == []


def test_damage_is_refused_or_told_and_never_untyped(tmp_path):
    told = run_damage(Run(tmp_path, seed=SEED, seconds=300, most=120))

    assert told.broken == [], f"seed {SEED}"
    assert told.trials == 120
    assert told.counts["refused"] > 0
    assert told.counts["answered alike"] > 0


def test_damage_that_nothing_tells_would_be_found_out(tmp_path):
    """The negative control."""
    assert control(Run(tmp_path, seed=SEED, seconds=0))


def test_without_the_checksums_damage_would_go_unseen(path, monkeypatch):
    """The negative control."""
    before = answers(path)
    run(path, "update memory set recalls = 40 where id = 'm3'")
    assert answers(path) != before

    assert told(path) == ["memory 'm3': it is not what was written"]
    monkeypatch.setattr(SqliteAudit, "rows", lambda _: [])
    assert told(path) == []


def test_what_is_damaged_is_mended_by_nobody_silently(path):
    run(path, "update memory set recalls = 40 where id = 'm3'")
    with opened(path) as store:
        named = ["memory 'm3': it is not what was written"]

        assert store.check(fix=True) == named
        store.signal("m3", "liked")
        assert store.check() == named
    assert told(path) == named


def test_a_clock_that_was_ahead_does_not_hide_damage(path):
    run(path, "update memory set recalls = 40 where id = 'm3'")
    with Store.open(path, embedder=EMBED, clock=FrozenClock(START - 90 * config.DAY)) as store:
        assert "memory 'm3': it is not what was written" in store.check(fix=True)


def test_a_memory_that_is_written_anew_is_sound_again(path):
    run(path, "update memory set actor = 'Bob' where id = 'm3'")
    with opened(path) as store:
        store.forget("m3")

        assert store.check() == []


def test_whatever_is_written_keeps_its_checksum(path):
    """Every verb that writes, each of which the audit would tell."""
    with opened(path) as store:
        store.add("tea again", id="again", key="slot")
        store.add("tea once more", key="slot")
        store.add("tea again and again", id="again")
        store.update("again", metadata={"x": 1}, actor="Bob")
        store.unsupersede("m0", "no-tea")
        store.supersede("m1", "Alice likes no coffee", id="new")
        store.unlink("m1", "m2", "next")
        store.link("m2", "m3", "next", 0.25)
        store.feedback("second", "liked", event_id="e9")
        store.unfeedback("second", "liked")
        store.recall("what of milk", turn="first")
        store.recall("what of milk", turn="third")
        store.plumbing.name_turn("third", "one more")
        store.plumbing.shelf("hashes").update({"a": 3, "z": 4})
        store.plumbing.shelf("hashes").discard(["b"])
        store.add("Alice lives in Lisbon", id="said", key="home", reaffirm=True)
        assert store.check() == []
        store.forget(["new", "lisbon"])
        assert store.check() == []
        store.reembed(EMBED.__class__(dim=8), embedder_name="another")
        assert store.check() == []


def test_a_file_without_checksums_is_given_them_when_it_is_opened(path):
    """One of an earlier release."""
    tables = [
        "edge",
        "supersession",
        "signal",
        "retraction",
        "turn",
        "turn_name",
        "shown",
        "shelf",
        "state",
    ]
    run(path, *(f"update {table} set checksum = null" for table in tables))
    run(path, "update memory set checksum = 7", "update state set checksum = null")
    with opened(path) as store:
        assert store.check() == []
    run(path, "update edge set weight = 0.75")

    assert "it is not what was written" in told(path)[0]


TRIGGER = """
    create trigger planted after insert on memory begin
        update memory set text = 'owned' where row = new.row; end
"""


def test_a_planted_trigger_is_refused(path, tmp_path):
    run(path, TRIGGER)

    with pytest.raises(CorruptStoreError, match="trigger 'planted'"):
        Store.open(path)
    with pytest.raises(CorruptStoreError, match="trigger 'planted'"):
        Store.restore(path, tmp_path / "restored.feather")
    with TenantPool(tmp_path / "pool") as pool, pytest.raises(CorruptStoreError, match="trigger"):
        pool.claim(path, "alice")
    run(path, "drop trigger planted")
    assert told(path) == []


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("create table stray (x)", "file: table 'stray' is none of ours"),
        ("create index stray on memory (text)", "file: index 'stray' is none of ours"),
        ("create view stray as select 1", "file: view 'stray' is none of ours"),
        ("drop index memory_key", "file: index 'memory_key' is missing"),
        ("alter table edge add column more text", "file: table 'edge' is not as it was made"),
    ],
)
def test_another_shape_than_ours_is_told(path, statement, fault):
    run(path, statement)

    assert fault in told(path)[0]


def test_a_log_that_was_cut_is_told_by_what_a_derived_file_knows(path, monkeypatch):
    monkeypatch.setattr("feather_memory.config.SNAPSHOT_ROWS", 5)
    before = path.read_bytes()
    with opened(path) as store:
        store.add_many({"text": f"more of it {n}"} for n in range(20))
    assert path.with_name(f"{path.name}.vectors").exists()
    assert told(path) == []
    path.write_bytes(before)

    assert "commits are lost" in told(path)[0]
    with opened(path) as store:
        assert store.check(fix=True) == []


def half_way(path):
    """Leave new vectors of another model beside the old ones, not yet all of them."""
    new = HashEmbedder(dim=8)
    with opened(path) as store:
        waiting = store._waiting("new")
        with store._core.truth.writing() as transaction:
            vectors = new([each.spoken for each in waiting])
            transaction.memories.keep_successors(
                "new",
                [replace(e, vector=v.tobytes()) for e, v in zip(waiting, vectors, strict=True)][:5],
            )
    return new


def test_a_vector_in_the_making_that_is_damaged_is_told_and_made_once_more(path):
    new = half_way(path)
    run(path, "update successor set vector = zeroblob(length(vector)) where row = "
              "(select max(row) from successor)")  # fmt: skip

    (fault,) = told(path)
    assert fault.startswith("successor")
    with opened(path) as store:
        with pytest.raises(CorruptStoreError, match="not what was made"):
            store.reembed(new, embedder_name="new")
        store.check(fix=True)
        assert store.check() == []
        store.reembed(new, embedder_name="new")
        assert all(memory.vector.any() for memory in store.iterate())
        assert store.check() == []


def malformed():
    """What SQLite raises for a page that is damaged, and for one that the disk refuses to read."""
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def test_a_disk_that_could_not_be_read_for_a_moment_is_no_damage(path):
    with opened(path) as store:
        assert isinstance(store._core.truth.meaning(malformed()), StoreAccessError)
        assert store.check() == []


def test_a_disk_that_cannot_be_read_is_no_damage(path, monkeypatch):
    """Not even where all that is read of the file is as if it were damaged."""
    real = os.pread
    with opened(path) as store:
        truth = store._core.truth
        monkeypatch.setattr(truth, "_is_damaged", lambda: True)
        assert isinstance(truth.meaning(malformed()), CorruptStoreError)

        def refused(handle, size, start):
            if os.path.samestat(os.fstat(handle), path.stat()):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(handle, size, start)

        monkeypatch.setattr(os, "pread", refused)
        expected = StoreAccessError if Path("/proc/self/fd").is_dir() else CorruptStoreError
        assert isinstance(truth.meaning(malformed()), expected)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("importance", "1e300"), ("importance", "-9e999"), ("importance", "1.5"),
        ("recalls", "-1"), ("valid_from", "-1e300"), ("expires_at", "9e999"),
    ],
)  # fmt: skip
def test_a_number_that_nobody_can_have_written_is_refused_and_told(path, column, value):
    """A bit of an exponent: numpy would warn where it turns it into single precision."""
    run(path, f"update memory set {column} = {value} where id = 'm5'")

    with opened(path) as store, pytest.raises(CorruptStoreError, match="nobody can have had"):
        store.search("tea")
    assert "memory 'm5'" in told(path)[0]


def test_a_damaged_importance_is_made_anew_from_its_signals(path):
    before = answers(path)
    run(path, "update memory set importance = 1e300 where id = 'm5'")
    with opened(path) as store:
        (fault,) = store.check()
        assert fault.startswith("memory 'm5': importance is 1e+300")
        assert store.check(fix=True) == []
    assert answers(path) == before


def test_a_number_that_goes_bad_while_a_store_is_open_is_refused_too(path):
    with opened(path) as store:
        store.search("tea")
        run(path, "update memory set importance = 1e300, changed = changed + 1000 where id = 'm5'",
            "update state set generation = generation + 1")  # fmt: skip

        with pytest.raises(CorruptStoreError, match="nobody can have had"):
            store.search("coffee")


def test_no_bit_of_the_index_of_a_shelf_has_a_dict_of_it_raise_a_key_error(path):
    """Its keys are read from the index, and each value is looked for in it."""
    content = path.read_bytes()
    entries = [at for at in range(len(content)) if content.startswith(b"hashesa", at)]
    ended = set()
    for at in entries:
        for bit in range(8 * len("hashesa")):
            changed = bytearray(content)
            changed[at + bit // 8] ^= 1 << bit % 8
            path.write_bytes(changed)
            try:
                with opened(path) as store:
                    ended.add(len(dict(store.plumbing.shelf("hashes"))))
            except CorruptStoreError:
                ended.add("refused")
    path.write_bytes(content)

    assert "refused" in ended
    assert told(path) == []
