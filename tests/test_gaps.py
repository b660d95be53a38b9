"""Nothing that was deleted stays in the pages of a file, and nothing else is touched."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feather_memory.truth.sqlite import erasure

GAPS = Path(erasure.__file__).with_name("gaps.py")
LETTERS = "bcdfghjklmnpqrstvwxz"
TABLES = """
    create table thing (row integer primary key, name text unique, body text);
    create table place (name text primary key, body text) without rowid;
    create index thing_body on thing (body);
"""


def wiped(path, *pages):
    """What the wiper says, in a process of its own."""
    command = [sys.executable, "-I", "-S", str(GAPS), str(path), *pages]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stdout or run.stderr.splitlines()[-1]


def opened(path, *, page_size=512):
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(f"pragma page_size = {page_size}")
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = off")  # nothing is killed here
    database.execute("pragma secure_delete = on")
    return database


def fold(database):
    assert database.execute("pragma wal_checkpoint(truncate)").fetchone()[0] == 0


def told(database):
    return list(database.iterdump())


class Life:
    """Rows that come, change and go, each with words that no other has."""

    def __init__(self, database, seed):
        self.database, self.random = database, random.Random(seed)
        self.live, self.gone = {}, []

    def word(self, size):
        return "".join(self.random.choices(LETTERS, k=size))

    def add(self, size):
        name, body = self.word(10), self.word(12) + "y" * size + self.word(12)
        self.database.execute("insert into thing (name, body) values (?, ?)", (name, body))
        self.database.execute("insert into place values (?, ?)", (name, body))
        self.live[name] = body

    def change(self, size):
        name = self.random.choice(list(self.live))
        body = self.word(12) + "z" * size
        self.database.execute("update thing set body = ? where name = ?", (body, name))
        self.database.execute("update place set body = ? where name = ?", (body, name))
        self.gone.append(self.live[name])
        self.live[name] = body

    def drop(self, _):
        name = self.random.choice(list(self.live))
        self.database.execute("delete from thing where name = ?", (name,))
        self.database.execute("delete from place where name = ?", (name,))
        self.gone += [name, self.live.pop(name)]

    def needles(self):
        ends = [part for each in self.gone for part in (each[:10], each[-10:])]
        return [each.encode() for each in ends if each.strip("yz")]

    def go_on(self, steps):
        for verb, size in steps:
            (getattr(self, verb) if self.live else self.add)(size)


def left_in(path, life):
    content = path.read_bytes()
    return [needle for needle in life.needles() if needle in content]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "change", "drop", "drop"]),
        st.sampled_from([0, 0, 3, 30, 100, 300, 2_000]),
    ),
    min_size=20,
    max_size=150,
)


@settings(max_examples=30)
@given(steps=STEPS, seed=st.integers(0, 99), page_size=st.sampled_from([512, 4096]))
def test_no_word_of_a_deleted_row_is_left_and_every_other_is_as_it_was(
    tmp_path_factory, steps, seed, page_size
):
    path = tmp_path_factory.mktemp("life") / "any.db"
    with closing(opened(path, page_size=page_size)) as database:
        database.executescript(TABLES)
        life = Life(database, seed)
        life.go_on(steps)
        fold(database)
        before = told(database)

        assert wiped(path).startswith("wiped")

        with closing(opened(path)) as again:
            assert told(again) == before
            assert again.execute("pragma integrity_check").fetchall() == [("ok",)]
            assert dict(again.execute("select name, body from thing")) == life.live
    assert left_in(path, life) == []


def long_life(path):
    database = opened(path, page_size=4096)
    database.executescript(TABLES)
    life = Life(database, 7)
    life.go_on([("add", size) for size in (0, 9, 300) * 300])
    life.go_on([("drop", 0), ("change", 40), ("drop", 0)] * 200)
    fold(database)
    return database, life


def test_without_the_wiping_the_words_are_there(tmp_path):
    """The negative control: SQLite leaves copies behind, though it overwrites what it frees."""
    path = tmp_path / "any.db"
    database, life = long_life(path)
    with closing(database):
        assert left_in(path, life)

        wiped(path)

        assert not left_in(path, life)


def test_only_the_pages_that_are_named_are_looked_at(tmp_path):
    path = tmp_path / "any.db"
    database, life = long_life(path)
    with closing(database):
        one_by_one = sum(
            int(wiped(path, str(number)).split()[1])
            for number in range(1, path.stat().st_size // 4096 + 1)
        )

        assert one_by_one > 1
        assert wiped(path) == "wiped 0"
        assert left_in(path, life) == []


def test_what_was_wiped_stays_wiped(tmp_path):
    path = tmp_path / "any.db"
    database, _ = long_life(path)
    with closing(database):
        assert int(wiped(path).split()[1]) > 0
        assert wiped(path) == "wiped 0"


def test_a_file_of_another_kind_is_left_as_it_is(tmp_path):
    path = tmp_path / "any.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("pragma auto_vacuum = full")
        database.execute("pragma journal_mode = wal")
        database.executescript(TABLES)
        fold(database)
        before = path.read_bytes()

        said = wiped(path)

        assert "UnfitError" in said
        assert path.read_bytes() == before


HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX, int(sys.argv[3]), int(sys.argv[2]))
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize(
    ("suffix", "start", "many"),
    [("-shm", 121, 1), ("", 0x4000_0002, 510)],
    ids=["folds the log", "has all of the file"],
)
def test_nothing_is_written_while_somebody_else_does(tmp_path, suffix, start, many):
    path = tmp_path / "any.db"
    database, life = long_life(path)
    place = f"{path}{suffix}"
    command = [sys.executable, "-c", HOLD, place, str(start), str(many)]
    with (
        closing(database),
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other,
    ):
        if not suffix:
            database.close()  # or nobody could have all of it
            Path(f"{path}-shm").touch()
        assert other.stdout.readline() == "held\n"
        assert wiped(path) == "busy"
        assert left_in(path, life)
        other.stdin.write("\n")
        other.stdin.flush()
        other.wait(10)

        assert wiped(path).startswith("wiped")
