"""Filters over a store that was opened from a mapped file: as over any other, and read from it."""

import json
import logging
import random
from itertools import pairwise

import numpy as np
import pytest

from feather_memory import F, Store, config
from feather_memory.index.fields import Fields, MappedFields
from feather_memory.search.searcher import Searcher
from feather_memory.testing import HashEmbedder
from feather_memory.truth.sqlite.memories import SqliteMemories

FILTERS = [
    F("share") < 3,
    F("share") == 2,
    F("share") == 2.0,
    F("share").is_in([1, 7, "no"]),
    F("flag") == True,  # noqa: E712
    F("flag") == 1,
    F("tags").contains("a"),
    F("tags") == ["a"],
    F("user.name") == "ada",
    F("user.age") >= 30,
    F("user").exists(),
    ~F("user.name").exists(),
    F("nothing") == 1,
    ~F("nothing").exists(),
    F("seldom") == "here",
    F("session") == "s2",
    F("actor").is_in(["ada", "bo"]),
    F("key").exists(),
    F("role") == "user",
    F("moment") > 17.5,
    F("large") > 2**60,
    F("large") == 2**60 + 1,
    F("prose").contains("number 7 "),
    F("text").contains("7"),
    F("id") == "m7",
    (F("share") < 3) & (F("session") == "s1") | F("flag").exists(),
    F(path=("metadata", "a.b", "c")) == 1,
]


def record(draw, n):
    metadata = {"share": draw.randrange(5), "moment": n + 0.25, "prose": f"text number {n} " * 40}
    if n % 3 == 0:
        metadata |= {"flag": draw.choice([True, False, 1, 1.0, None]), "large": 2**60 + n % 2}
    if n % 4 == 0:
        metadata |= {"tags": draw.sample(["a", "b"], draw.randrange(3)), "a.b": {"c": n % 2}}
    if n % 5 == 0:
        metadata["user"] = {"name": draw.choice(["ada", "bo"]), "age": draw.randrange(20, 40)}
    if n == 11:
        metadata["seldom"] = "here"
    return {
        "id": f"m{n}", "text": f"fact {n}", "metadata": metadata if n % 7 else {},
        "session": f"s{n % 3}" if n % 2 else None, "actor": draw.choice(["ada", "bo", None]),
        "key": f"slot {n}" if n % 9 == 0 else None, "role": "user" if n % 2 else None,
    }  # fmt: skip


@pytest.fixture
def opened(path, clock, monkeypatch):
    """Opens a store of some sixty memories that has a mapped file."""
    monkeypatch.setattr(config, "SNAPSHOT_ROWS", 20)
    options = {"embedder": HashEmbedder(8), "clock": clock}
    draw = random.Random(4)
    with Store.open(path, **options) as store:
        store.add_many(record(draw, n) for n in range(70))
        store.forget([f"m{n}" for n in range(0, 70, 8)])
        store.update("m13", metadata={"share": 4, "late": 1})
    return lambda: Store.open(path, **options)


def let_through(store, where):
    return {hit.memory.id for hit in store.search(vector=np.ones(8), k=1_000, where=where)}


def expected(store, where):
    """Asked of each memory alone, out of what callers are shown of it."""
    names = ("id", "text", "key", "session", "actor", "role", "metadata")
    return {
        memory.id
        for memory in store.iterate()
        if where.matches({name: getattr(memory, name) for name in names})
    }


@pytest.fixture
def asked(monkeypatch):
    """Which rows the truth was asked for fields from, in the store's own calls."""
    rows, real = [], SqliteMemories.values_of

    def values_of(self, *names, from_row):
        rows.append((names, from_row))
        return real(self, *names, from_row=from_row)

    monkeypatch.setattr(SqliteMemories, "values_of", values_of)
    return rows


@pytest.mark.parametrize("where", FILTERS, ids=repr)
def test_a_filter_lets_through_what_it_matches(opened, where):
    """Out of the mapped file alone, with what came since, and after another mapped file."""
    with opened() as store:
        assert let_through(store, where) == expected(store, where)
        draw = random.Random(9)
        for n in range(70, 90):
            store.add(**record(draw, n))
        store.update("m11", metadata={"share": 2})
        store.forget("m12")
        assert let_through(store, where) == expected(store, where)
    with opened() as store:
        assert let_through(store, where) == expected(store, where)
        assert store.check() == []


def test_no_field_but_prose_is_read_from_the_truth(opened, asked):
    with opened() as store:
        for where in FILTERS:
            if not {path[-1] for path in where.fields()} & {"prose", "text", "id"}:
                let_through(store, where)
        assert asked == []
        let_through(store, F("prose").exists())
        assert asked == [(("metadata",), 2)]
        assert store.check() == []


def test_of_what_came_since_only_that_is_read(opened, asked):
    with opened() as store:
        store.add("fact more", id="more", metadata={"share": 1}, session="s1")
        with store._core.truth.reading() as moment:
            row = moment.memories.rows_of(["more"])["more"]
        for where in (F("share") == 1, F("session") == "s1", F("user.name") == "ada"):
            assert let_through(store, where) == expected(store, where)
        assert {from_row for _, from_row in asked} == {row}
        assert store.check() == []


def test_values_are_parsed_once_and_in_the_next_file_not_anew(opened, asked):
    with opened() as store:
        draw = random.Random(9)
        store.add_many(record(draw, n) for n in range(100, 130))
        let_through(store, F("share") == 1)
        del asked[:]
    assert len(asked) == 1, "one pass over what came since"
    assert asked[0][1] > 60
    with opened() as store:
        for where in FILTERS:
            assert let_through(store, where) == expected(store, where)
        assert store.check() == []


@pytest.mark.parametrize("name", ["names", "starts", "at", "code", "begins", "values", "crc"])
def test_a_damaged_field_is_read_from_the_truth_and_told_of(opened, name, monkeypatch, caplog):
    real = MappedFields.__init__

    def damaged(self, arrays, n):
        broken = arrays["fields." + name].copy()
        broken[len(broken) // 2] ^= 1
        real(self, {**arrays, "fields." + name: broken}, n)

    monkeypatch.setattr(MappedFields, "__init__", damaged)
    with opened() as store, caplog.at_level(logging.WARNING):
        for where in FILTERS:
            assert let_through(store, where) == expected(store, where)
        store.add_many({"text": f"more {n}", "metadata": {"share": n}} for n in range(60))
    monkeypatch.undo()
    monkeypatch.setattr(config, "SNAPSHOT_ROWS", 20)

    assert "ignored" in caplog.text
    with opened() as store:
        for where in FILTERS:
            assert let_through(store, where) == expected(store, where)
        assert store.check() == []


@pytest.mark.parametrize("is_damaged", [False, True])
def test_who_said_what_is_the_same_by_the_file_by_the_truth_and_by_each_memory(
    opened, is_damaged, monkeypatch
):
    if is_damaged:
        monkeypatch.setattr(MappedFields, "read", lambda self, name: None)
    with opened() as store:
        store.add("Bo again", session="s1", actor="bo", role="assistant")
        store.add("Who asks?", actor="cy")
        with Searcher.over(store._core.truth, store._core.columns) as searcher:
            turns, n = searcher.turns, len(searcher.view)
            memories = dict(enumerate(searcher.memories_at(list(range(n)))))
        said, names = turns.said, turns.speakers.values.all
        sessions = {}
        for at, each in memories.items():
            code = turns.speakers.codes[at]
            assert (names[code] if code >= 0 else None) == each.actor
            if each.session is not None:
                sessions.setdefault(each.session, []).append((each.valid_from, at))
        ordered = [[at for _, at in sorted(each)] for each in sessions.values()]
        starts = [*said.starts.tolist(), len(said.order)]
        found = [said.order[start:end].tolist() for start, end in pairwise(starts)]
        assert sorted(found) == sorted(ordered)
        for each in ordered:
            spoken = [at for at in each if memories[at].key is None]
            assert [said.before[at] for at in spoken] == [-1, *spoken[:-1]][: len(spoken)]
        machines = [at for at, each in memories.items() if each.origin in {"assistant", "tool"}]
        assert np.flatnonzero(said.is_machine).tolist() == machines
        heard = {names[code] for code in turns.heard}
        assert heard == {each.actor for each in memories.values()} - {None}
        assert store.check() == []


def test_prose_does_not_make_the_file_larger(opened, path):
    derived = [path.with_name(f"alice.feather.{name}") for name in ("vectors", "lists")]
    held = b"".join(each.read_bytes() for each in derived)

    assert b"text number 7 text number 7" not in held
    assert json.dumps("slot 9").encode() in held, "the control: a slot stands in it"


def test_a_fork_reads_from_the_file_as_before(opened, asked):
    with opened() as store:
        before = let_through(store, F("share") == 1)
        store._core.columns.start_over()

        assert let_through(store, F("share") == 1) == before
        assert asked == []
        assert isinstance(store._core.columns.view.lineage.fields, Fields)
        assert store.check() == []


def test_filters_by_ever_other_names_fill_no_memory(tmp_path):
    with Store.open(tmp_path / "a.feather") as store:
        store.add_many({"text": f"tea {n}", "metadata": {f"f{n}": n}} for n in range(200))
        for n in [*range(200), *range(200)]:
            (hit,) = store.search("tea", where={f"f{n}": n})
            assert hit.memory.text == f"tea {n}"
        held = store._core.columns.view.lineage.fields._codes
        assert len(held) == config.FILTER_FIELDS
        assert store.check() == []
