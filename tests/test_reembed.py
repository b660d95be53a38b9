"""Which model made a store's vectors; and all of them made anew with another."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

import feather_memory
from feather_memory import (
    ContextLayers,
    DimensionError,
    MissingEmbedderError,
    ParameterError,
    Store,
    TenantPool,
    WrongEmbedderError,
)
from feather_memory.testing import HashEmbedder
from feather_memory.types import NamedVector
from feather_memory.write.models import name_of

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(feather_memory.__file__).parents[1])}
OLD, NEW = HashEmbedder(32), HashEmbedder(48)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "alice.feather"


def filled(path, count=700, **more):
    store = Store.open(path, embedder=OLD, **more)
    store.add_many({"id": f"m{n}", "text": f"note {n} on tea"} for n in range(count))
    return store


def vectors(store):
    return {memory.id: memory.vector for memory in store.iterate()}


def unnamed(texts):
    return OLD(texts)


# The name


class Called:
    """An embedding model as several libraries have them: by what they are called."""

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def embed_documents(self, texts):
        return OLD(texts)

    def embed_query(self, text):
        return OLD([text])[0]


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (Called(model_name="BAAI/bge-small-en"), "BAAI/bge-small-en"),
        (Called(model="text-embedding-3-small"), "text-embedding-3-small"),
        (Called(model=object(), model_card_data=Called(base_model="minilm")), "minilm"),
        (Called(tokenizer=Called(name_or_path="minilm")), "minilm"),
        (Called(model_name="unknown"), None),
        (Called(model_name="  "), None),
        (Called(), None),
        (OLD, "hash:32"),
        (HashEmbedder(32, seed=7), "hash:32:7"),
        (OLD.__call__, "hash:32"),
        (unnamed, None),
        (None, None),
    ],
)
def test_a_model_is_called_what_its_library_calls_it(model, name):
    assert name_of(model) == name


def test_a_store_refuses_vectors_and_questions_of_another_model(path):
    with filled(path, 3) as store:
        other = HashEmbedder(32, seed=1)
        with pytest.raises(WrongEmbedderError, match="hash:32:1") as caught:
            Store.open(path, embedder=other)
        assert (caught.value.expected, caught.value.got) == ("hash:32", "hash:32:1")
        with pytest.raises(WrongEmbedderError):
            Store.open(path, embedder=HashEmbedder(16))
        with pytest.raises(WrongEmbedderError):
            Store.open(path, embedder_name="another")
        assert store.check() == []


def test_a_pool_refuses_it_too(tmp_path):
    with TenantPool(tmp_path, embedder=OLD) as pool:
        pool.get("alice").add("tea")
    with TenantPool(tmp_path, embedder=NEW) as pool, pytest.raises(WrongEmbedderError):
        pool.get("alice")
    with TenantPool(tmp_path, embedder=OLD, embedder_name="x") as pool:
        pool.get("bob").add("tea")
        with pytest.raises(WrongEmbedderError):
            pool.get("alice")
        assert pool.get("bob").check() == []


def test_whoever_opened_the_store_before_it_had_a_name_is_refused_when_they_write(path):
    with (
        Store.open(path, embedder=unnamed) as stranger,
        Store.open(path, embedder=HashEmbedder(32, seed=1)) as late,
        Store.open(path, embedder=OLD) as first,
    ):
        first.add("tea", id="a")
        for write in (
            lambda: late.add("coffee"),
            lambda: late.add_many([{"text": "coffee"}]),
            lambda: late.add("coffee", vector=np.ones(32)),
            lambda: late.update("a", text="coffee"),
            lambda: late.supersede("a", "coffee"),
            lambda: late.search("coffee"),
            lambda: late.recall("coffee"),
            lambda: late.why_not("coffee", "a"),
        ):
            with pytest.raises(WrongEmbedderError):
                write()
        stranger.add("milk")  # nobody can tell: a function has no name
        assert sorted(memory.text for memory in first.iterate()) == ["milk", "tea"]
        assert first.check() == []


def test_without_an_embedder_the_name_is_that_of_the_vectors_given(path):
    with Store.open(path, embedder_name="mine") as store:
        store.add("tea", vector=[1.0, 0.0])
    with Store.open(path) as store:
        store.add("coffee", vector=[0.0, 1.0])  # who says nothing may
        assert store.check() == []
    with pytest.raises(WrongEmbedderError):
        Store.open(path, embedder=OLD)


def test_a_store_whose_vectors_were_all_cleared_takes_those_of_another_length(path):
    with Store.open(path) as store, Store.open(path) as reader:
        store.add("tea", id="a", vector=[1.0, 0.0])
        assert reader.search(vector=[1.0, 0.0])[0].memory.id == "a"
        with pytest.raises(DimensionError):
            store.add("coffee", id="b", vector=[1.0, 0.0, 0.0])
        store.update("a", vector=None)
        store.add("coffee", id="b", vector=[1.0, 0.0, 0.0])
        assert reader.search(vector=[1.0, 0.0, 0.0])[0].memory.id == "b"
        assert store.stats().dimension == 3
        with pytest.raises(DimensionError):  # it is still there
            store.update("b", vector=[0.0, 1.0])
        store.update("b", vector=None)
        store.update("b", vector=[0.0, 1.0])
        assert reader.search(vector=[0.0, 1.0])[0].score.similarity == pytest.approx(1)
        assert store.check() == []


# Made anew


def test_all_vectors_are_made_anew_and_the_old_model_is_refused_from_then_on(path):
    with filled(path) as old, Store.open(path) as store:
        told = []
        before = [hit.memory.id for hit in old.search("note 77", k=3)]
        made = store.reembed(NEW, progress=lambda done, total: told.append((done, total)))

        assert made == 700
        assert told[-1] == (700, 700)
        expected = dict(zip(vectors(store), NEW([m.text for m in store.iterate()]), strict=True))
        assert all(np.array_equal(v, expected[id_]) for id_, v in vectors(store).items())
        assert store.search("note 77", k=3)[0].memory.id == before[0] == "m77"
        store.add("note 701", id="m701")
        assert store.get("m701").vector.shape == (48,)
        with pytest.raises(WrongEmbedderError):
            old.search("note 77")
        with pytest.raises(WrongEmbedderError):
            old.add("more")
        assert store.check() == []


def test_the_store_answers_with_the_old_model_until_all_are_there(path):
    with filled(path) as store:
        seen = []

        def slow(texts):
            seen.append(store.search("note 77", k=1)[0].memory.id)
            if len(seen) < 3:
                store.add("late", id=f"late{len(seen)}")
            return NEW(texts)

        with Store.open(path) as mover:
            assert mover.reembed(slow, embedder_name="hash:48") == 702
            assert seen == ["m77"] * 3
            assert {v.shape for v in vectors(mover).values()} == {(48,)}
            assert {"late1", "late2"} <= vectors(mover).keys()
            assert mover.check() == []


def test_what_changes_meanwhile_is_made_anew_and_what_is_forgotten_stays_away(path):
    with filled(path, 600) as store, Store.open(path) as mover:
        changes = iter([lambda: store.add("changed", id="m1"), lambda: store.forget("m2")])

        def embed(texts):
            for change in changes:
                change()
                break
            return NEW(texts)

        mover.reembed(embed, embedder_name="hash:48")
        assert np.array_equal(mover.get("m1").vector, NEW(["changed"])[0])
        assert "m2" not in vectors(mover)
        assert len(mover) == 599
        assert mover.check() == []


KILLED = """
    import os, sys
    from feather_memory import Store
    from feather_memory.testing import HashEmbedder

    new, calls = HashEmbedder(48), []

    def embed(texts):
        calls.append(texts)
        if len(calls) == 3:
            os._exit(9)
        return new(texts)

    Store.open(sys.argv[1]).reembed(embed, embedder_name="hash:48")
"""


@pytest.mark.file
def test_a_run_that_was_killed_goes_on_where_it_was(path):
    filled(path).close()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(path)], env=ENVIRONMENT, check=False
    )
    assert done.returncode == 9

    with Store.open(path, embedder=OLD) as store:  # nothing has changed yet
        assert store.search("note 77", k=1)[0].memory.id == "m77"
        assert store.check() == []
    with Store.open(path) as store:
        assert store.reembed(NEW) == 700 - 2 * 256
        assert {v.shape for v in vectors(store).values()} == {(48,)}
        assert store.search("note 77", k=1)[0].memory.id == "m77"
        assert store.check() == []


def test_what_another_model_had_begun_is_begun_anew(path):
    with filled(path) as store:
        with pytest.raises(RuntimeError):
            store.reembed(_failing_after(2), embedder_name="third")
        with Store.open(path) as mover:
            assert mover.reembed(NEW) == 700
            assert {v.shape for v in vectors(mover).values()} == {(48,)}
            assert mover.check() == []


def _failing_after(calls):
    left = [calls]

    def embed(texts):
        if not left[0]:
            raise RuntimeError("out of quota")
        left[0] -= 1
        return np.ones((len(texts), 5))

    return embed


def test_two_that_move_at_once_make_one_store(path):
    with filled(path) as store:
        movers = [Store.open(path) for _ in range(2)]
        threads = [threading.Thread(target=mover.reembed, args=(NEW,)) for mover in movers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {v.shape for v in vectors(store).values()} == {(48,)}
        assert store.check() == []
        for mover in movers:
            assert mover.search("note 77", k=1)[0].memory.id == "m77"
            mover.close()


def test_a_large_store_is_mapped_anew(path, monkeypatch):
    monkeypatch.setattr("feather_memory.config.SNAPSHOT_ROWS", 50)
    filled(path).close()
    with Store.open(path) as store:
        store.reembed(NEW)
    with Store.open(path, embedder=NEW) as store:
        assert store.search("note 77", k=1)[0].memory.id == "m77"
        assert store.stats().dimension == 48
        assert store.check() == []


def test_lexical_memories_get_vectors_and_an_empty_store_a_name(path):
    with Store.open(path) as store:
        assert store.reembed(NEW) == 0
        store.add("tea", id="a")
        assert store.get("a").vector is not None
        with Store.open(path) as other:
            other.add("coffee", id="b")
            assert other.get("b").vector is None
            assert other.reembed(NEW) == 2
            assert other.get("b").vector is not None
            assert other.check() == []


def test_it_needs_a_model_with_a_name(path):
    with filled(path, 2) as store:
        with pytest.raises(ParameterError, match="embedder_name"):
            store.reembed(unnamed)
        with pytest.raises(MissingEmbedderError):
            store.reembed(None)
        assert store.check() == []


def test_a_model_of_several_lengths_is_refused_and_nothing_changes(path):
    lengths = iter([4, 5, 6])
    with filled(path) as store:
        with pytest.raises(DimensionError):
            store.reembed(lambda texts: np.ones((len(texts), next(lengths))), embedder_name="odd")
        assert {v.shape for v in vectors(store).values()} == {(32,)}
        assert store.search("note 77", k=1)[0].memory.id == "m77"
        assert store.check() == []


def test_a_run_that_lost_its_place_is_told_so_and_mixes_nothing(path):
    filled(path, 5).close()
    other = HashEmbedder(48, seed=1)
    with Store.open(path) as one, Store.open(path) as another:

        def overtaken(texts):
            with pytest.raises(RuntimeError):
                another.reembed(_failing_after(0), embedder_name=other.model_name)
            return NEW(texts)

        with pytest.raises(ParameterError, match="has begun since"):
            one.reembed(overtaken, embedder_name=NEW.model_name)
        assert another.reembed(other) == 5
        assert np.array_equal(another.get("m1").vector, other([another.get("m1").text])[0])
        assert another.check() == []


def test_a_store_without_vectors_takes_any_model_and_keeps_its_name(path):
    with filled(path, 3) as store:
        for memory in list(store.iterate()):
            store.update(memory.id, vector=None)
    with Store.open(path, embedder=NEW) as store:
        store.add("tea", id="a")
        assert store.search("tea", k=1)[0].memory.id == "a"
        assert store.check() == []
    with pytest.raises(WrongEmbedderError):
        Store.open(path, embedder=OLD)
    Store.open(path, embedder=NEW).close()


def test_who_passes_vectors_by_the_old_model_is_told_so_too(path):
    """Layers and adapters embed a question once, and pass its vector on."""
    with filled(path, 5) as old, Store.open(path) as mover:
        layers = ContextLayers(user=old)
        mover.reembed(HashEmbedder(32, seed=1))
        question = OLD(["note 3"])[0]
        for ask in (
            lambda: old.search("note 3", vector=question),
            lambda: old.nearest(question),
            lambda: old.context_chain("note 3", vector=question),
            lambda: layers.search("note 3"),
            lambda: layers.context_chain("note 3"),
            lambda: old.add("note 9", vector=question),
        ):
            with pytest.raises(WrongEmbedderError):
                ask()
        assert mover.search("note 3", k=1)[0].memory.id == "m3"
        assert mover.check() == []


# Vectors that say by which model they are


def of(model, text):
    return NamedVector(OLD([text])[0].tolist(), model)


WAYS = {
    "add": lambda s, v: s.add("more tea", vector=v),
    "add_many": lambda s, v: s.add_many([{"text": "tea", "vector": v}]),
    "supersede": lambda s, v: s.supersede("m0", "no tea", vector=v),
    "update": lambda s, v: s.update("m0", vector=v),
    "search": lambda s, v: s.search(vector=v),
    "recall": lambda s, v: s.recall("tea", vector=v),
    "nearest": lambda s, v: s.nearest(v),
    "chain": lambda s, v: s.context_chain("tea", vector=v),
    "why_not": lambda s, v: s.why_not(None, "m0", vector=v),
    "layers": lambda s, v: ContextLayers(user=s).search("tea", vector=v),
    "correction": lambda s, v: s.feedback(
        "turn", "corrected", memory_ids=["m0"], correction="no tea", vector=v
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("embedder", [None, OLD], ids=["words", "embedder"])
def test_a_vector_that_says_by_which_model_it_is_is_refused_beside_those_of_another(
    path, way, embedder
):
    with filled(path, 3) as store:
        name = store.stats().embedder
        store.recall("tea", turn="turn")
    with Store.open(path, embedder=embedder) as store:
        before = store.stats().generation
        with pytest.raises(WrongEmbedderError, match="another"):
            WAYS[way](store, of("another", "tea"))
        assert store.stats().generation == before

        WAYS[way](store, of(name, "tea"))
        assert store.check() == []


def test_a_batch_of_two_models_is_refused_by_a_store_without_a_vector_too(path):
    batch = [{"text": "tea", "id": "a", "vector": of("small", "tea")},
             {"text": "no vector"},
             {"text": "rain", "id": "b", "vector": of("large", "rain")}]  # fmt: skip
    with Store.open(path.with_name("bob.feather")) as empty:
        with pytest.raises(
            WrongEmbedderError, match=r"record 2 \(id 'b'\): .*'small', not by 'large'"
        ):
            empty.add_many(batch)

        assert len(empty) == 0
        empty.add_many(batch[:2])
        assert empty.stats().embedder == "small"
        assert empty.check() == []


def test_a_stated_name_is_that_of_every_vector_and_the_first_is_kept(path):
    with Store.open(path) as store:
        store.add("tea", vector=of("small", "tea"))
        assert store.stats().embedder == "small"
    with Store.open(path, embedder_name="small") as store:
        store.add("green tea", vector=of("an alias", "green tea"))

        assert len(store.search(vector=of("another alias", "tea"))) == 2
        assert store.stats().embedder == "small"
        assert store.check() == []
