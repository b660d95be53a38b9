"""Refused at the door: what no file can keep, what is no file, and which record it was."""

from __future__ import annotations

import copy
import os
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from feather_memory import (
    ContextLayers,
    DimensionError,
    F,
    InvalidMetadataError,
    InvalidVectorError,
    ParameterError,
    Store,
    TenantPool,
)
from feather_memory.cli.app import app
from feather_memory.filters.parse import parse
from feather_memory.testing import FrozenClock, HashEmbedder

# Half a surrogate pair


def shelf(store):
    return store.plumbing.shelf("s")


DOORS = {
    "text": lambda s, x: s.add(x),
    "id": lambda s, x: s.add("tea", id=x),
    "key": lambda s, x: s.add("tea", key=x),
    "session": lambda s, x: s.add("tea", session=x),
    "actor": lambda s, x: s.add("tea", actor=x),
    "role": lambda s, x: s.add("tea", role=x),
    "metadata": lambda s, x: s.add("tea", metadata={"a": x}),
    "metadata inside": lambda s, x: s.add("tea", metadata={"a": [{"b": [x]}]}),
    "metadata's key": lambda s, x: s.add("tea", metadata={x: 1}),
    "metadata's key inside": lambda s, x: s.add("tea", metadata={"a": {x: 1}}),
    "valid_from": lambda s, x: s.add("tea", valid_from=x),
    "of many": lambda s, x: s.add_many([{"text": "tea"}, {"text": x}]),
    "id of many": lambda s, x: s.add_many([{"text": "tea"}, {"text": "tea", "id": x}]),
    "field of many": lambda s, x: s.add_many([{"text": "tea", x: 1}]),
    "update": lambda s, x: s.update("a", text=x),
    "update's id": lambda s, x: s.update(x, text="tea"),
    "update's metadata": lambda s, x: s.update("a", metadata={"a": x}),
    "supersede": lambda s, x: s.supersede("a", x),
    "supersede's id": lambda s, x: s.supersede(x, "tea"),
    "unsupersede": lambda s, x: s.unsupersede("a", x),
    "get": lambda s, x: s.get(x),
    "get_many": lambda s, x: s.get_many(["a", x]),
    "history": lambda s, x: s.history(x),
    "edges": lambda s, x: s.edges(x),
    "signals": lambda s, x: s.signals(x),
    "link": lambda s, x: s.link("a", x),
    "link's type": lambda s, x: s.link("a", "b", x),
    "unlink": lambda s, x: s.unlink("a", x),
    "unlink's type": lambda s, x: s.unlink("a", "b", x),
    "forget": lambda s, x: s.forget(x),
    "forget where": lambda s, x: s.forget(where={"n": x}),
    "search": lambda s, x: s.search(x),
    "search with a vector": lambda s, x: s.search(x, vector=[1.0] * 8),
    "search's session": lambda s, x: s.search("tea", session=x),
    "search's moment": lambda s, x: s.search("tea", as_of=x),
    "search where": lambda s, x: s.search("tea", where=F("n") == x),
    "recall": lambda s, x: s.recall(x),
    "turn": lambda s, x: s.recall("tea", turn=x),
    "context_chain": lambda s, x: s.context_chain(x),
    "types": lambda s, x: s.context_chain("tea", types=[x]),
    "why_not": lambda s, x: s.why_not(x, "a"),
    "why_not's id": lambda s, x: s.why_not("tea", x),
    "signal": lambda s, x: s.signal(x, "liked"),
    "signal's kind": lambda s, x: s.signal("a", x),
    "signal's event": lambda s, x: s.signal("a", "liked", event_id=x),
    "signal's turn": lambda s, x: s.signal("a", "liked", turn=x),
    "unsignal": lambda s, x: s.unsignal(x),
    "feedback": lambda s, x: s.feedback(x, "liked"),
    "feedback's event": lambda s, x: s.feedback("t", "liked", event_id=x),
    "feedback's ids": lambda s, x: s.feedback("t", "liked", memory_ids=[x]),
    "copied_text": lambda s, x: s.feedback("t", "copied", copied_text=x),
    "correction": lambda s, x: s.feedback("t", "corrected", correction=x),
    "unfeedback": lambda s, x: s.unfeedback(x, "liked"),
    "layers' copied_text": lambda s, x: ContextLayers(user=s).feedback(
        "t", "copied", copied_text=x
    ),
    "layers' search": lambda s, x: ContextLayers(user=s).search(x),
    "layers' turn": lambda s, x: ContextLayers(user=s).recall("tea", turn=x),
    "F": lambda s, x: F(x),
    "F's path": lambda s, x: F(path=("a", x)),
    "is_in": lambda s, x: F("n").is_in(["a", x]),
    "is_in a list": lambda s, x: F("n").is_in([[x]]),
    "contains": lambda s, x: F("n").contains(x),
    "icontains": lambda s, x: F("text").icontains(x),
    "order": lambda s, x: F("created_at") > x,
    "a mapping": lambda s, x: parse({"$or": [{"n": {"$in": [x]}}]}),
    "a mapping's key": lambda s, x: parse({x: 1}),
    "shelf": lambda s, x: s.plumbing.shelf(x),
    "shelf's key": lambda s, x: shelf(s).update({x: 1}),
    "shelf's value": lambda s, x: shelf(s).update(a=x),
    "shelf's value inside": lambda s, x: shelf(s).update(a={"b": [x]}),
    "known": lambda s, x: s.plumbing.known([x]),
    "held keys": lambda s, x: s.plumbing.held([x]),
    "held texts": lambda s, x: s.plumbing.held(texts=[x]),
    "embed_query": lambda s, x: s.plumbing.embed_query(x),
    "embed_documents": lambda s, x: s.plumbing.embed_documents(["tea", x]),
    "name_turn": lambda s, x: s.plumbing.name_turn("t", x),
    "shown": lambda s, x: s.plumbing.shown(x),
    "log_recall": lambda s, x: s.plumbing.log_recall([], turn=x),
    "a tenant": lambda s, x: Store.open(s.path.parent / "b.feather", tenant=x),
}
PATHS = {
    "backup": lambda s, x: s.backup(s.path.parent / x),
    "a path": lambda s, x: Store.open(s.path.parent / x),
    "a path as text": lambda s, x: Store.open(f"{s.path.parent}/{x}"),
    "a directory": lambda s, x: TenantPool(s.path.parent / x),
}

halves = st.builds(
    lambda before, half, after: before + chr(half) + after,
    st.text(max_size=3),
    st.integers(0xD800, 0xDFFF),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
).filter(lambda text: "/" not in text and "\0" not in text)


nameless = halves.filter(lambda text: not re.search("[\udc80-\udcff]", text))
"""What no file can be called: the others stand for bytes of a name that is no Unicode."""


@pytest.fixture(scope="module", params=[None, HashEmbedder(dim=8)], ids=["words", "vectors"])
def filled(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("doors") / "a.feather"
    with Store.open(path, clock=FrozenClock(), embedder=request.param) as store:
        store.add_many([{"text": "tea", "id": "a"}, {"text": "coffee", "id": "b"}])
        store.recall("tea", 1, turn="t")
        before = list(store.iterate()), store.stats().generation
        yield store
        assert (list(store.iterate()), store.stats().generation) == before
        assert [each.name for each in path.parent.iterdir() if "feather" not in each.name] == []
        assert store.check() == []


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@given(half=halves)
def test_half_a_surrogate_pair_is_refused_at_every_door(filled, door, half):
    with pytest.raises(ParameterError) as refused:
        door(filled, half)

    assert str(refused.value).isprintable() or str(refused.value).encode()


@pytest.mark.parametrize("door", PATHS.values(), ids=PATHS)
@given(half=nameless)
def test_half_a_surrogate_pair_is_refused_as_a_path(filled, door, half):
    with pytest.raises(ParameterError) as refused:
        door(filled, half)

    assert str(refused.value).encode()


@given(half=halves)
def test_a_tenant_and_a_shelf_know_no_half_of_a_pair(filled, half):
    with TenantPool(filled.path.parent / "pool.feather") as pool:
        for ask in (pool.get, pool.path_of, pool.forget_tenant, pool.__contains__):
            with pytest.raises(ParameterError):
                ask(half)
        assert pool.warm([half]).tenants[0].failure is not None
        assert pool.tenants() == []
    assert half not in shelf(filled)


# What is no file


@pytest.mark.parametrize(
    "path",
    ["", ":memory:", Path(":memory:"), "file::memory:", "file:a.feather", "file:a?mode=memory",
     "FILE:a?mode=memory&cache=shared", Path("file:a"), "a\0b", 3, None, b"a.feather"],
    ids=repr,
)  # fmt: skip
def test_what_is_no_file_is_refused_and_makes_none(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ParameterError, match=r"tempfile|NUL|must be a string") as refused:
        Store.open(path)
    with pytest.raises(ParameterError):
        TenantPool(path)
    with Store.open("a.feather") as store, pytest.raises(ParameterError):
        store.backup(path)

    assert repr(path) in str(refused.value) or str(path) in str(refused.value)
    assert [each.name for each in tmp_path.iterdir()] == ["a.feather"]


@pytest.mark.parametrize("is_path", [False, True], ids=["text", "path"])
@pytest.mark.parametrize(
    "scheme",
    ["sqlite", "mysql", "https", "s3", "postgresql+psycopg", "postgres+asyncpg", "POSTGRESQL",
     "postgresql"],
)  # fmt: skip
def test_a_url_is_no_files_name_and_its_password_is_told_to_nobody(
    tmp_path, monkeypatch, scheme, is_path
):
    """It would be a folder's name, and what was to be on a server would be in a file."""
    monkeypatch.chdir(tmp_path)
    url = f"{scheme}://alice:secret@localhost/memories"
    place = Path(url) if is_path else url
    with Store.open("a.feather") as store:
        store.add("tea")
        store.backup("b.feather")
    doors = [
        lambda: Store.restore("b.feather", place),
        lambda: Store.restore(place, "a.feather"),
        lambda: reading.backup(place),
    ]
    if is_path or scheme != "postgresql":
        doors += [lambda: Store.open(place, tenant="alice"), lambda: TenantPool(place)]

    with Store.open("a.feather", read_only=True) as reading:
        for door in doors:
            with pytest.raises(ParameterError, match=f"URL of {re.escape(scheme)};") as refused:
                door()
            assert "secret" not in str(refused.value)
    if is_path or scheme != "postgresql":
        named = ["--dir", str(place), "--tenant", "alice"]
        copied = ["copy", "--from", str(place), "--to", "memories"]
        for asked in (["stats", str(place)], ["add", "tea", *named], ["warm", str(place)], copied):
            said = CliRunner().invoke(app, asked)
            assert said.exit_code
            assert "secret" not in said.output.replace("\n", "")

    assert {each.name for each in tmp_path.iterdir()} == {"a.feather", "b.feather"}


def test_what_is_open_is_copied_as_itself_and_pickled_by_nobody(tmp_path):
    with TenantPool(tmp_path) as pool:
        store = pool.get("alice")
        layers = ContextLayers(user=store)
        for open_ in (pool, store):
            for copied in (copy.copy(open_), copy.deepcopy(open_)):
                assert copied is open_
            with pytest.raises(TypeError, match=rf"a {type(open_).__name__} is .* not pickled"):
                pickle.dumps(open_)
        with pytest.raises(TypeError, match=r"a Store is .* not pickled"):
            pickle.dumps(layers)
        assert copy.deepcopy({"memory": [layers]})["memory"][0].search("tea") == []
        assert store.check() == []


@pytest.mark.skipif(sys.platform != "linux", reason="others' file names are all Unicode")
def test_a_folder_whose_name_is_no_unicode_holds_stores(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    with Store.open(folder / "a.feather") as store, TenantPool(folder / "pool") as pool:
        store.add("tea")
        store.backup(folder / "b.feather")
        pool.get("alice").add("coffee")
        assert store.check() == pool.get("alice").check() == []

    with Store.open(folder / "b.feather") as copy:
        assert [hit.memory.text for hit in copy.search("tea")] == ["tea"]
        assert copy.check() == []


def test_a_file_may_be_called_nearly_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    for path in ("memory", "./:memory:", "files", tmp_path / ":memory:.feather"):
        with Store.open(path) as store:
            store.add("tea")
            assert store.check() == []


# Which record it was


WRONG = {
    "no text": ({}, "needs a text", ParameterError),
    "blank": ({"text": " "}, "text must say", ParameterError),
    "metadata": ({"metadata": {1: 2}}, "metadata", InvalidMetadataError),
    "vector": ({"vector": [float("nan")] * 3}, "vector", InvalidVectorError),
    "dimension": ({"vector": [1.0, 2.0]}, "vectors of 3 numbers, got one of 2", DimensionError),
    "field": ({"colour": "red"}, "no field 'colour'", ParameterError),
    "importance": ({"importance": 2}, "importance", ParameterError),
    "time": ({"valid_from": "soon"}, "valid_from", ParameterError),
    "interval": ({"valid_from": 2, "valid_to": 1}, "valid_to", ParameterError),
    "interval from now": ({"valid_to": 1}, "valid_to", ParameterError),
    "key": ({"key": ""}, "key", ParameterError),
}


def with_wrong(at, wrong, count=6):
    records = [{"text": f"tea {n}", "id": f"m{n}", "vector": [1.0, 0, n]} for n in range(count)]
    records[at] = {**records[at], **wrong} if wrong else {"id": f"m{at}"}
    return records


@pytest.mark.parametrize("at", [0, 3, 5])
@pytest.mark.parametrize(("wrong", "said", "kind"), WRONG.values(), ids=WRONG)
def test_a_batch_names_the_record_that_failed(store, at, wrong, said, kind):
    at = max(at, 1) if kind is DimensionError else at  # the first decides the length

    with pytest.raises(kind, match=rf"^record {at} \(id 'm{at}'\): .*{said}"):
        store.add_many(with_wrong(at, wrong))

    assert (len(store), store.check()) == (0, [])


def test_a_record_without_an_id_is_named_by_its_number(store):
    with pytest.raises(ParameterError, match=r"^record 1: text"):
        store.add_many([{"text": "tea"}, {"text": 3}])
    with pytest.raises(ParameterError, match=r"^record 1 \(id 7\): id must be a string"):
        store.add_many([{"text": "tea"}, {"text": "tea", "id": 7}])
    for wrong in (None, "tea", ["tea"], 3):
        with pytest.raises(ParameterError, match=r"^record 1: it must be a dict"):
            store.add_many([{"text": "tea"}, wrong])
    for wrong in ({"text": "tea"}, "tea", 3, None):
        with pytest.raises(ParameterError, match="records must be several dicts"):
            store.add_many(wrong)
    with pytest.raises(ParameterError, match=r"^text must"):
        store.add(3)
    assert (len(store), store.check()) == (0, [])


def test_a_length_that_another_batch_decided_names_the_record(store):
    store.add("tea", id="m1", vector=[1.0, 2.0, 3.0])

    for wrong in ({"id": "m1"}, {"id": "m2"}, {"id": "m2", "key": "k"}, {}):
        record = {"text": "coffee", "vector": [1.0], **wrong}
        near = [{"text": text, "vector": [0.0, 0, 1]} for text in ("a", "b")]
        with pytest.raises(DimensionError, match=r"^record 2") as refused:
            store.add_many([*near, record])
        assert (refused.value.expected, refused.value.got) == (3, 1)

    assert (len(store), store.check()) == (1, [])


def test_what_an_embedder_makes_badly_names_the_record(tmp_path):
    def bad(texts):
        return np.array([[np.nan if text == "bad" else 1.0] * 3 for text in texts])

    with Store.open(tmp_path / "a.feather", embedder=bad) as store:
        records = [{"text": f"tea {n}"} for n in range(300)]
        records[280] = {"text": "bad", "id": "x"}
        with pytest.raises(InvalidVectorError, match=r"^record 280 \(id 'x'\): the embedder's"):
            store.add_many(records)
        with pytest.raises(InvalidVectorError, match=r"^the embedder's"):
            store.add("bad")
        assert (len(store), store.check()) == (0, [])


def test_an_error_that_is_raised_again_names_the_records_once(tmp_path):
    shared = InvalidVectorError("no vectors today")

    def failing(texts):
        raise shared

    with Store.open(tmp_path / "a.feather", embedder=failing) as store:
        for _ in range(2):
            with pytest.raises(InvalidVectorError, match=r"^record 0: no vectors today$"):
                store.add_many([{"text": "tea"}])
        assert store.check() == []


def test_an_embedder_that_fails_says_for_which_records(tmp_path):
    def failing(texts):
        if "tea 280" in texts:
            raise OSError("no network")
        return [[1.0, 2.0]] * (len(texts) - ("tea 3" in texts))

    with Store.open(tmp_path / "a.feather", embedder=failing) as store:
        with pytest.raises(OSError, match="no network") as failed:
            store.add_many({"text": f"tea {n}"} for n in range(256, 300))
        assert str(failed.value) == "no network"
        assert failed.value.__notes__ == ["while embedding record 0 to record 43"]
        with pytest.raises(InvalidVectorError, match=r"^record 0 to record 9: the embedder must"):
            store.add_many({"text": f"tea {n}"} for n in range(10))
        with pytest.raises(OSError, match="no network") as failed:
            store.add("tea 280")
        assert not hasattr(failed.value, "__notes__")
        assert (len(store), store.check()) == (0, [])
